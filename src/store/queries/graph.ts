/**
 * The graph, whole, of one namespace, or around one node. `limit` bounds the edges, and the nodes that
 * are shown without one; what it cuts away is said by `truncated`.
 */
import type Database from "better-sqlite3";
import type { ApiGraph, GraphFilter } from "../../model/api.ts";
import { usToRfc3339 } from "../../model/time.ts";
import { wantedNamespaces } from "./allowed.ts";
import type { Drawer } from "./drawing.ts";
import type { StoredEdge } from "./edges.ts";
import type { Merges } from "./nodes.ts";

const defaultLimit = 2_000;
const limitMax = 10_000;
const defaultHops = 1;
const hopsMax = 10;

/** What a question selects, before it is drawn. */
interface Selection {
  readonly edges: readonly StoredEdge[];
  /** Nodes to show although no edge here has them. */
  readonly nodes: readonly number[];
  readonly truncated: boolean;
}

export class GraphQueries {
  readonly #drawer: Drawer;
  readonly #lastCommit: Database.Statement;

  constructor(database: Database.Database, drawer: Drawer) {
    this.#drawer = drawer;
    this.#lastCommit = database.prepare("SELECT last_commit_us FROM meta").pluck();
  }

  graph(filter: GraphFilter): ApiGraph {
    const limit = clamp(filter.limit ?? defaultLimit, 1, limitMax);
    const merges = this.#drawer.nodes.merges();
    const selection =
      filter.focus === undefined
        ? this.#byNamespace(wantedNamespaces(filter), limit, merges)
        : this.#around(filter.focus, filter, limit, merges);
    return {
      at: usToRfc3339(this.#lastCommit.get() as number), // an INTEGER column
      truncated: selection.truncated,
      ...this.#drawer.draw(selection.edges, selection.nodes),
    };
  }

  /** Everything, or the edges from and to namespaces; and the nodes of either without edges. */
  #byNamespace(namespaces: readonly string[] | null, limit: number, merges: Merges): Selection {
    const { nodes, edges } = this.#drawer;
    const found =
      namespaces === null
        ? edges.latest(limit, merges)
        : edges.touching(nodes.ofNamespaces(namespaces), limit, merges);
    const latest = nodes.latest(namespaces, limit + 1).map((node) => node.id);
    return {
      edges: found.edges,
      nodes: latest.slice(0, limit),
      truncated: found.truncated || latest.length > limit,
    };
  }

  /** Breadth first from a node; a namespace keeps only edges that touch it. */
  #around(focus: string, filter: GraphFilter, limit: number, merges: Merges): Selection {
    const { nodes, edges } = this.#drawer;
    const start = nodes.find(focus, merges);
    if (start === null) return { edges: [], nodes: [], truncated: false };
    const namespaces = wantedNamespaces(filter);
    const inside = namespaces === null ? null : new Set(nodes.ofNamespaces(namespaces));
    const isAllowed = filter.namespaces === undefined || inside?.has(start) === true;
    if (!isAllowed) return { edges: [], nodes: [], truncated: false };
    const reached = new Set([start]);
    const selected = new Map<number, StoredEdge>();
    let frontier = [start];
    let truncated = false;
    const hops = clamp(filter.hops ?? defaultHops, 0, hopsMax);
    for (let hop = 0; hop < hops && frontier.length > 0 && !truncated; hop++) {
      // Edges between nodes of earlier hops come again, so the limit leaves room for those.
      const found = edges.touching(frontier, limit + selected.size, merges);
      truncated = found.truncated;
      frontier = [];
      for (const edge of found.edges) {
        if (inside && !inside.has(edge.srcId) && !inside.has(edge.dstId)) continue;
        if (selected.has(edge.id)) continue;
        if (selected.size === limit) {
          truncated = true;
          break;
        }
        selected.set(edge.id, edge);
        for (const id of [edge.srcId, edge.dstId]) {
          if (reached.has(id)) continue;
          reached.add(id);
          frontier.push(id);
        }
      }
    }
    return { edges: [...selected.values()], nodes: [start], truncated };
  }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(Math.trunc(value), min), max);
}
