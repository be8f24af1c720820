/**
 * How many insights concern a node or an edge: those firing, and those unknown, which were firing when
 * we went blind. An insight names its workload and its peer, and belongs to the edge between them,
 * whichever of the two is the caller.
 */
import type Database from "better-sqlite3";
import type { StoredEdge } from "./edges.ts";
import type { StoredNode } from "./nodes.ts";

/** More open insights than this are not counted one by one; the insights stage has lower caps. */
const openMax = 50_000;

interface OpenInsight {
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  readonly peerNamespace: string;
  readonly peerName: string;
  readonly peerPort: number;
}

export class InsightCounts {
  readonly #ofNode = new Map<string, number>();
  /** Ports of the insights between two names. */
  readonly #ofPair = new Map<string, number[]>();

  add(insight: OpenInsight): void {
    const node = `${insight.cluster}/${insight.namespace}/${insight.workload}`;
    this.#ofNode.set(node, (this.#ofNode.get(node) ?? 0) + 1);
    if (insight.peerName === "") return;
    const pair = makePair(
      `${insight.namespace}/${insight.workload}`,
      `${insight.peerNamespace}/${insight.peerName}`,
    );
    const ports = this.#ofPair.get(pair);
    if (ports === undefined) this.#ofPair.set(pair, [insight.peerPort]);
    else ports.push(insight.peerPort);
  }

  ofNode(node: StoredNode): number {
    return this.#ofNode.get(`${node.cluster}/${node.namespace}/${node.name}`) ?? 0;
  }

  /** A port that is not known (0) may be any. */
  ofEdge(edge: StoredEdge, source: StoredNode, target: StoredNode): number {
    const ports = this.#ofPair.get(makePair(shortName(source), shortName(target))) ?? [];
    return ports.filter((port) => port === edge.port || port === 0 || edge.port === 0).length;
  }
}

const shortName = (node: StoredNode): string => `${node.namespace}/${node.name || node.address}`;

const makePair = (one: string, other: string): string =>
  one < other ? `${one}\n${other}` : `${other}\n${one}`;

export class InsightCountQueries {
  readonly #open: Database.Statement;

  constructor(database: Database.Database) {
    this.#open = database.prepare(`
      SELECT
        cluster, namespace, workload,
        peer_namespace AS peerNamespace,
        CASE peer_workload WHEN '' THEN peer_address ELSE peer_workload END AS peerName,
        peer_port AS peerPort
      FROM insight
      WHERE state IN ('firing', 'unknown')
      LIMIT ${openMax}`);
  }

  counts(): InsightCounts {
    const counts = new InsightCounts();
    for (const row of this.#open.all() as OpenInsight[]) counts.add(row); // the SELECT's columns
    return counts;
  }
}
