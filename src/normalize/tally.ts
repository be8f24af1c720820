/** What the stage counts: observations by kind, what it left out and why, and names it does not know. */
import type { CounterSample } from "../model/stages.ts";

const other = "_other";

/** Counts by label value; at most `maxValues` values, the rest together as `_other`. */
class LabelledCounter {
  readonly #name: string;
  readonly #label: string;
  readonly #maxValues: number;
  readonly #counts = new Map<string, number>();

  constructor(name: string, label: string, maxValues: number) {
    this.#name = name;
    this.#label = label;
    this.#maxValues = maxValues;
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
  | "not_a_number"
  | "not_ours_yet"
  | "too_long";

export class Tally {
  readonly #observations = new LabelledCounter("observations_total", "kind", 32);
  readonly #dropped = new LabelledCounter("normalize_dropped_items_total", "reason", 256);
  readonly #metrics: LabelledCounter;
  readonly #records: LabelledCounter;

  constructor(maxNames: number) {
    this.#metrics = new LabelledCounter("unrecognized_metrics_total", "name", maxNames);
    this.#records = new LabelledCounter("unrecognized_records_total", "scope", maxNames);
  }

  observed(kind: string, count: number): void {
    if (count > 0) this.#observations.add(kind, count);
  }

  /** `vocabulary` and `reason` both come from our code, so the label values are few. */
  dropped(vocabulary: string, reason: DropReason): void {
    this.#dropped.add(`${vocabulary}:${reason}`, 1);
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
    this.#metrics.counters(into);
    this.#records.counters(into);
  }
}
