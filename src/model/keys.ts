/** Text keys that identify things across restarts, processes and stages. */
import type { NodeEntity } from "./entities.ts";

/**
 * A node's key: `cluster/namespace/name` of a workload or service, `external/<group or address>`,
 * `unknown/<address or reason>`. It is what insights are identified by, so it holds no pod name.
 */
export function nodeKey(node: NodeEntity): string {
  if (node.external) return `external/${node.name || node.address}`;
  if (node.resolved === "none") return `unknown/${node.address || node.name}`;
  return `${node.cluster}/${node.namespace}/${node.name}`;
}
