/**
 * Metric series about edges: from running totals to what was added, and onto facets. Repeats change
 * nothing, resets are recognised, and points that arrive in disorder within `lateness` give the same as
 * in order, because each series keeps its points of that time.
 */
import type { EdgeSamples, EdgeSeries, PeerName, SourceRef } from "../model/observations.ts";
import {
  forget,
  seriesPerPage,
  seriesPerSourceMax,
  type Restored,
  type WriteSet,
} from "../model/rows.ts";
import { usPerMs, type Us } from "../model/time.ts";
import { addSeries, countMove, type Amounts, type Column, type TimedSeries } from "./columns.ts";
import {
  deltaBetween,
  deltasOf,
  firstDelta,
  isReset,
  Temporality,
  type Delta,
  type Point,
} from "./counter-points.ts";
import { PointList } from "./point-list.ts";
import { evidenceHashOf, plaintextEvidence } from "./evidence.ts";
import type { Facet, Facets } from "./facets.ts";
import type { IdentityTables } from "./identity.ts";
import { Sign } from "./nodes.ts";
import { serviceTag, sourceTag } from "./placements.ts";
import { countSecurity } from "./security.ts";
import { decodePage, encodePage, type SeriesPoints } from "./series-pages.ts";

/** What many series have in common: one object for all of them. */
type SeriesKind = Omit<EdgeSeries, "id" | "hash" | "src" | "dst" | "source">;

interface Slot extends TimedSeries {
  readonly hash: string;
  readonly kind: SeriesKind;
  readonly src: PeerName;
  readonly dst: PeerName;
  readonly source: SourceRef;
  /** Number in the store, from 0. */
  readonly row: number;
  facet: Facet | null;
  /** The column it counts on, valid while `columnOf` is its facet. */
  column: Column | null;
  columnOf: Facet | null;
  /** Points of the last `lateness` in time order; the newest is last. */
  readonly points: PointList;
  /** The first of `points` has been counted before and is only a base. */
  isContinued: boolean;
  /** Its points are deltas. */
  isDelta: boolean;
  firstUs: Us;
  lastChangeUs: Us;
}

interface KnownSeries extends SeriesPoints {
  readonly row: number;
  readonly firstUs: Us;
}

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
  /** By `EdgeSeries.id`. */
  readonly #slots: (Slot | undefined)[] = [];
  readonly #byHash = new Map<string, Slot>();
  /** By id, whose series there was no room for. */
  readonly #leftOut = new Map<number, number>();
  /** Series of each source that has any. */
  readonly #perSource = new Map<string, number>();
  /** Series of earlier processes that have not spoken since, by hash. */
  readonly #restored = new Map<string, KnownSeries>();
  readonly #rows: (Slot | KnownSeries | undefined)[] = [];
  readonly #kinds = new Map<string, SeriesKind>();
  readonly #newRows: Slot[] = [];
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
    overflowed: (nodeId: number) => void,
  ) {
    this.#seriesMax = seriesMax;
    this.#overflowed = overflowed;
    this.#latenessUs = latenessUs;
    this.#identity = identity;
    this.#facets = facets;
  }

  get size(): number {
    return this.#byHash.size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Points older than `lateness`, or before the oldest point kept. */
  get late(): number {
    return this.#late;
  }

  define(definition: EdgeSeries): void {
    const known = this.#byHash.get(definition.hash);
    if (known) {
      this.#slots[definition.id] = known;
      return;
    }
    const { key } = definition.source;
    const ofSource = this.#perSource.get(key) ?? 0;
    const isFull = this.#byHash.size >= this.#seriesMax;
    if (isFull || ofSource >= seriesPerSourceMax(this.#seriesMax, key)) {
      this.#dropped++;
      if (!isFull) this.#hasTooMany(definition);
      return;
    }
    this.#perSource.set(key, ofSource + 1);
    const earlier = this.#restored.get(definition.hash);
    this.#restored.delete(definition.hash);
    const slot: Slot = {
      hash: definition.hash,
      kind: this.#kindOf(definition),
      src: definition.src,
      dst: definition.dst,
      source: definition.source,
      row: earlier?.row ?? this.#nextRow++,
      facet: null,
      column: null,
      columnOf: null,
      points: earlier?.points ?? new PointList([]),
      isContinued: earlier?.isContinued ?? false,
      isDelta: false,
      firstUs: earlier?.firstUs ?? 0,
      lastChangeUs: earlier?.firstUs ?? 0,
    };
    this.#slots[definition.id] = slot;
    this.#byHash.set(definition.hash, slot);
    this.#rows[slot.row] = slot;
    if (!earlier) this.#newRows.push(slot);
    this.#signs(definition);
  }

  apply(samples: EdgeSamples): void {
    for (let index = 0; index < samples.count; index++) {
      const slot = this.#slots[samples.series[index] ?? -1];
      if (!slot) this.#missed(samples.series[index] ?? -1);
      if (!slot || samples.stale[index]) continue;
      this.#sample(
        slot,
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

  collect(into: WriteSet): void {
    for (const id of this.#forgotten.splice(0)) forget(into, "series", id);
    for (const slot of this.#newRows.splice(0)) {
      const facetId = slot.facet ? this.#facets.live(slot.facet).id : 0;
      const { hash, kind, row, firstUs } = slot;
      into.series.push({
        id: row + 1,
        hash,
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
      if (this.#restored.size >= this.#seriesMax) {
        this.#forgotten.push(id);
        continue;
      }
      const told = pages.get(Math.floor(row / seriesPerPage))?.[row % seriesPerPage];
      const { points, isContinued } = told ?? { points: new PointList([]), isContinued: false };
      const { firstUs } = JSON.parse(detail) as { firstUs: Us }; // written by `collect`
      const known = { row, points, isContinued, firstUs };
      this.#restored.set(hash, known);
      this.#rows[row] = known;
    }
  }

  counters(): { dropped: number; late: number; bad: number } {
    return { dropped: this.#dropped, late: this.#late, bad: this.#bad };
  }

  #sample(slot: Slot, point: Point, temporality: number): void {
    if (!(point.value >= 0) || !Number.isFinite(point.value) || !(point.timeUs > 0)) {
      this.#bad++;
      return;
    }
    slot.isDelta = temporality === Temporality.delta;
    const { newest } = slot.points;
    this.#dirtyPages.add(Math.floor(slot.row / seriesPerPage));
    if (newest && point.timeUs <= newest.timeUs) {
      this.#late += this.#insert(slot, point, temporality) ? 0 : 1;
      return;
    }
    if (slot.points.push(point, this.#latenessUs, pointsMax)) slot.isContinued = true;
    if (newest) {
      const delta = deltaBetween(newest, point, temporality);
      // A counter that stands still changes nothing: most do at most scrapes.
      if (delta.value > 0 || delta.count > 0) this.#add(slot, delta, 1);
    } else this.#add(slot, firstDelta(point, temporality), 1);
  }

  /** A point in the past: everything between it and its successor is counted anew. */
  #insert(slot: Slot, point: Point, temporality: number): boolean {
    const before = slot.points.all();
    const newest = before.at(-1);
    const oldest = before[0];
    if (!newest || !oldest || point.timeUs < newest.timeUs - this.#latenessUs) return false;
    if (slot.isContinued && point.timeUs < oldest.timeUs) return false;
    const at = before.findIndex((one) => one.timeUs >= point.timeUs);
    const twin = before[at];
    // Two writers, or a repeat: of two values at one time the greater stands, whichever came first.
    if (twin?.timeUs === point.timeUs && twin.value >= point.value) return true;
    const points = before.toSpliced(at, twin?.timeUs === point.timeUs ? 1 : 0, point);
    const { isContinued } = slot;
    for (const delta of deltasOf(before, temporality, isContinued)) this.#add(slot, delta, -1);
    // Those that no late one can need go: the oldest kept is at or before the lateness bound.
    if (slot.points.replace(points, this.#latenessUs, pointsMax)) slot.isContinued = true;
    const deltas = deltasOf(points, temporality, isContinued);
    // What was before the points that are kept stays: they tell nothing of it.
    if (!isContinued) slot.firstUs = 0;
    if (!isContinued || deltas.some(({ value }) => value > 0)) slot.lastChangeUs = 0;
    for (const delta of deltas) this.#add(slot, delta, 1);
    this.#restretch(slot);
    return true;
  }

  #add(slot: Slot, delta: Delta, sign: 1 | -1): void {
    const facet = this.#facetOf(slot);
    if (!facet) return;
    const column = this.#columnOf(slot, facet);
    if (delta.value > 0) {
      addMeasure(column.amounts, slot.kind, delta, sign);
      this.#countSecurity(slot, facet, column, delta, sign);
    }
    const hasMoved = sign > 0 && stretchBySeries(slot, delta, column);
    if (hasMoved || delta.value > 0) this.#facets.touch(facet, column);
  }

  /** After a correction a column's times may have to shrink: they are its series' and what it had before. */
  #restretch(slot: Slot): void {
    if (!slot.facet) return;
    const column = this.#columnOf(slot, this.#facets.live(slot.facet));
    const { beforeSeries } = column;
    column.firstUs = beforeSeries.firstUs;
    column.lastUs = beforeSeries.lastUs;
    for (const one of column.series) {
      if (column.firstUs === 0 || one.firstUs < column.firstUs) column.firstUs = one.firstUs;
      column.lastUs = Math.max(column.lastUs, one.lastChangeUs);
    }
    column.settledFirstUs = column.firstUs;
    column.settledLastUs = column.lastUs;
  }

  /** The column that a series counts on; remembered, since most samples need nothing else. */
  #columnOf(slot: Slot, facet: Facet): Column {
    if (slot.column && slot.columnOf === facet) return slot.column;
    const { reporter, channel } = slot.kind;
    const column = this.#facets.column(facet, reporter, channel);
    addSeries(column, slot);
    slot.column = column;
    slot.columnOf = facet;
    return column;
  }

  #countSecurity(slot: Slot, facet: Facet, column: Column, delta: Delta, sign: 1 | -1): void {
    const { kind } = slot;
    if (!tellsOfSecurity(kind)) return;
    const isNone = kind.security === "none";
    // A claim may raise plaintext, never take it back.
    if (!isNone && kind.trust === "claimed") return;
    const value = sign * delta.value;
    countSecurity(column.security, delta.timeUs, isNone ? 0 : value, isNone ? value : 0);
    if (!isNone) return;
    if (isUnnamed(slot.src)) {
      countMove(column, delta.fromUs, delta.timeUs, value);
      this.#facets.touchTo(facet.edge.dstId);
    }
    if (!this.#facets.wantsEvidence(facet, delta.timeUs)) return;
    if (sign < 0) this.#facets.removeEvidence(facet, evidenceHashOf(definitionOf(slot), delta));
    else this.#facets.addEvidence(facet, plaintextEvidence(definitionOf(slot), delta));
  }

  #facetOf(slot: Slot): Facet | null {
    if (slot.facet) {
      slot.facet = this.#facets.live(slot.facet);
      return slot.facet;
    }
    const { src, dst, kind } = slot;
    const { transport, protocol, port } = kind;
    const timeUs = slot.points.newestUs;
    const srcNode = this.#identity.nodeOf(src, timeUs);
    const dstNode = this.#identity.nodeOf(dst, timeUs);
    slot.facet = this.#facets.facet(srcNode.id, dstNode.id, transport, protocol, port);
    if (slot.facet) for (const tag of tagsOf(slot)) this.#facets.tag(slot.facet, tag, 1);
    return slot.facet;
  }

  #kindOf(definition: EdgeSeries): SeriesKind {
    const { id: _id, hash: _hash, src: _src, dst: _dst, source: _source, ...kind } = definition;
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

  #pageValues(page: number): Uint8Array {
    const fromRow = page * seriesPerPage;
    return encodePage(this.#rows.slice(fromRow, fromRow + seriesPerPage), isWholeKept);
  }
}

function definitionOf({ hash, kind, src, dst, source }: Slot): EdgeSeries {
  return { ...kind, id: noId, hash, src, dst, source };
}

/** True when the column's times are others now. */
function stretchBySeries(slot: Slot, delta: Delta, column: Column): boolean {
  const { firstUs, lastUs, beforeSeries: before } = column;
  if (slot.firstUs === 0 || delta.timeUs < slot.firstUs) slot.firstUs = delta.timeUs;
  const isChange = delta.value > 0 || slot.lastChangeUs === 0;
  if (isChange && delta.timeUs > slot.lastChangeUs) slot.lastChangeUs = delta.timeUs;
  if (column.firstUs === 0 || slot.firstUs < column.firstUs) column.firstUs = slot.firstUs;
  if (slot.lastChangeUs > column.lastUs) column.lastUs = slot.lastChangeUs;
  column.settledFirstUs =
    before.firstUs === 0 ? column.firstUs : Math.min(before.firstUs, column.firstUs);
  column.settledLastUs = Math.max(before.lastUs, column.lastUs);
  return column.firstUs !== firstUs || column.lastUs !== lastUs;
}

/**
 * Whose earlier points must outlive a restart: a late one would be counted otherwise than now, or change
 * what is shown as evidence. Of a counter that only rises, a late point says nothing new of the sum, so
 * its newest is enough; that is nearly every series, and all of their points would be five times the row.
 */
function isWholeKept(series: SeriesPoints | Slot): boolean {
  const { points, isContinued } = series;
  if (!isContinued) return points.size > 0;
  if (!("kind" in series)) return points.size > 1;
  if (series.isDelta || tellsOfPlaintext(series.kind)) return true;
  const all = points.size > 1 ? points.all() : [];
  return all.some((point, index) => index > 0 && isReset(all[index - 1] ?? point, point));
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
  }
  if (kind.isError) amounts.errors += value;
  if (kind.isDenied) amounts.denied += value;
}

function tagsOf({ kind, src, dst, source }: Slot): string[] {
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
