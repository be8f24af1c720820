/**
 * OTLP requests of the simulated senders, encoded by OpenTelemetry's own serializers: what reaches the
 * receiver is what any SDK would send.
 */
import {
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from "@opentelemetry/otlp-transformer";
import { Signal } from "../../model/stages.ts";

export interface OtlpRequest {
  readonly signal: Signal;
  readonly bytes: Uint8Array;
}

type Attributes = Record<string, string | number | boolean>;

export interface SimulatedLog {
  readonly timeMs: number;
  readonly attributes: Attributes;
  /** Text, or an object for sources that send structured bodies. */
  readonly body: unknown;
}

export interface SimulatedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly isServer: boolean;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
}

export interface SimulatedCounter {
  readonly name: string;
  readonly attributes: Attributes;
  readonly value: number;
}

type LogRecords = Parameters<typeof ProtobufLogsSerializer.serializeRequest>[0];
type Spans = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0];
type ResourceMetrics = Parameters<typeof ProtobufMetricsSerializer.serializeRequest>[0];

const hrTime = (ms: number): [number, number] => [
  Math.floor(ms / 1_000),
  Math.round((ms % 1_000) * 1e6),
];

export function encodeLogs(resource: Attributes, logs: readonly SimulatedLog[]): OtlpRequest {
  const sender = { attributes: resource };
  const scope = { name: "" };
  const records = logs.map((log) => ({
    hrTime: hrTime(log.timeMs),
    hrTimeObserved: hrTime(log.timeMs),
    resource: sender,
    instrumentationScope: scope,
    attributes: log.attributes,
    droppedAttributesCount: 0,
    body: log.body,
  }));
  // The serializer reads these members only; the SDK's record class has methods it never calls.
  const bytes = ProtobufLogsSerializer.serializeRequest(records as unknown as LogRecords);
  return request(Signal.logs, bytes);
}

export function encodeSpans(resource: Attributes, spans: readonly SimulatedSpan[]): OtlpRequest {
  const sender = { attributes: resource };
  const scope = { name: "envoy", version: "1.40.0" };
  const readable = spans.map((span) => ({
    name: span.name,
    kind: span.isServer ? 1 : 2, // the API's SpanKind: SERVER, CLIENT
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: 1 }),
    ...(span.parentSpanId === ""
      ? {}
      : { parentSpanContext: { traceId: span.traceId, spanId: span.parentSpanId, traceFlags: 1 } }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    status: { code: 0 },
    attributes: span.attributes,
    links: [],
    events: [],
    resource: sender,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }));
  const bytes = ProtobufTraceSerializer.serializeRequest(readable as unknown as Spans); // as above
  return request(Signal.traces, bytes);
}

/** Counters as a scraper hands them on: cumulative, doubles, without a start time. */
export function encodeCounters(
  resource: Attributes,
  counters: readonly SimulatedCounter[],
  timeMs: number,
): OtlpRequest {
  const byName = groupByName(counters);
  const metrics = [...byName].map(([name, points]) => ({
    descriptor: { name, description: "", unit: "", valueType: 1 }, // ValueType.DOUBLE
    aggregationTemporality: 1, // CUMULATIVE
    dataPointType: 3, // SUM
    isMonotonic: true,
    dataPoints: points.map((point) => ({
      startTime: [0, 0],
      endTime: hrTime(timeMs),
      attributes: point.attributes,
      value: point.value,
    })),
  }));
  const resourceMetrics = {
    resource: { attributes: resource },
    scopeMetrics: [{ scope: { name: "demo/scraper", version: "1" }, metrics }],
  };
  const bytes = ProtobufMetricsSerializer.serializeRequest(
    resourceMetrics as unknown as ResourceMetrics, // as above
  );
  return request(Signal.metrics, bytes);
}

function groupByName(counters: readonly SimulatedCounter[]): Map<string, SimulatedCounter[]> {
  const groups = new Map<string, SimulatedCounter[]>();
  for (const counter of counters) {
    const group = groups.get(counter.name);
    if (group) group.push(counter);
    else groups.set(counter.name, [counter]);
  }
  return groups;
}

function request(signal: Signal, bytes: Uint8Array | undefined): OtlpRequest {
  if (bytes === undefined) throw new Error("cannot encode a simulated request");
  return { signal, bytes };
}
