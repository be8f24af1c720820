/** The lists hold the points that plain lists of points would. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Point } from "./counter-points.ts";
import { PointLists } from "./point-lists.ts";

const latenessUs = 60_000_000;
const max = 9;
const startUs = 1_795_246_320_000_000;

/** The rule as `series.ts` had it with a list of objects. */
function trim(points: Point[]): boolean {
  const boundUs = (points.at(-1)?.timeUs ?? 0) - latenessUs;
  let hasDropped = false;
  while (points.length > 1 && ((points[1]?.timeUs ?? 0) <= boundUs || points.length > max)) {
    points.shift();
    hasDropped = true;
  }
  return hasDropped;
}

const step = fc.record({
  list: fc.nat(2),
  seconds: fc.constantFrom(0.001, 1, 5, 5, 15, 30, 60, 61),
  value: fc.double({ min: 0, max: 1e12, noNaN: true }),
  count: fc.integer({ min: -1, max: 1_000 }),
  isReplaced: fc.boolean(),
});

test("whatever is pushed and replaced, the points kept are those of plain lists", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const lists = new PointLists(latenessUs, max);
      // Several, which grow at different times: each must find its own block again.
      const plains: Point[][] = [[], [], []];
      let timeUs = startUs;
      for (const { list, seconds, value, count, isReplaced } of steps) {
        timeUs += seconds * 1_000_000;
        const point = { timeUs, startUs: timeUs - 7, value, count };
        plains[list]?.push(point);
        const all = [...lists.all(list), point];
        const hasDropped = isReplaced ? lists.replace(list, all) : lists.push(list, point);
        expect(hasDropped).toBe(trim(plains[list] ?? []));
        expect([lists.newest(list), lists.newestUs(list)]).toEqual([point, timeUs]);
        for (const [other, plain] of plains.entries()) {
          expect(lists.all(other)).toEqual(plain);
          expect(lists.size(other)).toBe(plain.length);
        }
      }
    }),
  );
});

test("a list that nothing was put in has no points", () => {
  const lists = new PointLists(latenessUs, max);
  expect([lists.newest(7), lists.newestUs(7), lists.size(7)]).toEqual([undefined, 0, 0]);
  // Far beyond what there was room for.
  const point = { timeUs: startUs, startUs: 0, value: 3, count: -1 };
  expect(lists.push(100_000, point)).toBe(false);
  expect([lists.all(100_000), lists.size(99_999)]).toEqual([[point], 0]);
});
