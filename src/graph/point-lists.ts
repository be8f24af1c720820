/**
 * The last points of every series, oldest first, by the series' number. There are 400,000 series in a
 * large mesh with two or three points each: as lists of numbers they take 150 bytes and three objects
 * that the collector of garbage looks at again and again; here 70 bytes and none.
 *
 * Blocks of numbers, one size for lists of like length. A block that was grown out of is used again.
 */
import { assert } from "../lib/assert.ts";
import { NumberRows } from "../lib/number-rows.ts";
import type { Us } from "../model/time.ts";
import type { Point } from "./counter-points.ts";

/** Time, start, value and count of each point. */
const width = 4;
/** Points for which a block has room; two is what most lists keep, whose scrapes are a minute apart. */
const sizes = [2, 3, 5, 8, 12, 18, 25] as const;
/** Points that a list may have. */
export const pointListMax = 25;
const firstLists = 256;

export class PointLists {
  readonly #latenessUs: Us;
  readonly #max: number;
  readonly #blocks: readonly NumberRows[] = sizes.map((size) => new NumberRows(size * width));
  /** By number: which size of block, which one of them, and how many points are in it. */
  #sizes = new Uint8Array(firstLists);
  #places = new Int32Array(firstLists);
  #counts = new Uint8Array(firstLists);

  /**
   * A list keeps at most `max` points, and of those that are `latenessUs` or more older than the newest
   * only the last.
   */
  constructor(latenessUs: Us, max: number) {
    assert(max < pointListMax, "a list has room for one point more than it keeps");
    this.#latenessUs = latenessUs;
    this.#max = max;
  }

  size(list: number): number {
    return this.#counts[list] ?? 0;
  }

  newest(list: number): Point | undefined {
    const count = this.size(list);
    return count === 0 ? undefined : this.#at(list, count - 1);
  }

  /** 0 = there is none. */
  newestUs(list: number): Us {
    const count = this.size(list);
    if (count === 0) return 0;
    const blocks = this.#blocksOf(list);
    const place = this.#places[list] ?? 0;
    return blocks.pageOf(place)[blocks.startOf(place) + (count - 1) * width] ?? 0;
  }

  all(list: number): Point[] {
    return Array.from({ length: this.size(list) }, (_, index) => this.#at(list, index));
  }

  /** Adds the newest, and drops the oldest that need not stay. True when any was dropped. */
  push(list: number, point: Point): boolean {
    const count = this.size(list);
    const from = this.#dropped(list, point.timeUs);
    this.#fit(list, count, from, count - from + 1);
    this.#write(list, count - from, point);
    return from > 0;
  }

  /** In place of all: points in time order. True when any of them was dropped as by `push`. */
  replace(list: number, points: readonly Point[]): boolean {
    const boundUs = (points.at(-1)?.timeUs ?? 0) - this.#latenessUs;
    let from = 0;
    while (points.length - from > 1) {
      const afterUs = points[from + 1]?.timeUs ?? 0;
      if (points.length - from <= this.#max && afterUs > boundUs) break;
      from++;
    }
    this.#fit(list, 0, 0, points.length - from);
    for (let at = from; at < points.length; at++) {
      const point = points[at];
      if (point) this.#write(list, at - from, point);
    }
    return from > 0;
  }

  /** How many of the oldest go when a point at `nextUs` comes after all. */
  #dropped(list: number, nextUs: Us): number {
    const count = this.size(list);
    if (count === 0) return 0;
    const boundUs = nextUs - this.#latenessUs;
    const blocks = this.#blocksOf(list);
    const place = this.#places[list] ?? 0;
    const page = blocks.pageOf(place);
    const start = blocks.startOf(place);
    let from = 0;
    for (; from < count; from++) {
      const afterUs = from + 1 < count ? (page[start + (from + 1) * width] ?? 0) : nextUs;
      if (count - from < this.#max && afterUs > boundUs) break;
    }
    return from;
  }

  /** Has room for `now` points, with what is left of the `before` points from `from` on at the front. */
  #fit(list: number, before: number, from: number, now: number): void {
    this.#reserve(list);
    const [oldSize, oldPlace] = [this.#sizes[list] ?? 0, this.#places[list] ?? 0];
    const hadBlock = this.size(list) > 0;
    this.#counts[list] = now;
    const old = this.#blocks[oldSize];
    const size = sizes.findIndex((points) => points >= now);
    const blocks = this.#blocks[size];
    assert(
      old && blocks && now > 0,
      "a list that is filled has a block, and no more points than fit",
    );
    // Shrinking frees nothing worth a copy; a list that was full for once will be again.
    if (hadBlock && size <= oldSize) {
      if (from > 0) shift(old, oldPlace, from, before);
      return;
    }
    const place = blocks.take();
    if (hadBlock) {
      const start = old.startOf(oldPlace);
      const kept = old.pageOf(oldPlace).subarray(start + from * width, start + before * width);
      blocks.pageOf(place).set(kept, blocks.startOf(place));
      old.give(oldPlace);
    }
    this.#sizes[list] = size;
    this.#places[list] = place;
  }

  #write(list: number, index: number, { timeUs, startUs, value, count }: Point): void {
    const blocks = this.#blocksOf(list);
    const place = this.#places[list] ?? 0;
    const page = blocks.pageOf(place);
    const at = blocks.startOf(place) + index * width;
    page[at] = timeUs;
    page[at + 1] = startUs;
    page[at + 2] = value;
    page[at + 3] = count;
  }

  #at(list: number, index: number): Point {
    const blocks = this.#blocksOf(list);
    const place = this.#places[list] ?? 0;
    const page = blocks.pageOf(place);
    const at = blocks.startOf(place) + index * width;
    return {
      timeUs: page[at] ?? 0,
      startUs: page[at + 1] ?? 0,
      value: page[at + 2] ?? 0,
      count: page[at + 3] ?? 0,
    };
  }

  #blocksOf(list: number): NumberRows {
    const blocks = this.#blocks[this.#sizes[list] ?? 0];
    assert(blocks, "there are blocks of each size");
    return blocks;
  }

  #reserve(list: number): void {
    if (list < this.#counts.length) return;
    const room = Math.max(this.#counts.length * 2, list + 1);
    this.#sizes = grown(this.#sizes, new Uint8Array(room));
    this.#counts = grown(this.#counts, new Uint8Array(room));
    this.#places = grown(this.#places, new Int32Array(room));
  }
}

function shift(blocks: NumberRows, place: number, from: number, count: number): void {
  const start = blocks.startOf(place);
  blocks.pageOf(place).copyWithin(start, start + from * width, start + count * width);
}

function grown<List extends Uint8Array | Int32Array>(from: List, into: List): List {
  into.set(from);
  return into;
}
