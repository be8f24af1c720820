/**
 * The lifecycle with a virtual clock and a store of plain rows: timelines are told in seconds, and the
 * engine can be restarted at any point from what it has committed.
 */
import { insightDefaults, Insights, type InsightOptions } from "../../src/insights/insights.ts";
import type { Evidence, Observer, SourceChanged } from "../../src/model/changes.ts";
import { makeEntity } from "../../src/model/entities.ts";
import type {
  EntityLost,
  InsightRecord,
  RuleEvent,
  RuleMatch,
  RuleMeta,
  RuleMiss,
  Transition,
} from "../../src/model/insights.ts";
import { isDeepStrictEqual } from "node:util";
import { makeRuleMeta } from "./rule-meta.ts";
import {
  makeWriteSet,
  type InsightEventRow,
  type InsightRow,
  type OutboxRow,
  type WaiverRow,
} from "../../src/model/rows.ts";
import type { CounterSample } from "../../src/model/stages.ts";
import { usPerSecond } from "../../src/model/time.ts";
import { noWaivers, type WaiverJudge } from "../../src/model/waivers.ts";

/** Where the virtual clock starts: a plain afternoon, so that 0 stays "never". */
export const startUs = Date.UTC(2026, 0, 5, 12) * 1_000;
export const atSecond = (second: number): number => startUs + second * usPerSecond;

export function ruleMeta(id: string, parts: Partial<RuleMeta> = {}): RuleMeta {
  return makeRuleMeta({
    id,
    title: `title of ${id}`,
    severity: "high",
    status: "stable",
    on: "edge",
    lifecycle: "state",
    keepFiringForUs: 60 * usPerSecond,
    tags: ["attack.t1040"],
    ...parts,
  });
}

/** A state rule and an event rule, both at once, kept for 60 s. */
export const stateRule = ruleMeta("state-rule");
export const slowRule = ruleMeta("slow-rule", { forUs: 30 * usPerSecond });
export const eventRule = ruleMeta("event-rule", { on: "flow", lifecycle: "event" });
export const slowEventRule = ruleMeta("slow-event-rule", {
  on: "flow",
  lifecycle: "event",
  forUs: 30 * usPerSecond,
});
export const testRules = [stateRule, slowRule, eventRule, slowEventRule];

export const agent: Observer = { kind: "node_agent", key: "c1/node-1" };

export function evidenceOf(text: string, second: number): Evidence {
  const atUs = atSecond(second);
  const hash = `${text}@${second}`;
  return { atUs, nanos: 0, vantage: "node", source: agent.key, text, fields: {}, hash };
}

/** `second` is the event time; the entity's evidence is named after it and the time. */
export function match(
  rule: RuleMeta,
  entityId: string,
  second: number,
  parts: Partial<RuleMatch> = {},
): RuleMatch {
  return {
    kind: "match",
    rule,
    entityId,
    key: ["c1/shop/web", "443"],
    atUs: atSecond(second),
    message: `${entityId} at ${second}`,
    confidence: "high",
    subject: {
      ...makeEntity("node"),
      cluster: "c1",
      namespace: "shop",
      name: "web",
      resolved: "object",
    },
    peer: null,
    peerPort: 443,
    judged: true,
    evidence: [evidenceOf(entityId, second)],
    observers: [agent],
    sample: () => "{}",
    waiver: "",
    ...parts,
  };
}

export function miss(
  rule: RuleMeta,
  entityId: string,
  second: number,
  how: "judged" | "unjudged" | "withdrawn" = "judged",
): RuleMiss {
  const atUs = atSecond(second);
  const withdrawn = how === "withdrawn";
  return { kind: "miss", rule, entityId, atUs, judged: how !== "unjudged", withdrawn };
}

export function lost(rule: RuleMeta, entityId: string, second: number): EntityLost {
  return { kind: "lost", type: rule.on, entityId, atUs: atSecond(second) };
}

export function source(
  state: SourceChanged["state"],
  second: number,
  observer = agent,
): SourceChanged {
  return { kind: "source", observer, state, atUs: atSecond(second) };
}

export class InsightWorld {
  readonly transitions: Transition[] = [];
  readonly rows = new Map<string, InsightRow>();
  readonly eventRows = new Map<string, InsightEventRow>();
  /** What sinks are told, in the order of the commits. */
  readonly records: InsightRecord[] = [];
  readonly #options: InsightOptions;
  insights: Insights;
  #lastCommitUs = 0;
  #seq = 0;

  readonly #waivers = new Map<string, WaiverRow>();

  constructor(
    options: Partial<InsightOptions> = {},
    rules: readonly RuleMeta[] = testRules,
    waivers: WaiverJudge = noWaivers,
  ) {
    this.#options = { ...insightDefaults, ...options };
    this.insights = this.#start(rules, waivers);
    this.insights.advance(startUs);
  }

  at(second: number, ...events: RuleEvent[]): this {
    this.insights.advance(atSecond(second));
    this.insights.push(events);
    return this;
  }

  commit(second: number): this {
    const writeSet = makeWriteSet(++this.#seq, atSecond(second));
    this.insights.collect(writeSet);
    for (const row of writeSet.insights) this.rows.set(row.id, structuredClone(row));
    for (const row of writeSet.insightEvents) {
      const key = `${row.insightId}/${row.number}`;
      if (this.eventRows.has(key)) throw new Error(`event ${key} is written twice`);
      this.eventRows.set(key, row);
    }
    for (const row of writeSet.outbox) this.#keepRecord(row);
    for (const { key } of writeSet.forgotten ?? []) this.#waivers.delete(String(key));
    for (const row of writeSet.waivers) this.#waivers.set(row.id, row);
    this.#lastCommitUs = atSecond(second);
    return this;
  }

  /** Ends the process and starts another one from the committed rows. */
  restart(rules: readonly RuleMeta[] = testRules, waivers: WaiverJudge = noWaivers): this {
    this.insights = this.#start(rules, waivers);
    const { seq: _seq, atUs: _atUs, ...empty } = makeWriteSet(0, 0);
    const insights = [...this.rows.values()];
    const kept = { insights, waivers: [...this.#waivers.values()] };
    this.insights.restore({ ...empty, ...kept, lastCommitUs: this.#lastCommitUs });
    return this;
  }

  /** `state(reason)` of every record, with the second it is of and its kind if it is no transition. */
  recorded(): string[] {
    return this.records.map(({ kind, state, reason, atUs }) => {
      const second = (atUs - startUs) / usPerSecond;
      const what = `${state}${reason === "" ? "" : `(${reason})`}@${second}`;
      if (kind === "update") return `update ${what}`;
      return kind === "reminder" ? `again ${what}` : what;
    });
  }

  /** `to(reason)` of every transition told so far. */
  told(): string[] {
    return this.transitions.map(({ to, reason }) => (reason === "" ? to : `${to}(${reason})`));
  }

  /** The same with the second at which it became so: `firing@30`. */
  toldAt(): string[] {
    const seconds = this.transitions.map(({ atUs }) => (atUs - startUs) / usPerSecond);
    return this.told().map((told, index) => `${told}@${seconds[index]}`);
  }

  /** `state(reason)` of every insight that is known, sorted. */
  states(): string[] {
    return [...this.insights.current()]
      .map(({ state, reason }) => (reason === "" ? state : `${state}(${reason})`))
      .sort();
  }

  /** What must not depend on the order of arrival. */
  outcome(): string[] {
    return [...this.insights.current()]
      .map(({ rule, key, state, occurrences }) =>
        JSON.stringify([rule.id, key, state, occurrences.evidence]),
      )
      .sort();
  }

  samples(name: string): Record<string, number> {
    const all: CounterSample[] = [];
    this.insights.counters(all);
    const named = all.filter((sample) => sample.name === name);
    return Object.fromEntries(
      named.map(({ labels, value }) => [Object.values(labels).join(" "), value]),
    );
  }

  #keepRecord(row: OutboxRow): void {
    const record = JSON.parse(row.record) as InsightRecord; // written from one
    const { uid, insightId, state, atUs } = record;
    const columns = { uid, insightId, state, atUs, record: row.record };
    if (!isDeepStrictEqual(columns, row))
      throw new Error(`the columns of "${uid}" are its record's`);
    if (this.records.some((other) => other.uid === uid)) throw new Error(`"${uid}" is told twice`);
    this.records.push(record);
  }

  #start(rules: readonly RuleMeta[], waivers: WaiverJudge): Insights {
    const insights = new Insights(this.#options, {
      push: (batch) => void this.transitions.push(...batch),
    });
    insights.setRules(rules, waivers);
    return insights;
  }
}
