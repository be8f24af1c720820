/**
 * Declared objects by where they hold: clusters, their namespaces, and the policies of each. It follows
 * the table of objects and says whom a change concerns; what follows from it is concluded elsewhere.
 * Bounded by that table, and by the namespaces of known pods.
 */
import type {
  AuthorizationPolicyObject,
  MeshConfigObject,
  NamespaceObject,
  NetworkPolicyObject,
  PeerAuthenticationObject,
  RoutingObject,
  ServiceAccountObject,
} from "../../model/objects.ts";
import { isRouting, routingKinds } from "../../model/objects.ts";
import type { Us } from "../../model/time.ts";
import type { ObjectRecord } from "../objects.ts";
import { meshFactsOf, type MeshFacts } from "./mesh.ts";
import type { PeerPolicies } from "./peer-mode.ts";

export type PolicyObject =
  | AuthorizationPolicyObject
  | NetworkPolicyObject
  | PeerAuthenticationObject
  | RoutingObject;

/** One policy, as it is now. */
export interface Policy<Object extends PolicyObject = PolicyObject> {
  /** Of the table of objects. */
  readonly key: string;
  object: Object;
  sinceUs: Us;
  readonly namespace: NamespaceScope;
  /** Living workloads that it selects, surely or perhaps. */
  matches: number;
}

export interface NamespaceScope {
  readonly key: string;
  readonly name: string;
  readonly cluster: ClusterScope;
  object: NamespaceObject | undefined;
  /** Since when its object is as it is, 0 = it has none. */
  sinceUs: Us;
  readonly peer: Map<string, Policy<PeerAuthenticationObject>>;
  readonly authorization: Map<string, Policy<AuthorizationPolicyObject>>;
  readonly network: Map<string, Policy<NetworkPolicyObject>>;
  /** Others of Istio's and of the Gateway API's: those that select workloads, and those that do not. */
  readonly selecting: Map<string, Policy<RoutingObject>>;
  readonly routing: Map<string, Policy<RoutingObject>>;
  /** When peer authentications were deleted, by key, as long as the table remembers them. */
  readonly goneUs: Map<string, Us>;
  /** Service accounts that give pods no token unless these ask for it. */
  readonly accountsWithoutToken: Set<string>;
}

export interface ClusterScope {
  readonly name: string;
  readonly configs: Map<string, { readonly object: MeshConfigObject; readonly sinceUs: Us }>;
  mesh: MeshFacts;
  /** Kinds of objects (as the API names them in the plural) of which all are told. */
  readonly toldKinds: Set<string>;
  readonly namespaces: Map<string, NamespaceScope>;
}

/** What is to be looked at again because of a changed object. */
export interface Affected {
  readonly clusters: Set<ClusterScope>;
  readonly namespaces: Set<NamespaceScope>;
  /** Scopes of which every workload must be looked at. */
  readonly workloadsOf: Set<ClusterScope | NamespaceScope>;
  readonly policies: Set<Policy>;
  readonly gonePolicies: Set<string>;
  /** Which trust domains are ours has changed. */
  hasOtherTrust: boolean;
}

export class Scopes {
  readonly #clusters = new Map<string, ClusterScope>();
  readonly #meshNamespaces: readonly string[];

  /** `meshNamespaces`: where the mesh's own configuration is; elsewhere anybody may have one so named. */
  constructor(meshNamespaces: readonly string[]) {
    this.#meshNamespaces = meshNamespaces;
  }

  get clusters(): Iterable<ClusterScope> {
    return this.#clusters.values();
  }

  cluster(name: string): ClusterScope {
    let cluster = this.#clusters.get(name);
    if (!cluster) {
      const mesh = meshFactsOf([]);
      cluster = { name, configs: new Map(), mesh, toldKinds: new Set(), namespaces: new Map() };
      this.#clusters.set(name, cluster);
    }
    return cluster;
  }

  namespace(clusterName: string, name: string): NamespaceScope {
    const cluster = this.cluster(clusterName);
    let namespace = cluster.namespaces.get(name);
    if (!namespace) {
      namespace = {
        key: `${clusterName}/${name}`,
        name,
        cluster,
        object: undefined,
        sinceUs: 0,
        peer: new Map(),
        authorization: new Map(),
        network: new Map(),
        selecting: new Map(),
        routing: new Map(),
        goneUs: new Map(),
        accountsWithoutToken: new Set(),
      };
      cluster.namespaces.set(name, namespace);
    }
    return namespace;
  }

  /** Lets go of a namespace of which nothing is left. */
  drop(namespace: NamespaceScope): void {
    const { peer, authorization, network, selecting, routing, object, cluster, goneUs } = namespace;
    const policies = [peer, authorization, network, selecting, routing];
    const rest = goneUs.size + namespace.accountsWithoutToken.size;
    const kept = policies.reduce((sum, { size }) => sum + size, rest);
    if (kept === 0 && !object) cluster.namespaces.delete(namespace.name);
  }

  changed(record: ObjectRecord, affected: Affected): void {
    const { object } = record;
    if (isRouting(object)) return this.#routingChanged(record, object, affected);
    switch (object.type) {
      case "namespace": {
        const namespace = this.namespace(record.cluster, object.name);
        namespace.object = record.isGone ? undefined : object;
        namespace.sinceUs = record.isGone ? 0 : sinceOf(record);
        affected.namespaces.add(namespace);
        affected.workloadsOf.add(namespace);
        return;
      }
      case "mesh_config":
        if (!this.#meshNamespaces.includes(object.namespace)) return;
        this.#config(record, object, affected);
        return;
      case "peer_authentication":
        this.#peerChanged(record, object, affected);
        return;
      case "authorization_policy":
      case "network_policy":
        this.#policyChanged(record, object, affected);
        return;
      case "object_kind":
        this.#kindChanged(record, affected);
        return;
      case "service_account":
        this.#accountChanged(record, object, affected);
        return;
      case "service":
      case "endpoint_slice":
      case "injector":
      case "replica_set":
      case "job":
      case "node":
    }
  }

  #kindChanged(
    { cluster: name, object, isGone, isForgotten }: ObjectRecord,
    affected: Affected,
  ): void {
    const cluster = this.cluster(name);
    if (isGone || isForgotten) cluster.toldKinds.delete(object.name);
    else cluster.toldKinds.add(object.name);
    affected.clusters.add(cluster);
    for (const namespace of cluster.namespaces.values()) affected.namespaces.add(namespace);
  }

  #accountChanged(record: ObjectRecord, object: ServiceAccountObject, affected: Affected): void {
    const hasToken = object.automountToken || record.isGone || record.isForgotten;
    const cluster = this.cluster(record.cluster);
    // Nearly all give it, and then there is nothing to keep.
    if (hasToken && !cluster.namespaces.has(object.namespace)) return;
    const namespace = this.namespace(record.cluster, object.namespace);
    const { accountsWithoutToken } = namespace;
    if (accountsWithoutToken.has(object.name) !== hasToken) return;
    if (hasToken) accountsWithoutToken.delete(object.name);
    else accountsWithoutToken.add(object.name);
    affected.namespaces.add(namespace);
    affected.workloadsOf.add(namespace);
  }

  #config(record: ObjectRecord, object: MeshConfigObject, affected: Affected): void {
    const cluster = this.cluster(record.cluster);
    if (record.isGone) cluster.configs.delete(record.key);
    else cluster.configs.set(record.key, { object, sinceUs: sinceOf(record) });
    const before = cluster.mesh;
    cluster.mesh = meshFactsOf([...cluster.configs.values()].map((one) => one.object));
    affected.clusters.add(cluster);
    const { rootNamespace, isKnown, trustDomains } = cluster.mesh;
    if (before.trustDomains.join() !== trustDomains.join()) affected.hasOtherTrust = true;
    if (before.rootNamespace === rootNamespace && before.isKnown === isKnown) return;
    this.#wholeCluster(cluster, affected);
  }

  #peerChanged(record: ObjectRecord, object: PeerAuthenticationObject, affected: Affected): void {
    const namespace = this.namespace(record.cluster, object.namespace);
    if (record.isGone && !record.isForgotten) namespace.goneUs.set(record.key, sinceOf(record));
    else namespace.goneUs.delete(record.key);
    this.#keep(namespace.peer, record, object, affected);
    affected.clusters.add(namespace.cluster);
    this.#reaches(namespace, affected);
  }

  #policyChanged(
    record: ObjectRecord,
    object: AuthorizationPolicyObject | NetworkPolicyObject,
    affected: Affected,
  ): void {
    const namespace = this.namespace(record.cluster, object.namespace);
    if (object.type === "network_policy") {
      this.#keep(namespace.network, record, object, affected);
      affected.workloadsOf.add(namespace);
    } else {
      this.#keep(namespace.authorization, record, object, affected);
      affected.clusters.add(namespace.cluster);
      this.#reaches(namespace, affected);
    }
  }

  /** One that selects others than before may select nobody any more, and the other way round. */
  #routingChanged(record: ObjectRecord, object: RoutingObject, affected: Affected): void {
    const { selecting, routing } = this.namespace(record.cluster, object.namespace);
    const isSelecting = object.selector !== null;
    const [own, other] = isSelecting ? [selecting, routing] : [routing, selecting];
    const namespace = this.namespace(record.cluster, object.namespace);
    const moved = other.get(record.key);
    if (moved) {
      other.delete(record.key);
      affected.policies.delete(moved);
    }
    this.#keep(own, record, object, affected);
    if (isSelecting || moved) this.#reaches(namespace, affected);
  }

  /** What stands in the root namespace holds everywhere. */
  #reaches(namespace: NamespaceScope, affected: Affected): void {
    affected.namespaces.add(namespace);
    if (namespace.name === namespace.cluster.mesh.rootNamespace) {
      this.#wholeCluster(namespace.cluster, affected);
    } else affected.workloadsOf.add(namespace);
  }

  #wholeCluster(cluster: ClusterScope, affected: Affected): void {
    affected.workloadsOf.add(cluster);
    for (const namespace of cluster.namespaces.values()) affected.namespaces.add(namespace);
  }

  #keep<Object extends PolicyObject>(
    policies: Map<string, Policy<Object>>,
    record: ObjectRecord,
    object: Object,
    affected: Affected,
  ): void {
    const { key } = record;
    const namespace = this.namespace(record.cluster, object.namespace);
    const before = policies.get(key);
    affected.namespaces.add(namespace);
    if (record.isGone || record.isForgotten) {
      if (before) affected.policies.delete(before);
      policies.delete(key);
      affected.gonePolicies.add(key);
      return;
    }
    affected.gonePolicies.delete(key);
    const sinceUs = sinceOf(record);
    const policy = before ?? { key, object, sinceUs, namespace, matches: 0 };
    policy.object = object;
    policy.sinceUs = sinceUs;
    policies.set(key, policy);
    affected.policies.add(policy);
  }
}

/** As rules know them: where the mesh's root namespace is known, its configuration counts as one. */
export function toldKindsOf({ toldKinds, mesh }: ClusterScope): readonly string[] {
  const isConfigTold = mesh.isKnown && mesh.rootNamespace !== "";
  return [...toldKinds, ...(isConfigTold ? ["meshconfig"] : [])].sort();
}

/**
 * The namespace whose policies hold for the whole mesh; undefined where revisions disagree, or nothing is
 * declared in it.
 */
export function rootOf({ mesh, namespaces }: ClusterScope): NamespaceScope | undefined {
  return mesh.rootNamespace === "" ? undefined : namespaces.get(mesh.rootNamespace);
}

/**
 * Whether what is declared for the whole mesh is known: its configuration names the root, or policies in
 * the usual one show that it is that.
 */
export function isMeshKnown(cluster: ClusterScope): boolean {
  const { isKnown, rootNamespace } = cluster.mesh;
  return rootNamespace !== "" && (isKnown || (rootOf(cluster)?.peer.size ?? 0) > 0);
}

/** What bears on a workload of the namespace. */
export function peerPoliciesOf(namespace: NamespaceScope): PeerPolicies {
  const root = rootOf(namespace.cluster);
  return {
    isKnown: isMeshKnown(namespace.cluster),
    mesh: root ? [...root.peer.values()] : [],
    // Selectors in the root namespace count for nothing, also for its own workloads.
    namespace: root === namespace ? [] : [...namespace.peer.values()],
    goneUs: Math.max(0, ...namespace.goneUs.values(), ...(root?.goneUs.values() ?? [])),
  };
}

/** Policies that could authorize calls to workloads of the namespace. */
export function authorizationPoliciesOf(
  namespace: NamespaceScope,
): readonly Policy<AuthorizationPolicyObject>[] {
  const root = rootOf(namespace.cluster);
  const own = [...namespace.authorization.values()];
  return root && root !== namespace ? [...own, ...root.authorization.values()] : own;
}

/** Objects of Istio and the Gateway API that may select workloads of the namespace by their labels. */
export function selectingPoliciesOf(namespace: NamespaceScope): readonly Policy<RoutingObject>[] {
  const root = rootOf(namespace.cluster);
  const own = [...namespace.selecting.values()];
  return root && root !== namespace ? [...own, ...root.selecting.values()] : own;
}

/** Where a namespace keeps policies of that type. */
export function policiesOfType(
  { peer, authorization, network, selecting, routing }: NamespaceScope,
  { type }: PolicyObject,
): readonly ReadonlyMap<string, Policy>[] {
  if (type === "peer_authentication") return [peer];
  if (type === "authorization_policy") return [authorization];
  return type === "network_policy" ? [network] : [selecting, routing];
}

const policyKinds: Readonly<Record<PolicyObject["type"], string>> = {
  ...routingKinds,
  authorization_policy: "AuthorizationPolicy",
  network_policy: "NetworkPolicy",
  peer_authentication: "PeerAuthentication",
};

/** As Kubernetes names the kind. */
export function kindOfPolicy({ type }: PolicyObject): string {
  return policyKinds[type];
}

function sinceOf({ saidUs, atUs }: ObjectRecord): Us {
  return saidUs[0] ?? atUs;
}
