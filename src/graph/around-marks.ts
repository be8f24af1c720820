/** Marks on facets of what went around a proxy, as the bypass join tells it by nodes and ports. */
import type { AroundProxyMarks } from "./contracts.ts";
import type { Facets } from "./facets.ts";
import type { Nodes } from "./nodes.ts";

export function aroundMarks(facets: Facets, nodes: Nodes): AroundProxyMarks {
  return {
    mark(srcId, dstId, transport, port, connection, atUs) {
      const [src, dst] = [nodes.get(srcId).id, nodes.get(dstId).id];
      // A facet of its own for each port, whatever was on the edge before: which ports a reader sees
      // must not hang on the order of the findings. One that knows the protocol takes it in.
      const edge =
        facets.facet(src, dst, transport, "", port)?.edge ?? facets.edge(src, dst, transport);
      if (edge) facets.markAround(edge, port, connection, atUs);
    },
    unmark(srcId, dstId, transport, port, connection) {
      const edge = facets.edge(nodes.get(srcId).id, nodes.get(dstId).id, transport);
      if (!edge) return;
      facets.unmarkAround(edge, port, connection);
      const own = edge.facets.find((facet) => facet.port === port && facet.protocol === "");
      if (own) facets.removeIfEmpty(own);
    },
  };
}
