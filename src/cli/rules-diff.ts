/** `rules diff`: the insights of a recording that two rule sets do not agree on. */
import { stat } from "node:fs/promises";
import type { Config } from "../config/config.ts";
import type { InsightRow } from "../model/rows.ts";
import { insightToApi } from "../store/queries/insight-rows.ts";
import { configToRuleFile } from "./config-rules.ts";
import { Evaluator, type Evaluation } from "./evaluate.ts";
import { printable, UserError, type CliIo } from "./io.ts";
import { isTestFile } from "../rules/draft.ts";
import { readRequests } from "./json-lines.ts";
import { readConfig, useRules, type ConfigOptions } from "./load.ts";
import { Progress } from "./progress.ts";
import { readEngineRuleFiles, readRuleSet } from "./rules-folder.ts";

export interface RulesDiffOptions extends ConfigOptions {
  readonly recording: string;
  /** Each folder is a whole set; without it, it is loaded beside the shipped rules. */
  readonly alone?: boolean;
  readonly json?: boolean;
}

type Insight = ReturnType<typeof insightToApi>;

/** What is compared, in the words of the API; evidence is left out, which the recording gives both. */
const comparedFields = [
  "severity",
  "confidence",
  "state",
  "reason",
  "title",
  "message",
  "waiver",
  "first_seen",
  "last_seen",
  "fired_at",
  "resolved_at",
  "occurrences",
] as const satisfies readonly (keyof Insight)[];
type ComparedField = (typeof comparedFields)[number];

interface Change {
  readonly field: ComparedField;
  readonly a: string | number | null;
  readonly b: string | number | null;
}

/** One insight that is only in one of the sets, or in both with other values. */
type Difference =
  | { readonly kind: "only_a" | "only_b"; readonly insight: Insight }
  | { readonly kind: "changed"; readonly insight: Insight; readonly changes: readonly Change[] };

/** 0 = no insight differs, 1 = some do; what cannot be read is a `UserError`, which exits with 2. */
export async function runRulesDiff(
  folderA: string,
  folderB: string,
  options: RulesDiffOptions,
  io: CliIo,
): Promise<number> {
  const config = readConfig(options, io);
  const a = makeEvaluator(folderA, options, config);
  const b = makeEvaluator(folderB, options, config);
  const info = await stat(options.recording).catch(() => null); // reading says what is wrong with it
  const progress = new Progress(io, info?.size ?? 0);
  for await (const request of readRequests(options.recording)) {
    if (io.signal.aborted) throw new UserError("stopped before the end of the recording");
    a.take(request);
    b.take(request);
    progress.add(request.body.byteLength);
  }
  progress.end();
  const [ofA, ofB] = [a.finish(), b.finish()];
  const differences = differencesOf(ofA.insights, ofB.insights);
  if (options.json) io.out(`${JSON.stringify(toJson(differences), null, 2)}\n`);
  else io.out(differences.map(differenceToText).join(""));
  io.error(summaryOf(ofA, ofB, differences));
  return differences.length === 0 ? 0 : 1;
}

/** Throws a `UserError` that names the folder and every fault of its files. */
function makeEvaluator(folder: string, { alone }: RulesDiffOptions, config: Config): Evaluator {
  const own = alone
    ? readEngineRuleFiles(folder)
    : readRuleSet(folder).all.filter(({ path }) => !isTestFile(path));
  try {
    const { rules, waivers } = useRules(config, own.concat(configToRuleFile(config) ?? []));
    return new Evaluator(config, rules, undefined, waivers);
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    const hint = alone
      ? ""
      : "\n(it is loaded beside the shipped rules; --alone if it is a whole set)";
    throw new UserError(`the rule set '${folder}': ${cause.message}${hint}`);
  }
}

/** In the order of their rules and workloads, those of A first where only the life differs. */
function differencesOf(
  rowsA: readonly InsightRow[],
  rowsB: readonly InsightRow[],
): readonly Difference[] {
  const ofB = new Map(rowsB.map((row) => [row.id, row]));
  const differences = rowsA.flatMap((row): readonly Difference[] => {
    const other = ofB.get(row.id);
    ofB.delete(row.id);
    const a = toInsight(row);
    if (!other) return [{ kind: "only_a", insight: a }];
    const b = toInsight(other);
    const changes = changesOf(a, b);
    return changes.length > 0 ? [{ kind: "changed", insight: b, changes }] : [];
  });
  const added = [...ofB.values()].map((row) => ({
    kind: "only_b" as const,
    insight: toInsight(row),
  }));
  return [...differences, ...added].toSorted((x, y) => (placeOf(x) < placeOf(y) ? -1 : 1));
}

const placeOf = ({ insight }: Difference): string =>
  [insight.rule, insight.cluster, insight.namespace, insight.workload, insight.id].join("\0");

/** As the API would give it; the store keeps booleans as numbers. */
function toInsight(row: InsightRow): Insight {
  return insightToApi({ ...row, flapping: Number(row.flapping) });
}

function changesOf(a: Insight, b: Insight): readonly Change[] {
  return comparedFields
    .filter((field) => a[field] !== b[field])
    .map((field) => ({ field, a: a[field], b: b[field] }));
}

function toJson(differences: readonly Difference[]): object {
  const only = (kind: Difference["kind"]): readonly Insight[] =>
    differences.filter((one) => one.kind === kind).map(({ insight }) => insight);
  const changed = differences.flatMap((one) =>
    one.kind === "changed" ? [{ ...identityOf(one.insight), changes: one.changes }] : [],
  );
  return { only_a: only("only_a"), only_b: only("only_b"), changed };
}

function identityOf({ id, rule, cluster, namespace, workload }: Insight): object {
  return { id, rule, cluster, namespace, workload };
}

const marks: Readonly<Record<Difference["kind"], string>> = {
  only_a: "-",
  only_b: "+",
  changed: "~",
};

function differenceToText(difference: Difference): string {
  const { kind, insight } = difference;
  const { rule, severity, state, message } = insight;
  const place = [insight.cluster, insight.namespace, insight.workload].filter((one) => one !== "");
  const of = place.length > 0 ? ` ${place.join("/")}` : "";
  const head = `${marks[kind]} ${rule}${of} (${severity}, ${state}): ${message}`;
  const changes = kind === "changed" ? difference.changes : [];
  const lines = changes.map(({ field, a, b }) => `    ${field}: ${shown(a)} -> ${shown(b)}`);
  return [head, ...lines].map((line) => `${printable(line)}\n`).join("");
}

function shown(value: Change["a"]): string {
  return value === null || value === "" ? "none" : String(value);
}

function summaryOf(a: Evaluation, b: Evaluation, differences: readonly Difference[]): string {
  const count = (kind: Difference["kind"]): number =>
    differences.filter((one) => one.kind === kind).length;
  const refused = a.refused.length === 0 ? "" : `, ${a.refused.length} refused`;
  return (
    `${a.accepted} requests evaluated${refused}; ` +
    `${a.insights.length} insights in A, ${b.insights.length} in B: ` +
    `${count("only_a")} only in A, ${count("only_b")} only in B, ${count("changed")} changed\n`
  );
}
