/**
 * What `/metrics` says of edges: facets by security, and requests between namespaces. The requests of a
 * facet are no counter: they move when an end proves to be somebody else, they fold into another facet's,
 * and its security changes while they stay. So the counter takes what all facets together have gained
 * since the last look, shared out to those that rose. It follows the rows as they are written: a look at
 * all of 200,000 facets each second would be the longest thing that the engine does.
 */
import type { EdgeEntity } from "../model/entities.ts";
import type { CounterSample } from "../model/stages.ts";
import type { FacetRow } from "../model/rows.ts";
import type { FacetWritten } from "./facet-ledger.ts";
import type { Facet, Facets } from "./facets.ts";
import type { Nodes } from "./nodes.ts";

type Security = EdgeEntity["security"];

/** Every one of them is a series, also at 0. */
const securities = Object.keys({
  unknown: true,
  mutual_tls: true,
  none: true,
  mixed: true,
} satisfies Record<Security, true>);

/** Namespace pairs told apart; the rest are `_other` together. */
const pairsMax = 500;
const other = "_other";

interface Pair {
  readonly src_namespace: string;
  readonly dst_namespace: string;
  readonly security: string;
  requests: number;
}

export class EdgeCounters {
  readonly #nodes: Nodes;
  readonly #facets: Facets;
  readonly #pairs = new Map<string, Pair>();
  /** Of the facets that stand for themselves, as their rows say. */
  readonly #bySecurity = new Map<string, number>(securities.map((security) => [security, 0]));
  #total = 0;
  /** At the last look. */
  #totalBefore = 0;
  /** Requests gained since the last look. */
  #rises = new Map<string, Pair>();

  constructor(nodes: Nodes, facets: Facets) {
    this.#nodes = nodes;
    this.#facets = facets;
    facets.onRow = (facet, row) => this.#wrote(facet, row);
  }

  /** After a restore: what was counted before is nobody's growth. Makes the busiest pairs first, at 0. */
  restored(): void {
    for (const edge of this.#facets.edges) {
      for (const facet of edge.facets) {
        const written = this.#facets.writtenOf(facet);
        if (written) this.#count(facet, written);
      }
    }
    const busiestFirst = [...this.#rises.values()].toSorted((a, b) => b.requests - a.requests);
    for (const rise of busiestFirst) this.#pairOf(rise);
    this.#rises = new Map();
    this.#totalBefore = this.#total;
  }

  counters(into: CounterSample[]): void {
    for (const [security, value] of this.#bySecurity) {
      into.push({ name: "edges", labels: { security }, value });
    }
    let risen = 0;
    for (const { requests } of this.#rises.values()) risen += requests;
    // What rose here and fell there has only moved.
    const share = risen === 0 ? 0 : Math.max(0, this.#total - this.#totalBefore) / risen;
    for (const rise of this.#rises.values()) this.#pairOf(rise).requests += rise.requests * share;
    this.#rises = new Map();
    this.#totalBefore = this.#total;
    for (const { requests, ...labels } of this.#pairs.values()) {
      into.push({ name: "edge_requests_total", labels, value: Math.floor(requests) });
    }
  }

  /** The facet's row is another one, or it has ended (null). */
  #wrote(facet: Facet, row: FacetRow | null): void {
    const written = this.#facets.writtenOf(facet);
    if (written && !written.shadowed) {
      this.#bySecurity.set(written.security, (this.#bySecurity.get(written.security) ?? 0) - 1);
      this.#total -= written.requests;
    }
    if (row) this.#count(facet, row);
  }

  #count(facet: Facet, { shadowed, security, requests }: FacetWritten): void {
    if (shadowed) return;
    this.#bySecurity.set(security, (this.#bySecurity.get(security) ?? 0) + 1);
    this.#total += requests;
    const { ledger } = this.#facets;
    const risen = requests - ledger.counted(facet.place);
    if (risen !== 0) ledger.setCounted(facet.place, requests);
    if (risen > 0) this.#rose(facet, security, risen);
  }

  #rose({ edge }: Facet, security: string, requests: number): void {
    const src_namespace = this.#nodes.get(edge.srcId).entity.namespace;
    const dst_namespace = this.#nodes.get(edge.dstId).entity.namespace;
    const key = keyOf(src_namespace, dst_namespace, security);
    const known = this.#rises.get(key);
    if (known) known.requests += requests;
    else this.#rises.set(key, { src_namespace, dst_namespace, security, requests });
  }

  /** A pair that was told apart once stays so, and one that was not stays in `_other`. */
  #pairOf({ src_namespace, dst_namespace, security }: Pair): Pair {
    const key = keyOf(src_namespace, dst_namespace, security);
    const known = this.#pairs.get(key);
    if (known) return known;
    const isOther = src_namespace === other && dst_namespace === other;
    if (this.#pairs.size >= pairsMax && !isOther) {
      return this.#pairOf({ src_namespace: other, dst_namespace: other, security, requests: 0 });
    }
    const pair = { src_namespace, dst_namespace, security, requests: 0 };
    this.#pairs.set(key, pair);
    return pair;
  }
}

/** No namespace holds a line break. */
const keyOf = (src: string, dst: string, security: string): string => `${src}\n${dst}\n${security}`;
