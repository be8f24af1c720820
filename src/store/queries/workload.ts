/** One workload: what its objects declare, what was seen of it, and what was concluded. */
import type Database from "better-sqlite3";
import type { ApiEdge, ApiProcess, ApiWorkload } from "../../model/api.ts";
import type { ProcessRow } from "../../model/rows.ts";
import { usToRfc3339 } from "../../model/time.ts";
import type { CoverageQueries } from "./coverage.ts";
import type { Drawer } from "./drawing.ts";
import { parseDetail } from "./insight-rows.ts";
import type { InsightQueries } from "./insights.ts";
import type { StoredNode } from "./nodes.ts";

const edgesMax = 1_000;
const processesMax = 1_000;
const insightsMax = 200;

type StoredProcess = Omit<ProcessRow, "inProxyContainer"> & { readonly inProxyContainer: number };

export interface WorkloadParts {
  readonly insights: InsightQueries;
  readonly coverage: CoverageQueries;
}

export class WorkloadQueries {
  readonly #drawer: Drawer;
  readonly #insights: InsightQueries;
  readonly #coverage: CoverageQueries;
  readonly #processes: Database.Statement;

  constructor(database: Database.Database, drawer: Drawer, parts: WorkloadParts) {
    this.#drawer = drawer;
    this.#insights = parts.insights;
    this.#coverage = parts.coverage;
    this.#processes = database.prepare(`
      SELECT
        container, exe, uid, gid,
        in_proxy_container AS inProxyContainer,
        first_seen_us AS firstSeenUs,
        last_seen_us AS lastSeenUs
      FROM process
      WHERE node_id IN (SELECT value FROM json_each(@ids))
      ORDER BY last_seen_us DESC, key
      LIMIT ${processesMax}`);
  }

  workload(cluster: string, namespace: string, name: string): ApiWorkload | null {
    const { nodes, edges } = this.#drawer;
    const merges = nodes.merges();
    const id = nodes.find(`${cluster}/${namespace}/${name}`, merges);
    const stored = id === null ? undefined : nodes.byIds([id])[0];
    if (stored === undefined) return null;
    const drawing = this.#drawer.draw(edges.touching([stored.id], edgesMax, merges).edges, [
      stored.id,
    ]);
    const node = drawing.nodes.find((drawn) => drawn.id === stored.key);
    if (node === undefined) return null;
    const detail = parseDetail(nodes.detail(stored.id));
    const ids = JSON.stringify(merges.withMerged([stored.id]));
    const processes = this.#processes.all({ ids }) as StoredProcess[]; // the columns of the SELECT
    const subject = { namespace: stored.namespace, workload: stored.name, limit: insightsMax };
    return {
      node,
      declared: detailToDeclared(detail),
      observed: nodeToObserved(stored, drawing.edges),
      edges: drawing.edges,
      processes: processes.map(processToApi),
      insights: this.#insights.list(subject, stored.cluster).items,
      coverage: this.#coverage.ofNode(stored.id),
    };
  }
}

/** What the graph keeps of objects and identity; nested facts of `declared` stand beside the rest. */
function detailToDeclared(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { declared, entity, ...rest } = detail;
  const identity = isRecord(entity) ? entity : rest;
  return { ...identity, ...(isRecord(declared) ? declared : {}) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nodeToObserved(node: StoredNode, edges: readonly ApiEdge[]): Record<string, unknown> {
  return {
    mesh: node.mesh,
    mode: node.mode,
    resolved: node.resolved,
    address: node.address,
    first_seen: usToRfc3339(node.firstSeenUs),
    last_seen: usToRfc3339(node.lastSeenUs),
    inbound: sumTraffic(edges.filter((edge) => edge.target === node.key)),
    outbound: sumTraffic(edges.filter((edge) => edge.source === node.key)),
  };
}

/** Facets are different traffic, so these add up; columns of one facet never would. */
function sumTraffic(edges: readonly ApiEdge[]): Record<string, number> {
  const sum = { edges: edges.length, requests: 0, errors: 0, plaintext_edges: 0, around_proxy: 0 };
  for (const edge of edges) {
    sum.requests += edge.requests;
    sum.errors += edge.errors;
    if (edge.plaintext_share > 0) sum.plaintext_edges++;
    sum.around_proxy += edge.around_proxy;
  }
  return sum;
}

function processToApi(row: StoredProcess): ApiProcess {
  return {
    container: row.container,
    exe: row.exe,
    uid: row.uid,
    gid: row.gid,
    in_proxy_container: row.inProxyContainer === 1,
    first_seen: usToRfc3339(row.firstSeenUs),
    last_seen: usToRfc3339(row.lastSeenUs),
  };
}
