/**
 * What is known of each series that has spoken since the start, beside its numbers, by its row: who tells
 * of whom, and where it counts. There are 400,000 in a large mesh: as objects they take 120 bytes each,
 * here 45, and the collector of garbage has that many objects fewer to look at.
 */
import { assert } from "../lib/assert.ts";
import { PagedList } from "../lib/paged-list.ts";
import type { EdgeSeries, PeerName, SourceRef } from "../model/observations.ts";
import type { Column } from "./columns.ts";
import type { Facet } from "./facets.ts";
import type { Way } from "./proxy-scrapes.ts";

/** What many series have in common: one object for all of them. */
export type SeriesKind = Omit<EdgeSeries, "id" | "hash" | "src" | "dst" | "source" | "resource">;

/** What the series of one kind and source have in common. */
export interface Teller {
  readonly kind: SeriesKind;
  readonly source: SourceRef;
  /** Of a counter of a scraped proxy's own calls; null of others. */
  readonly way: Way | null;
}

const firstRows = 256;
/** A proxy's series come together: tellers before these are hardly ever met again, and then come twice. */
const tellersLookedAt = 32;

export class SeriesSlots {
  readonly #tellers: Teller[] = [];
  /** Number of the teller + 1 by row; 0 = it has not spoken since the start. */
  #teller = new Int32Array(firstRows);
  readonly #srcs = new PagedList<PeerName>();
  readonly #dsts = new PagedList<PeerName>();
  readonly #facets = new PagedList<Facet>();
  readonly #columns = new PagedList<Column>();
  /** Row + 1 of the next series that counts on the same column, 0 = there is none. */
  #next = new Int32Array(firstRows);
  /** Row + 1 by `EdgeSeries.id`, 0 = it has none. */
  #rows = new Int32Array(firstRows);

  /** Row of a series by its `EdgeSeries.id`, -1 = it has none. */
  rowOf(id: number): number {
    return (this.#rows[id] ?? 0) - 1;
  }

  setRow(id: number, row: number): void {
    this.#rows = withRoom(this.#rows, id);
    this.#rows[id] = row + 1;
  }

  has(row: number): boolean {
    return (this.#teller[row] ?? 0) > 0;
  }

  add(row: number, src: PeerName, dst: PeerName, teller: Teller): void {
    this.#teller = withRoom(this.#teller, row);
    this.#next = withRoom(this.#next, row);
    this.#teller[row] = this.#numberOf(teller) + 1;
    this.#srcs.set(row, src);
    this.#dsts.set(row, dst);
  }

  teller(row: number): Teller {
    const teller = this.#tellers[(this.#teller[row] ?? 0) - 1];
    assert(teller, "the series has spoken");
    return teller;
  }

  src(row: number): PeerName {
    const src = this.#srcs.get(row);
    assert(src, "the series has spoken");
    return src;
  }

  dst(row: number): PeerName {
    const dst = this.#dsts.get(row);
    assert(dst, "the series has spoken");
    return dst;
  }

  /** Where it counted last; null = nowhere yet. */
  facet(row: number): Facet | null {
    return this.#facets.get(row) ?? null;
  }

  setFacet(row: number, facet: Facet): void {
    this.#facets.set(row, facet);
  }

  /** The column that it counts on; another one when its facet has become a part of another. */
  column(row: number): Column | null {
    return this.#columns.get(row) ?? null;
  }

  /** `nextSeries`: the one that counted on it last before, as a column names it. */
  setColumn(row: number, column: Column, nextSeries: number): void {
    this.#columns.set(row, column);
    this.#next[row] = nextSeries;
  }

  /** Rows of the series that count on the column, the youngest first. */
  *countingOn(column: Column): Generator<number> {
    for (let next = column.series; next > 0; next = this.#next[next - 1] ?? 0) yield next - 1;
  }

  #numberOf(teller: Teller): number {
    const all = this.#tellers;
    const oldest = Math.max(0, all.length - tellersLookedAt);
    for (let at = all.length - 1; at >= oldest; at--) if (isSame(all[at], teller)) return at;
    return all.push(teller) - 1;
  }
}

function isSame(known: Teller | undefined, { kind, source, way }: Teller): boolean {
  if (known?.kind !== kind || known.way !== way) return false;
  const { source: one } = known;
  const isSameKey = one.kind === source.kind && one.key === source.key;
  return isSameKey && one.cluster === source.cluster && one.namespace === source.namespace;
}

function withRoom(list: Int32Array<ArrayBuffer>, index: number): Int32Array<ArrayBuffer> {
  if (index < list.length) return list;
  const roomy = new Int32Array(Math.max(list.length * 2, index + 1));
  roomy.set(list);
  return roomy;
}
