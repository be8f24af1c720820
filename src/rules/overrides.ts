/**
 * Overrides: what users change of rules and lists that are not theirs, so that those can be upgraded.
 * Values only. A condition is never changed, since a piece of one says nothing by itself: whoever wants
 * another condition disables the rule and writes one with an id of its own.
 */
import { isMap, isScalar, isSeq, type Scalar, type YAMLMap } from "yaml";
import { nearest } from "../lib/nearest.ts";
import type { ListValues } from "./check.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { entriesOf, isFirst, mapsOf, type Draft, type Places } from "./draft.ts";
import { listOverrideKeys, ruleOverrideKeys } from "./file-keys.ts";
import type { BuiltRule } from "./rule.ts";
import type { RuleValues } from "./rule-meta.ts";
import type { Shared, SharedList } from "./scope.ts";
import { textOf } from "./source.ts";
import { validateKeys, type Report } from "./validate.ts";

/** What changes of one rule. */
export interface Override {
  readonly rule: string;
  /** Where its rule is named. */
  readonly at: Scalar;
  readonly report: Report;
  readonly values: Pick<RuleValues, "for" | "keep_firing_for"> &
    Partial<Pick<RuleValues, "enabled" | "severity">>;
  readonly params: ReadonlyMap<string, SetParam>;
  readonly lists: ReadonlyMap<string, ListChange>;
}

export interface SetParam {
  readonly key: Scalar;
  readonly node: unknown;
  /** The value in words, for complaints. */
  readonly what: string;
}

/** What changes of one list. */
export interface ListChange {
  readonly key: Scalar;
  readonly report: Report;
  readonly add: ListValues;
  readonly remove: ListValues;
}

/** Those of all files. */
export interface Overrides {
  readonly rules: ReadonlyMap<string, Override>;
  readonly lists: ReadonlyMap<string, ListChange>;
}

/** A second one of the same rule or list is an error: nobody could tell which of them counts. */
export function collectOverrides(drafts: readonly Draft[]): Overrides {
  const rules = new Map<string, Override>();
  const lists = new Map<string, ListChange>();
  const places: { readonly rule: Places; readonly list: Places } = {
    rule: new Map(),
    list: new Map(),
  };
  for (const draft of drafts) {
    const { report } = draft;
    for (const map of mapsOf(draft, "overrides", "an override")) {
      const kind = map.has("list") && !map.has("rule") ? "list" : "rule";
      const at = map.get(kind, true);
      const name = textOf(at);
      const errorsBefore = report.errorCount;
      const what = name === undefined ? "an override" : `the override of '${name}'`;
      const keys = kind === "list" ? listOverrideKeys : ruleOverrideKeys;
      validateKeys(map, keys, what, report);
      if (name === undefined || !isScalar(at) || report.errorCount > errorsBefore) continue;
      if (!isFirst(name, what, report.source.startOf(at), report, places[kind])) continue;
      const change = kind === "list" ? readChange(map, at, report) : null;
      if (change) lists.set(name, change);
      if (kind === "rule") rules.set(name, readRuleOverride(map, name, at, report));
    }
  }
  return { rules, lists };
}

function readRuleOverride(map: YAMLMap, rule: string, at: Scalar, report: Report): Override {
  const values = map.toJS(report.source.document) as Override["values"]; // the table has accepted it
  const params = entriesOf(map.get("params", true)).map(
    ({ key, name, value: node }) =>
      [name, { key, node, what: `the value of '${name}'` }] satisfies [string, SetParam],
  );
  const lists = entriesOf(map.get("lists", true)).flatMap(({ key, name, value }) => {
    const change = isMap(value) ? readChange(value, key, report) : null;
    return change ? [[name, change] as const] : [];
  });
  return { rule, at, report, values, params: new Map(params), lists: new Map(lists) };
}

function readChange(map: YAMLMap, key: Scalar, report: Report): ListChange | null {
  const add = listValues("what is added", map.get("add", true), report);
  const remove = listValues("what is removed", map.get("remove", true), report);
  return add && remove && { key, report, add, remove };
}

/** Items whose shape was validated, none where there is no list; null where they are of two kinds. */
export function listValues(what: string, node: unknown, report: Report): ListValues | null {
  if (!isSeq(node)) return [];
  const values = node.items.map((item) => (isScalar(item) ? item.value : undefined));
  if (values.every((value) => typeof value === "string")) return values;
  if (values.every((value) => typeof value === "number")) return values;
  report.error("RULE_KEY", report.source.startOf(node), `${what} holds both texts and numbers`);
  return null;
}

/** The keys of a rule that an override replaces; the others are the rule's own. */
export function overrideValues(values: RuleValues, override: Override | null): RuleValues {
  if (!override) return values;
  const { enabled, severity, ...times } = override.values;
  const params = Object.entries(values.params ?? {}).map(([name, param]) => {
    const node = override.params.get(name)?.node;
    return [name, isScalar(node) ? { ...param, default: node.value } : param];
  });
  return {
    ...values,
    ...(enabled !== undefined && { enabled }),
    ...(severity !== undefined && { severity }),
    ...(times.for !== undefined && { for: times.for }),
    ...(times.keep_firing_for !== undefined && { keep_firing_for: times.keep_firing_for }),
    ...(values.params && { params: Object.fromEntries(params) }),
  };
}

/** Builds a rule once more, with other lists and with an override. */
export type Build = (
  shared: Shared,
  override: Override | null,
  into: Diagnostic[],
) => BuiltRule | null;

/**
 * The rule as overrides change it. The rule itself has no error, so what is wrong now is theirs: it is
 * said where they stand, and the rule's own file stays without a fault.
 */
export function overrideRule(
  plain: BuiltRule,
  changed: Shared,
  overrides: Overrides,
  build: Build,
): BuiltRule {
  const { id } = plain.rule.meta;
  const override = overrides.rules.get(id) ?? null;
  const change = plain.names.flatMap((name) => overrides.lists.get(name) ?? [])[0];
  const cause = override ? { key: override.at, report: override.report } : change;
  if (!cause) return plain;
  const found: Diagnostic[] = [];
  const shared = override ? withLists(changed, override, plain.names) : changed;
  const built = build(shared, override, found);
  const { source } = cause.report;
  for (const { severity, message } of found) {
    if (severity === "warning") continue;
    const said = `rule '${id}' as it is changed: ${message}`;
    cause.report.error("RULE_REF", source.startOf(cause.key), said);
  }
  return built ?? plain;
}

/** Lists and macros with the lists that are changed for every rule. */
export function changeLists(shared: Shared, overrides: Overrides): Shared {
  const lists = new Map(shared.lists);
  for (const [name, change] of overrides.lists) {
    const list = shared.lists.get(name);
    if (list) lists.set(name, changeList(name, list, change));
    else reportUnknown(`there is no list '${name}'`, name, change, shared.lists.keys());
  }
  return { ...shared, lists };
}

/** With the lists that are changed for one rule, which must use them. */
function withLists(shared: Shared, override: Override, names: readonly string[]): Shared {
  const lists = new Map(shared.lists);
  const used = names.filter((name) => lists.has(name));
  for (const [name, change] of override.lists) {
    const list = used.includes(name) ? lists.get(name) : undefined;
    if (list) lists.set(name, changeList(name, list, change));
    else reportUnknown(`rule '${override.rule}' uses no list '${name}'`, name, change, used);
  }
  return { ...shared, lists };
}

function reportUnknown(
  message: string,
  name: string,
  { key, report }: ListChange,
  known: Iterable<string>,
): void {
  report.error("RULE_REF", report.source.startOf(key), message, nearest(name, known));
}

function changeList(
  name: string,
  list: SharedList,
  { key, report, add, remove }: ListChange,
): SharedList {
  const at = report.source.startOf(key);
  const old = new Set<string | number>(list.values);
  for (const item of remove) {
    if (!old.has(item)) report.warning("NO_EFFECT", at, `the list '${name}' has no '${item}'`);
  }
  for (const item of add) {
    if (old.has(item)) report.warning("NO_EFFECT", at, `the list '${name}' has '${item}' already`);
  }
  const removed = new Set<string | number>(remove);
  const values = [...new Set([...old].filter((item) => !removed.has(item)).concat(add))];
  if (values.every((value) => typeof value === "string")) return { ...list, values };
  if (values.every((value) => typeof value === "number")) return { ...list, values };
  report.error("RULE_KEY", at, `the list '${name}' would hold both texts and numbers`);
  return list;
}

/** Overrides of rules that the set does not have. */
export function reportUnknownRules(overrides: Overrides, known: Iterable<string>): void {
  const ids = new Set(known);
  for (const { rule, at, report } of overrides.rules.values()) {
    if (ids.has(rule)) continue;
    report.error(
      "RULE_REF",
      report.source.startOf(at),
      `there is no rule '${rule}'`,
      nearest(rule, ids),
    );
  }
}
