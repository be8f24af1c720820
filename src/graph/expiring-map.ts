/**
 * A map whose entries live at least a fixed time, unless it is full. Entries age in two generations that
 * are dropped as a whole: one that was set lately is in the young one, and leaves with the old one after
 * once to twice the time. Nothing is moved or deleted one by one, which is what makes it cheap.
 */
import type { Us } from "../model/time.ts";

export class ExpiringMap<Value> {
  readonly #max: number;
  readonly #ttlUs: Us;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();
  #bornUs: Us = 0;
  #dropped = 0;

  constructor(max: number, ttlUs: Us) {
    this.#max = max;
    this.#ttlUs = ttlUs;
  }

  /** Entries that had to go before their time. */
  get dropped(): number {
    return this.#dropped;
  }

  get(key: string): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: string, value: Value, nowUs: Us): void {
    if (this.#young.size === 0) this.#bornUs = nowUs;
    if (this.#young.size >= this.#max / 2 && !this.#young.has(key)) {
      this.#dropped += this.#old.size;
      this.#turn(nowUs);
    }
    this.#young.set(key, value);
  }

  advance(nowUs: Us): void {
    if (nowUs - this.#bornUs >= this.#ttlUs && this.#young.size + this.#old.size > 0) {
      this.#turn(nowUs);
    }
  }

  #turn(nowUs: Us): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#bornUs = nowUs;
  }
}
