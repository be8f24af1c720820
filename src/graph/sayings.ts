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
  readonly deed: Deed | null;
  /** A record behind it has left: what was said stands. */
  isFrozen: boolean;
}

/** Also what it was said of, to take it back when not even the pod is known any more. */
export interface WireSaid extends Said {
  readonly judged: JudgedFlow;
  readonly evidence: readonly Evidence[];
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

/** Who reached what, as far as agents that see no ports of connections can be compared with others. */
interface Deed {
  readonly id: string;
  /** Source node and destination address. */
  readonly key: string;
  /** 0 = not told. */
  readonly port: number;
  readonly rung: FlowEntity["rung"];
}

export class Sayings {
  readonly #marks: AroundProxyMarks;
  /** What was found, by who reached what, and id; bounded by the tables of those who tell it. */
  readonly #deeds = new Map<string, Map<string, Deed>>();
  /** Rungs of which something was found or taken back since it was last asked. */
  readonly #changed = new Set<FlowEntity["rung"]>();
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
    const deed = deedOf(saying);
    this.#note(deed, said?.deed ?? null);
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
    return { outcome, saying: text, mark, atUs, deed, isFrozen: false };
  }

  /** Whether one of these rungs has found that the entity's source reached its destination. */
  isFoundBy(rungs: readonly FlowEntity["rung"][], entity: FlowEntity): boolean {
    const { dst_port: port } = entity;
    for (const deed of this.#deeds.get(deedKey(entity))?.values() ?? []) {
      const isThere = deed.port === port || deed.port === 0 || port === 0;
      if (isThere && rungs.includes(deed.rung)) return true;
    }
    return false;
  }

  /** Whether anything of these rungs has been found or taken back since this was last asked of them. */
  takeChanged(rungs: readonly FlowEntity["rung"][]): boolean {
    let hasChanged = false;
    for (const rung of rungs) if (this.#changed.delete(rung)) hasChanged = true;
    return hasChanged;
  }

  /** Its records have left: nothing can be compared with it any more. */
  forget(said: Said | undefined): void {
    if (said?.deed) this.#drop(said.deed);
  }

  counters(into: CounterSample[]): void {
    for (const [outcome, value] of Object.entries(this.#judged)) {
      into.push({ name: "flows_judged_total", labels: { outcome }, value });
    }
  }

  #note(deed: Deed | null, before: Deed | null): void {
    if (before?.key === deed?.key && before?.rung === deed?.rung && before?.port === deed?.port) {
      return;
    }
    if (before) {
      this.#drop(before);
      this.#changed.add(before.rung);
    }
    if (!deed) return;
    this.#changed.add(deed.rung);
    const deeds = this.#deeds.get(deed.key);
    if (deeds) deeds.set(deed.id, deed);
    else this.#deeds.set(deed.key, new Map([[deed.id, deed]]));
  }

  #drop({ key, id }: Deed): void {
    const deeds = this.#deeds.get(key);
    deeds?.delete(id);
    if (deeds?.size === 0) this.#deeds.delete(key);
  }

  #moveMark({ id, transport, atUs }: Saying, from: Mark | null, to: Mark | null): void {
    const isSame =
      from?.srcId === to?.srcId && from?.dstId === to?.dstId && from?.port === to?.port;
    if (isSame) return;
    if (from) this.#marks.unmark(from.srcId, from.dstId, transport, from.port, id);
    if (to) this.#marks.mark(to.srcId, to.dstId, transport, to.port, id, atUs);
  }
}

/** What nobody but a claimed sender tells takes nothing from others. */
function deedOf({ id, entity }: Saying): Deed | null {
  if (entity.outcome !== "found" || entity.trust === "claimed") return null;
  if (entity.rung === "none") return null;
  return { id, key: deedKey(entity), port: entity.dst_port, rung: entity.rung };
}

function deedKey({ src, dst_ip: ip }: FlowEntity): string {
  return `${nodeKey(src)} ${ip}`;
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
