/**
 * Whether traffic was encrypted, over the last two event-time buckets of five minutes that saw any. A
 * bucket counts requests (or connections) with and without mutual TLS as those said who can tell: the
 * server's side. It draws no conclusion from silence: an idle facet keeps its last buckets.
 */
import type { EdgeEntity } from "../model/entities.ts";
import { usPerMinute, type Us } from "../model/time.ts";

export const bucketUs = 5 * usPerMinute;

export interface SecurityBuckets {
  /** Number of the newest bucket (event time / bucketUs); 0 = none yet. */
  newest: number;
  /** Counts in the newest bucket and the one before. */
  tls: number;
  tlsBefore: number;
  none: number;
  noneBefore: number;
}

export interface SecurityView {
  readonly security: EdgeEntity["security"];
  readonly plaintextShare: number;
  /** Plaintext that it tells of was not sent before this; 0 where it tells of none. */
  readonly plaintextFromUs: Us;
}

/** Nobody could tell. */
export const unknownSecurity: SecurityView = {
  security: "unknown",
  plaintextShare: 0,
  plaintextFromUs: 0,
};

export function makeBuckets(): SecurityBuckets {
  return { newest: 0, tls: 0, tlsBefore: 0, none: 0, noneBefore: 0 };
}

/** Counts, or takes back (negative), at an event time. What is older than two buckets changes nothing. */
export function countSecurity(into: SecurityBuckets, atUs: Us, tls: number, none: number): void {
  const bucket = Math.floor(atUs / bucketUs);
  if (bucket > into.newest) turn(into, bucket);
  if (bucket === into.newest) {
    into.tls += tls;
    into.none += none;
  } else if (bucket === into.newest - 1) {
    into.tlsBefore += tls;
    into.noneBefore += none;
  }
}

export function addBuckets(into: SecurityBuckets, more: SecurityBuckets): void {
  if (more.newest === 0) return;
  countSecurity(into, more.newest * bucketUs, more.tls, more.none);
  countSecurity(into, (more.newest - 1) * bucketUs, more.tlsBefore, more.noneBefore);
}

export function hasVerdict(buckets: SecurityBuckets): boolean {
  return totalTls(buckets) + totalNone(buckets) > 0;
}

export function securityOf(buckets: SecurityBuckets): SecurityView {
  const tls = totalTls(buckets);
  const none = totalNone(buckets);
  if (tls + none === 0) return unknownSecurity;
  const security = none === 0 ? "mutual_tls" : tls === 0 ? "none" : "mixed";
  const fromBucket = buckets.noneBefore > 0 ? buckets.newest - 1 : buckets.newest;
  const plaintextFromUs = none === 0 ? 0 : fromBucket * bucketUs;
  return { security, plaintextShare: none / (tls + none), plaintextFromUs };
}

function turn(into: SecurityBuckets, bucket: number): void {
  const isNext = bucket === into.newest + 1;
  into.tlsBefore = isNext ? into.tls : 0;
  into.noneBefore = isNext ? into.none : 0;
  into.tls = 0;
  into.none = 0;
  into.newest = bucket;
}

/** Corrections for late points may pass through negative counts; they never show. */
function totalTls(buckets: SecurityBuckets): number {
  return Math.max(0, buckets.tls + buckets.tlsBefore);
}

function totalNone(buckets: SecurityBuckets): number {
  return Math.max(0, buckets.none + buckets.noneBefore);
}
