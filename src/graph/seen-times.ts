/** First and last time at which something was seen, by key. Bounded: the oldest key leaves first. */
import type { Us } from "../model/time.ts";

const keysMax = 40_000;

interface Times {
  firstUs: Us;
  lastUs: Us;
}

export class SeenTimes {
  readonly #reachUs: Us;
  readonly #times = new Map<string, Times>();
  #dropped = 0;

  /** What was seen farther than this from a time says nothing of it. */
  constructor(reachUs: Us) {
    this.#reachUs = reachUs;
  }

  get dropped(): number {
    return this.#dropped;
  }

  note(key: string, atUs: Us): void {
    const known = this.#times.get(key);
    if (known) {
      known.firstUs = Math.min(known.firstUs, atUs);
      known.lastUs = Math.max(known.lastUs, atUs);
      return;
    }
    if (this.#times.size >= keysMax) this.#dropFirst();
    this.#times.set(key, { firstUs: atUs, lastUs: atUs });
  }

  isNear(key: string, atUs: Us): boolean {
    const known = this.#times.get(key);
    if (!known) return false;
    return known.firstUs <= atUs + this.#reachUs && known.lastUs >= atUs - this.#reachUs;
  }

  #dropFirst(): void {
    for (const key of this.#times.keys()) {
      this.#times.delete(key);
      this.#dropped++;
      return;
    }
  }
}
