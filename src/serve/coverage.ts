/**
 * What rules can make of what arrives: the store's counts by mask, and what the loaded rules need. Cells
 * are made when somebody asks; there are far fewer masks than workloads.
 */
import type {
  ApiBypassCoverage,
  ApiClusterCoverage,
  ApiCoverage,
  ApiCoverageCounts,
  ApiMissing,
  ApiNotJudged,
  ApiRuleCoverage,
  CoverageFilter,
  StoredCoverage,
} from "../model/api-coverage.ts";
import {
  capabilitiesOf,
  coverageCapabilities,
  coverageStates,
  judge,
  judgeFeed,
  maskOf,
  mayBeMeshed,
  type CoverageGroup,
  type Judged,
  type Membership,
} from "../model/coverage.ts";
import type { RuleMeta, Severity } from "../model/insights.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import { nextSources } from "./next-sources.ts";

const limitDefault = 100;
const limitMax = 1_000;

export interface CoverageContext {
  /** Its feed's lack is told even if nothing at all was ever heard from there; "" = of none. */
  readonly ownCluster?: string;
  /** Every source that could be switched on. */
  readonly guides?: readonly SourceGuide[];
}

/** Rules that do not say what they need have nothing to be blind for. */
export function coverageOf(
  stored: StoredCoverage,
  rules: readonly RuleMeta[],
  filter: CoverageFilter,
  { ownCluster = "", guides = [] }: CoverageContext = {},
): ApiCoverage {
  const limit = Math.min(filter.limit ?? limitDefault, limitMax);
  const wanted = rules.filter(
    ({ id, needs }) => needs.length > 0 && (filter.rule === undefined || id === filter.rule),
  );
  const judgeAll = makeJudge(wanted);
  const namespaces = byNamespace(stored.groups).map(([{ cluster, namespace }, groups]) => ({
    cluster,
    namespace,
    ...countsOf(groups, wanted, judgeAll),
  }));
  const inQuestion = (one: ApiCoverageCounts) => one.meshed_workloads + one.unknown_workloads;
  namespaces.sort((a, b) => inQuestion(b) - inQuestion(a) || b.workloads - a.workloads);
  const notJudged = notJudgedOf(stored, wanted, judgeAll);
  return {
    ...countsOf(stored.groups, wanted, judgeAll),
    clusters: clustersOf(stored, wanted, ownCluster),
    namespaces: namespaces.slice(0, limit),
    next_sources: nextSources(stored.groups, wanted, guides),
    not_judged: notJudged.slice(0, limit),
    truncated: namespaces.length > limit || notJudged.length > limit,
  };
}

const severities: readonly Severity[] = ["info", "low", "medium", "high", "critical"];

/**
 * By the gravest rules on connections that watch the capture: a workload counts that all of them judge.
 * Null when no such rule is loaded.
 */
export function bypassCoverage(
  stored: StoredCoverage,
  rules: readonly RuleMeta[],
): ApiBypassCoverage | null {
  const watching = rules.filter(
    ({ category, on, needs }) => category === "capture" && on === "flow" && needs.length > 0,
  );
  const rank = ({ severity }: RuleMeta): number => severities.indexOf(severity);
  const gravest = Math.max(...watching.map(rank));
  const wanted = watching.filter((rule) => rank(rule) === gravest);
  if (wanted.length === 0) return null;
  const judgeAll = makeJudge(wanted);
  const missing = new Map<number, number>();
  const counts = { meshed_workloads: 0, unknown_workloads: 0, judged_workloads: 0 };
  for (const group of stored.groups) {
    if (!mayBeMeshed(group)) continue;
    const { mesh, live, workloads } = group;
    if (mesh === "unknown") {
      counts.unknown_workloads += workloads;
      continue;
    }
    counts.meshed_workloads += workloads;
    const lacks = judgeAll(live, mesh).reduce((all, one) => all | one.missing, 0);
    if (lacks === 0) counts.judged_workloads += workloads;
    else missing.set(lacks, (missing.get(lacks) ?? 0) + workloads);
  }
  const sets = [...missing].map(([mask, workloads]) => ({
    capabilities: capabilitiesOf(mask),
    workloads,
  }));
  return { ...counts, missing: sets.toSorted((a, b) => b.workloads - a.workloads) };
}

/** One line for people. */
export function bypassText({
  meshed_workloads,
  judged_workloads,
  missing,
  unknown_workloads,
}: ApiBypassCoverage): string {
  const parts = [
    `${judged_workloads} of ${meshed_workloads} meshed workloads are judged for bypass`,
  ];
  const sets = missing.map(
    ({ capabilities, workloads }) => `${capabilities.join(" and ")} (${workloads})`,
  );
  if (sets.length > 0) parts.push(`missing: ${sets.join(", ")}`);
  if (unknown_workloads > 0) {
    parts.push(`of ${unknown_workloads} more nobody says whether they are in the mesh`);
  }
  return parts.join("; ");
}

/** Whether all is judged that may be in the mesh. */
export function isBypassWhole(bypass: ApiBypassCoverage): boolean {
  return bypass.judged_workloads === bypass.meshed_workloads && bypass.unknown_workloads === 0;
}

type JudgeAll = (live: number, mesh: Membership) => readonly Judged[];

/** One verdict per rule, in their order; each mask is judged once. */
function makeJudge(rules: readonly RuleMeta[]): JudgeAll {
  const known = new Map<string, readonly Judged[]>();
  return (live, mesh) => {
    const key = `${mesh} ${live}`;
    let verdicts = known.get(key);
    if (!verdicts) known.set(key, (verdicts = rules.map((rule) => judge(rule, live, mesh))));
    return verdicts;
  };
}

/** What feeds leave open, by cluster: first where most rules are concerned. */
function clustersOf(
  { groups, feeds }: StoredCoverage,
  rules: readonly RuleMeta[],
  ownCluster: string,
): ApiClusterCoverage[] {
  const names = new Set([...groups, ...feeds].map(({ cluster }) => cluster));
  if (ownCluster !== "") names.add(ownCluster);
  const clusters = [...names].map((cluster): ApiClusterCoverage => {
    const own = feeds.filter((feed) => feed.cluster === cluster);
    const objects = own.find(({ capability }) => capability === "objects")?.state ?? "never";
    const heard = own.filter(({ state }) => state === "live");
    const told = maskOf(heard.map(({ capability }) => capability));
    return { cluster, objects, rules: openOf(rules, (rule) => judgeFeed(rule, told)) };
  });
  return clusters.toSorted((a, b) => b.rules.length - a.rules.length);
}

/** The rules that judge nothing, or only a part. */
function openOf(
  rules: readonly RuleMeta[],
  judgeOne: (rule: RuleMeta, index: number) => Judged | undefined,
): ApiNotJudged["rules"] {
  return rules.flatMap((rule, index) => {
    const verdict = judgeOne(rule, index);
    if (!verdict || verdict.judgement === "judged") return [];
    const { judgement, missing } = verdict;
    return [{ rule: rule.id, judgement, missing: capabilitiesOf(missing) }];
  });
}

function byNamespace(groups: readonly CoverageGroup[]): [CoverageGroup, CoverageGroup[]][] {
  const namespaces = new Map<string, [CoverageGroup, CoverageGroup[]]>();
  for (const group of groups) {
    const key = `${group.cluster}/${group.namespace}`;
    const known = namespaces.get(key);
    if (known) known[1].push(group);
    else namespaces.set(key, [group, [group]]);
  }
  return [...namespaces.values()];
}

function countsOf(
  groups: readonly CoverageGroup[],
  rules: readonly RuleMeta[],
  judgeAll: JudgeAll,
): ApiCoverageCounts {
  const capabilities: ApiCoverageCounts["capabilities"] = Object.fromEntries(
    coverageCapabilities.map((capability) => [capability, { live: 0, silent: 0, never: 0 }]),
  );
  const counts = rules.map((rule) => new RuleCounts(rule.id));
  let [all, inMesh, unknown] = [0, 0, 0];
  for (const group of groups) {
    const { mesh, live, heard, workloads } = group;
    all += workloads;
    if (!mayBeMeshed(group)) continue;
    if (mesh === "yes") inMesh += workloads;
    else unknown += workloads;
    for (const [capability, state] of Object.entries(coverageStates(live, heard))) {
      const cell = capabilities[capability];
      if (cell) cell[state] += workloads;
    }
    const verdicts = judgeAll(live, mesh);
    for (const [index, count] of counts.entries()) count.add(verdicts[index], workloads);
  }
  const cells = counts.map((count) => count.cell());
  return {
    workloads: all,
    meshed_workloads: inMesh,
    unknown_workloads: unknown,
    capabilities,
    rules: cells,
  };
}

/** The cells of one rule. */
class RuleCounts {
  readonly #rule: string;
  readonly #judgements = { judged: 0, partly: 0, blind: 0 };
  readonly #missing = new Map<string, ApiMissing>();

  constructor(rule: string) {
    this.#rule = rule;
  }

  add(verdict: Judged | undefined, workloads: number): void {
    if (!verdict) return;
    const { judgement, missing } = verdict;
    this.#judgements[judgement] += workloads;
    if (judgement === "judged") return;
    const key = `${judgement} ${missing}`;
    const known = this.#missing.get(key);
    if (known) known.workloads += workloads;
    else this.#missing.set(key, { judgement, missing: capabilitiesOf(missing), workloads });
  }

  cell(): ApiRuleCoverage {
    const missing = [...this.#missing.values()].sort((a, b) => b.workloads - a.workloads);
    return { rule: this.#rule, ...this.#judgements, missing };
  }
}

function notJudgedOf(
  { workloads }: StoredCoverage,
  rules: readonly RuleMeta[],
  judgeAll: JudgeAll,
): ApiNotJudged[] {
  return workloads.flatMap(({ live, heard, ...workload }) => {
    const verdicts = judgeAll(live, workload.mesh);
    const open = openOf(rules, (_, index) => verdicts[index]);
    return open.length === 0
      ? []
      : [{ ...workload, coverage: coverageStates(live, heard), rules: open }];
  });
}
