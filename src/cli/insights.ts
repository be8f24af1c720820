/** `insights`: the insights of a running engine, as a table or JSON, once or until stopped. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiInsight, ApiPage } from "../model/api.ts";
import { apiTarget, getJson, type TargetOptions } from "./api-client.ts";
import { formatTable, printable, type CliIo } from "./io.ts";

export interface InsightsOptions extends TargetOptions {
  readonly state?: string | undefined;
  readonly severity?: string | undefined;
  readonly namespace?: string | undefined;
  readonly json?: boolean | undefined;
  readonly watch?: boolean | undefined;
}

export async function runInsights(options: InsightsOptions, io: CliIo): Promise<number> {
  let shown = "";
  do {
    const page = await getJson<ApiPage<ApiInsight>>(apiTarget(options, io), "/api/v1/insights", {
      state: options.state,
      severity: options.severity,
      namespace: options.namespace,
      limit: "1000",
    });
    const text = options.json === true ? `${JSON.stringify(page, null, 2)}\n` : insightsTable(page);
    if (text !== shown) io.out(text);
    shown = text;
    if (options.watch === true)
      await sleep(1_000, undefined, { signal: io.signal }).catch(() => {});
  } while (options.watch === true && !io.signal.aborted);
  return 0;
}

export function insightsTable(page: ApiPage<ApiInsight>): string {
  if (page.items.length === 0) return "no insights\n";
  const rows = page.items.map((insight) =>
    [
      insight.severity,
      insight.state,
      insight.rule,
      `${insight.namespace}/${insight.workload}`,
      insight.last_seen.slice(0, 19),
      insight.message,
    ].map(printable),
  );
  const table = formatTable(
    ["SEVERITY", "STATE", "RULE", "WORKLOAD", "LAST SEEN", "MESSAGE"],
    rows,
  );
  return page.total > rows.length ? `${table}(${rows.length} of ${page.total} shown)\n` : table;
}
