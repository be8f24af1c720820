/** An edge of the graph, who talked to whom over what transport, and its facets: what `facets.ts` holds. */
import type { Transport } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { Evidence } from "../model/changes.ts";
import type { Column } from "./columns.ts";
import type { TagCounts } from "./tag-counts.ts";

export interface Facet {
  readonly id: number;
  edge: Edge;
  readonly protocol: string;
  readonly port: number;
  /** In order of precedence; another list whenever one is added. */
  columns: readonly Column[];
  /** Counted words about the facet: `route:…`, `flag:…`, `service:…`, `source:…`, principals. */
  tags: TagCounts;
  evidence: readonly Evidence[];
  /** The id under which rules know it; "" while they do not. */
  emittedAs: string;
  /** In the ledger of what was told of it; -1 = it has ended, and the store knows. */
  place: number;
  /** What its row's `detail` holds has changed since. */
  isDetailDirty: boolean;
  /** The facet this one was merged into. */
  movedTo: Facet | null;
}

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
