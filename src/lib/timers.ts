/** Where waiting comes from; passed in beside the clock, so that tests need not wait. */
import type { FakeClock } from "./clock.ts";

export interface Timers {
  /** Runs `run` once, `us` microseconds from now; not after the returned function was called. */
  after(us: number, run: () => void): () => void;
}

/** The longest time setTimeout knows, in milliseconds; a longer one would run at once. */
const timeoutMaxMs = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(us, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, us / 1_000), timeoutMaxMs));
    return () => clearTimeout(timer);
  },
};

/** Timers of a clock that stands still until told otherwise. */
export class FakeTimers implements Timers {
  readonly #clock: FakeClock;
  readonly #waiting = new Set<{ readonly atUs: number; readonly run: () => void }>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  after(us: number, run: () => void): () => void {
    const timer = { atUs: this.#clock.nowUs() + Math.max(0, us), run };
    this.#waiting.add(timer);
    return () => void this.#waiting.delete(timer);
  }

  /** When the next one is due; infinity = none waits. */
  get nextUs(): number {
    return Math.min(Infinity, ...[...this.#waiting].map((timer) => timer.atUs));
  }

  /** Moves the clock on and runs what has become due, in order of time. */
  advance(us: number): void {
    const untilUs = this.#clock.nowUs() + us;
    for (let nextUs = this.nextUs; nextUs <= untilUs; nextUs = this.nextUs) {
      this.#clock.set(Math.max(nextUs, this.#clock.nowUs()));
      for (const timer of this.#waiting) {
        if (timer.atUs !== nextUs) continue;
        this.#waiting.delete(timer);
        timer.run();
        break;
      }
    }
    this.#clock.set(untilUs);
  }
}
