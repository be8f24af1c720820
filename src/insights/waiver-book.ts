/**
 * What is known of each waiver over time: since when it is loaded and when it accepted something last.
 * Kept with the insights, so that "matched nothing for 30 days" outlives restarts.
 */
import type { WaiverMeta } from "../model/insights.ts";
import { forget, type WaiverRow, type WriteSet } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerHour, usPerSecond, type Us } from "../model/time.ts";
import { waiverStateOf, waiverStates, type WaiverState } from "../model/waivers.ts";
import { isActive, type Insight } from "./insight.ts";

interface Entry {
  readonly meta: WaiverMeta;
  /** 0 until the first commit. */
  sinceUs: Us;
  matchedUs: Us;
  isDirty: boolean;
}

/** The last use need not be known better, and costs a row each time. */
const noteEveryUs = usPerHour;

export class WaiverBook {
  #entries = new Map<string, Entry>();
  readonly #gone = new Set<string>();
  #lookedUs: Us = 0;

  setWaivers(metas: readonly WaiverMeta[]): void {
    const before = this.#entries;
    this.#entries = new Map(
      metas.map((meta) => {
        const { sinceUs = 0, matchedUs = 0 } = before.get(meta.id) ?? {};
        return [meta.id, { meta, sinceUs, matchedUs, isDirty: true }];
      }),
    );
    for (const id of before.keys()) if (!this.#entries.has(id)) this.#gone.add(id);
  }

  restore(rows: readonly WaiverRow[]): void {
    for (const { id, sinceUs, matchedUs } of rows) {
      const entry = this.#entries.get(id);
      if (entry === undefined) this.#gone.add(id);
      else Object.assign(entry, { sinceUs, matchedUs });
    }
  }

  /** It has accepted something. */
  used(id: string, nowUs: Us): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || nowUs < entry.matchedUs + noteEveryUs) return;
    entry.matchedUs = nowUs;
    entry.isDirty = true;
  }

  /** What changes nothing for weeks is told of by nobody, and accepted all the same. */
  collect(into: WriteSet, insights: Iterable<Insight>): void {
    if (this.#entries.size === 0 && this.#gone.size === 0) return;
    if (into.atUs >= this.#lookedUs + noteEveryUs) {
      this.#lookedUs = into.atUs;
      for (const { waiver, state } of insights) {
        if (waiver !== "" && isActive(state)) this.used(waiver, into.atUs);
      }
    }
    for (const id of this.#gone) forget(into, "waivers", id);
    this.#gone.clear();
    for (const entry of this.#entries.values()) {
      if (!entry.isDirty) continue;
      entry.isDirty = false;
      if (entry.sinceUs === 0) entry.sinceUs = into.atUs;
      into.waivers.push(entryToRow(entry));
    }
  }

  counters(into: CounterSample[], nowUs: Us): void {
    const counts = new Map<WaiverState, number>(waiverStates.map((state) => [state, 0]));
    for (const { meta, sinceUs, matchedUs } of this.#entries.values()) {
      const use = { sinceUs: sinceUs === 0 ? nowUs : sinceUs, matchedUs };
      const state = waiverStateOf(meta.endsUs, use, nowUs);
      counts.set(state, (counts.get(state) ?? 0) + 1);
      const value = meta.endsUs / usPerSecond;
      into.push({ name: "waiver_expiry_timestamp_seconds", labels: { waiver: meta.id }, value });
    }
    for (const [state, value] of counts) into.push({ name: "waivers", labels: { state }, value });
  }
}

function entryToRow({ meta, sinceUs, matchedUs }: Entry): WaiverRow {
  const { rules, ...words } = meta;
  return { ...words, rules: JSON.stringify(rules), sinceUs, matchedUs };
}
