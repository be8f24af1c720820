/** `coverage`: who is seen by what on a running engine, and what rules can make of it. */
import type { ApiCoverage, ApiCoverageCounts, ApiRuleCoverage } from "../model/api-coverage.ts";
import { getJson } from "./api-client.ts";
import { formatTable, printable, type CliIo } from "./io.ts";

export interface CoverageOptions {
  readonly url: string;
  readonly namespace?: string | undefined;
  readonly rule?: string | undefined;
  readonly json?: boolean | undefined;
}

export async function runCoverage(options: CoverageOptions, io: CliIo): Promise<number> {
  const { url, namespace, rule } = options;
  const coverage = await getJson<ApiCoverage>(url, "/api/v1/coverage", { namespace, rule });
  io.out(options.json === true ? `${JSON.stringify(coverage, null, 2)}\n` : coverageText(coverage));
  if (coverage.truncated) io.error("not all are shown; narrow it with --namespace and --rule\n");
  return 0;
}

export function coverageText(coverage: ApiCoverage): string {
  const { workloads, meshed_workloads } = coverage;
  if (workloads === 0) return "no workload with living pods is known\n";
  const head = `${meshed_workloads} of ${workloads} workloads are in the mesh. Of these are seen:\n`;
  const parts = [head, capabilitiesText(coverage), rulesText(coverage.rules)];
  if (coverage.not_judged.length > 0) parts.push(notJudgedText(coverage));
  return parts.join("\n");
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
  const rows = namespaces.map((one) => [
    printable(one.namespace),
    String(one.meshed_workloads),
    ...cells(one),
  ]);
  if (rows.length > 1) rows.push(["(all)", String(total.meshed_workloads), ...cells(total)]);
  return formatTable(["NAMESPACE", "MESHED", ...names.map((name) => name.toUpperCase())], rows);
}

function rulesText(rules: readonly ApiRuleCoverage[]): string {
  const rows = rules.map(({ rule, judged, partly, blind, missing }) => {
    const [most] = missing;
    const what = most ? `${most.missing.join(" and ")} (${most.workloads})` : "";
    const more = missing.length > 1 ? `, and ${missing.length - 1} other sets` : "";
    return [rule, String(judged), String(partly), String(blind), `${what}${more}`].map(printable);
  });
  return formatTable(["RULE", "JUDGED", "PARTLY", "BLIND", "MISSING"], rows);
}

function notJudgedText({ not_judged }: ApiCoverage): string {
  const rows = not_judged.flatMap(({ namespace, name, rules }) =>
    rules.map(({ rule, judgement, missing }) =>
      [`${namespace}/${name}`, rule, judgement, missing.join(" and ")].map(printable),
    ),
  );
  return formatTable(["WORKLOAD", "RULE", "IS", "MISSING"], rows);
}
