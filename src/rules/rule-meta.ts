/** What the rest of the engine knows of a rule: its words, its timing and its version. */
import { createHash } from "node:crypto";
import { entityTraits, type EntityType } from "../model/entities.ts";
import type { LayerName } from "../model/layers.ts";
import type { RuleMeta, RuleStatus, Severity } from "../model/insights.ts";
import type { Us } from "../model/time.ts";
import { parseDuration } from "../model/durations.ts";
import type { Shared } from "./scope.ts";

/** A rule's keys once the format's table has accepted them. */
export interface RuleValues {
  readonly id: string;
  readonly title: string;
  readonly description?: string;
  readonly confirm?: string;
  readonly layer?: LayerName;
  readonly remediation?: string;
  readonly references?: readonly string[];
  readonly false_positives?: readonly string[];
  readonly status?: RuleStatus;
  readonly severity: Severity;
  readonly needs?: readonly (readonly string[])[];
  readonly partly?: readonly (readonly string[])[];
  readonly for?: string;
  readonly keep_firing_for?: string;
  readonly params?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly tags?: readonly string[];
  readonly tests?: unknown;
  readonly enabled?: boolean;
}

const keepFiringForDefault = "15m";

export function makeMeta(
  values: RuleValues,
  on: EntityType,
  ruleset: string,
  category: string,
  version: string,
): RuleMeta {
  return {
    id: values.id,
    ruleset,
    category,
    title: values.title,
    severity: values.severity,
    status: values.status ?? "experimental",
    version,
    on,
    lifecycle: entityTraits[on].lifecycle,
    forUs: toUs(values.for ?? "0s"),
    keepFiringForUs: toUs(values.keep_firing_for ?? keepFiringForDefault),
    description: values.description ?? "",
    confirm: values.confirm ?? "",
    layer: values.layer ?? "",
    remediation: values.remediation ?? "",
    falsePositives: values.false_positives ?? [],
    references: values.references ?? [],
    tags: values.tags ?? [],
    needs: values.needs ?? [],
    partly: values.partly ?? [],
  };
}

function toUs(text: string): Us {
  return parseDuration(text) ?? 0;
}

/**
 * Hash of what the rule does: its keys in any order and form, and the lists and macros it uses. Its
 * tests are no part of it.
 */
export function versionOf(values: RuleValues, names: readonly string[], shared: Shared): string {
  const { tests: _, ...rule } = values;
  const used = names
    .toSorted()
    .map((name) => [name, shared.lists.get(name)?.values ?? shared.macros.get(name)?.text]);
  return createHash("sha256")
    .update(JSON.stringify([sortKeys(rule), used]))
    .digest("hex")
    .slice(0, 16);
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, sortKeys(inner)]);
}
