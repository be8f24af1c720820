/**
 * One number of one instance of a component through time: the first and the last point of each of the
 * newest five-minute buckets of event time. What a counter added within the last two buckets, and what
 * last was so, come out of these, the same in every order of the points; a program that starts again
 * within a bucket loses what it had counted there.
 */
import type { ComponentSample } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { bucketUs } from "./security.ts";

/** Those that count, and one before them to begin from. */
const bucketsMax = 3;
const windowBuckets = 2;

interface Bucket {
  readonly index: number;
  firstUs: Us;
  first: number;
  lastUs: Us;
  last: number;
  /** By deltas. */
  added: number;
}

export interface ComponentSeries {
  readonly instance: string;
  readonly metric: string;
  readonly series: string;
  readonly counts: ComponentSample["counts"];
  /** Of all its points, also those that are forgotten. */
  firstUs: Us;
  /** Newest last. */
  readonly buckets: Bucket[];
}

export function makeComponentSeries({
  instance,
  metric,
  series,
  counts,
  timeUs,
}: ComponentSample): ComponentSeries {
  return { instance, metric, series, counts, firstUs: timeUs, buckets: [] };
}

/** Bucket numbers of event times. */
export const bucketOf = (timeUs: Us): number => Math.floor(timeUs / bucketUs);

/** Takes a point in; true when a journal must hold it: without it the buckets would be others. */
export function addPoint(
  into: ComponentSeries,
  { timeUs, value, counts }: ComponentSample,
): boolean {
  into.firstUs = Math.min(into.firstUs, timeUs);
  const index = bucketOf(timeUs);
  const { buckets } = into;
  const at = buckets.findIndex((one) => one.index >= index);
  const known = buckets[at];
  if (known?.index === index) return addToBucket(known, timeUs, value) || counts === "delta";
  if (at === 0 && buckets.length >= bucketsMax) return false; // too late to count
  const added = value;
  const bucket = { index, firstUs: timeUs, first: value, lastUs: timeUs, last: value, added };
  buckets.splice(at < 0 ? buckets.length : at, 0, bucket);
  if (buckets.length > bucketsMax) buckets.shift();
  return true;
}

/** Of two points at one time the greater stands, whichever came first. */
function addToBucket(bucket: Bucket, timeUs: Us, value: number): boolean {
  const isNews = value !== bucket.last || timeUs < bucket.firstUs;
  bucket.added += value;
  if (timeUs < bucket.firstUs || (timeUs === bucket.firstUs && value > bucket.first)) {
    bucket.firstUs = timeUs;
    bucket.first = value;
  }
  if (timeUs > bucket.lastUs || (timeUs === bucket.lastUs && value > bucket.last)) {
    bucket.lastUs = timeUs;
    bucket.last = value;
  }
  return isNews;
}

/** The newest point's value; of two series of one bucket nothing is compared. */
export function lastOf({ buckets }: ComponentSeries): { value: number; timeUs: Us } {
  const newest = buckets.at(-1);
  return { value: newest?.last ?? 0, timeUs: newest?.lastUs ?? 0 };
}

/** Whether it was told within the two buckets that end with this one. */
export function isCurrent({ buckets }: ComponentSeries, newestIndex: number): boolean {
  return (buckets.at(-1)?.index ?? 0) > newestIndex - windowBuckets;
}

/**
 * What was added in the two buckets that end with this one. A series that is younger than what is known of
 * its instance came with its first event, so all of its first value is new.
 */
export function increaseOf(series: ComponentSeries, newestIndex: number, isYoung: boolean): number {
  let increase = 0;
  let before: Bucket | null = null;
  for (const bucket of series.buckets) {
    if (bucket.index > newestIndex - windowBuckets) {
      increase += series.counts === "delta" ? bucket.added : grown(before, bucket, isYoung);
    }
    before = bucket;
  }
  return increase;
}

function grown(before: Bucket | null, bucket: Bucket, isYoung: boolean): number {
  const isOwnStart = bucket.firstUs === bucket.lastUs ? 0 : deltaOf(bucket.first, bucket.last);
  if (before) return deltaOf(before.last, bucket.first) + isOwnStart;
  return (isYoung ? bucket.first : 0) + isOwnStart;
}

/** A counter that fell has started again. */
function deltaOf(from: number, to: number): number {
  return to >= from ? to - from : to;
}
