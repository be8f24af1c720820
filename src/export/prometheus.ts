/**
 * The only Prometheus registry. Its names are those of `self/instruments.ts`; another name is our own
 * mistake, which is told and left out. Pure stages do not know it: their cumulative numbers arrive as samples and are
 * turned into series here, up to a cap, because a scrape of very many series stops the whole thread.
 */
import prom from "prom-client";
import { assert } from "../lib/assert.ts";
import type { CloseReason, RuleMeta } from "../model/insights.ts";
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
} from "../self/instruments.ts";
import { printable } from "../self/log.ts";

const prefix = "mesh_insights_";
const labelMaxLength = 128;

export interface PrometheusOptions {
  /** Of all series that come from samples together. */
  readonly seriesMax: number;
  readonly version: string;
}

export const prometheusDefaults: PrometheusOptions = { seriesMax: 5_000, version: "0.0.0" };

/** One series that samples feed. */
interface Series {
  readonly kind: "counter" | "gauge";
  readonly child: { inc?: (by: number) => void; set?: (value: number) => void };
  readonly remove: () => void;
  /** The cumulative value of the last snapshot, and what the one that is read now adds up to. */
  last: number;
  sum: number;
  /** The snapshot that held it last. */
  round: number;
}

const closeReasons: readonly CloseReason[] = [
  "fixed",
  "quiet",
  "entity_gone",
  "rule_removed",
  "late_evidence",
  "withdrawn",
  "no_data",
];

export class PrometheusRegistry implements Instruments {
  readonly #options: PrometheusOptions;
  readonly #registry = new prom.Registry();
  readonly #metrics = new Map<string, prom.Counter | prom.Gauge | prom.Histogram>();
  readonly #series = new Map<string, Series>();
  readonly #dropped: CounterHandle;
  /** What has been told of; only names and labels in the code can be wrong, so there are few. */
  readonly #faults = new Set<string>();
  #round = 0;

  constructor(options: PrometheusOptions = prometheusDefaults) {
    this.#options = options;
    for (const [name, spec] of Object.entries(instruments)) {
      this.#metrics.set(name, makeMetric(name, spec, this.#registry));
    }
    prom.collectDefaultMetrics({ register: this.#registry });
    this.#dropped = this.counter("exposition_samples_dropped_total", {});
    this.gauge("build_info", { version: options.version, node_version: process.version }).set(1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of a scrape. */
  text(): Promise<string> {
    return this.#registry.metrics();
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
   * snapshot (a fall is a restart of the stage, which counts from 0); gauges are replaced, and those that
   * are missing vanish. Samples of the same name and labels count together. Returns what cannot be
   * published because of a mistake of ours, each once: no number is worth the end of the process.
   */
  applySamples(samples: readonly CounterSample[]): string[] {
    this.#round++;
    const faults: string[] = [];
    for (const sample of samples) {
      const fault = faultOf(sample);
      if (fault === "") this.#add(sample);
      else {
        this.#dropped.inc();
        if (!this.#faults.has(fault)) faults.push(fault);
        this.#faults.add(fault);
      }
    }
    for (const [key, series] of this.#series) this.#settle(key, series);
    return faults;
  }

  /** Makes the series that alerts on a rule need before its first insight. */
  bornAtZero(rules: readonly RuleMeta[]): void {
    for (const { id: rule, severity } of rules) {
      this.#seriesOf("insights_raised_total", { rule, severity });
      this.#seriesOf("insights_overflow_total", { rule });
      this.#seriesOf("rule_evaluation_seconds_total", { rule });
      for (const reason of closeReasons)
        this.#seriesOf("insights_resolved_total", { rule, reason });
    }
  }

  /** What is loaded now, after a start or a reload. */
  rulesLoaded(rules: readonly RuleMeta[], atSeconds: number): void {
    const info = this.#metrics.get("rule_info") as prom.Gauge; // the table says so
    info.reset();
    for (const { id, ruleset, severity, status, version } of rules) {
      info.labels({ rule: id, ruleset, severity, status, version }).set(1);
    }
    this.gauge("rules_loaded", {}).set(rules.length);
    this.gauge("rules_last_reload_successful", {}).set(1);
    this.gauge("rules_last_reload_success_timestamp_seconds", {}).set(atSeconds);
    this.bornAtZero(rules);
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

  #add(sample: CounterSample): void {
    const series = this.#seriesOf(sample.name, sample.labels);
    if (!series) return this.#dropped.inc();
    if (series.round !== this.#round) series.sum = 0;
    series.round = this.#round;
    series.sum += sample.value;
  }

  #settle(key: string, series: Series): void {
    const isMissing = series.round !== this.#round;
    if (series.kind === "gauge") {
      if (!isMissing) return series.child.set?.(series.sum);
      series.remove();
      this.#series.delete(key);
    } else if (!isMissing) {
      const growth = series.sum >= series.last ? series.sum - series.last : series.sum;
      if (growth > 0) series.child.inc?.(growth);
      series.last = series.sum;
    }
  }

  /** Null above the cap. */
  #seriesOf(name: string, labels: CounterSample["labels"]): Series | null {
    const spec = specOf(name);
    assert(spec, `a sample's name is declared: "${name}"`);
    const values = spec.labels.map((label) => printable(labels[label] ?? "", labelMaxLength));
    const key = [name, ...values].join("\0");
    const known = this.#series.get(key);
    if (known) return known;
    if (this.#series.size >= this.#options.seriesMax) return null;
    const series = this.#makeSeries(name, spec, values);
    this.#series.set(key, series);
    return series;
  }

  #makeSeries(name: string, spec: InstrumentSpec, values: readonly string[]): Series {
    assert(spec.kind !== "histogram", `a sample is no histogram: "${name}"`);
    const metric = this.#metrics.get(name) as prom.Counter | prom.Gauge; // the kind was just checked
    const labels = Object.fromEntries(spec.labels.map((label, at) => [label, values[at] ?? ""]));
    const child = metric.labels(labels) as Series["child"]; // counters have inc, gauges set
    child.inc?.(0);
    return {
      kind: spec.kind,
      child,
      remove: () => metric.remove(labels),
      last: 0,
      sum: 0,
      round: 0,
    };
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
