/** The key of a facet is the joined text of its parts, whatever it was told under before. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { facetKey } from "./edge-view.ts";
import { Facets } from "./facets.ts";
import { Nodes } from "./nodes.ts";

const key = fc.stringMatching(/^[ab|]{0,4}$/);
const protocol = fc.constantFrom("", "a", "http", "|");

test("a text that was kept is taken only where it says the same", () => {
  const keys = fc.array(fc.tuple(key, key), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(keys, protocol, fc.constantFrom(0, 80, 8080), (all, name, port) => {
      const nodes = new Nodes(10);
      const limits = { facetsMax: 10, facetsPerNodeMax: 10 };
      const facets = new Facets(limits, nodes, () => {});
      const [src, dst] = [nodes.intern("src", {}), nodes.intern("dst", {})];
      const facet = facets.facet(src.id, dst.id, "tcp", name, port);
      if (!facet) throw new Error("there is room for it");
      for (const [srcKey, dstKey] of all) {
        [src.key, dst.key] = [srcKey, dstKey];
        facet.emittedAs = facetKey(facet, src, dst);
        expect(facet.emittedAs).toBe([srcKey, dstKey, "tcp", name, port].join("|"));
        const [told, again] = [facet.emittedAs, facetKey(facet, src, dst)];
        expect(again).toBe(told);
      }
    }),
    { numRuns: 3_000 },
  );
});
