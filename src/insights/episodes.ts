/**
 * The number of the last episode per fingerprint, so that an insight's id is never given twice. Bounded;
 * once a number has had to be forgotten, an unknown fingerprint starts at the day's number instead of 1,
 * which no counted episode reaches.
 */
import { usPerDay, type Us } from "../model/time.ts";

export class Episodes {
  readonly #last = new Map<string, number>();
  readonly #max: number;
  #hasForgotten = false;

  constructor(max: number) {
    this.#max = max;
  }

  next(fingerprint: string, nowUs: Us): number {
    const last = this.#last.get(fingerprint);
    if (last !== undefined) return last + 1;
    return this.#hasForgotten ? Math.floor(nowUs / usPerDay) : 1;
  }

  /** True when the oldest fingerprint had to be forgotten for it. */
  remember(fingerprint: string, episode: number): boolean {
    const last = this.#last.get(fingerprint) ?? 0;
    this.#last.delete(fingerprint);
    this.#last.set(fingerprint, Math.max(last, episode));
    if (this.#last.size <= this.#max) return false;
    for (const oldest of this.#last.keys()) {
      this.#last.delete(oldest);
      break;
    }
    this.#hasForgotten = true;
    return true;
  }
}
