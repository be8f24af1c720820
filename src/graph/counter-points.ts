/**
 * The arithmetic of counters: from the points of one series, in time order, to what each added. Resets
 * do not commute, so a late point changes what its successor added; this is a function of the points
 * alone, which makes the result independent of their order of arrival.
 */
import type { Us } from "../model/time.ts";

export interface Point {
  readonly timeUs: Us;
  /** 0 = no usable start. */
  readonly startUs: Us;
  readonly value: number;
  /** Observations behind a sum; 0 for plain counters, -1 = not remembered over a restart. */
  readonly count: number;
}

export interface Delta {
  /** Time of the point before, 0 = there was none. */
  readonly fromUs: Us;
  readonly timeUs: Us;
  readonly value: number;
  readonly count: number;
}

export const Temporality = { cumulative: 0, delta: 1, gaugeOfTotals: 2 } as const;

/**
 * What each point added. `isContinued`: the first point is only the base of the second, because it was
 * counted before. A first point counts in full when its start is known, else it is a baseline: the
 * traffic before it is nobody's in time.
 */
export function deltasOf(
  points: readonly Point[],
  temporality: number,
  isContinued: boolean,
): Delta[] {
  return points.map((point, index) => {
    const previous = points[index - 1];
    if (previous) return deltaBetween(previous, point, temporality);
    return isContinued ? makeDelta(0, point.timeUs, 0, 0) : firstDelta(point, temporality);
  });
}

/** What a series' very first point added. */
export function firstDelta(point: Point, temporality: number): Delta {
  const { timeUs, value, count } = point;
  const isWhole = temporality === Temporality.delta || hasKnownStart(point);
  return isWhole ? makeDelta(0, timeUs, value, count) : makeDelta(0, timeUs, 0, 0);
}

/**
 * A smaller value is a reset, and so is a start after the previous point. A start that merely moved is
 * not: one exporter moves it at every flush while its counters run on.
 */
export function isReset(previous: Point, point: Point): boolean {
  const isRestarted = previous.startUs > 0 && point.startUs > previous.timeUs;
  return point.value < previous.value || point.count < previous.count || isRestarted;
}

/** What a point added to the one before it. */
export function deltaBetween(previous: Point, point: Point, temporality: number): Delta {
  const { timeUs, value, count } = point;
  const fromUs = previous.timeUs;
  if (temporality === Temporality.delta || isReset(previous, point)) {
    return makeDelta(fromUs, timeUs, value, count);
  }
  const added = previous.count < 0 ? 0 : count - previous.count;
  return makeDelta(fromUs, timeUs, value - previous.value, added);
}

function makeDelta(fromUs: Us, timeUs: Us, value: number, count: number): Delta {
  return { fromUs, timeUs, value, count };
}

function hasKnownStart(point: Point): boolean {
  return point.startUs > 0 && point.startUs < point.timeUs;
}
