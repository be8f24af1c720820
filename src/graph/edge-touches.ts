/**
 * Edges that have changed since the rules were told of them, and since their rows were written. A commit
 * does both one after the other, so what an edge looks like is kept from the one to the other: whoever
 * changes anything that a view shows touches the edge, here, and the view is made anew.
 */
import type { FacetView } from "./facet-view.ts";
import type { Edge, Facet } from "./edge.ts";

/** Made when the rules were told; null = not since the edge was touched. */
type Views = readonly FacetView[] | null;

export interface Touched {
  /** New edges. */
  readonly edges: readonly Edge[];
  /** Facets whose numbers are others, also those that left. */
  readonly facets: readonly Facet[];
  /** Edges whose facets' rows may be others than were written. */
  readonly rows: readonly (readonly [Edge, Views])[];
}

/** Some 3 MB of them; of more edges they are made twice. */
const viewsKeptMax = 8_192;

export class EdgeTouches {
  readonly #forRules = new Set<Edge>();
  readonly #forRows = new Map<Edge, Views>();
  #viewsKept = 0;
  readonly #facets = new Set<Facet>();
  readonly #edges = new Set<Edge>();

  get facetCount(): number {
    return this.#facets.size;
  }

  /** An edge that no row tells of yet. */
  made(edge: Edge): void {
    this.#edges.add(edge);
  }

  /** It was made from its row; its facets may still be to come. */
  restored(edge: Edge): void {
    this.#edges.delete(edge);
  }

  /** So was the facet: rules have to be told of its edge, and no row has to be written. */
  facetRestored(facet: Facet): void {
    this.#facets.delete(facet);
    this.#forgetViews(facet.edge);
    this.#forRows.delete(facet.edge);
  }

  /** It has left the graph. */
  removed(edge: Edge): void {
    this.#forRules.delete(edge);
    this.#forgetViews(edge);
    this.#forRows.delete(edge);
  }

  /** The facet's numbers are others, or it has left. */
  facet(facet: Facet): void {
    this.#facets.add(facet);
    this.view(facet.edge);
  }

  /** What it looks like may be another thing now. */
  view(edge: Edge): void {
    this.#forRules.add(edge);
    this.rows(edge);
  }

  /** Rules must be told again, of an edge whose numbers stand still. */
  rules(edge: Edge): void {
    this.#forRules.add(edge);
    this.#forgetViews(edge);
  }

  /** What its rows say may be another thing now. */
  rows(edge: Edge): void {
    this.#forgetViews(edge);
    this.#forRows.set(edge, null);
  }

  /** A column has been added. */
  shape(edge: Edge): void {
    this.#forgetViews(edge);
  }

  /** What the edge looks like now. */
  keepViews(edge: Edge, views: readonly FacetView[]): void {
    if (this.#forRows.get(edge) !== null || this.#viewsKept >= viewsKeptMax) return;
    this.#forRows.set(edge, views);
    this.#viewsKept++;
  }

  takeForRules(): Edge[] {
    const edges = [...this.#forRules];
    this.#forRules.clear();
    return edges;
  }

  takeForRows(): Touched {
    const touched = {
      edges: [...this.#edges],
      facets: [...this.#facets],
      rows: [...this.#forRows],
    };
    this.#edges.clear();
    this.#facets.clear();
    this.#forRows.clear();
    this.#viewsKept = 0;
    return touched;
  }

  #forgetViews(edge: Edge): void {
    if (!this.#forRows.get(edge)) return;
    this.#forRows.set(edge, null);
    this.#viewsKept--;
  }
}
