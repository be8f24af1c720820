/** A list of counted words answers as a map does. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TagCounts } from "./tag-counts.ts";

const change = fc.record({
  kind: fc.constantFrom("set", "set", "set", "delete"),
  tag: fc.integer({ min: 0, max: 24 }).map((number) => `tag-${number}`),
  count: fc.integer({ min: 1, max: 5 }),
});

test("whatever is set and deleted, a list holds what a map would, in its order", () => {
  let longest = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 10, maxLength: 80, size: "max" }), (changes) => {
      const tags = new TagCounts();
      const plain = new Map<string, number>();
      for (const { kind, tag, count } of changes) {
        if (kind === "set") {
          tags.set(tag, count);
          plain.set(tag, count);
        }
        const isGone = [tags, plain].map((one) => kind === "delete" && one.delete(tag));
        expect(isGone[0]).toBe(isGone[1]);
        const [has, holds] = [tags, plain].map((one) => [one.size, one.has(tag), one.get(tag)]);
        expect(has).toEqual(holds);
        longest = Math.max(longest, plain.size);
      }
      expect([...tags]).toEqual([...plain]);
      expect([...tags.keys()]).toEqual([...plain.keys()]);
    }),
  );
  // Both forms were there.
  expect(longest).toBeGreaterThan(16);
});
