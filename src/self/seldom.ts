/**
 * Log lines that input or a lasting trouble can cause: each kind at most once in a while, with the number
 * of those left out since. Kinds come from the code, never from input, so there are few.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log, LogFields } from "./log.ts";

const quietMs = 10_000;

export class SeldomLog {
  readonly #log: Log;
  readonly #clock: Clock;
  /** When a kind was last written, and how many were left out since. */
  readonly #lines = new Map<string, { atMs: number; left: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  write(level: "info" | "warn" | "error", kind: string, message: string, fields: LogFields): void {
    const nowMs = this.#clock.nowUs() / 1_000;
    const line = this.#lines.get(kind);
    if (line && Math.abs(nowMs - line.atMs) < quietMs) {
      line.left++;
      return;
    }
    this.#lines.set(kind, { atMs: nowMs, left: 0 });
    this.#log[level](message, line && line.left > 0 ? { ...fields, left_out: line.left } : fields);
  }
}
