/**
 * Columns: what one reporter said of a facet through one channel. Columns of a facet tell of the same
 * traffic, so they are never summed; the merged view takes the first that has anything, in the order of
 * who knows best.
 */
import type { Channel, Reporter } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { ColumnNumbers } from "./column-numbers.ts";
import {
  addBuckets,
  hasVerdict,
  securityOf,
  unknownSecurity,
  type SecurityBuckets,
  type SecurityView,
} from "./security.ts";

export interface Amounts {
  requests: number;
  errors: number;
  denied: number;
  opened: number;
  closed: number;
  bytesSent: number;
  bytesReceived: number;
  /** Whole microseconds: sums of fractions would hang on their order. */
  latencySumUs: number;
  latencyCount: number;
}

/** A span that went over a facet, as an example of its traffic. */
export interface SpanRef {
  readonly timeUs: Us;
  readonly traceId: string;
  readonly spanId: string;
}

/** What a column counts of events that may still move away together; their borders are exact. */
export interface Contribution {
  readonly amounts: Amounts;
  count: number;
  firstUs: Us;
  lastUs: Us;
  /** The first of its spans; null = it has none. */
  example: SpanRef | null;
}

/** What hardly any column has. */
interface Rare {
  movable: Map<Contribution, number> | null;
  bareLines: Map<Us, number> | null;
  plaintextMoves: Map<Us, PlaintextMove> | null;
  beforeSeries: Times;
}

/** What one reporter said through one channel. Amounts and security buckets are numbers of its own. */
export class Column extends ColumnNumbers implements Amounts, SecurityBuckets {
  #rare: Rare | null = null;
  /** The youngest of the metric series that count on it: its row + 1, 0 = there is none. */
  series = 0;
  isDirty = false;

  get amounts(): Amounts {
    return this;
  }

  get security(): SecurityBuckets {
    return this;
  }

  /** Contributions that may still move away, with how many events each is; null = none. */
  get movable(): Map<Contribution, number> | null {
    return this.#rare?.movable ?? null;
  }

  set movable(movable: Map<Contribution, number> | null) {
    if (this.#rare || movable) (this.#rare ??= makeRare()).movable = movable;
  }

  /** Lines of a server's proxy without a sign of TLS, by event time: what they mean, a counter tells. */
  get bareLines(): Map<Us, number> | null {
    return this.#rare?.bareLines ?? null;
  }

  set bareLines(lines: Map<Us, number> | null) {
    if (this.#rare || lines) (this.#rare ??= makeRare()).bareLines = lines;
  }

  /** How counters of plaintext from nobody named moved, by the later point's time. */
  get plaintextMoves(): Map<Us, PlaintextMove> | null {
    return this.#rare?.plaintextMoves ?? null;
  }

  set plaintextMoves(moves: Map<Us, PlaintextMove> | null) {
    if (this.#rare || moves) (this.#rare ??= makeRare()).plaintextMoves = moves;
  }

  /** Its times before any series counted on it. */
  get beforeSeries(): Times {
    return this.#rare?.beforeSeries ?? noTimes;
  }

  set beforeSeries(times: Times) {
    (this.#rare ??= makeRare()).beforeSeries = times;
  }
}

interface Times {
  readonly firstUs: Us;
  readonly lastUs: Us;
}

export interface PlaintextMove {
  readonly fromUs: Us;
  count: number;
}

const noTimes: Times = { firstUs: 0, lastUs: 0 };

/** Times kept of each; the newest two buckets are what security is judged from. */
const timesMax = 256;

/** Who knows best first (detection.md 3). */
const precedence: readonly (readonly [Reporter, Channel])[] = [
  ["destination", "metrics"],
  ["waypoint", "metrics"],
  ["destination", "sink"],
  ["waypoint", "sink"],
  ["destination", "logs"],
  ["waypoint", "logs"],
  ["source", "metrics"],
  ["source", "sink"],
  ["source", "logs"],
  ["ztunnel", "metrics"],
  ["ztunnel", "sink"],
  ["ztunnel", "logs"],
  ["ztunnel_source", "metrics"],
  ["ztunnel_source", "sink"],
  ["ztunnel_source", "logs"],
  ["server_span", "spans"],
  ["client_span", "spans"],
  ["waypoint", "spans"],
  ["server_span", "sdk"],
  ["client_span", "sdk"],
  ["flow", "flows"],
];

function makeRare(): Rare {
  return { movable: null, bareLines: null, plaintextMoves: null, beforeSeries: noTimes };
}

export function makeAmounts(): Amounts {
  return {
    requests: 0,
    errors: 0,
    denied: 0,
    opened: 0,
    closed: 0,
    bytesSent: 0,
    bytesReceived: 0,
    latencySumUs: 0,
    latencyCount: 0,
  };
}

export function addAmounts(into: Amounts, more: Amounts, sign: 1 | -1): void {
  into.requests += sign * more.requests;
  into.errors += sign * more.errors;
  into.denied += sign * more.denied;
  into.opened += sign * more.opened;
  into.closed += sign * more.closed;
  into.bytesSent += sign * more.bytesSent;
  into.bytesReceived += sign * more.bytesReceived;
  into.latencySumUs += sign * more.latencySumUs;
  into.latencyCount += sign * more.latencyCount;
}

/** A series that did not count on the column does so from now on; who names the next one, as `series` does. */
export function addSeries(column: Column, row: number): number {
  const { series: before, firstUs, lastUs } = column;
  if (before === 0 && lastUs > 0) column.beforeSeries = { firstUs, lastUs };
  column.series = row + 1;
  column.settled++;
  return before;
}

/** A settled contribution at a time. */
export function stretch(column: Column, firstUs: Us, lastUs: Us): void {
  if (firstUs <= 0) return;
  if (column.settledFirstUs === 0 || firstUs < column.settledFirstUs) {
    column.settledFirstUs = firstUs;
  }
  if (lastUs > column.settledLastUs) column.settledLastUs = lastUs;
  if (column.firstUs === 0 || firstUs < column.firstUs) column.firstUs = firstUs;
  if (lastUs > column.lastUs) column.lastUs = lastUs;
}

export function addMovable(column: Column, more: Contribution): void {
  (column.movable ??= new Map()).set(more, more.count);
  if (column.firstUs === 0 || more.firstUs < column.firstUs) column.firstUs = more.firstUs;
  if (more.lastUs > column.lastUs) column.lastUs = more.lastUs;
}

/** The contribution has grown or shrunk to what it is `now`. */
export function changeMovable(column: Column, counted: Contribution, now: Contribution): void {
  const isNarrower = now.firstUs > counted.firstUs || now.lastUs < counted.lastUs;
  addAmounts(column.amounts, counted.amounts, -1);
  addAmounts(column.amounts, now.amounts, 1);
  addAmounts(counted.amounts, counted.amounts, -1);
  addAmounts(counted.amounts, now.amounts, 1);
  counted.count = now.count;
  counted.firstUs = now.firstUs;
  counted.lastUs = now.lastUs;
  counted.example = now.example;
  addMovable(column, counted);
  if (isNarrower) restretch(column);
}

/** The contribution has left. */
export function removeMovable(column: Column, less: Contribution): void {
  dropMovable(column, less);
  if (less.firstUs === column.firstUs || less.lastUs === column.lastUs) restretch(column);
}

/** What it says of plaintext hangs on other edges of the same server. */
export function tellsOfPlaintext({ bareLines, plaintextMoves }: Column): boolean {
  return bareLines !== null || plaintextMoves !== null;
}

/** The contribution will not move any more. */
export function settleMovable(column: Column, stays: Contribution): void {
  dropMovable(column, stays);
  column.settled += stays.count;
  stretch(column, stays.firstUs, stays.lastUs);
}

/** The first of two, whichever is asked about first. */
export function firstSpan(one: SpanRef | null, other: SpanRef | null): SpanRef | null {
  if (!one || !other) return one ?? other;
  if (one.timeUs !== other.timeUs) return one.timeUs < other.timeUs ? one : other;
  if (one.traceId !== other.traceId) return one.traceId < other.traceId ? one : other;
  return one.spanId <= other.spanId ? one : other;
}

export function isEmptyColumn(column: Column): boolean {
  return column.settled === 0 && column.movable === null;
}

/** The last one takes the map with it. */
function dropMovable(column: Column, contribution: Contribution): void {
  column.movable?.delete(contribution);
  if (column.movable?.size === 0) column.movable = null;
}

/** Adds to (or takes from) the lines of that time; of too many times the oldest gives way. */
export function countBareLine(column: Column, atUs: Us, by: number): void {
  const count = (column.bareLines?.get(atUs) ?? 0) + by;
  column.bareLines = withEntry(column.bareLines, atUs, count > 0 ? count : null);
}

export function countMove(column: Column, fromUs: Us, toUs: Us, by: number): void {
  const move = column.plaintextMoves?.get(toUs);
  const count = (move?.fromUs === fromUs ? move.count : 0) + by;
  const next = count > 0 ? { fromUs, count } : null;
  column.plaintextMoves = withEntry(column.plaintextMoves, toUs, next);
}

/** Sets or removes (null) the entry of that time; null = the map is empty. */
function withEntry<T>(map: Map<Us, T> | null, atUs: Us, value: T | null): Map<Us, T> | null {
  if (value === null) {
    map?.delete(atUs);
    return map?.size === 0 ? null : map;
  }
  const times = map ?? new Map<Us, T>();
  times.set(atUs, value);
  if (times.size > timesMax) times.delete(Math.min(...times.keys()));
  return times;
}

/** Adds a whole column of the same reporter and channel: two facets proved to be one. */
export function mergeColumn(into: Column, more: Column): void {
  if (more.movable) {
    into.movable ??= new Map();
    for (const [contribution, count] of more.movable) into.movable.set(contribution, count);
  }
  mergeNumbers(into, more);
}

/**
 * Adds what a column says, without the contributions behind it: enough for a view, which nothing will
 * move away from. A busy column has thousands of them, and views are made for every change.
 */
export function mergeNumbers(into: Column, more: Column): void {
  addAmounts(into.amounts, more.amounts, 1);
  addBuckets(into.security, more.security);
  for (const [atUs, count] of more.bareLines ?? []) countBareLine(into, atUs, count);
  for (const [toUs, move] of more.plaintextMoves ?? []) {
    countMove(into, move.fromUs, toUs, move.count);
  }
  into.settled += more.settled;
  stretch(into, more.settledFirstUs, more.settledLastUs);
  if (more.firstUs > 0 && (into.firstUs === 0 || more.firstUs < into.firstUs)) {
    into.firstUs = more.firstUs;
  }
  into.lastUs = Math.max(into.lastUs, more.lastUs);
}

/** In order of precedence; unknown pairs last. */
export function sortColumns(columns: readonly Column[]): Column[] {
  return [...columns].sort((a, b) => rankOf(a) - rankOf(b));
}

/** The first column that counted anything, else the first; null when there is none. `columns` sorted. */
export function leadingColumn(columns: readonly Column[]): Column | null {
  return columns.find((column) => hasCounted(column.amounts)) ?? columns[0] ?? null;
}

/** By the first column that can tell. `columns` sorted. */
export function securityOfColumns(columns: readonly Column[]): SecurityView {
  const telling = columns.find((column) => hasVerdict(column.security));
  return telling ? securityOf(telling.security) : unknownSecurity;
}

/** Blocked TCP shows only as closed connections. */
export function connectionsOf(amounts: Amounts): number {
  return Math.max(amounts.opened, amounts.closed);
}

function hasCounted(amounts: Amounts): boolean {
  return amounts.requests > 0 || amounts.opened > 0 || amounts.closed > 0 || amounts.bytesSent > 0;
}

function rankOf(column: Column): number {
  const rank = precedence.findIndex(
    ([reporter, channel]) => reporter === column.reporter && channel === column.channel,
  );
  return rank < 0 ? precedence.length : rank;
}

/** The times are those of what has settled and of what may still move. */
export function restretch(column: Column): void {
  column.firstUs = column.settledFirstUs;
  column.lastUs = column.settledLastUs;
  for (const { firstUs, lastUs } of column.movable?.keys() ?? []) {
    if (column.firstUs === 0 || firstUs < column.firstUs) column.firstUs = firstUs;
    if (lastUs > column.lastUs) column.lastUs = lastUs;
  }
}
