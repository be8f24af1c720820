/**
 * Facets as the API's edges, between surviving nodes. Shadowed facets (rows that name only a service
 * whose workloads have rows of their own) are left out: they would show the same traffic twice.
 */
import type Database from "better-sqlite3";
import type { ApiEdge } from "../../model/api.ts";
import { usToRfc3339 } from "../../model/time.ts";
import type { Merges } from "./nodes.ts";

export interface StoredEdge {
  readonly id: number;
  srcId: number;
  dstId: number;
  readonly transport: string;
  readonly protocol: string;
  readonly port: number;
  readonly security: string;
  readonly plaintextShare: number;
  readonly aroundProxy: number;
  readonly route: string;
  readonly requests: number;
  readonly errors: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly firstSeenUs: number;
  readonly lastSeenUs: number;
}

export interface FoundEdges {
  readonly edges: readonly StoredEdge[];
  readonly truncated: boolean;
}

const columns = `
  facet.id,
  edge.src_id AS srcId,
  edge.dst_id AS dstId,
  edge.transport, facet.protocol, facet.port, facet.security,
  facet.plaintext_share AS plaintextShare,
  facet.around_proxy AS aroundProxy,
  facet.route, facet.requests, facet.errors,
  facet.bytes_sent AS bytesSent,
  facet.bytes_received AS bytesReceived,
  facet.first_seen_us AS firstSeenUs,
  facet.last_seen_us AS lastSeenUs`;

export class EdgeQueries {
  readonly #latest: Database.Statement;
  readonly #touching: Database.Statement;
  readonly #reporters: Database.Statement;

  constructor(database: Database.Database) {
    this.#latest = database.prepare(`
      SELECT ${columns}
      FROM facet
      JOIN edge ON edge.id = facet.edge_id
      WHERE facet.shadowed = 0
      ORDER BY facet.last_seen_us DESC, facet.id
      LIMIT @limit`);
    this.#touching = database.prepare(`
      SELECT ${columns}
      FROM (
        SELECT id
        FROM edge
        WHERE src_id IN (SELECT value FROM json_each(@ids))
        UNION
        SELECT id
        FROM edge
        WHERE dst_id IN (SELECT value FROM json_each(@ids))
      ) AS found
      JOIN edge ON edge.id = found.id
      JOIN facet ON facet.edge_id = edge.id
      WHERE facet.shadowed = 0
      ORDER BY facet.last_seen_us DESC, facet.id
      LIMIT @limit`);
    this.#reporters = database
      .prepare(`
        SELECT DISTINCT facet_id,
          CASE reporter WHEN 'ztunnel_source' THEN 'ztunnel' ELSE reporter END AS reporter
        FROM json_each(@ids) AS wanted
        JOIN facet_column ON facet_column.facet_id = wanted.value
        ORDER BY facet_id, reporter`)
      .raw();
  }

  /** The edges seen last. */
  latest(limit: number, merges: Merges): FoundEdges {
    return this.#resolve(this.#latest.all({ limit: limit + 1 }) as StoredEdge[], limit, merges);
  }

  /** The edges from or to any of these surviving nodes, seen last first. */
  touching(nodes: Iterable<number>, limit: number, merges: Merges): FoundEdges {
    const ids = JSON.stringify(merges.withMerged(nodes));
    const rows = this.#touching.all({ ids, limit: limit + 1 }) as StoredEdge[]; // `columns`
    return this.#resolve(rows, limit, merges);
  }

  /** Who reports each of these facets. */
  reporters(edges: readonly StoredEdge[]): Map<number, string[]> {
    const ids = JSON.stringify(edges.map((edge) => edge.id));
    const reporters = new Map<number, string[]>();
    for (const [id, reporter] of this.#reporters.all({ ids }) as [number, string][]) {
      const list = reporters.get(id);
      if (list === undefined) reporters.set(id, [reporter]);
      else list.push(reporter);
    }
    return reporters;
  }

  /**
   * Turns ends to survivors. When nodes merge their columns move, so of two facets that turn out to be
   * the same the survivor's own is the whole truth, and the other one a remnant.
   */
  #resolve(rows: readonly StoredEdge[], limit: number, merges: Merges): FoundEdges {
    const edges = new Map<string, StoredEdge>();
    for (const row of rows.slice(0, limit)) {
      const srcId = merges.survivor(row.srcId);
      const dstId = merges.survivor(row.dstId);
      const isOwn = srcId === row.srcId && dstId === row.dstId;
      row.srcId = srcId;
      row.dstId = dstId;
      const identity = [srcId, dstId, row.transport, row.protocol, row.port].join("|");
      if (isOwn || !edges.has(identity)) edges.set(identity, row);
    }
    return { edges: [...edges.values()], truncated: rows.length > limit };
  }
}

export function edgeToApi(
  edge: StoredEdge,
  source: string,
  target: string,
  reporters: string[],
  insights: number,
): ApiEdge {
  return {
    id: String(edge.id),
    source,
    target,
    protocol: edge.protocol || edge.transport,
    port: edge.port,
    security: edge.security,
    plaintext_share: edge.plaintextShare,
    around_proxy: edge.aroundProxy,
    route: edge.route,
    requests: edge.requests,
    errors: edge.errors,
    bytes_sent: edge.bytesSent,
    bytes_received: edge.bytesReceived,
    reporters,
    first_seen: usToRfc3339(edge.firstSeenUs),
    last_seen: usToRfc3339(edge.lastSeenUs),
    insights,
  };
}
