/**
 * Every number the engine publishes about itself, in one table, without the `mesh_insights_` prefix.
 * The names are promises to dashboards and alerts. No pod name, address, path or insight id is ever a
 * label. Whoever counts asks `Instruments` for a handle once and keeps it; the registry behind it lives
 * in export/, which this folder does not know.
 */
export interface InstrumentSpec {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
  /** What a gauge's series shows that several namespaces share; their sum unless given. */
  readonly folded?: "least" | "most";
}

const counter = <const L extends readonly string[]>(help: string, ...labels: L) =>
  ({ kind: "counter", help, labels }) as const;
const gauge = <const L extends readonly string[]>(help: string, ...labels: L) =>
  ({ kind: "gauge", help, labels }) as const;
const seconds = <const L extends readonly string[]>(help: string, ...labels: L) =>
  ({
    kind: "histogram",
    help,
    labels,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  }) as const;

export const instruments = {
  receiver_accepted_spans_total: counter("Spans accepted and committed.", "transport"),
  receiver_accepted_metric_points_total: counter("Points accepted and committed.", "transport"),
  receiver_accepted_log_records_total: counter("Log records accepted and committed.", "transport"),
  receiver_refused_spans_total: counter("Spans refused for now; the sender retries.", "transport"),
  receiver_refused_metric_points_total: counter(
    "Points refused for now; the sender retries.",
    "transport",
  ),
  receiver_refused_log_records_total: counter(
    "Log records refused for now; the sender retries.",
    "transport",
  ),
  receiver_failed_spans_total: counter("Spans not taken through a fault of ours.", "transport"),
  receiver_failed_metric_points_total: counter(
    "Points not taken through a fault of ours.",
    "transport",
  ),
  receiver_failed_log_records_total: counter(
    "Log records not taken through a fault of ours.",
    "transport",
  ),
  receiver_rejected_items_total: counter(
    "Items of accepted requests left out as bad data, or requests rejected whole (each counts one).",
    "reason",
  ),
  receiver_requests_total: counter(
    "Export requests by how they were answered.",
    "transport",
    "signal",
    "outcome",
  ),
  receiver_request_duration_seconds: seconds(
    "From a request's headers to its answer.",
    "transport",
    "signal",
  ),
  receiver_connections: gauge("Open connections of senders.", "transport"),
  receiver_connections_closed_total: counter(
    "Connections refused or closed by the receiver.",
    "transport",
    "reason",
  ),
  receiver_in_flight_bytes: gauge("Bytes of requests that are not answered yet.", "transport"),
  access_refused_total: counter(
    "Requests refused for want of leave; rate_limited: more than ten within a minute from one address.",
    "port",
    "reason",
  ),
  credential_changes_total: counter(
    "Changed files of tokens or certificates: used, or kept out since they cannot be used.",
    "port",
    "result",
  ),

  observations_total: counter("Observations by kind.", "kind"),
  unrecognized_metrics_total: counter("Points of metrics that no vocabulary knows.", "name"),
  unrecognized_records_total: counter("Spans and log records no vocabulary claims.", "scope"),
  normalize_dropped_items_total: counter("Items of a known source that say nothing.", "reason"),
  incomplete_series_total: counter(
    "Series of a known source without the labels that tell whose they are.",
    "lacks",
  ),
  series: gauge("Telemetry series whose last values are kept."),
  series_dropped_total: counter("Points not counted because there are too many series."),
  series_memo_resets_total: counter("Times the memo of known series was emptied."),
  telemetry_last_received_timestamp_seconds: gauge(
    "When a source of this kind was last heard.",
    "source_kind",
  ),
  sources: gauge("Known sources by what is known of their liveness.", "source_kind", "state"),
  expected_sources_missing: gauge(
    "Configured sources that have not been heard or are silent.",
    "source_kind",
  ),
  event_lag_seconds: gauge("Age of the newest telemetry when it arrived."),

  graph_nodes: gauge("Nodes of the service graph."),
  graph_edges: gauge("Edges of the service graph."),
  edges: gauge("Facets of the service graph.", "security"),
  edge_requests_total: counter(
    "Requests between namespaces.",
    "src_namespace",
    "dst_namespace",
    "security",
  ),
  graph_overflow_total: counter("Things not kept because a table of the graph was full.", "table"),
  late_points_total: counter("Points too late to be counted."),
  flows_unoriented_total: counter("Flows between known ends whose direction is unknown."),
  placements_settled_early_total: counter("Events whose place became final before its time."),
  journal_damaged_total: counter("Journal entries that could not be read at the start."),
  processes_judged_total: counter("Processes judged for the proxy's UID and GID."),
  flows_judged_total: counter("Flows judged for going around the proxy.", "outcome"),
  flows_undecided_total: counter(
    "Looks at a flow that may have gone around the proxy, without a verdict.",
    "reason",
  ),
  flows_oriented_total: counter("Flows by how their direction was found.", "orientation"),
  join_entries: gauge("Observations that wait for their counterpart.", "table"),
  join_overflow_total: counter("Observations not joined because a table was full.", "table"),
  coverage_ratio: {
    ...gauge(
      "Share of the meshed workloads of which this is told now; of _other the least.",
      "namespace",
      "capability",
    ),
    folded: "least",
  },
  posture: gauge(
    "Namespaces of that name in the mesh, in all clusters, by the status of each layer of defence.",
    "namespace",
    "layer",
    "status",
  ),
  rules_blind: {
    ...gauge(
      "Rules that are blind for a workload or more that is in the mesh, or perhaps; of _other the most.",
      "namespace",
    ),
    folded: "most",
  },
  membership_unknown_workloads: gauge(
    "Workloads that are seen, and of which nobody says whether they are in the mesh.",
    "namespace",
  ),
  workloads: gauge("Workloads by how they are part of the mesh.", "namespace", "mode"),

  insights: gauge("Insights that are not resolved.", "rule", "severity", "namespace", "state"),
  insights_raised_total: counter("Insights that began to fire.", "rule", "severity"),
  insights_resolved_total: counter("Insights that ended.", "rule", "reason"),
  insights_overflow_total: counter("Insights not kept because a rule has too many.", "rule"),
  insights_dropped_total: counter("Parts of insights not kept because of a cap.", "what"),
  waivers: gauge("Waivers by how they do.", "state"),
  waiver_expiry_timestamp_seconds: gauge("When a waiver ends.", "waiver"),
  insights_oldest_firing_timestamp_seconds: gauge(
    "Since when the oldest firing insight fires.",
    "rule",
    "severity",
  ),
  rule_info: gauge("Loaded rules; always 1.", "rule", "ruleset", "severity", "status", "version"),
  rules_loaded: gauge("Number of loaded rules."),
  rules_last_reload_successful: gauge("Whether the last load of the rules succeeded."),
  rules_last_reload_success_timestamp_seconds: gauge("When rules were last loaded."),
  rule_evaluations_total: counter("Evaluations of rules."),
  rule_evaluation_errors_total: counter("Evaluations that failed.", "rule", "reason"),
  rule_evaluation_seconds_total: counter("CPU time of evaluations.", "rule"),
  rule_groups: gauge("Groups of events that counting rules hold now."),
  rule_uncounted_total: counter(
    "What counting rules did not count: events that came too `late`, of a group that was `full`, of groups that left for want of `capacity`; `entities` whose growth was forgotten.",
    "reason",
  ),
  rule_entities_forgotten_total: counter(
    "Entities whose rule state was dropped by a cap.",
    "entity",
  ),
  rule_ages_dropped_total: counter(
    "Entities whose age no rule waits for, for want of room: it is looked at when they change.",
  ),

  receipts: gauge("Requests remembered, so that a retry is not applied twice."),
  receipts_dropped_total: counter("Receipts dropped before their time because of the cap."),
  commits_failed_total: counter("Commits that failed and are tried again."),
  engine_restarts_total: counter("Restarts of the engine thread from the last commit."),
  trouble_total: counter("Troubles of a thread that were logged and survived.", "thread"),

  store_size_bytes: gauge("Size of the database with its write-ahead log."),
  store_limit_bytes: gauge("Size at which the database is pruned harder."),
  store_pruned_rows_total: counter("Rows removed because they were old."),
  store_commit_duration_seconds: seconds("Time of one commit with its sync."),

  detection_delay_seconds: seconds("From a transition to its durable record in the outbox."),
  export_queue_length: gauge("Records that wait to be delivered.", "sink"),
  export_queue_oldest_timestamp_seconds: gauge("When the oldest waiting record was made.", "sink"),
  export_sent_total: counter("Records that a sink has taken.", "sink"),
  export_failures_total: counter(
    "Failed attempts to deliver, and records a sink refused.",
    "sink",
    "reason",
  ),
  export_dropped_total: counter(
    "Records given up because the outbox was full or they were old.",
    "sink",
  ),
  scrapes_total: counter("Scrapes of /metrics."),
  config_last_reload_successful: gauge("Whether the last load of the configuration succeeded."),
  config_last_reload_success_timestamp_seconds: gauge("When the configuration was last loaded."),

  exposition_samples_dropped_total: counter("Samples left out of /metrics by its cap on series."),
  exposition_namespaces_folded: gauge(
    "Namespaces without series of their own; they are _other together.",
  ),
  build_info: gauge("The running program; always 1.", "version", "node_version"),
} as const satisfies Readonly<Record<string, InstrumentSpec>>;

/** One series and its value, as it would be scraped now. */
export interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

type Specs = typeof instruments;
export type InstrumentName = keyof Specs;
type NamesOf<K extends InstrumentSpec["kind"]> = {
  [N in InstrumentName]: Specs[N]["kind"] extends K ? N : never;
}[InstrumentName];
/** Exactly the labels an instrument declares. */
export type LabelsOf<N extends InstrumentName> = Readonly<
  Record<Specs[N]["labels"][number], string>
>;

export interface CounterHandle {
  inc(by?: number): void;
}
export interface GaugeHandle {
  set(value: number): void;
}
export interface HistogramHandle {
  observe(value: number): void;
}

/** Hands out handles; the series exists (at 0) from that moment. */
export interface Instruments {
  counter<N extends NamesOf<"counter">>(name: N, labels: LabelsOf<N>): CounterHandle;
  gauge<N extends NamesOf<"gauge">>(name: N, labels: LabelsOf<N>): GaugeHandle;
  histogram<N extends NamesOf<"histogram">>(name: N, labels: LabelsOf<N>): HistogramHandle;
}
