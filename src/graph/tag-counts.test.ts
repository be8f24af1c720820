/** A list of counted tags answers as a map does. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SharedWords } from "./shared-words.ts";
import { countOf, noTags, pairsOf, sizeOf, tagsIn, withCount } from "./tag-counts.ts";
import { Tag } from "./tags.ts";

const change = fc.record({
  text: fc.integer({ min: 0, max: 24 }).map((number) => `tag:${number}`),
  count: fc.integer({ min: 0, max: 7 }),
  // What is shared may have been forgotten since.
  isShared: fc.boolean(),
});

test("whatever is counted and taken back, a list holds what a map would, in its order", () => {
  let longest = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 10, maxLength: 80, size: "max" }), (changes) => {
      const words = new SharedWords();
      let tags = noTags;
      const plain = new Map<string, number>();
      for (const { text, count, isShared } of changes) {
        tags = withCount(tags, isShared ? words.tag(text) : new Tag(text), count);
        if (count > 0) plain.set(text, count);
        else plain.delete(text);
        expect([sizeOf(tags), countOf(tags, text)]).toEqual([plain.size, count]);
        longest = Math.max(longest, plain.size);
      }
      expect([...tagsIn(tags)].map(({ tag, count }) => [tag.text, count])).toEqual([...plain]);
      expect(pairsOf(tags)).toEqual([...plain]);
    }),
  );
  // Both forms were there.
  expect(longest).toBeGreaterThan(16);
});
