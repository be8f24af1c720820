/**
 * What the lifecycle says about itself in numbers. Series are born at 0 when their rule is loaded, since
 * a counter born at 1 hides its first event from `increase()`. Reasons that are no resolution to anybody
 * (`withdrawn`, `no_data`) count in no figure.
 */
import { resolveReasons, type CloseReason, type RuleMeta } from "../model/insights.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { shownState } from "./flags.ts";
import type { Insight } from "./insight.ts";

/** What was lost to a limit, in `insights_dropped_total{what}`. */
type Dropped = "closed_insight" | "episode" | "occurrence" | "observer" | "record" | "source";

interface RuleTally {
  readonly meta: RuleMeta;
  raised: number;
  overflowed: number;
  readonly resolved: Map<CloseReason, number>;
}

export class Tally {
  readonly #rules = new Map<string, RuleTally>();
  readonly #dropped: Record<Dropped, number> = {
    closed_insight: 0,
    episode: 0,
    occurrence: 0,
    observer: 0,
    record: 0,
    source: 0,
  };

  /** Counts of a rule that is removed and comes back go on. */
  addRule(meta: RuleMeta): void {
    const known = this.#rules.get(meta.id);
    const resolved = known?.resolved ?? new Map<CloseReason, number>();
    for (const reason of resolveReasons[meta.lifecycle]) {
      if (!resolved.has(reason)) resolved.set(reason, 0);
    }
    const { raised, overflowed } = known ?? { raised: 0, overflowed: 0 };
    this.#rules.set(meta.id, { meta, raised, overflowed, resolved });
  }

  raised(ruleId: string): void {
    const tally = this.#rules.get(ruleId);
    if (tally) tally.raised++;
  }

  resolved(ruleId: string, reason: CloseReason): void {
    const counts = this.#rules.get(ruleId)?.resolved;
    counts?.set(reason, (counts.get(reason) ?? 0) + 1);
  }

  overflowed(ruleId: string): void {
    const tally = this.#rules.get(ruleId);
    if (tally) tally.overflowed++;
  }

  overflowOf(ruleId: string): number {
    return this.#rules.get(ruleId)?.overflowed ?? 0;
  }

  dropped(what: Dropped): void {
    this.#dropped[what]++;
  }

  counters(into: CounterSample[]): void {
    for (const { meta, raised, overflowed, resolved } of this.#rules.values()) {
      const { id: rule, severity } = meta;
      into.push({ name: "insights_raised_total", labels: { rule, severity }, value: raised });
      into.push({ name: "insights_overflow_total", labels: { rule }, value: overflowed });
      for (const [reason, value] of resolved) {
        into.push({ name: "insights_resolved_total", labels: { rule, reason }, value });
      }
    }
    for (const [what, value] of Object.entries(this.#dropped)) {
      into.push({ name: "insights_dropped_total", labels: { what }, value });
    }
  }
}

interface Group {
  readonly labels: Readonly<Record<string, string>>;
  count: number;
}

/** The gauges: active insights by group, and since when the oldest of a rule fires. */
export function gaugesOf(
  rules: Iterable<RuleMeta>,
  insights: Iterable<Insight>,
  into: CounterSample[],
): void {
  const groups = new Map<string, Group>();
  const oldestUs = new Map<string, Us>();
  const severities = new Map<string, string>();
  for (const { id, severity } of rules) {
    severities.set(id, severity);
    count(groups, { rule: id, severity, namespace: "", state: "firing" }, 0);
  }
  for (const insight of insights) {
    const { rule } = insight;
    const state = shownState(insight);
    if (state === "resolved" || state === "inactive") continue;
    const { severity } = rule;
    count(groups, { rule: rule.id, severity, namespace: insight.subject.namespace, state }, 1);
    if (state !== "firing") continue;
    severities.set(rule.id, severity);
    oldestUs.set(rule.id, Math.min(oldestUs.get(rule.id) ?? Infinity, insight.firedUs));
  }
  for (const { labels, count: value } of groups.values()) {
    into.push({ name: "insights", labels, value });
  }
  for (const [rule, atUs] of oldestUs) {
    const labels = { rule, severity: severities.get(rule) ?? "" };
    const value = atUs / usPerSecond;
    into.push({ name: "insights_oldest_firing_timestamp_seconds", labels, value });
  }
}

function count(groups: Map<string, Group>, labels: Record<string, string>, by: number): void {
  const key = JSON.stringify(Object.values(labels));
  const group = groups.get(key);
  if (group) group.count += by;
  else groups.set(key, { labels, count: by });
}
