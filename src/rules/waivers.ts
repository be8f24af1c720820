/**
 * Waivers: what people agreed to live with, why, who answers for it and until when. Checked against every
 * rule they name, so that one which could never match is an error and not a surprise. One that has ended
 * is loaded like the others, for the lists that show it: whether it still counts is a question of the
 * time at which it is asked.
 */
import { isScalar, isSeq, type Scalar, type YAMLMap } from "yaml";
import { nearest } from "../lib/nearest.ts";
import type { EntityType } from "../model/entities.ts";
import type { WaiverMeta } from "../model/insights.ts";
import { usPerDay, usPerMs, type Us } from "../model/time.ts";
import { warnIfFolded } from "./build-rule.ts";
import type { Expression } from "./compile.ts";
import { dayPattern, waiverKeys } from "./file-keys.ts";
import { Scope, type Shared } from "./scope.ts";
import { textOf } from "./source.ts";
import { validateKeys, type Report } from "./validate.ts";

/** A waiver that can be asked. */
export interface Waiver {
  readonly meta: WaiverMeta;
  readonly file: string;
  readonly line: number;
  /** For each rule that it names, its condition over that rule's entity: true, false, or a `Fault` thrown. */
  readonly where: ReadonlyMap<string, Expression>;
}

export interface WaiverLimits {
  /** Now; without it no waiver is near or too far from its end. */
  readonly todayUs?: Us | undefined;
  /** How far ahead a waiver may end; 365 days unless given. */
  readonly waiverMaxUs?: Us | undefined;
}

const waiverMaxDefaultUs: Us = 365 * usPerDay;

/** How long before its end a waiver is warned of. */
const endsSoonUs: Us = 14 * usPerDay;

/** The rules of the set by their ids; null for one that has errors, of which nothing more is known. */
export type KnownRules = ReadonlyMap<string, EntityType | null>;

/** Null when the waiver has an error, which is in the report by then. */
export function buildWaiver(
  map: YAMLMap,
  rules: KnownRules,
  shared: Shared,
  limits: WaiverLimits,
  report: Report,
): Waiver | null {
  const errorsBefore = report.errorCount;
  const id = textOf(map.get("id", true));
  const what = id === undefined ? "a waiver without id" : `waiver '${id}'`;
  validateKeys(map, waiverKeys, what, report, [], "RULE_WAIVER");
  const endsUs = endOf(map, what, limits, report);
  const where = compileWhere(map, namedRules(map, rules, report), shared, report);
  if (report.errorCount > errorsBefore || endsUs === null) return null;
  const values = map.toJS(report.source.document) as WaiverValues; // the table has accepted it
  const { ticket = "" } = values;
  return {
    meta: {
      id: values.id,
      rules: values.rules,
      where: values.where,
      reason: values.reason,
      owner: values.owner,
      ticket,
      endsUs,
    },
    file: report.source.path,
    line: report.source.startOf(map).line,
    where,
  };
}

interface WaiverValues {
  readonly id: string;
  readonly rules: readonly string[];
  readonly where: string;
  readonly reason: string;
  readonly owner: string;
  readonly ticket?: string;
}

/** Each named rule that exists, with its entity. */
function namedRules(
  map: YAMLMap,
  rules: KnownRules,
  report: Report,
): ReadonlyMap<string, EntityType | null> {
  const named = new Map<string, EntityType | null>();
  const list = map.get("rules", true);
  for (const item of isSeq(list) ? list.items : []) {
    const id = textOf(item);
    if (id === undefined || !isScalar(item)) continue;
    const on = rules.get(id);
    if (on !== undefined) named.set(id, on);
    else {
      const at = report.source.startOf(item);
      report.error("RULE_REF", at, `there is no rule '${id}'`, nearest(id, rules.keys()));
    }
  }
  return named;
}

/** The condition over the entity of every rule; the same complaint of several is made once. */
function compileWhere(
  map: YAMLMap,
  named: KnownRules,
  shared: Shared,
  report: Report,
): ReadonlyMap<string, Expression> {
  const conditions = new Map<string, Expression>();
  const scalar = map.get("where", true);
  if (!isScalar(scalar) || typeof scalar.value !== "string") return conditions;
  warnIfFolded(scalar, "where", report);
  const byType = new Map<EntityType, Expression | null>();
  for (const [id, on] of named) {
    if (on === null) continue;
    const known = byType.get(on);
    const run = known === undefined ? compileFor(on, scalar, shared, report) : known;
    byType.set(on, run);
    if (run) conditions.set(id, run);
  }
  return conditions;
}

function compileFor(
  on: EntityType,
  scalar: Scalar,
  shared: Shared,
  report: Report,
): Expression | null {
  const scope = new Scope(on, new Map(), shared);
  const ready = scope.compile({ text: String(scalar.value), scalar, offset: 0, report });
  if (!ready || ready.type === "bool") return ready?.run ?? null;
  const at = report.source.startOf(scalar);
  report.error("RULE_CEL_TYPE", at, `'where' must be bool, is ${ready.type}`);
  return null;
}

/** When it ends, or null when it says no such date or one that is too far ahead. */
function endOf(map: YAMLMap, what: string, limits: WaiverLimits, report: Report): Us | null {
  const { todayUs, waiverMaxUs = waiverMaxDefaultUs } = limits;
  const scalar = map.get("expires", true);
  const text = textOf(scalar);
  // What is not even the form of a date has been reported.
  if (text === undefined || !isScalar(scalar) || !new RegExp(dayPattern).test(text)) return null;
  const at = report.source.startOf(scalar);
  const startUs = dayToUs(text);
  if (startUs === null) {
    report.error("RULE_WAIVER", at, `'expires' of ${what} is no date: '${text}'`);
    return null;
  }
  if (todayUs === undefined) return startUs + usPerDay;
  if (startUs > todayUs + waiverMaxUs) {
    const days = Math.floor(waiverMaxUs / usPerDay);
    report.error("RULE_WAIVER", at, `${what} ends more than ${days} days from now`);
    return null;
  }
  warnOfEnd(startUs + usPerDay, text, what, todayUs, report, at);
  return startUs + usPerDay;
}

function warnOfEnd(
  endsUs: Us,
  text: string,
  what: string,
  todayUs: Us,
  report: Report,
  at: { readonly line: number; readonly column: number },
): void {
  if (endsUs > todayUs + endsSoonUs) return;
  const has = endsUs <= todayUs ? "ended with" : "ends with";
  report.warning("WAIVER_ENDS", at, `${what} ${has} ${text}`);
}

/** The beginning of a day in UTC; null when the calendar has no such day. */
function dayToUs(text: string): Us | null {
  const ms = Date.parse(`${text}T00:00:00Z`);
  // Some engines carry the 31st of a short month over into the next one.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text) return null;
  return ms * usPerMs;
}
