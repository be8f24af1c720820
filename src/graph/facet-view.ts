/** What a facet looks like at a moment, as rules, rows and readers are told; made in `edge-view.ts`. */
import type { Evidence, Observer } from "../model/changes.ts";
import type { EdgeEntity } from "../model/entities.ts";
import type { Us } from "../model/time.ts";
import type { Amounts, Column } from "./columns.ts";
import type { Facet } from "./edge.ts";
import type { SecurityView } from "./security.ts";

/** What tags and columns say in words, sorted. */
export interface FacetWords {
  /** In order of precedence. */
  readonly columns: readonly Column[];
  readonly reporters: readonly string[];
  readonly channels: readonly string[];
  readonly route: EdgeEntity["route"];
  readonly responseFlags: readonly string[];
  readonly srcPrincipals: readonly string[];
  readonly dstPrincipals: readonly string[];
  readonly observers: readonly Observer[];
}

export interface FacetView extends SecurityView {
  readonly facet: Facet;
  /** The facet and those folded into it. */
  readonly parts: readonly Facet[];
  readonly words: FacetWords;
  /** In order of precedence. */
  readonly columns: readonly Column[];
  readonly amounts: Amounts;
  readonly connections: number;
  readonly route: EdgeEntity["route"];
  readonly aroundProxy: number;
  readonly isShadowed: boolean;
  readonly evidence: readonly Evidence[];
  readonly firstUs: Us;
  readonly lastUs: Us;
}
