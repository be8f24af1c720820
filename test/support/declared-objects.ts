/** Declared objects by hand for tests of the graph: whole objects from the parts that matter. */
import type {
  AuthorizationPolicyObject,
  ControllerObject,
  DeclaredObject,
  MeshConfigObject,
  NamespaceObject,
  NetworkPolicyObject,
  NodeObject,
  PeerAuthenticationObject,
  RoutingObject,
  ServiceAccountObject,
} from "../../src/model/objects.ts";
import type { ObjectSeen } from "../../src/model/observations.ts";
import { atSecond } from "./graph-observations.ts";

const everything = { labels: {}, hasExpressions: false };

const named = (namespace: string, name: string) => ({
  uid: `uid-${namespace}-${name}`,
  namespace,
  name,
  labels: {},
  annotations: {},
});

/** Selects by the label `app`. */
export const appSelector = (app: string) => ({ labels: { app }, hasExpressions: false });

export function declaredSeen(
  second: number,
  object: DeclaredObject,
  event: ObjectSeen["event"] = "listed",
): ObjectSeen {
  return {
    kind: "object_seen",
    event,
    timeUs: atSecond(second),
    nanos: 0,
    source: { kind: "objects", key: "lab", cluster: "lab", namespace: "" },
    trust: "attested",
    cluster: "lab",
    object,
  };
}

export function makeNamespace(name: string, labels: Record<string, string> = {}): NamespaceObject {
  return { ...named("", name), type: "namespace", labels };
}

/** As it was made a day ago, unless the parts say otherwise. */
export function makePeerAuthentication(
  namespace: string,
  mode: PeerAuthenticationObject["mode"],
  parts: Partial<PeerAuthenticationObject> = {},
): PeerAuthenticationObject {
  return {
    ...named(namespace, "default"),
    type: "peer_authentication",
    selector: everything,
    mode,
    portModes: {},
    createdUs: atSecond(-86_400),
    generation: 1,
    spec: { mtls: { mode: mode.toUpperCase() } },
    ...parts,
  };
}

export function makeAuthorizationPolicy(
  namespace: string,
  name: string,
  parts: Partial<AuthorizationPolicyObject> = {},
): AuthorizationPolicyObject {
  return {
    ...named(namespace, name),
    type: "authorization_policy",
    selector: everything,
    targetRefs: [],
    action: "allow",
    usesIdentity: false,
    rules: 1,
    spec: {},
    ...parts,
  };
}

export function makeNetworkPolicy(
  namespace: string,
  name: string,
  parts: Partial<NetworkPolicyObject> = {},
): NetworkPolicyObject {
  return {
    ...named(namespace, name),
    type: "network_policy",
    podSelector: everything,
    isIngress: true,
    isEgress: false,
    ingressRules: 0,
    egressRules: 0,
    spec: {},
    ...parts,
  };
}

export function makeMeshConfig(parts: Partial<MeshConfigObject> = {}): MeshConfigObject {
  return {
    ...named("istio-system", "istio"),
    type: "mesh_config",
    revision: "default",
    outboundMode: "allow_any",
    trustDomains: ["cluster.local"],
    rootNamespace: "istio-system",
    discoveryHost: "istiod.istio-system.svc",
    discoveryPort: 15_012,
    providers: [],
    ...parts,
  };
}

/** One of Istio's or the Gateway API's objects, by the name `default`; it selects nobody. */
export function makeRouting(
  namespace: string,
  type: RoutingObject["type"],
  parts: Partial<RoutingObject> = {},
): RoutingObject {
  const nobody = { selector: null, hosts: [], exportedTo: [], spec: {} };
  return { ...named(namespace, "default"), type, ...nobody, ...parts };
}

export function makeController(
  namespace: string,
  name: string,
  ownerKind: string,
  ownerName: string,
): ControllerObject {
  return { ...named(namespace, name), type: "replica_set", ownerKind, ownerName };
}

export function makeServiceAccount(
  namespace: string,
  name: string,
  automountToken: boolean,
): ServiceAccountObject {
  return { ...named(namespace, name), type: "service_account", automountToken };
}

export function makeNode(name: string, addresses: readonly string[]): NodeObject {
  return { ...named("", name), type: "node", addresses };
}
