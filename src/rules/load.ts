/**
 * Rule files to a rule set. Takes texts, not paths, and gives every problem of every file at once; a
 * set is usable only without errors. Lists and macros are shared by all files.
 */
import { isMap, isNode, isScalar, isSeq, type Scalar, type YAMLMap } from "yaml";
import { entityFields, type EntityType } from "../model/entities.ts";
import { buildRule, warnIfFolded } from "./build-rule.ts";
import type { ListValues } from "./check.ts";
import { byPlace, type Diagnostic } from "./diagnostics.ts";
import { FrontEnd } from "./front-end.ts";
import { fileKeys } from "./keys.ts";
import type { CompiledRule } from "./rule.ts";
import type { Shared, SharedList, SharedMacro } from "./scope.ts";
import { Source, textOf, type RuleFileText } from "./source.ts";
import { Report, validateKeys } from "./validate.ts";
import { buildWaiver, type KnownRules, type Waiver, type WaiverLimits } from "./waivers.ts";

export type { CompiledRule } from "./rule.ts";
export type { Waiver } from "./waivers.ts";

export interface LoadedRules {
  /** The enabled rules that have no error, in the order of their files. */
  readonly rules: readonly CompiledRule[];
  readonly lists: ReadonlyMap<string, ListValues>;
  /** Those without an error, ended ones too. */
  readonly waivers: readonly Waiver[];
  /** Sorted by place. One error anywhere makes the whole set unusable. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Loads all files as one set. Never throws for what the files hold; rules of a set with errors are given
 * too, for tools that want to show them.
 */
export function loadRules(files: readonly RuleFileText[], limits: WaiverLimits = {}): LoadedRules {
  const diagnostics: Diagnostic[] = [];
  const drafts = files.flatMap((file) => readFile(file, diagnostics) ?? []);
  const shared = collectShared(drafts);
  const rules = new Map<string, CompiledRule>();
  const places = new Map<string, string>();
  const known = new Map<string, EntityType | null>();
  for (const draft of drafts) buildRules(draft, shared, rules, known, places);
  const waivers = buildWaivers(drafts, known, shared, limits);
  warnAboutUnused(shared);
  return {
    rules: [...rules.values()],
    lists: new Map([...shared.lists].map(([name, list]) => [name, list.values])),
    waivers,
    diagnostics: diagnostics.sort(byPlace),
  };
}

/** A file whose YAML could be read. */
interface Draft {
  readonly map: YAMLMap;
  readonly report: Report;
}

/** Null when the YAML itself is broken: its rules are unknown then, and the other files go on. */
function readFile(file: RuleFileText, diagnostics: Diagnostic[]): Draft | null {
  const source = new Source(file);
  const yamlErrors = source.yamlErrors();
  diagnostics.push(...yamlErrors);
  if (yamlErrors.length > 0) return null;
  const report = new Report(source, diagnostics);
  const map = source.document.contents;
  if (!isMap(map)) {
    report.error("RULE_YAML", source.at(0), "a rule file is a map with 'version' and 'rules'");
    return null;
  }
  // Each rule and waiver is validated with its own name in the messages.
  validateKeys(map, fileKeys, "the file", report, ["rules", "waivers"]);
  return { map, report };
}

/** Lists and macros come before all rules, since any file may use them. */
function collectShared(drafts: readonly Draft[]): Shared {
  const lists = new Map<string, SharedList>();
  const macros = new Map<string, SharedMacro>();
  const places = new Map<string, string>();
  for (const { map, report } of drafts) {
    for (const { key, name, value } of entriesOf(map.get("lists", true))) {
      const values = listValues(name, value, report);
      if (values && isFreeName(name, key, "list", report, places)) {
        lists.set(name, { values, key, report });
      }
    }
    for (const { key, name, value: scalar } of entriesOf(map.get("macros", true))) {
      const text = textOf(scalar);
      if (text === undefined || !isScalar(scalar)) continue;
      warnIfFolded(scalar, name, report);
      if (isFreeName(name, key, "macro", report, places)) {
        macros.set(name, { text, key, scalar, report });
      }
    }
  }
  return { lists, macros, used: new Set() };
}

interface Entry {
  readonly key: Scalar;
  readonly name: string;
  readonly value: unknown;
}

function entriesOf(node: unknown): readonly Entry[] {
  if (!isMap(node)) return [];
  return node.items.flatMap(({ key, value }) => {
    const name = textOf(key);
    return isScalar(key) && name !== undefined ? [{ key, name, value }] : [];
  });
}

/** The items of a list whose shape was validated, or null where they are of two kinds. */
function listValues(name: string, node: unknown, report: Report): ListValues | null {
  if (!isSeq(node)) return null;
  const values = node.items.map((item) => (isScalar(item) ? item.value : undefined));
  if (values.every((value) => typeof value === "string")) return values;
  if (values.every((value) => typeof value === "number")) return values;
  const at = report.source.startOf(node);
  report.error("RULE_KEY", at, `the list '${name}' holds both texts and numbers`);
  return null;
}

/** Names that mean something already; `namespace` and its like are entities. */
const takenNames: ReadonlySet<string> = new Set(
  Object.keys(entityFields).concat(
    "params has size string int double duration bool list map type dyn uint bytes".split(" "),
    "timestamp cel optional in true false null as break const continue else for".split(" "),
    "function if import let loop package return var void while".split(" "),
  ),
);

/** One name is one thing in the whole set: a second list or macro is an error, not an override. */
function isFreeName(
  name: string,
  key: Scalar,
  kind: "list" | "macro",
  report: Report,
  places: Map<string, string>,
): boolean {
  const at = report.source.startOf(key);
  if (takenNames.has(name)) {
    report.error("RULE_REF", at, `a ${kind} cannot be named '${name}', which means something else`);
    return false;
  }
  return isFirst(name, `the name '${name}'`, at, report, places);
}

/** False, with a complaint that names the first one, when the id or name is taken. */
function isFirst(
  id: string,
  what: string,
  at: { readonly line: number; readonly column: number },
  report: Report,
  places: Map<string, string>,
): boolean {
  const first = places.get(id);
  if (first !== undefined) {
    report.error("RULE_REF", at, `${what} is taken, by ${first}`);
    return false;
  }
  places.set(id, `${report.source.path}:${at.line}`);
  return true;
}

/** The rules of one file; a broken one keeps its id, so that a second one is still a duplicate. */
function buildRules(
  draft: Draft,
  shared: Shared,
  rules: Map<string, CompiledRule>,
  known: Map<string, EntityType | null>,
  places: Map<string, string>,
): void {
  const { report } = draft;
  const ruleset = textOf(draft.map.get("ruleset", true)) ?? "";
  for (const item of mapsOf(draft, "rules", "a rule")) {
    const built = buildRule(item, ruleset, shared, report);
    const id = textOf(item.get("id", true));
    if (id === undefined) continue;
    const at = report.source.startOf(item);
    if (!isFirst(id, `the rule id '${id}'`, at, report, places)) continue;
    known.set(id, built?.rule.meta.on ?? null);
    if (built?.isEnabled) rules.set(id, built.rule);
  }
}

/** After all rules, since a waiver names rules of any file. */
function buildWaivers(
  drafts: readonly Draft[],
  known: KnownRules,
  shared: Shared,
  limits: WaiverLimits,
): readonly Waiver[] {
  const waivers: Waiver[] = [];
  const places = new Map<string, string>();
  for (const draft of drafts) {
    const { report } = draft;
    for (const item of mapsOf(draft, "waivers", "a waiver")) {
      const waiver = buildWaiver(item, known, shared, limits, report);
      const id = textOf(item.get("id", true));
      if (id === undefined) continue;
      const at = report.source.startOf(item);
      const isNew = isFirst(id, `the waiver id '${id}'`, at, report, places);
      if (waiver && isNew) waivers.push(waiver);
    }
  }
  return waivers;
}

/** The maps of a file's list, with a complaint about everything else in it. */
function mapsOf({ map, report }: Draft, key: string, what: string): readonly YAMLMap[] {
  const list = map.get(key, true);
  if (list === undefined || (isScalar(list) && list.value === null)) return [];
  if (!isSeq(list)) {
    const at = report.source.startOf(isNode(list) ? list : null);
    report.error("RULE_KEY", at, `'${key}' of the file must be a list`);
    return [];
  }
  return list.items.filter((item): item is YAMLMap => {
    if (isMap(item)) return true;
    const at = report.source.startOf(isNode(item) ? item : list);
    report.error("RULE_KEY", at, `${what} must be a map`);
    return false;
  });
}

/** What nobody uses is often a misspelt name in the rule that should. */
function warnAboutUnused(shared: Shared): void {
  for (const [name, { key, report }] of shared.lists) {
    if (shared.used.has(name)) continue;
    report.warning("UNUSED_LIST", report.source.startOf(key), `no rule uses the list '${name}'`);
  }
  for (const [name, macro] of shared.macros) {
    if (shared.used.has(name)) continue;
    const { key, report } = macro;
    report.warning("UNUSED_MACRO", report.source.startOf(key), `no rule uses the macro '${name}'`);
    reportSyntax(macro);
  }
}

/** Without a rule there is no entity to check types against, but the text can be read. */
function reportSyntax({ text, scalar, report }: SharedMacro): void {
  const checked = new FrontEnd({}).check(text);
  if (checked.ok || checked.error.code !== "RULE_CEL_SYNTAX") return;
  const { range, message } = checked.error;
  report.error("RULE_CEL_SYNTAX", report.source.within(scalar, range.start), message);
}
