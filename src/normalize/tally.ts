/** What the stage counts: observations by kind, what it left out and why, and names it does not know. */
import type { Observation } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";

const other = "_other";
/** Each is a series of `/metrics`, and whoever sends chooses them. */
const unrecognizedMax = 200;

/** Counts by label value; at most `maxValues` values, the rest together as `_other`. */
class LabelledCounter {
  readonly #name: string;
  readonly #label: string;
  readonly #maxValues: number;
  readonly #counts = new Map<string, number>();

  /** The `born` values exist at 0 from the start. */
  constructor(name: string, label: string, maxValues: number, born: readonly string[] = []) {
    this.#name = name;
    this.#label = label;
    this.#maxValues = maxValues;
    for (const value of born) this.#counts.set(value, 0);
  }

  add(value: string, count: number): void {
    const known = this.#counts.get(value);
    if (known !== undefined || this.#counts.size < this.#maxValues) {
      this.#counts.set(value, (known ?? 0) + count);
    } else {
      this.#counts.set(other, (this.#counts.get(other) ?? 0) + count);
    }
  }

  counters(into: CounterSample[]): void {
    for (const [value, count] of this.#counts) {
      into.push({ name: this.#name, labels: { [this.#label]: value }, value: count });
    }
  }
}

/** Why an item yielded nothing although its vocabulary is known; a closed list, for a counter's label. */
export type DropReason =
  | "bad_json"
  | "bad_line"
  | "capacity"
  | "missing_address"
  | "missing_field"
  | "no_value"
  | "not_a_call"
  | "not_a_proxy"
  | "not_a_number"
  | "not_ours_yet"
  | "too_long"
  | "unoriented"
  /** It is understood, and says nothing that the engine uses. */
  | "unused";

/** Every kind of observation, so that `increase()` sees the first one of each. */
const kinds = Object.keys({
  edge_sample: true,
  span_half: true,
  flow: true,
  socket_opened: true,
  proxy_leg: true,
  process_seen: true,
  file_access: true,
  pod_volume: true,
  component_sample: true,
  object_seen: true,
  heartbeat: true,
} satisfies Record<Observation["kind"] | "edge_sample", true>);

/** Labels without which a series belongs to nobody: of the workload, and of the scraped target. */
const lacks = ["workload", "target"] as const;

export class Tally {
  readonly #observations = new LabelledCounter("observations_total", "kind", 32, kinds);
  readonly #dropped = new LabelledCounter("normalize_dropped_items_total", "reason", 256);
  readonly #incomplete = new LabelledCounter("incomplete_series_total", "lacks", 2, lacks);
  readonly #metrics: LabelledCounter;
  readonly #records: LabelledCounter;

  constructor(maxNames: number) {
    const max = Math.min(maxNames, unrecognizedMax);
    this.#metrics = new LabelledCounter("unrecognized_metrics_total", "name", max);
    this.#records = new LabelledCounter("unrecognized_records_total", "scope", max);
  }

  observed(kind: string, count: number): void {
    if (count > 0) this.#observations.add(kind, count);
  }

  /** `vocabulary` and `reason` both come from our code, so the label values are few. */
  dropped(vocabulary: string, reason: DropReason): void {
    this.#dropped.add(`${vocabulary}:${reason}`, 1);
  }

  /** A series that is new to us lacks labels of its own side. */
  incompleteSeries(what: (typeof lacks)[number]): void {
    this.#incomplete.add(what, 1);
  }

  unrecognizedMetric(name: string, points: number): void {
    this.#metrics.add(name === "" ? "_unnamed" : name, points);
  }

  /** A span or log record that no vocabulary claims, by its scope's name. */
  unrecognizedRecord(scope: string): void {
    this.#records.add(scope === "" ? "_unnamed" : scope, 1);
  }

  counters(into: CounterSample[]): void {
    this.#observations.counters(into);
    this.#dropped.counters(into);
    this.#incomplete.counters(into);
    this.#metrics.counters(into);
    this.#records.counters(into);
  }
}
