/** A decoded view as the plain objects of `otlp-oracle.ts`, every field of it. */
import { isDeepStrictEqual } from "node:util";
import { MetricKind, NumberKind, ValueKind } from "../../src/decode/views.ts";
import type {
  AnyValues,
  LogsView,
  MetricsView,
  Scopes,
  TracesView,
} from "../../src/decode/views.ts";
import { nestedToPlain, resourceToPlain } from "./otlp-oracle.ts";
import type { Plain } from "./otlp-oracle.ts";

type View = MetricsView | TracesView | LogsView;
type Column = ArrayLike<number>;

/** Reads a column that must have that row. */
function at(column: Column, row: number): number {
  const value = column[row];
  if (value === undefined) throw new Error(`row ${row} of ${column.length}`);
  return value;
}

function decimal64(low: Column, high: Column, row: number): string {
  return String((BigInt(at(high, row)) << 32n) | BigInt(at(low, row)));
}

function text(view: View, start: Column, end: Column, row: number): string {
  return view.bytes.toString("utf8", at(start, row), at(end, row));
}

function hex(view: View, start: Column, end: Column, row: number): string {
  return view.bytes.toString("hex", at(start, row), at(end, row));
}

function range<T>(start: number, end: number, item: (row: number) => T): T[] {
  return Array.from({ length: end - start }, (_, index) => item(start + index));
}

function rowsOf<T>(table: { count: number }, owner: Column, row: number, item: (row: number) => T) {
  return range(0, table.count, (candidate) => candidate)
    .filter((candidate) => owner[candidate] === row)
    .map(item);
}

/** Columns that a kind does not have hold 0, whatever an earlier request left there. */
function checkUnused(values: AnyValues, row: number): void {
  const { bool, int, double } = ValueKind;
  const kind = at(values.kind, row);
  const isUsed = kind === bool || kind === int || kind === double;
  const number = isUsed ? 0 : at(values.number, row);
  const integer = kind === int ? 0 : at(values.intLow, row) | at(values.intHigh, row);
  const rangeEnd = isUsed || kind === ValueKind.empty ? at(values.end, row) : 0;
  if (number !== 0 || integer !== 0 || rangeEnd !== 0) throw new Error(`leftovers in row ${row}`);
}

function anyValue(view: View, values: AnyValues, row: number): Plain {
  checkUnused(values, row);
  const bytes = view.bytes.subarray(at(values.start, row), at(values.end, row));
  switch (at(values.kind, row) as ValueKind) {
    case ValueKind.empty:
      return {};
    case ValueKind.string:
      return { string_value: bytes.toString("utf8") };
    case ValueKind.bool:
      return { bool_value: at(values.number, row) === 1 };
    case ValueKind.int:
      return { int_value: decimal64(values.intLow, values.intHigh, row) };
    case ValueKind.double:
      return { double_value: at(values.number, row) };
    case ValueKind.array:
      return { array_value: nestedToPlain("array", bytes) };
    case ValueKind.kvlist:
      return { kvlist_value: nestedToPlain("kvlist", bytes) };
    case ValueKind.bytes:
      return { bytes_value: bytes.toString("hex") };
  }
}

function attributes(view: View, start: Column, end: Column, row: number): Plain {
  return range(at(start, row), at(end, row), (attribute) => ({
    key: text(view, view.attributes.keyStart, view.attributes.keyEnd, attribute),
    value: anyValue(view, view.attributes, attribute),
  }));
}

type Item = (row: number) => Plain;

/** The shape that the three signals share. */
function envelope(
  view: View,
  names: readonly [resources: string, scopes: string, items: string],
  items: { count: number; scope: Int32Array },
  item: Item,
): Plain {
  const { resources, scopes } = view;
  const scopeItems = (row: number): Plain => ({
    scope: scope(view, scopes, row),
    [names[2]]: rowsOf(items, items.scope, row, item),
    schema_url: text(view, scopes.schemaUrlStart, scopes.schemaUrlEnd, row),
  });
  const resourceItems = (row: number): Plain => ({
    resource: resource(view, row),
    [names[1]]: rowsOf(scopes, scopes.resource, row, scopeItems),
    schema_url: text(view, resources.schemaUrlStart, resources.schemaUrlEnd, row),
  });
  return { [names[0]]: range(0, resources.count, resourceItems) };
}

/** The columns and the byte range of the whole message must say the same. */
function resource(view: View, row: number): Plain {
  const { resources } = view;
  const plain = {
    attributes: attributes(view, resources.attrStart, resources.attrEnd, row),
    dropped_attributes_count: at(resources.droppedAttributes, row),
  };
  const bytes = view.bytes.subarray(at(resources.start, row), at(resources.end, row));
  if (!isDeepStrictEqual(resourceToPlain(bytes), plain)) throw new Error(`resource bytes ${row}`);
  return plain;
}

function scope(view: View, scopes: Scopes, row: number): Plain {
  return {
    name: text(view, scopes.nameStart, scopes.nameEnd, row),
    version: text(view, scopes.versionStart, scopes.versionEnd, row),
    attributes: attributes(view, scopes.attrStart, scopes.attrEnd, row),
    dropped_attributes_count: at(scopes.droppedAttributes, row),
  };
}

export function logsToPlain(view: LogsView): Plain {
  const { records, bodies } = view;
  return envelope(view, ["resource_logs", "scope_logs", "log_records"], records, (row) => ({
    time_unix_nano: decimal64(records.timeLow, records.timeHigh, row),
    observed_time_unix_nano: decimal64(records.observedLow, records.observedHigh, row),
    severity_number: at(records.severityNumber, row),
    severity_text: text(view, records.severityTextStart, records.severityTextEnd, row),
    body: at(records.body, row) < 0 ? null : anyValue(view, bodies, at(records.body, row)),
    attributes: attributes(view, records.attrStart, records.attrEnd, row),
    dropped_attributes_count: at(records.droppedAttributes, row),
    flags: at(records.flags, row),
    trace_id: hex(view, records.traceIdStart, records.traceIdEnd, row),
    span_id: hex(view, records.spanIdStart, records.spanIdEnd, row),
    event_name: text(view, records.eventNameStart, records.eventNameEnd, row),
  }));
}

export function tracesToPlain(view: TracesView): Plain {
  const { spans } = view;
  return envelope(view, ["resource_spans", "scope_spans", "spans"], spans, (row) => ({
    trace_id: hex(view, spans.traceIdStart, spans.traceIdEnd, row),
    span_id: hex(view, spans.spanIdStart, spans.spanIdEnd, row),
    trace_state: text(view, spans.traceStateStart, spans.traceStateEnd, row),
    parent_span_id: hex(view, spans.parentSpanIdStart, spans.parentSpanIdEnd, row),
    flags: at(spans.flags, row),
    name: text(view, spans.nameStart, spans.nameEnd, row),
    kind: at(spans.kind, row),
    start_time_unix_nano: decimal64(spans.startLow, spans.startHigh, row),
    end_time_unix_nano: decimal64(spans.endLow, spans.endHigh, row),
    attributes: attributes(view, spans.attrStart, spans.attrEnd, row),
    dropped_attributes_count: at(spans.droppedAttributes, row),
    events: range(at(spans.eventStart, row), at(spans.eventEnd, row), (event) =>
      eventToPlain(view, event),
    ),
    dropped_events_count: at(spans.droppedEvents, row),
    links: range(at(spans.linkStart, row), at(spans.linkEnd, row), (link) =>
      linkToPlain(view, link),
    ),
    dropped_links_count: at(spans.droppedLinks, row),
    status: {
      message: text(view, spans.statusMessageStart, spans.statusMessageEnd, row),
      code: at(spans.statusCode, row),
    },
  }));
}

function eventToPlain(view: TracesView, row: number): Plain {
  const { events } = view;
  return {
    time_unix_nano: decimal64(events.timeLow, events.timeHigh, row),
    name: text(view, events.nameStart, events.nameEnd, row),
    attributes: attributes(view, events.attrStart, events.attrEnd, row),
    dropped_attributes_count: at(events.droppedAttributes, row),
  };
}

function linkToPlain(view: TracesView, row: number): Plain {
  const { links } = view;
  return {
    trace_id: hex(view, links.traceIdStart, links.traceIdEnd, row),
    span_id: hex(view, links.spanIdStart, links.spanIdEnd, row),
    trace_state: text(view, links.traceStateStart, links.traceStateEnd, row),
    attributes: attributes(view, links.attrStart, links.attrEnd, row),
    dropped_attributes_count: at(links.droppedAttributes, row),
    flags: at(links.flags, row),
  };
}

const dataNames: Readonly<Record<number, string>> = {
  [MetricKind.gauge]: "gauge",
  [MetricKind.sum]: "sum",
  [MetricKind.histogram]: "histogram",
  [MetricKind.exponentialHistogram]: "exponential_histogram",
  [MetricKind.summary]: "summary",
};

export function metricsToPlain(view: MetricsView): Plain {
  const { metrics } = view;
  return envelope(view, ["resource_metrics", "scope_metrics", "metrics"], metrics, (row) => {
    const kind = at(metrics.kind, row) as MetricKind;
    const data = Object.fromEntries(
      Object.entries(dataNames).map(([number, name]) => [
        name,
        Number(number) === kind ? dataToPlain(view, row, kind) : null,
      ]),
    );
    return {
      name: text(view, metrics.nameStart, metrics.nameEnd, row),
      description: text(view, metrics.descriptionStart, metrics.descriptionEnd, row),
      unit: text(view, metrics.unitStart, metrics.unitEnd, row),
      ...data,
      metadata: attributes(view, metrics.metadataStart, metrics.metadataEnd, row),
    };
  });
}

function dataToPlain(view: MetricsView, row: number, kind: MetricKind): Plain {
  const { metrics, points } = view;
  const data_points = range(at(metrics.pointStart, row), at(metrics.pointEnd, row), (point) => {
    if (at(points.metric, point) !== row) throw new Error(`point ${point} is of another metric`);
    return pointToPlain(view, point, kind);
  });
  const aggregation_temporality = at(metrics.temporality, row);
  const is_monotonic = at(metrics.isMonotonic, row) === 1;
  if (kind === MetricKind.gauge || kind === MetricKind.summary) return { data_points };
  if (kind === MetricKind.sum) return { data_points, aggregation_temporality, is_monotonic };
  return { data_points, aggregation_temporality };
}

function pointToPlain(view: MetricsView, row: number, kind: MetricKind): Plain {
  const { points } = view;
  const common = {
    attributes: attributes(view, points.attrStart, points.attrEnd, row),
    start_time_unix_nano: decimal64(points.startLow, points.startHigh, row),
    time_unix_nano: decimal64(points.timeLow, points.timeHigh, row),
    flags: at(points.flags, row),
  };
  const exemplars = range(at(points.exemplarStart, row), at(points.exemplarEnd, row), (exemplar) =>
    exemplarToPlain(view, exemplar),
  );
  if (kind === MetricKind.histogram) return { ...common, exemplars, ...histogram(view, row) };
  if (kind === MetricKind.exponentialHistogram) {
    return { ...common, exemplars, ...exponentialHistogram(view, row) };
  }
  if (kind === MetricKind.summary) return { ...common, ...summary(view, row) };
  return { ...common, exemplars, ...numberToPlain(points, row) };
}

type Numbers = Pick<MetricsView["points"], "numberKind" | "value" | "valueLow" | "valueHigh">;

function numberToPlain(table: Numbers, row: number): { as_double: Plain; as_int: Plain } {
  const kind = at(table.numberKind, row);
  const int = decimal64(table.valueLow, table.valueHigh, row);
  if (kind === NumberKind.int && at(table.value, row) !== Number(int)) throw new Error("rounding");
  return {
    as_double: kind === NumberKind.double ? at(table.value, row) : null,
    as_int: kind === NumberKind.int ? int : null,
  };
}

function exemplarToPlain(view: MetricsView, row: number): Plain {
  const { exemplars } = view;
  return {
    filtered_attributes: attributes(view, exemplars.attrStart, exemplars.attrEnd, row),
    time_unix_nano: decimal64(exemplars.timeLow, exemplars.timeHigh, row),
    ...numberToPlain(exemplars, row),
    span_id: hex(view, exemplars.spanIdStart, exemplars.spanIdEnd, row),
    trace_id: hex(view, exemplars.traceIdStart, exemplars.traceIdEnd, row),
  };
}

/** sum, min, max: null when not sent. */
function optionals(view: MetricsView, row: number): { [name: string]: Plain } {
  const { has, sum, min, max } = view.points;
  const sent = at(has, row);
  return {
    sum: sent & 1 ? at(sum, row) : null,
    min: sent & 2 ? at(min, row) : null,
    max: sent & 4 ? at(max, row) : null,
  };
}

function counts(view: MetricsView, start: Column, end: Column, row: number): Plain {
  return range(at(start, row), at(end, row), (count) =>
    decimal64(view.countsLow, view.countsHigh, count),
  );
}

function histogram(view: MetricsView, row: number): { [name: string]: Plain } {
  const { points, doubles } = view;
  return {
    count: decimal64(points.countLow, points.countHigh, row),
    ...optionals(view, row),
    bucket_counts: counts(view, points.bucketStart, points.bucketEnd, row),
    explicit_bounds: range(at(points.boundStart, row), at(points.boundEnd, row), (bound) =>
      at(doubles, bound),
    ),
  };
}

function exponentialHistogram(view: MetricsView, row: number): { [name: string]: Plain } {
  const { points } = view;
  return {
    count: decimal64(points.countLow, points.countHigh, row),
    ...optionals(view, row),
    scale: at(points.scale, row),
    zero_count: decimal64(points.zeroCountLow, points.zeroCountHigh, row),
    positive: {
      offset: at(points.positiveOffset, row),
      bucket_counts: counts(view, points.bucketStart, points.bucketEnd, row),
    },
    negative: {
      offset: at(points.negativeOffset, row),
      bucket_counts: counts(view, points.negativeStart, points.negativeEnd, row),
    },
    zero_threshold: at(points.zeroThreshold, row),
  };
}

function summary(view: MetricsView, row: number): { [name: string]: Plain } {
  const { points, doubles } = view;
  const start = at(points.boundStart, row);
  return {
    count: decimal64(points.countLow, points.countHigh, row),
    sum: at(points.sum, row),
    quantile_values: range(0, (at(points.boundEnd, row) - start) / 2, (pair) => ({
      quantile: at(doubles, start + 2 * pair),
      value: at(doubles, start + 2 * pair + 1),
    })),
  };
}
