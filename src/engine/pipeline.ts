/**
 * The whole way of the data in one synchronous object: request bytes in, changed state and transitions
 * out. The engine thread drives it with the system clock, `replay --eval` and the tests with a virtual
 * one. It does no I/O, reads no clock and keeps no timer.
 *
 *   decode ─views─▶ normalize ─observations─▶ graph ─changes─▶ rules ─events─▶ insights ─transitions─▶ next
 */
import { LogsDecoder } from "../decode/logs.ts";
import { MetricsDecoder } from "../decode/metrics.ts";
import { TracesDecoder } from "../decode/traces.ts";
import type { DecodeError } from "../decode/views.ts";
import { Graph, type GraphOptions } from "../graph/graph.ts";
import { Insights, type InsightOptions } from "../insights/insights.ts";
import type { CommandFault, EngineCommand } from "../model/commands.ts";
import type { RuleNeeds } from "../model/coverage.ts";
import type { Entity } from "../model/entities.ts";
import type { RuleFault, Transition } from "../model/insights.ts";
import type { ApiNamespaceLayers } from "../model/layers.ts";
import type { ObservationBatch } from "../model/observations.ts";
import type { RequestSender } from "../model/requests.ts";
import { makeWriteSet, type BlindRow, type Restored, type WriteSet } from "../model/rows.ts";
import { Signal, type CounterSample, type Sink } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { Normalizer, type NormalizeOptions } from "../normalize/normalizer.ts";
import { Evaluator, evaluatorDefaults } from "../rules/evaluator.ts";
import type { CompiledRule, Waiver } from "../rules/load.ts";
import { WaiverSet } from "../rules/waiving.ts";
import { coverageCounters } from "./coverage-counters.ts";
import { layerCounters, layersOf } from "./layers.ts";
import { engineChange } from "./engine-entity.ts";
import { Receipts } from "./receipts.ts";
import { RuleLoads } from "./rule-loads.ts";

export interface PipelineOptions {
  readonly normalize: NormalizeOptions;
  readonly graph: GraphOptions;
  readonly insights: InsightOptions;
  readonly rules: readonly CompiledRule[];
  readonly waivers: readonly Waiver[];
}

export interface PipelineRequest {
  readonly signal: Signal;
  readonly hash: string;
  /** Read during the call only. */
  readonly body: Buffer;
  readonly receivedUs: Us;
  readonly sender: RequestSender;
}

/** `known`: applied before; only its commit is to be waited for. */
export type Handled =
  | { readonly kind: "applied"; readonly items: number }
  | { readonly kind: "known" }
  | { readonly kind: "invalid"; readonly code: string; readonly message: string };

interface Read {
  readonly items: number;
  readonly batch: ObservationBatch;
}

/** A fault of ours before anything was applied: the request may be tried again. */
export class PrepareError extends Error {}

export class Pipeline {
  readonly #receipts = new Receipts();
  readonly #metrics = new MetricsDecoder();
  readonly #traces = new TracesDecoder();
  readonly #logs = new LogsDecoder();
  readonly #normalizer: Normalizer;
  readonly #graph: Graph;
  readonly #rules: Evaluator;
  readonly #insights: Insights;
  readonly #loads = new RuleLoads();
  readonly #ruleNeeds: readonly RuleNeeds[];
  readonly #isOpenTrust: boolean;
  #layers: readonly ApiNamespaceLayers[] = [];
  #nowUs: Us = 0;
  /** Since when nobody was watching, until the first `advance` ends it; 0 = no gap. */
  #blindSinceUs: Us = 0;
  #blind: BlindRow[] = [];

  constructor(options: PipelineOptions, next: Sink<readonly Transition[]>) {
    this.#insights = new Insights(options.insights, next);
    this.#ruleNeeds = options.rules.map((rule) => rule.meta);
    const waivers = new WaiverSet(options.waivers);
    this.#insights.setRules(
      options.rules.map((rule) => rule.meta),
      waivers,
    );
    this.#rules = new Evaluator(options.rules, this.#insights, { ...evaluatorDefaults, waivers });
    this.#graph = new Graph(options.graph, this.#rules);
    this.#normalizer = new Normalizer(options.normalize);
    this.#isOpenTrust = options.normalize.trust.length === 0;
  }

  get insights(): Insights {
    return this.#insights;
  }

  /**
   * Applies one request. Throws `PrepareError` for a fault of ours before the graph changed; any other
   * exception means that memory can no longer be trusted and must be rebuilt from the last commit.
   */
  handle(request: PipelineRequest): Handled {
    if (this.#receipts.has(request.signal, request.hash)) return { kind: "known" };
    const read = this.#prepare(request);
    if ("ok" in read) return { kind: "invalid", code: read.code, message: read.message };
    this.#pass(request.receivedUs);
    this.#graph.push(read.batch);
    // By our own time, which never goes back: a clock set back must not make receipts look old.
    this.#receipts.add(request.signal, request.hash, this.#nowUs);
    return { kind: "applied", items: read.items };
  }

  /**
   * Applies a request of an earlier process again, between `restore` and the first `advance`: its
   * receipt is there already, and time does not pass, since nobody was watching in between.
   */
  redo(request: PipelineRequest): void {
    const read = this.#prepare(request);
    if ("ok" in read) throw new PrepareError(`cannot apply a stored request: ${read.message}`);
    this.#graph.push(read.batch);
  }

  /** Lets time pass: graces, `for`, `keep_firing_for`, liveness. An earlier time changes nothing. */
  advance(atUs: Us): void {
    this.#pass(atUs);
    this.#insights.settle();
  }

  /** Requests of that signal were refused until `toUs`: nobody is accused of what they may have held. */
  turnedAway(signal: Signal, fromUs: Us, toUs: Us): void {
    this.#graph.turnedAway(signal, fromUs, toUs);
  }

  /** How the whole program does, as whoever watches it from outside tells: the one entity `engine`. */
  health(entity: Entity<"engine">, atUs: Us): void {
    this.advance(atUs);
    this.#rules.push([engineChange({ ...entity, open_trust: this.#isOpenTrust }, this.#nowUs)]);
  }

  /** Does what a person asks for; "" or why it cannot be done. What has changed is in the next write-set. */
  command(command: EngineCommand, atUs: Us): CommandFault | "" {
    this.advance(atUs);
    return this.#insights.acknowledge(command.insightId, command.acknowledgement);
  }

  /** How many edges a whole write-set would hold now: what it costs grows with them. */
  get dirtyEdges(): number {
    return this.#graph.dirtyEdges;
  }

  /** Receipts alone, for a commit that keeps its requests to be applied again. */
  collectReceipts(seq: number, nowUs: Us): WriteSet {
    const writeSet = makeWriteSet(seq, nowUs, false);
    this.#receipts.collect(writeSet);
    return writeSet;
  }

  /**
   * What has changed since the last call, as one transaction's worth of rows. The rules hear of it first:
   * insights in the store must know all that the graph in the store does, or nobody tells them later.
   */
  collect(seq: number, nowUs: Us): WriteSet {
    this.#graph.flushChanges();
    const writeSet = makeWriteSet(seq, nowUs);
    writeSet.blind.push(...this.#blind);
    this.#blind = [];
    this.#receipts.collect(writeSet);
    this.#graph.collect(writeSet);
    this.#rules.collect(writeSet);
    this.#insights.collect(writeSet);
    return writeSet;
  }

  /** Takes back what earlier commits held; once, before the first request. */
  restore(rows: Restored): void {
    this.#nowUs = rows.lastCommitUs;
    this.#blindSinceUs = rows.lastCommitUs;
    this.#receipts.restore(rows);
    this.#insights.restore(rows);
    this.#rules.restore(rows);
    this.#rules.at(rows.lastCommitUs);
    this.#graph.restore(rows);
  }

  counters(): CounterSample[] {
    const samples: CounterSample[] = [];
    this.#receipts.counters(samples);
    this.#normalizer.counters(samples);
    this.#graph.counters(samples);
    coverageCounters(samples, this.#graph.coverageGroups(), this.#ruleNeeds);
    this.#rules.counters(samples);
    this.#insights.counters(samples);
    layerCounters(samples, this.#layers);
    return samples;
  }

  /** Defence in depth as it is now; `counters` tells of it until the next call. */
  layers(): readonly ApiNamespaceLayers[] {
    this.#layers = layersOf(this.#graph.namespaces, this.#insights.current());
    return this.#layers;
  }

  /** Rules that have failed for the first time since the last call. */
  takeRuleFaults(): RuleFault[] {
    return this.#rules.takeFaults();
  }

  /** Up to an instant of which there is more to tell. */
  #pass(atUs: Us): void {
    const nowUs = Math.max(atUs, this.#nowUs);
    this.#nowUs = nowUs;
    this.#endGap(nowUs);
    this.#receipts.expire(nowUs);
    this.#rules.at(nowUs);
    this.#graph.advance(nowUs);
    this.#rules.advance(nowUs);
    this.#insights.advance(nowUs);
    const loads = this.#loads.look(() => this.#insights.loads(), nowUs);
    if (loads.length > 0) this.#rules.push(loads);
  }

  #endGap(nowUs: Us): void {
    if (this.#blindSinceUs === 0) return;
    this.#blind.push({ fromUs: this.#blindSinceUs, toUs: nowUs, reason: "restart" });
    this.#blindSinceUs = 0;
  }

  #prepare(request: PipelineRequest): Read | DecodeError {
    try {
      return this.#read(request);
    } catch (cause) {
      throw new PrepareError("cannot read a request: our fault", { cause });
    }
  }

  #read(request: PipelineRequest): Read | DecodeError {
    switch (request.signal) {
      case Signal.metrics: {
        const decoded = this.#metrics.decode(request.body);
        if (!decoded.ok) return decoded;
        const batch = this.#normalizer.metrics(decoded.view, request);
        return { items: decoded.view.points.count, batch };
      }
      case Signal.traces: {
        const decoded = this.#traces.decode(request.body);
        if (!decoded.ok) return decoded;
        const batch = this.#normalizer.traces(decoded.view, request);
        return { items: decoded.view.spans.count, batch };
      }
      case Signal.logs: {
        const decoded = this.#logs.decode(request.body);
        if (!decoded.ok) return decoded;
        const batch = this.#normalizer.logs(decoded.view, request);
        return { items: decoded.view.records.count, batch };
      }
    }
  }
}

/** Whether a write-set holds anything worth a commit. */
export function isEmptyWriteSet(writeSet: WriteSet): boolean {
  return Object.values(writeSet).every((rows) => !Array.isArray(rows) || rows.length === 0);
}
