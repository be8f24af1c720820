/**
 * The points of 256 consecutive series as one row of the store: a scrape moves all of them, and rows are
 * what a commit costs.
 *
 *   page = (start, time, value) of the newest point of each series; zeros: it has none
 *          then, of each series whose earlier points still matter:
 *          place in the page | 1 = its first point was counted before | points | (start, time, value,
 *          count) of each
 *
 * Little-endian float64, as every machine that Node runs on. Whose points matter is decided elsewhere.
 */
import { seriesPerPage } from "../model/rows.ts";
import type { Point } from "./counter-points.ts";

export interface SeriesPoints {
  /** In time order, the newest last. */
  readonly points: readonly Point[];
  /** The first of them has been counted before and is only a base. */
  readonly isContinued: boolean;
}

const newestNumbers = 3;
const headNumbers = 3;
const pointNumbers = 4;

/** `isWhole`: at which places of the page more than the newest point is to be kept. */
export function encodePage(
  series: readonly SeriesPoints[],
  isWhole: (place: number) => boolean,
): Uint8Array {
  const wholes: number[] = [];
  let length = seriesPerPage * newestNumbers;
  for (const [place, { points }] of series.entries()) {
    if (!isWhole(place)) continue;
    wholes.push(place);
    length += headNumbers + points.length * pointNumbers;
  }
  const numbers = new Float64Array(length);
  for (const [place, { points }] of series.entries()) {
    const newest = points.at(-1);
    if (newest) numbers.set([newest.startUs, newest.timeUs, newest.value], place * newestNumbers);
  }
  let at = seriesPerPage * newestNumbers;
  for (const place of wholes) {
    const { points = [], isContinued = false } = series[place] ?? {};
    numbers.set([place, isContinued ? 1 : 0, points.length], at);
    at += headNumbers;
    for (const { startUs, timeUs, value, count } of points) {
      numbers.set([startUs, timeUs, value, count], at);
      at += pointNumbers;
    }
  }
  return new Uint8Array(numbers.buffer);
}

/** By place in the page. What cannot be read of a page is left out. */
export function decodePage(bytes: Uint8Array): (SeriesPoints | undefined)[] {
  const copy = bytes.slice();
  const numbers = new Float64Array(copy.buffer, 0, copy.byteLength >> 3);
  const series: (SeriesPoints | undefined)[] = [];
  for (let place = 0; place < seriesPerPage; place++) {
    const [startUs = 0, timeUs = 0, value = 0] = numbers.subarray(place * newestNumbers);
    // How many observations were behind its sum is not kept.
    const newest = { startUs, timeUs, value, count: -1 };
    series.push(timeUs > 0 ? { points: [newest], isContinued: true } : undefined);
  }
  for (let at = seriesPerPage * newestNumbers; at + headNumbers <= numbers.length;) {
    const [place = -1, continued = 0, count = 0] = numbers.subarray(at, at + headNumbers);
    at += headNumbers;
    const end = at + count * pointNumbers;
    if (!(count > 0 && end <= numbers.length && place in series)) break;
    series[place] = { points: pointsOf(numbers.subarray(at, end)), isContinued: continued === 1 };
    at = end;
  }
  return series;
}

function pointsOf(numbers: Float64Array): Point[] {
  const points: Point[] = [];
  for (let at = 0; at < numbers.length; at += pointNumbers) {
    const [startUs = 0, timeUs = 0, value = 0, count = 0] = numbers.subarray(at, at + pointNumbers);
    points.push({ startUs, timeUs, value, count });
  }
  return points;
}
