/** `rules explain`: a rule in words, or what each part of its condition says of one entity. */
import { statSync } from "node:fs";
import { durationToText } from "../model/durations.ts";
import { systemClock } from "../lib/clock.ts";
import { nearest } from "../lib/nearest.ts";
import type { NodeEntity } from "../model/entities.ts";
import { hasErrors } from "../rules/diagnostics.ts";
import { explainRule, type ExplainedPart, type Explanation } from "../rules/explain.ts";
import { loadRules, type CompiledRule } from "../rules/load.ts";
import { WaiverSet } from "../rules/waiving.ts";
import { printable, UserError, type CliIo } from "./io.ts";
import { diagnosticsToText } from "./rules-check.ts";
import { readRuleSet } from "./rules-folder.ts";
import { entityOf, readEntityFields } from "./written-entities.ts";

export interface RulesExplainOptions {
  /** A file with the entity, or `-`; without one the rule is told in words. */
  readonly entity?: string | undefined;
  /** Loaded beside the shipped rules; those alone unless given. */
  readonly folder?: string | undefined;
  readonly json?: boolean;
}

/** 0 = explained, 1 = the files have errors. Throws `UserError` for a rule, entity or folder that is none. */
export async function runRulesExplain(
  id: string,
  options: RulesExplainOptions,
  io: CliIo,
): Promise<number> {
  const { folder, entity: entityPath } = inPlaces(options);
  const files = readRuleSet(folder);
  const nowUs = systemClock.nowUs();
  // A rule that is off by its file can be asked about too.
  const loaded = loadRules(files.all, { enabled: [id], todayUs: nowUs });
  const rule = loaded.rules.find(({ meta }) => meta.id === id);
  if (!rule && hasErrors(loaded.diagnostics)) {
    const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
    io.error(diagnosticsToText(errors, files.all));
    io.error(`cannot explain '${id}': ${errors.length} errors in the rule files\n`);
    return 1;
  }
  if (!rule) throw noSuchRule(id, loaded.ids);
  if (entityPath === undefined) {
    io.out(options.json ? toJson(ruleToJson(rule)) : ruleToText(rule));
    return 0;
  }
  const { on } = rule.meta;
  const entity = entityOf(on, await readEntityFields(entityPath, on), nowUs);
  const explanation = explainRule(rule, entity, nowUs);
  const waivers = new WaiverSet(loaded.waivers.filter(({ meta }) => meta.endsUs > nowUs));
  const waiver = isMatch(explanation) ? waivers.waiverFor(id, entity) : "";
  io.out(
    options.json
      ? toJson({ ...ruleToJson(rule), ...explanationToJson(explanation), waiver })
      : explanationToText(rule, explanation, waiver),
  );
  return 0;
}

/** A folder in the place of the entity is one of rules: to ask for a rule's words takes no entity. */
function inPlaces(options: RulesExplainOptions): RulesExplainOptions {
  const { entity, folder } = options;
  if (folder !== undefined || entity === undefined) return options;
  const isFolder = statSync(entity, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? { folder: entity } : options;
}

function noSuchRule(id: string, ids: ReadonlySet<string>): UserError {
  const meant = nearest(id, ids);
  const hint = meant === "" ? "" : ` (did you mean '${meant}'?)`;
  return new UserError(`there is no rule '${id}'${hint}`);
}

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const isMatch = ({ condition }: Explanation): boolean => condition.value === true;

function ruleToText(rule: CompiledRule): string {
  const { meta, written, paths } = rule;
  const rows: readonly (readonly [string, string])[] = [
    ["severity", `${meta.severity}, confidence ${written.confidence}, status ${meta.status}`],
    ["on", meta.on],
    ["about", [paths.subject, written.peer].filter((path) => path !== "").join(", peer ")],
    ["one insight for each", paths.key.map(({ text }) => text).join(", ")],
    ["judged with", setsToText(meta.needs)],
    ["in part with", setsToText(meta.partly)],
    ["fires", timingToText(rule)],
    ["tags", meta.tags.join(", ")],
    ["version", meta.version],
    ["file", `${rule.file}:${rule.line}`],
  ];
  const shown = rows.filter(([, text]) => text !== "");
  const width = Math.max(...shown.map(([name]) => name.length));
  return [
    `${meta.id}: ${meta.title}\n\n`,
    ...shown.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`),
    section("Meaning", meta.description),
    section("Condition", written.when),
    section("Names", namesOf(rule).join("\n")),
    section("Confirm", meta.confirm),
    section("Fix", meta.remediation),
    section("Innocent causes", meta.falsePositives.map((one) => `- ${one}`).join("\n")),
  ].join("");
}

function section(title: string, text: string): string {
  if (text.trim() === "") return "";
  return `\n${title}:\n${text.trimEnd().replace(/^(?=.)/gm, "  ")}\n`;
}

function setsToText(sets: readonly (readonly string[])[]): string {
  return sets.map((set) => set.join(" and ")).join(", or ");
}

function timingToText(rule: CompiledRule): string {
  return `${firesWhen(rule)}, and until ${durationToText(rule.meta.keepFiringForUs)} after it held last`;
}

/** When an insight fires, as the end of a sentence: `after it has held for 5m`. */
export function firesWhen({ meta, count }: CompiledRule): string {
  const held = meta.forUs === 0 ? "" : `after it has held for ${durationToText(meta.forUs)}`;
  if (!count) return held || "at once";
  const within = `within ${durationToText(count.withinUs)}`;
  const often = count.of
    ? `when what it counts grows by ${count.gte} ${within}`
    : `when it holds for ${count.gte} ${count.distinct ? "different ones" : "of them"} ${within}`;
  return held ? `${often}, ${held}` : often;
}

/** Params, lists and macros that the rule uses, with the values that they have now. */
function namesOf({ written }: CompiledRule): readonly string[] {
  const params = paramsOf(written).map(([name, value]) => `params.${name} = ${valueText(value)}`);
  const lists = listsOf(written).map(([name, values]) => `${name} = ${valueText(values)}`);
  const macros = [...written.macros.values()].map(
    ({ name, text }) => `${name}: ${text.replace(/\s+/g, " ").trim()}`,
  );
  return [...params, ...lists, ...macros];
}

type Written = CompiledRule["written"];

/** Name and value; durations as they are written. */
export function paramsOf({ params }: Written): readonly (readonly [string, unknown])[] {
  return [...params].map(
    ([name, { type, value }]) =>
      [name, type === "duration" ? durationToText(Number(value)) : value] as const,
  );
}

/** Those that the rule uses. */
export function listsOf({ names, context }: Written): readonly (readonly [string, unknown])[] {
  return names.flatMap((name) => {
    const values = context.lists.get(name);
    return values ? [[name, values] as const] : [];
  });
}

function ruleToJson({ meta, written, count }: CompiledRule): object {
  return {
    rule: meta.id,
    title: meta.title,
    severity: meta.severity,
    status: meta.status,
    on: meta.on,
    needs: meta.needs,
    partly: meta.partly,
    for: durationToText(meta.forUs),
    keep_firing_for: durationToText(meta.keepFiringForUs),
    count: count && { gte: count.gte, within: durationToText(count.withinUs) },
    when: written.when,
    params: Object.fromEntries(paramsOf(written)),
    lists: Object.fromEntries(listsOf(written)),
    macros: Object.fromEntries([...written.macros.values()].map(({ name, text }) => [name, text])),
  };
}

function explanationToJson(explanation: Explanation): object {
  const { condition, message, confidence, subject, peer, key } = explanation;
  return { matches: isMatch(explanation), condition, message, confidence, subject, peer, key };
}

function explanationToText(rule: CompiledRule, explanation: Explanation, waiver: string): string {
  const { condition, confidence, subject, peer } = explanation;
  const rows: readonly (readonly [string, string])[] = [
    ["message", explanation.message ?? `cannot be rendered; the title stands for it`],
    ["severity", `${rule.meta.severity}, confidence ${confidence}`],
    ["about", nodeText(subject)],
    ["peer", nodeText(peer)],
    ["waived by", waiver],
    ["fires", timingToText(rule)],
  ];
  return [
    `${rule.meta.id}: ${verdictOf(condition)}\n\n`,
    linesOf(condition, 0).join(""),
    section("Names", namesOf(rule).join("\n")),
    "\n",
    ...rows
      .filter(([, text]) => text !== "")
      .map(([name, text]) => `${name.padEnd(9)}  ${printable(text)}\n`),
  ].join("");
}

/** Empty for a node of which nothing is said. */
function nodeText(node: NodeEntity | null): string {
  const names = [node?.cluster, node?.namespace, node?.name].filter((one) => one);
  return names.length > 0 ? names.join("/") : (node?.address ?? "");
}

function verdictOf({ outcome, value, error }: ExplainedPart): string {
  if (outcome === "error") return `does not match, since its condition fails (${error})`;
  return value === true ? "matches" : "does not match";
}

/** The outcome in a column of its own, then the text as deep as it stands. */
function linesOf(part: ExplainedPart, depth: number): readonly string[] {
  const indent = "  ".repeat(depth);
  const text = printable(part.text);
  const line = (mark: string, rest = ""): string => `${mark.padEnd(6)} ${indent}${text}${rest}\n`;
  return [ownLine(part, line), ...part.parts.flatMap((one) => linesOf(one, depth + 1))];
}

function ownLine(part: ExplainedPart, line: (mark: string, rest?: string) => string): string {
  if (part.outcome === "skipped") return line("-", "   (not needed)");
  if (part.outcome === "error") return line("error", `   (${printable(part.error)})`);
  if (typeof part.value === "boolean") return line(String(part.value));
  return line("", ` = ${valueText(part.value)}`);
}

/** Of records inside a value, what nobody has set is left out; they have every field. */
function withoutEmpty(key: string, value: unknown): unknown {
  if (!/\D/.test(key)) return value; // the value itself, or an item of a list
  return ["", "unknown", "none", 0, -1, false].some((zero) => zero === value) ||
    (typeof value === "object" && Object.keys(value ?? {}).length === 0)
    ? undefined
    : value;
}

/** More of a value says less. */
const valueMax = 160;

function valueText(value: unknown): string {
  const text = JSON.stringify(value, withoutEmpty) ?? "null";
  return printable(text.length <= valueMax ? text : `${text.slice(0, valueMax)}…`);
}
