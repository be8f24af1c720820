/**
 * Where an event leads to: through a virtual address to the workload behind it, if that is only one, and
 * to the port that its pods listen on. A pure function of what the identity knows of that time.
 */
import type { HostPort } from "../lib/ip.ts";
import type { PeerName } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { IdentityTables } from "./identity.ts";
import type { NodeRecord } from "./nodes.ts";

/** A node, and the port there. */
export interface Destination {
  readonly node: NodeRecord;
  readonly port: number;
}

/** Endpoints of a Service whose workloads are compared for one event. */
const endsAskedMax = 64;

export function destinationOf(
  identity: IdentityTables,
  end: PeerName,
  port: number,
  atUs: Us,
): Destination {
  const node = identity.nodeOf(end, atUs);
  if (port === 0 || end.address === "" || node.entity.kind !== "service") return { node, port };
  const cluster = identity.clusterOf(end.cluster);
  const ends = identity.virtual.services.ends(cluster, end.address, port, atUs);
  if (ends.length === 0) return { node, port };
  const ports = new Set(ends.map((one) => one.port));
  const [only = port] = ports;
  const targetPort = ports.size === 1 ? only : port;
  return { node: commonOwner(identity, cluster, ends, atUs) ?? node, port: targetPort };
}

/** The workload that all of them are of; null when they are of several, too many to ask, or unknown. */
function commonOwner(
  identity: IdentityTables,
  cluster: string,
  ends: readonly HostPort[],
  atUs: Us,
): NodeRecord | null {
  if (ends.length > endsAskedMax) return null;
  let common: NodeRecord | null = null;
  for (const { ip } of ends) {
    const owner = identity.ownerAt(cluster, ip, atUs, 0);
    if (owner.kind !== "pod") return null;
    const node = identity.nodes.get(owner.pod.nodeId);
    if (common && common !== node) return null;
    common = node;
  }
  return common;
}
