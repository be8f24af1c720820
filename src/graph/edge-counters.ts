/**
 * What `/metrics` says of edges: facets by security, and requests between namespaces. The requests of a
 * facet are no counter: they move when an end proves to be somebody else, they fold into another facet's,
 * and its security changes while they stay. So the counter takes what all facets together have gained
 * since the last look, shared out to those that rose. It reads the rows as they were last written, at
 * most seconds ago: 20,000 views are too dear for each look.
 */
import type { EdgeEntity } from "../model/entities.ts";
import type { CounterSample } from "../model/stages.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import type { IdentityTables } from "./identity.ts";

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
  readonly #identity: IdentityTables;
  readonly #facets: Facets;
  readonly #pairs = new Map<string, Pair>();
  /** Requests of the facets at the last look, each and together. */
  readonly #seen = new WeakMap<Facet, number>();
  #seenTotal = 0;

  constructor(identity: IdentityTables, facets: Facets) {
    this.#identity = identity;
    this.#facets = facets;
  }

  /** After a restore: what was counted before is nobody's growth. Makes the busiest pairs first, at 0. */
  restored(): void {
    const { rises } = this.#look();
    const busiestFirst = [...rises.values()].toSorted((a, b) => b.requests - a.requests);
    for (const rise of busiestFirst) this.#pairOf(rise);
  }

  counters(into: CounterSample[]): void {
    const before = this.#seenTotal;
    const { bySecurity, rises } = this.#look();
    for (const [security, value] of bySecurity) {
      into.push({ name: "edges", labels: { security }, value });
    }
    let risen = 0;
    for (const { requests } of rises.values()) risen += requests;
    // What rose here and fell there has only moved.
    const share = risen === 0 ? 0 : Math.max(0, this.#seenTotal - before) / risen;
    for (const rise of rises.values()) this.#pairOf(rise).requests += rise.requests * share;
    for (const { requests, ...labels } of this.#pairs.values()) {
      into.push({ name: "edge_requests_total", labels, value: Math.floor(requests) });
    }
  }

  /** Facets by security, and the requests that namespace pairs gained since the last look. */
  #look(): { bySecurity: ReadonlyMap<string, number>; rises: ReadonlyMap<string, Pair> } {
    const bySecurity = new Map<string, number>(securities.map((security) => [security, 0]));
    const rises = new Map<string, Pair>();
    let total = 0;
    for (const edge of this.#facets.edges) {
      for (const facet of edge.facets) {
        const { written } = facet;
        if (!written || written.shadowed) continue;
        const { security, requests } = written;
        bySecurity.set(security, (bySecurity.get(security) ?? 0) + 1);
        total += requests;
        const risen = requests - (this.#seen.get(facet) ?? 0);
        if (risen !== 0) this.#seen.set(facet, requests);
        if (risen > 0) this.#rose(rises, edge, security, risen);
      }
    }
    this.#seenTotal = total;
    return { bySecurity, rises };
  }

  #rose(rises: Map<string, Pair>, edge: Edge, security: string, requests: number): void {
    const { nodes } = this.#identity;
    const src_namespace = nodes.get(edge.srcId).entity.namespace;
    const dst_namespace = nodes.get(edge.dstId).entity.namespace;
    const key = keyOf(src_namespace, dst_namespace, security);
    const known = rises.get(key);
    if (known) known.requests += requests;
    else rises.set(key, { src_namespace, dst_namespace, security, requests });
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
