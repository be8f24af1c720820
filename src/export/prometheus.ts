/**
 * The only Prometheus registry. Its names are those of `self/instruments.ts`; another name is our own
 * mistake, which is told and left out. Pure stages do not know it: their cumulative numbers arrive as samples and are
 * turned into series here, up to a cap, because a scrape of very many series stops the whole thread.
 */
import prom from "prom-client";
import { evaluationErrorReasons, resolveReasons, type RuleMeta } from "../model/insights.ts";
import type { CounterSample } from "../model/stages.ts";
import {
  instruments,
  type CounterHandle,
  type GaugeHandle,
  type HistogramHandle,
  type InstrumentName,
  type Instruments,
  type InstrumentSpec,
  type LabelsOf,
  type Reading,
} from "../self/instruments.ts";
import { ShownNamespaces } from "./namespaces.ts";
import { SampleSeries, type SeriesHandle } from "./sample-series.ts";

const prefix = "mesh_insights_";
/** Gauges of the library with a counter's name, which `promtool check metrics` refuses: sums of others. */
const misnamed = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

export interface PrometheusOptions {
  /** Of all series that come from samples together. */
  readonly seriesMax: number;
  /** Namespaces with series of their own. */
  readonly namespacesMax: number;
  readonly version: string;
}

export const prometheusDefaults: PrometheusOptions = {
  seriesMax: 5_000,
  namespacesMax: 200,
  version: "0.0.0",
};

export class PrometheusRegistry implements Instruments {
  readonly #registry = new prom.Registry();
  readonly #metrics = new Map<string, prom.Counter | prom.Gauge | prom.Histogram>();
  readonly #namespaces: ShownNamespaces;
  readonly #samples: SampleSeries;
  readonly #dropped: CounterHandle;
  readonly #folded: GaugeHandle;
  readonly #scrapes: CounterHandle;
  /** What has been told of; only names and labels in the code can be wrong, so there are few. */
  readonly #faults = new Set<string>();

  constructor(options: PrometheusOptions = prometheusDefaults) {
    this.#namespaces = new ShownNamespaces(options.namespacesMax);
    this.#samples = new SampleSeries(options.seriesMax, this.#namespaces, (name, labels) =>
      this.#makeSeries(name, labels),
    );
    for (const [name, spec] of Object.entries(instruments)) {
      this.#metrics.set(name, makeMetric(name, spec, this.#registry));
    }
    prom.collectDefaultMetrics({ register: this.#registry });
    for (const name of misnamed) this.#registry.removeSingleMetric(name);
    this.#dropped = this.counter("exposition_samples_dropped_total", {});
    this.#folded = this.gauge("exposition_namespaces_folded", {});
    this.#scrapes = this.counter("scrapes_total", {});
    this.gauge("build_info", { version: options.version, node_version: process.version }).set(1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of a scrape, which is counted. */
  text(): Promise<string> {
    this.#scrapes.inc();
    return this.#registry.metrics();
  }

  /** What a scrape would say now of one counter or gauge. */
  async read(name: InstrumentName): Promise<readonly Reading[]> {
    const { values } = (await this.#metrics.get(name)?.get()) ?? { values: [] };
    return values.map(({ labels, value }) => ({
      labels: Object.fromEntries(Object.entries(labels).map(([key, text]) => [key, String(text)])),
      value,
    }));
  }

  counter<N extends InstrumentName>(name: N, labels: LabelsOf<N>): CounterHandle {
    const child = (this.#metrics.get(name) as prom.Counter).labels(labels); // the type of N says so
    child.inc(0);
    return child;
  }

  gauge<N extends InstrumentName>(name: N, labels: LabelsOf<N>): GaugeHandle {
    const child = (this.#metrics.get(name) as prom.Gauge).labels(labels); // the type of N says so
    child.set(0);
    return child;
  }

  histogram<N extends InstrumentName>(name: N, labels: LabelsOf<N>): HistogramHandle {
    const metric = this.#metrics.get(name) as prom.Histogram; // the type of N says so
    metric.zero(labels);
    return metric.labels(labels);
  }

  /**
   * Takes a snapshot of all samples of all pure stages. Counters rise by the difference to the last
   * snapshot; gauges are replaced, and those that are missing vanish. Returns what cannot be published
   * because of a mistake of ours, each once: no number is worth the end of the process.
   */
  applySamples(samples: readonly CounterSample[]): string[] {
    const faults: string[] = [];
    const sound = samples.filter((sample) => {
      const fault = faultOf(sample);
      if (fault !== "" && !this.#faults.has(fault)) faults.push(fault);
      if (fault !== "") this.#faults.add(fault);
      return fault === "";
    });
    this.#namespaces.look(sound);
    this.#folded.set(this.#namespaces.folded);
    this.#samples.begin();
    let added = 0;
    for (const sample of sound) {
      const spec = specOf(sample.name);
      if (spec && this.#samples.add(sample, spec)) added++;
    }
    this.#samples.settle(sound.length === samples.length);
    this.#dropped.inc(samples.length - added);
    return faults;
  }

  /**
   * What is loaded now, after a start or a reload. Counters of a rule that is gone stay as they are; its
   * gauges go with the next snapshot.
   */
  rulesLoaded(rules: readonly RuleMeta[], atSeconds: number): void {
    const info = this.#metrics.get("rule_info") as prom.Gauge; // the table says so
    info.reset();
    for (const { id, ruleset, severity, status, version } of rules) {
      info.labels({ rule: id, ruleset, severity, status, version }).set(1);
    }
    this.gauge("rules_loaded", {}).set(rules.length);
    this.gauge("rules_last_reload_successful", {}).set(1);
    this.gauge("rules_last_reload_success_timestamp_seconds", {}).set(atSeconds);
    for (const rule of rules) this.#bornAtZero(rule);
  }

  configLoaded(atSeconds: number): void {
    this.gauge("config_last_reload_successful", {}).set(1);
    this.gauge("config_last_reload_success_timestamp_seconds", {}).set(atSeconds);
  }

  /** The configuration stays as it was. */
  configNotLoaded(): void {
    this.gauge("config_last_reload_successful", {}).set(0);
  }

  /** The rules stay as they were. */
  rulesNotLoaded(): void {
    this.gauge("rules_last_reload_successful", {}).set(0);
  }

  /** Makes the series that alerts on a rule need before its first insight and its first error. */
  #bornAtZero({ id: rule, severity, lifecycle }: RuleMeta): void {
    this.#born("insights_raised_total", { rule, severity });
    this.#born("insights_overflow_total", { rule });
    for (const reason of resolveReasons[lifecycle]) {
      this.#born("insights_resolved_total", { rule, reason });
    }
    this.#born("rule_evaluation_seconds_total", { rule });
    for (const reason of evaluationErrorReasons) {
      this.#born("rule_evaluation_errors_total", { rule, reason });
    }
  }

  #born<N extends InstrumentName>(name: N, labels: LabelsOf<N>): void {
    if (!this.#samples.born(name, instruments[name], labels)) this.#dropped.inc();
  }

  #makeSeries(name: string, labels: Readonly<Record<string, string>>): SeriesHandle {
    const metric = this.#metrics.get(name);
    if (metric instanceof prom.Counter) {
      const child = metric.labels(labels);
      child.inc(0);
      return { inc: (by) => child.inc(by), set: () => {}, remove: () => metric.remove(labels) };
    }
    const gauge = metric as prom.Gauge; // a sample is no histogram, and its name is declared
    const child = gauge.labels(labels);
    return { inc: () => {}, set: (to) => child.set(to), remove: () => gauge.remove(labels) };
  }
}

function specOf(name: string): InstrumentSpec | undefined {
  return Object.hasOwn(instruments, name) ? instruments[name as InstrumentName] : undefined; // just looked up
}

/** What is wrong with a sample, "" when nothing is. */
function faultOf({ name, labels, value }: CounterSample): string {
  const spec = specOf(name);
  if (!spec) return `"${name}" is not declared`;
  if (spec.kind === "histogram") return `"${name}" is a histogram, which no sample feeds`;
  const given = Object.keys(labels);
  if (given.length !== spec.labels.length || !spec.labels.every((label) => given.includes(label))) {
    return `"${name}" has the labels [${spec.labels.join(", ")}], not [${given.join(", ")}]`;
  }
  return Number.isFinite(value) ? "" : `"${name}" is not a number`;
}

function makeMetric(
  name: string,
  spec: InstrumentSpec,
  registry: prom.Registry,
): prom.Counter | prom.Gauge | prom.Histogram {
  const config = {
    name: prefix + name,
    help: spec.help,
    labelNames: [...spec.labels],
    registers: [registry],
  };
  if (spec.kind === "counter") return new prom.Counter(config);
  if (spec.kind === "gauge") return new prom.Gauge(config);
  return new prom.Histogram({ ...config, buckets: [...(spec.buckets ?? [])] });
}
