/** A map whose entries live a fixed time from when they were set, and whose oldest gives way when full. */
import type { Us } from "../model/time.ts";

export class ExpiringMap<Value> {
  readonly #max: number;
  readonly #ttlUs: Us;
  readonly #entries = new Map<string, { value: Value; untilUs: Us }>();
  #dropped = 0;

  constructor(max: number, ttlUs: Us) {
    this.#max = max;
    this.#ttlUs = ttlUs;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Entries that had to go before their time. */
  get dropped(): number {
    return this.#dropped;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  set(key: string, value: Value, nowUs: Us): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#max) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
      this.#dropped++;
    }
    this.#entries.set(key, { value, untilUs: nowUs + this.#ttlUs });
  }

  /** Entries are in the order of their end, since all live equally long. */
  advance(nowUs: Us): void {
    for (const [key, { untilUs }] of this.#entries) {
      if (untilUs > nowUs) return;
      this.#entries.delete(key);
    }
  }
}
