/**
 * Whether a process is a pod's proxy: it runs in the pod's own proxy container and has a listed
 * executable. A path alone is no exemption, since anybody can copy a file there; being elsewhere is
 * proof enough that it is not the proxy.
 */
import type { ProcessRef } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { isUntold, mayBeStartOf, startedAs } from "./container-starts.ts";
import type { PodFacts } from "./contracts.ts";

export interface ProcessPlace {
  readonly container: "proxy" | "other" | "unknown";
  readonly isProxy: "yes" | "no" | "unknown";
  /** It runs in an init container that ends before the proxy starts: a matter of its own. */
  readonly beforeProxy: boolean;
}

export function placeOf(process: ProcessRef, pod: PodFacts, options: BypassOptions): ProcessPlace {
  const container = containerOf(process, pod, options);
  const beforeProxy =
    pod.initContainersBeforeProxy?.includes(process.container) ?? isMeshInit(process, options);
  return { container, isProxy: isProxy(container, process.exe, options), beforeProxy };
}

/** Until an object says which containers are init ones: Istio's own, by all that the event tells. */
function isMeshInit(process: ProcessRef, options: BypassOptions): boolean {
  const { container, containerImage: image, exe } = process;
  const isNamed = options.meshInitContainers.includes(container);
  if (!isNamed || !isListed(exe, options.proxyExecutables)) return false;
  return image === "" || isAllowedImage(image, options.proxyImages);
}

function isProxy(
  container: ProcessPlace["container"],
  exe: string,
  options: BypassOptions,
): ProcessPlace["isProxy"] {
  if (container === "other") return "no";
  if (exe === "") return "unknown";
  if (!isListed(exe, options.proxyExecutables)) return "no";
  return container === "proxy" ? "yes" : "unknown";
}

function containerOf(
  process: ProcessRef,
  pod: PodFacts,
  options: BypassOptions,
): ProcessPlace["container"] {
  const { proxy } = pod;
  const image = proxy.known === "object" ? proxy.image : process.containerImage || proxy.image;
  const started = startedAs(pod.starts, process.containerId);
  const isById = started !== "" && started === proxy.container;
  if (started === "" && process.container === "") return "unknown";
  const isByName =
    proxy.container === ""
      ? options.proxyContainers.includes(process.container)
      : process.container === proxy.container;
  if (!isById && !isByName) return "other";
  return image === "" || isAllowedImage(image, options.proxyImages) ? "proxy" : "other";
}

/**
 * Whether it may be a proxy that has started since anybody told the pod's containers: by the proxy's path
 * and an id that no object can know yet. Nobody is accused of that; the next object tells who it was. A
 * path excuses nobody whose container an agent or an object names.
 */
export function mayBeNewProxy(
  process: ProcessRef,
  pod: PodFacts,
  atUs: Us,
  options: BypassOptions,
): boolean {
  if (process.container !== "" || !hasProxyExecutable(process, options)) return false;
  const sinceUs = atUs + options.latenessUs;
  return (
    pod.proxy.container !== "" &&
    mayBeStartOf(pod.starts, pod.proxy.container, process.containerId, sinceUs)
  );
}

/** By its path alone, which anybody can copy: whether it may be a proxy at all. */
export function hasProxyExecutable(process: ProcessRef, options: BypassOptions): boolean {
  return isListed(process.exe, options.proxyExecutables);
}

/** The name of a proxy's executable, or of one of Envoy's threads, which is what some agents give. */
export function isProxyName(name: string, options: BypassOptions): boolean {
  if (/^wrk:worker_\d+$/.test(name)) return true;
  return options.proxyExecutables.some((path) => path.slice(path.lastIndexOf("/") + 1) === name);
}

/**
 * Whether the pod was found by an address alone, and its objects name other containers than the process
 * gives: then the address was another pod's at that time. A clock may be off, and addresses pass on.
 */
export function contradictsContainers(process: ProcessRef, pod: PodFacts): boolean {
  const { pod: named, containerId } = process;
  if (named.pod !== "" || named.podUid !== "" || process.container !== "") return false;
  return isUntold(pod.starts, containerId);
}

function isListed(exe: string, listed: readonly string[]): boolean {
  return listed.some((path) => (path.includes("/") ? exe === path : exe.endsWith(`/${path}`)));
}

/** By the last segment of its path; a registry is nobody's proof. */
export function isAllowedImage(image: string, allowed: readonly string[]): boolean {
  const path = image.split("@")[0] ?? "";
  const name = path.slice(path.lastIndexOf("/") + 1).split(":")[0] ?? "";
  return allowed.length === 0 || allowed.some((text) => name.includes(text));
}

/**
 * The ids by which the redirect rules let the proxy's own packets out. 0 would exempt every root. No
 * agent that we know gives ids as they are inside of a pod with user ids of its own: there, nobody is
 * known to hold them.
 */
export function holdsProxyIds(process: ProcessRef, pod: PodFacts): boolean {
  if (pod.hasOwnUserIds === true) return false;
  const { uid, gid } = pod.proxy;
  return (
    (uid > 0 && (process.uid === uid || process.euid === uid)) ||
    (gid > 0 && (process.gid === gid || process.egid === gid))
  );
}
