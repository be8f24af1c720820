/**
 * What a vocabulary is: the one file that knows a foreign source's names. It turns a metric's name into
 * a plan, or a span or log record into observations, and never throws: what it cannot use it counts.
 * A new source is a new file in `vocabulary/` and a line in `vocabularies.ts`.
 */
import type { LogsView, TracesView } from "../decode/views.ts";
import type { Capability, EdgeSeries, Measure, Trust } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { BatchBuilder } from "./batch.ts";
import type { ClusterNames } from "./names.ts";
import type { Pairs, Resource } from "./resources.ts";
import type { Sources } from "./sources.ts";
import type { Tally } from "./tally.ts";

/** Every vocabulary file exports `guides`, one for each source as its user knows it. */
export type { SourceGuide } from "../model/source-guide.ts";

/** What is so of the records at hand: when their request came, and how far its sender is believed. */
export interface RequestContext {
  readonly receivedUs: Us;
  readonly trust: Trust;
}

/** What every vocabulary works with; owned by the normalizer, valid for its life. */
export interface Workshop {
  readonly clusters: ClusterNames;
  readonly sources: Sources;
  readonly tally: Tally;
  readonly batch: BatchBuilder;
}

/** A series as a vocabulary reads it; who numbers and hashes it adds the rest. */
export type SeriesFacts = Omit<EdgeSeries, "id" | "hash" | "trust" | "resource">;

/** Samples of a counter (or of a histogram's sum and count) of one edge. */
export interface EdgePlan {
  readonly kind: "edge";
  readonly vocabulary: string;
  readonly measure: Measure;
  /** The facts of one label set, read once per series. */
  describe(labels: Pairs, resource: Resource): SeriesFacts;
  /** Whether the sender's start times mean anything. */
  readonly hasStart: boolean;
  /** What a sample proves of its source; absent = `proxy_metrics`. */
  readonly proves?: Capability;
  /** Takes each point that has a value before it counts; true = it is no sample of a series. */
  observe?(point: PointAt): boolean;
}

/** One point of a metric with a usable value. */
export interface PointAt {
  readonly labels: Pairs;
  readonly resource: Resource;
  readonly context: RequestContext;
  readonly timeUs: Us;
  readonly value: number;
  /** What was added since the point before, rather than a running total. */
  readonly isDelta: boolean;
}

/** A metric whose points are observations, each by itself, and no series. */
export interface PointsPlan {
  readonly kind: "points";
  readonly vocabulary: string;
  /** Its numbers may be below zero: what is left of something. */
  readonly mayBeNegative?: boolean;
  observe(point: PointAt): void;
}

/** A known metric that says nothing the engine uses. */
export interface IgnoredPlan {
  readonly kind: "ignored";
}

export type MetricPlan = EdgePlan | PointsPlan | IgnoredPlan;

export interface MetricVocabulary {
  /** What the metric's points mean; null = not a name of this vocabulary. */
  plan(name: string): MetricPlan | null;
}

/** One span or log record in its view. */
export interface RecordAt<View> {
  readonly view: View;
  readonly index: number;
  readonly scope: string;
  readonly resource: Resource;
  readonly context: RequestContext;
}

/** The answer `false` = not of this vocabulary; `true` = read, or counted as unusable. */
export interface SpanVocabulary {
  read(record: RecordAt<TracesView>): boolean;
}

export interface LogVocabulary {
  read(record: RecordAt<LogsView>): boolean;
}
