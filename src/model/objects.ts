/**
 * Kubernetes and Istio objects as the cluster's object feed declares them, reduced to what is concluded
 * from. Pods are in `observations.ts`. Text is "" and numbers 0 where an object does not say; addresses
 * are canonical text (`lib/ip.ts`).
 */
import type { Us } from "./time.ts";

/** What every object has. An object's identity is cluster, type, namespace and name. */
interface Named {
  readonly uid: string;
  /** "" for objects of the whole cluster. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** `matchLabels` alone; `expressions` says that there is more, which is not evaluated. */
export interface LabelSelector {
  readonly labels: Readonly<Record<string, string>>;
  readonly hasExpressions: boolean;
}

export interface ServiceObject extends Named {
  readonly type: "service";
  /** Virtual addresses of every family; [] for headless ones. */
  readonly clusterIps: readonly string[];
  readonly externalName: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly name: string;
    readonly transport: "tcp" | "udp" | "other";
    readonly port: number;
    /** 0 = named: the endpoints know. */
    readonly targetPort: number;
    readonly targetPortName: string;
  }[];
}

export interface EndpointSliceObject extends Named {
  readonly type: "endpoint_slice";
  /** Of the label `kubernetes.io/service-name`. */
  readonly service: string;
  readonly ports: readonly {
    readonly name: string;
    readonly transport: "tcp" | "udp" | "other";
    /** 0 = every port. */
    readonly port: number;
  }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    /** "" when it stands for no pod. */
    readonly podNamespace: string;
    readonly podName: string;
    readonly podUid: string;
    readonly isReady: boolean;
  }[];
}

export interface NamespaceObject extends Named {
  readonly type: "namespace";
}

export interface NetworkPolicyObject extends Named {
  readonly type: "network_policy";
  readonly podSelector: LabelSelector;
  readonly isIngress: boolean;
  readonly isEgress: boolean;
  /** Rules that let something through; none in a direction that it governs = deny by default. */
  readonly ingressRules: number;
  readonly egressRules: number;
  /** One of those rules lets everything through: it names neither peers nor ports. */
  readonly ingressOpen?: true;
  readonly egressOpen?: true;
  /** The spec as it came, for rules; at most 64 KiB as JSON, else {}, which `specCut` says. */
  readonly spec: unknown;
  readonly specCut?: true;
}

export type DeclaredMode = "unset" | "strict" | "permissive" | "disable";

export interface PeerAuthenticationObject extends Named {
  readonly type: "peer_authentication";
  readonly selector: LabelSelector;
  readonly mode: DeclaredMode;
  /** Port (as decimal text) to its own mode. */
  readonly portModes: Readonly<Record<string, DeclaredMode>>;
  /** When it was made: of several in one scope the oldest governs. 0 = not given. */
  readonly createdUs: Us;
  /** How often its spec was set: 1 = it is as it was made. 0 = not given. */
  readonly generation: number;
  readonly spec: unknown;
  readonly specCut?: true;
}

export interface AuthorizationPolicyObject extends Named {
  readonly type: "authorization_policy";
  readonly selector: LabelSelector;
  /** Names of Services or Gateways (waypoints) that it is attached to instead of a selector. */
  readonly targetRefs: readonly string[];
  readonly action: "allow" | "deny" | "audit" | "custom";
  /** True when a rule names principals, namespaces or service accounts: it rests on mTLS. */
  readonly usesIdentity: boolean;
  readonly rules: number;
  readonly spec: unknown;
  readonly specCut?: true;
}

/** The mesh's own configuration, from the `mesh` key of the ConfigMap `istio` (also of revisions). */
export interface MeshConfigObject extends Named {
  readonly type: "mesh_config";
  /** Of the control plane that reads it; `default` where nothing names one. */
  readonly revision: string;
  readonly outboundMode: "unknown" | "allow_any" | "registry_only";
  readonly trustDomains: readonly string[];
  readonly rootNamespace: string;
  readonly discoveryHost: string;
  /** 0 where the text names none. */
  readonly discoveryPort: number;
  /** Where proxies send telemetry or ask for permission: control traffic, as host and port. */
  readonly providers: readonly { readonly host: string; readonly port: number }[];
}

/**
 * What the sidecar injector of a revision lets around the proxy in every pod that does not say otherwise,
 * from the `values` key of its ConfigMap. Ports as decimal text or `*`, ranges as CIDR or `*`.
 */
export interface InjectorObject extends Named {
  readonly type: "injector";
  readonly revision: string;
  /** What alone is captured: `*` = everything. */
  readonly includedOutboundRanges: readonly string[];
  readonly includedOutboundPorts: readonly string[];
  readonly excludedOutboundPorts: readonly string[];
  readonly excludedOutboundRanges: readonly string[];
  readonly excludedInboundPorts: readonly string[];
}

/** Istio's and the Gateway API's other objects, by the kind that Kubernetes calls them. */
export const routingKinds = {
  request_authentication: "RequestAuthentication",
  sidecar: "Sidecar",
  destination_rule: "DestinationRule",
  virtual_service: "VirtualService",
  istio_gateway: "Gateway",
  service_entry: "ServiceEntry",
  workload_entry: "WorkloadEntry",
  telemetry: "Telemetry",
  proxy_config: "ProxyConfig",
  envoy_filter: "EnvoyFilter",
  gateway: "Gateway",
  http_route: "HTTPRoute",
  grpc_route: "GRPCRoute",
  tls_route: "TLSRoute",
  tcp_route: "TCPRoute",
  reference_grant: "ReferenceGrant",
} as const;
export type RoutingType = keyof typeof routingKinds;

/** One of those: of each as much as rules read. */
export interface RoutingObject extends Named {
  readonly type: RoutingType;
  /** Of workloads in its own namespace, everybody's in the mesh's root; null = it selects none by labels. */
  readonly selector: LabelSelector | null;
  /** Host names that it is about, sorted, as it writes them; of keys of tokens as `host:port`. */
  readonly hosts: readonly string[];
  /** Namespaces that see it (`.` = its own, `*` = all), [] = it does not say. */
  readonly exportedTo: readonly string[];
  readonly spec: unknown;
  readonly specCut?: true;
}

export function isRouting(object: DeclaredObject): object is RoutingObject {
  return Object.hasOwn(routingKinds, object.type);
}

/** Who controls the controller of pods: the Deployment of a ReplicaSet, the CronJob of a Job. */
export interface ControllerObject extends Named {
  readonly type: "replica_set" | "job";
  /** "" = nobody. */
  readonly ownerKind: string;
  readonly ownerName: string;
}

/** Who pods are to the API server; they are given its token unless they, or else the account, say no. */
export interface ServiceAccountObject extends Named {
  readonly type: "service_account";
  readonly automountToken: boolean;
}

/** A machine of the cluster. */
export interface NodeObject extends Named {
  readonly type: "node";
  /** Its own addresses, also those by which it is reached from outside. */
  readonly addresses: readonly string[];
}

/**
 * That all objects of a kind are told (`name`: as the API calls it in the plural), so that there is none
 * where none is told. A sender says so, or a list of the whole cluster shows it.
 */
export interface ObjectKindObject extends Named {
  readonly type: "object_kind";
}

/** Kinds of which it matters that there is none. */
export const countedKinds = {
  network_policy: "networkpolicies",
  peer_authentication: "peerauthentications",
  authorization_policy: "authorizationpolicies",
  service: "services",
} as const;

export function objectKind(name: string): ObjectKindObject {
  return { type: "object_kind", uid: "", namespace: "", name, labels: {}, annotations: {} };
}

/** Objects that are kept whole and concluded from, beside pods. */
export type DeclaredObject =
  | ServiceObject
  | EndpointSliceObject
  | NamespaceObject
  | NetworkPolicyObject
  | PeerAuthenticationObject
  | AuthorizationPolicyObject
  | MeshConfigObject
  | InjectorObject
  | RoutingObject
  | ControllerObject
  | ServiceAccountObject
  | NodeObject
  | ObjectKindObject;
