/**
 * What a decoded OTLP request looks like: columns over the request's own bytes, no object per point,
 * span or attribute. Strings stay where they are, as [start, end) byte ranges of `bytes`; a reader makes
 * text of those it needs (`text.ts`). 64-bit times are kept exactly, as two 32-bit halves.
 *
 * Ownership: the arrays belong to the decoder and are overwritten by its next request, and they are
 * longer than what is in use: only the first `count` entries are valid. `bytes` belongs to the caller;
 * it is the request, or a copy with more at its end when a message came in pieces.
 * Absent and empty are the same (0, empty range), except where a `has…` column says otherwise.
 * Repeated attribute keys are kept as they came; readers take the last.
 */

/** The kinds of an AnyValue; the numbers are those of the columns, not of the wire. */
export const ValueKind = {
  empty: 0,
  string: 1,
  bool: 2,
  int: 3,
  double: 4,
  array: 5,
  kvlist: 6,
  bytes: 7,
} as const;
export type ValueKind = (typeof ValueKind)[keyof typeof ValueKind];

/**
 * AnyValues in columns. `array` and `kvlist` hold the byte range of the nested message, validated.
 * Columns that a kind does not have hold 0.
 */
export interface AnyValues {
  count: number;
  kind: Uint8Array;
  /** Byte range of a string, bytes, array or kvlist value. */
  start: Int32Array;
  end: Int32Array;
  /** bool as 0 or 1, double as is, int rounded to a double. */
  number: Float64Array;
  /** The exact int64. */
  intLow: Uint32Array;
  intHigh: Int32Array;
}

/** Every attribute of the request; a list is the entries [attrStart, attrEnd) of its owner. */
export interface Attributes extends AnyValues {
  keyStart: Int32Array;
  keyEnd: Int32Array;
}

export interface Resources {
  count: number;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  droppedAttributes: Uint32Array;
  schemaUrlStart: Int32Array;
  schemaUrlEnd: Int32Array;
  /** Byte range of the whole Resource message: equal bytes are an equal resource. */
  start: Int32Array;
  end: Int32Array;
}

export interface Scopes {
  count: number;
  resource: Int32Array;
  nameStart: Int32Array;
  nameEnd: Int32Array;
  versionStart: Int32Array;
  versionEnd: Int32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  droppedAttributes: Uint32Array;
  schemaUrlStart: Int32Array;
  schemaUrlEnd: Int32Array;
}

interface RequestView {
  bytes: Buffer;
  attributes: Attributes;
  resources: Resources;
  scopes: Scopes;
}

export const MetricKind = {
  none: 0,
  gauge: 1,
  sum: 2,
  histogram: 3,
  exponentialHistogram: 4,
  summary: 5,
} as const;
export type MetricKind = (typeof MetricKind)[keyof typeof MetricKind];

export interface Metrics {
  count: number;
  scope: Int32Array;
  nameStart: Int32Array;
  nameEnd: Int32Array;
  descriptionStart: Int32Array;
  descriptionEnd: Int32Array;
  unitStart: Int32Array;
  unitEnd: Int32Array;
  metadataStart: Int32Array;
  metadataEnd: Int32Array;
  kind: Uint8Array;
  /** 0 unspecified, 1 delta, 2 cumulative. */
  temporality: Uint8Array;
  isMonotonic: Uint8Array;
  /** The metric's points are the entries [pointStart, pointEnd) of `Points`. */
  pointStart: Int32Array;
  pointEnd: Int32Array;
}

/** 0 none, 1 double, 2 int: which member of a number point's `value` was sent. */
export const NumberKind = { none: 0, double: 1, int: 2 } as const;

/** Points of all five kinds; columns that a kind does not have hold 0. */
export interface Points {
  count: number;
  metric: Int32Array;
  startLow: Uint32Array;
  startHigh: Uint32Array;
  timeLow: Uint32Array;
  timeHigh: Uint32Array;
  /** Bit 0: NoRecordedValue. Look here before the value. */
  flags: Uint32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  /**
   * Byte range from the first to past the last attribute field when they are one run; else empty. Within
   * one resource and metric equal bytes are an equal series: the place for a memo or a prediction that
   * spares reading the attributes of a known series.
   */
  attrBytesStart: Int32Array;
  attrBytesEnd: Int32Array;
  exemplarStart: Int32Array;
  exemplarEnd: Int32Array;
  numberKind: Uint8Array;
  /** The number point's value (an int rounded to a double). */
  value: Float64Array;
  valueLow: Uint32Array;
  valueHigh: Int32Array;
  /** Histograms and summaries. */
  countLow: Uint32Array;
  countHigh: Uint32Array;
  sum: Float64Array;
  min: Float64Array;
  max: Float64Array;
  /** Bit 0 sum, bit 1 min, bit 2 max were sent. */
  has: Uint8Array;
  /** Ranges of `doubles` (bounds; quantile, value pairs of a summary) and `counts`. */
  boundStart: Int32Array;
  boundEnd: Int32Array;
  bucketStart: Int32Array;
  bucketEnd: Int32Array;
  /** Exponential histograms: the positive buckets are in bucketStart/End, the negative ones here. */
  negativeStart: Int32Array;
  negativeEnd: Int32Array;
  scale: Int32Array;
  positiveOffset: Int32Array;
  negativeOffset: Int32Array;
  zeroCountLow: Uint32Array;
  zeroCountHigh: Uint32Array;
  zeroThreshold: Float64Array;
}

export interface Exemplars {
  count: number;
  timeLow: Uint32Array;
  timeHigh: Uint32Array;
  numberKind: Uint8Array;
  value: Float64Array;
  valueLow: Uint32Array;
  valueHigh: Int32Array;
  traceIdStart: Int32Array;
  traceIdEnd: Int32Array;
  spanIdStart: Int32Array;
  spanIdEnd: Int32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
}

export interface MetricsView extends RequestView {
  metrics: Metrics;
  points: Points;
  exemplars: Exemplars;
  /** Explicit bounds and summary quantiles. */
  doubles: Float64Array;
  /** Bucket counts, as exact 64-bit halves. */
  countsLow: Uint32Array;
  countsHigh: Uint32Array;
}

export interface Spans {
  count: number;
  scope: Int32Array;
  traceIdStart: Int32Array;
  traceIdEnd: Int32Array;
  spanIdStart: Int32Array;
  spanIdEnd: Int32Array;
  parentSpanIdStart: Int32Array;
  parentSpanIdEnd: Int32Array;
  traceStateStart: Int32Array;
  traceStateEnd: Int32Array;
  nameStart: Int32Array;
  nameEnd: Int32Array;
  flags: Uint32Array;
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: Uint8Array;
  startLow: Uint32Array;
  startHigh: Uint32Array;
  endLow: Uint32Array;
  endHigh: Uint32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  droppedAttributes: Uint32Array;
  droppedEvents: Uint32Array;
  droppedLinks: Uint32Array;
  eventStart: Int32Array;
  eventEnd: Int32Array;
  linkStart: Int32Array;
  linkEnd: Int32Array;
  /** 0 unset, 1 ok, 2 error. */
  statusCode: Uint8Array;
  statusMessageStart: Int32Array;
  statusMessageEnd: Int32Array;
}

export interface SpanEvents {
  count: number;
  timeLow: Uint32Array;
  timeHigh: Uint32Array;
  nameStart: Int32Array;
  nameEnd: Int32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  droppedAttributes: Uint32Array;
}

export interface SpanLinks {
  count: number;
  traceIdStart: Int32Array;
  traceIdEnd: Int32Array;
  spanIdStart: Int32Array;
  spanIdEnd: Int32Array;
  traceStateStart: Int32Array;
  traceStateEnd: Int32Array;
  flags: Uint32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  droppedAttributes: Uint32Array;
}

export interface TracesView extends RequestView {
  spans: Spans;
  events: SpanEvents;
  links: SpanLinks;
}

export interface LogRecords {
  count: number;
  scope: Int32Array;
  timeLow: Uint32Array;
  timeHigh: Uint32Array;
  observedLow: Uint32Array;
  observedHigh: Uint32Array;
  severityNumber: Uint32Array;
  severityTextStart: Int32Array;
  severityTextEnd: Int32Array;
  /** Index into `bodies`, -1 = no body was sent. */
  body: Int32Array;
  attrStart: Int32Array;
  attrEnd: Int32Array;
  droppedAttributes: Uint32Array;
  flags: Uint32Array;
  traceIdStart: Int32Array;
  traceIdEnd: Int32Array;
  spanIdStart: Int32Array;
  spanIdEnd: Int32Array;
  eventNameStart: Int32Array;
  eventNameEnd: Int32Array;
}

export interface LogsView extends RequestView {
  records: LogRecords;
  bodies: AnyValues;
}

/** Why a request could not be decoded: what and where, never the content. */
export interface DecodeError {
  readonly ok: false;
  /** Low-cardinality, for a counter: `truncated`, `bad_varint`, `bad_tag`, `too_deep`, `too_large`, … */
  readonly code: string;
  /** One line: the message's path (`ResourceMetrics.ScopeMetrics.Metric`) and what is wrong. */
  readonly message: string;
  /** Byte offset of the fault. */
  readonly offset: number;
}

export type Decoded<View> = { readonly ok: true; readonly view: View } | DecodeError;
