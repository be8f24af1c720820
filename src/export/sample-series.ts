/**
 * The series that samples of the pure stages feed. Samples are cumulative and come as whole snapshots;
 * several may feed one series (two stages count the same, or their namespaces are `_other`), so growth is
 * taken sample by sample. There is a cap, since a scrape of very many series stops the whole thread: what
 * does not fit under its namespace goes to `_other`, and what fits nowhere is left out and counted.
 */
import { assert } from "../lib/assert.ts";
import type { CounterSample } from "../model/stages.ts";
import type { InstrumentSpec } from "../self/instruments.ts";
import { printable } from "../self/log.ts";
import { isNamespaceLabel, otherNamespace, type ShownNamespaces } from "./namespaces.ts";

const labelMaxLength = 128;
/** Samples remembered per series that is allowed; only `_other` has more than one or two. */
const feedsPerSeries = 4;
/** This part of the cap is kept for `_other`, so that sums stay right when it is reached. */
const otherShare = 0.1;

/** One line of the exposition. */
export interface SeriesHandle {
  inc(by: number): void;
  set(value: number): void;
  remove(): void;
}

/** Makes the line of a declared counter or gauge; a counter's shows 0 from then on. */
export type MakeSeries = (name: string, labels: Readonly<Record<string, string>>) => SeriesHandle;

interface Series {
  readonly key: string;
  readonly handle: SeriesHandle;
  /** The last snapshot that fed it, and for a gauge what that one adds up to. */
  round: number;
  sum: number;
}

/** A name with labels as the stages give them. */
interface Feed {
  readonly kind: InstrumentSpec["kind"];
  readonly folded: InstrumentSpec["folded"];
  readonly series: Series;
  /** What the last snapshot said in all, and what this one has said so far. */
  last: number;
  sum: number;
  round: number;
  /** It was left out before: what it counted until now is nobody's growth. */
  isLate: boolean;
}

export class SampleSeries {
  readonly #max: number;
  readonly #namespaces: ShownNamespaces;
  readonly #make: MakeSeries;
  readonly #series = new Map<string, Series>();
  /** Those of them that are gauges. */
  readonly #gauges = new Set<Series>();
  readonly #feeds = new Map<string, Feed>();
  /** Names of which something was left out once. */
  readonly #refused = new Set<string>();
  #round = 0;

  constructor(max: number, namespaces: ShownNamespaces, make: MakeSeries) {
    this.#max = max;
    this.#namespaces = namespaces;
    this.#make = make;
  }

  /** A snapshot begins: `add` each of its samples, then `settle`. */
  begin(): void {
    this.#round++;
  }

  /** False when there is no room for it. */
  add(sample: CounterSample, spec: InstrumentSpec): boolean {
    const feed = this.#feed(sample, spec);
    if (feed === null) return false;
    if (feed.round !== this.#round) feed.sum = 0;
    feed.round = this.#round;
    feed.sum += sample.value;
    return true;
  }

  /** Makes a counter's series that nothing has fed yet; false when there is no room for it. */
  born(name: string, spec: InstrumentSpec, labels: CounterSample["labels"]): boolean {
    return this.#feed({ name, labels, value: 0 }, spec) !== null;
  }

  /**
   * Counters rise by the difference to the last snapshot. One that falls, or that is missing and comes
   * back, counts from 0 again: its stage has been started anew. Gauges are replaced and those that are
   * missing vanish. `isWhole`: nothing is missing through a mistake.
   */
  settle(isWhole: boolean): void {
    for (const [key, feed] of this.#feeds) {
      const isMissing = feed.round !== this.#round;
      if (feed.kind === "counter") {
        if (!isMissing) grow(feed);
        else if (isWhole) feed.last = 0;
      } else if (isMissing) this.#feeds.delete(key);
      else this.#sumUp(feed);
    }
    for (const feed of this.#feeds.values()) {
      if (feed.kind === "gauge") feed.series.handle.set(feed.series.sum);
    }
    for (const series of this.#gauges) {
      if (series.round === this.#round) continue;
      series.handle.remove();
      this.#series.delete(series.key);
      this.#gauges.delete(series);
    }
  }

  #sumUp({ series, sum, folded }: Feed): void {
    const isFirst = series.round !== this.#round;
    series.round = this.#round;
    if (isFirst) series.sum = sum;
    else if (folded === "least") series.sum = Math.min(series.sum, sum);
    else if (folded === "most") series.sum = Math.max(series.sum, sum);
    else series.sum += sum;
  }

  #feed({ name, labels }: CounterSample, spec: InstrumentSpec): Feed | null {
    const key = feedKey(name, spec, labels);
    const known = this.#feeds.get(key);
    if (known) return known;
    const hasRoom = this.#feeds.size < this.#max * feedsPerSeries;
    const series = hasRoom ? this.#seriesFor(name, spec, labels) : null;
    if (series === null) {
      this.#refused.add(name);
      return null;
    }
    const isLate = this.#refused.has(name);
    const { kind, folded } = spec;
    const feed = { kind, folded, series, last: 0, sum: 0, round: 0, isLate };
    this.#feeds.set(key, feed);
    return feed;
  }

  #seriesFor(name: string, spec: InstrumentSpec, labels: CounterSample["labels"]): Series | null {
    const own = spec.labels.map((label): readonly [string, string] => {
      const value = labels[label] ?? "";
      const shown = isNamespaceLabel(label) ? this.#namespaces.labelOf(value) : value;
      return [label, printable(shown, labelMaxLength)];
    });
    const found = this.#seriesOf(name, spec, own);
    if (found !== null || !spec.labels.some(isNamespaceLabel)) return found;
    const folded = own.map(([label, value]): readonly [string, string] => [
      label,
      isNamespaceLabel(label) && value !== "" ? otherNamespace : value,
    ]);
    return this.#seriesOf(name, spec, folded);
  }

  #seriesOf(
    name: string,
    spec: InstrumentSpec,
    labels: readonly (readonly [string, string])[],
  ): Series | null {
    const key = [name, ...labels.map(([, value]) => value)].join("\0");
    const known = this.#series.get(key);
    if (known) return known;
    const isOther = labels.some(
      ([label, value]) => isNamespaceLabel(label) && value === otherNamespace,
    );
    const reserve = isOther ? 0 : Math.floor(this.#max * otherShare);
    if (this.#series.size >= this.#max - reserve) return null;
    assert(spec.kind !== "histogram", `a sample is no histogram: "${name}"`);
    const handle = this.#make(name, Object.fromEntries(labels));
    const series: Series = { key, handle, round: 0, sum: 0 };
    this.#series.set(key, series);
    if (spec.kind === "gauge") this.#gauges.add(series);
    return series;
  }
}

/** Hostile values are cut where two of them print alike anyway. */
function feedKey(name: string, spec: InstrumentSpec, labels: CounterSample["labels"]): string {
  let key = name;
  for (const label of spec.labels) key += `\0${(labels[label] ?? "").slice(0, labelMaxLength + 1)}`;
  return key;
}

function grow(feed: Feed): void {
  const { last, sum, series, isLate } = feed;
  feed.isLate = false;
  feed.last = sum;
  if (isLate) return;
  const growth = sum >= last ? sum - last : sum;
  if (growth > 0) series.handle.inc(growth);
}
