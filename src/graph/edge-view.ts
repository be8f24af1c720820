/**
 * A facet as rules and readers see it: port-less rows folded into the one facet they can belong to, rows
 * that name only a service shadowed by the workload rows behind it, and one merged view of the columns.
 * Pure functions of the tables, so that the order in which they were filled does not show.
 */
import { makeEntity, type EdgeEntity, type NodeEntity } from "../model/entities.ts";
import { mergeEvidence, type Evidence, type Observer } from "../model/changes.ts";
import type { Us } from "../model/time.ts";
import {
  Column,
  connectionsOf,
  leadingColumn,
  makeAmounts,
  mergeNumbers,
  securityOfColumns,
  sortColumns,
  type Amounts,
} from "./columns.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";
import { isExplained, securityOfLines } from "./plaintext-lines.ts";
import { bucketUs, type SecurityView } from "./security.ts";
import type { SharedWords } from "./shared-words.ts";
import type { FacetWords } from "./view-words.ts";

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
    if (other.facets.some((facet) => facet.tags.has(tag))) return true;
  }
  return false;
}

function viewOf(
  facet: Facet,
  parts: readonly Facet[],
  isShadowed: boolean,
  facets: Facets,
): FacetView {
  const words = wordsOf(facet, parts, facets);
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

/** Of a facet that stands alone they are remembered: numbers change all the time, words hardly ever. */
function wordsOf(facet: Facet, parts: readonly Facet[], facets: Facets): FacetWords {
  if (parts.length > 1) return readWords(sortColumns(unite(parts)), parts, facets.words);
  const known = facets.viewWords.of(facet);
  if (known) return known;
  const words = readWords(facet.columns, parts, facets.words);
  facets.viewWords.keep(facet, words);
  return words;
}

function readWords(
  columns: readonly Column[],
  parts: readonly Facet[],
  shared: SharedWords,
): FacetWords {
  const tags = tagsOf(parts);
  const tagged = (prefix: string) => wordsAfter(prefix, tags, shared);
  return {
    columns,
    reporters: shared.list(unique(columns.map(({ reporter }) => reporterWord(reporter)))),
    channels: shared.list(unique(columns.map((column) => column.channel))),
    route: routes.find((_, at) => tags.includes(routeTags[at] ?? "")) ?? "unknown",
    responseFlags: tagged("flag:"),
    srcPrincipals: tagged("src_principal:"),
    dstPrincipals: tagged("dst_principal:"),
    observers: observersOf(tags, shared),
  };
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
      if (!into) united.push((into = new Column(column.reporter, column.channel)));
      mergeNumbers(into, column);
    }
  }
  return united;
}

/** Stable over restarts and orders of arrival: the keys of both ends, transport, protocol, port. */
export function facetKey(facet: Facet, src: NodeRecord, dst: NodeRecord): string {
  const { edge, protocol, port } = facet;
  // Joined, it is one text; a template is kept as two of them, and this one is kept for each facet.
  return [src.key, dst.key, edge.transport, protocol, port].join("|");
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
function observersOf(tags: readonly string[], shared: SharedWords): Observer[] {
  const sources = unique(tags.filter((tag) => tag.startsWith("source:")));
  return sources.slice(0, observersMax).map((tag) => shared.observer(tag));
}

function tagsOf(parts: readonly Facet[]): readonly string[] {
  const [only] = parts;
  return parts.length === 1 && only ? only.tags.keys() : parts.flatMap(({ tags }) => tags.keys());
}

/** The words of one sort that the tags hold, sorted; nearly always it is one, or none. */
function wordsAfter(
  prefix: string,
  tags: readonly string[],
  shared: SharedWords,
): readonly string[] {
  const sort = tags.filter((tag) => tag.startsWith(prefix));
  const [only] = sort;
  if (sort.length === 1 && only !== undefined) return shared.listOfTag(only, prefix);
  return shared.list(unique(sort.map((tag) => tag.slice(prefix.length))));
}

const spiffe = "spiffe://";

/** "" where the principal is no SPIFFE identity. */
export function trustDomainOf(principal: string): string {
  if (!principal.startsWith(spiffe)) return "";
  const end = principal.indexOf("/", spiffe.length);
  return end < 0 ? "" : principal.slice(spiffe.length, end);
}

function unique(words: readonly string[]): string[] {
  return words.length < 2 ? [...words] : [...new Set(words)].sort();
}
