/** Counters that follow the rows say what a look at all facets would. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { FacetRow } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { EdgeCounters } from "./edge-counters.ts";
import { Facets, type Facet } from "./facets.ts";
import { Nodes } from "./nodes.ts";

/** What all facets say together, looked at one by one. */
class Plain {
  readonly #seen = new Map<Facet, number>();
  #total = 0;
  gained = 0;

  look(facets: Facets): Map<string, number> {
    const bySecurity = new Map<string, number>();
    let [total, risen] = [0, 0];
    for (const edge of facets.edges) {
      for (const facet of edge.facets) {
        const written = facets.writtenOf(facet);
        if (!written || written.shadowed) continue;
        const { security, requests } = written;
        bySecurity.set(security, (bySecurity.get(security) ?? 0) + 1);
        total += requests;
        risen += Math.max(0, requests - (this.#seen.get(facet) ?? 0));
        this.#seen.set(facet, requests);
      }
    }
    if (risen > 0) this.gained += Math.max(0, total - this.#total);
    this.#total = total;
    return bySecurity;
  }
}

function rowOf(facet: Facet, security: string, requests: number, shadowed: boolean): FacetRow {
  return {
    id: facet.id,
    edgeId: facet.edge.id,
    protocol: facet.protocol,
    port: facet.port,
    security,
    plaintextShare: 0,
    route: "unknown",
    requests,
    errors: 0,
    denied: 0,
    connections: 0,
    bytesSent: 0,
    bytesReceived: 0,
    aroundProxy: 0,
    shadowed,
    firstSeenUs: 0,
    lastSeenUs: 0,
    detail: "",
  };
}

const change = fc.record({
  port: fc.integer({ min: 1, max: 6 }),
  security: fc.constantFrom("mutual_tls", "none", "unknown"),
  requests: fc.integer({ min: 0, max: 1_000 }),
  fate: fc.constantFrom("goes on", "goes on", "goes on", "is shadowed", "ends"),
});
/** Between two looks a facet is written once at most, as a commit does. */
const batch = fc.uniqueArray(change, { selector: ({ port }) => port, maxLength: 6 });

const valuesOf = (counters: EdgeCounters): CounterSample[] => {
  const samples: CounterSample[] = [];
  counters.counters(samples);
  return samples;
};

test("whatever rows are written, the counters are those of a look at every facet", () => {
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 20 }), (batches) => {
      const nodes = new Nodes(100);
      const facets = new Facets({ facetsMax: 100, facetsPerNodeMax: 100 }, nodes, () => {});
      const counters = new EdgeCounters(nodes, facets);
      const plain = new Plain();
      const [src, dst] = ["a", "b"].map((name) => nodes.intern(name, { name, namespace: "shop" }));
      for (const changes of batches) {
        for (const { port, security, requests, fate } of changes) {
          const facet = facets.facet(src?.id ?? 0, dst?.id ?? 0, "tcp", "http", port);
          if (!facet) continue;
          const isGone = fate === "ends" && facets.removeIfEmpty(facet);
          const row = rowOf(facet, security, requests, fate === "is shadowed");
          facets.wrote(facet, isGone ? null : row);
        }
        const bySecurity = plain.look(facets);
        const samples = valuesOf(counters);
        const edges = samples.filter(({ name, value }) => name === "edges" && value > 0);
        expect(new Map(edges.map(({ labels, value }) => [labels["security"], value]))).toEqual(
          bySecurity,
        );
        const requests = samples.filter(({ name }) => name === "edge_requests_total");
        const counted = requests.reduce((sum, { value }) => sum + value, 0);
        // Each pair is told in whole requests.
        expect(Math.abs(counted - plain.gained)).toBeLessThanOrEqual(requests.length);
      }
    }),
  );
});
