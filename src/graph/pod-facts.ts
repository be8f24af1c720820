/**
 * What an object says of its pod, in the words that the rest of the graph asks for. A believed object says
 * all; one that is only claimed may bring its pod into judgement and take it out by nothing: neither by
 * another mode, nor by exclusions, user ids, addresses or a container that would pass for the proxy.
 */
import type { PodObject } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { CaptureHoles } from "./capture-holes.ts";
import type { ContainerStarts } from "./container-starts.ts";
import type { PodFacts } from "./contracts.ts";
import type { IdentityOptions } from "./options.ts";
import {
  exclusionsOf,
  inclusionsOf,
  initContainersBefore,
  modeOfPod,
  proxyContainerOf,
  proxyFactsOf,
} from "./pods.ts";

/** What the object alone does not tell. */
export interface Beside {
  readonly cluster: string;
  readonly starts: ContainerStarts;
  readonly meshWideHoles: readonly CaptureHoles[];
  /** Where it does not say when the pod started. */
  readonly fromUs: Us;
}

export function factsOfObject(
  object: PodObject,
  options: IdentityOptions,
  { cluster, starts, meshWideHoles, fromUs }: Beside,
): Partial<PodFacts> {
  const proxy = proxyContainerOf(object, options);
  const exclusions = exclusionsOf(object);
  return {
    cluster,
    ips: object.ips,
    node: object.node,
    hostNetwork: object.hostNetwork,
    hasOwnUserIds: !object.hostUsers,
    sharesProcesses: object.shareProcessNamespace,
    mode: modeOfPod(object, proxy),
    proxy: proxyFactsOf(object, proxy),
    containerNames: object.containers.map((container) => container.name),
    starts,
    initContainersBeforeProxy: initContainersBefore(object, proxy),
    excludedOutboundPorts: exclusions.ports,
    excludedOutboundRanges: exclusions.ranges,
    includedOutbound: inclusionsOf(object),
    meshWideHoles,
    fromUs: object.startUs > 0 ? object.startUs : fromUs,
  };
}

export function factsOfClaim(object: PodObject, options: IdentityOptions): Partial<PodFacts> {
  const mode = modeOfPod(object, proxyContainerOf(object, options));
  return mode === "sidecar" ? { mode } : {};
}
