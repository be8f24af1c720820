/** Builds OTLP requests from plain values, as a sender's SDK would, for what no recording shows. */
import { requestTypes, type SignalName } from "./otlp-oracle.ts";

/** Attribute values: text, whole numbers as ints, others as doubles, lists and maps. */
export type Value = unknown;
export type Attributes = Readonly<Record<string, Value>>;

interface AnyValue {
  readonly [member: string]: unknown;
}

export function anyValue(value: Value): AnyValue {
  if (typeof value === "string") return { string_value: value };
  if (typeof value === "boolean") return { bool_value: value };
  if (typeof value === "bigint") return { int_value: String(value) };
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? { int_value: String(value) } : { double_value: value };
  }
  if (Array.isArray(value)) return { array_value: { values: value.map(anyValue) } };
  if (value instanceof Uint8Array) return { bytes_value: value };
  if (typeof value === "object" && value !== null) {
    return { kvlist_value: { values: keyValues(value as Attributes) } }; // any plain object is one
  }
  return {};
}

export function keyValues(attributes: Attributes): readonly unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function encode(signal: SignalName, request: object): Buffer {
  const type = requestTypes[signal];
  return Buffer.from(type.encode(type.fromObject(request)).finish());
}

interface From {
  readonly resource?: Attributes;
  readonly scope?: string;
}

export interface LogRecord {
  readonly body?: Value;
  readonly attributes?: Attributes;
  readonly timeNs?: bigint;
  readonly observedNs?: bigint;
}

export function logsRequest(from: From, records: readonly LogRecord[]): Buffer {
  const log_records = records.map((record) => ({
    ...(record.body === undefined ? {} : { body: anyValue(record.body) }),
    attributes: keyValues(record.attributes ?? {}),
    time_unix_nano: String(record.timeNs ?? 0n),
    observed_time_unix_nano: String(record.observedNs ?? 0n),
  }));
  const resource = { attributes: keyValues(from.resource ?? {}) };
  const scope = { name: from.scope ?? "" };
  return encode("logs", { resource_logs: [{ resource, scope_logs: [{ scope, log_records }] }] });
}

/** Metrics as OTLP's own JSON-like objects, in one resource and scope. */
export function metricsRequest(from: From, metrics: readonly object[]): Buffer {
  const resource = { attributes: keyValues(from.resource ?? {}) };
  const scope = { name: from.scope ?? "" };
  return encode("metrics", {
    resource_metrics: [{ resource, scope_metrics: [{ scope, metrics }] }],
  });
}

export function tracesRequest(from: From, spans: readonly object[]): Buffer {
  const resource = { attributes: keyValues(from.resource ?? {}) };
  const scope = { name: from.scope ?? "" };
  return encode("traces", { resource_spans: [{ resource, scope_spans: [{ scope, spans }] }] });
}
