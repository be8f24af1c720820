/** The questions of the API, answered for somebody who may read some namespaces only. */
import type { ApiGraph, ApiQueries } from "../model/api.ts";

/** [] = all of them. */
export function limitedTo(queries: ApiQueries, namespaces: readonly string[]): ApiQueries {
  if (namespaces.length === 0) return queries;
  const isOpen = (namespace: string): boolean => namespaces.includes(namespace);
  return {
    insights: (filter) => queries.insights({ ...filter, namespaces }),
    async insight(id) {
      const insight = await queries.insight(id);
      return insight !== null && isOpen(insight.namespace) ? insight : null;
    },
    graph: async (filter) => withoutForeign(await queries.graph({ ...filter, namespaces }), isOpen),
    workload: async (cluster, namespace, name) =>
      isOpen(namespace) ? queries.workload(cluster, namespace, name) : null,
    // Their words and conditions are about all namespaces.
    waivers: async () => ({ items: [], next: null, total: 0 }),
    blind: () => queries.blind(),
    sources: (filter = {}) => queries.sources({ ...filter, namespaces }),
    // Counted over all namespaces, and nothing that is open to such an asker needs it.
    overview: async () => ({ heard: [], namespaces: [] }),
    coverage: (filter) => queries.coverage({ ...filter, namespaces }),
  };
}

/** Whom one's own workloads talk to is one's own; how many findings the other has is not. */
function withoutForeign(graph: ApiGraph, isOpen: (namespace: string) => boolean): ApiGraph {
  const nodes = graph.nodes.map((node) =>
    isOpen(node.namespace) ? node : { ...node, insights: 0 },
  );
  return { ...graph, nodes };
}
