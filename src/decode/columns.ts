/**
 * Growable tables of typed-array columns. They start small, double when full and stop at a maximum, so
 * a small request touches little memory and no request takes more than its limit. Capacity is kept for
 * the next request; what stays unused for long is given back by halves, not below `keptRows`.
 */
import { WireFault } from "./wire.ts";

type Column = Uint8Array | Int32Array | Uint32Array | Float64Array;
type ColumnConstructor = new (length: number) => Column;

/** One of the row types of `views.ts`: `count` and columns of equal length. */
interface Table {
  count: number;
}

const startRows = 64;
const keptRows = 16_384;
/** So many requests in a row must have used under a quarter of a table before it is halved. */
const patienceRequests = 256;

export const uint8s = (): Uint8Array => new Uint8Array(startRows);
export const int32s = (): Int32Array => new Int32Array(startRows);
export const uint32s = (): Uint32Array => new Uint32Array(startRows);
export const float64s = (): Float64Array => new Float64Array(startRows);

/**
 * Adds rows to a table. The number of rows is kept here during a decode, so that this code sees one
 * object shape whatever the table, and reaches `table.count` with `publish`.
 */
export class Rows<T extends Table> {
  /** Its columns are replaced when they grow: read them from here after each `add`. */
  readonly table: T;
  count = 0;
  readonly #rowsMax: number;
  readonly #isCleared: boolean;
  readonly #names: readonly string[];
  #columns: Column[] = [];
  #capacity: number;
  #idleRequests = 0;

  /** With `isCleared` every row starts as zeros; without, the caller writes each column it needs. */
  constructor(table: T, rowsMax: number, isCleared = true) {
    this.table = table;
    this.#rowsMax = rowsMax;
    this.#isCleared = isCleared;
    this.#capacity = Math.min(startRows, rowsMax);
    this.#names = Object.keys(table).filter((name) => name !== "count");
    this.#columns = this.#names.map((name) => this.#byName()[name] as Column); // all but `count`
  }

  add(): number {
    const row = this.count;
    if (row === this.#capacity) this.#grow();
    this.count = row + 1;
    return row;
  }

  /** Forgets the rows from `count` on. */
  truncate(count: number): void {
    if (this.#isCleared && count < this.count) {
      for (const column of this.#columns) column.fill(0, count, this.count);
    }
    this.count = count;
  }

  /** Before a request: an empty table again. */
  reset(): void {
    this.#idleRequests = this.count < this.#capacity / 4 ? this.#idleRequests + 1 : 0;
    this.truncate(0);
    if (this.#idleRequests > patienceRequests && this.#capacity > keptRows) {
      this.#idleRequests = 0;
      this.#resize(this.#capacity / 2);
    }
    this.table.count = 0;
  }

  /** After a request: the table says how many rows it has. */
  publish(): void {
    this.table.count = this.count;
  }

  #grow(): void {
    if (this.count >= this.#rowsMax) {
      throw new WireFault("too_large", `more than ${this.#rowsMax} items of one type`);
    }
    this.#resize(Math.min(this.#capacity * 2, this.#rowsMax));
  }

  #resize(capacity: number): void {
    this.#columns = this.#columns.map((column) => {
      const resized = new (column.constructor as ColumnConstructor)(capacity);
      resized.set(column.subarray(0, this.count));
      return resized;
    });
    for (const [at, name] of this.#names.entries()) this.#byName()[name] = this.#columns[at];
    this.#capacity = capacity;
  }

  #byName(): Record<string, unknown> {
    return this.table as unknown as Record<string, unknown>; // a table has columns and `count` only
  }
}
