/**
 * What a configuration says of rules, as one more rule file: so its lists, params and waivers are checked
 * by the code that checks those of files, and meet the same complaints.
 */
import type { Config } from "../config/config.ts";
import type { RuleFileText } from "../rules/source.ts";

/** What diagnostics call it. */
export const configRulesPath = "the configuration's rules";

/** Null when it says nothing. JSON is YAML; one line for each item, which diagnostics show. */
export function configToRuleFile({ rules }: Config): RuleFileText | null {
  const ofLists = Object.entries(rules.lists).map(([list, { add, remove }]) => ({
    list,
    ...(add.length > 0 && { add }),
    ...(remove.length > 0 && { remove }),
    reason: "rules.lists of the configuration",
  }));
  const ofParams = Object.entries(rules.params).map(([rule, params]) => ({
    rule,
    params,
    reason: "rules.params of the configuration",
  }));
  const overrides = [...ofLists, ...ofParams];
  if (overrides.length + rules.waivers.length === 0) return null;
  const parts = [
    "version: 1\n",
    itemsOf("overrides", overrides),
    itemsOf("waivers", rules.waivers),
  ];
  return { path: configRulesPath, text: parts.join("") };
}

function itemsOf(key: string, items: readonly object[]): string {
  return items.length === 0 ? "" : `${key}:\n${items.map(toLine).join("")}`;
}

function toLine(item: object): string {
  return `  - ${JSON.stringify(item)}\n`;
}
