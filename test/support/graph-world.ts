/**
 * A graph with what surrounds it: batches in, the entities that rules would see, and a store that keeps
 * rows as the database does, so that a test can restart it at any commit.
 */
import { Graph } from "../../src/graph/graph.ts";
import { graphDefaults, type GraphOptions } from "../../src/graph/options.ts";
import type { EntityChange, GraphChange } from "../../src/model/changes.ts";
import type { EdgeEntity } from "../../src/model/entities.ts";
import { nodeKey } from "../../src/model/keys.ts";
import type { Observation, ObservationBatch } from "../../src/model/observations.ts";
import { makeWriteSet, type FacetRow, type Restored, type WriteSet } from "../../src/model/rows.ts";
import type { CounterSample } from "../../src/model/stages.ts";
import { usPerSecond, type Us } from "../../src/model/time.ts";

export const testCluster = "lab";
export const testGraphOptions: GraphOptions = {
  ...graphDefaults,
  identity: { ...graphDefaults.identity, cluster: testCluster, clusterAliases: {} },
};

/** What identifies a row of each table; rows of the rest are only ever added. */
const rowKeys: Readonly<Partial<Record<keyof WriteSet, (row: never) => string>>> = {
  nodes: (row: { id: number }) => String(row.id),
  nodeAliases: (row: { alias: string }) => row.alias,
  pods: (row: { uid: string }) => row.uid,
  ipOwners: (row: { id: number }) => String(row.id),
  objects: (row: { key: string }) => row.key,
  coverage: (row: { nodeId: number }) => String(row.nodeId),
  sources: (row: { kind: string; key: string }) => `${row.kind} ${row.key}`,
  series: (row: { id: number }) => String(row.id),
  seriesPages: (row: { page: number }) => String(row.page),
  edges: (row: { id: number }) => String(row.id),
  facets: (row: { id: number }) => String(row.id),
  facetColumns: (row: { facetId: number; reporter: string; channel: string }) =>
    `${row.facetId} ${row.reporter} ${row.channel}`,
  processes: (row: { key: string }) => row.key,
};

export class GraphWorld {
  #graph: Graph;
  readonly #options: GraphOptions;
  readonly #tables = new Map<string, Map<string, unknown>>();
  #seq = 0;
  nowUs: Us = 0;
  /** Everything told, in order. */
  readonly changes: GraphChange[] = [];
  readonly edges = new Map<string, EntityChange<"edge">>();

  constructor(options: GraphOptions = testGraphOptions) {
    this.#options = options;
    this.#graph = this.#make();
  }

  push(batch: ObservationBatch): void {
    this.advance(Math.max(this.nowUs, batch.receivedUs));
    this.#graph.push(batch);
  }

  observe(...observations: Observation[]): void {
    const receivedUs = Math.max(this.nowUs, ...observations.map(({ timeUs }) => timeUs));
    this.push(makeBatch(receivedUs, observations));
  }

  advance(nowUs: Us): void {
    this.nowUs = nowUs;
    this.#graph.advance(nowUs);
  }

  pass(seconds: number): void {
    this.advance(this.nowUs + seconds * usPerSecond);
  }

  flush(): void {
    this.#graph.flushChanges();
  }

  commit(): WriteSet {
    const writeSet = makeWriteSet(++this.#seq, this.nowUs);
    this.#graph.collect(writeSet);
    for (const { table, key } of writeSet.forgotten ?? []) {
      this.#tables.get(table)?.delete(String(key).replace("|", table === "sources" ? " " : "|"));
    }
    for (const [table, rows] of Object.entries(writeSet)) {
      if (!Array.isArray(rows) || table === "forgotten") continue;
      const kept = this.#tables.get(table) ?? new Map<string, unknown>();
      const keyOf = rowKeys[table as keyof WriteSet];
      for (const row of structuredClone(rows)) {
        const key = keyOf ? keyOf(row as never) : String(kept.size);
        kept.set(
          key,
          table === "facets" || table === "objects"
            ? withDetail(row, kept.get(key) as FacetRow)
            : row,
        );
      }
      this.#tables.set(table, kept);
    }
    return writeSet;
  }

  /** A new process that finds what was committed. */
  restart(): void {
    this.#graph = this.#make();
    this.edges.clear();
    this.#graph.restore(this.restored());
    this.#graph.flushChanges();
  }

  restored(): Restored {
    const rows = Object.fromEntries(
      Object.entries(makeWriteSet(0, 0))
        .filter(([, value]) => Array.isArray(value))
        .map(([table]) => [table, structuredClone([...(this.#tables.get(table)?.values() ?? [])])]),
    );
    return { ...rows, lastCommitUs: this.nowUs } as unknown as Restored; // the same tables
  }

  counters(): Record<string, number> {
    const samples: CounterSample[] = [];
    this.#graph.counters(samples);
    return Object.fromEntries(
      samples.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
    );
  }

  /** One line per edge that the rules know, sorted. */
  edgeLines(): string[] {
    this.flush();
    return [...this.edges.values()].map(({ entity }) => edgeLine(entity)).sort();
  }

  /** Everything that must not hang on the order of arrival, without ids. */
  picture(): unknown {
    this.flush();
    const edges = [...this.edges.values()].map(({ id, entity, evidence }) => ({
      id,
      entity,
      evidence,
    }));
    this.commit();
    const rows = this.restored();
    const live = new Map(
      rows.facets.filter((row) => !row.detail.includes('"gone":true')).map((row) => [row.id, row]),
    );
    const nodeKeys = new Map(rows.nodes.map((row) => [row.id, row.key]));
    const edgeRows = new Map(rows.edges.map((row) => [row.id, row]));
    const columns = rows.facetColumns.flatMap((row) => {
      const { facetId, ...column } = row;
      const facet = live.get(facetId);
      const edge = facet && edgeRows.get(facet.edgeId);
      if (!facet || !edge) return [];
      const ends = `${nodeKeys.get(edge.srcId)} > ${nodeKeys.get(edge.dstId)}`;
      return [{ ...column, facet: `${ends} ${facet.protocol} ${facet.port}`, detail: "" }];
    });
    return {
      edges: sorted(edges),
      columns: sorted(columns),
      nodes: rows.nodes
        .filter((row) => row.mergedInto === 0)
        .map((row) => row.key)
        .sort(),
    };
  }

  #make(): Graph {
    return new Graph(this.#options, { push: (changes) => this.#take(changes) });
  }

  #take(changes: readonly GraphChange[]): void {
    for (const change of changes) {
      this.changes.push(change);
      if (change.kind === "entity" && change.type === "edge") this.edges.set(change.id, change);
      if (change.kind === "gone" && change.type === "edge") this.edges.delete(change.id);
    }
  }
}

/** As the database keeps it: a row without `detail` leaves the one that is there. */
function withDetail(row: FacetRow, have: FacetRow | undefined): FacetRow {
  if (row.detail !== "") return row;
  if (!have) throw new Error("the first row of a facet has its detail");
  return { ...row, detail: have.detail };
}

function sorted<Item>(items: readonly Item[]): Item[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

export function edgeLine(edge: EdgeEntity): string {
  const ends = `${nodeKey(edge.src)} -> ${nodeKey(edge.dst)}:${edge.port}`;
  const counts = `${edge.requests} requests, ${edge.errors} errors, ${edge.connections} connections`;
  return `${ends} ${edge.protocol} ${edge.route} ${edge.security}: ${counts}`;
}

export function makeBatch(
  receivedUs: Us,
  observations: readonly Observation[],
  rest: Partial<ObservationBatch> = {},
): ObservationBatch {
  return {
    receivedUs,
    series: [],
    samples: {
      count: 0,
      series: new Int32Array(0),
      timeUs: new Float64Array(0),
      startUs: new Float64Array(0),
      value: new Float64Array(0),
      valueCount: new Float64Array(0),
      temporality: new Uint8Array(0),
      stale: new Uint8Array(0),
    },
    observations,
    ...rest,
  };
}
