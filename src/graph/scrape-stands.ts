/**
 * How one proxy's counters stood at its scrapes: pure functions over a list in order of time, in which
 * scrapes that follow each other and are equal may be one entry. What outlives a restart is written as
 * numbers: a proxy is scraped four times a minute.
 */
import type { Us } from "../model/time.ts";
import type { Point } from "./counter-points.ts";

export interface Stand {
  /** Of the scrapes that found it so, in order; at least one. */
  readonly times: Us[];
  /** Series, and the sum of what each shows. */
  count: number;
  sum: number;
  /** The latest time from which any of its counters counts. */
  startUs: Us;
  /** It counts connections, not requests alone. */
  isTcp: boolean;
  /** Equal to no other: a series has ended, moved by itself, or has two values. */
  isBroken: boolean;
}

export interface StoredWay {
  readonly id: string;
  readonly firstUs: Us;
  /** `encodeStand` of each. */
  readonly stands: readonly (readonly number[])[];
}

export function makeStand(timeUs: Us): Stand {
  return { times: [timeUs], count: 0, sum: 0, startUs: 0, isTcp: false, isBroken: false };
}

const firstOf = ({ times }: Stand): Us => times[0] ?? 0;
/** 0 = there is none. */
export const lastOf = (stand: Stand | undefined): Us => stand?.times.at(-1) ?? 0;

/** Nothing has moved between the two: `sinceUs` is the time of a scrape of the first. */
export function isStill(one: Stand, other: Stand, sinceUs: Us): boolean {
  if (one.isBroken || other.isBroken || other.startUs > sinceUs) return false;
  return one.count === other.count && one.sum === other.sum && one.isTcp === other.isTcp;
}

/** Takes the next one in: into the last if nothing has moved since its first scrape. */
export function addSettled(settled: Stand[], stand: Stand, leastQuietUs: Us): void {
  const last = settled.at(-1);
  if (!last) settled.push(stand);
  else if (isStill(last, stand, firstOf(last))) last.times.push(...stand.times);
  else {
    // What moved at each scrape proves nothing, and is nearly all that busy proxies show.
    if (lastOf(last) - firstOf(last) < leastQuietUs) settled.pop();
    settled.push(stand);
  }
}

/** Drops what is older than that. */
export function dropOld(settled: Stand[], boundUs: Us): void {
  while (settled[0] && lastOf(settled[0]) < boundUs) settled.shift();
  const times = settled[0]?.times ?? [];
  const kept = times.findIndex((timeUs) => timeUs >= boundUs);
  // A few more than needed: not each scrape moves the whole list.
  if (kept > 16) times.splice(0, kept);
}

/** What a series with that value adds to its scrape's sum: 32 bits in which no two are likely the same. */
export function mixed(row: number, { value, count }: Point): number {
  let mix = Math.imul(row + 1, 0x9e37_79b1);
  mix = Math.imul(mix ^ (mix >>> 15), 0x0100_0193);
  // A duration's sum is no whole number, and how many it sums says whether it moved.
  const counted = count > 0 ? count : value;
  mix = Math.imul(mix ^ (counted | 0), 0x85eb_ca6b);
  mix ^= mix >>> 13;
  mix = Math.imul(mix ^ ((counted / 2 ** 32) | 0), 0xc2b2_ae35);
  return mix ^ (mix >>> 16);
}

/** Count, sum, start, flags, then the first time, and pauses after it as (pause, how often). */
export function encodeStand(stand: Stand): number[] {
  const { times, count, sum, startUs, isTcp, isBroken } = stand;
  const numbers = [count, sum, startUs, (isTcp ? 1 : 0) + (isBroken ? 2 : 0), firstOf(stand)];
  for (let at = 1; at < times.length; at++) {
    const pauseUs = (times[at] ?? 0) - (times[at - 1] ?? 0);
    const isSame = numbers.length > 5 && numbers.at(-2) === pauseUs;
    if (isSame) numbers.push((numbers.pop() ?? 0) + 1);
    else numbers.push(pauseUs, 1);
  }
  return numbers;
}

export function decodeStand(numbers: readonly number[]): Stand {
  const [count = 0, sum = 0, startUs = 0, flags = 0, timeUs = 0, ...pauses] = numbers;
  const times = [timeUs];
  for (let at = 0; at + 1 < pauses.length; at += 2) {
    for (let left = pauses[at + 1] ?? 0; left > 0; left--) {
      times.push((times.at(-1) ?? 0) + (pauses[at] ?? 0));
    }
  }
  return { times, count, sum, startUs, isTcp: (flags & 1) !== 0, isBroken: (flags & 2) !== 0 };
}
