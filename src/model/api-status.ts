/** What `GET /api/v1/status` answers, which the page and `doctor` show: what arrives, and what is amiss. */

import type { ApiBypassCoverage, ApiNextSource } from "./api-coverage.ts";

/** One thing that is amiss, with what to do about it. Codes are promises, texts are not. */
export interface ApiProblem {
  /** Such as `no-telemetry`; stays the same from version to version. */
  code: string;
  /** `error`: something does not work; `warning`: something is not seen or soon will not work. */
  severity: "error" | "warning";
  text: string;
  /** The numbers and names it was concluded from. */
  evidence: Record<string, string | number>;
  /** What to do, with the lines of configuration or the command. */
  remedy: string;
}

/** What the receivers accepted of one signal since the start. */
export interface ApiReceived {
  /** `traces`, `metrics` or `logs`. */
  signal: string;
  /** `grpc` or `http`. */
  transport: string;
  items: number;
  /** When some were last accepted, seen to within seconds; null = not since the start. */
  last: string | null;
}

/** What was understood: one kind of source and what it tells of. */
export interface ApiHeard {
  source_kind: string;
  capability: string;
  sources: number;
  last: string;
}

/** Who is seen in a namespace by what, in workloads. */
export interface ApiNamespaceCoverage {
  namespace: string;
  /** Of which anything can tell. */
  workloads: number;
  /** Reported by a proxy now. */
  proxies: number;
  /** Reported by a node agent now. */
  node_agents: number;
}

export interface ApiOverview {
  heard: ApiHeard[];
  /** The largest first, at most 1,000. */
  namespaces: ApiNamespaceCoverage[];
}

export interface ApiComponent {
  name: string;
  ok: boolean;
  text: string;
}

/** What is wrong in a rule file, as `rules check --json` says it. */
export interface ApiRuleError {
  code: string;
  file: string;
  line: number;
  column: number;
  message: string;
  /** What was probably meant, "" = no idea. */
  suggestion: string;
}

export interface ApiStatus {
  version: string;
  at: string;
  started_at: string;
  ready: boolean;
  components: ApiComponent[];
  received: ApiReceived[];
  heard: ApiHeard[];
  /** Who last asked for /metrics. */
  scrape: { last: string | null; user_agent: string };
  /** Who is watched for going around a proxy; null = no loaded rule watches, or the store is silent. */
  bypass: ApiBypassCoverage | null;
  /** What one more source would add, the greatest gain first. */
  next_sources: ApiNextSource[];
  /** Why the rule files as they were last read are not in use; [] = they are. At most 100. */
  rule_errors: ApiRuleError[];
  problems: ApiProblem[];
}
