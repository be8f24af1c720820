/**
 * Rule files to a rule set. Takes texts, not paths, and gives every problem of every file at once; a
 * set is usable only without errors. Lists and macros are shared by all files.
 */
import { isMap, isScalar, isSeq, type Scalar } from "yaml";
import { entityFields } from "../model/entities.ts";
import { buildRule, warnIfFolded } from "./build-rule.ts";
import type { ListValues } from "./check.ts";
import { byPlace, type Diagnostic } from "./diagnostics.ts";
import { entriesOf, isFirst, mapsOf, readDraft, type Draft, type Places } from "./draft.ts";
import { FrontEnd } from "./front-end.ts";
import {
  changeLists,
  collectOverrides,
  listValues,
  overrideRule,
  reportUnknownRules,
  type Build,
  type Overrides,
} from "./overrides.ts";
import type { BuiltRule, CompiledRule } from "./rule.ts";
import type { Shared, SharedList, SharedMacro } from "./scope.ts";
import { textOf, type RuleFileText } from "./source.ts";
import {
  collectTests,
  fixturesOf,
  insideTests,
  warnAboutTests,
  type OutsideTests,
} from "./tests.ts";
import { Report } from "./validate.ts";
import { buildWaiver, type KnownRules, type Waiver, type WaiverLimits } from "./waivers.ts";

export type { CompiledRule } from "./rule.ts";
export type { Waiver } from "./waivers.ts";

export interface LoadOptions extends WaiverLimits {
  /** Ids of rules that are on whatever their files and overrides say. */
  readonly enabled?: readonly string[];
  /** Ids of rules that are off; this is the last word. */
  readonly disabled?: readonly string[];
}

export interface LoadedRules {
  /** Ids of all rules that the files have, disabled and broken ones too. */
  readonly ids: ReadonlySet<string>;
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
export function loadRules(files: readonly RuleFileText[], options: LoadOptions = {}): LoadedRules {
  const diagnostics: Diagnostic[] = [];
  const drafts = files.flatMap((file, order) => readDraft(file, diagnostics, order) ?? []);
  const shared = collectShared(drafts);
  const built = new Map<string, BuiltRule | null>();
  const places: Places = new Map();
  const overrides = collectOverrides(drafts);
  const outside = collectTests(drafts, idsOf(drafts));
  const set = { shared, changed: changeLists(shared, overrides), overrides, outside };
  for (const draft of drafts) buildRules(draft, set, built, places);
  reportUnknownRules(overrides, built.keys());
  const known = new Map([...built].map(([id, rule]) => [id, rule?.rule.meta.on ?? null]));
  const waivers = buildWaivers(drafts, known, set.changed, options);
  warnAboutUnused(shared);
  return {
    ids: new Set(built.keys()),
    rules: [...built.values()].flatMap((rule) => (rule && isOn(rule, options) ? rule.rule : [])),
    lists: new Map([...set.changed.lists].map(([name, list]) => [name, list.values])),
    waivers,
    diagnostics: diagnostics.sort(byPlace),
  };
}

/** Of all rules, also of those that turn out to be broken. */
function idsOf(drafts: readonly Draft[]): ReadonlySet<string> {
  const ids = drafts.flatMap(({ map }) => {
    const list = map.get("rules", true);
    const items = isSeq(list) ? list.items : [];
    return items.flatMap((item) => (isMap(item) ? (textOf(item.get("id", true)) ?? []) : []));
  });
  return new Set(ids);
}

function isOn(
  { rule, isEnabled }: BuiltRule,
  { enabled = [], disabled = [] }: LoadOptions,
): boolean {
  const { id } = rule.meta;
  return !disabled.includes(id) && (isEnabled || enabled.includes(id));
}

/** Lists and macros come before all rules, since any file may use them. */
function collectShared(drafts: readonly Draft[]): Shared {
  const lists = new Map<string, SharedList>();
  const macros = new Map<string, SharedMacro>();
  const places: Places = new Map();
  for (const { map, report } of drafts) {
    for (const { key, name, value } of entriesOf(map.get("lists", true))) {
      if (!isSeq(value)) continue;
      const values = listValues(`the list '${name}'`, value, report);
      if (values && isFreeName(name, key, "list", report, places)) {
        lists.set(name, { values, key, items: value, report });
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
  places: Places,
): boolean {
  const at = report.source.startOf(key);
  if (takenNames.has(name)) {
    report.error("RULE_REF", at, `a ${kind} cannot be named '${name}', which means something else`);
    return false;
  }
  return isFirst(name, `the name '${name}'`, at, report, places);
}

/** What the rules of all files share, as it is written and with its overrides. */
interface RuleSet {
  readonly shared: Shared;
  readonly changed: Shared;
  readonly overrides: Overrides;
  readonly outside: OutsideTests;
}

/** The rules of one file; a broken one keeps its id, so that a second one is still a duplicate. */
function buildRules(
  draft: Draft,
  { shared, changed, overrides, outside }: RuleSet,
  into: Map<string, BuiltRule | null>,
  places: Places,
): void {
  const { report } = draft;
  const fixtures = fixturesOf(draft);
  const ruleset = textOf(draft.map.get("ruleset", true)) ?? "";
  for (const item of mapsOf(draft, "rules", "a rule")) {
    const id = textOf(item.get("id", true));
    const tests = [...insideTests(item, fixtures, report), ...(outside.get(id ?? "") ?? [])];
    const plain = buildRule(item, { ruleset, tests }, shared, null, report);
    if (plain?.rule.meta.status === "stable")
      warnAboutTests(item, plain.rule.meta.id, tests, report);
    const build: Build = (lists, override, found) =>
      buildRule(
        item,
        { ruleset, tests },
        lists,
        override,
        new Report(report.source, found, report.order),
      );
    const built = plain && overrideRule(plain, changed, overrides, build);
    if (id === undefined) continue;
    const at = report.source.startOf(item);
    if (!isFirst(id, `the rule id '${id}'`, at, report, places)) continue;
    into.set(id, built);
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
  const places: Places = new Map();
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
