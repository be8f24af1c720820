/**
 * What is a number of a column. There are two columns for each facet, 400,000 in a large mesh: as fields
 * these take 360 bytes, since a time is an object of its own; in rows of numbers they take 152, and the
 * collector of garbage does not look at them. Whoever counts does not notice.
 */
import { NumberRows } from "../lib/number-rows.ts";
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

export class ColumnNumbers {
  #rows: NumberRows;
  #row: number;

  /** `rows`: which it takes its row from, until `release`; none = it has numbers of its own. */
  constructor(rows: NumberRows = new NumberRows(columnWidth, 1)) {
    this.#rows = rows;
    this.#row = rows.take();
  }

  /** Gives its row back and has numbers of its own from now on, as somebody may still hold it. */
  release(): void {
    const own = new NumberRows(columnWidth, 1);
    const row = own.take();
    for (let field = 0; field < columnWidth; field++) own.set(row, field, this.#get(field));
    this.#rows.give(this.#row);
    this.#rows = own;
    this.#row = row;
  }

  get requests(): number {
    return this.#get(at.requests);
  }

  set requests(value: number) {
    this.#set(at.requests, value);
  }

  get errors(): number {
    return this.#get(at.errors);
  }

  set errors(value: number) {
    this.#set(at.errors, value);
  }

  get denied(): number {
    return this.#get(at.denied);
  }

  set denied(value: number) {
    this.#set(at.denied, value);
  }

  get opened(): number {
    return this.#get(at.opened);
  }

  set opened(value: number) {
    this.#set(at.opened, value);
  }

  get closed(): number {
    return this.#get(at.closed);
  }

  set closed(value: number) {
    this.#set(at.closed, value);
  }

  get bytesSent(): number {
    return this.#get(at.bytesSent);
  }

  set bytesSent(value: number) {
    this.#set(at.bytesSent, value);
  }

  get bytesReceived(): number {
    return this.#get(at.bytesReceived);
  }

  set bytesReceived(value: number) {
    this.#set(at.bytesReceived, value);
  }

  get latencySumUs(): number {
    return this.#get(at.latencySumUs);
  }

  set latencySumUs(value: number) {
    this.#set(at.latencySumUs, value);
  }

  get latencyCount(): number {
    return this.#get(at.latencyCount);
  }

  set latencyCount(value: number) {
    this.#set(at.latencyCount, value);
  }

  get newest(): number {
    return this.#get(at.newest);
  }

  set newest(value: number) {
    this.#set(at.newest, value);
  }

  get tls(): number {
    return this.#get(at.tls);
  }

  set tls(value: number) {
    this.#set(at.tls, value);
  }

  get tlsBefore(): number {
    return this.#get(at.tlsBefore);
  }

  set tlsBefore(value: number) {
    this.#set(at.tlsBefore, value);
  }

  get none(): number {
    return this.#get(at.none);
  }

  set none(value: number) {
    this.#set(at.none, value);
  }

  get noneBefore(): number {
    return this.#get(at.noneBefore);
  }

  set noneBefore(value: number) {
    this.#set(at.noneBefore, value);
  }

  get firstUs(): Us {
    return this.#get(at.firstUs);
  }

  set firstUs(value: Us) {
    this.#set(at.firstUs, value);
  }

  get lastUs(): Us {
    return this.#get(at.lastUs);
  }

  set lastUs(value: Us) {
    this.#set(at.lastUs, value);
  }

  /** Contributions that can no longer move: metric series and settled placements. */
  get settled(): number {
    return this.#get(at.settled);
  }

  set settled(value: number) {
    this.#set(at.settled, value);
  }

  get settledFirstUs(): Us {
    return this.#get(at.settledFirstUs);
  }

  set settledFirstUs(value: Us) {
    this.#set(at.settledFirstUs, value);
  }

  get settledLastUs(): Us {
    return this.#get(at.settledLastUs);
  }

  set settledLastUs(value: Us) {
    this.#set(at.settledLastUs, value);
  }

  #get(field: number): number {
    return this.#rows.get(this.#row, field);
  }

  #set(field: number, value: number): void {
    this.#rows.set(this.#row, field, value);
  }
}
