/**
 * Which reader a Kubernetes object is for. Names of kinds repeat between API groups (Knative and Calico
 * have a Service and a NetworkPolicy too), so the group decides as well wherever the object gives one.
 */
import type { DeclaredObject } from "../../model/objects.ts";
import type { ObjectSeen } from "../../model/observations.ts";
import { field, textField, type Json } from "../json.ts";
import { readEndpointSlice } from "./endpoint-slice.ts";
import { readAuthorizationPolicy, readPeerAuthentication } from "./istio-policy.ts";
import { readService } from "./kubernetes-service.ts";
import { readMeshConfigMap } from "./mesh-config.ts";
import { readNetworkPolicy } from "./network-policy.ts";
import { readMetadata, type ObjectAt } from "./object-metadata.ts";
import { readPodObject } from "./pod-object.ts";

interface Kind {
  readonly kind: string;
  /** As the API names it, in the plural. */
  readonly resource: string;
  /** "" = core. */
  readonly group: string;
  /** Null: none of ours after all. */
  read(at: ObjectAt): DeclaredObject | null;
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

function kindOf(object: Json, resource: string): Kind | undefined {
  const kind = textField(object, "kind");
  const version = textField(object, "apiVersion");
  const slash = version.indexOf("/");
  const group = slash < 0 ? "" : version.slice(0, slash);
  return kinds.find(
    (one) =>
      (resource === "" ? one.kind === kind : one.resource === resource) &&
      (version === "" || one.group === group),
  );
}
