/**
 * Rows of numbers outside of the heap, all of one width: what is kept of hundreds of thousands of things
 * takes its 8 bytes per number and nothing else, and the collector of garbage does not look at it. Rows
 * stay where they are; a row that was given back is taken again.
 */
import { assert } from "./assert.ts";

const pageRows = 1_024;

export class NumberRows {
  readonly #width: number;
  readonly #pageRows: number;
  readonly #pages: Float64Array[] = [];
  readonly #free: number[] = [];
  #used = 0;

  /** `rows`: room is made for so many at a time. */
  constructor(width: number, rows = pageRows) {
    this.#width = width;
    this.#pageRows = rows;
  }

  /** The number of a row of zeros. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#used === this.#pages.length * this.#pageRows) {
      this.#pages.push(new Float64Array(this.#pageRows * this.#width));
    }
    return this.#used++;
  }

  /** Nobody asks for the row any more until it is taken again. */
  give(row: number): void {
    const start = this.startOf(row);
    this.pageOf(row).fill(0, start, start + this.#width);
    this.#free.push(row);
  }

  get(row: number, field: number): number {
    return this.pageOf(row)[this.startOf(row) + field] ?? 0;
  }

  set(row: number, field: number, value: number): void {
    this.pageOf(row)[this.startOf(row) + field] = value;
  }

  /** Where the row is, for who reads many of its numbers: they begin at `startOf`. */
  pageOf(row: number): Float64Array {
    const page = this.#pages[Math.floor(row / this.#pageRows)];
    assert(page, "the row was taken");
    return page;
  }

  startOf(row: number): number {
    return (row % this.#pageRows) * this.#width;
  }
}
