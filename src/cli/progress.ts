/** Percent on a terminal, once a second, for what takes longer than two; nothing anywhere else. */
import type { CliIo } from "./io.ts";

const showAfterMs = 2_000;
const showEveryMs = 1_000;

export class Progress {
  readonly #io: CliIo;
  readonly #total: number;
  readonly #nowMs: () => number;
  readonly #startedMs: number;
  #done = 0;
  #shownMs = 0;

  /** `total` in the unit that `add` is given; 0 = not known. */
  constructor(io: CliIo, total: number, nowMs: () => number = Date.now) {
    this.#io = io;
    this.#total = total;
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  add(amount: number): void {
    this.#done += amount;
    const nowMs = this.#nowMs();
    if (!this.#io.isTty || nowMs - this.#startedMs < showAfterMs) return;
    if (nowMs - this.#shownMs < showEveryMs) return;
    this.#shownMs = nowMs;
    // What is done is a little less than the file, so 100 would never come, and 99 is honest.
    const percent = Math.min(99, Math.floor((this.#done / Math.max(1, this.#total)) * 100));
    this.#io.error(`\r${percent} %`);
  }

  /** Wipes the line. */
  end(): void {
    if (this.#shownMs > 0) this.#io.error("\r     \r");
  }
}
