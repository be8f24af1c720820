/**
 * Which reader a Kubernetes object is for. Names of kinds repeat between API groups (Knative and Calico
 * have a Service and a NetworkPolicy too), so the group decides as well wherever the object gives one.
 */
import { routingKinds, type DeclaredObject, type RoutingType } from "../../model/objects.ts";
import type { ObjectSeen } from "../../model/observations.ts";
import { field, textField, type Json } from "../json.ts";
import { readController } from "./controller-object.ts";
import { readEndpointSlice } from "./endpoint-slice.ts";
import { readAuthorizationPolicy, readPeerAuthentication } from "./istio-policy.ts";
import { readService } from "./kubernetes-service.ts";
import { readMeshConfigMap } from "./mesh-config.ts";
import { readRouting } from "./mesh-routing.ts";
import { readNetworkPolicy } from "./network-policy.ts";
import { readNode } from "./node-object.ts";
import { readMetadata, type ObjectAt } from "./object-metadata.ts";
import { readPodObject } from "./pod-object.ts";
import { readServiceAccount } from "./service-account.ts";

interface Kind {
  readonly kind: string;
  /** As the API names it, in the plural. */
  readonly resource: string;
  /** "" = core. */
  readonly group: string;
  /** Null: none of ours after all. */
  read(at: ObjectAt): DeclaredObject | null;
}

const istioNetworking = "networking.istio.io";
const gatewayApi = "gateway.networking.k8s.io";

/** The API group of each; the plural is the kind in small letters and an s, or as it stands here. */
const routing: Readonly<
  Record<RoutingType, { readonly group: string; readonly resource?: string }>
> = {
  request_authentication: { group: "security.istio.io" },
  sidecar: { group: istioNetworking },
  destination_rule: { group: istioNetworking },
  virtual_service: { group: istioNetworking },
  istio_gateway: { group: istioNetworking },
  service_entry: { group: istioNetworking, resource: "serviceentries" },
  workload_entry: { group: istioNetworking, resource: "workloadentries" },
  telemetry: { group: "telemetry.istio.io", resource: "telemetries" },
  proxy_config: { group: istioNetworking },
  envoy_filter: { group: istioNetworking },
  gateway: { group: gatewayApi },
  http_route: { group: gatewayApi },
  grpc_route: { group: gatewayApi },
  tls_route: { group: gatewayApi },
  tcp_route: { group: gatewayApi },
  reference_grant: { group: gatewayApi },
};

function routingKind([type, { group, resource }]: [
  string,
  { group: string; resource?: string },
]): Kind {
  const known = type as RoutingType; // a key of `routing`
  const kind = routingKinds[known];
  return {
    kind,
    group,
    resource: resource ?? `${kind.toLowerCase()}s`,
    read: (at) => readRouting(known, at),
  };
}

const kinds: readonly Kind[] = [
  { kind: "Service", resource: "services", group: "", read: readService },
  {
    kind: "EndpointSlice",
    resource: "endpointslices",
    group: "discovery.k8s.io",
    read: readEndpointSlice,
  },
  {
    kind: "Namespace",
    resource: "namespaces",
    group: "",
    read: ({ metadata }) => ({ type: "namespace", ...metadata }),
  },
  {
    kind: "NetworkPolicy",
    resource: "networkpolicies",
    group: "networking.k8s.io",
    read: readNetworkPolicy,
  },
  {
    kind: "PeerAuthentication",
    resource: "peerauthentications",
    group: "security.istio.io",
    read: readPeerAuthentication,
  },
  {
    kind: "AuthorizationPolicy",
    resource: "authorizationpolicies",
    group: "security.istio.io",
    read: readAuthorizationPolicy,
  },
  { kind: "ConfigMap", resource: "configmaps", group: "", read: readMeshConfigMap },
  { kind: "Node", resource: "nodes", group: "", read: readNode },
  { kind: "ServiceAccount", resource: "serviceaccounts", group: "", read: readServiceAccount },
  {
    kind: "ReplicaSet",
    resource: "replicasets",
    group: "apps",
    read: (at) => readController("replica_set", at),
  },
  { kind: "Job", resource: "jobs", group: "batch", read: (at) => readController("job", at) },
  ...Object.entries(routing).map(routingKind),
];

/** `resource` is what the feed calls the object's kind, "" where it says nothing. Null: it has no name. */
export function readObject(
  object: Json,
  resource: string,
  tools: Pick<ObjectAt, "tally" | "parseYaml">,
): ObjectSeen["object"] | null {
  const metadata = readMetadata(field(object, "metadata"));
  if (metadata.name === "") return null;
  const kind = textField(object, "kind");
  const isPod = resource === "pods" || (resource === "" && kind === "Pod");
  if (isPod) return readPodObject(object); // pods are told apart by their uid
  // A name is part of what the others are told apart by, with slashes between.
  if (/\//.test(metadata.name + metadata.namespace)) return null;
  const declared = kindOf(object, resource)?.read({ object, metadata, ...tools });
  if (declared) return declared;
  const { uid, namespace, name } = metadata;
  return { type: "other", resource: resource || kind.toLowerCase(), uid, namespace, name };
}

const byResource = grouped(({ resource }) => resource);
const byKind = grouped(({ kind }) => kind);

function grouped(nameOf: (kind: Kind) => string): ReadonlyMap<string, readonly Kind[]> {
  const groups = new Map<string, Kind[]>();
  for (const kind of kinds) groups.set(nameOf(kind), [...(groups.get(nameOf(kind)) ?? []), kind]);
  return groups;
}

function kindOf(object: Json, resource: string): Kind | undefined {
  const version = textField(object, "apiVersion");
  const slash = version.indexOf("/");
  const group = slash < 0 ? "" : version.slice(0, slash);
  const named = resource === "" ? byKind.get(textField(object, "kind")) : byResource.get(resource);
  return named?.find((one) => version === "" || one.group === group);
}
