/** Edges by one number: a text of both ids and the transport would take five times as much. */
import { assert } from "../lib/assert.ts";
import type { Transport } from "../model/observations.ts";

const transports: readonly Transport[] = ["tcp", "udp", "icmp", "other"];
/** Of the ids of nodes, which are dense: the key of the last one is still a whole number. */
const idsMax = 2 ** 24;

export function edgeKey(srcId: number, dstId: number, transport: Transport): number {
  assert(srcId < idsMax && dstId < idsMax, "node ids fit the key of an edge");
  return (srcId * idsMax + dstId) * transports.length + transports.indexOf(transport);
}
