/**
 * The events of one group of a counting rule, on a ring of sub-buckets of event time: which of them lie in
 * a window that holds enough. A function of the events alone, so their order of arrival decides nothing:
 * an event counts in every window of twelve sub-buckets that holds its own, and a late one may make a
 * window full that has passed. What an event said that is told again, or taken back, goes with its id.
 *
 * A window is as long as `within` says, give or take one sub-bucket.
 */
import type { Evidence, Observer } from "../model/changes.ts";
import type { Confidence } from "../model/insights.ts";
import { usPerMinute, type Us } from "../model/time.ts";

/** Sub-buckets of a window. */
const perWindow = 12;
/** Telemetry may come so much later than other telemetry of the group: the disorder that must change nothing, twice. */
const lateUs = 2 * usPerMinute;
/** Events of a group, and so how far its count is exact. */
export const exactMax = 1_000;
/** An insight shows the first 20 of its evidence, and keeps as many again for what may be taken back. */
const evidencedMax = 40;

export interface CountedEvent {
  readonly id: string;
  readonly atUs: Us;
  /** What makes it another one: its id, or what the rule counts as distinct. */
  readonly value: string;
  readonly confidence: Confidence;
  readonly judged: boolean;
  /** The waiver that accepts it, "" = none. */
  readonly waiver: string;
  /** Emptied once it is told and too late in the window to be shown. */
  evidence: readonly Evidence[];
  readonly observers: readonly Observer[];
  isTold: boolean;
  /** It says something else than when it was told. */
  isNews: boolean;
}

/** What has to be said of a group now. */
export interface Settled {
  /** Of the fullest window; 0 = none is full. */
  readonly count: number;
  /** In full windows and not told yet, by time. */
  readonly fresh: readonly CountedEvent[];
  /** Told, and in no full window any more, because another event was taken back. */
  readonly takenBack: readonly CountedEvent[];
}

/** `late`: so old that windows it belongs to are gone. `full`: the newest window holds all it may. */
export type Added = "added" | "late" | "full";

export class CountGroup {
  readonly #subUs: Us;
  readonly #gte: number;
  /** How many sub-buckets behind the newest an event may be. */
  readonly #lateBuckets: number;
  readonly #onGone: (id: string) => void;
  readonly #events = new Map<string, CountedEvent>();
  #newest = -Infinity;

  /** `gte` is at most `exactMax`; `onGone` hears of events that leave because they are too old. */
  constructor(withinUs: Us, gte: number, onGone: (id: string) => void) {
    this.#onGone = onGone;
    this.#subUs = Math.ceil(withinUs / perWindow);
    this.#gte = gte;
    this.#lateBuckets = perWindow + Math.ceil(lateUs / this.#subUs);
  }

  get size(): number {
    return this.#events.size;
  }

  /** Engine time at which no event can change anything any more. */
  get overUs(): Us {
    return (this.#newest + 1 + this.#lateBuckets + perWindow) * this.#subUs;
  }

  events(): IterableIterator<CountedEvent> {
    return this.#events.values();
  }

  /** Takes an event in; one of the same id replaces what it said before. */
  add(event: CountedEvent): Added {
    const bucket = this.#bucketOf(event);
    if (bucket <= this.#newest - this.#lateBuckets) return "late";
    if (bucket > this.#newest) {
      this.#newest = bucket;
      this.#dropOld(bucket - this.#lateBuckets - perWindow);
    }
    const known = this.#events.get(event.id);
    if (!known && this.#events.size >= exactMax && !this.#makeRoom()) return "full";
    this.#events.set(event.id, { ...event, isTold: known?.isTold ?? event.isTold });
    return "added";
  }

  /** Takes it back, if it was there. */
  remove(id: string): CountedEvent | undefined {
    const event = this.#events.get(id);
    this.#events.delete(id);
    return event;
  }

  /** Says what is new since the last call; call it whenever anything was added or removed. */
  settle(): Settled {
    if (this.#events.size === 0) return { count: 0, fresh: [], takenBack: [] };
    const { count, isFull } = this.#windows();
    const frozen = this.#newest - this.#lateBuckets;
    const hot: CountedEvent[] = [];
    const takenBack: CountedEvent[] = [];
    for (const event of this.#events.values()) {
      const bucket = this.#bucketOf(event);
      if (isFull(bucket)) hot.push(event);
      // Older ones may have counted with what has left since.
      else if (event.isTold && bucket > frozen) takenBack.push(event);
    }
    hot.sort((a, b) => a.atUs - b.atUs || (a.id < b.id ? -1 : 1));
    const fresh = hot.filter(({ isTold, isNews }) => !isTold || isNews);
    for (const event of takenBack) event.isTold = false;
    for (const event of fresh) {
      event.isTold = true;
      event.isNews = false;
    }
    return { count, fresh, takenBack };
  }

  /** What was told is with the insight; what it shows beyond `evidencedMax` nobody asks for again. */
  forgetEvidence(): void {
    if (this.#events.size <= evidencedMax) return;
    const told = [...this.#events.values()].filter(({ isTold }) => isTold);
    told.sort((a, b) => a.atUs - b.atUs || (a.id < b.id ? -1 : 1));
    for (const event of told.slice(evidencedMax)) event.evidence = [];
  }

  /** The fullest window, and which sub-buckets lie in a full one. */
  #windows(): { readonly count: number; readonly isFull: (bucket: number) => boolean } {
    const byBucket = new Map<number, string[]>();
    for (const event of this.#events.values()) {
      const bucket = this.#bucketOf(event);
      const values = byBucket.get(bucket);
      if (values) values.push(event.value);
      else byBucket.set(bucket, [event.value]);
    }
    const ends: number[] = [];
    let count = 0;
    const inWindow = new Map<string, number>();
    // Only a window that ends with an event can be fuller than the one before.
    const buckets = [...byBucket.keys()].toSorted((a, b) => a - b);
    let first = 0;
    for (const end of buckets) {
      for (const value of byBucket.get(end) ?? []) {
        inWindow.set(value, (inWindow.get(value) ?? 0) + 1);
      }
      for (; (buckets[first] ?? end) <= end - perWindow; first++) {
        for (const value of byBucket.get(buckets[first] ?? end) ?? []) leave(inWindow, value);
      }
      if (inWindow.size < this.#gte) continue;
      ends.push(end);
      count = Math.max(count, inWindow.size);
    }
    return { count, isFull: (at) => ends.some((end) => at <= end && at > end - perWindow) };
  }

  #bucketOf({ atUs }: CountedEvent): number {
    return Math.floor(atUs / this.#subUs);
  }

  #dropOld(upTo: number): void {
    for (const event of this.#events.values()) {
      if (this.#bucketOf(event) > upTo) continue;
      this.#events.delete(event.id);
      this.#onGone(event.id);
    }
  }

  /** Before the newest window there is nothing that a flood of today needs. */
  #makeRoom(): boolean {
    const before = this.#events.size;
    this.#dropOld(this.#newest - perWindow);
    return this.#events.size < before;
  }
}

function leave(inWindow: Map<string, number>, value: string): void {
  const left = (inWindow.get(value) ?? 0) - 1;
  if (left > 0) inWindow.set(value, left);
  else inWindow.delete(value);
}

/** The count as messages say it. */
export function countText(count: number): string {
  return count >= exactMax ? `at least ${exactMax}` : `${count}`;
}
