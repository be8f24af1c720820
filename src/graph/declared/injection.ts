/**
 * What labels and annotations of namespaces and pods declare about the data plane: whether a sidecar is
 * injected, whether the node's proxy takes the traffic. Pure; the words are Istio's own.
 */
import type { Entity } from "../../model/entities.ts";
import type { NamespaceObject } from "../../model/objects.ts";
import type { PodObject } from "../../model/observations.ts";

const words = {
  injection: "istio-injection",
  revision: "istio.io/rev",
  inject: "sidecar.istio.io/inject",
  dataplane: "istio.io/dataplane-mode",
  redirection: "ambient.istio.io/redirection",
  proxyConfig: "proxy.istio.io/config",
  interception: "sidecar.istio.io/interceptionMode",
  excludedInbound: "traffic.sidecar.istio.io/excludeInboundPorts",
  enforce: "pod-security.kubernetes.io/enforce",
} as const;

/** `enabled`, `disabled` (also any other word), the name of a revision, or "" = it says nothing. */
export function injectionOf(namespace: NamespaceObject | undefined): string {
  const labels = namespace?.labels ?? {};
  // Of both labels the older one has the last word, whatever it says.
  const injection = labels[words.injection];
  if (injection !== undefined) return injection === "enabled" ? "enabled" : "disabled";
  return labels[words.revision] ?? "";
}

/** Whether a sidecar should be in the pod; Kubernetes cannot inject one where the network is the host's. */
export function isInjectionDeclared(
  pod: Pick<PodObject, "labels" | "annotations" | "hostNetwork">,
  namespace: NamespaceObject | undefined,
): boolean {
  const inject = pod.labels[words.inject] ?? pod.annotations[words.inject];
  if (inject === "false" || pod.hostNetwork) return false;
  const ofNamespace = injectionOf(namespace);
  if (ofNamespace !== "") return ofNamespace !== "disabled";
  return pod.labels[words.inject] === "true" || pod.labels[words.revision] !== undefined;
}

/** Whether the pod declines the sidecar that its namespace declares; on the host's network it gets none. */
export function isInjectionDeclined(
  pod: Pick<PodObject, "labels" | "annotations" | "hostNetwork">,
  namespace: NamespaceObject | undefined,
): boolean {
  const inject = pod.labels[words.inject] ?? pod.annotations[words.inject];
  const ofNamespace = injectionOf(namespace);
  return inject === "false" && !pod.hostNetwork && !["", "disabled"].includes(ofNamespace);
}

/** Whether the namespace's own labels put what runs in it into the mesh. */
export function isInMesh(
  namespace: NamespaceObject | undefined,
): Entity<"workload">["namespace_in_mesh"] {
  if (!namespace) return "unknown";
  const isInjected = !["", "disabled"].includes(injectionOf(namespace));
  return isInjected || dataplaneModeOf(undefined, namespace) === "ambient" ? "yes" : "no";
}

/** `ambient`, `none` or "": the pod's own word, else its namespace's. */
export function dataplaneModeOf(
  pod: Pick<PodObject, "labels"> | undefined,
  namespace: NamespaceObject | undefined,
): string {
  return pod?.labels[words.dataplane] ?? namespace?.labels[words.dataplane] ?? "";
}

/** The level that pods of the namespace are held to, "" = none. */
export function podSecurityOf(namespace: NamespaceObject | undefined): string {
  return namespace?.labels[words.enforce] ?? "";
}

export function redirectionOf(pod: Pick<PodObject, "annotations">): string {
  return pod.annotations[words.redirection] ?? "";
}

/** Its own annotation's, else that of the proxy's configuration in another one; "" = neither says it. */
export function interceptionModeOf({ annotations }: Pick<PodObject, "annotations">): string {
  const config = annotations[words.proxyConfig] ?? "";
  const inConfig = /\binterceptionMode["']?: *["']?([A-Z]{1,16})\b/.exec(config);
  return annotations[words.interception] ?? inConfig?.[1] ?? "";
}

export function excludedInboundPortsOf(pod: Pick<PodObject, "annotations">): string[] {
  return (pod.annotations[words.excludedInbound] ?? "")
    .split(",", 256)
    .map((port) => port.trim())
    .filter((port) => port !== "");
}
