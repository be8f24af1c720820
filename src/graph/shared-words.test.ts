/** Sharing changes nothing that is said. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SharedWords } from "./shared-words.ts";

const word = fc.constantFrom("a", "b", "a\nb", "b\na", "\n", "", "destination", "metrics");

test("whatever words come, also with line breaks, a list is the one that was asked for", () => {
  const shared = new SharedWords();
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (words) => {
      expect(shared.list(words)).toEqual(words);
      const tag = `flag:${words.join("")}`;
      expect(shared.listOfTag(tag, "flag:")).toEqual([words.join("")]);
      expect(shared.text(words.join(""))).toBe(words.join(""));
    }),
    { numRuns: 2_000 },
  );
  expect(shared.list(["metrics", "logs"])).toBe(shared.list(["metrics", "logs"]));
  expect(shared.observer("source:proxy|demo/shop/pod|1")).toEqual({
    kind: "proxy",
    key: "demo/shop/pod|1",
  });
});
