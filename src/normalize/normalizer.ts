/**
 * OTLP views to observations. It finds whose words a metric, span or log record speaks and lets that
 * vocabulary read it; what nobody knows is counted by name. It judges nothing and never throws for what
 * arrives. One instance per engine: series ids and caches are its own.
 */
import { randomInt } from "node:crypto";
import { MetricKind, NumberKind } from "../decode/views.ts";
import type { LogsView, MetricsView, Scopes, TracesView } from "../decode/views.ts";
import { TextInterner } from "../lib/interner.ts";
import type { Capability, ObservationBatch, SourceRef, Trust } from "../model/observations.ts";
import type { RequestSender } from "../model/requests.ts";
import type { Counted, CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { BatchBuilder, SampleKind } from "./batch.ts";
import { ClusterNames } from "./names.ts";
import { readPairs, ResourceCache, type Resource } from "./resources.ts";
import { noSeries, SeriesTable, type MetricContext } from "./series.ts";
import { Sources } from "./sources.ts";
import { Tally } from "./tally.ts";
import { halvesToUs, isUsableTime, usableStart } from "./times.ts";
import { TrustPolicy, trustOf, type SenderTrust, type TrustEntry } from "./trust.ts";
import { defaultClusterAliases, makeVocabularies, type Vocabularies } from "./vocabularies.ts";
import type { EdgePlan, MetricPlan, PointAt, PointsPlan, RequestContext } from "./vocabulary.ts";

export interface NormalizeLimits {
  readonly maxSeries: number;
  /** Attribute blocks kept whole to recognise known series fastest; 0 = none is recognised. */
  readonly memoMaxBytes: number;
  /** Names of unknown telemetry that are counted one by one. */
  readonly maxNames: number;
  readonly maxSources: number;
}

export const defaultNormalizeLimits: NormalizeLimits = {
  maxSeries: 200_000,
  // Some 45,000 series of Istio's.
  memoMaxBytes: 32 << 20,
  maxNames: 1_000,
  maxSources: 50_000,
};

export interface NormalizeOptions {
  /** The cluster whose telemetry arrives here, where a source names none. */
  readonly cluster: string;
  /** Other names of clusters, each with the one that counts: Istio's cluster id, `k8s.cluster.name`. */
  readonly clusterAliases: Readonly<Record<string, string>>;
  /** Who is believed how far; [] = everybody is attested. */
  readonly trust: readonly TrustEntry[];
  readonly limits?: Partial<NormalizeLimits>;
  /** Of the byte hash; random unless a test wants the same table twice. */
  readonly hashSeed?: number;
}

/** How a request came. */
export interface Arrival {
  readonly receivedUs: Us;
  readonly sender: RequestSender;
}

/** What of every view tells of its resources. */
type ResourceView = Pick<MetricsView, "bytes" | "attributes" | "resources">;

interface PointsMetric {
  readonly view: MetricsView;
  readonly plan: PointsPlan;
  readonly resource: Resource;
}

/** What decides whether a point has a number to count with. */
interface UsableOf {
  readonly view: MetricsView;
  readonly plan: Pick<EdgePlan, "vocabulary"> &
    Partial<Pick<EdgePlan, "measure"> & Pick<PointsPlan, "mayBeNegative">>;
}

const maxNameBytes = 255;
/** Attribute keys, names and the values that repeat from record to record. */
const maxTexts = 100_000;
const maxTextBytes = 16 << 20;
/** Bit 0 of a point's flags: NoRecordedValue. */
const noRecordedValue = 1;
/** Bit 0 of a point's `has`: the sum was sent. */
const hasSum = 1;

export class Normalizer implements Counted {
  readonly #interner = new TextInterner(maxTexts, maxTextBytes);
  readonly #batch = new BatchBuilder();
  readonly #resources: ResourceCache;
  readonly #tally: Tally;
  readonly #series: SeriesTable;
  readonly #vocabularies: Vocabularies;
  readonly #plans = new Map<string, MetricPlan | null>();
  readonly #maxPlans: number;
  readonly #trust: TrustPolicy;
  /** Of the request at hand: what a collector would have done, the last that did, who sent it. */
  #relaying: Capability = "relayed_metrics";
  #collector: SourceRef | null = null;
  #sender: SenderTrust;
  /** Of the resource at hand. */
  #context: RequestContext = { receivedUs: 0, trust: "claimed" };

  constructor(options: NormalizeOptions) {
    const limits = { ...defaultNormalizeLimits, ...options.limits };
    this.#maxPlans = limits.maxNames;
    this.#tally = new Tally(limits.maxNames);
    this.#series = new SeriesTable(limits, options.hashSeed ?? randomInt(2 ** 32 - 1));
    this.#trust = new TrustPolicy(options.trust);
    this.#sender = this.#trust.of({ listener: "grpc", client: "" });
    const aliases = { ...defaultClusterAliases(options.cluster), ...options.clusterAliases };
    const sources = new Sources(limits.maxSources);
    this.#resources = new ResourceCache(sources);
    const workshop = {
      clusters: new ClusterNames(options.cluster, aliases),
      sources,
      tally: this.#tally,
      batch: this.#batch,
    };
    this.#vocabularies = makeVocabularies(workshop, this.#interner);
  }

  /** The view is read during the call only; the batch belongs to the caller. */
  metrics(view: MetricsView, arrival: Arrival): ObservationBatch {
    this.#begin(view, "relayed_metrics", arrival);
    for (let metric = 0; metric < view.metrics.count; metric++) this.#metric(view, metric);
    return this.#finish();
  }

  traces(view: TracesView, arrival: Arrival): ObservationBatch {
    this.#begin(view, "relayed_traces", arrival);
    const { spans, bytes, scopes } = view;
    for (let index = 0; index < spans.count; index++) {
      const at = spans.scope[index] ?? 0;
      const resource = this.#resourceOf(view, scopes.resource[at] ?? 0);
      const scope = this.#scopeName(bytes, scopes, at);
      const record = { view, index, scope, resource, context: this.#context };
      let isRead = false;
      for (const vocabulary of this.#vocabularies.spans) isRead ||= vocabulary.read(record);
      if (!isRead) this.#tally.unrecognizedRecord(record.scope);
    }
    return this.#finish();
  }

  logs(view: LogsView, arrival: Arrival): ObservationBatch {
    this.#begin(view, "relayed_logs", arrival);
    const { records, bytes, scopes } = view;
    for (let index = 0; index < records.count; index++) {
      const at = records.scope[index] ?? 0;
      const resource = this.#resourceOf(view, scopes.resource[at] ?? 0);
      const scope = this.#scopeName(bytes, scopes, at);
      const record = { view, index, scope, resource, context: this.#context };
      if (!this.#vocabularies.logs.some((vocabulary) => vocabulary.read(record))) {
        this.#tally.unrecognizedRecord(record.scope);
      }
    }
    return this.#finish();
  }

  counters(into: CounterSample[]): void {
    this.#tally.counters(into);
    into.push(
      { name: "series", labels: {}, value: this.#series.count },
      { name: "series_dropped_total", labels: {}, value: this.#series.dropped },
      { name: "series_memo_resets_total", labels: {}, value: this.#series.memoResets },
    );
  }

  #begin(view: ResourceView, relaying: Capability, { receivedUs, sender }: Arrival): void {
    this.#batch.begin(receivedUs);
    this.#resources.begin();
    this.#relaying = relaying;
    this.#collector = null;
    this.#sender = this.#trust.of(sender);
    this.#believe(receivedUs, this.#sender.otherwise);
    // A request of which nothing is known is a sign of life of its collector all the same.
    if (view.resources.count > 0) this.#resourceOf(view, 0);
  }

  #resourceOf({ bytes, attributes, resources }: ResourceView, index: number): Resource {
    const resource = this.#resources.of(bytes, attributes, resources, index);
    const { collector, origin } = resource;
    const { receivedUs, trust: before } = this.#context;
    const trust = trustOf(this.#sender, origin);
    if (trust !== before) this.#believe(receivedUs, trust);
    if (collector !== null && collector !== this.#collector) {
      this.#collector = collector;
      this.#batch.alive(collector, this.#relaying, receivedUs);
    }
    return resource;
  }

  #believe(receivedUs: Us, trust: Trust): void {
    this.#context = { receivedUs, trust };
    this.#batch.believe(trust);
  }

  /** Definitions that an earlier, failed request left behind go with this batch. */
  #finish(): ObservationBatch {
    const batch = this.#batch.finish(this.#series.takeFresh());
    this.#tally.observed("edge_sample", batch.samples.count);
    this.#countKinds(batch.observations);
    return batch;
  }

  /** Observations of a kind come in runs. */
  #countKinds(observations: ObservationBatch["observations"]): void {
    let from = 0;
    for (let at = 1; at <= observations.length; at++) {
      const kind = observations[from]?.kind;
      if (kind === undefined || observations[at]?.kind === kind) continue;
      this.#tally.observed(kind, at - from);
      from = at;
    }
  }

  #scopeName(bytes: Buffer, scopes: Scopes, at: number): string {
    const start = scopes.nameStart[at] ?? 0;
    const end = Math.min(scopes.nameEnd[at] ?? 0, start + maxNameBytes);
    return this.#interner.text(bytes, start, end);
  }

  #metric(view: MetricsView, metric: number): void {
    const { bytes, metrics, scopes } = view;
    const nameStart = metrics.nameStart[metric] ?? 0;
    const nameEnd = Math.min(metrics.nameEnd[metric] ?? 0, nameStart + maxNameBytes);
    const name = this.#interner.text(bytes, nameStart, nameEnd);
    const plan = this.#planOf(name);
    if (!plan) {
      const points = (metrics.pointEnd[metric] ?? 0) - (metrics.pointStart[metric] ?? 0);
      return this.#tally.unrecognizedMetric(name, points);
    }
    if (plan.kind === "ignored") return;
    const at = metrics.scope[metric] ?? 0;
    const resource = this.#resourceOf(view, scopes.resource[at] ?? 0);
    const context = this.#context;
    if (plan.kind === "points") return this.#points({ view, plan, resource }, metric, context);
    const scope = this.#scopeName(bytes, scopes, at);
    this.#edgePoints({ view, plan, resource, scope, name, trust: context.trust }, metric, context);
  }

  /** Plans are remembered by name, also that there is none; names beyond the bound are looked up anew. */
  #planOf(name: string): MetricPlan | null {
    const known = this.#plans.get(name);
    if (known !== undefined) return known;
    let plan: MetricPlan | null = null;
    for (const vocabulary of this.#vocabularies.metrics) plan ??= vocabulary.plan(name);
    if (this.#plans.size < this.#maxPlans) this.#plans.set(name, plan);
    return plan;
  }

  /**
   * The hot path: per point a usable value, its series, three numbers into columns. The stale flag is
   * looked at before the value, which may then be absent or NaN; a stale point is no sign of life.
   */
  #edgePoints(metric: MetricContext, index: number, context: RequestContext): void {
    const { view, plan } = metric;
    const { metrics, points } = view;
    const isNumber =
      metrics.kind[index] === MetricKind.gauge || metrics.kind[index] === MetricKind.sum;
    const sampleKind = sampleKindOf(view, index);
    const seriesContext = this.#series.contextOf(metric);
    const end = metrics.pointEnd[index] ?? 0;
    for (let point = metrics.pointStart[index] ?? 0; point < end; point++) {
      const isStale = ((points.flags[point] ?? 0) & noRecordedValue) !== 0;
      if (!isStale && !this.#isUsable(metric, isNumber, point)) continue;
      if (
        plan.observe &&
        !isStale &&
        plan.observe(this.#pointAt(metric, point, sampleKind, context))
      )
        continue;
      const series = this.#series.idOf(metric, seriesContext, point);
      if (series === noSeries) continue;
      const timeUs = this.#timeOf(view, point, context);
      if (isStale) {
        this.#batch.staleSample(series, timeUs, sampleKind);
        continue;
      }
      const value = (isNumber ? points.value[point] : points.sum[point]) ?? 0;
      const valueCount = plan.measure === "latency_ms" ? countOf(view, point) : 0;
      const startUs = plan.hasStart ? startOf(view, point, timeUs) : 0;
      this.#batch.sample(series, timeUs, startUs, value, valueCount, sampleKind);
      this.#lives(series, timeUs, plan.proves ?? "proxy_metrics");
    }
  }

  /** Points that are observations by themselves; a stale one is none. */
  #points(metric: PointsMetric, index: number, context: RequestContext): void {
    const { view, plan } = metric;
    const { metrics, points } = view;
    const isNumber =
      metrics.kind[index] === MetricKind.gauge || metrics.kind[index] === MetricKind.sum;
    const kind = sampleKindOf(view, index);
    const end = metrics.pointEnd[index] ?? 0;
    for (let point = metrics.pointStart[index] ?? 0; point < end; point++) {
      if (((points.flags[point] ?? 0) & noRecordedValue) !== 0) continue;
      if (!this.#isUsable(metric, isNumber, point)) continue;
      plan.observe(this.#pointAt(metric, point, kind, context));
    }
  }

  #pointAt(
    { view, resource }: Pick<PointsMetric, "view" | "resource">,
    point: number,
    kind: SampleKind,
    context: RequestContext,
  ): PointAt {
    const { points, bytes, attributes } = view;
    const attrEnd = points.attrEnd[point] ?? 0;
    const labels = readPairs(bytes, attributes, points.attrStart[point] ?? 0, attrEnd);
    const timeUs = this.#timeOf(view, point, context);
    const isDelta = kind === SampleKind.delta;
    const value = points.value[point] ?? 0;
    return { labels, resource, context, timeUs, value, isDelta };
  }

  #lives(series: number, timeUs: number, capability: Capability): void {
    const source = this.#series.sourceOf(series);
    if (source) this.#batch.alive(source, capability, timeUs);
  }

  /** A number to count with: present, not NaN or infinite, not below zero where that says nothing. */
  #isUsable(metric: UsableOf, isNumber: boolean, point: number): boolean {
    const { points } = metric.view;
    const isPresent = isNumber
      ? points.numberKind[point] !== NumberKind.none && metric.plan.measure !== "latency_ms"
      : ((points.has[point] ?? 0) & hasSum) !== 0;
    const value = (isNumber ? points.value[point] : points.sum[point]) ?? 0;
    const isInRange = value >= 0 || metric.plan.mayBeNegative === true;
    if (isPresent && Number.isFinite(value) && isInRange) return true;
    this.#tally.dropped(metric.plan.vocabulary, isPresent ? "not_a_number" : "no_value");
    return false;
  }

  #timeOf(view: MetricsView, point: number, context: RequestContext): number {
    const timeUs = halvesToUs(view.points.timeLow[point] ?? 0, view.points.timeHigh[point] ?? 0);
    return isUsableTime(timeUs, context.receivedUs) ? timeUs : context.receivedUs;
  }
}

/**
 * Gauges that carry counters come from scrapes without type; a sum of unspecified temporality is treated
 * alike, since for both only a falling value tells of a restart.
 */
function sampleKindOf(view: MetricsView, metric: number): SampleKind {
  if (view.metrics.kind[metric] === MetricKind.gauge) return SampleKind.gaugeOfTotal;
  if (view.metrics.kind[metric] === MetricKind.summary) return SampleKind.cumulative;
  switch (view.metrics.temporality[metric] ?? 0) {
    case 1:
      return SampleKind.delta;
    case 2:
      return SampleKind.cumulative;
    default:
      return SampleKind.gaugeOfTotal;
  }
}

function countOf(view: MetricsView, point: number): number {
  const { countLow, countHigh } = view.points;
  return (countHigh[point] ?? 0) * 2 ** 32 + (countLow[point] ?? 0);
}

function startOf(view: MetricsView, point: number, timeUs: number): number {
  const { startLow, startHigh } = view.points;
  return usableStart(halvesToUs(startLow[point] ?? 0, startHigh[point] ?? 0), timeUs);
}
