/** The set holds what a `Set` would, in the same order, on both sides of the length of its list. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FewSet } from "./few-set.ts";

const change = fc.record({ one: fc.nat(60), isAdded: fc.boolean() });

test("whatever is added and deleted, it is what a set is", () => {
  fc.assert(
    fc.property(fc.nat(60), fc.array(change, { maxLength: 200 }), (before, changes) => {
      const few = new FewSet<number>();
      const plain = new Set<number>();
      for (let one = 0; one < before; one++) {
        few.add(one);
        plain.add(one);
      }
      for (const { one, isAdded } of changes) {
        if (isAdded) few.add(one);
        if (isAdded) plain.add(one);
        const deleted = isAdded ? [] : [few.delete(one), plain.delete(one)];
        expect(deleted[0]).toBe(deleted[1]);
        expect([few.size, few.has(one)]).toEqual([plain.size, plain.has(one)]);
      }
      expect([...few]).toEqual([...plain]);
    }),
  );
});

test("what is walked over may be deleted meanwhile", () => {
  for (const count of [1, 2, 5, 50]) {
    const few = new FewSet<number>();
    for (let one = 0; one < count; one++) few.add(one);
    for (const one of few) few.delete(one);
    expect([...few]).toEqual([]);
  }
});
