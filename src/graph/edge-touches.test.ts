/**
 * Views that are kept until rows are written are those that would be made then: whatever changes what an
 * edge looks like touches it.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Reporter } from "../model/observations.ts";
import { usPerMinute } from "../model/time.ts";
import { makeAmounts, type Contribution } from "./columns.ts";
import { viewsOf } from "./edge-view.ts";
import { Facets, type Facet } from "./facets.ts";
import { Nodes } from "./nodes.ts";

const ends = ["unknown", "workload", "service", "workload", "workload"] as const;
const tags = [
  "service:shop/n2",
  "route:passthrough",
  "flag:UH",
  "source:proxy|a",
  "source:proxy|b",
];
const reporters: readonly Reporter[] = ["source", "destination"];
const node = fc.integer({ min: 0, max: ends.length - 1 });
const kinds = [
  "tag",
  "untag",
  "count",
  "bare",
  "prove",
  "around",
  "remove",
  "merge",
  "tell",
] as const;
const change = fc.record({
  kind: fc.constantFrom(...kinds, "count", "bare", "tell", "tell"),
  from: node,
  to: node,
  pick: fc.nat(4),
  minute: fc.integer({ min: 1, max: 12 }),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function makeGraph() {
  const nodes = new Nodes(100);
  const facets = new Facets({ facetsMax: 1_000, facetsPerNodeMax: 1_000 }, nodes, () => {});
  const ids = ends.map((kind, index) => {
    const parts = { kind, namespace: kind === "unknown" ? "" : "shop", name: `n${index}` };
    return nodes.intern(`n${index}`, parts).id;
  });
  return {
    nodes,
    facets,
    counted: new Map<Facet, Contribution>(),
    idOf: (at: number) => nodes.get(ids[at] ?? 1).id,
  };
}

function apply(
  graph: ReturnType<typeof makeGraph>,
  { kind, from, to, pick, minute }: Change,
): void {
  const { nodes, facets, idOf } = graph;
  const [srcId, dstId] = [idOf(from), idOf(to)];
  if (kind === "tell") return tell(graph);
  if (kind === "merge") {
    if (srcId === dstId) return;
    const [winner, loser] = [nodes.get(srcId), nodes.get(dstId)];
    facets.mergeNodes(winner.id, loser.id);
    nodes.merge(winner, loser);
    return;
  }
  const [port, protocol] = pick === 4 ? [0, ""] : [80, "http"];
  const facet = facets.facet(srcId, dstId, "tcp", protocol, port);
  if (!facet) throw new Error("there is room for every facet");
  const tag = tags[pick] ?? "";
  const atUs = minute * usPerMinute;
  if (kind === "remove") facets.removeIfEmpty(facet);
  else if (kind === "tag") facets.tag(facet, tag, 1);
  else if (kind === "untag") facets.tag(facet, tag, -1);
  else if (kind === "around") facets.markAround(facet.edge, 80, `c${pick}`, atUs);
  else {
    const column = facets.column(
      facet,
      reporters[pick % 2] ?? "source",
      pick > 2 ? "logs" : "metrics",
    );
    const amounts = { ...makeAmounts(), requests: 1 };
    const counted: Contribution = { amounts, count: 1, firstUs: atUs, lastUs: atUs, example: null };
    const evidence = {
      atUs,
      nanos: 0,
      vantage: "proxy" as const,
      source: "",
      text: "",
      fields: {},
      hash: `h${pick}`,
    };
    facets.apply(
      facet,
      column,
      {
        security: [pick % 2, pick > 1 ? 1 : 0],
        isBare: kind === "bare",
        ...(kind === "prove" && { evidence: () => evidence }),
      },
      counted,
      1,
    );
  }
}

/** As a flush does. */
function tell({ nodes, facets }: ReturnType<typeof makeGraph>): void {
  for (const { id } of nodes.takeChanged()) facets.touchNode(id);
  for (const edge of facets.touches.takeForRules()) {
    facets.touches.keepViews(edge, viewsOf(edge, facets, nodes));
  }
}

test("kept views are those that would be made now", () => {
  let kept = 0;
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60, size: "max" }), (changes) => {
      const graph = makeGraph();
      for (const one of changes) apply(graph, one);
      tell(graph);
      for (const [edge, views] of graph.facets.touches.takeForRows().rows) {
        if (!views) continue;
        kept++;
        expect(views).toEqual(viewsOf(edge, graph.facets, graph.nodes));
      }
    }),
    { numRuns: 500 },
  );
  expect(kept).toBeGreaterThan(100);
});
