/**
 * Asks every rule about every entity that changed. Knows no time beyond what it is told and keeps no
 * insight: what becomes of a match is the lifecycle's business.
 *
 * A miss is told only where it can matter: for a rule that matched this entity and has not been told of
 * its end, or when nobody remembers whether it did, which is so after a restart and beyond `entitiesMax`. Forgetting is therefore
 * always right, and only costs.
 */
import type { AnyEntityChange, GraphChange } from "../model/changes.ts";
import type { EntityType } from "../model/entities.ts";
import { evaluationErrorReasons, type RuleEvent, type RuleFault } from "../model/insights.ts";
import type { Durable, Restored, WriteSet } from "../model/rows.ts";
import type { Counted, CounterSample, Sink } from "../model/stages.ts";
import { toSample } from "../model/samples.ts";
import type { Us } from "../model/time.ts";
import { noWaivers, type WaiverJudge } from "../model/waivers.ts";
import { makeFrame, type Frame } from "./compile.ts";
import type { Wording } from "./event-counts.ts";
import { Fault, type FaultReason } from "./fault.ts";
import { AgeTimers } from "./ages.ts";
import { isDecided, RuleCounts } from "./rule-counts.ts";
import type { CompiledRule } from "./rule.ts";

export interface EvaluatorOptions {
  /** Entities per type of which it is remembered which rules matched them. */
  readonly entitiesMax: number;
  /** Seconds that only rise; without it no evaluation time is measured. */
  readonly clock: (() => number) | null;
  readonly waivers: WaiverJudge;
}

export const evaluatorDefaults: EvaluatorOptions = {
  // The edges of a large mesh are half of a generation: in a steady one nothing moves to the next.
  entitiesMax: 800_000,
  clock: null,
  waivers: noWaivers,
};

type ErrorReason = FaultReason | "internal";

/** Entities whose age is waited for; the graph bounds how many of them one workload can have. */
const agesMax = 100_000;

/** One evaluation of this many is timed and stands for all of them: a clock costs more than a rule. */
const timedEvery = 64;

/** A rule with its own numbers. */
interface Entry {
  readonly rule: CompiledRule;
  readonly errors: Record<ErrorReason, number>;
  firstError: string;
  /** `takeFaults` has handed it out. */
  isTold: boolean;
  seconds: number;
}

/** The rules that may have an insight open about an entity; nearly always there are none. */
type Open = readonly Entry[];
const none: Open = [];

export class Evaluator implements Sink<readonly GraphChange[]>, Durable, Counted {
  readonly #next: Sink<readonly RuleEvent[]>;
  readonly #options: EvaluatorOptions;
  readonly #entries: readonly Entry[];
  readonly #byType = new Map<EntityType, { readonly entries: Entry[]; readonly memory: Memory }>();
  readonly #frame: Frame = makeFrame();
  readonly #events: RuleEvent[] = [];
  readonly #counts: RuleCounts;
  readonly #timers = new AgeTimers(agesMax);
  #evaluations = 0;

  constructor(
    rules: readonly CompiledRule[],
    next: Sink<readonly RuleEvent[]>,
    options: EvaluatorOptions = evaluatorDefaults,
  ) {
    this.#next = next;
    this.#options = options;
    this.#entries = rules.map(makeEntry);
    const wording: Wording = (rule, entity, count) => this.#counted(rule, entity, count);
    this.#counts = new RuleCounts(rules, wording, options.waivers);
    for (const entry of this.#entries) {
      const { on } = entry.rule.meta;
      const ofType = this.#byType.get(on);
      if (ofType) ofType.entries.push(entry);
      else this.#byType.set(on, { entries: [entry], memory: new Memory(options.entitiesMax) });
    }
  }

  push(changes: readonly GraphChange[]): void {
    for (const change of changes) this.#take(change);
    this.#counts.settle(this.#events);
    this.#tell();
  }

  /** The engine's time of what is pushed next: without it every entity would be young after a restart. */
  at(nowUs: Us): void {
    this.#frame.nowUs = nowUs;
  }

  /** Windows of counting rules move on, and entities are asked about again whose age now matters. */
  advance(nowUs: Us): void {
    this.at(nowUs);
    for (const change of this.#timers.due(nowUs)) this.#evaluateAll(change);
    this.#counts.settle(this.#events);
    this.#counts.advance(nowUs, this.#events);
    this.#tell();
  }

  /** When time alone may change an answer; Infinity = never. */
  get dueUs(): Us {
    return this.#timers.lookUs;
  }

  /** What counting rules have counted. */
  collect(into: WriteSet): void {
    this.#counts.collect(into);
  }

  restore(rows: Restored): void {
    this.#counts.restore(rows);
  }

  counters(into: CounterSample[]): void {
    into.push({ name: "rule_evaluations_total", labels: {}, value: this.#evaluations });
    for (const [entity, { memory }] of this.#byType) {
      const value = memory.forgotten;
      into.push({ name: "rule_entities_forgotten_total", labels: { entity }, value });
    }
    into.push({ name: "rule_ages_dropped_total", labels: {}, value: this.#timers.dropped });
    for (const { rule, errors, seconds } of this.#entries) {
      const { id } = rule.meta;
      for (const reason of evaluationErrorReasons) {
        const labels = { rule: id, reason };
        into.push({ name: "rule_evaluation_errors_total", labels, value: errors[reason] });
      }
      into.push({ name: "rule_evaluation_seconds_total", labels: { rule: id }, value: seconds });
    }
    this.#counts.counters(into);
  }

  /** What went wrong first with a rule, for people; "" = nothing yet. */
  firstError(ruleId: string): string {
    return this.#entries.find(({ rule }) => rule.meta.id === ruleId)?.firstError ?? "";
  }

  /** Rules that have failed for the first time since the last call. */
  takeFaults(): RuleFault[] {
    const fresh = this.#entries.filter(({ firstError, isTold }) => firstError !== "" && !isTold);
    return fresh.map((entry) => {
      entry.isTold = true;
      return { rule: entry.rule.meta.id, text: entry.firstError };
    });
  }

  #take(change: GraphChange): void {
    switch (change.kind) {
      case "entity":
        this.#evaluateAll(change);
        return;
      case "gone": {
        const { type, id: entityId, atUs } = change;
        const ofType = this.#byType.get(type);
        if (!ofType) return;
        ofType.memory.delete(entityId);
        this.#timers.delete(type, entityId);
        this.#counts.gone(ofType.entries, entityId);
        this.#events.push({ kind: "lost", type, entityId, atUs });
        return;
      }
      case "renamed":
        this.#events.push(change);
        this.#counts.renamed(change);
        return;
      case "source":
        this.#events.push(change);
    }
  }

  #evaluateAll(change: AnyEntityChange): void {
    const ofType = this.#byType.get(change.type);
    if (!ofType) return;
    const before = ofType.memory.get(change.id);
    this.#frame.dueUs = Infinity;
    let open: Entry[] | null = null;
    for (const entry of ofType.entries) {
      const verdict = this.#evaluate(entry, change);
      if (verdict !== "match") {
        if (before !== undefined && !before.includes(entry)) continue;
        if (this.#miss(entry.rule, change, verdict === "error")) continue;
      }
      (open ??= []).push(entry);
    }
    this.#timers.set(change, this.#frame.dueUs);
    const now = open ?? none;
    if (now !== before) ofType.memory.set(change.id, now);
  }

  #evaluate(entry: Entry, change: AnyEntityChange): "match" | "miss" | "error" {
    const { clock } = this.#options;
    const isTimed = clock !== null && this.#evaluations % timedEvery === 0;
    this.#evaluations++;
    const startedAt = isTimed ? clock() : 0;
    this.#frame.entity = change.entity;
    this.#frame.steps = 0;
    try {
      const isTrue = entry.rule.when(this.#frame) === true;
      const count = entry.rule.count
        ? this.#counts.take(entry.rule, change, isTrue, this.#frame)
        : "";
      // What an event adds to is said when the whole batch has been counted.
      if (isTrue && count === "event") return "match";
      if (!isTrue || count === "few") return "miss";
      this.#frame.count = count;
      this.#match(entry, change);
      return "match";
    } catch (error) {
      countError(entry, error);
      return "error";
    } finally {
      if (isTimed) entry.seconds += (clock() - startedAt) * timedEvery;
    }
  }

  #match(entry: Entry, change: AnyEntityChange): void {
    const { rule } = entry;
    const { entity, id: entityId, atUs, judged, evidence, observers, replaces = [] } = change;
    this.#events.push({
      kind: "match",
      rule: rule.meta,
      entityId,
      key: rule.key(entity),
      atUs,
      message: this.#message(entry),
      confidence: rule.confidence(entity),
      subject: rule.subject(entity),
      peer: rule.peer(entity),
      peerPort: rule.peerPort(entity),
      judged,
      evidence,
      observers,
      replaces,
      sample: () => toSample(change.type, entity),
      waiver: this.#options.waivers.waiverFor(rule.meta.id, entity),
    });
  }

  #tell(): void {
    if (this.#events.length === 0) return;
    this.#next.push(this.#events);
    this.#events.length = 0;
  }

  /** The message of a rule that has counted so many. */
  #counted(rule: CompiledRule, entity: unknown, count: string): string {
    const entry = this.#entries.find((one) => one.rule === rule);
    this.#frame.entity = entity;
    this.#frame.steps = 0;
    this.#frame.count = count;
    return entry ? this.#message(entry) : rule.meta.title;
  }

  /** A finding is not lost over its wording. */
  #message(entry: Entry): string {
    try {
      return entry.rule.message(this.#frame);
    } catch (error) {
      countError(entry, error);
      return entry.rule.meta.title;
    }
  }

  /**
   * Tells a miss; true when it ends whatever insight there was. One that ends nothing is told again, until
   * somebody can tell. `isError`: the condition itself could not be told.
   */
  #miss(rule: CompiledRule, change: AnyEntityChange, isError: boolean): boolean {
    const { id: entityId, atUs } = change;
    const judged = change.judged && !isError;
    const isEvent = rule.meta.lifecycle === "event";
    const withdrawn = isEvent && judged && isDecided(change);
    this.#events.push({ kind: "miss", rule: rule.meta, entityId, atUs, judged, withdrawn });
    return isEvent ? withdrawn : judged;
  }
}

/**
 * What is open about the entities seen last, at most `max` of them. Two generations: the older one goes
 * when the younger has grown to half of that.
 */
class Memory {
  readonly #generationMax: number;
  #young = new Map<string, Open>();
  #old = new Map<string, Open>();
  forgotten = 0;

  constructor(max: number) {
    this.#generationMax = Math.max(1, Math.floor(max / 2));
  }

  /** Undefined = not remembered. */
  get(id: string): Open | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) return young;
    const old = this.#old.get(id);
    if (old !== undefined) {
      this.#old.delete(id);
      this.set(id, old);
    }
    return old;
  }

  set(id: string, open: Open): void {
    this.#young.set(id, open);
    if (this.#young.size < this.#generationMax) return;
    this.forgotten += this.#old.size;
    this.#old = this.#young;
    this.#young = new Map();
  }

  delete(id: string): void {
    this.#young.delete(id);
    this.#old.delete(id);
  }
}

function makeEntry(rule: CompiledRule): Entry {
  const errors = { missing: 0, type: 0, arithmetic: 0, conversion: 0, cost: 0, internal: 0 };
  return { rule, errors, firstError: "", isTold: false, seconds: 0 };
}

function countError(entry: Entry, error: unknown): void {
  entry.errors[error instanceof Fault ? error.reason : "internal"]++;
  if (entry.firstError !== "") return;
  entry.firstError = error instanceof Error ? error.message : String(error);
}
