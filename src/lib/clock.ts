/** Where time comes from; passed in, so that tests and replays have a virtual one. */
export interface Clock {
  /** Microseconds since the Unix epoch. */
  nowUs(): number;
}

export const systemClock: Clock = {
  nowUs: () => Math.round((performance.timeOrigin + performance.now()) * 1_000),
};

/** A clock that stands still until told otherwise. */
export class FakeClock implements Clock {
  #nowUs: number;

  constructor(startUs = 0) {
    this.#nowUs = startUs;
  }

  nowUs(): number {
    return this.#nowUs;
  }

  set(nowUs: number): void {
    this.#nowUs = nowUs;
  }

  advance(us: number): void {
    this.#nowUs += us;
  }
}
