/** Turns edges and nodes that a query found into what the API shows, with reporters and insights. */
import type Database from "better-sqlite3";
import type { ApiEdge, ApiNode } from "../../model/api.ts";
import { EdgeQueries, edgeToApi } from "./edges.ts";
import type { StoredEdge } from "./edges.ts";
import { InsightCountQueries } from "./insight-counts.ts";
import { NodeQueries, nodeToApi } from "./nodes.ts";

export interface Drawing {
  readonly nodes: ApiNode[];
  readonly edges: ApiEdge[];
}

export class Drawer {
  readonly nodes: NodeQueries;
  readonly edges: EdgeQueries;
  readonly #insights: InsightCountQueries;

  constructor(database: Database.Database) {
    this.nodes = new NodeQueries(database);
    this.edges = new EdgeQueries(database);
    this.#insights = new InsightCountQueries(database);
  }

  /** The edges, their ends, and further nodes by id. An edge without its node's row is left out. */
  draw(found: readonly StoredEdge[], further: Iterable<number>): Drawing {
    const ids = new Set(further);
    for (const edge of found) ids.add(edge.srcId).add(edge.dstId);
    const nodes = new Map(this.nodes.byIds(ids).map((node) => [node.id, node]));
    const reporters = this.edges.reporters(found);
    const counts = this.#insights.counts();
    const edges: ApiEdge[] = [];
    for (const edge of found) {
      const source = nodes.get(edge.srcId);
      const target = nodes.get(edge.dstId);
      if (source === undefined || target === undefined) continue;
      const insights = counts.ofEdge(edge, source, target);
      edges.push(edgeToApi(edge, source.key, target.key, reporters.get(edge.id) ?? [], insights));
    }
    return {
      nodes: [...nodes.values()].map((node) => nodeToApi(node, counts.ofNode(node))),
      edges,
    };
  }
}
