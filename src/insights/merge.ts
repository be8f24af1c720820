/**
 * Two nodes have proved to be one, and with them two insights: the one seen first takes over what the
 * other stood on. Nobody is told; the other's row stays as history.
 */
import type { Insight, LifeState } from "./insight.ts";

/** Which of two insights with the same key goes on: the one first seen, then the smaller id. */
export function survivorOf(a: Insight, b: Insight): Insight {
  if (a.firstSeenUs !== b.firstSeenUs) return a.firstSeenUs < b.firstSeenUs ? a : b;
  return a.id < b.id ? a : b;
}

/** The livelier state wins, with its times: what still fires in one of two still fires. */
const liveliness: Readonly<Record<LifeState, number>> = {
  firing: 4,
  unknown: 3,
  pending: 2,
  resolved: 1,
  inactive: 0,
};

export function absorb(survivor: Insight, other: Insight, observersMax: number): void {
  if (liveliness[other.state] > liveliness[survivor.state]) {
    survivor.state = other.state;
    survivor.reason = other.reason;
    survivor.activeUs = other.activeUs;
    survivor.closedUs = other.closedUs;
    survivor.unknownSinceUs = other.unknownSinceUs;
    survivor.isFrozen = other.isFrozen;
    survivor.acknowledgement = other.acknowledgement;
    survivor.isTold = false;
  }
  survivor.keepSinceUs =
    survivor.rule.lifecycle === "event"
      ? Math.max(survivor.keepSinceUs, other.keepSinceUs)
      : laterUnlessTrue(survivor, other);
  survivor.firedUs = earliestSet(survivor.firedUs, other.firedUs);
  if (other.lastSeenUs > survivor.lastSeenUs) {
    survivor.message = other.message;
    survivor.lastSeenUs = other.lastSeenUs;
  }
  survivor.wasJudgedFalse ||= other.wasJudgedFalse;
  survivor.blindUs = Math.max(survivor.blindUs, other.blindUs);
  survivor.occurrences.absorb(other.occurrences);
  survivor.confidence = survivor.occurrences.confidence() ?? survivor.confidence;
  for (const observer of other.observers) {
    if (survivor.observers.size < observersMax) survivor.observers.add(observer);
  }
}

/** A state insight's keep window runs only while neither is true. */
function laterUnlessTrue(a: Insight, b: Insight): number {
  if (a.occurrences.size > 0 || b.occurrences.size > 0) return 0;
  return Math.max(a.keepSinceUs, b.keepSinceUs);
}

function earliestSet(aUs: number, bUs: number): number {
  if (aUs === 0 || bUs === 0) return Math.max(aUs, bUs);
  return Math.min(aUs, bUs);
}
