/**
 * What leaves the stage: changed insights and their history for the next commit, transitions for whoever
 * listens, records for the sinks. It decides nothing.
 */
import type { InsightEventRow, InsightRow, WriteSet } from "../model/rows.ts";
import type { Transition } from "../model/insights.ts";
import type { Sink } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import type { Insight, LifeState } from "./insight.ts";
import type { Step } from "./lifecycle.ts";
import { insightToRow } from "./rows.ts";
import type { Told } from "./told.ts";

export class News {
  readonly #next: Sink<readonly Transition[]>;
  readonly #told: Told;
  readonly #dirty = new Set<Insight>();
  #mergedRows: InsightRow[] = [];
  #eventRows: InsightEventRow[] = [];
  #transitions: Transition[] = [];

  constructor(next: Sink<readonly Transition[]>, told: Told) {
    this.#next = next;
    this.#told = told;
  }

  changed(insight: Insight): void {
    this.#dirty.add(insight);
  }

  /** It is part of another one from now on, and ends with this row. */
  merged(part: Insight, into: Insight, ended: Insight, silent: ReadonlySet<string>): void {
    this.#dirty.delete(part);
    this.#mergedRows.push(insightToRow(ended, silent, into.id));
  }

  /** It has made a step, and stands where that led. */
  moved(insight: Insight, from: LifeState, step: Step, atUs: Us, eventUs: Us): void {
    const { id, fingerprint, message, rule, transitions: number } = insight;
    const { to, reason } = step;
    const about = { insightId: id, number, reason, eventUs, atUs };
    this.#transitions.push({ ...about, fingerprint, rule, from, to });
    this.#eventRows.push({ ...about, fromState: from, toState: to, message });
    this.#told.moved(insight, from, step, atUs, eventUs);
  }

  /** Hands transitions on. */
  flush(): void {
    if (this.#transitions.length === 0) return;
    const transitions = this.#transitions;
    this.#transitions = [];
    this.#next.push(transitions);
  }

  /** True when there is room again for reminders that had none. */
  collect(into: WriteSet, silent: ReadonlySet<string>): boolean {
    for (const insight of this.#dirty) into.insights.push(insightToRow(insight, silent));
    for (const row of this.#mergedRows) into.insights.push(row);
    for (const row of this.#eventRows) into.insightEvents.push(row);
    this.#dirty.clear();
    this.#mergedRows = [];
    this.#eventRows = [];
    return this.#told.collect(into);
  }
}
