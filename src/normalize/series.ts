/**
 * Numbers metric series. A series is its resource, scope name, metric name, sorted non-empty attributes
 * and the trust of its sender (so that a merely claimed sample never counts as an attested one); its
 * hash is the same over byte orders, paths and restarts. New definitions wait until a batch takes them,
 * also when the batch they were found in was given up.
 */
import { createHash } from "node:crypto";
import type { MetricsView } from "../decode/views.ts";
import { HashIndex } from "../lib/hash-index.ts";
import { PagedList } from "../lib/paged-list.ts";
import type { EdgeSeries, SourceRef, Trust } from "../model/observations.ts";
import { pairsToText } from "../lib/pairs-text.ts";
import { seriesPerSourceMax } from "../model/rows.ts";
import { readPairs, type Resource } from "./resources.ts";
import { SeriesMemo } from "./series-memo.ts";
import { SharedNames } from "./shared-names.ts";
import type { EdgePlan, SeriesFacts } from "./vocabulary.ts";

/** What the points of one metric in one request have in common. */
export interface MetricContext {
  readonly view: MetricsView;
  readonly plan: EdgePlan;
  readonly resource: Resource;
  readonly scope: string;
  readonly name: string;
  readonly trust: Trust;
}

export interface SeriesLimits {
  readonly maxSeries: number;
  /** Attribute blocks that the memo keeps whole; more are known by digest. 0 = no memo. */
  readonly memoMaxBytes: number;
}

/** Resources times metric names that are remembered; beyond, their blocks are learned again. */
const maxContexts = 100_000;
/** Spellings of each series that the memo knows: orders of labels, with and without empty ones. */
const spellingsMax = 2;
/** What `idOf` answers when the cap is reached. */
export const noSeries = -1;

export class SeriesTable {
  readonly #maxSeries: number;
  readonly #memo: SeriesMemo;
  /** Ids by hash. */
  readonly #hashes = new HashIndex();
  readonly #shared = new SharedNames();
  /** By series id. */
  readonly #sources = new PagedList<SourceRef>();
  #count = 0;
  readonly #perSource = new Map<string, number>();
  readonly #contexts = new Map<string, number>();
  #nextContext = 1;
  #fresh: EdgeSeries[] = [];
  dropped = 0;

  constructor(limits: SeriesLimits, hashSeed: number) {
    this.#maxSeries = limits.maxSeries;
    const memoRows = limits.memoMaxBytes === 0 ? 0 : limits.maxSeries * spellingsMax;
    this.#memo = new SeriesMemo(hashSeed, limits.memoMaxBytes, memoRows);
  }

  get count(): number {
    return this.#count;
  }

  get memoResets(): number {
    return this.#memo.resets;
  }

  /** A number for what stands around the attributes; equal numbers are equal surroundings. */
  contextOf(metric: MetricContext): number {
    const { resource, scope, name, trust } = metric;
    const key = `${resource.id} ${trust} ${name.length}:${name}${scope}`;
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    if (this.#contexts.size >= maxContexts) this.#contexts.clear(); // numbers are never used again
    this.#contexts.set(key, this.#nextContext);
    return this.#nextContext++;
  }

  /** The id of a point's series; `noSeries` when there is no room for another. */
  idOf(metric: MetricContext, context: number, point: number): number {
    const { bytes, points } = metric.view;
    const start = points.attrBytesStart[point] ?? 0;
    const end = points.attrBytesEnd[point] ?? 0;
    if (end <= start) return this.#plainIdOf(metric, point);
    const known = this.#memo.find(bytes, start, end, context);
    if (known !== noSeries) return known;
    const id = this.#plainIdOf(metric, point);
    if (id !== noSeries) this.#memo.add(bytes, start, end, context, id);
    return id;
  }

  sourceOf(id: number): SourceRef | undefined {
    return this.#sources.get(id);
  }

  /** The definitions that no batch has taken yet. */
  takeFresh(): readonly EdgeSeries[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** The way without memory of bytes: what the memo must always agree with. */
  #plainIdOf(metric: MetricContext, point: number): number {
    const { bytes, attributes, points } = metric.view;
    const labels = readPairs(
      bytes,
      attributes,
      points.attrStart[point] ?? 0,
      points.attrEnd[point] ?? 0,
    );
    const hash = seriesHash(metric, pairsToText(labels));
    const known = this.#hashes.find(hash);
    if (known !== noSeries) return known;
    if (this.#count >= this.#maxSeries) {
      this.dropped++;
      return noSeries;
    }
    const facts = metric.plan.describe(labels, metric.resource);
    const { key } = facts.source;
    const ofSource = this.#perSource.get(key) ?? 0;
    if (ofSource > seriesPerSourceMax(this.#maxSeries, key)) {
      this.dropped++;
      return noSeries;
    }
    this.#perSource.set(key, ofSource + 1);
    const id = this.#count;
    this.#fresh.push(makeSeries(id, hash, this.#shared.facts(facts), metric));
    this.#hashes.set(hash, id);
    this.#sources.set(id, facts.source);
    this.#count++;
    return id;
  }
}

/** Written out: an object that is spread together from parts takes half as much again. */
function makeSeries(
  id: number,
  hash: string,
  facts: SeriesFacts,
  { resource, trust }: MetricContext,
): EdgeSeries {
  const { measure, reporter, channel, src, dst, port, protocol, transport, security } = facts;
  const { route, isError, isDenied, responseFlags, source } = facts;
  return {
    id,
    hash,
    measure,
    reporter,
    channel,
    src,
    dst,
    port,
    protocol,
    transport,
    security,
    route,
    isError,
    isDenied,
    responseFlags,
    resource: resource.canonical,
    source,
    trust,
  };
}

function seriesHash(metric: MetricContext, labels: string): string {
  const { resource, scope, name, trust } = metric;
  const parts = [resource.canonical, scope, name, trust, labels];
  const text = parts.map((part) => `${part.length}:${part}`).join("");
  // Not a part of the whole digest's text: that would keep the whole one.
  return createHash("sha256").update(text).digest().toString("hex", 0, 16);
}
