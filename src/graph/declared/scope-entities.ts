/** Namespaces, clusters and policies as rules see them, each with what says so. Pure. */
import type { Evidence } from "../../model/changes.ts";
import { makeEntity, type Entity, type NodeEntity } from "../../model/entities.ts";
import type { DeclaredObject } from "../../model/objects.ts";
import type { Us } from "../../model/time.ts";
import { contentHash } from "../content-hash.ts";
import { dataplaneModeOf, injectionOf, podSecurityOf } from "./injection.ts";
import { peerModes } from "./peer-mode.ts";
import { deniedByDefault } from "./policies.ts";
import {
  authorizationPoliciesOf,
  isMeshKnown,
  kindOfPolicy,
  peerPoliciesOf,
  rootOf,
  toldKindsOf,
  type ClusterScope,
  type NamespaceScope,
  type Policy,
} from "./scopes.ts";

/** Names that one entity lists; more are left out. */
const namesMax = 256;

/** What is counted of a namespace's workloads. */
export interface NamespaceCounts {
  readonly workloads: number;
  readonly meshed: number;
  /** Names of meshed workloads that no policy selects, not even perhaps. */
  readonly withoutPolicy: Iterable<string>;
  readonly coverage: Readonly<Record<string, string>>;
}

export function namespaceEntity(
  namespace: NamespaceScope,
  counts: NamespaceCounts,
): Entity<"namespace"> {
  const { object, network, cluster } = namespace;
  const denied = deniedByDefault([...network.values()].map((policy) => policy.object));
  return {
    name: namespace.name,
    cluster: cluster.name,
    self: placeOf(namespace),
    declared: object !== undefined,
    told_kinds: toldKindsOf(cluster),
    injection: injectionOf(object),
    dataplane_mode: dataplaneModeOf(undefined, object),
    pod_security_enforce: podSecurityOf(object),
    network_policies: namesOf(network.values()),
    default_deny_ingress: denied.ingress,
    default_deny_egress: denied.egress,
    declared_mode: peerModes(peerPoliciesOf(namespace), []).mode,
    authorization_policies: namesOf(authorizationPoliciesOf(namespace)),
    workloads: counts.workloads,
    meshed_workloads: counts.meshed,
    workloads_without_policy: [...counts.withoutPolicy].sort().slice(0, namesMax),
    coverage: counts.coverage,
  };
}

export function clusterEntity(cluster: ClusterScope): Entity<"cluster"> {
  const { name, mesh, namespaces } = cluster;
  const all = [...namespaces.values()];
  const authorization = all.flatMap((one) => [...one.authorization.values()]);
  const peers = all.flatMap((one) => [...one.peer.values()]);
  const isStrictAnywhere = peers.some(({ object }) => object.mode === "strict");
  const identity = authorization.filter(({ object }) => object.usesIdentity);
  return {
    ...makeEntity("cluster"),
    name,
    declared_mode: meshMode(cluster),
    outbound_mode: mesh.outboundMode,
    trust_domains: mesh.trustDomains,
    strict_anywhere: isStrictAnywhere,
    authorization_policies: namesOf(authorization),
    identity_policies: identity.length,
    identity_policies_without_strict: namesOf(
      identity.filter(({ namespace }) =>
        namespace === rootOf(cluster)
          ? !isStrictAnywhere && isOpenMode(meshMode(cluster))
          : !hasStrict(namespace) && isOpenMode(peerModes(peerPoliciesOf(namespace), []).mode),
      ),
    ),
    told_kinds: toldKindsOf(cluster),
  };
}

type Mode = Entity<"cluster">["declared_mode"];

/** Plaintext is taken, as far as anybody declares; of an unknown mode nobody can say it. */
function isOpenMode(mode: Mode): boolean {
  return mode === "unset" || mode === "permissive" || mode === "disable";
}

/** Also for some workloads or ports only: those may be the ones that the policy means. */
function hasStrict({ peer }: NamespaceScope): boolean {
  return [...peer.values()].some(
    ({ object }) => object.mode === "strict" || Object.values(object.portModes).includes("strict"),
  );
}

/** A namespace as a node without a name. */
export function placeOf({ name, cluster }: NamespaceScope): NodeEntity {
  return { ...makeEntity("node"), cluster: cluster.name, namespace: name, resolved: "object" };
}

/** What the root namespace declares for everybody. */
function meshMode(cluster: ClusterScope): Mode {
  const policies = [...(rootOf(cluster)?.peer.values() ?? [])];
  const isKnown = isMeshKnown(cluster);
  return peerModes({ isKnown, mesh: policies, namespace: [], goneUs: 0 }, []).mode;
}

export function policyEntity({ object, matches, namespace: scope }: Policy): Entity<"policy"> {
  const { namespace, name, spec } = object;
  return {
    ...makeEntity("policy"),
    kind: kindOfPolicy(object),
    cluster: scope.cluster.name,
    namespace,
    name,
    self: placeOf(scope),
    spec,
    matches_workloads: matches,
    hosts: "hosts" in object ? object.hosts : [],
    exported_to: "exportedTo" in object ? object.exportedTo : [],
  };
}

/** Names as `namespace/name`, sorted. */
export function namesOf(policies: Iterable<Policy>): readonly string[] {
  return [...policies]
    .map(({ object }) => `${object.namespace}/${object.name}`)
    .sort()
    .slice(0, namesMax);
}

/** What is declared for the whole mesh, by its configurations and the policies of the root namespace. */
export function clusterEvidence(cluster: ClusterScope): readonly Evidence[] {
  const root = rootOf(cluster);
  return [...cluster.configs.values(), ...(root?.peer.values() ?? [])].map(({ object, sinceUs }) =>
    objectEvidence(cluster.name, object, sinceUs),
  );
}

/** That an object says what it says, since a time. */
export function objectEvidence(cluster: string, object: DeclaredObject, sinceUs: Us): Evidence {
  const { type, namespace, name } = object;
  const of = namespace === "" ? name : `${namespace}/${name}`;
  return {
    atUs: sinceUs,
    nanos: 0,
    vantage: "object",
    source: cluster,
    text: `${type.replaceAll("_", " ")} ${of} ${saidBy(object)}`,
    fields: { cluster, type, namespace, name },
    hash: contentHash(["declared", cluster, type, namespace, name, sinceUs]),
  };
}

function saidBy(object: DeclaredObject): string {
  if (object.type === "peer_authentication") return `declares mode ${object.mode}`;
  if (object.type === "mesh_config") {
    return `lets out ${object.outboundMode}, trusts ${object.trustDomains.join(", ")}`;
  }
  const isCut = "specCut" in object && object.specCut;
  return isCut ? "is declared, in a specification too long to be kept" : "is declared";
}
