/** What `GET /api/v1/coverage` answers: who is seen by what, and what rules can make of it. */
import type { CoverageGroup, CoverageState, Judgement, Membership } from "./coverage.ts";

/** Workloads in the mesh, or perhaps in it, by what arrives about them. */
export interface ApiCapabilityCoverage {
  /** Told of now. */
  live: number;
  /** Told of before, and not now. */
  silent: number;
  never: number;
}

export interface ApiMissing {
  judgement: Judgement;
  /** What would have to arrive as well. */
  missing: string[];
  workloads: number;
}

/** Workloads in the mesh, or perhaps in it, by what a rule can make of what arrives about them. */
export interface ApiRuleCoverage {
  rule: string;
  judged: number;
  partly: number;
  blind: number;
  /** Of those that are not judged, most workloads first. */
  missing: ApiMissing[];
}

export interface ApiCoverageCounts {
  /** With living pods, in the mesh or not. */
  workloads: number;
  meshed_workloads: number;
  /** Seen, but nobody says whether they are in the mesh: no rule on workloads judges them. */
  unknown_workloads: number;
  capabilities: Record<string, ApiCapabilityCoverage>;
  rules: ApiRuleCoverage[];
}

export interface ApiCoverageOfNamespace extends ApiCoverageCounts {
  cluster: string;
  namespace: string;
}

/** What the object feed of a cluster leaves open, whoever tells of its workloads. */
export interface ApiClusterCoverage {
  cluster: string;
  /** Whether it tells. */
  objects: CoverageState;
  /** Rules that the feed alone keeps from judging, or from judging all. */
  rules: { rule: string; judgement: Judgement; missing: string[] }[];
}

/** A workload in the mesh, or perhaps in it, that a rule does not judge, or only in part. */
export interface ApiNotJudged {
  cluster: string;
  namespace: string;
  name: string;
  mesh: Membership;
  pods: number;
  /** Capability to `live`, `silent` or `never`. */
  coverage: Record<string, string>;
  rules: { rule: string; judgement: Judgement; missing: string[] }[];
}

export interface ApiCoverage extends ApiCoverageCounts {
  /** Those of which anything is heard, or our own. */
  clusters: ApiClusterCoverage[];
  /** Those with most meshed workloads first. */
  namespaces: ApiCoverageOfNamespace[];
  /** The greatest gain first; none where nothing would be gained. */
  next_sources: ApiNextSource[];
  /** Of the namespace asked for; empty when none is. */
  not_judged: ApiNotJudged[];
  /** True when `limit` cut namespaces or workloads away; the totals count all. */
  truncated: boolean;
}

export interface CoverageFilter {
  namespace?: string;
  /** Only this rule's judgement. */
  rule?: string;
  /** Namespaces, and workloads of the one asked for; default 100, most 1,000. */
  limit?: number;
  /** Of these alone, whatever else is asked for; not a parameter of the API but the asker's leave. */
  namespaces?: readonly string[];
}

export interface StoredWorkload {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly mesh: Membership;
  readonly pods: number;
  readonly live: number;
  readonly heard: number;
}

export interface StoredFeed {
  readonly cluster: string;
  readonly capability: "objects" | "inventory";
  readonly state: CoverageState;
}

/** What the store knows of it; rules are not stored. */
export interface StoredCoverage {
  readonly groups: readonly CoverageGroup[];
  readonly feeds: readonly StoredFeed[];
  /** Those of the namespace asked for that are in the mesh, or perhaps. */
  readonly workloads: readonly StoredWorkload[];
}

/** How much of the mesh is judged for what goes around its proxies, for one line on the page. */
export interface ApiBypassCoverage {
  meshed_workloads: number;
  /** Of which nobody says whether they are in the mesh; they are not among the others. */
  unknown_workloads: number;
  judged_workloads: number;
  /** Sets that would have to arrive as well, most workloads first. */
  missing: { capabilities: string[]; workloads: number }[];
}

/** A source that is not heard of everybody yet, as somebody would switch it on. */
export interface ApiSourceGuide {
  id: string;
  title: string;
  /** Markdown, by the source's own setting names. */
  switch_on: string;
}

/** What would be judged if one more source told of everybody; sources that give the same stand together. */
export interface ApiNextSource {
  capabilities: string[];
  sources: ApiSourceGuide[];
  /** Pairs of a rule and a workload that would be judged, and are not now. */
  judged: number;
  /** Of those of which nothing is judged now: how many would be in part. */
  partly: number;
  /** The rules of `judged`, most workloads first. */
  rules: { rule: string; workloads: number }[];
}
