/**
 * Tells the rules of edges: which facets are new, different, no longer told by anybody, or gone. Changes
 * of one facet between two calls are one change.
 */
import type { EntityChange, GraphChange } from "../model/changes.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import type { EdgeFacts } from "./declared/edge-facts.ts";
import { evidenceOfEdge } from "./edge-evidence.ts";
import { edgeEntityOf, facetKey, viewsOf } from "./edge-view.ts";
import type { FacetView } from "./facet-view.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";
import { bucketUs } from "./security.ts";
import type { Sources } from "./sources.ts";

/** How often edges are looked through for those that have gone stale. */
const staleSweepUs = usPerMinute;

export class EdgeChanges {
  readonly #facets: Facets;
  readonly #nodes: Nodes;
  readonly #sources: Sources;
  readonly #facts: EdgeFacts;
  /** By the id that rules know: a facet may go and another take its place between two calls. */
  readonly #told = new Map<string, Facet>();
  #staleSweptUs = 0;
  /** Of the edge that is being told; empty in between. */
  readonly #replaced: GraphChange[] = [];

  constructor(facets: Facets, nodes: Nodes, sources: Sources, facts: EdgeFacts) {
    this.#facets = facets;
    this.#nodes = nodes;
    this.#sources = sources;
    this.#facts = facts;
  }

  /** Facets that a process before this one told of: when one of them ends, the rules must hear of it. */
  restored(): void {
    for (const edge of this.#facets.edges) {
      const [src, dst] = [this.#nodes.get(edge.srcId), this.#nodes.get(edge.dstId)];
      for (const facet of edge.facets) {
        if (this.#facets.writtenOf(facet)?.shadowed !== false) continue;
        facet.emittedAs = facetKey(facet, src, dst);
        this.#told.set(facet.emittedAs, facet);
      }
    }
  }

  /** `changed`: nodes whose entity is another one since the last call. */
  collect(nowUs: Us, changed: readonly NodeRecord[], out: GraphChange[]): void {
    this.#touchTurned(nowUs, out);
    this.#facts.touch();
    for (const node of changed) this.#facets.touchNode(node.id);
    if (nowUs - this.#staleSweptUs >= staleSweepUs) this.#touchStale(nowUs);
    const edges = this.#facets.touches.takeForRules();
    for (const edge of edges) this.#edge(edge, nowUs, out);
    for (const facet of this.#facets.takeGone()) this.#gone(facet, nowUs, out);
  }

  /** A source that fell silent or spoke again changes what its edges prove. */
  #touchTurned(nowUs: Us, out: GraphChange[]): void {
    for (const { kind, key } of this.#sources.advance(nowUs, out)) {
      const facets = this.#facets.toldBy(`source:${kind}|${key}`);
      for (const { edge } of facets) this.#facets.touches.rules(edge);
    }
  }

  #touchStale(nowUs: Us): void {
    const fromUs = this.#staleSweptUs - 2 * bucketUs;
    const toUs = nowUs - 2 * bucketUs;
    this.#staleSweptUs = nowUs;
    for (const edge of this.#facets.edges) {
      const hasTurned = edge.facets.some((facet) =>
        facet.columns.some(({ lastUs }) => lastUs >= fromUs && lastUs < toUs),
      );
      if (hasTurned) this.#facets.touches.rules(edge);
    }
  }

  #edge(edge: Edge, nowUs: Us, out: GraphChange[]): void {
    const views = viewsOf(edge, this.#facets, this.#nodes);
    this.#facets.touches.keepViews(edge, views);
    // What an entity replaces goes after it, so that its insights have somewhere to go on.
    const gone = this.#replaced;
    let told = 0;
    for (const view of views) {
      if (!isTold(view)) continue;
      told++;
      out.push(this.#changeOf(view, nowUs, gone));
    }
    const { facets } = edge;
    if (told < facets.length) {
      for (const facet of facets) {
        const isIn = views.some((view) => view.facet === facet && isTold(view));
        if (!isIn) this.#gone(facet, nowUs, gone);
      }
    }
    if (gone.length > 0) out.push(...gone.splice(0));
  }

  #changeOf(view: FacetView, nowUs: Us, gone: GraphChange[]): EntityChange<"edge"> {
    const { facet, words } = view;
    const src = this.#nodes.get(facet.edge.srcId);
    const dst = this.#nodes.get(facet.edge.dstId);
    const id = facetKey(facet, src, dst);
    const replaces = replacedBy(view, id);
    if (facet.emittedAs !== id) {
      this.#gone(facet, nowUs, gone);
      facet.emittedAs = id;
    }
    this.#told.set(id, facet);
    const { observers } = words;
    const entity = edgeEntityOf(view, src.entity, dst.entity, nowUs);
    this.#facts.fill(entity, view);
    return {
      kind: "entity",
      type: "edge",
      id,
      entity,
      judged: this.#sources.isAnyLive(observers),
      atUs: view.lastUs,
      evidence: evidenceOfEdge(view, entity, this.#facets),
      observers,
      replaces,
    };
  }

  #gone(facet: Facet, nowUs: Us, out: GraphChange[]): void {
    if (facet.emittedAs === "") return;
    const id = facet.emittedAs;
    facet.emittedAs = "";
    if (this.#told.get(id) !== facet) return;
    this.#told.delete(id);
    out.push({ kind: "gone", type: "edge", id, atUs: nowUs });
  }
}

function isTold({ isShadowed, columns }: FacetView): boolean {
  return !isShadowed && columns.length > 0;
}

/** The ids under which its parts were told before; nearly always there is none. */
function replacedBy({ facet, parts }: FacetView, id: string): readonly string[] {
  if (parts.length === 1 && facet.emittedAs === id) return none;
  return parts.map((part) => part.emittedAs).filter((one) => one !== "" && one !== id);
}

const none: readonly never[] = [];
