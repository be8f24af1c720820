/**
 * The last points of one series, oldest first, as one list of numbers: a series keeps two or three, there
 * are 400,000 series in a large mesh, and an object with four numbers each would take five times as much.
 */
import type { Us } from "../model/time.ts";
import type { Point } from "./counter-points.ts";

/** Time, start, value and count of each point. */
const width = 4;

export class PointList {
  /** As long as it must be. */
  #numbers: number[];

  constructor(points: readonly Point[]) {
    this.#numbers = points.flatMap(flat);
  }

  get size(): number {
    return this.#numbers.length / width;
  }

  get newest(): Point | undefined {
    return this.#numbers.length === 0 ? undefined : this.#at(this.#numbers.length - width);
  }

  /** 0 = there is none. */
  get newestUs(): Us {
    return this.#numbers[this.#numbers.length - width] ?? 0;
  }

  all(): Point[] {
    return Array.from({ length: this.size }, (_, index) => this.#at(index * width));
  }

  /**
   * Adds the newest, and drops the oldest as long as the one after it is `latenessUs` or more older than
   * the newest, or there are more than `max`. True when any was dropped.
   */
  push(point: Point, latenessUs: Us, max: number): boolean {
    const numbers = this.#numbers;
    const from = this.#dropped(point.timeUs - latenessUs, max - 1, point.timeUs);
    if (from === width) {
      // As most scrapes find it: as many points as before, and nothing is allocated.
      numbers.copyWithin(0, width);
      const at = numbers.length - width;
      numbers[at] = point.timeUs;
      numbers[at + 1] = point.startUs;
      numbers[at + 2] = point.value;
      numbers[at + 3] = point.count;
    } else this.#numbers = numbers.slice(from).concat(flat(point));
    return from > 0;
  }

  /** In place of all: points in time order, bounded as by `push`. */
  replace(points: readonly Point[], latenessUs: Us, max: number): boolean {
    this.#numbers = points.flatMap(flat);
    const boundUs = this.newestUs - latenessUs;
    const from = this.#dropped(boundUs, max, Number.POSITIVE_INFINITY);
    if (from > 0) this.#numbers = this.#numbers.slice(from);
    return from > 0;
  }

  /**
   * Where what is kept begins: the oldest kept is at or before `boundUs`, at most `max` are, and the last
   * point stays unless another one, at `nextUs`, comes after it.
   */
  #dropped(boundUs: Us, max: number, nextUs: Us): number {
    const numbers = this.#numbers;
    let from = 0;
    for (let left = this.size; left > 0; left--) {
      const afterUs = left > 1 ? (numbers[from + width] ?? 0) : nextUs;
      if (left <= max && afterUs > boundUs) break;
      from += width;
    }
    return from;
  }

  #at(from: number): Point {
    const numbers = this.#numbers;
    return {
      timeUs: numbers[from] ?? 0,
      startUs: numbers[from + 1] ?? 0,
      value: numbers[from + 2] ?? 0,
      count: numbers[from + 3] ?? 0,
    };
  }
}

function flat({ timeUs, startUs, value, count }: Point): number[] {
  return [timeUs, startUs, value, count];
}
