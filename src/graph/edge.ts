/** An edge of the graph: who talked to whom, over what transport. */
import type { Transport } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { Facet } from "./facets.ts";

export class Edge {
  readonly id: number;
  readonly srcId: number;
  readonly dstId: number;
  readonly transport: Transport;
  /** Connections around a proxy by port, from the bypass join, each with its event time; null = none. */
  around: Map<number, Map<string, Us>> | null = null;
  /** Nearly all edges have one: it needs no list. */
  #facets: Facet | readonly Facet[] = none;

  constructor(id: number, srcId: number, dstId: number, transport: Transport) {
    this.id = id;
    this.srcId = srcId;
    this.dstId = dstId;
    this.transport = transport;
  }

  /** In the order of adding; a list of its own, or one that nobody changes. */
  get facets(): readonly Facet[] {
    return isList(this.#facets) ? this.#facets : [this.#facets];
  }

  add(facet: Facet): void {
    const { facets } = this;
    this.#facets = facets.length === 0 ? facet : [...facets, facet];
  }

  remove(facet: Facet): void {
    const left = this.facets.filter((one) => one !== facet);
    this.#facets = left.length === 1 && left[0] ? left[0] : left;
  }

  has(facet: Facet): boolean {
    return isList(this.#facets) ? this.#facets.includes(facet) : this.#facets === facet;
  }
}

function isList(facets: Facet | readonly Facet[]): facets is readonly Facet[] {
  return Array.isArray(facets);
}

const none: readonly Facet[] = [];
