/** Text keys that identify things across restarts, processes and stages. */
import type { NodeEntity } from "./entities.ts";

const inventoryEnding = "/inventory";

/** Of the source that tells of a cluster's objects by metrics; the objects' own feed is called as the cluster. */
export function inventoryKey(cluster: string): string {
  return `${cluster}${inventoryEnding}`;
}

/** The cluster of a source of objects, and in which form it tells of them. */
export function feedOf(key: string): {
  readonly cluster: string;
  readonly capability: "objects" | "inventory";
} {
  return key.endsWith(inventoryEnding)
    ? { cluster: key.slice(0, -inventoryEnding.length), capability: "inventory" }
    : { cluster: key, capability: "objects" };
}

/**
 * A node's key: `cluster/namespace/name` of a workload or service, `external/<group or address>`,
 * `unknown/<address or reason>`. It is what insights are identified by, so it holds no pod name.
 */
export function nodeKey(node: NodeEntity): string {
  if (node.external) return `external/${node.name || node.address}`;
  if (node.resolved === "none") return `unknown/${node.address || node.name}`;
  return `${node.cluster}/${node.namespace}/${node.name}`;
}
