/** A list of numbers holds the points that a plain list of points would. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Point } from "./counter-points.ts";
import { PointList } from "./point-list.ts";

const latenessUs = 60_000_000;
const max = 5;
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
  seconds: fc.constantFrom(1, 5, 15, 30, 60, 60, 60, 61, 200),
  value: fc.double({ min: 0, max: 1e12, noNaN: true }),
  count: fc.integer({ min: -1, max: 1_000 }),
  isReplaced: fc.boolean(),
});

test("whatever is pushed and replaced, the points kept are those of the plain list", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 40 }), (hasFirst, steps) => {
      const first: Point = { timeUs: startUs, startUs: 0, value: 3, count: -1 };
      const list = new PointList(hasFirst ? [first] : []);
      const plain = hasFirst ? [first] : [];
      let timeUs = startUs;
      for (const { seconds, value, count, isReplaced } of steps) {
        timeUs += seconds * 1_000_000;
        const point = { timeUs, startUs: timeUs - 7, value, count };
        plain.push(point);
        const all = [...list.all(), point];
        const hasDropped = isReplaced
          ? list.replace(all, latenessUs, max)
          : list.push(point, latenessUs, max);
        expect(hasDropped).toBe(trim(plain));
        expect(list.all()).toEqual(plain);
        expect([list.size, list.newest, list.newestUs]).toEqual([plain.length, point, timeUs]);
      }
    }),
  );
  expect(new PointList([]).newest).toBeUndefined();
});
