/**
 * Destinations that are never a bypass, and declared holes in the capture. What innocent processes are
 * (the proxy itself) is `proxy-container.ts`. Nothing here accuses.
 */
import type { FlowEntity } from "../model/entities.ts";
import { ipScope, parseCidr } from "../lib/ip.ts";
import type { Flow } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { isLeftOut } from "./capture-holes.ts";
import type { Identity, PodFacts } from "./contracts.ts";

export const dnsPort = 53;

/** False for addresses that never lie beyond a pod, or beyond its host: nothing needs to be kept. */
export function canLeavePod(ip: string): boolean {
  if (ip === "") return false;
  const scope = ipScope(ip);
  return scope === "private" || scope === "public";
}

/**
 * Names looked up over UDP at an address that may be the cluster's, or the answer: too many to keep, and
 * never anybody's fault but in a pod that serves names without being a name server.
 */
export function isPlainLookup({ transport, srcIp, srcPort, dstIp, dstPort }: Flow): boolean {
  if (transport !== "udp") return false;
  return (
    (dstPort === dnsPort && ipScope(dstIp) === "private") ||
    (srcPort === dnsPort && ipScope(srcIp) === "private")
  );
}

/** A name server of the cluster, whoever asks it and however. */
export function isClusterDns(
  cluster: string,
  ip: string,
  port: number,
  atUs: Us,
  identity: Identity,
  options: BypassOptions,
): boolean {
  if (port !== dnsPort) return false;
  if (options.dnsAddresses.includes(ip)) return true;
  const node = identity.node(identity.nodeOfAddress(cluster, ip, atUs));
  // The kube-dns Service is a private address that often nothing resolves: no accusation from that.
  if (node.resolved === "none") return !node.external && ipScope(ip) === "private";
  const names = `${node.name} ${node.service}`;
  return node.namespace === "kube-system" && /\b(coredns|kube-dns)\b/.test(names);
}

/** Ports of the proxy's own statistics and health, which Istio leaves out of the capture. */
const proxyTelemetryPorts: ReadonlySet<number> = new Set([15_020, 15_021, 15_090]);

export function isProxyTelemetry(
  cluster: string,
  ip: string,
  port: number,
  atUs: Us,
  identity: Identity,
): boolean {
  if (!proxyTelemetryPorts.has(port)) return false;
  return !identity.node(identity.nodeOfAddress(cluster, ip, atUs)).external;
}

/** What takes this destination out of the capture: the pod's annotations, or the mesh's configuration. */
export function excludedBy(pod: PodFacts, ip: string, port: number): FlowEntity["excluded_by"] {
  const { excludedOutboundPorts: ports, excludedOutboundRanges: ranges } = pod;
  if (ports?.some((text) => isSame(text, port)) || holds(ranges, ip)) return "annotation";
  const included = pod.includedOutbound;
  if (
    included &&
    !holds(included.ranges, ip) &&
    !included.ports.some((text) => isSame(text, port))
  ) {
    return "annotation";
  }
  if (pod.meshWideHoles && isLeftOut(pod.meshWideHoles, ip, port)) return "config";
  return ports === null || ranges === null ? "unknown" : "none";
}

function holds(ranges: readonly string[] | null, ip: string): boolean {
  return ranges?.some((text) => parseCidr(text.trim())?.contains(ip)) ?? false;
}

function isSame(text: string, port: number): boolean {
  return text.trim() === "*" || Number(text) === port;
}
