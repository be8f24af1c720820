/**
 * The shapes of the HTTP API (fields may be added, never renamed) and the questions behind them, which
 * the store's readers answer from committed data. Times are RFC 3339 with nanoseconds, or null.
 */
import type { CoverageFilter, StoredCoverage } from "./api-coverage.ts";
import type { ApiOverview } from "./api-status.ts";
import type { Us } from "./time.ts";
import type { WaiverState } from "./waivers.ts";

export interface ApiEvidence {
  at: string;
  vantage: string;
  source: string;
  text: string;
  fields: Record<string, string | number | boolean>;
}

export interface ApiInsight {
  id: string;
  rule: string;
  title: string;
  severity: string;
  confidence: string;
  state: string;
  reason: string;
  message: string;
  cluster: string;
  namespace: string;
  workload: string;
  kind: string;
  peer: { namespace: string; workload: string; address: string; port: number };
  first_seen: string;
  last_seen: string;
  fired_at: string | null;
  resolved_at: string | null;
  occurrences: number;
  acknowledged: boolean;
  /** Null = nobody has acknowledged it; `until` null = as long as the episode lasts. */
  acknowledgement: { by: string; at: string; until: string | null; note: string } | null;
  waiver: string;
  flapping: boolean;
  evidence: ApiEvidence[];
  tags: string[];
  /** What its rule tells insights apart by: workloads as `cluster/namespace/name`, other values as text. */
  key: string[];
  url: string;
}

export interface ApiTransition {
  at: string;
  from: string;
  to: string;
  reason: string;
  message: string;
}

/** One insight in full: with its history and what the rule says about it. */
export interface ApiInsightDetail extends ApiInsight {
  history: ApiTransition[];
  episode: number;
  reopen_count: number;
}

export interface ApiPage<Item> {
  items: Item[];
  /** Cursor of the next page, null on the last. */
  next: string | null;
  total: number;
}

export interface ApiNode {
  id: string;
  cluster: string;
  namespace: string;
  name: string;
  kind: string;
  mode: string;
  external: boolean;
  insights: number;
}

export interface ApiEdge {
  id: string;
  source: string;
  target: string;
  protocol: string;
  port: number;
  security: string;
  plaintext_share: number;
  around_proxy: number;
  route: string;
  requests: number;
  errors: number;
  bytes_sent: number;
  bytes_received: number;
  reporters: string[];
  first_seen: string;
  last_seen: string;
  insights: number;
}

export interface ApiGraph {
  at: string;
  /** True when `limit` cut nodes or edges away. */
  truncated: boolean;
  nodes: ApiNode[];
  edges: ApiEdge[];
}

export interface ApiProcess {
  container: string;
  exe: string;
  uid: number;
  gid: number;
  in_proxy_container: boolean;
  first_seen: string;
  last_seen: string;
}

export interface ApiWorkload {
  node: ApiNode;
  declared: Record<string, unknown>;
  observed: Record<string, unknown>;
  edges: ApiEdge[];
  processes: ApiProcess[];
  insights: ApiInsight[];
  /** Capability to `live`, `silent` or `never`. */
  coverage: Record<string, string>;
}

/** What people agreed to live with, and how that does. */
export interface ApiWaiver {
  id: string;
  rules: string[];
  where: string;
  reason: string;
  owner: string;
  ticket: string;
  expires: string;
  /** `expiring` within 14 days; `unused` when it matched nothing for 30. */
  state: WaiverState;
  /** Since when it is loaded. */
  since: string;
  last_matched: string | null;
  /** Active insights that it accepts now. */
  insights: number;
}

/** A time in which nobody watched, so that no conclusion spans it. */
export interface ApiBlind {
  from: string;
  to: string;
  reason: string;
}

/** What one source told, and whether it still does. */
export interface ApiSourceCapability {
  /** `proxy_metrics`, `proxy_logs`, `spans`, … */
  capability: string;
  last_seen: string;
  /** Whether this alone has fallen silent. */
  silent: boolean;
  /** Learned pause between deliveries; 0 = heard once. */
  interval_seconds: number;
  /** As `ApiSource.clock_offset_seconds`, of what told of this. */
  clock_offset_seconds: number | null;
}

/** A sender of telemetry and its liveness. */
export interface ApiSource {
  /** `proxy`, `node_agent`, `objects` or `collector`. */
  kind: string;
  key: string;
  cluster: string;
  namespace: string;
  /** `live`, `late`, `silent`, `gone` (its pod has ended), or `unknown`. */
  state: string;
  /** Named by `expected_sources`. */
  expected: boolean;
  /** Null: expected, and never heard. */
  first_seen: string | null;
  last_seen: string | null;
  /** The longest learned pause between deliveries of one capability. */
  interval_seconds: number;
  /** Smoothed receive time minus event time, never below zero. */
  lateness_seconds: number;
  /**
   * The smallest receive time minus event time of the last 5 to 10 minutes in which it spoke, of the
   * capability that is farthest off. Negative: the sender's clock is ahead, which nothing else explains.
   * Positive: it is behind, or all of its telemetry came that late (a collector's queue after an outage).
   * Null: not known.
   */
  clock_offset_seconds: number | null;
  capabilities: ApiSourceCapability[];
}

export interface SourceFilter {
  kind?: string;
  state?: string;
  namespace?: string;
  /** Default and most: 1,000. */
  limit?: number;
  /** Of these alone, whatever else is asked for; not a parameter of the API but the asker's leave. */
  namespaces?: readonly string[];
}

export interface InsightFilter {
  state?: string;
  severity?: string;
  rule?: string;
  namespace?: string;
  workload?: string;
  q?: string;
  /** RFC 3339; insights last seen at or after it. */
  since?: string;
  limit?: number;
  cursor?: string;
  /** Of these alone, whatever else is asked for; not a parameter of the API but the asker's leave. */
  namespaces?: readonly string[];
}

export interface GraphFilter {
  namespace?: string;
  /** Key of a node (`cluster/namespace/name`); with `hops`, only its neighbourhood. */
  focus?: string;
  hops?: number;
  limit?: number;
  /** Only edges that touch one of these; as for insights, the asker's leave. */
  namespaces?: readonly string[];
}

/** Read-only questions; each answers from one committed state of the store. */
export interface ApiQueries {
  insights(filter: InsightFilter): Promise<ApiPage<ApiInsight>>;
  insight(id: string): Promise<ApiInsightDetail | null>;
  graph(filter: GraphFilter): Promise<ApiGraph>;
  workload(cluster: string, namespace: string, name: string): Promise<ApiWorkload | null>;
  /** Those that need somebody first. `nowUs` is when the answer is for. */
  waivers(nowUs: Us): Promise<ApiPage<ApiWaiver>>;
  /** The newest first. */
  blind(): Promise<ApiBlind[]>;
  /**
   * One page, `total` says how many there are: collectors, objects and node agents before proxies, what
   * is silent before what is heard, and of these the clocks that are farthest off first.
   */
  sources(filter?: SourceFilter): Promise<ApiPage<ApiSource>>;
  overview(): Promise<ApiOverview>;
  coverage(filter: CoverageFilter): Promise<StoredCoverage>;
}
