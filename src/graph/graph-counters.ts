/** The graph's own numbers, for `/metrics`. */
import type { CounterSample } from "../model/stages.ts";
import { usPerSecond } from "../model/time.ts";
import type { Facets } from "./facets.ts";
import type { IdentityTables } from "./identity.ts";
import type { Sources } from "./sources.ts";

export interface Losses {
  readonly series: number;
  readonly late: number;
  readonly spans: number;
  readonly lines: number;
  readonly flows: number;
  readonly unoriented: number;
  readonly settledEarly: number;
}

const securities = ["unknown", "mutual_tls", "none", "mixed"] as const;
/** Namespace pairs told apart; the rest are summed under "other". */
const pairsMax = 500;

export function graphCounters(
  into: CounterSample[],
  identity: IdentityTables,
  facets: Facets,
  sources: Sources,
  losses: Losses,
): void {
  into.push({ name: "graph_nodes", labels: {}, value: identity.nodes.live });
  into.push({ name: "graph_edges", labels: {}, value: facets.size });
  edgeCounters(into, identity, facets);
  workloadCounters(into, identity);
  for (const [source_kind, receivedUs] of sources.lastReceived) {
    const name = "telemetry_last_received_timestamp_seconds";
    into.push({ name, labels: { source_kind }, value: receivedUs / usPerSecond });
  }
  into.push({ name: "event_lag_seconds", labels: {}, value: sources.lagUs / usPerSecond });
  into.push({ name: "series_dropped_total", labels: {}, value: losses.series });
  into.push({ name: "late_points_total", labels: {}, value: losses.late });
  into.push({ name: "flows_unoriented_total", labels: {}, value: losses.unoriented });
  into.push({ name: "placements_settled_early_total", labels: {}, value: losses.settledEarly });
  const dropped = {
    facets: facets.dropped,
    identity: identity.dropped,
    sources: sources.dropped,
    spans: losses.spans,
    lines: losses.lines,
    flows: losses.flows,
  };
  for (const [table, value] of Object.entries(dropped)) {
    into.push({ name: "graph_overflow_total", labels: { table }, value });
  }
}

/** By the rows as they were last written, at most seconds ago: 20,000 views are too dear for each scrape. */
function edgeCounters(into: CounterSample[], identity: IdentityTables, facets: Facets): void {
  const bySecurity = new Map<string, number>(securities.map((security) => [security, 0]));
  const requests = new Map<string, PairRequests>();
  for (const edge of facets.edges) {
    const src = identity.nodes.get(edge.srcId).entity.namespace;
    const dst = identity.nodes.get(edge.dstId).entity.namespace;
    for (const { written } of edge.facets) {
      if (!written || written.shadowed) continue;
      const { security } = written;
      bySecurity.set(security, (bySecurity.get(security) ?? 0) + 1);
      // No namespace holds a line break.
      const pair = `${src}\n${dst}\n${security}`;
      const known = requests.get(pair) ?? newPair(requests, pair, src, dst, security);
      known.requests += written.requests;
    }
  }
  for (const [security, value] of bySecurity) {
    into.push({ name: "edges", labels: { security }, value });
  }
  for (const { labels, requests: value } of requests.values()) {
    into.push({ name: "edge_requests_total", labels, value });
  }
}

interface PairRequests {
  readonly labels: { src_namespace: string; dst_namespace: string; security: string };
  requests: number;
}

function newPair(
  pairs: Map<string, PairRequests>,
  pair: string,
  src_namespace: string,
  dst_namespace: string,
  security: string,
): PairRequests {
  const isFull = pairs.size >= pairsMax;
  const key = isFull ? `other\nother\n${security}` : pair;
  const known = pairs.get(key);
  if (known) return known;
  const made = {
    labels: isFull
      ? { src_namespace: "other", dst_namespace: "other", security }
      : { src_namespace, dst_namespace, security },
    requests: 0,
  };
  pairs.set(key, made);
  return made;
}

function workloadCounters(into: CounterSample[], identity: IdentityTables): void {
  const workloads = new Map<string, number>();
  for (const { entity } of identity.nodes) {
    if (entity.namespace === "" || entity.kind === "service") continue;
    const key = JSON.stringify([entity.namespace, entity.mode]);
    workloads.set(key, (workloads.get(key) ?? 0) + 1);
  }
  for (const [key, value] of workloads) {
    const [namespace = "", mode = ""] = JSON.parse(key) as string[]; // ours, two lines up
    into.push({ name: "workloads", labels: { namespace, mode }, value });
  }
}
