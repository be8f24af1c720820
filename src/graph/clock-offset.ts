/**
 * How far a sender's clock may be off: the smallest receive time minus event time of the last minutes.
 * Telemetry is late for many reasons (batches, queues, retries) and early for one alone, so the smallest
 * difference is the clock's, give or take the quickest way here. Negative = the sender's clock is ahead.
 */
import { usPerMinute, type Us } from "../model/time.ts";

/** The newest, and the one before it: the minimum covers between one and two windows. */
const windowUs = 5 * usPerMinute;

/** Plain data, stored with its source. */
export interface ClockOffset {
  /** When the newest window began; 0 = nothing noted. */
  fromUs: Us;
  leastUs: Us;
  /** The least of the window before; null = there was none. */
  beforeUs: Us | null;
}

export function makeClockOffset(): ClockOffset {
  return { fromUs: 0, leastUs: 0, beforeUs: null };
}

export function noteOffset(offset: ClockOffset, differenceUs: Us, nowUs: Us): void {
  const ageUs = nowUs - offset.fromUs;
  if (ageUs < windowUs) {
    offset.leastUs = Math.min(offset.leastUs, differenceUs);
    return;
  }
  offset.beforeUs = ageUs < 2 * windowUs ? offset.leastUs : null;
  offset.fromUs = nowUs;
  offset.leastUs = differenceUs;
}

/** As of when the source was last heard; null = not known. */
export function offsetOf(offset: ClockOffset): Us | null {
  if (offset.fromUs === 0) return null;
  return Math.min(offset.leastUs, offset.beforeUs ?? offset.leastUs);
}

/** Of several, the one that is farthest from zero: a scraper's good clock must not hide the proxy's. */
export function worstOffset(offsets: Iterable<Us | null>): Us | null {
  let worst: Us | null = null;
  for (const one of offsets) {
    if (one !== null && (worst === null || Math.abs(one) > Math.abs(worst))) worst = one;
  }
  return worst;
}
