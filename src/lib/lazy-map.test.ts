/** The same answers as a `Map` gives, after the same changes. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LazyMap } from "./lazy-map.ts";

const change = fc.record({ key: fc.nat(4), value: fc.nat(9), isGone: fc.boolean() });
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** What it answers to the change, and all that it holds then. */
function answers(map: LazyMap<number, number> | Map<number, number>, one: Change): unknown[] {
  const { key, value, isGone } = one;
  if (!isGone) map.set(key, value);
  const wasThere = isGone && map.delete(key);
  return [wasThere, map.size, map.get(key), [...map], [...map.keys()], [...map.values()]];
}

test("it answers as a map does", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const lazy = new LazyMap<number, number>();
      const map = new Map<number, number>();
      for (const one of changes) expect(answers(lazy, one)).toEqual(answers(map, one));
    }),
  );
});
