/**
 * The shapes of the HTTP API (fields may be added, never renamed) and the questions behind them, which
 * the store's readers answer from committed data. Times are RFC 3339 with nanoseconds, or null.
 */
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
  waiver: string;
  flapping: boolean;
  evidence: ApiEvidence[];
  tags: string[];
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

/** A time in which nobody watched, so that no conclusion spans it. */
export interface ApiBlind {
  from: string;
  to: string;
  reason: string;
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
}

export interface GraphFilter {
  namespace?: string;
  /** Key of a node (`cluster/namespace/name`); with `hops`, only its neighbourhood. */
  focus?: string;
  hops?: number;
  limit?: number;
}

/** Read-only questions; each answers from one committed state of the store. */
export interface ApiQueries {
  insights(filter: InsightFilter): Promise<ApiPage<ApiInsight>>;
  insight(id: string): Promise<ApiInsightDetail | null>;
  graph(filter: GraphFilter): Promise<ApiGraph>;
  workload(cluster: string, namespace: string, name: string): Promise<ApiWorkload | null>;
  /** The newest first. */
  blind(): Promise<ApiBlind[]>;
}
