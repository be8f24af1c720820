/**
 * What was read from the tags of the facets that were looked at last. Words change far less often than
 * numbers, and reading them takes some microseconds; but those of a facet take 200 bytes, and a commit
 * looks twice at the few thousand that changed. Forgetting is always right and only costs time.
 */
import type { Observer } from "../model/changes.ts";
import type { EdgeEntity } from "../model/entities.ts";
import type { Column } from "./columns.ts";

/** What tags and columns say in words, sorted: it changes far less often than the numbers. */
export interface FacetWords {
  /** In order of precedence; those that the facet had then. */
  readonly columns: readonly Column[];
  readonly reporters: readonly string[];
  readonly channels: readonly string[];
  readonly route: EdgeEntity["route"];
  readonly responseFlags: readonly string[];
  readonly srcPrincipals: readonly string[];
  readonly dstPrincipals: readonly string[];
  readonly observers: readonly Observer[];
}

/** Some 2 MB of them. */
const wordsMax = 8_192;

export class ViewWords<Facet> {
  readonly #words = new Map<Facet, FacetWords>();

  of(facet: Facet): FacetWords | undefined {
    return this.#words.get(facet);
  }

  keep(facet: Facet, words: FacetWords): void {
    if (this.#words.size >= wordsMax) this.#words.clear();
    this.#words.set(facet, words);
  }

  /** Its tags or columns say other things since. */
  forget(facet: Facet): void {
    this.#words.delete(facet);
  }
}
