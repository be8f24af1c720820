/** The index finds what a map of texts would. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HashIndex } from "./hash-index.ts";

/** Many that begin alike: they meet in the table. */
const hash = fc
  .tuple(fc.constantFrom("00000001", "ffffffff", "80000000"), fc.integer({ min: 0, max: 600 }))
  .map(([first, rest]) => first + rest.toString(16).padStart(24, "0"));

test("hashes and numbers are found as by a map", () => {
  fc.assert(
    fc.property(fc.uniqueArray(hash, { maxLength: 700 }), fc.nat(50), (hashes, gap) => {
      const index = new HashIndex();
      const plain = new Map<string, number>();
      // Numbers leave gaps, and the first of them is 0.
      for (const [place, one] of hashes.entries()) {
        const number = place + (place > 5 ? gap : 0);
        expect(index.find(one)).toBe(-1);
        index.set(one, number);
        plain.set(one, number);
      }
      for (const [one, number] of plain) {
        expect(index.find(one)).toBe(number);
        expect(index.hashOf(number)).toBe(one);
      }
      expect(index.size).toBe(plain.size);
    }),
    { numRuns: 60 },
  );
});

test("a hash gets no second number", () => {
  const index = new HashIndex();
  index.set("0".repeat(31) + "1", 0);
  expect(() => index.set("0".repeat(31) + "1", 1)).toThrow("a hash has one number");
});
