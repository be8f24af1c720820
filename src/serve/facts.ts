/** What a diagnosis is made from, all of it plain data, and how to read the numbers among it. */
import type { ApiBypassCoverage, ApiNextSource } from "../model/api-coverage.ts";
import type { ApiSource } from "../model/api.ts";
import type { ApiComponent, ApiOverview, ApiRuleError } from "../model/api-status.ts";
import type { RuleFault } from "../model/insights.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import type { InstrumentName, Reading } from "../self/instruments.ts";
import type { Readings } from "../self/recent.ts";

export interface Facts {
  readonly nowMs: number;
  readonly startedMs: number;
  /** Where the receivers listen, `host:port`; "" = not (yet). */
  readonly listening: { readonly grpc: string; readonly http: string };
  readonly components: readonly (ApiComponent & { readonly isOptional?: boolean })[];
  /** Of the instruments in `watched`. */
  readonly totals: Readings;
  /** The same, what they gained in the last minutes. */
  readonly recent: Readings;
  /** One page, those that need attention first. */
  readonly sources: readonly ApiSource[];
  readonly overview: ApiOverview;
  readonly bypass: ApiBypassCoverage | null;
  /** What one more source would add, the greatest gain first. */
  readonly next: readonly ApiNextSource[];
  readonly guides: readonly SourceGuide[];
  /** When somebody last asked for /metrics, 0 = never, and how long ago is too long. */
  readonly scrape: { readonly lastMs: number; readonly withinMs: number };
  readonly ruleFaults: readonly RuleFault[];
  readonly ruleErrors: readonly ApiRuleError[];
  readonly store: { readonly path: string; readonly freeBytes: number | null };
}

/** All instruments that a diagnosis looks at. */
export const watched = [
  "receiver_accepted_spans_total",
  "receiver_accepted_metric_points_total",
  "receiver_accepted_log_records_total",
  "receiver_requests_total",
  "receiver_connections_closed_total",
  "observations_total",
  "unrecognized_metrics_total",
  "unrecognized_records_total",
  "incomplete_series_total",
  "series",
  "series_dropped_total",
  "graph_overflow_total",
  "rule_evaluation_errors_total",
  "rules_last_reload_successful",
  "config_last_reload_successful",
  "commits_failed_total",
  "store_size_bytes",
  "store_limit_bytes",
] as const satisfies readonly InstrumentName[];
export type Watched = (typeof watched)[number];

/** What signals are counted as, by the receivers' counters of accepted items. */
export const acceptedBySignal = {
  traces: "receiver_accepted_spans_total",
  metrics: "receiver_accepted_metric_points_total",
  logs: "receiver_accepted_log_records_total",
} as const satisfies Readonly<Record<string, Watched>>;

/** The series of an instrument with these labels (others are free). */
export function seriesOf(
  readings: Readings,
  name: Watched,
  labels: Reading["labels"] = {},
): readonly Reading[] {
  const wanted = Object.entries(labels);
  const series = readings.get(name) ?? [];
  return series.filter((one) => wanted.every(([key, value]) => one.labels[key] === value));
}

export function sumOf(readings: Readings, name: Watched, labels: Reading["labels"] = {}): number {
  return seriesOf(readings, name, labels).reduce((sum, { value }) => sum + value, 0);
}
