import * as fc from "fast-check";
import { expect, test } from "vitest";
import { pairsToText, textToPairs } from "./pairs-text.ts";

test("what was written is read again, whatever it holds", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.string())), (entries) => {
      const pairs = new Map(entries);
      expect(textToPairs(pairsToText(pairs))).toEqual(pairs);
      expect(pairsToText(new Map([...pairs].toReversed()))).toBe(pairsToText(pairs));
    }),
  );
});

test("any text is read to its end", () => {
  fc.assert(fc.property(fc.string(), (text) => textToPairs(text).size >= 0));
  expect(textToPairs("3:pod")).toEqual(new Map([["pod", ""]]));
});
