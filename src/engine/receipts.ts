/**
 * Receipts: which requests have been applied, by signal and body hash, so that a collector's retry is
 * never applied twice. A known request waits for the commit that holds it and is answered with that.
 *
 * Kept at least `keepUs` (15 minutes: three times the longest a default collector retries), then until
 * the table is full; above `max` the oldest goes even if it is younger, and is counted.
 */
import type { ReceiptRow, Restored, WriteSet } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerMinute, type Us } from "../model/time.ts";

export interface ReceiptOptions {
  readonly keepUs: Us;
  readonly max: number;
}

export const receiptDefaults: ReceiptOptions = { keepUs: 15 * usPerMinute, max: 200_000 };

export class Receipts {
  readonly #options: ReceiptOptions;
  /** In order of arrival, so the first is the oldest. */
  readonly #receivedUs = new Map<string, Us>();
  #fresh: ReceiptRow[] = [];
  #dropped = 0;

  constructor(options: ReceiptOptions = receiptDefaults) {
    this.#options = options;
  }

  has(signal: number, hash: string): boolean {
    return this.#receivedUs.has(receiptKey(signal, hash));
  }

  add(signal: number, hash: string, receivedUs: Us): void {
    this.#receivedUs.set(receiptKey(signal, hash), receivedUs);
    this.#fresh.push({ hash, signal, receivedUs });
    if (this.#receivedUs.size > this.#options.max) this.#dropOldest();
  }

  /** Forgets what is older than `keepUs`. */
  expire(nowUs: Us): void {
    for (const [key, receivedUs] of this.#receivedUs) {
      if (receivedUs + this.#options.keepUs > nowUs) return;
      this.#receivedUs.delete(key);
    }
  }

  collect(into: WriteSet): void {
    for (const row of this.#fresh) into.receipts.push(row);
    this.#fresh = [];
  }

  restore(rows: Restored): void {
    const oldestFirst = [...rows.receipts].sort((a, b) => a.receivedUs - b.receivedUs);
    for (const row of oldestFirst) {
      this.#receivedUs.set(receiptKey(row.signal, row.hash), row.receivedUs);
    }
  }

  counters(into: CounterSample[]): void {
    into.push({ name: "receipts", labels: {}, value: this.#receivedUs.size });
    into.push({ name: "receipts_dropped_total", labels: {}, value: this.#dropped });
  }

  #dropOldest(): void {
    for (const key of this.#receivedUs.keys()) {
      this.#receivedUs.delete(key);
      this.#dropped++;
      return;
    }
  }
}

function receiptKey(signal: number, hash: string): string {
  return `${signal}${hash}`;
}
