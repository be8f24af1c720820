/**
 * A facet as rules and readers see it: port-less rows folded into the one facet they can belong to, rows
 * that name only a service shadowed by the workload rows behind it, and one merged view of the columns.
 * Pure functions of the tables, so that the order in which they were filled does not show.
 */
import { makeEntity, type EdgeEntity, type NodeEntity } from "../model/entities.ts";
import { mergeEvidence, type Evidence, type Observer } from "../model/changes.ts";
import type { SourceKind } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import {
  connectionsOf,
  leadingColumn,
  makeAmounts,
  makeColumn,
  mergeColumn,
  securityOfColumns,
  sortColumns,
  type Amounts,
  type Column,
} from "./columns.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";
import { isExplained, securityOfLines } from "./plaintext-lines.ts";
import { bucketUs, type SecurityView } from "./security.ts";

export interface FacetView extends SecurityView {
  readonly facet: Facet;
  /** The facet and those folded into it. */
  readonly parts: readonly Facet[];
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

/** The facets of an edge that stand for themselves. */
export function viewsOf(edge: Edge, facets: Facets, nodes: Nodes): FacetView[] {
  const targets = new Map<Facet, Facet[]>();
  for (const facet of edge.facets) {
    const target = foldTarget(facet, edge.facets);
    const parts = targets.get(target);
    if (parts) parts.push(facet);
    else targets.set(target, [facet]);
  }
  const isShadowed = isShadowedEdge(edge, facets, nodes) || isExplained(edge, facets, nodes);
  return [...targets].map(([facet, parts]) => {
    const view = viewOf(facet, parts, isShadowed);
    if (view.security !== "unknown" && view.security !== "mutual_tls") return view;
    const byLines = securityOfLines(edge, view.columns, facets, nodes);
    return byLines.security === "unknown" ? view : { ...view, ...byLines };
  });
}

/** Facets that are part of another's view. */
export function isFolded(facet: Facet): boolean {
  return foldTarget(facet, facet.edge.facets) !== facet;
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

function viewOf(facet: Facet, parts: readonly Facet[], isShadowed: boolean): FacetView {
  const columns = sortColumns(parts.length === 1 ? facet.columns : unite(parts));
  const leading = leadingColumn(columns);
  const amounts = leading?.amounts ?? makeAmounts();
  const firsts = columns.map((column) => column.firstUs).filter((us) => us > 0);
  return {
    facet,
    parts,
    columns,
    amounts,
    connections: connectionsOf(amounts),
    ...securityOfColumns(columns),
    route: routes.find((route) => hasTag(parts, `route:${route}`)) ?? "unknown",
    aroundProxy: facet.edge.around.get(facet.port)?.size ?? 0,
    isShadowed,
    evidence: mergeEvidence(
      facet.evidence,
      parts.flatMap((part) => part.evidence),
    ),
    firstUs: firsts.length === 0 ? 0 : Math.min(...firsts),
    lastUs: Math.max(0, ...columns.map((column) => column.lastUs)),
  };
}

/** Columns of one reporter and channel that folding brought together tell of different traffic. */
function unite(parts: readonly Facet[]): Column[] {
  const united: Column[] = [];
  for (const part of parts) {
    for (const column of part.columns) {
      let into = united.find(
        (one) => one.reporter === column.reporter && one.channel === column.channel,
      );
      if (!into) united.push((into = makeColumn(column.reporter, column.channel)));
      mergeColumn(into, column);
    }
  }
  return united;
}

function hasTag(parts: readonly Facet[], tag: string): boolean {
  return parts.some((part) => part.tags.has(tag));
}

/** Stable over restarts and orders of arrival: the keys of both ends, transport, protocol, port. */
export function facetKey(facet: Facet, src: NodeRecord, dst: NodeRecord): string {
  return `${src.key}|${dst.key}|${facet.edge.transport}|${facet.protocol}|${facet.port}`;
}

export function edgeEntityOf(
  view: FacetView,
  src: NodeEntity,
  dst: NodeEntity,
  nowUs: Us,
): EdgeEntity {
  const { facet, parts, amounts, columns } = view;
  const spanUs = view.lastUs - view.firstUs;
  return {
    ...makeEntity("edge"),
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
    reporters: unique(columns.map((column) => column.reporter)),
    channels: unique(columns.map((column) => column.channel)),
    route: view.route,
    response_flags: wordsOf(parts, "flag:"),
    denied: amounts.denied,
    src_principal: wordsOf(parts, "src_principal:")[0] ?? src.principal,
    dst_principal: wordsOf(parts, "dst_principal:")[0] ?? dst.principal,
    first_seen_age: view.firstUs,
    last_seen_age: view.lastUs,
    via_waypoint: columns.some((column) => column.reporter === "waypoint"),
    stale: nowUs - view.lastUs > 2 * bucketUs,
    src_trust_domain: trustDomainOf(wordsOf(parts, "src_principal:")[0] ?? src.principal),
    dst_trust_domain: trustDomainOf(wordsOf(parts, "dst_principal:")[0] ?? dst.principal),
  };
}

/** Who told of the edge. */
export function observersOf(parts: readonly Facet[]): Observer[] {
  return wordsOf(parts, "source:")
    .slice(0, observersMax)
    .map((word) => {
      const at = word.indexOf("|");
      const kind = word.slice(0, at) as SourceKind; // `sourceTag` wrote it
      return { kind, key: word.slice(at + 1) };
    });
}

/** The words of one sort that the facets' tags hold, sorted. */
export function wordsOf(parts: readonly Facet[], prefix: string): string[] {
  const words: string[] = [];
  for (const part of parts) {
    for (const tag of part.tags.keys()) {
      if (tag.startsWith(prefix)) words.push(tag.slice(prefix.length));
    }
  }
  return unique(words);
}

function trustDomainOf(principal: string): string {
  return /^spiffe:\/\/([^/]+)\//.exec(principal)?.[1] ?? "";
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)].sort();
}
