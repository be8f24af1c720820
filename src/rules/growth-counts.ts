/**
 * What counting rules on state entities have counted: how much a number that only grows has grown within
 * the window, on a ring of twelve sub-buckets of the entities' event time. Growth is counted where it was
 * told, which may be as much later than it happened as telemetry is.
 *
 * An entity whose number is met for the first time has grown from 0, unless it may have been there before
 * this rule was: then nobody knows when it grew. Durable, one row per entity, and one per rule that says
 * that the rule has been counting.
 */
import type { AnyEntityChange } from "../model/changes.ts";
import { forget, type CountRow, type WriteSet } from "../model/rows.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { CompiledCount, CompiledRule } from "./rule.ts";

const perWindow = 12;
/** Nothing more of the window's end is waited for. */
const lateUs = usPerMinute;
const sweepUs = 5 * usPerSecond;
const entitiesMax = 50_000;

export interface GrowthRule extends CompiledRule {
  readonly count: CompiledCount;
}

interface Growth {
  readonly id: string;
  readonly rule: GrowthRule;
  readonly entityId: string;
  /** Sub-bucket and the number at its end, by time; the first is from before the window, if any is. */
  points: [bucket: number, value: number][];
  /** Where the number stood before the first point. */
  from: number;
  /** By the last look, with who could tell. */
  isFull: boolean;
  judged: boolean;
}

/** A full window that time alone has emptied. */
export interface Ebbed {
  readonly rule: GrowthRule;
  readonly entityId: string;
  readonly judged: boolean;
}

export class GrowthCounts {
  /** In the order in which they were last touched. */
  readonly #growths = new Map<string, Growth>();
  readonly #full = new Set<Growth>();
  /** Rules that have looked at all there is: what they meet from here on is new. */
  readonly #settled = new Set<string>();
  readonly #changed = new Set<Growth>();
  readonly #markers = new Set<GrowthRule>();
  readonly #forgotten = new Set<string>();
  #isFirstTelling = false;
  #sweptUs = 0;
  #dropped = 0;

  /** `rules`: all that count growth. */
  constructor(rules: readonly GrowthRule[]) {
    for (const rule of rules) this.#markers.add(rule);
    for (const { meta } of rules) this.#settled.add(meta.id);
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** How much `value` has grown within the window, as of this change. */
  take(rule: GrowthRule, change: AnyEntityChange, value: number): number {
    const growth = this.#growthOf(rule, change, value);
    const bucket = Math.max(this.#bucketOf(rule, change.atUs), growth.points.at(-1)?.[0] ?? 0);
    const last = growth.points.at(-1);
    const before = last?.[1] ?? growth.from;
    // A counter that fell began anew: all that it says is new.
    if (value < before) {
      growth.points = [];
      growth.from = 0;
    }
    if (value !== before || !last) {
      if (last?.[0] === bucket && value >= before) last[1] = value;
      else growth.points.push([bucket, value]);
      this.#trim(growth, bucket);
      this.#changed.add(growth);
    }
    const grown = this.#grownUpTo(growth, bucket);
    this.#noted(growth, grown >= rule.count.gte, change.judged);
    return grown;
  }

  /** The condition does not hold any more, or the entity is gone. */
  leave(rule: GrowthRule, entityId: string, isGone: boolean): void {
    const growth = this.#growths.get(growthId(rule, entityId));
    if (!growth) return;
    this.#full.delete(growth);
    if (isGone) this.#drop(growth);
  }

  /** Windows that time has emptied since. */
  advance(nowUs: Us): readonly Ebbed[] {
    if (nowUs - this.#sweptUs < sweepUs || this.#full.size === 0) return [];
    this.#sweptUs = nowUs;
    const ebbed: Growth[] = [];
    for (const growth of this.#full) {
      const { rule } = growth;
      const bucket = this.#bucketOf(rule, nowUs - lateUs);
      if (this.#grownUpTo(growth, bucket) < rule.count.gte) ebbed.push(growth);
    }
    for (const growth of ebbed) this.#noted(growth, false, growth.judged);
    return ebbed;
  }

  /** All that was there when the engine started has been told. */
  firstTellingIsOver(): void {
    if (!this.#isFirstTelling) return;
    this.#isFirstTelling = false;
    for (const { meta } of this.#markers) this.#settled.add(meta.id);
  }

  collect(into: WriteSet): void {
    for (const id of this.#forgotten) forget(into, "counts", id);
    this.#forgotten.clear();
    if (!this.#isFirstTelling) {
      for (const rule of this.#markers) into.counts.push(rowOf(rule, markerId(rule), ""));
      this.#markers.clear();
    }
    for (const { id, rule, entityId, points, from, isFull, judged } of this.#changed) {
      const detail = JSON.stringify({ entityId, points, from, isFull, judged });
      into.counts.push(rowOf(rule, id, detail));
    }
    this.#changed.clear();
  }

  /** Before the rows: what is told first was there before, but for rules that have counted already. */
  restoring(): void {
    this.#isFirstTelling = true;
    this.#settled.clear();
  }

  restore(row: CountRow, rule: GrowthRule): void {
    if (row.version !== rule.count.version) {
      this.#forgotten.add(row.id);
      return;
    }
    if (row.id === markerId(rule)) {
      this.#settled.add(rule.meta.id);
      this.#markers.delete(rule);
      return;
    }
    const growth = readGrowth(row, rule);
    if (!growth) return;
    this.#growths.set(growth.id, growth);
    if (growth.isFull) this.#full.add(growth);
  }

  #growthOf(rule: GrowthRule, change: AnyEntityChange, value: number): Growth {
    const { id: entityId, replaces = [] } = change;
    const id = growthId(rule, entityId);
    const parts = replaces.flatMap((one) => this.#growths.get(growthId(rule, one)) ?? []);
    const known = this.#growths.get(id);
    if (known && parts.length === 0) {
      this.#growths.delete(id);
      this.#growths.set(id, known);
      return known;
    }
    const isNew = this.#settled.has(rule.meta.id) && this.#dropped === 0;
    const own = known ? [known, ...parts] : parts;
    const made: Growth = {
      id,
      rule,
      entityId,
      points: mergePoints(own),
      from: own.length > 0 ? own.reduce((sum, { from }) => sum + from, 0) : isNew ? 0 : value,
      isFull: false,
      judged: true,
    };
    for (const part of own) this.#drop(part);
    this.#growths.set(id, made);
    this.#forgotten.delete(id);
    this.#changed.add(made);
    if (this.#growths.size > entitiesMax) this.#dropFirst();
    return made;
  }

  #grownUpTo({ points, from }: Growth, bucket: number): number {
    let before = from;
    for (const [at, value] of points) if (at <= bucket - perWindow) before = value;
    return (points.at(-1)?.[1] ?? from) - before;
  }

  #trim(growth: Growth, bucket: number): void {
    const { points } = growth;
    while ((points[0]?.[0] ?? bucket) <= bucket - perWindow) growth.from = points.shift()?.[1] ?? 0;
  }

  #noted(growth: Growth, isFull: boolean, judged: boolean): void {
    if (growth.isFull !== isFull || growth.judged !== judged) this.#changed.add(growth);
    growth.isFull = isFull;
    growth.judged = judged;
    if (isFull) this.#full.add(growth);
    else this.#full.delete(growth);
  }

  #dropFirst(): void {
    for (const growth of this.#growths.values()) {
      this.#dropped++;
      this.#drop(growth);
      return;
    }
  }

  #drop(growth: Growth): void {
    this.#growths.delete(growth.id);
    this.#full.delete(growth);
    this.#changed.delete(growth);
    this.#forgotten.add(growth.id);
  }

  #bucketOf({ count }: GrowthRule, atUs: Us): number {
    return Math.floor(atUs / Math.ceil(count.withinUs / perWindow));
  }
}

/** Of parts that proved to be one: at each time, what all of them together had come to. */
function mergePoints(parts: readonly Growth[]): [number, number][] {
  const [only] = parts;
  if (parts.length < 2) return only?.points.map(([at, value]) => [at, value]) ?? [];
  const buckets = [...new Set(parts.flatMap(({ points }) => points.map(([at]) => at)))];
  return buckets
    .toSorted((a, b) => a - b)
    .map((bucket) => [bucket, parts.reduce((sum, part) => sum + valueAt(part, bucket), 0)]);
}

function valueAt({ points, from }: Growth, bucket: number): number {
  let value = from;
  for (const [at, reached] of points) if (at <= bucket) value = reached;
  return value;
}

function growthId(rule: GrowthRule, entityId: string): string {
  return `${rule.meta.id} ${entityId}`;
}

function markerId(rule: GrowthRule): string {
  return `${rule.meta.id} `;
}

function rowOf(rule: GrowthRule, id: string, detail: string): CountRow {
  return { id, rule: rule.meta.id, version: rule.count.version, detail };
}

/** Our own JSON, but a damaged row must not keep the engine from starting. */
function readGrowth({ id, detail }: CountRow, rule: GrowthRule): Growth | null {
  try {
    const stored = JSON.parse(detail) as Partial<Growth> | null; // looked at below
    const { entityId, points, from, isFull, judged } = stored ?? {};
    const isWhole = typeof entityId === "string" && typeof from === "number" && isPoints(points);
    if (!isWhole) return null;
    return { id, rule, entityId, points, from, isFull: isFull === true, judged: judged !== false };
  } catch {
    return null;
  }
}

function isPoints(points: unknown): points is [number, number][] {
  const isPair = (one: unknown): boolean =>
    Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === "number");
  return Array.isArray(points) && points.every(isPair);
}
