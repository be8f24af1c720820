/**
 * Edges, facets and columns as rows of a commit, both ways. Under load a commit holds most facets, so what
 * moves all the time is in plain columns, and `detail` goes along only when it is another one.
 */
import type { Evidence } from "../model/changes.ts";
import type { Channel, Reporter, Transport } from "../model/observations.ts";
import type { FacetColumnRow, FacetRow, Restored, WriteSet } from "../model/rows.ts";
import { usPerMs, type Us } from "../model/time.ts";
import { connectionsOf, type Column, type PlaintextMove, type SpanRef } from "./columns.ts";
import { viewsOf } from "./edge-view.ts";
import type { FacetView } from "./facet-view.ts";
import type { FacetLedger, FacetWritten, Traffic } from "./facet-ledger.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import { eventRows, isOtherBucket, isSameTraffic, rollupRows } from "./history.ts";
import type { Nodes } from "./nodes.ts";
import { securityOf } from "./security.ts";
import { pairsOf } from "./tag-counts.ts";
import { isRollDue } from "./unrolled.ts";

interface FacetDetail {
  readonly gone: boolean;
  readonly tags: readonly (readonly [string, number])[];
  readonly evidence: readonly Evidence[];
  readonly around: readonly (readonly [connection: string, atUs: number])[];
  /** The totals that its roll-ups hold; left out while history knows nothing of it. */
  readonly rolled?: Traffic;
}

/** What a column's row does not say itself. Positions instead of names: it is written at each change. */
type ColumnDetail = [
  opened: number,
  closed: number,
  latencySumUs: number,
  newest: number,
  tls: number,
  tlsBefore: number,
  none: number,
  noneBefore: number,
  /** Contributions that stay, their times, and the number of those that may still move. */
  settled: number,
  settledFirstUs: Us,
  settledLastUs: Us,
  movable: number,
  bareLines: readonly (readonly [Us, number])[],
  plaintextMoves: readonly (readonly [Us, PlaintextMove])[],
  /** Absent where no span went; the settled one absent where none has settled. */
  example?: SpanRef,
  settledExample?: SpanRef,
];

/** A row that is being made: its `detail` goes into it last, where it goes along. */
type NewRow = { -readonly [Field in keyof FacetRow]: FacetRow[Field] };

/** Everything about edges that is another one than the store has. */
export function collectFacets(into: WriteSet, facets: Facets, nodes: Nodes): void {
  const dirty = facets.touches.takeForRows();
  const waiting = dirty.rows.length + facets.unrolled.size;
  for (const edge of dirty.edges) edgeRow(into, edge);
  for (const [edge, views] of dirty.rows) {
    facetRows(into, views ?? viewsOf(edge, facets, nodes), facets, waiting);
  }
  for (const facet of dirty.facets) {
    if (!facet.edge.has(facet)) goneRow(into, facet, facets);
    else for (const column of facet.columns) columnRow(into, facet, column, facets);
  }
  rollQuiet(into, facets, waiting);
}

/** Takes edges, facets and columns back as they were written. */
export function restoreFacets(rows: Restored, facets: Facets): void {
  const storedEdges = new Map(rows.edges.map((row) => [row.id, row]));
  const edges = new Map<number, Edge>();
  const byId = new Map<number, Facet>();
  for (const row of rows.facets) {
    facets.skipIds(row.edgeId, row.id);
    const detail = JSON.parse(row.detail) as FacetDetail; // by `facetRow`
    const stored = storedEdges.get(row.edgeId);
    if (detail.gone || !stored) continue;
    let edge = edges.get(row.edgeId);
    if (!edge) {
      const transport = stored.transport as Transport; // by `edgeRow`
      edge = facets.restoreEdge(stored.id, stored.srcId, stored.dstId, transport);
      edges.set(row.edgeId, edge);
    }
    const facet = facets.restoreFacet(row.id, edge, row.protocol, row.port);
    for (const [tag, count] of detail.tags) facets.restoreTag(facet, tag, count);
    facet.evidence = detail.evidence;
    if (detail.around.length > 0) (edge.around ??= new Map()).set(row.port, new Map(detail.around));
    facets.ledger.write(facet.place, row);
    restoreHistory(row, facet, detail, facets);
    byId.set(row.id, facet);
  }
  for (const row of rows.facetColumns) {
    const facet = byId.get(row.facetId);
    if (facet) restoreColumn(row, facet, facets);
  }
}

function restoreHistory(row: FacetRow, facet: Facet, detail: FacetDetail, facets: Facets): void {
  if (row.shadowed) return;
  const { security, aroundProxy, lastSeenUs: rolledUs } = row;
  const rolled = detail.rolled ?? row;
  facets.ledger.record(facet.place, { security, aroundProxy, rolled, rolledUs });
  if (!isSameTraffic(rolled, row)) facets.unrolled.add(facet);
}

function edgeRow(into: WriteSet, edge: Edge): void {
  const { id, srcId, dstId, transport } = edge;
  const firsts = edge.facets.flatMap((facet) => facet.columns.map((column) => column.firstUs));
  const lasts = edge.facets.flatMap((facet) => facet.columns.map((column) => column.lastUs));
  const firstSeenUs = firsts.length === 0 ? 0 : Math.min(...firsts);
  into.edges.push({ id, srcId, dstId, transport, firstSeenUs, lastSeenUs: Math.max(0, ...lasts) });
}

/**
 * The facets of an edge whose rows are others than what was written: folding, and what other edges tell
 * of the same ends, may have changed the view of any of them.
 */
function facetRows(
  into: WriteSet,
  views: readonly FacetView[],
  facets: Facets,
  waiting: number,
): void {
  for (const view of views) {
    for (const facet of view.parts) {
      const isShadowed = view.isShadowed || facet !== view.facet;
      const row = viewToRow(view, facet, isShadowed);
      if (!facet.isDetailDirty && facets.ledger.isWrittenAs(facet.place, row)) continue;
      if (isShadowed) facets.unrolled.delete(facet);
      else {
        eventRows(into, view, facets.ledger);
        roll(into, facet, row, facets, waiting);
      }
      writeFacet(into, facet, row, facets);
    }
  }
}

/** Traffic so far goes to its own bucket when another begins; the rest follows when the facet is due. */
function roll(into: WriteSet, facet: Facet, row: FacetRow, facets: Facets, waiting: number): void {
  const { ledger, unrolled } = facets;
  const isTurn = isOtherBucket(ledger.lastSeenUs(facet.place), row.lastSeenUs);
  const written = isTurn && unrolled.has(facet) ? ledger.written(facet.place) : null;
  if (written) rollupRows(into, facet, written, ledger);
  facets.unrolled.add(facet);
  if (!isRollDue(facet.id, ledger.rolledUs(facet.place), waiting, into.atUs)) return;
  rollupRows(into, facet, row, ledger);
  facets.unrolled.delete(facet);
}

/** Facets that have fallen quiet since their traffic was counted. */
function rollQuiet(into: WriteSet, facets: Facets, waiting: number): void {
  const { ledger, unrolled } = facets;
  for (const facet of unrolled.takeDue(ledger, waiting, into.atUs)) {
    const written = ledger.written(facet.place);
    if (!written) continue;
    rollupRows(into, facet, written, ledger);
    if (facet.isDetailDirty) writeFacet(into, facet, rowOf(facet, written), facets);
  }
}

function writeFacet(into: WriteSet, facet: Facet, row: NewRow, facets: Facets): void {
  if (facet.isDetailDirty) row.detail = facetDetail(facet, facets.ledger);
  into.facets.push(row);
  facets.wrote(facet, row);
  facet.isDetailDirty = false;
}

/** Without its `detail`. */
function viewToRow(view: FacetView, facet: Facet, shadowed: boolean): NewRow {
  const { amounts } = view;
  const { id, edge, protocol, port } = facet;
  return {
    id,
    edgeId: edge.id,
    protocol,
    port,
    security: view.security,
    plaintextShare: view.plaintextShare,
    route: view.route,
    requests: amounts.requests,
    errors: amounts.errors,
    denied: amounts.denied,
    connections: view.connections,
    bytesSent: amounts.bytesSent,
    bytesReceived: amounts.bytesReceived,
    aroundProxy: edge.around?.get(port)?.size ?? 0,
    shadowed,
    firstSeenUs: view.firstUs,
    lastSeenUs: view.lastUs,
    detail: "",
  };
}

function rowOf({ id, edge, protocol, port }: Facet, written: FacetWritten): NewRow {
  return { id, edgeId: edge.id, protocol, port, ...written, detail: "" };
}

function facetDetail({ tags, evidence, edge, port, place }: Facet, ledger: FacetLedger): string {
  const recorded = ledger.recorded(place);
  const around = [...(edge.around?.get(port) ?? [])];
  const detail: FacetDetail = {
    gone: false,
    tags: pairsOf(tags),
    evidence,
    around,
    ...(recorded && { rolled: recorded.rolled }),
  };
  return JSON.stringify(detail);
}

/** Nothing is deleted in the middle of history: a facet that moved away stays as an empty one. */
function goneRow(into: WriteSet, facet: Facet, facets: Facets): void {
  facets.unrolled.delete(facet);
  facets.wrote(facet, null);
  const detail: Partial<FacetDetail> = { gone: true };
  into.facets.push({
    id: facet.id,
    edgeId: facet.edge.id,
    protocol: facet.protocol,
    port: facet.port,
    security: "unknown",
    plaintextShare: 0,
    route: "unknown",
    requests: 0,
    errors: 0,
    denied: 0,
    connections: 0,
    bytesSent: 0,
    bytesReceived: 0,
    aroundProxy: 0,
    shadowed: true,
    firstSeenUs: 0,
    // When it went: the store forgets it with its history.
    lastSeenUs: into.atUs,
    detail: JSON.stringify(detail),
  });
}

function columnRow(into: WriteSet, facet: Facet, column: Column, facets: Facets): void {
  if (!column.isDirty) return;
  column.isDirty = false;
  const { amounts, security: buckets } = column;
  into.facetColumns.push({
    facetId: facet.id,
    reporter: column.reporter,
    channel: column.channel,
    requests: amounts.requests,
    errors: amounts.errors,
    denied: amounts.denied,
    connections: connectionsOf(amounts),
    bytesSent: amounts.bytesSent,
    bytesReceived: amounts.bytesReceived,
    latencySumMs: amounts.latencySumUs / usPerMs,
    latencyCount: amounts.latencyCount,
    security: securityOf(buckets).security,
    firstSeenUs: column.firstUs,
    lastSeenUs: column.lastUs,
    detail: columnDetail(column, [facets.exampleOf(column), facets.settledExampleOf(column)]),
  });
}

function columnDetail(column: Column, spans: readonly (SpanRef | null)[]): string {
  const { amounts, security, movable, bareLines, plaintextMoves } = column;
  let movables = 0;
  for (const count of movable?.values() ?? []) movables += count;
  const detail: ColumnDetail = [
    amounts.opened,
    amounts.closed,
    amounts.latencySumUs,
    security.newest,
    security.tls,
    security.tlsBefore,
    security.none,
    security.noneBefore,
    column.settled,
    column.settledFirstUs,
    column.settledLastUs,
    movables,
    bareLines ? [...bareLines] : [],
    plaintextMoves ? [...plaintextMoves] : [],
  ];
  for (const span of spans) if (span) detail.push(spanRef(span));
  return JSON.stringify(detail);
}

/** Of a half nothing else is needed. */
function spanRef({ timeUs, traceId, spanId }: SpanRef): SpanRef {
  return { timeUs, traceId, spanId };
}

function restoreColumn(row: FacetColumnRow, facet: Facet, facets: Facets): void {
  const detail = JSON.parse(row.detail) as ColumnDetail; // by `columnDetail`
  const reporter = row.reporter as Reporter; // by `columnRow`
  const column = facets.column(facet, reporter, row.channel as Channel); // as above
  const { requests, errors, denied, bytesSent, bytesReceived, latencyCount } = row;
  const [opened, closed, latencySumUs, newest, tls, tlsBefore, none, noneBefore, ...rest] = detail;
  const [settled, settledFirstUs, settledLastUs, movable, bareLines, plaintextMoves, ...spans] =
    rest;
  const [example = null, settledExample = null] = spans;
  const counts = { requests, errors, denied, bytesSent, bytesReceived, latencyCount };
  Object.assign(column.amounts, counts, { opened, closed, latencySumUs });
  Object.assign(column.security, { newest, tls, tlsBefore, none, noneBefore });
  column.settled = settled + movable;
  facets.keepExample(column, movable > 0 ? settledExample : example);
  if (movable > 0) {
    const times = { firstUs: settledFirstUs, lastUs: settledLastUs };
    facets.expectClaims(column, { left: movable, example, ...times });
  }
  if (bareLines.length > 0) column.bareLines = new Map(bareLines);
  if (plaintextMoves.length > 0) column.plaintextMoves = new Map(plaintextMoves);
  column.firstUs = column.settledFirstUs = row.firstSeenUs;
  column.lastUs = column.settledLastUs = row.lastSeenUs;
}
