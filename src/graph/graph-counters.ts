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
  /** Scraping senders of proxies. */
  readonly scrapes: number;
  readonly flows: number;
  readonly objects: number;
  readonly coverage: number;
  readonly components: number;
  readonly unoriented: number;
  readonly settledEarly: number;
}

export function graphCounters(
  into: CounterSample[],
  identity: IdentityTables,
  facets: Facets,
  sources: Sources,
  losses: Losses,
): void {
  into.push({ name: "graph_nodes", labels: {}, value: identity.nodes.live });
  into.push({ name: "graph_edges", labels: {}, value: facets.edgeCount });
  workloadCounters(into, identity);
  for (const [source_kind, receivedUs] of sources.lastReceived) {
    const name = "telemetry_last_received_timestamp_seconds";
    into.push({ name, labels: { source_kind }, value: receivedUs / usPerSecond });
  }
  for (const { kind: source_kind, state, count } of sources.counts()) {
    into.push({ name: "sources", labels: { source_kind, state }, value: count });
  }
  for (const [source_kind, value] of sources.missing) {
    into.push({ name: "expected_sources_missing", labels: { source_kind }, value });
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
    scrapes: losses.scrapes,
    flows: losses.flows,
    objects: losses.objects,
    coverage: losses.coverage,
    components: losses.components,
  };
  for (const [table, value] of Object.entries(dropped)) {
    into.push({ name: "graph_overflow_total", labels: { table }, value });
  }
}

function workloadCounters(into: CounterSample[], identity: IdentityTables): void {
  const namespaces = new Map<string, Map<string, number>>();
  for (const { entity } of identity.nodes) {
    const { namespace, mode } = entity;
    if (namespace === "" || entity.kind === "service") continue;
    let modes = namespaces.get(namespace);
    if (!modes) namespaces.set(namespace, (modes = new Map()));
    modes.set(mode, (modes.get(mode) ?? 0) + 1);
  }
  for (const [namespace, modes] of namespaces) {
    for (const [mode, value] of modes) {
      into.push({ name: "workloads", labels: { namespace, mode }, value });
    }
  }
}
