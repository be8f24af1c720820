/**
 * What the graph tells the rules: an entity has changed (or an event has been judged), something is
 * gone, a node has a new name, a source has come or gone. A batch belongs to the callee for the call
 * only; entities and evidence in it are not changed afterwards and may be kept.
 */
import type { Entity, EntityType } from "./entities.ts";
import type { SourceKind } from "./observations.ts";
import type { Us } from "./time.ts";

export type Vantage = "proxy" | "node" | "object" | "span";

/** One observation behind a conclusion, as people read it and as it is stored. */
export interface Evidence {
  readonly atUs: Us;
  readonly nanos: number;
  readonly vantage: Vantage;
  /** `SourceRef.key` of who said it. */
  readonly source: string;
  /** One sentence. */
  readonly text: string;
  /** Flat values: addresses, ports, ids, counters. At most 20. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
  /** Orders equal times and removes repeats; the same observation has the same hash always. */
  readonly hash: string;
}

/** The most evidence one conclusion or insight keeps: the first by (event time, hash). */
export const evidenceMax = 20;

/** Adds to a list kept sorted by (time, hash), without repeats and bounded; returns the new list. */
export function mergeEvidence(
  have: readonly Evidence[],
  more: readonly Evidence[],
  max: number = evidenceMax,
): readonly Evidence[] {
  if (more.length === 0) return have;
  const byHash = new Map<string, Evidence>();
  for (const item of have) byHash.set(item.hash, item);
  for (const item of more) byHash.set(item.hash, item);
  if (byHash.size === have.length) return have;
  return [...byHash.values()]
    .sort((a, b) => a.atUs - b.atUs || a.nanos - b.nanos || (a.hash < b.hash ? -1 : 1))
    .slice(0, max);
}

/** A reference to a source in entities, evidence and insights: `kind` and `SourceRef.key`. */
export interface Observer {
  readonly kind: SourceKind;
  readonly key: string;
}

/** An entity as it is now. The same `id` replaces what was said of it before. */
export interface EntityChange<T extends EntityType = EntityType> {
  readonly kind: "entity";
  readonly type: T;
  /**
   * Stable identity within the type over restarts and arrival orders: a facet's key for an edge, a hash
   * of the deciding observations' identities for a flow or process.
   */
  readonly id: string;
  readonly entity: Entity<T>;
  /** False: the sources that would tell are silent, so a false condition proves nothing. */
  readonly judged: boolean;
  /** Event time of what caused the change; of an event, the event's own. */
  readonly atUs: Us;
  readonly evidence: readonly Evidence[];
  /** Whose silence would make a conclusion from this unknown. */
  readonly observers: readonly Observer[];
  /**
   * Ids under which parts of this entity were told before it was known that they are one: its insights
   * go on from theirs. `gone` follows for each.
   */
  readonly replaces?: readonly string[];
}

/** The entity no longer exists (its pod or workload is gone), which is not "fixed". */
export interface EntityGone {
  readonly kind: "gone";
  readonly type: EntityType;
  readonly id: string;
  readonly atUs: Us;
}

/** A node's key changed because two nodes proved to be one. Insights are re-keyed in silence. */
export interface NodeRenamed {
  readonly kind: "renamed";
  readonly from: string;
  readonly to: string;
}

/** A source's liveness changed. */
export interface SourceChanged {
  readonly kind: "source";
  readonly observer: Observer;
  readonly state: "live" | "silent" | "gone";
  readonly atUs: Us;
}

export type AnyEntityChange = { [T in EntityType]: EntityChange<T> }[EntityType];
export type GraphChange = AnyEntityChange | EntityGone | NodeRenamed | SourceChanged;
