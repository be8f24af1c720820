/** `doctor`: what arrives at a running engine, what does not, why, and what to do about it. */
import type { ApiProblem, ApiStatus } from "../model/api-status.ts";
import { bypassText } from "../serve/coverage.ts";
import { apiTarget, getJson, type TargetOptions } from "./api-client.ts";
import { formatTable, printable, type CliIo } from "./io.ts";
import { nextSourcesText } from "./next-sources.ts";

export interface DoctorOptions extends TargetOptions {
  readonly json?: boolean | undefined;
  readonly scrapeWithin?: string | undefined;
}

/** `coverage` tells more of them. */
const nextShown = 1;

/** 0 when nothing is amiss, 1 otherwise; that nobody answers is a `UserError` with 1 as well. */
export async function runDoctor(options: DoctorOptions, io: CliIo): Promise<number> {
  const status = await getJson<ApiStatus>(apiTarget(options, io), "/api/v1/status", {
    scrape_within: options.scrapeWithin,
  });
  io.out(options.json === true ? `${JSON.stringify(status, null, 2)}\n` : doctorText(status));
  return status.problems.length === 0 ? 0 : 1;
}

export function doctorText(status: ApiStatus): string {
  const { version, started_at, ready, problems } = status;
  const head = `mesh-insights ${version}, ${ready ? "ready" : "not ready"}, running since ${secondsOf(started_at)}\n`;
  const parts = [head, receivedText(status), heardText(status), scrapeText(status)];
  if (status.bypass) parts.push(`${bypassText(status.bypass)}.\n`);
  const next = nextSourcesText(status.next_sources, nextShown);
  if (next !== "") parts.push(next);
  parts.push(problems.length === 0 ? "No problem found.\n" : problemsText(problems));
  return parts.join("\n");
}

const secondsOf = (at: string | null): string => (at === null ? "never" : `${at.slice(0, 19)}Z`);

function receivedText({ received }: ApiStatus): string {
  const rows = received.map(({ signal, transport, items, last }) => [
    signal,
    transport,
    String(items),
    items > 0 && last === null ? "before" : secondsOf(last),
  ]);
  return formatTable(["SIGNAL", "TRANSPORT", "ITEMS", "LAST ACCEPTED"], rows.map(cleaned));
}

/** Kinds of sources that say nothing are as much of an answer as those that do. */
const kinds = ["proxy", "node_agent", "objects"] as const;

function heardText({ heard }: ApiStatus): string {
  const rows = heard.map(({ source_kind, capability, sources, last }) => [
    source_kind,
    capability,
    String(sources),
    secondsOf(last),
  ]);
  const silent = kinds.filter((kind) => heard.every(({ source_kind }) => source_kind !== kind));
  for (const kind of silent) rows.push([kind, "-", "0", "never"]);
  return formatTable(["SOURCE KIND", "TELLS OF", "SOURCES", "LAST HEARD"], rows.map(cleaned));
}

function scrapeText({ scrape }: ApiStatus): string {
  const by = scrape.user_agent === "" ? "" : ` by ${printable(scrape.user_agent)}`;
  return `Last scrape of /metrics: ${secondsOf(scrape.last)}${by}\n`;
}

const cleaned = (row: readonly string[]): string[] => row.map(printable);

function problemsText(problems: readonly ApiProblem[]): string {
  const count = problems.length === 1 ? "1 problem:" : `${problems.length} problems:`;
  const texts = problems.map(({ code, severity, text, evidence, remedy }) => {
    const facts = Object.entries(evidence).map(([name, value]) => `${name}=${value}`);
    return [
      `${severity}: ${text} [${code}]`,
      `  evidence: ${facts.join(", ")}`,
      `  remedy:   ${remedy}`,
    ]
      .map(printable)
      .join("\n");
  });
  return `${count}\n\n${texts.join("\n\n")}\n`;
}
