/**
 * Plaintext that nobody could name: a server's proxy counts requests without mutual TLS from an unknown
 * source, and its access log has lines without TLS from a known address. A line between the two scrapes
 * in which that counter moved tells whose plaintext it was; without such a move a bare line proves
 * nothing, since the log's format may only lack the fields.
 */
import { mergeEvidence, type Evidence } from "../model/changes.ts";
import type { Us } from "../model/time.ts";
import type { Column, PlaintextMove } from "./columns.ts";
import { lineEvidence } from "./evidence.ts";
import type { Edge, Facet, Facets } from "./facets.ts";
import type { Nodes } from "./nodes.ts";
import { bucketUs, countSecurity, makeBuckets, securityOf } from "./security.ts";
import { unknownSecurity, type SecurityView } from "./security.ts";

export interface LineVerdict extends SecurityView {
  /** The counters that moved and the lines that say whose requests they were. */
  readonly evidence: readonly Evidence[];
}

const noVerdict: LineVerdict = { ...unknownSecurity, evidence: [] };

/** Security by the lines of a facet and the counters of its server; unknown when they do not meet. */
export function securityOfLines(
  edge: Edge,
  columns: readonly Column[],
  facets: Facets,
  nodes: Nodes,
): LineVerdict {
  const lines = columns.find(({ bareLines }) => bareLines !== null);
  if (!lines) return noVerdict;
  const moves = movesTo(edge.dstId, facets, nodes);
  const counted = new Set<Us>();
  const told: Evidence[] = [];
  const [caller, server] = [nodes.get(edge.srcId).key, nodes.get(edge.dstId).key];
  const buckets = makeBuckets();
  const { newest, tls, tlsBefore } = lines.security;
  countSecurity(buckets, newest * bucketUs, tls, 0);
  countSecurity(buckets, (newest - 1) * bucketUs, tlsBefore, 0);
  for (const [atUs, count] of lines?.bareLines ?? []) {
    const move = moves.find(([toUs, { fromUs }]) => fromUs < atUs && atUs <= toUs);
    if (!move) continue;
    countSecurity(buckets, atUs, 0, count);
    counted.add(move[0]);
    told.push(lineEvidence(caller, server, atUs, count));
  }
  if (buckets.none + buckets.noneBefore === 0) return noVerdict;
  const counters = unidentifiedTo(edge.dstId, facets, nodes)
    .flatMap((facet) => facet.evidence)
    .filter(({ atUs }) => counted.has(atUs));
  return { ...securityOf(buckets), evidence: mergeEvidence(counters, told) };
}

/** Whether lines, which name an address at least, account for all that a nameless counter counted. */
export function isExplained(edge: Edge, facets: Facets, nodes: Nodes): boolean {
  if (!isUnidentified(edge, nodes)) return false;
  const moves = edge.facets.flatMap((facet) =>
    facet.columns.flatMap((column) => [...(column.plaintextMoves ?? [])]),
  );
  if (moves.length === 0) return false;
  const lines = linesTo(edge.dstId, facets, nodes);
  return moves.every(([toUs, { fromUs, count }]) => {
    let told = 0;
    for (const [atUs, times] of lines) if (fromUs < atUs && atUs <= toUs) told += times;
    return told >= count;
  });
}

function movesTo(dstId: number, facets: Facets, nodes: Nodes): (readonly [Us, PlaintextMove])[] {
  return unidentifiedTo(dstId, facets, nodes)
    .flatMap((facet) => facet.columns)
    .flatMap((column) => [...(column.plaintextMoves ?? [])]);
}

function unidentifiedTo(dstId: number, facets: Facets, nodes: Nodes): Facet[] {
  return [...facets.to(dstId)]
    .filter((edge) => isUnidentified(edge, nodes))
    .flatMap((edge) => edge.facets);
}

function linesTo(dstId: number, facets: Facets, nodes: Nodes): (readonly [Us, number])[] {
  return [...facets.to(dstId)]
    .filter((edge) => !isUnidentified(edge, nodes))
    .flatMap((edge) => edge.facets)
    .flatMap((facet) => facet.columns)
    .flatMap((column) => [...(column.bareLines ?? [])]);
}

function isUnidentified(edge: Edge, nodes: Nodes): boolean {
  const { kind, address, principal } = nodes.get(edge.srcId).entity;
  return kind === "unknown" && address === "" && principal === "";
}
