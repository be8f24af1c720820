/**
 * What is a number of a column. There are two columns for each facet, 400,000 in a large mesh: as fields
 * these take 360 bytes, since a time is an object of its own; in rows of numbers they take 152, and the
 * collector of garbage does not look at them. Whoever counts does not notice. (No private methods: each
 * object of a class that has any holds a mark of it.)
 */
import { NumberRows } from "../lib/number-rows.ts";
import type { Channel, Reporter } from "../model/observations.ts";
import type { Us } from "../model/time.ts";

/** Places of the numbers in a row. */
const at = {
  requests: 0,
  errors: 1,
  denied: 2,
  opened: 3,
  closed: 4,
  bytesSent: 5,
  bytesReceived: 6,
  latencySumUs: 7,
  latencyCount: 8,
  newest: 9,
  tls: 10,
  tlsBefore: 11,
  none: 12,
  noneBefore: 13,
  firstUs: 14,
  lastUs: 15,
  settled: 16,
  settledFirstUs: 17,
  settledLastUs: 18,
} as const;
/** Numbers of a column. */
export const columnWidth = 19;

/** What the columns of one reporter and channel have in common: one object for all of them. */
export interface ColumnKind {
  readonly reporter: Reporter;
  readonly channel: Channel;
  /** Which they take their rows from. */
  readonly rows: NumberRows;
}

/** `rows`: none = of numbers of its own. */
export function columnKind(
  reporter: Reporter,
  channel: Channel,
  rows: NumberRows = new NumberRows(columnWidth, 1),
): ColumnKind {
  return { reporter, channel, rows };
}

export class ColumnNumbers {
  #kind: ColumnKind;
  #row: number;

  constructor(kind: ColumnKind) {
    this.#kind = kind;
    this.#row = kind.rows.take();
  }

  get reporter(): Reporter {
    return this.#kind.reporter;
  }

  get channel(): Channel {
    return this.#kind.channel;
  }

  /** Gives its row back and has numbers of its own from now on, as somebody may still hold it. */
  release(): void {
    const { reporter, channel, rows } = this.#kind;
    const own = columnKind(reporter, channel);
    const row = own.rows.take();
    for (let field = 0; field < columnWidth; field++)
      own.rows.set(row, field, rows.get(this.#row, field));
    rows.give(this.#row);
    this.#kind = own;
    this.#row = row;
  }

  get requests(): number {
    return this.#kind.rows.get(this.#row, at.requests);
  }

  set requests(value: number) {
    this.#kind.rows.set(this.#row, at.requests, value);
  }

  get errors(): number {
    return this.#kind.rows.get(this.#row, at.errors);
  }

  set errors(value: number) {
    this.#kind.rows.set(this.#row, at.errors, value);
  }

  get denied(): number {
    return this.#kind.rows.get(this.#row, at.denied);
  }

  set denied(value: number) {
    this.#kind.rows.set(this.#row, at.denied, value);
  }

  get opened(): number {
    return this.#kind.rows.get(this.#row, at.opened);
  }

  set opened(value: number) {
    this.#kind.rows.set(this.#row, at.opened, value);
  }

  get closed(): number {
    return this.#kind.rows.get(this.#row, at.closed);
  }

  set closed(value: number) {
    this.#kind.rows.set(this.#row, at.closed, value);
  }

  get bytesSent(): number {
    return this.#kind.rows.get(this.#row, at.bytesSent);
  }

  set bytesSent(value: number) {
    this.#kind.rows.set(this.#row, at.bytesSent, value);
  }

  get bytesReceived(): number {
    return this.#kind.rows.get(this.#row, at.bytesReceived);
  }

  set bytesReceived(value: number) {
    this.#kind.rows.set(this.#row, at.bytesReceived, value);
  }

  get latencySumUs(): number {
    return this.#kind.rows.get(this.#row, at.latencySumUs);
  }

  set latencySumUs(value: number) {
    this.#kind.rows.set(this.#row, at.latencySumUs, value);
  }

  get latencyCount(): number {
    return this.#kind.rows.get(this.#row, at.latencyCount);
  }

  set latencyCount(value: number) {
    this.#kind.rows.set(this.#row, at.latencyCount, value);
  }

  get newest(): number {
    return this.#kind.rows.get(this.#row, at.newest);
  }

  set newest(value: number) {
    this.#kind.rows.set(this.#row, at.newest, value);
  }

  get tls(): number {
    return this.#kind.rows.get(this.#row, at.tls);
  }

  set tls(value: number) {
    this.#kind.rows.set(this.#row, at.tls, value);
  }

  get tlsBefore(): number {
    return this.#kind.rows.get(this.#row, at.tlsBefore);
  }

  set tlsBefore(value: number) {
    this.#kind.rows.set(this.#row, at.tlsBefore, value);
  }

  get none(): number {
    return this.#kind.rows.get(this.#row, at.none);
  }

  set none(value: number) {
    this.#kind.rows.set(this.#row, at.none, value);
  }

  get noneBefore(): number {
    return this.#kind.rows.get(this.#row, at.noneBefore);
  }

  set noneBefore(value: number) {
    this.#kind.rows.set(this.#row, at.noneBefore, value);
  }

  get firstUs(): Us {
    return this.#kind.rows.get(this.#row, at.firstUs);
  }

  set firstUs(value: Us) {
    this.#kind.rows.set(this.#row, at.firstUs, value);
  }

  get lastUs(): Us {
    return this.#kind.rows.get(this.#row, at.lastUs);
  }

  set lastUs(value: Us) {
    this.#kind.rows.set(this.#row, at.lastUs, value);
  }

  /** Contributions that can no longer move: metric series and settled placements. */
  get settled(): number {
    return this.#kind.rows.get(this.#row, at.settled);
  }

  set settled(value: number) {
    this.#kind.rows.set(this.#row, at.settled, value);
  }

  get settledFirstUs(): Us {
    return this.#kind.rows.get(this.#row, at.settledFirstUs);
  }

  set settledFirstUs(value: Us) {
    this.#kind.rows.set(this.#row, at.settledFirstUs, value);
  }

  get settledLastUs(): Us {
    return this.#kind.rows.get(this.#row, at.settledLastUs);
  }

  set settledLastUs(value: Us) {
    this.#kind.rows.set(this.#row, at.settledLastUs, value);
  }
}
