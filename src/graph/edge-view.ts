/**
 * A facet as rules and readers see it: port-less rows folded into the one facet they can belong to, rows
 * that name only a service shadowed by the workload rows behind it, and one merged view of the columns.
 * Pure functions of the tables, so that the order in which they were filled does not show.
 */
import { makeEntity, type EdgeEntity, type NodeEntity } from "../model/entities.ts";
import { mergeEvidence, type Evidence, type Observer } from "../model/changes.ts";
import type { Us } from "../model/time.ts";
import { columnKind } from "./column-numbers.ts";
import {
  Column,
  connectionsOf,
  leadingColumn,
  makeAmounts,
  mergeNumbers,
  securityOfColumns,
  sortColumns,
} from "./columns.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";
import { isExplained, securityOfLines } from "./plaintext-lines.ts";
import { bucketUs } from "./security.ts";
import type { SharedWords } from "./shared-words.ts";
import { countOf, tagsIn } from "./tag-counts.ts";
import type { FacetView, FacetWords } from "./facet-view.ts";
import type { Tag } from "./tags.ts";

/** Told to the rules as whose silence would make an edge unknown; more add nothing. */
const observersMax = 16;
const routes = ["passthrough", "blackhole", "inbound_passthrough", "declared"] as const;
const routeTags = routes.map((route) => `route:${route}`);

/** The facets of an edge that stand for themselves. */
export function viewsOf(edge: Edge, facets: Facets, nodes: Nodes): FacetView[] {
  const isShadowed = isShadowedEdge(edge, facets, nodes) || isExplained(edge, facets, nodes);
  return foldsOf(edge.facets).map(([facet, parts]) => {
    const view = viewOf(facet, parts, isShadowed, facets);
    if (view.security !== "unknown" && view.security !== "mutual_tls") return view;
    const byLines = securityOfLines(edge, view.columns, facets, nodes);
    if (byLines.security === "unknown") return view;
    return { ...view, ...byLines, evidence: mergeEvidence(view.evidence, byLines.evidence) };
  });
}

/** Each facet that stands for itself with those folded into it. */
function foldsOf(facets: readonly Facet[]): (readonly [Facet, readonly Facet[]])[] {
  if (facets.length === 1) return facets.map((facet) => [facet, facets]);
  const targets = new Map<Facet, Facet[]>();
  for (const facet of facets) {
    const target = foldTarget(facet, facets);
    const parts = targets.get(target);
    if (parts) parts.push(facet);
    else targets.set(target, [facet]);
  }
  return [...targets];
}

/** The only facet that knows port and protocol and contradicts neither; else the facet itself. */
function foldTarget(facet: Facet, all: readonly Facet[]): Facet {
  if (facet.port !== 0 && facet.protocol !== "") return facet;
  const compatible = all.filter(
    (one) =>
      one !== facet &&
      one.port !== 0 &&
      one.protocol !== "" &&
      (facet.port === 0 || facet.port === one.port) &&
      (facet.protocol === "" || facet.protocol === one.protocol),
  );
  const [only] = compatible;
  return compatible.length === 1 && only ? only : facet;
}

/** A service's row says nothing new when its caller has rows of the workloads behind that service. */
function isShadowedEdge(edge: Edge, facets: Facets, nodes: Nodes): boolean {
  const { kind, namespace, name } = nodes.get(edge.dstId).entity;
  if (kind !== "service") return false;
  const tag = `service:${namespace}/${name}`;
  for (const other of facets.from(edge.srcId)) {
    if (other === edge || nodes.get(other.dstId).entity.kind === "service") continue;
    if (other.facets.some((facet) => countOf(facet.tags, tag) > 0)) return true;
  }
  return false;
}

function viewOf(
  facet: Facet,
  parts: readonly Facet[],
  isShadowed: boolean,
  facets: Facets,
): FacetView {
  const words = wordsOf(facet, parts, facets.words);
  const { columns } = words;
  const amounts = leadingColumn(columns)?.amounts ?? makeAmounts();
  const { security, plaintextShare, plaintextFromUs } = securityOfColumns(columns);
  let firstUs = 0;
  let lastUs = 0;
  for (const column of columns) {
    if (column.firstUs > 0 && (firstUs === 0 || column.firstUs < firstUs)) firstUs = column.firstUs;
    if (column.lastUs > lastUs) lastUs = column.lastUs;
  }
  const around = facet.edge.around?.get(facet.port);
  for (const atUs of around?.values() ?? []) {
    if (firstUs === 0 || atUs < firstUs) firstUs = atUs;
    if (atUs > lastUs) lastUs = atUs;
  }
  return {
    facet,
    parts,
    words,
    columns,
    amounts,
    connections: connectionsOf(amounts),
    security,
    plaintextShare,
    plaintextFromUs,
    route: words.route,
    aroundProxy: around?.size ?? 0,
    isShadowed,
    evidence: evidenceOf(facet, parts),
    firstUs,
    lastUs,
  };
}

function evidenceOf(facet: Facet, parts: readonly Facet[]): readonly Evidence[] {
  if (parts.length === 1) return facet.evidence;
  const all = parts.flatMap((part) => part.evidence);
  return mergeEvidence(facet.evidence, all);
}

function wordsOf(facet: Facet, parts: readonly Facet[], shared: SharedWords): FacetWords {
  const columns = parts.length > 1 ? sortColumns(unite(parts)) : facet.columns;
  let sources: readonly Tag[] = none;
  let flags: readonly Tag[] = none;
  let callers: readonly Tag[] = none;
  let servers: readonly Tag[] = none;
  let route = routeTags.length;
  for (const { tags } of parts) {
    for (const { tag } of tagsIn(tags)) {
      if (tag.sort === "source") sources = added(sources, tag);
      else if (tag.sort === "src_principal") callers = added(callers, tag);
      else if (tag.sort === "dst_principal") servers = added(servers, tag);
      else if (tag.sort === "flag") flags = added(flags, tag);
      else if (tag.sort === "route") route = Math.min(route, rankOfRoute(tag));
    }
  }
  return {
    columns,
    reporters: shared.list(unique(columns.map(({ reporter }) => reporterWord(reporter)))),
    channels: shared.list(unique(columns.map((column) => column.channel))),
    route: routes[route] ?? "unknown",
    responseFlags: wordsIn(flags, shared),
    srcPrincipals: wordsIn(callers, shared),
    dstPrincipals: wordsIn(servers, shared),
    observers: observersOf(sources),
  };
}

/** Of a facet that goes several ways, the first of `routes` tells most. */
function rankOfRoute({ text }: Tag): number {
  const rank = routeTags.indexOf(text);
  return rank < 0 ? routeTags.length : rank;
}

function reporterWord(reporter: Column["reporter"]): string {
  return reporter === "ztunnel_source" ? "ztunnel" : reporter;
}

/** Columns of one reporter and channel that folding brought together tell of different traffic. */
function unite(parts: readonly Facet[]): Column[] {
  const united: Column[] = [];
  for (const part of parts) {
    for (const column of part.columns) {
      let into = united.find(
        (one) => one.reporter === column.reporter && one.channel === column.channel,
      );
      if (!into) united.push((into = new Column(columnKind(column.reporter, column.channel))));
      mergeNumbers(into, column);
    }
  }
  return united;
}

/**
 * Stable over restarts and orders of arrival: the keys of both ends, transport, protocol, port. The text
 * under which it was told last where that says the same: joining it anew costs more than a look at it.
 */
export function facetKey(facet: Facet, src: NodeRecord, dst: NodeRecord): string {
  const { edge, protocol, port, emittedAs: told } = facet;
  const srcEnd = src.key.length;
  const dstEnd = srcEnd + 1 + dst.key.length;
  // What follows never changes.
  const rest = edge.transport.length + 1 + protocol.length + 1 + String(port).length;
  const isSame =
    told.length === dstEnd + 1 + rest &&
    told.startsWith(src.key) &&
    told.startsWith(dst.key, srcEnd + 1) &&
    told[srcEnd] === "|";
  // Joined, it is one text; a template is kept as two of them, and this one is kept for each facet.
  return isSame ? told : [src.key, dst.key, edge.transport, protocol, port].join("|");
}

/** Its lists are nobody's to change, and neither are those that edges share. */
const emptyEdge = makeEntity("edge");

export function edgeEntityOf(
  view: FacetView,
  src: NodeEntity,
  dst: NodeEntity,
  nowUs: Us,
): EdgeEntity {
  const { facet, words, amounts } = view;
  const spanUs = view.lastUs - view.firstUs;
  const srcPrincipal = words.srcPrincipals[0] ?? src.principal;
  const dstPrincipal = words.dstPrincipals[0] ?? dst.principal;
  return {
    ...emptyEdge,
    src,
    dst,
    port: facet.port,
    protocol: facet.protocol,
    security: view.security,
    plaintext_share: view.plaintextShare,
    requests: amounts.requests,
    errors: amounts.errors,
    bytes_sent: amounts.bytesSent,
    bytes_received: amounts.bytesReceived,
    connections: view.connections,
    request_rate: spanUs > 0 ? (amounts.requests * 1_000_000) / spanUs : 0,
    error_rate: amounts.requests > 0 ? amounts.errors / amounts.requests : 0,
    reporters: words.reporters,
    channels: words.channels,
    route: view.route,
    response_flags: words.responseFlags,
    denied: amounts.denied,
    src_principal: srcPrincipal,
    dst_principal: dstPrincipal,
    first_seen_age: view.firstUs,
    last_seen_age: view.lastUs,
    via_waypoint: words.reporters.includes("waypoint"),
    stale: nowUs - view.lastUs > 2 * bucketUs,
    src_trust_domain: trustDomainOf(srcPrincipal),
    dst_trust_domain: trustDomainOf(dstPrincipal),
  };
}

/** Who told of the edge. */
function observersOf(sources: readonly Tag[]): Observer[] {
  const observers: Observer[] = [];
  for (const { observer } of inOrder(sources)) {
    if (observer && observers.length < observersMax) observers.push(observer);
  }
  return observers;
}

/** What tags of one sort say, sorted; nearly always it is one word, or none. */
function wordsIn(tags: readonly Tag[], shared: SharedWords): readonly string[] {
  const [only] = tags;
  if (tags.length < 2) return only?.words ?? none;
  return shared.list(unique(tags.flatMap(({ words }) => words)));
}

/** A list of just that length: one that is pushed to has room for a dozen more, and views are made all the time. */
function added(tags: readonly Tag[], tag: Tag): readonly Tag[] {
  return tags.length === 0 ? [tag] : tags.concat(tag);
}

/** By their texts, each once. */
function inOrder(tags: readonly Tag[]): readonly Tag[] {
  const [first, second] = tags;
  if (!first || !second) return tags;
  if (tags.length === 2 && first.text !== second.text) {
    return first.text < second.text ? tags : [second, first];
  }
  const sorted = tags.toSorted((a, b) => (a.text < b.text ? -1 : Number(a.text > b.text)));
  return sorted.filter((tag, at) => tag.text !== sorted[at - 1]?.text);
}

const none: readonly never[] = [];
const spiffe = "spiffe://";

/** "" where the principal is no SPIFFE identity. */
export function trustDomainOf(principal: string): string {
  if (!principal.startsWith(spiffe)) return "";
  const end = principal.indexOf("/", spiffe.length);
  return end < 0 ? "" : principal.slice(spiffe.length, end);
}

/** Sorted where there is more than one. */
function unique(words: readonly string[]): readonly string[] {
  const [first, second] = words;
  if (first === undefined || second === undefined) return words;
  if (words.length > 2) return [...new Set(words)].sort();
  if (first === second) return [first];
  return first < second ? words : [second, first];
}
