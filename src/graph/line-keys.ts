/**
 * What a pod's proxy has lines of: an address and port that it was asked for or has reached, by the address
 * of its pod. One missing line says little of a destination that the log knows.
 */
import type { ProxyLeg } from "../model/observations.ts";
import type { PodFacts } from "./contracts.ts";
import { hostPort } from "./sockets.ts";

/** What the pod's proxy has a line of; none where the line does not say. */
export function lineKeys(line: ProxyLeg): readonly string[] {
  const { side, writer, trust, cluster, downstreamRemoteIp: ip } = line;
  if (side !== "outbound" || writer !== undefined || trust === "claimed" || ip === "") return [];
  const dialled = lineKey(cluster, ip, line.downstreamLocalIp, line.downstreamLocalPort);
  const reached = lineKey(cluster, ip, line.upstreamHostIp, line.upstreamHostPort);
  return dialled === reached ? [dialled] : [dialled, reached];
}

/** Under which a line of the pod's proxy about that destination would be known. */
export function lineKeysOf(
  pod: PodFacts,
  cluster: string,
  toIp: string,
  toPort: number,
): readonly string[] {
  return pod.ips.map((ip) => lineKey(cluster, ip, toIp, toPort));
}

/** Whose lines they are: the pod's address. */
export function lineOwner(cluster: string, ip: string): string {
  return `${cluster}|${ip}`;
}

function lineKey(cluster: string, ip: string, toIp: string, toPort: number): string {
  return `${lineOwner(cluster, ip)} ${hostPort(toIp, toPort)}`;
}
