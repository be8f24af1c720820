/** Params of a rule: the numbers that can be tuned, as they are declared and as an override sets them. */
import { isMap, isScalar, type Node, type YAMLMap } from "yaml";
import { nearest } from "../lib/nearest.ts";
import { parseDuration } from "../model/durations.ts";
import { paramTypes, type ParamType } from "./keys.ts";
import type { Override } from "./overrides.ts";
import type { Param } from "./scope.ts";
import { textOf } from "./source.ts";
import type { Report } from "./validate.ts";

/** The params whose declaration is right; the others would only cause errors that follow from theirs. */
export function readParams(
  rule: YAMLMap,
  override: Override | null,
  report: Report,
): ReadonlyMap<string, Param> {
  const params = new Map<string, Param>();
  const map = rule.get("params", true);
  for (const { key, value } of isMap(map) ? map.items : []) {
    const name = textOf(key);
    if (name === undefined || !isMap(value)) continue;
    const type = paramTypes.find((one) => one === value.get("type"));
    if (type === undefined) continue;
    const written = { node: value.get("default", true), report, what: `the default of '${name}'` };
    const param = readValue(type, written);
    const set = override?.params.get(name);
    const changed = set && override && readValue(type, { ...set, report: override.report });
    if (param) params.set(name, changed ?? param);
  }
  return params;
}

/** Params of an override that its rule does not have. */
export function reportUnknownParams(rule: YAMLMap, override: Override): void {
  const map = rule.get("params", true);
  const known = isMap(map) ? map.items.flatMap(({ key }) => textOf(key) ?? []) : [];
  for (const [name, { key }] of override.params) {
    if (known.includes(name)) continue;
    const at = override.report.source.startOf(key);
    const message = `rule '${override.rule}' has no param '${name}'`;
    override.report.error("RULE_REF", at, message, nearest(name, known));
  }
}

interface WrittenValue {
  readonly node: unknown;
  readonly report: Report;
  readonly what: string;
}

function readValue(type: ParamType, { node, report, what }: WrittenValue): Param | null {
  // What is missing has been reported.
  if (node === undefined || node === null) return null;
  const value = isScalar(node) ? paramValue(type, node.value) : null;
  if (value !== null) return { type, value };
  report.error("RULE_KEY", report.source.startOf(node as Node), `${what} is no ${type}`); // of a map
  return null;
}

/** The value as expressions see it, null when it is not of its declared type. */
function paramValue(type: ParamType, value: unknown): string | number | boolean | null {
  switch (type) {
    case "int":
      return Number.isSafeInteger(value) ? Number(value) : null;
    case "double":
      return typeof value === "number" && Number.isFinite(value) ? value : null;
    case "string":
      return typeof value === "string" ? value : null;
    case "bool":
      return typeof value === "boolean" ? value : null;
    case "duration":
      return typeof value === "string" ? parseDuration(value) : null;
  }
}
