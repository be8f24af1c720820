/** Between the graph's tables in memory and the rows of a commit, both ways. Judges nothing. */
import { hexToIp, ipToHex } from "../lib/ip.ts";
import type { Evidence } from "../model/changes.ts";
import { makeEntity, type NodeEntity } from "../model/entities.ts";
import type { Channel, Reporter, Transport } from "../model/observations.ts";
import type {
  FacetColumnRow,
  FacetRow,
  NodeRow,
  PodRow,
  Restored,
  WriteSet,
} from "../model/rows.ts";
import { usPerMs, type Us } from "../model/time.ts";
import { connectionsOf, type Amounts, type Column, type PlaintextMove } from "./columns.ts";
import { viewsOf, type FacetView } from "./edge-view.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import { historyRows } from "./history.ts";
import type { IdentityTables, PodRecord } from "./identity.ts";
import type { Claim } from "./ip-owners.ts";
import type { NodeRecord } from "./nodes.ts";
import { securityOf, type SecurityBuckets } from "./security.ts";

/** Pod objects with more JSON than this are stored without the object. */
const podDetailMax = 32_768;

export function collectGraph(into: WriteSet, identity: IdentityTables, facets: Facets): void {
  const dirty = facets.takeDirty();
  for (const edge of dirty.edges) edgeRow(into, edge);
  for (const edge of dirty.views) facetRows(into, edge, facets, identity);
  for (const facet of dirty.facets) {
    if (!facet.edge.facets.includes(facet)) goneRow(into, facet);
    else for (const column of facet.columns) columnRow(into, facet, column);
  }
  for (const node of identity.nodes.takeDirty()) into.nodes.push(nodeToRow(node));
  into.nodeAliases.push(...identity.nodes.takeNewAliases());
  for (const key of identity.takeFormerKeys()) into.pods.push(formerPodRow(key));
  for (const pod of identity.takeDirtyPods()) podRow(into, pod, identity);
  for (const claim of identity.owners.takeDirty()) ownerRow(into, claim, identity);
}

export function restoreGraph(rows: Restored, identity: IdentityTables, facets: Facets): void {
  for (const row of rows.nodes) identity.nodes.restore(rowToNode(row));
  for (const { alias, nodeId } of rows.nodeAliases) identity.nodes.restoreAlias(alias, nodeId);
  for (const row of rows.pods) {
    const pod = JSON.parse(row.detail) as PodRecord | null; // by `podRow`
    if (pod) identity.restorePod(pod);
  }
  for (const row of rows.ipOwners) {
    const detail = JSON.parse(row.detail) as Omit<Claim, "id" | "cluster" | "ip">; // by `ownerRow`
    const { id, cluster } = row;
    identity.owners.restore({ id, cluster, ip: hexToIp(row.ip), ...detail });
  }
  restoreFacets(rows, facets);
  identity.restoreDone();
}

function restoreFacets(rows: Restored, facets: Facets): void {
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
    for (const [tag, count] of detail.tags) facet.tags.set(tag, count);
    facet.evidence = detail.evidence;
    if (detail.around.length > 0) edge.around.set(row.port, new Set(detail.around));
    facet.recorded = row.shadowed ? null : row;
    facet.written = { ...row, detail: "" };
    byId.set(row.id, facet);
  }
  for (const row of rows.facetColumns) {
    const facet = byId.get(row.facetId);
    if (facet) restoreColumn(row, facet, facets);
  }
}

interface FacetDetail {
  readonly gone: boolean;
  readonly tags: readonly (readonly [string, number])[];
  readonly evidence: readonly Evidence[];
  readonly around: readonly string[];
}

interface ColumnDetail {
  readonly amounts: Amounts;
  readonly buckets: SecurityBuckets;
  /** Contributions that stay, their times, and the number of those that may still move. */
  readonly settled: number;
  readonly settledFirstUs: Us;
  readonly settledLastUs: Us;
  readonly movable: number;
  readonly bareLines: readonly (readonly [number, number])[];
  readonly plaintextMoves: readonly (readonly [number, PlaintextMove])[];
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
function facetRows(into: WriteSet, edge: Edge, facets: Facets, identity: IdentityTables): void {
  for (const view of viewsOf(edge, facets, identity.nodes)) {
    const isNew = facetRow(into, view, view.facet, view.isShadowed);
    if (isNew && !view.isShadowed) historyRows(into, view);
    if (view.parts.length === 1) continue;
    for (const part of view.parts) if (part !== view.facet) facetRow(into, view, part, true);
  }
}

/** True when the row is another one than the store has. */
function facetRow(into: WriteSet, view: FacetView, facet: Facet, shadowed: boolean): boolean {
  const { written } = facet;
  const row = viewToRow(view, facet, shadowed);
  if (!facet.isDetailDirty && written !== null && isSameRow(row, written)) return false;
  into.facets.push({ ...row, detail: facetDetail(facet) });
  facet.written = row;
  facet.isDetailDirty = false;
  return true;
}

/** Without its `detail`. */
function viewToRow(view: FacetView, facet: Facet, shadowed: boolean): FacetRow {
  const { amounts } = view;
  return {
    id: facet.id,
    edgeId: facet.edge.id,
    protocol: facet.protocol,
    port: facet.port,
    security: view.security,
    plaintextShare: view.plaintextShare,
    route: view.route,
    requests: amounts.requests,
    errors: amounts.errors,
    denied: amounts.denied,
    connections: view.connections,
    bytesSent: amounts.bytesSent,
    bytesReceived: amounts.bytesReceived,
    aroundProxy: facet.edge.around.get(facet.port)?.size ?? 0,
    shadowed,
    firstSeenUs: view.firstUs,
    lastSeenUs: view.lastUs,
    detail: "",
  };
}

/** What a row tells of a facet is the same; its identity is. */
function isSameRow(a: FacetRow, b: FacetRow): boolean {
  return (
    a.lastSeenUs === b.lastSeenUs &&
    a.requests === b.requests &&
    a.errors === b.errors &&
    a.denied === b.denied &&
    a.connections === b.connections &&
    a.bytesSent === b.bytesSent &&
    a.bytesReceived === b.bytesReceived &&
    a.aroundProxy === b.aroundProxy &&
    a.firstSeenUs === b.firstSeenUs &&
    a.plaintextShare === b.plaintextShare &&
    a.shadowed === b.shadowed &&
    a.security === b.security &&
    a.route === b.route
  );
}

function facetDetail({ tags, evidence, edge, port }: Facet): string {
  const around = [...(edge.around.get(port) ?? [])];
  const detail: FacetDetail = { gone: false, tags: [...tags], evidence, around };
  return JSON.stringify(detail);
}

/** Nothing is deleted in the middle of history: a facet that moved away stays as an empty one. */
function goneRow(into: WriteSet, facet: Facet): void {
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
    lastSeenUs: 0,
    detail: JSON.stringify(detail),
  });
}

function columnRow(into: WriteSet, facet: Facet, column: Column): void {
  if (!column.isDirty) return;
  column.isDirty = false;
  const { amounts, security: buckets, settled, movable } = column;
  const detail: ColumnDetail = {
    amounts,
    buckets,
    settled,
    settledFirstUs: column.settledFirstUs,
    settledLastUs: column.settledLastUs,
    movable: [...movable.values()].reduce((sum, count) => sum + count, 0),
    bareLines: [...column.bareLines],
    plaintextMoves: [...column.plaintextMoves],
  };
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
    detail: JSON.stringify(detail),
  });
}

function restoreColumn(row: FacetColumnRow, facet: Facet, facets: Facets): void {
  const detail = JSON.parse(row.detail) as ColumnDetail; // by `columnRow`
  const reporter = row.reporter as Reporter; // as above
  const column = facets.column(facet, reporter, row.channel as Channel); // as above
  Object.assign(column.amounts, detail.amounts);
  Object.assign(column.security, detail.buckets);
  column.settled = detail.settled + detail.movable;
  if (detail.movable > 0) {
    const { movable: left, settledFirstUs: firstUs, settledLastUs: lastUs } = detail;
    facets.expectClaims(column, { left, firstUs, lastUs });
  }
  for (const [atUs, count] of detail.bareLines) column.bareLines.set(atUs, count);
  for (const [toUs, move] of detail.plaintextMoves) column.plaintextMoves.set(toUs, move);
  column.firstUs = column.settledFirstUs = row.firstSeenUs;
  column.lastUs = column.settledLastUs = row.lastSeenUs;
}

function nodeToRow(node: NodeRecord): NodeRow {
  const { entity, seenSigns, podSigns, uses } = node;
  return {
    id: node.id,
    key: node.key,
    cluster: entity.cluster,
    namespace: entity.namespace,
    name: entity.name,
    kind: entity.kind,
    mesh: entity.mesh,
    mode: entity.mode,
    external: entity.external,
    address: entity.address,
    resolved: entity.resolved,
    firstSeenUs: node.firstUs,
    lastSeenUs: node.lastUs,
    mergedInto: node.mergedInto || node.retiredInto,
    detail: JSON.stringify({
      entity,
      seenSigns,
      podSigns: [...podSigns],
      isMerged: node.mergedInto > 0,
      uses,
    }),
  };
}

function rowToNode(row: NodeRow): NodeRecord {
  const detail = JSON.parse(row.detail) as {
    entity: NodeEntity;
    seenSigns: number;
    podSigns: [string, number][];
    isMerged: boolean;
  }; // by `nodeToRow`
  return {
    id: row.id,
    key: row.key,
    entity: { ...makeEntity("node"), ...detail.entity },
    firstUs: row.firstSeenUs,
    lastUs: row.lastSeenUs,
    mergedInto: detail.isMerged ? row.mergedInto : 0,
    retiredInto: detail.isMerged ? 0 : row.mergedInto,
    aliases: new Set(),
    uses: 0,
    isDirty: false,
    seenSigns: detail.seenSigns,
    podSigns: new Map(detail.podSigns),
  };
}

function podRow(into: WriteSet, pod: PodRecord, identity: IdentityTables): void {
  const { facts } = pod;
  const whole = JSON.stringify(pod);
  into.pods.push({
    uid: pod.key,
    cluster: facts.cluster,
    namespace: facts.namespace,
    name: facts.name,
    nodeId: identity.nodes.get(facts.nodeId).id,
    firstSeenUs: facts.fromUs,
    lastSeenUs: pod.lastUs,
    detail: whole.length <= podDetailMax ? whole : JSON.stringify({ ...pod, object: null }),
  });
}

/** The row of a pod that is now stored under its UID. */
function formerPodRow(uid: string): PodRow {
  const nothing = {
    cluster: "",
    namespace: "",
    name: "",
    nodeId: 0,
    firstSeenUs: 0,
    lastSeenUs: 0,
  };
  return { uid, ...nothing, detail: "null" };
}

function ownerRow(into: WriteSet, claim: Claim, identity: IdentityTables): void {
  const { id, cluster, ip, ...detail } = claim;
  const pod = identity.podByKey(claim.pod);
  into.ipOwners.push({
    id,
    cluster,
    ip: ipToHex(ip),
    podUid: claim.pod,
    nodeId: pod ? identity.nodes.get(pod.facts.nodeId).id : 0,
    fromUs: claim.startUs || claim.firstUs,
    toUs: claim.endLoUs,
    detail: JSON.stringify(detail),
  });
}
