/**
 * What counters gained in a window that ends now, and when they last rose: a problem that was mended
 * shall go away without a restart. Bounded by the counters it is given and a dozen snapshots of them.
 */
import type { InstrumentName, Reading } from "./instruments.ts";

/** The window unless another is given. */
export const recentMs = 10 * 60_000;
const snapshotsPerWindow = 10;

export type Readings = ReadonlyMap<InstrumentName, readonly Reading[]>;

interface Snapshot {
  readonly atMs: number;
  readonly values: ReadonlyMap<string, number>;
}

/** Growth is that of the window and at most a tenth more, or since the start. */
export class RecentGrowth {
  readonly #windowMs: number;
  /** The oldest is at the window's start or before; that of the process's start is empty. */
  #snapshots: Snapshot[];
  #latest: ReadonlyMap<string, number> = new Map();
  /** When each was last seen higher than before. */
  readonly #roseAtMs = new Map<string, number>();

  constructor(startedMs: number, windowMs = recentMs) {
    this.#windowMs = windowMs;
    this.#snapshots = [{ atMs: startedMs, values: new Map() }];
  }

  /** Call every few seconds with the same counters. */
  sample(nowMs: number, readings: Readings): void {
    const values = new Map<string, number>();
    for (const [name, series] of readings) {
      for (const { labels, value } of series) {
        const key = keyOf(name, labels);
        values.set(key, value);
        if (value > (this.#latest.get(key) ?? 0)) this.#roseAtMs.set(key, nowMs);
      }
    }
    this.#latest = values;
    const newest = this.#snapshots.at(-1);
    if (newest && nowMs - newest.atMs < this.#windowMs / snapshotsPerWindow) return;
    this.#snapshots.push({ atMs: nowMs, values });
    while ((this.#snapshots[1]?.atMs ?? nowMs) <= nowMs - this.#windowMs) this.#snapshots.shift();
  }

  /** The readings with the growth in the window instead of their values; without those at rest. */
  growth(readings: Readings): Readings {
    const base = this.#snapshots[0]?.values;
    const grown = new Map<InstrumentName, readonly Reading[]>();
    for (const [name, series] of readings) {
      const moved = series.flatMap(({ labels, value }) => {
        const growth = value - (base?.get(keyOf(name, labels)) ?? 0);
        return growth > 0 ? [{ labels, value: growth }] : [];
      });
      grown.set(name, moved);
    }
    return grown;
  }

  /** 0 = never seen to rise. */
  roseAtMs(name: InstrumentName, labels: Reading["labels"]): number {
    return this.#roseAtMs.get(keyOf(name, labels)) ?? 0;
  }
}

const keyOf = (name: string, labels: Reading["labels"]): string =>
  JSON.stringify([name, ...Object.values(labels)]);
