/**
 * What has been said of connections: turns a judged connection into a change once, says it again only
 * when it is another one, and keeps the edges' marks of what went around a proxy in step with it.
 */
import type { Evidence, GraphChange } from "../model/changes.ts";
import type { FlowEntity, NodeEntity } from "../model/entities.ts";
import { nodeKey } from "../model/keys.ts";
import type { Observed, Transport } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { contentHash } from "./content-hash.ts";
import type { AroundProxyMarks } from "./contracts.ts";
import { observersOf } from "./processes.ts";

/** A judged connection: the entity, and the ids of its nodes. */
export interface JudgedFlow {
  readonly entity: FlowEntity;
  readonly srcId: number;
  readonly dstId: number;
}

/** What was last said of a connection. */
export interface Said {
  readonly outcome: "found" | "unknown" | "cleared";
  readonly saying: string;
  readonly mark: Mark | null;
  /** Event time of the connection. */
  readonly atUs: Us;
  /** A record behind it has left: what was said stands. */
  isFrozen: boolean;
}

/** Also what it was said of, to take it back when not even the pod is known any more. */
export interface WireSaid extends Said {
  readonly judged: JudgedFlow;
}

interface Mark {
  readonly srcId: number;
  readonly dstId: number;
  readonly port: number;
}

export interface Saying extends JudgedFlow {
  /** The connection's identity outside the graph. */
  readonly id: string;
  readonly transport: Transport;
  readonly atUs: Us;
  readonly evidence: readonly Evidence[];
  /** Whose silence would make the conclusion unknown. */
  readonly sources: readonly Pick<Observed, "source">[];
}

export class Sayings {
  readonly #marks: AroundProxyMarks;
  readonly #judged = { found: 0, unknown: 0, cleared: 0 };

  constructor(marks: AroundProxyMarks) {
    this.#marks = marks;
  }

  /** What is said now; null when nothing has changed since `said`. */
  tell(saying: Saying, said: Said | undefined, out: GraphChange[]): Said | null {
    const { id, entity, evidence, atUs } = saying;
    const text = contentHash([
      JSON.stringify({ ...entity, src: nodeToText(entity.src), dst: nodeToText(entity.dst) }),
      ...evidence.map((item) => item.hash),
    ]);
    if (said?.saying === text) return null;
    const mark = markOf(saying);
    this.#moveMark(saying, said?.mark ?? null, mark);
    const { outcome } = entity;
    this.#judged[outcome]++;
    out.push({
      kind: "entity",
      type: "flow",
      id,
      entity,
      judged: true,
      atUs,
      evidence,
      observers: observersOf(saying.sources),
    });
    return { outcome, saying: text, mark, atUs, isFrozen: false };
  }

  counters(into: CounterSample[]): void {
    for (const [outcome, value] of Object.entries(this.#judged)) {
      into.push({ name: "flows_judged_total", labels: { outcome }, value });
    }
  }

  #moveMark({ id, transport, atUs }: Saying, from: Mark | null, to: Mark | null): void {
    const isSame =
      from?.srcId === to?.srcId && from?.dstId === to?.dstId && from?.port === to?.port;
    if (isSame) return;
    if (from) this.#marks.unmark(from.srcId, from.dstId, transport, from.port, id);
    if (to) this.#marks.mark(to.srcId, to.dstId, transport, to.port, id, atUs);
  }
}

/** A declared hole that is used is no bypass. */
function markOf({ entity, srcId, dstId }: Saying): Mark | null {
  const isHole = entity.excluded_by === "annotation" || entity.excluded_by === "config";
  return entity.outcome === "found" && !isHole ? { srcId, dstId, port: entity.dst_port } : null;
}

/** What rules and keys read of a node; the rest of it may change without news. */
function nodeToText(node: NodeEntity): string {
  return `${nodeKey(node)} ${node.mode} ${node.mesh} ${node.resolved}`;
}

/** What was found and is not any more, is taken back rather than open. */
export function isTakenBack(said: Said | undefined): boolean {
  return said !== undefined && said.outcome !== "unknown";
}
