/** `coverage`: who is seen by what on a running engine, and what rules can make of it. */
import type {
  ApiClusterCoverage,
  ApiCoverage,
  ApiCoverageCounts,
  ApiRuleCoverage,
} from "../model/api-coverage.ts";
import { coverageCapabilities, type CoverageCapability } from "../model/coverage.ts";
import { apiTarget, getJson, type TargetOptions } from "./api-client.ts";
import { sourceGuides } from "../normalize/guides.ts";
import { formatTable, printable, type CliIo } from "./io.ts";
import { nextSourcesText } from "./next-sources.ts";

const nextShown = 5;

export interface CoverageOptions extends TargetOptions {
  readonly namespace?: string | undefined;
  readonly rule?: string | undefined;
  readonly json?: boolean | undefined;
}

export async function runCoverage(options: CoverageOptions, io: CliIo): Promise<number> {
  const { namespace, rule } = options;
  const coverage = await getJson<ApiCoverage>(apiTarget(options, io), "/api/v1/coverage", {
    namespace,
    rule,
  });
  io.out(options.json === true ? `${JSON.stringify(coverage, null, 2)}\n` : coverageText(coverage));
  if (coverage.truncated) io.error("not all are shown; narrow it with --namespace and --rule\n");
  return 0;
}

/** What is not seen comes first: that is what somebody can do something about. */
export function coverageText(coverage: ApiCoverage): string {
  const { workloads, meshed_workloads: meshed, unknown_workloads: unknown } = coverage;
  const more = unknown > 0 ? `; of ${unknown} more nobody says whether they are` : "";
  const head =
    workloads === 0
      ? "no workload with living pods is known\n"
      : `${meshed} of ${workloads} workloads are in the mesh${more}.\n`;
  const parts = [head, lacksText(coverage)];
  const next = nextSourcesText(coverage.next_sources, nextShown);
  if (next !== "") parts.push(next);
  if (coverage.not_judged.length > 0) parts.push(notJudgedText(coverage));
  if (workloads > 0) {
    parts.push(rulesText(coverage.rules), "Seen of them:\n", capabilitiesText(coverage));
  }
  return parts.join("\n");
}

/** The sources that tell of it, those that need least to tell of more first. */
function sourcesOf(capability: CoverageCapability): string {
  const given = sourceGuides.filter(({ gives }) => gives.includes(capability));
  return given
    .toSorted((x, y) => x.gives.length - y.gives.length)
    .map(({ id }) => id)
    .join(" or ");
}

interface Lack {
  readonly capability: CoverageCapability;
  workloads: number;
  readonly blind: Set<string>;
  readonly partly: Set<string>;
}

function lacksText({ rules, clusters, not_judged, namespaces }: ApiCoverage): string {
  const lacks = coverageCapabilities
    .map((capability) => lackOf(capability, rules, clusters))
    .filter(({ blind, partly }) => blind.size + partly.size > 0)
    .toSorted((a, b) => b.blind.size - a.blind.size || b.partly.size - a.partly.size);
  if (lacks.length === 0) return "Every rule judges every one of them.\n";
  const deaf = clusters.filter(({ objects }) => objects !== "live");
  const rows = lacks.map(({ capability, workloads, blind, partly }) => [
    capability,
    capability === "objects" && deaf.length > 0
      ? `${workloads}, and all of cluster ${deaf.map(({ cluster }) => printable(cluster)).join(", ")}`
      : String(workloads),
    String(blind.size),
    String(partly.size),
    sourcesOf(capability),
  ]);
  const header = ["MISSING", "OF WORKLOADS", "RULES BLIND", "RULES PARTLY", "SOURCES"];
  const isNamed = not_judged.length > 0 || namespaces.length === 0;
  const named = isNamed ? "" : "(--namespace <namespace> names the workloads)\n";
  const hint = `(docs/sources.md says what to switch on)\n${named}`;
  return `Not seen, and what would show it:\n${formatTable(header, rows)}${hint}`;
}

/** The rules that want it, and the most workloads that any of them lacks it of. */
function lackOf(
  capability: CoverageCapability,
  rules: readonly ApiRuleCoverage[],
  clusters: readonly ApiClusterCoverage[],
): Lack {
  const lack: Lack = { capability, workloads: 0, blind: new Set(), partly: new Set() };
  for (const { rule, missing } of rules) {
    const sets = missing.filter((set) => set.missing.includes(capability));
    const workloads = sets.reduce((sum, set) => sum + set.workloads, 0);
    lack.workloads = Math.max(lack.workloads, workloads);
    for (const { judgement } of sets) (judgement === "blind" ? lack.blind : lack.partly).add(rule);
  }
  for (const { rules: open } of clusters) {
    for (const { rule, judgement, missing } of open) {
      if (missing.includes(capability)) {
        (judgement === "blind" ? lack.blind : lack.partly).add(rule);
      }
    }
  }
  for (const rule of lack.blind) lack.partly.delete(rule);
  return lack;
}

/** `live/silent/never` in one cell, the zeros left out of the way. */
function capabilitiesText({ namespaces, ...total }: ApiCoverage): string {
  const names = Object.keys(total.capabilities);
  const cells = ({ capabilities }: ApiCoverageCounts): string[] =>
    names.map((name) => {
      const { live = 0, silent = 0, never = 0 } = capabilities[name] ?? {};
      const gaps = [silent > 0 ? `${silent} silent` : "", never > 0 ? `${never} never` : ""];
      return [String(live), ...gaps.filter((gap) => gap !== "")].join(", ");
    });
  const rows = namespaces.map((one) => [printable(one.namespace), inMesh(one), ...cells(one)]);
  if (rows.length > 1) rows.push(["(all)", inMesh(total), ...cells(total)]);
  return formatTable(["NAMESPACE", "MESHED", ...names.map((name) => name.toUpperCase())], rows);
}

/** `5, 2 unknown` */
function inMesh({ meshed_workloads, unknown_workloads }: ApiCoverageCounts): string {
  return `${meshed_workloads}${unknown_workloads > 0 ? `, ${unknown_workloads} unknown` : ""}`;
}

function rulesText(rules: readonly ApiRuleCoverage[]): string {
  const worstFirst = rules.toSorted((a, b) => b.blind - a.blind || b.partly - a.partly);
  const rows = worstFirst.map(({ rule, judged, partly, blind, missing }) => {
    const [most] = missing;
    const what = most ? `${most.missing.join(" and ")} (${most.workloads})` : "";
    const others = missing.length - 1;
    const more = others > 0 ? `, and ${others} other ${others === 1 ? "set" : "sets"}` : "";
    return [rule, String(judged), String(partly), String(blind), `${what}${more}`].map(printable);
  });
  return formatTable(["RULE", "JUDGED", "PARTLY", "BLIND", "MISSING"], rows);
}

/** Rules that lack the same of a workload stand in one line. */
function notJudgedText({ not_judged }: ApiCoverage): string {
  const rows = not_judged.flatMap(({ namespace, name, mesh, rules }) => {
    const lines = new Map<string, [is: string, missing: string, rules: string[]]>();
    for (const { rule, judgement, missing } of rules) {
      const lacks = missing.join(" and ");
      const line = lines.get(`${judgement} ${lacks}`) ?? [judgement, lacks, []];
      line[2].push(rule);
      lines.set(`${judgement} ${lacks}`, line);
    }
    const who = `${namespace}/${name}${mesh === "unknown" ? " (in the mesh?)" : ""}`;
    return [...lines.values()].map(([is, lacks, which]) =>
      [who, is, lacks, which.join(", ")].map(printable),
    );
  });
  return formatTable(["WORKLOAD", "IS", "MISSING", "RULES"], rows);
}
