/** What is a number about each series, by its row: 17 bytes of lists, where objects take 50. */
import type { Us } from "../model/time.ts";

const firstRows = 256;
const continued = 1;
const delta = 2;

export class SeriesNumbers {
  #firstUs = new Float64Array(firstRows);
  #lastChangeUs = new Float64Array(firstRows);
  #flags = new Uint8Array(firstRows);

  /** Time of its first point, 0 = it had none. */
  firstUs(row: number): Us {
    return this.#firstUs[row] ?? 0;
  }

  /** Time of the last point that added something. */
  lastChangeUs(row: number): Us {
    return this.#lastChangeUs[row] ?? 0;
  }

  /** The first of its points has been counted before and is only a base. */
  isContinued(row: number): boolean {
    return ((this.#flags[row] ?? 0) & continued) !== 0;
  }

  /** Its points are deltas. */
  isDelta(row: number): boolean {
    return ((this.#flags[row] ?? 0) & delta) !== 0;
  }

  setFirst(row: number, atUs: Us): void {
    this.#firstUs[row] = atUs;
  }

  setLastChange(row: number, atUs: Us): void {
    this.#lastChangeUs[row] = atUs;
  }

  setContinued(row: number, is: boolean): void {
    this.#setFlag(row, continued, is);
  }

  setDelta(row: number, is: boolean): void {
    this.#setFlag(row, delta, is);
  }

  /** As an earlier process left it: when it changed last is not stored. */
  restore(row: number, firstUs: Us): void {
    this.reserve(row);
    this.#firstUs[row] = firstUs;
    this.#lastChangeUs[row] = firstUs;
  }

  /** Makes room for that row, before anything is set. */
  reserve(row: number): void {
    if (row < this.#flags.length) return;
    const room = Math.max(this.#flags.length * 2, row + 1);
    this.#firstUs = grown(this.#firstUs, room);
    this.#lastChangeUs = grown(this.#lastChangeUs, room);
    const flags = new Uint8Array(room);
    flags.set(this.#flags);
    this.#flags = flags;
  }

  #setFlag(row: number, flag: number, is: boolean): void {
    const flags = this.#flags[row] ?? 0;
    this.#flags[row] = is ? flags | flag : flags & ~flag;
  }
}

function grown(from: Float64Array, room: number): Float64Array<ArrayBuffer> {
  const into = new Float64Array(room);
  into.set(from);
  return into;
}
