/**
 * What rules can make of what arrives: the store's counts by mask, and what the loaded rules need. Cells
 * are made when somebody asks; there are far fewer masks than workloads.
 */
import type {
  ApiBypassCoverage,
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
  type CoverageGroup,
  type Judged,
} from "../model/coverage.ts";
import type { RuleMeta, Severity } from "../model/insights.ts";

const limitDefault = 100;
const limitMax = 1_000;

/** Rules that do not say what they need have nothing to be blind for. */
export function coverageOf(
  stored: StoredCoverage,
  rules: readonly RuleMeta[],
  filter: CoverageFilter,
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
  namespaces.sort((a, b) => b.meshed_workloads - a.meshed_workloads || b.workloads - a.workloads);
  const notJudged = notJudgedOf(stored, wanted, judgeAll);
  return {
    ...countsOf(stored.groups, wanted, judgeAll),
    namespaces: namespaces.slice(0, limit),
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
  const counts = { meshed_workloads: 0, judged_workloads: 0 };
  for (const { meshed, live, workloads } of stored.groups) {
    if (!meshed) continue;
    counts.meshed_workloads += workloads;
    const lacks = judgeAll(live).reduce((all, one) => all | one.missing, 0);
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
}: ApiBypassCoverage): string {
  const head = `${judged_workloads} of ${meshed_workloads} meshed workloads are judged for bypass`;
  if (missing.length === 0) return head;
  const sets = missing.map(
    ({ capabilities, workloads }) => `${capabilities.join(" and ")} (${workloads})`,
  );
  return `${head}; missing: ${sets.join(", ")}`;
}

type JudgeAll = (live: number) => readonly Judged[];

/** One verdict per rule, in their order; each mask is judged once. */
function makeJudge(rules: readonly RuleMeta[]): JudgeAll {
  const known = new Map<number, readonly Judged[]>();
  return (live) => {
    let verdicts = known.get(live);
    if (!verdicts) known.set(live, (verdicts = rules.map((rule) => judge(rule, live))));
    return verdicts;
  };
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
  let [all, inMesh] = [0, 0];
  for (const { meshed, live, heard, workloads } of groups) {
    all += workloads;
    if (!meshed) continue;
    inMesh += workloads;
    for (const [capability, state] of Object.entries(coverageStates(live, heard))) {
      const cell = capabilities[capability];
      if (cell) cell[state] += workloads;
    }
    const verdicts = judgeAll(live);
    for (const [index, count] of counts.entries()) count.add(verdicts[index], workloads);
  }
  const cells = counts.map((count) => count.cell());
  return { workloads: all, meshed_workloads: inMesh, capabilities, rules: cells };
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
    const verdicts = judgeAll(live);
    const open = rules.flatMap(({ id: rule }, index) => {
      const { judgement, missing } = verdicts[index] ?? { judgement: "judged", missing: 0 };
      return judgement === "judged" ? [] : [{ rule, judgement, missing: capabilitiesOf(missing) }];
    });
    return open.length === 0
      ? []
      : [{ ...workload, coverage: coverageStates(live, heard), rules: open }];
  });
}
