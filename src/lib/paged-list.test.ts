/** A paged list answers as a map by number does. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PagedList } from "./paged-list.ts";

test("what was set is got, over pages, and nothing else", () => {
  const entry = fc.tuple(fc.nat(5_000), fc.string());
  fc.assert(
    fc.property(fc.array(entry, { size: "+1" }), (entries) => {
      const list = new PagedList<string>();
      const plain = new Map<number, string>();
      for (const [index, text] of entries) {
        list.set(index, text);
        plain.set(index, text);
      }
      const near = entries.flatMap(([index]) => [index, index + 1, index + 1_024]);
      for (const index of near) expect(list.get(index)).toBe(plain.get(index));
    }),
  );
});
