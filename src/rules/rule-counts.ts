/**
 * `count:` as the evaluator meets it: events of a rule are counted by group (`event-counts.ts`), growth of
 * a state entity's number by the entity (`growth-counts.ts`).
 */
import type { AnyEntityChange, NodeRenamed } from "../model/changes.ts";
import type { RuleEvent } from "../model/insights.ts";
import { forget, type Restored, type WriteSet } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import type { WaiverJudge } from "../model/waivers.ts";
import type { Frame } from "./compile.ts";
import { EventCounts, type CountingRule, type Wording } from "./event-counts.ts";
import { Fault } from "./fault.ts";
import { GrowthCounts } from "./growth-counts.ts";
import type { CompiledRule } from "./rule.ts";

const notACount = new Fault("type", "'of' of a count is no whole number");

export class RuleCounts {
  readonly #rules = new Map<string, CountingRule>();
  readonly #events: EventCounts;
  readonly #growth: GrowthCounts;
  /** Rows of rules that count no more. */
  #strangers: string[] = [];

  constructor(rules: readonly CompiledRule[], wording: Wording, waivers: WaiverJudge) {
    for (const rule of rules) if (isCounting(rule)) this.#rules.set(rule.meta.id, rule);
    this.#events = new EventCounts(wording, waivers);
    this.#growth = new GrowthCounts([...this.#rules.values()].filter(countsGrowth));
  }

  /**
   * What this change comes to: `event`, of which `settle` says more; `few`, too little growth to match; or
   * by how much the number has grown, as text. `frame` holds the entity. Throws a `Fault`.
   */
  take(rule: CompiledRule, change: AnyEntityChange, isTrue: boolean, frame: Frame): string {
    if (!isCounting(rule)) return "";
    const { of, gte } = rule.count;
    if (!of) {
      if (isTrue) this.#events.add(rule, change);
      else if (change.judged && isDecided(change)) this.#events.remove(rule, change.id);
      return "event";
    }
    const value = of(frame);
    if (typeof value !== "number") throw notACount;
    if (value <= 0) return "few";
    const grown = this.#growth.take(rule, change, value);
    if (!isTrue) this.#growth.leave(rule, change.id, false);
    return grown >= gte ? `${grown}` : "few";
  }

  gone(entries: readonly { readonly rule: CompiledRule }[], entityId: string): void {
    for (const { rule } of entries) {
      if (isCounting(rule)) this.#growth.leave(rule, entityId, true);
    }
  }

  renamed(change: NodeRenamed): void {
    this.#events.renamed(change);
  }

  settle(out: RuleEvent[]): void {
    this.#events.settle(out);
  }

  advance(nowUs: Us, out: RuleEvent[]): void {
    this.#events.advance(nowUs);
    for (const { rule, entityId, judged } of this.#growth.advance(nowUs)) {
      out.push({ kind: "miss", rule: rule.meta, entityId, atUs: nowUs, judged, withdrawn: false });
    }
    this.#growth.firstTellingIsOver();
  }

  collect(into: WriteSet): void {
    for (const id of this.#strangers.splice(0)) forget(into, "counts", id);
    this.#events.collect(into);
    this.#growth.collect(into);
  }

  restore(rows: Restored): void {
    if (rows.lastCommitUs > 0) this.#growth.restoring();
    for (const row of rows.counts) {
      const rule = this.#rules.get(row.rule);
      if (!rule) this.#strangers.push(row.id);
      else if (countsGrowth(rule)) this.#growth.restore(row, rule);
      else this.#events.restore(row, rule);
    }
  }

  counters(into: CounterSample[]): void {
    this.#events.counters(into);
    const { dropped } = this.#growth;
    into.push({ name: "rule_uncounted_total", labels: { reason: "entities" }, value: dropped });
  }
}

function isCounting(rule: CompiledRule): rule is CountingRule {
  return rule.count !== null;
}

function countsGrowth({ count }: CountingRule): boolean {
  return count.of !== null;
}

/**
 * Whether an event that no longer meets a condition was judged anew, which takes the old verdict back,
 * or has only lost its verdict, which takes nothing back. A contact never had one: it is what is told last.
 */
export function isDecided(change: AnyEntityChange): boolean {
  if (change.type !== "flow") return true;
  return change.entity.outcome !== "unknown" || change.entity.reason === "contact";
}
