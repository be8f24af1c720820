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
      const text = words.join("");
      const tag = shared.tag(`flag:${text}`);
      expect(tag).toMatchObject({ text: `flag:${text}`, sort: "flag", words: [text] });
      expect(shared.tag(`flag:${text}`)).toBe(tag);
    }),
    { numRuns: 2_000 },
  );
  expect(shared.list(["metrics", "logs"])).toBe(shared.list(["metrics", "logs"]));
});

test("a tag says what stands after its first colon", () => {
  const shared = new SharedWords();
  expect(shared.tag("source:proxy|demo/shop/pod|1").observer).toEqual({
    kind: "proxy",
    key: "demo/shop/pod|1",
  });
  expect(shared.tag("src_principal:spiffe://a/ns/b").words).toEqual(["spiffe://a/ns/b"]);
  expect(shared.tag("flag:a:b").words).toEqual(["a:b"]);
  expect(shared.tag("service:shop/cart")).toMatchObject({ sort: "service", observer: null });
  for (const text of ["", ":", "flags:a", "flag"]) {
    expect(shared.tag(text)).toMatchObject({ text, sort: null, words: [], observer: null });
  }
});

test("one object stands for equal small counts of a tag", () => {
  const tag = new SharedWords().tag("route:declared");
  const few = [1, 2, 3, 4].map((count) => tag.times(count));
  expect(few.map(({ count }) => count)).toEqual([1, 2, 3, 4]);
  for (const one of few) expect(tag.times(one.count)).toBe(one);
  expect(tag.times(1_000)).toMatchObject({ tag, count: 1_000 });
});
