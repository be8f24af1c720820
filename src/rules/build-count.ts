/**
 * `count:` of one rule, from its YAML map to what is counted. What the table of keys cannot say is checked
 * here: which keys go with events and which with state entities, lengths, names, types.
 */
import { createHash } from "node:crypto";
import { isScalar, isSeq, type Node, type Scalar, type YAMLMap } from "yaml";
import { nearest } from "../lib/nearest.ts";
import { parseDuration } from "../model/durations.ts";
import { entityTraits, type EntityType } from "../model/entities.ts";
import { usPerDay, usPerMinute, usPerSecond } from "../model/time.ts";
import { exactMax } from "./count-group.ts";
import { isKeyType, resolvePath, type Path } from "./paths.ts";
import type { CompiledCount } from "./rule.ts";
import type { Param, Scope } from "./scope.ts";
import { textOf } from "./source.ts";
import type { Report } from "./validate.ts";

export interface CountContext {
  readonly on: EntityType;
  readonly scope: Scope;
  readonly params: ReadonlyMap<string, Param>;
  readonly report: Report;
  /** The rule's own `key`, which `by` stands for. */
  readonly key: unknown;
}

type Built = CompiledCount & { readonly reads: readonly string[] };

/** A window shorter than this is shorter than most telemetry is apart. */
const withinLeastUs = 10 * usPerSecond;

/** Numbers grow when they are scraped, once a minute at worst: less than two scrapes is often none. */
const twoReportsUs = 2 * usPerMinute;
const tooShort = "a number is told of once a minute at worst, so a window has at least 2m";

/** Undefined when there is an error, which is in the report by then. */
export function buildCount(map: YAMLMap, context: CountContext): Built | undefined {
  const { report } = context;
  const before = report.errorCount;
  const isEvent = entityTraits[context.on].lifecycle === "event";
  checkKeys(map, isEvent, context);
  const withinUs = withinOf(map, isEvent, report);
  const gte = gteOf(map, isEvent, context);
  const distinct = distinctOf(map, context);
  const of = isEvent ? null : ofOf(map, context);
  if (report.errorCount > before || withinUs === null || gte === null) return undefined;
  const text = JSON.stringify([context.on, map.toJS(report.source.document), gte]);
  const version = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return { withinUs, gte, version, distinct, of: of?.run ?? null, reads: of?.reads ?? [] };
}

function checkKeys(map: YAMLMap, isEvent: boolean, { on, report, key }: CountContext): void {
  const misfits = isEvent ? ["of"] : ["by", "distinct"];
  for (const name of misfits) {
    const node = map.get(name, true);
    if (!isNode(node)) continue;
    const why = isEvent
      ? `${on} is an event, and events are counted one by one`
      : `${on} is no event`;
    report.error("RULE_KEY", report.source.startOf(node), `'${name}' cannot be counted: ${why}`);
  }
  if (!isEvent && !map.has("of")) {
    const message = `a count on ${on}, which is no event, needs 'of': a number that only grows`;
    report.error("RULE_KEY", report.source.startOf(map), message);
  }
  if (isEvent && map.has("by") && isNode(key)) {
    const message = "a rule that counts 'by' fields has them as its key";
    report.error("RULE_KEY", report.source.startOf(key), message);
  }
}

function withinOf(map: YAMLMap, isEvent: boolean, report: Report): number | null {
  const node = map.get("within", true);
  const text = textOf(node);
  const us = text === undefined ? null : parseDuration(text);
  if (us === null || !isScalar(node)) return null;
  if (us >= withinLeastUs && us <= usPerDay) {
    if (!isEvent && us < twoReportsUs)
      report.warning("WITHIN_TOO_SHORT", report.source.startOf(node), tooShort);
    return us;
  }
  report.error("RULE_KEY", report.source.startOf(node), "'within' must be from 10s to 24h");
  return null;
}

/** Params are the numbers that people tune. */
function gteOf(map: YAMLMap, isEvent: boolean, { params, report }: CountContext): number | null {
  const node = map.get("gte", true);
  if (!isScalar(node)) return null;
  const most = isEvent ? exactMax : Number.MAX_SAFE_INTEGER;
  const value =
    typeof node.value === "string" ? paramOf(node, node.value, params, report) : node.value;
  if (typeof value !== "number") return null;
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  report.error("RULE_KEY", report.source.startOf(node), `'gte' must be from 1 to ${most}`);
  return null;
}

function paramOf(
  node: Scalar,
  text: string,
  params: ReadonlyMap<string, Param>,
  report: Report,
): number | null {
  if (!text.startsWith("params.")) return null;
  const name = text.slice(text.indexOf(".") + 1);
  const param = params.get(name);
  if (param?.type === "int") return Number(param.value);
  const ints = [...params].filter(([, { type }]) => type === "int").map(([one]) => `params.${one}`);
  const message = param ? `'${text}' is no int` : `no param '${name}'`;
  report.error("RULE_REF", report.source.startOf(node), message, nearest(text, ints));
  return null;
}

function distinctOf(map: YAMLMap, context: CountContext): CompiledCount["distinct"] {
  const node = map.get("distinct", true);
  if (!isSeq(node)) return null;
  const paths = node.items.flatMap((item) => (isScalar(item) ? distinctPath(item, context) : []));
  return (entity) => paths.map((path) => String(path.get(entity))).join(" ");
}

function distinctPath(scalar: Scalar, { on, report }: CountContext): Path[] {
  const text = String(scalar.value);
  const path = resolvePath(on, text);
  if ("message" in path) {
    const at = report.source.within(scalar, path.offset);
    report.error("RULE_REF", at, path.message, path.suggestion);
    return [];
  }
  // Nodes may turn out to be one.
  if (isKeyType(path.type) && path.type !== "node") return [path];
  const message = `'${text}' is no single value that tells events apart`;
  report.error("RULE_REF", report.source.startOf(scalar), message);
  return [];
}

function ofOf(map: YAMLMap, { scope, report }: CountContext): ReturnType<Scope["compile"]> {
  const scalar = map.get("of", true);
  if (!isScalar(scalar) || typeof scalar.value !== "string") return null;
  const ready = scope.compile({ text: scalar.value, scalar, offset: 0, report });
  if (!ready || ready.type === "int") return ready;
  const message = `'of' must be int, is ${ready.type}`;
  report.error("RULE_CEL_TYPE", report.source.startOf(scalar), message);
  return null;
}

function isNode(node: unknown): node is Node {
  return isScalar(node) || isSeq(node);
}
