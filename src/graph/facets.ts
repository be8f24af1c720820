/**
 * Edges and their facets: who talked to whom, over what. It holds the numbers and moves them when nodes
 * prove to be one; what rules and readers see of them is made in `edge-view.ts`.
 */
import { evidenceMax, mergeEvidence, type Evidence } from "../model/changes.ts";
import type { Channel, Reporter, Transport } from "../model/observations.ts";
import type { FacetRow } from "../model/rows.ts";
import { FewSet } from "../lib/few-set.ts";
import { NumberRows } from "../lib/number-rows.ts";
import {
  addAmounts,
  addMovable,
  Column,
  countBareLine,
  firstSpan,
  isEmptyColumn,
  mergeColumn,
  removeMovable,
  restretch,
  sortColumns,
  tellsOfPlaintext,
  type Contribution,
  type SpanRef,
} from "./columns.ts";
import type { Us } from "../model/time.ts";
import { columnKind, columnWidth, type ColumnKind } from "./column-numbers.ts";
import { Edge, type Facet } from "./edge.ts";
import { EdgeIndex } from "./edge-index.ts";
import { EdgeTouches } from "./edge-touches.ts";
import { FacetLedger, type FacetWritten } from "./facet-ledger.ts";
import { countSecurity } from "./security.ts";
import type { Nodes } from "./nodes.ts";
import { SharedWords } from "./shared-words.ts";
import { countOf, hasSort, noTags, sizeOf, tagsIn, withCount } from "./tag-counts.ts";
import { ToldBy } from "./told-by.ts";
import { Unrolled } from "./unrolled.ts";

export type { Edge, Facet } from "./edge.ts";

/** What an event says beside its amounts; a group of events says nothing of security. */
export interface EdgeEvent {
  readonly security: readonly [tls: number, none: number];
  readonly isBare: boolean;
  /** What proves plaintext that the event itself tells of; absent = it tells of none. */
  readonly evidence?: () => Evidence;
}

/** Events of a restored column that are not remembered yet, and the times of the others. */
export interface Unclaimed {
  left: number;
  /** The first of all its spans. */
  readonly example: SpanRef | null;
  readonly firstUs: Us;
  readonly lastUs: Us;
}

export interface FacetLimits {
  readonly facetsMax: number;
  readonly facetsPerNodeMax: number;
}

const tagsMax = 128;
/** Connections around a proxy remembered per port; more are one more, not another number. */
const aroundMax = 1_000;

export class Facets {
  readonly #limits: FacetLimits;
  readonly #nodes: Nodes;
  readonly #overflowed: (tooManyOfId: number) => void;
  readonly #edges = new EdgeIndex();
  readonly #bySrc = new Map<number, FewSet<Edge>>();
  readonly #byDst = new Map<number, FewSet<Edge>>();
  readonly #facetsBySrc = new Map<number, number>();
  /** What rules and rows do not know yet. */
  readonly touches = new EdgeTouches();
  /** Facets that ended: rules must hear of it. */
  #gone: Facet[] = [];
  readonly #columnNumbers = new NumberRows(columnWidth);
  /** A few dozen. */
  readonly #columnKinds: ColumnKind[] = [];
  /** What the store and history were told of each facet, by its place. */
  readonly ledger = new FacetLedger();
  /** Facets with traffic that no roll-up holds yet. */
  readonly unrolled = new Unrolled<Facet>();
  readonly #unclaimed = new Map<Column, Unclaimed>();
  /** The first of the spans that can no longer move; only columns of spans have one. */
  readonly #examples = new WeakMap<Column, SpanRef>();
  readonly #toldBy = new ToldBy<Facet>();
  readonly words = new SharedWords();
  /** Told of each row before the ledger has it; null = the facet has ended. */
  onRow: (facet: Facet, row: FacetRow | null) => void = () => {};
  #nextEdgeId = 1;
  #nextFacetId = 1;
  #facets = 0;
  #dropped = 0;

  constructor(limits: FacetLimits, nodes: Nodes, overflowed: (srcId: number) => void) {
    this.#limits = limits;
    this.#nodes = nodes;
    this.#overflowed = overflowed;
  }

  get edgeCount(): number {
    return this.#edges.size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get edges(): Iterable<Edge> {
    return this.#edges;
  }

  from(nodeId: number): Iterable<Edge> {
    return this.#bySrc.get(nodeId) ?? [];
  }

  to(nodeId: number): Iterable<Edge> {
    return this.#byDst.get(nodeId) ?? [];
  }

  /** The facet between two nodes, or null when its source workload or the graph is full. */
  facet(
    srcId: number,
    dstId: number,
    transport: Transport,
    protocol: string,
    port: number,
  ): Facet | null {
    const edge = this.#edges.get(srcId, dstId, transport);
    const known = edge?.facets.find((one) => one.port === port && one.protocol === protocol);
    if (known) return known;
    const ofSource = this.#facetsBySrc.get(srcId) ?? 0;
    if (this.#facets >= this.#limits.facetsMax || ofSource >= this.#limits.facetsPerNodeMax) {
      this.#dropped++;
      if (ofSource >= this.#limits.facetsPerNodeMax) this.#overflowed(srcId);
      return null;
    }
    const under = edge ?? this.#newEdge(this.#nextEdgeId++, srcId, dstId, transport);
    return this.#newFacet(this.#nextFacetId++, under, protocol, port);
  }

  column(facet: Facet, reporter: Reporter, channel: Channel): Column {
    const known = facet.columns.find((one) => one.reporter === reporter && one.channel === channel);
    if (known) return known;
    const column = new Column(this.#kindOf(reporter, channel));
    facet.columns = sortColumns(facet.columns.concat(column));
    this.touches.shape(facet.edge);
    return column;
  }

  /** Where a facet's numbers are now, after merges. */
  live(facet: Facet): Facet {
    let at = facet;
    while (at.movedTo) at = at.movedTo;
    return at;
  }

  /** Adds a placement's numbers, or takes them back. */
  apply(facet: Facet, column: Column, event: EdgeEvent, counted: Contribution, sign: 1 | -1): void {
    const { security } = event;
    const { amounts, firstUs: atUs } = counted;
    addAmounts(column.amounts, amounts, sign);
    countSecurity(column.security, atUs, sign * security[0], sign * security[1]);
    if (event.isBare) {
      countBareLine(column, atUs, sign);
      this.touchTo(facet.edge.dstId);
    }
    if (event.evidence) this.#prove(facet, event.evidence, atUs, sign);
    if (sign > 0) addMovable(column, counted);
    else removeMovable(column, counted);
    this.touch(facet, column);
  }

  #prove(facet: Facet, evidence: () => Evidence, atUs: Us, sign: 1 | -1): void {
    if (sign < 0) this.removeEvidence(facet, evidence().hash);
    else if (this.wantsEvidence(facet, atUs)) this.addEvidence(facet, evidence());
  }

  /** Of a contribution that will not move any more, or as it was stored. */
  keepExample(column: Column, span: SpanRef | null): void {
    const known = this.#examples.get(column) ?? null;
    if (!span || firstSpan(known, span) === known) return;
    // Not the span itself, which holds on to all that it is linked with.
    this.#examples.set(column, { timeUs: span.timeUs, traceId: span.traceId, spanId: span.spanId });
  }

  /** The first of the column's spans that can no longer move; null = there is none. */
  settledExampleOf(column: Column): SpanRef | null {
    return this.#examples.get(column) ?? null;
  }

  /** The first span that went over the column; null = none did. */
  exampleOf(column: Column): SpanRef | null {
    let first = this.settledExampleOf(column);
    for (const { example } of column.movable?.keys() ?? []) first = firstSpan(first, example);
    return first;
  }

  /** A restored column has events that may move again once they are remembered. */
  expectClaims(column: Column, unclaimed: Unclaimed): void {
    this.#unclaimed.set(column, unclaimed);
  }

  /**
   * A contribution of a restored column is a movable one again. When all are, its times are known apart
   * from theirs; until then they count as settled.
   */
  reclaim(column: Column, counted: Contribution): void {
    column.settled = Math.max(0, column.settled - counted.count);
    addMovable(column, counted);
    const unclaimed = this.#unclaimed.get(column);
    if (!unclaimed) return;
    unclaimed.left -= counted.count;
    if (unclaimed.left > 0) return;
    this.#unclaimed.delete(column);
    column.settledFirstUs = unclaimed.firstUs;
    column.settledLastUs = unclaimed.lastUs;
    restretch(column);
  }

  /** What nobody has claimed by now does not move any more. */
  endClaims(): void {
    for (const [column, { example }] of this.#unclaimed) this.keepExample(column, example);
  }

  /** Whether Istio's own metrics of this proxy tell of any edge. */
  hasMetricsOf(proxyKey: string): boolean {
    for (const { columns } of this.toldBy(`source:proxy|${proxyKey}`)) {
      if (columns.some(({ channel }) => channel === "metrics" || channel === "sink")) return true;
    }
    return false;
  }

  /** The facets with this tag, which names a source. */
  toldBy(tag: string): Iterable<Facet> {
    return this.#toldBy.with(tag);
  }

  /** Takes a tag back as it was stored. */
  restoreTag(facet: Facet, tag: string, count: number): void {
    this.#setTag(facet, tag, count);
  }

  tag(facet: Facet, tag: string, by: 1 | -1): void {
    const count = countOf(facet.tags, tag);
    if (count === 0 && sizeOf(facet.tags) >= tagsMax) return;
    this.#setTag(facet, tag, count + by);
    if ((count === 0) !== count + by <= 0) {
      this.touch(facet, null);
      if (tag.startsWith("service:")) this.#touchServices(facet.edge.srcId);
    }
    this.#touchDetail(facet);
  }

  /** Whether evidence of that time could be among the first that are kept. */
  wantsEvidence(facet: Facet, atUs: Us): boolean {
    const last = facet.evidence.at(-1);
    return facet.evidence.length < evidenceMax || !last || atUs <= last.atUs;
  }

  addEvidence(facet: Facet, evidence: Evidence): void {
    const before = facet.evidence;
    facet.evidence = mergeEvidence(before, [evidence]);
    if (facet.evidence !== before) this.#touchDetail(facet);
  }

  removeEvidence(facet: Facet, hash: string): void {
    facet.evidence = facet.evidence.filter((one) => one.hash !== hash);
    this.#touchDetail(facet);
  }

  markAround(edge: Edge, port: number, connection: string, atUs: Us): void {
    edge.around ??= new Map();
    let marks = edge.around.get(port);
    if (!marks) edge.around.set(port, (marks = new Map()));
    if (marks.size < aroundMax || marks.has(connection)) marks.set(connection, atUs);
    this.#touchPort(edge, port);
  }

  unmarkAround(edge: Edge, port: number, connection: string): void {
    edge.around?.get(port)?.delete(connection);
    this.#touchPort(edge, port);
  }

  edge(srcId: number, dstId: number, transport: Transport): Edge | undefined {
    return this.#edges.get(srcId, dstId, transport);
  }

  touch(facet: Facet, column: Column | null): void {
    if (column) column.isDirty = true;
    this.touches.facet(facet);
  }

  /** What a server's counters and lines say of its callers is read together. */
  touchTo(dstId: number): void {
    for (const edge of this.to(dstId)) this.touches.view(edge);
  }

  /** Everything about this node must be told again: its facts changed. */
  touchNode(nodeId: number): void {
    for (const edge of [...this.from(nodeId), ...this.to(nodeId)]) {
      this.touches.view(edge);
      this.#touchKin(edge);
    }
  }

  /** Removes the facet when nothing is in it any more. */
  removeIfEmpty(facet: Facet): boolean {
    if (!facet.columns.every(isEmptyColumn)) return false;
    const edge = facet.edge;
    if ((edge.around?.get(facet.port)?.size ?? 0) > 0) return false;
    this.#touchKin(edge);
    this.#removeFacet(facet);
    this.#gone.push(facet);
    if (edge.facets.length === 0) this.#removeEdge(edge);
    return true;
  }

  /** All edges of `loserId` become `winnerId`'s; facets that become equal merge. */
  mergeNodes(winnerId: number, loserId: number): void {
    const edges = [...this.from(loserId), ...this.to(loserId)];
    for (const edge of edges) {
      if (!this.#edges.get(edge.srcId, edge.dstId, edge.transport)) continue;
      const srcId = edge.srcId === loserId ? winnerId : edge.srcId;
      const dstId = edge.dstId === loserId ? winnerId : edge.dstId;
      for (const facet of edge.facets) this.#moveFacet(facet, srcId, dstId);
      for (const [port, marks] of edge.around ?? []) {
        const target = this.edge(srcId, dstId, edge.transport);
        if (!target) continue;
        for (const [mark, atUs] of marks) this.markAround(target, port, mark, atUs);
      }
      this.#removeEdge(edge);
    }
  }

  takeGone(): Facet[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone;
  }

  /** The facet's row as the store has it from now on; null = the facet has ended. */
  wrote(facet: Facet, row: FacetRow | null): void {
    if (facet.place < 0) return;
    this.onRow(facet, row);
    if (row) return this.ledger.write(facet.place, row);
    this.ledger.give(facet.place);
    facet.place = -1;
  }

  /** The facet's row as the store has it, null = none yet. */
  writtenOf(facet: Facet): FacetWritten | null {
    return facet.place < 0 ? null : this.ledger.written(facet.place);
  }

  restoreEdge(id: number, srcId: number, dstId: number, transport: Transport): Edge {
    this.#nextEdgeId = Math.max(this.#nextEdgeId, id + 1);
    const edge = this.#newEdge(id, srcId, dstId, transport);
    this.touches.restored(edge);
    return edge;
  }

  restoreFacet(id: number, edge: Edge, protocol: string, port: number): Facet {
    this.#nextFacetId = Math.max(this.#nextFacetId, id + 1);
    const facet = this.#newFacet(id, edge, protocol, port);
    this.touches.facetRestored(facet);
    facet.isDetailDirty = false;
    return facet;
  }

  /** Ids of facets that ended are not used again. */
  skipIds(edgeId: number, facetId: number): void {
    this.#nextEdgeId = Math.max(this.#nextEdgeId, edgeId + 1);
    this.#nextFacetId = Math.max(this.#nextFacetId, facetId + 1);
  }

  #kindOf(reporter: Reporter, channel: Channel): ColumnKind {
    const kinds = this.#columnKinds;
    const known = kinds.find((one) => one.reporter === reporter && one.channel === channel);
    if (known) return known;
    const kind = columnKind(reporter, channel, this.#columnNumbers);
    kinds.push(kind);
    return kind;
  }

  #newEdge(id: number, srcId: number, dstId: number, transport: Transport): Edge {
    const edge = new Edge(id, srcId, dstId, transport);
    this.#edges.add(edge);
    addTo(this.#bySrc, srcId, edge);
    addTo(this.#byDst, dstId, edge);
    this.#nodes.use(this.#nodes.get(srcId), 1);
    this.#nodes.use(this.#nodes.get(dstId), 1);
    this.touches.made(edge);
    return edge;
  }

  #newFacet(id: number, edge: Edge, protocol: string, port: number): Facet {
    const facet: Facet = {
      id,
      edge,
      protocol,
      port,
      columns: [],
      tags: noTags,
      evidence: noEvidence,
      emittedAs: "",
      place: this.ledger.take(),
      isDetailDirty: true,
      movedTo: null,
    };
    edge.add(facet);
    this.#facets++;
    this.#facetsBySrc.set(edge.srcId, (this.#facetsBySrc.get(edge.srcId) ?? 0) + 1);
    this.touch(facet, null);
    return facet;
  }

  #moveFacet(facet: Facet, srcId: number, dstId: number): void {
    const { transport } = facet.edge;
    this.#touchKin(facet.edge);
    this.#removeFacet(facet);
    const edge =
      this.edge(srcId, dstId, transport) ??
      this.#newEdge(this.#nextEdgeId++, srcId, dstId, transport);
    const twin = edge.facets.find(
      (one) => one.port === facet.port && one.protocol === facet.protocol,
    );
    const target = twin ?? this.#newFacet(this.#nextFacetId++, edge, facet.protocol, facet.port);
    for (const column of facet.columns) {
      const into = this.column(target, column.reporter, column.channel);
      mergeColumn(into, column);
      this.keepExample(into, this.#examples.get(column) ?? null);
      this.touch(target, into);
    }
    for (const { tag, count } of tagsIn(facet.tags)) {
      this.#setTag(target, tag.text, countOf(target.tags, tag.text) + count);
    }
    target.evidence = mergeEvidence(target.evidence, facet.evidence);
    this.#touchDetail(target);
    this.#touchKin(edge);
    facet.movedTo = target;
    this.#gone.push(facet);
  }

  #removeFacet(facet: Facet): void {
    const { edge } = facet;
    edge.remove(facet);
    for (const { tag } of tagsIn(facet.tags)) this.#toldBy.remove(facet, tag.text);
    for (const column of facet.columns) column.release();
    this.#facets--;
    const left = (this.#facetsBySrc.get(edge.srcId) ?? 1) - 1;
    if (left > 0) this.#facetsBySrc.set(edge.srcId, left);
    else this.#facetsBySrc.delete(edge.srcId);
    this.touches.facet(facet);
  }

  #removeEdge(edge: Edge): void {
    this.#edges.delete(edge);
    this.#bySrc.get(edge.srcId)?.delete(edge);
    this.#byDst.get(edge.dstId)?.delete(edge);
    this.#nodes.use(this.#nodes.get(edge.srcId), -1);
    this.#nodes.use(this.#nodes.get(edge.dstId), -1);
    this.touches.removed(edge);
  }

  #touchPort(edge: Edge, port: number): void {
    for (const facet of edge.facets) {
      if (facet.port !== port) continue;
      this.touch(facet, null);
      facet.isDetailDirty = true;
    }
  }

  /** A facet that has left the graph keeps its tags, but nobody finds it by them. */
  #setTag(facet: Facet, text: string, count: number): void {
    const tag = this.words.tag(text);
    const isKnown = countOf(facet.tags, text) > 0;
    if (isKnown && count <= 0) this.#toldBy.remove(facet, text);
    if (!isKnown && count > 0 && facet.edge.has(facet)) {
      this.#toldBy.add(facet, tag.text);
    }
    facet.tags = withCount(facet.tags, tag, count);
  }

  #touchDetail(facet: Facet): void {
    facet.isDetailDirty = true;
    this.touches.rows(facet.edge);
  }

  /** Other edges whose view hangs on what this one tells: of the same server, of the same caller. */
  #touchKin(edge: Edge): void {
    const { facets, srcId, dstId } = edge;
    const hasPlaintext = facets.some(({ columns }) => columns.some(tellsOfPlaintext));
    if (hasPlaintext) this.touchTo(dstId);
    if (facets.some(({ tags }) => hasSort(tags, "service"))) this.#touchServices(srcId);
  }

  /** Whether a service's row is shadowed hangs on what else its caller calls. */
  #touchServices(srcId: number): void {
    for (const edge of this.from(srcId)) {
      if (this.#nodes.get(edge.dstId).entity.kind === "service") this.touches.view(edge);
    }
  }
}

const noEvidence: readonly Evidence[] = [];

function addTo(map: Map<number, FewSet<Edge>>, key: number, edge: Edge): void {
  let all = map.get(key);
  if (!all) map.set(key, (all = new FewSet()));
  all.add(edge);
}
