/** Facets found by their source against a look at every facet of the graph, after random changes. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Facets, type Facet } from "./facets.ts";
import { Nodes } from "./nodes.ts";
import { countOf } from "./tag-counts.ts";

const sources = ["source:proxy|a", "source:proxy|b", "source:node_agent|c"];
const tags = [...sources, "route:declared"];
const node = fc.integer({ min: 0, max: 4 });
const change = fc.oneof(
  fc.record({ kind: fc.constant("tag" as const), from: node, to: node, tag: fc.nat(3) }),
  fc.record({ kind: fc.constant("untag" as const), from: node, to: node, tag: fc.nat(3) }),
  fc.record({ kind: fc.constant("restore" as const), from: node, to: node, tag: fc.nat(3) }),
  fc.record({ kind: fc.constant("remove" as const), from: node, to: node }),
  fc.record({ kind: fc.constant("merge" as const), from: node, to: node }),
);

type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function makeGraph() {
  const nodes = new Nodes(100);
  const facets = new Facets({ facetsMax: 1_000, facetsPerNodeMax: 1_000 }, nodes, () => {});
  const ids = Array.from({ length: 5 }, (_, index) => nodes.intern(`n${index}`, {}).id);
  const idOf = (index: number): number => nodes.get(ids[index] ?? 1).id;
  return { nodes, facets, idOf };
}

function apply(graph: ReturnType<typeof makeGraph>, one: Change): void {
  const { nodes, facets, idOf } = graph;
  const [from, to] = [idOf(one.from), idOf(one.to)];
  if (one.kind === "merge") {
    if (from === to) return;
    const [winner, loser] = [Math.min(from, to), Math.max(from, to)];
    facets.mergeNodes(winner, loser);
    nodes.merge(nodes.get(winner), nodes.get(loser));
    return;
  }
  const facet = facets.facet(from, to, "tcp", "http", 80);
  if (!facet) throw new Error("the graph has room");
  if (one.kind === "remove") {
    facets.removeIfEmpty(facet);
    return;
  }
  const tag = tags[one.tag] ?? "";
  if (one.kind === "restore") facets.restoreTag(facet, tag, 2);
  else facets.tag(facet, tag, one.kind === "tag" ? 1 : -1);
}

test("the facets of a source are those that a look at all of them finds", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const graph = makeGraph();
      for (const one of changes) apply(graph, one);
      for (const source of sources) {
        const all = [...graph.facets.edges].flatMap((edge) => edge.facets);
        const expected = all.filter((facet) => countOf(facet.tags, source) > 0);
        const found: Facet[] = [...graph.facets.toldBy(source)];
        expect(new Set(found)).toEqual(new Set(expected));
        expect(found.length).toBe(expected.length);
      }
    }),
  );
});
