/**
 * Pods as the graph keeps them: which workload they belong to, what proxy they hold, what they declare
 * as not captured. Pure functions from a Kubernetes object or a pod's name; the table of pods is in
 * `identity.ts`.
 */
import type { NodeEntity } from "../model/entities.ts";
import type { ContainerSpec, PodObject } from "../model/observations.ts";
import { captureContainers } from "./bypass-options.ts";
import { captureAnnotations } from "./capture-holes.ts";
import type { IncludedOutbound, ProxyFacts } from "./contracts.ts";
import { controllerByName } from "./controlled.ts";
import { Sign } from "./nodes.ts";
import type { IdentityOptions } from "./options.ts";

/** Istio's own words in pod objects: labels and annotations are the object's content, not telemetry. */
const declared = {
  templateHash: "pod-template-hash",
  managedGateway: "gateway.istio.io/managed",
  waypointController: "istio.io-mesh-controller",
  gatewayRole: "istio",
  redirection: "ambient.istio.io/redirection",
} as const;

/** UID and GID of Istio's proxy where its container declares none. */
export const proxyIdDefault = 1337;

export interface WorkloadName {
  readonly name: string;
  readonly kind: string;
  readonly isInferred: boolean;
}

export function workloadOfPod(pod: PodObject): WorkloadName {
  const hash = pod.labels[declared.templateHash];
  switch (pod.ownerKind) {
    case "ReplicaSet": {
      if (hash && pod.ownerName.endsWith(`-${hash}`)) {
        const name = pod.ownerName.slice(0, -hash.length - 1);
        return { name, kind: "Deployment", isInferred: false };
      }
      return { ...controllerByName(pod.ownerKind, pod.ownerName), isInferred: false };
    }
    case "Job":
      return { ...controllerByName(pod.ownerKind, pod.ownerName), isInferred: false };
    case "Node": {
      const name = pod.name.endsWith(`-${pod.node}`)
        ? pod.name.slice(0, -pod.node.length - 1)
        : pod.name;
      return { name, kind: "Pod", isInferred: false };
    }
    case "":
      return { name: pod.name, kind: "Pod", isInferred: false };
    default:
      return { name: pod.ownerName, kind: pod.ownerKind, isInferred: false };
  }
}

/** Takes the suffixes off that Kubernetes' controllers put on pod names. */
export function workloadOfPodName(name: string): WorkloadName {
  const deployment =
    /^(.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[a-z0-9]{5}$/.exec(name) ??
    /^(.+)-(?=[a-z0-9]*\d)[a-z0-9]{5,10}-[a-z0-9]{5}$/.exec(name);
  if (deployment?.[1]) return { name: deployment[1], kind: "Deployment", isInferred: true };
  const stateful = /^(.+)-\d{1,4}$/.exec(name);
  if (stateful?.[1]) return { name: stateful[1], kind: "StatefulSet", isInferred: true };
  const daemon = /^(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$/.exec(name);
  if (daemon?.[1]) return { name: daemon[1], kind: "DaemonSet", isInferred: true };
  return { name, kind: "Pod", isInferred: true };
}

/**
 * The container that stands as the pod's proxy: named as one, and neither a plain init nor a debug
 * container. Its image does not matter here: an impostor must not exempt the pod from judgement.
 */
export function proxyContainerOf(
  pod: PodObject,
  options: IdentityOptions,
): ContainerSpec | undefined {
  return pod.containers.find(
    (container) =>
      options.proxyContainers.includes(container.name) &&
      !container.ephemeral &&
      (!container.init || container.restartable),
  );
}

/** Init containers that have ended when the proxy starts: all, or those before a native sidecar. */
export function initContainersBefore(pod: PodObject, proxy: ContainerSpec | undefined): string[] {
  const names: string[] = [];
  for (const container of pod.containers) {
    if (container === proxy && proxy.init) break;
    if (container.init && !container.restartable) names.push(container.name);
  }
  return names;
}

export function modeOfPod(pod: PodObject, proxy: ContainerSpec | undefined): NodeEntity["mode"] {
  const isAlone = pod.containers.every((one) => one === proxy || one.init || one.ephemeral);
  // Anybody can label a pod. Gateways and waypoints are never redirected into their own proxy.
  if (proxy && !isAlone && isCaptured(pod)) return "sidecar";
  const managed = pod.labels[declared.managedGateway];
  if (managed === declared.waypointController) return "waypoint";
  if (managed !== undefined) return "gateway";
  if (proxy) {
    const isGateway = /gateway/.test(pod.labels[declared.gatewayRole] ?? "");
    return isAlone || isGateway ? "gateway" : "sidecar";
  }
  return pod.annotations[declared.redirection] === "enabled" ? "ambient" : "none";
}

/** Whether Istio's init container set up, or checked, the redirection of the pod's traffic. */
function isCaptured(pod: PodObject): boolean {
  return pod.containers.some((one) => one.init && captureContainers.includes(one.name));
}

export function proxyFactsOf(pod: PodObject, proxy: ContainerSpec | undefined): ProxyFacts {
  if (!proxy) return unknownProxy;
  return {
    container: proxy.name,
    image: proxy.image,
    uid: effectiveId(proxy.runAsUser, pod.runAsUser),
    gid: effectiveId(proxy.runAsGroup, pod.runAsGroup),
    known: "object",
  };
}

export const unknownProxy: ProxyFacts = {
  container: "",
  image: "",
  uid: proxyIdDefault,
  gid: proxyIdDefault,
  known: "none",
};

export function exclusionsOf(pod: PodObject): { ports: string[]; ranges: string[] } {
  return {
    ports: listOf(pod.annotations[captureAnnotations.excludePorts]),
    ranges: listOf(pod.annotations[captureAnnotations.excludeRanges]),
  };
}

/** Null when all destinations are captured, as they are unless the pod lists ranges. */
export function inclusionsOf(pod: PodObject): IncludedOutbound | null {
  const declaredRanges = pod.annotations[captureAnnotations.includeRanges];
  if (declaredRanges === undefined) return null;
  const ranges = listOf(declaredRanges);
  if (ranges.includes("*")) return null;
  return { ranges, ports: listOf(pod.annotations[captureAnnotations.includePorts]) };
}

const modeSigns: Readonly<Record<NodeEntity["mode"], number>> = {
  unknown: 0,
  sidecar: Sign.sidecar,
  ambient: Sign.ambient,
  gateway: Sign.gateway,
  waypoint: Sign.waypoint,
  none: Sign.noProxy,
};

export function signsOfMode(mode: NodeEntity["mode"]): number {
  return modeSigns[mode];
}

/** The container's own id, else the pod's, else Istio's default. */
function effectiveId(container: number, pod: number): number {
  return container >= 0 ? container : pod >= 0 ? pod : proxyIdDefault;
}

function listOf(text: string | undefined): string[] {
  if (!text) return [];
  return text
    .split(",", 256)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
