/** What must be looked at again at a time. Bounded by what its owner keeps: each item waits once. */
import { usPerSecond, type Us } from "../model/time.ts";

export class Waiting<T> {
  readonly #dueUs = new Map<T, Us>();
  #nextUs: Us = Infinity;

  /** Rounded up to whole seconds, so that the list is walked at most once a second. */
  add(item: T, dueUs: Us): void {
    const roundedUs = Math.ceil(dueUs / usPerSecond) * usPerSecond;
    if ((this.#dueUs.get(item) ?? Infinity) <= roundedUs) return;
    this.#dueUs.set(item, roundedUs);
    this.#nextUs = Math.min(this.#nextUs, roundedUs);
  }

  delete(item: T): void {
    this.#dueUs.delete(item);
  }

  /** Takes out what is due. */
  take(nowUs: Us): readonly T[] {
    if (nowUs < this.#nextUs) return [];
    const due: T[] = [];
    this.#nextUs = Infinity;
    for (const [item, dueUs] of this.#dueUs) {
      if (dueUs <= nowUs) due.push(item);
      else this.#nextUs = Math.min(this.#nextUs, dueUs);
    }
    for (const item of due) this.#dueUs.delete(item);
    return due;
  }
}
