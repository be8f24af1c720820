/**
 * Metric series about edges: from running totals to what was added, and onto facets. Repeats change
 * nothing, resets are recognised, and points that arrive in disorder within `lateness` give the same as
 * in order, because each series keeps its points of that time.
 */
import { HashIndex } from "../lib/hash-index.ts";
import type { EdgeSamples, EdgeSeries, PeerName } from "../model/observations.ts";
import {
  forget,
  seriesPerPage,
  seriesPerSourceMax,
  type Restored,
  type WriteSet,
} from "../model/rows.ts";
import { usPerMs, type Us } from "../model/time.ts";
import { addSeries, countMove, type Amounts, type Column } from "./columns.ts";
import {
  deltaBetween,
  deltasOf,
  firstDelta,
  isReset,
  Temporality,
  type Delta,
  type Point,
} from "./counter-points.ts";
import { PointLists } from "./point-lists.ts";
import { evidenceHashOf, plaintextEvidence } from "./evidence.ts";
import type { Facet, Facets } from "./facets.ts";
import type { IdentityTables } from "./identity.ts";
import { Sign } from "./nodes.ts";
import type { ProxyScrapes } from "./proxy-scrapes.ts";
import { serviceTag, sourceTag } from "./placements.ts";
import { countSecurity } from "./security.ts";
import { SeriesSlots, type SeriesKind, type Teller } from "./series-slots.ts";
import { SeriesNumbers } from "./series-numbers.ts";
import { decodePage, encodePage, type SeriesPoints } from "./series-pages.ts";

/** More points than this within `lateness` are a scrape every few seconds; older ones become the base. */
const pointsMax = 24;
/** Of a definition that is put together again: nobody looks it up by that. */
const noId = -1;
/** Kinds of series told apart, some hundreds in a mesh; forgetting them costs memory and nothing else. */
const kindsMax = 10_000;

export class SeriesTable {
  readonly #seriesMax: number;
  readonly #overflowed: (nodeId: number) => void;
  readonly #latenessUs: Us;
  readonly #identity: IdentityTables;
  readonly #facets: Facets;
  readonly #scrapes: ProxyScrapes;
  readonly #slots = new SeriesSlots();
  /** Rows by hash, also of earlier processes' series that have not spoken since. */
  readonly #hashes = new HashIndex();
  readonly #numbers = new SeriesNumbers();
  readonly #points: PointLists;
  #size = 0;
  /** By id, whose series there was no room for. */
  readonly #leftOut = new Map<number, number>();
  /** Series of each source that has any. */
  readonly #perSource = new Map<string, number>();
  readonly #kinds = new Map<string, SeriesKind>();
  readonly #newRows: number[] = [];
  /** Ids of rows for which there is no room. */
  #forgotten: number[] = [];
  readonly #dirtyPages = new Set<number>();
  #nextRow = 0;
  #dropped = 0;
  #late = 0;
  #bad = 0;

  constructor(
    seriesMax: number,
    latenessUs: Us,
    identity: IdentityTables,
    facets: Facets,
    scrapes: ProxyScrapes,
    overflowed: (nodeId: number) => void,
  ) {
    this.#seriesMax = seriesMax;
    this.#overflowed = overflowed;
    this.#latenessUs = latenessUs;
    this.#points = new PointLists(latenessUs, pointsMax);
    this.#identity = identity;
    this.#facets = facets;
    this.#scrapes = scrapes;
  }

  get size(): number {
    return this.#size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Points older than `lateness`, or before the oldest point kept. */
  get late(): number {
    return this.#late;
  }

  define(definition: EdgeSeries): void {
    const row = this.#hashes.find(definition.hash);
    if (row >= 0 && this.#slots.has(row)) {
      this.#slots.setRow(definition.id, row);
      return;
    }
    const { key } = definition.source;
    const ofSource = this.#perSource.get(key) ?? 0;
    const isFull = this.#size >= this.#seriesMax;
    if (isFull || ofSource >= seriesPerSourceMax(this.#seriesMax, key)) {
      this.#dropped++;
      this.#scrapes.leftOut(definition);
      if (!isFull) this.#hasTooMany(definition);
      return;
    }
    this.#perSource.set(key, ofSource + 1);
    this.#add(definition, row < 0 ? this.#newRow(definition.hash) : row, row < 0);
    this.#signs(definition);
  }

  apply(samples: EdgeSamples): void {
    for (let index = 0; index < samples.count; index++) {
      const row = this.#slots.rowOf(samples.series[index] ?? -1);
      if (row < 0) this.#missed(samples.series[index] ?? -1);
      if (row < 0) continue;
      if (samples.stale[index]) {
        const { way } = this.#slots.teller(row);
        if (way) this.#scrapes.breaks(way, samples.timeUs[index] ?? 0);
        continue;
      }
      this.#sample(
        row,
        {
          timeUs: samples.timeUs[index] ?? 0,
          startUs: samples.startUs[index] ?? 0,
          value: samples.value[index] ?? 0,
          count: samples.valueCount[index] ?? 0,
        },
        samples.temporality[index] ?? 0,
      );
    }
  }

  #newRow(hash: string): number {
    const row = this.#nextRow++;
    this.#hashes.set(hash, row);
    this.#numbers.reserve(row);
    return row;
  }

  #add(definition: EdgeSeries, row: number, isNew: boolean): void {
    const { id, src, dst, source } = definition;
    const kind = this.#kindOf(definition);
    const way = this.#scrapes.wayOf(definition);
    this.#slots.add(row, src, dst, { kind, source, way });
    this.#slots.setRow(id, row);
    this.#size++;
    if (isNew) this.#newRows.push(row);
  }

  collect(into: WriteSet): void {
    for (const id of this.#forgotten.splice(0)) forget(into, "series", id);
    for (const row of this.#newRows.splice(0)) {
      const facet = this.#slots.facet(row);
      const facetId = facet ? this.#facets.live(facet).id : 0;
      const { kind } = this.#slots.teller(row);
      const firstUs = this.#numbers.firstUs(row);
      into.series.push({
        id: row + 1,
        hash: this.#hashes.hashOf(row),
        facetId,
        detail: JSON.stringify({ measure: kind.measure, firstUs }),
      });
    }
    for (const page of this.#dirtyPages) {
      into.seriesPages.push({ page, values: this.#pageValues(page) });
    }
    this.#dirtyPages.clear();
  }

  restore(rows: Restored): void {
    const pages = new Map(rows.seriesPages.map(({ page, values }) => [page, decodePage(values)]));
    for (const { id, hash, detail } of rows.series) {
      const row = id - 1;
      this.#nextRow = Math.max(this.#nextRow, row + 1);
      if (this.#hashes.size >= this.#seriesMax || this.#hashes.find(hash) >= 0) {
        this.#forgotten.push(id);
        continue;
      }
      this.#hashes.set(hash, row);
      const { firstUs } = JSON.parse(detail) as { firstUs: Us }; // written by `collect`
      this.#numbers.restore(row, firstUs);
      const told = pages.get(Math.floor(row / seriesPerPage))?.[row % seriesPerPage];
      if (!told) continue;
      const hasDropped = this.#points.replace(row, told.points);
      this.#numbers.setContinued(row, told.isContinued || hasDropped);
    }
  }

  counters(): { dropped: number; late: number; bad: number } {
    return { dropped: this.#dropped, late: this.#late, bad: this.#bad };
  }

  #sample(row: number, point: Point, temporality: number): void {
    if (!(point.value >= 0) || !Number.isFinite(point.value) || !(point.timeUs > 0)) {
      this.#bad++;
      return;
    }
    const { kind, way } = this.#slots.teller(row);
    const isDelta = temporality === Temporality.delta;
    this.#numbers.setDelta(row, isDelta);
    const newest = this.#points.newest(row);
    this.#dirtyPages.add(Math.floor(row / seriesPerPage));
    if (newest && point.timeUs <= newest.timeUs) {
      this.#late += this.#insert(row, point, temporality) ? 0 : 1;
      return;
    }
    if (way) this.#scrapes.point(way, row, kind.measure, point, isDelta);
    if (this.#points.push(row, point)) this.#numbers.setContinued(row, true);
    if (newest) {
      const delta = deltaBetween(newest, point, temporality);
      // A counter that stands still changes nothing: most do at most scrapes.
      if (delta.value > 0 || delta.count > 0) this.#count(row, delta, 1);
    } else this.#count(row, firstDelta(point, temporality), 1);
  }

  /** A point in the past: everything between it and its successor is counted anew. */
  #insert(row: number, point: Point, temporality: number): boolean {
    const before = this.#points.all(row);
    const newest = before.at(-1);
    const oldest = before[0];
    if (!newest || !oldest || point.timeUs < newest.timeUs - this.#latenessUs) return false;
    const isContinued = this.#numbers.isContinued(row);
    if (isContinued && point.timeUs < oldest.timeUs) return false;
    const at = before.findIndex((one) => one.timeUs >= point.timeUs);
    const twin = before[at];
    // Two writers, or a repeat: of two values at one time the greater stands, whichever came first.
    const replaced = twin?.timeUs === point.timeUs ? twin : undefined;
    this.#scrapedLate(row, point, replaced);
    if (replaced && replaced.value >= point.value) return true;
    const points = before.toSpliced(at, replaced ? 1 : 0, point);
    for (const delta of deltasOf(before, temporality, isContinued)) this.#count(row, delta, -1);
    // Those that no late one can need go: the oldest kept is at or before the lateness bound.
    if (this.#points.replace(row, points)) this.#numbers.setContinued(row, true);
    const deltas = deltasOf(points, temporality, isContinued);
    // What was before the points that are kept stays: they tell nothing of it.
    if (!isContinued) this.#numbers.setFirst(row, 0);
    if (!isContinued || deltas.some(({ value }) => value > 0)) this.#numbers.setLastChange(row, 0);
    for (const delta of deltas) this.#count(row, delta, 1);
    this.#restretch(row);
    return true;
  }

  #scrapedLate(row: number, point: Point, replaced: Point | undefined): void {
    const { kind, way } = this.#slots.teller(row);
    if (!way) return;
    if (!replaced || replaced.value < point.value) {
      const isDelta = this.#numbers.isDelta(row);
      this.#scrapes.point(way, row, kind.measure, point, isDelta, replaced);
    }
    if (replaced && replaced.value !== point.value) this.#scrapes.differs(way, point.timeUs);
  }

  #count(row: number, delta: Delta, sign: 1 | -1): void {
    const facet = this.#facetOf(row);
    if (!facet) return;
    const { kind } = this.#slots.teller(row);
    const column = this.#columnOf(row, kind, facet);
    if (delta.value > 0) {
      addMeasure(column.amounts, kind, delta, sign);
      this.#countSecurity(row, kind, facet, column, delta, sign);
    }
    const hasMoved = sign > 0 && stretchBySeries(row, this.#numbers, delta, column);
    if (hasMoved || delta.value > 0) this.#facets.touch(facet, column);
  }

  /** After a correction a column's times may have to shrink: they are its series' and what it had before. */
  #restretch(row: number): void {
    const facet = this.#slots.facet(row);
    if (!facet) return;
    const column = this.#columnOf(row, this.#slots.teller(row).kind, this.#facets.live(facet));
    const { beforeSeries } = column;
    column.firstUs = beforeSeries.firstUs;
    column.lastUs = beforeSeries.lastUs;
    for (const one of this.#slots.countingOn(column)) {
      const firstUs = this.#numbers.firstUs(one);
      if (column.firstUs === 0 || firstUs < column.firstUs) column.firstUs = firstUs;
      column.lastUs = Math.max(column.lastUs, this.#numbers.lastChangeUs(one));
    }
    column.settledFirstUs = column.firstUs;
    column.settledLastUs = column.lastUs;
  }

  #columnOf(row: number, { reporter, channel }: SeriesKind, facet: Facet): Column {
    const column = this.#facets.column(facet, reporter, channel);
    // The column before has gone with its facet, and nobody asks for the list of its series.
    if (this.#slots.column(row) !== column) {
      this.#slots.setColumn(row, column, addSeries(column, row));
    }
    return column;
  }

  #countSecurity(
    row: number,
    kind: SeriesKind,
    facet: Facet,
    column: Column,
    delta: Delta,
    sign: 1 | -1,
  ): void {
    if (!tellsOfSecurity(kind)) return;
    const isNone = kind.security === "none";
    // A claim may raise plaintext, never take it back.
    if (!isNone && kind.trust === "claimed") return;
    const value = sign * delta.value;
    countSecurity(column.security, delta.timeUs, isNone ? 0 : value, isNone ? value : 0);
    if (!isNone) return;
    if (isUnnamed(this.#slots.src(row))) {
      countMove(column, delta.fromUs, delta.timeUs, value);
      this.#facets.touchTo(facet.edge.dstId);
    }
    if (!this.#facets.wantsEvidence(facet, delta.timeUs)) return;
    if (sign < 0)
      this.#facets.removeEvidence(facet, evidenceHashOf(this.#definitionOf(row), delta));
    else this.#facets.addEvidence(facet, plaintextEvidence(this.#definitionOf(row), delta));
  }

  #facetOf(row: number): Facet | null {
    const known = this.#slots.facet(row);
    if (known) {
      const live = this.#facets.live(known);
      if (live !== known) this.#slots.setFacet(row, live);
      return live;
    }
    const teller = this.#slots.teller(row);
    const { transport, protocol, port } = teller.kind;
    const timeUs = this.#points.newestUs(row);
    const [src, dst] = [this.#slots.src(row), this.#slots.dst(row)];
    const srcNode = this.#identity.nodeOf(src, timeUs);
    const dstNode = this.#identity.nodeOf(dst, timeUs);
    const facet = this.#facets.facet(srcNode.id, dstNode.id, transport, protocol, port);
    if (!facet) return null;
    this.#slots.setFacet(row, facet);
    for (const tag of tagsOf(teller, src, dst)) this.#facets.tag(facet, tag, 1);
    return facet;
  }

  #kindOf(definition: EdgeSeries): SeriesKind {
    const { id: _id, hash: _hash, src: _src, dst: _dst, ...rest } = definition;
    const { source: _source, resource: _resource, ...kind } = rest;
    const key = JSON.stringify(kind);
    const known = this.#kinds.get(key);
    if (known) return known;
    if (this.#kinds.size >= kindsMax) this.#kinds.clear();
    this.#kinds.set(key, kind);
    return kind;
  }

  /** Who had too many series has them still. */
  #missed(id: number): void {
    const nodeId = this.#leftOut.get(id);
    if (nodeId !== undefined) this.#overflowed(nodeId);
  }

  #hasTooMany({ id, reporter, src, dst }: EdgeSeries): void {
    const self = servedBy(reporter, src, dst);
    if (!self || self.workload === "") return;
    const nodeId = this.#identity.nodeOf(self, 0).id;
    this.#leftOut.set(id, nodeId);
    this.#overflowed(nodeId);
  }

  /** A proxy that reports for a workload proves that the workload has one. */
  #signs(definition: EdgeSeries): void {
    const { reporter, src, dst, trust } = definition;
    if (trust === "claimed") return;
    const self = servedBy(reporter, src, dst);
    const isAmbient = reporter === "ztunnel" || reporter === "ztunnel_source";
    if (self && self.workload !== "") {
      const node = this.#identity.nodeOf(self, 0);
      this.#identity.signSeen(node, isAmbient ? Sign.proxy | Sign.ambient : Sign.proxy);
      this.#identity.reported(node, definition.source);
    }
  }

  #definitionOf(row: number): EdgeSeries {
    const { kind, source } = this.#slots.teller(row);
    const [src, dst] = [this.#slots.src(row), this.#slots.dst(row)];
    return { ...kind, id: noId, hash: this.#hashes.hashOf(row), src, dst, source, resource: "" };
  }

  #pageValues(page: number): Uint8Array {
    const series = Array.from({ length: seriesPerPage }, (_, place): SeriesPoints => {
      const row = page * seriesPerPage + place;
      return { points: this.#points.all(row), isContinued: this.#numbers.isContinued(row) };
    });
    return encodePage(series, (place) => this.#isWholeKept(page * seriesPerPage + place));
  }

  /**
   * Whether the earlier points must outlive a restart: a late one would be counted otherwise than now, or
   * change what is shown as evidence. Of a counter that only rises, a late point says nothing new of the
   * sum, so its newest is enough; that is nearly every series, and all of their points would be five times
   * the row.
   */
  #isWholeKept(row: number): boolean {
    const count = this.#points.size(row);
    if (!this.#numbers.isContinued(row)) return count > 0;
    if (!this.#slots.has(row)) return count > 1;
    if (this.#numbers.isDelta(row) || tellsOfPlaintext(this.#slots.teller(row).kind)) return true;
    const all = count > 1 ? this.#points.all(row) : [];
    return all.some((point, index) => index > 0 && isReset(all[index - 1] ?? point, point));
  }
}

/** True when the column's times are others now. */
function stretchBySeries(
  row: number,
  numbers: SeriesNumbers,
  { timeUs, value }: Delta,
  column: Column,
): boolean {
  const { firstUs, lastUs, beforeSeries: before } = column;
  const known = numbers.firstUs(row);
  if (known === 0 || timeUs < known) numbers.setFirst(row, timeUs);
  const changedUs = numbers.lastChangeUs(row);
  const isChange = value > 0 || changedUs === 0;
  if (isChange && timeUs > changedUs) numbers.setLastChange(row, timeUs);
  if (column.firstUs === 0 || numbers.firstUs(row) < column.firstUs) {
    column.firstUs = numbers.firstUs(row);
  }
  if (numbers.lastChangeUs(row) > column.lastUs) column.lastUs = numbers.lastChangeUs(row);
  column.settledFirstUs =
    before.firstUs === 0 ? column.firstUs : Math.min(before.firstUs, column.firstUs);
  column.settledLastUs = Math.max(before.lastUs, column.lastUs);
  return column.firstUs !== firstUs || column.lastUs !== lastUs;
}

/**
 * What is counted once per exchange. ztunnel counts a connection as opened before it asks its policies: of
 * plaintext, which a STRICT policy refuses so, only what ended well has taken place.
 */
function tellsOfSecurity({ measure, reporter, security, isDenied, isError }: SeriesKind): boolean {
  // A client's proxy never says how the connection was secured (telemetry: always "unknown").
  if (reporter === "source" || security === "unknown") return false;
  if (measure === "requests") return true;
  if (reporter !== "ztunnel" || security !== "none") return measure === "connections_opened";
  return measure === "connections_closed" && !isDenied && !isError;
}

function tellsOfPlaintext(kind: SeriesKind): boolean {
  return kind.security === "none" && tellsOfSecurity(kind);
}

/** The end whose own proxy reports; a waypoint is nobody's. */
function servedBy(reporter: EdgeSeries["reporter"], src: PeerName, dst: PeerName): PeerName | null {
  if (reporter === "source" || reporter === "ztunnel_source") return src;
  return reporter === "destination" || reporter === "ztunnel" ? dst : null;
}

/** A row whose source the server's proxy could not name. */
function isUnnamed(peer: PeerName): boolean {
  return peer.workload === "" && peer.principal === "" && peer.address === "" && peer.pod === "";
}

function addMeasure(amounts: Amounts, kind: SeriesKind, delta: Delta, sign: 1 | -1): void {
  const value = sign * delta.value;
  switch (kind.measure) {
    case "requests":
      amounts.requests += value;
      break;
    case "connections_opened":
      amounts.opened += value;
      break;
    case "connections_closed":
      amounts.closed += value;
      break;
    case "bytes_sent":
      amounts.bytesSent += value;
      return;
    case "bytes_received":
      amounts.bytesReceived += value;
      return;
    case "latency_ms":
      amounts.latencySumUs += Math.round(value * usPerMs);
      amounts.latencyCount += sign * delta.count;
      return;
    case "messages":
      return;
  }
  if (kind.isError) amounts.errors += value;
  if (kind.isDenied) amounts.denied += value;
}

function tagsOf({ kind, source }: Teller, src: PeerName, dst: PeerName): string[] {
  const { route, responseFlags } = kind;
  const tags = [sourceTag(source)];
  if (route !== "unknown") tags.push(`route:${route}`);
  if (responseFlags !== "") tags.push(`flag:${responseFlags}`);
  if (src.principal !== "") tags.push(`src_principal:${src.principal}`);
  if (dst.principal !== "") tags.push(`dst_principal:${dst.principal}`);
  if (dst.workload !== "" && dst.service !== "") {
    tags.push(serviceTag(dst.serviceNamespace || dst.namespace, dst.service));
  }
  return tags;
}
