/**
 * The OTLP messages as OTLP/JSON names their fields: lowerCamelCase name → number and kind. From
 * `proto/`, against which a test holds it. Fields that mean something in profiles only are left out, and
 * unknown ones are skipped, as OTLP demands.
 */
export type FieldKind =
  | "string"
  | "bool"
  /** Trace and span ids: OTLP writes them in hex, other bytes in base64. */
  | "hex"
  | "base64"
  | "int32"
  | "uint32"
  | "sint32"
  | "fixed32"
  | "int64"
  | "uint64"
  | "fixed64"
  | "sfixed64"
  | "double"
  /** A number in OTLP/JSON, never a name. */
  | "enum";

export interface Field {
  readonly name: string;
  /** The name in ASCII, which is compared where it stands. */
  readonly bytes: Buffer;
  readonly number: number;
  readonly kind: FieldKind | "message";
  readonly isRepeated: boolean;
  /** Of a message: its fields. */
  readonly fields: Fields | null;
}
export type Fields = readonly Field[];

type Spec = readonly [
  name: string,
  number: number,
  kind: FieldKind | Fields,
  repeated?: "repeated",
];

function message(...specs: readonly Spec[]): Fields {
  return specs.map(toField);
}

function toField([name, number, kind, repeated]: Spec): Field {
  const named = { name, bytes: Buffer.from(name), number, isRepeated: repeated !== undefined };
  return typeof kind === "string"
    ? { ...named, kind, fields: null }
    : { ...named, kind: "message", fields: kind };
}

// A value may hold values: its fields are completed below.
const valueFields: Field[] = [];
const anyValue: Fields = valueFields;
const keyValue = message(["key", 1, "string"], ["value", 2, anyValue]);
const arrayValue = message(["values", 1, anyValue, "repeated"]);
const keyValueList = message(["values", 1, keyValue, "repeated"]);
valueFields.push(
  ...message(
    ["stringValue", 1, "string"],
    ["boolValue", 2, "bool"],
    ["intValue", 3, "int64"],
    ["doubleValue", 4, "double"],
    ["arrayValue", 5, arrayValue],
    ["kvlistValue", 6, keyValueList],
    ["bytesValue", 7, "base64"],
  ),
);

const attributes = (number: number): Spec => ["attributes", number, keyValue, "repeated"];
const dropped = (number: number): Spec => ["droppedAttributesCount", number, "uint32"];
const schemaUrl: Spec = ["schemaUrl", 3, "string"];

const entityRef = message(
  ["schemaUrl", 1, "string"],
  ["type", 2, "string"],
  ["idKeys", 3, "string", "repeated"],
  ["descriptionKeys", 4, "string", "repeated"],
);
const resource = message(attributes(1), dropped(2), ["entityRefs", 3, entityRef, "repeated"]);
const scope = message(["name", 1, "string"], ["version", 2, "string"], attributes(3), dropped(4));

const event = message(
  ["timeUnixNano", 1, "fixed64"],
  ["name", 2, "string"],
  attributes(3),
  dropped(4),
);
const link = message(
  ["traceId", 1, "hex"],
  ["spanId", 2, "hex"],
  ["traceState", 3, "string"],
  attributes(4),
  dropped(5),
  ["flags", 6, "fixed32"],
);
const status = message(["message", 2, "string"], ["code", 3, "enum"]);
const span = message(
  ["traceId", 1, "hex"],
  ["spanId", 2, "hex"],
  ["traceState", 3, "string"],
  ["parentSpanId", 4, "hex"],
  ["name", 5, "string"],
  ["kind", 6, "enum"],
  ["startTimeUnixNano", 7, "fixed64"],
  ["endTimeUnixNano", 8, "fixed64"],
  attributes(9),
  dropped(10),
  ["events", 11, event, "repeated"],
  ["droppedEventsCount", 12, "uint32"],
  ["links", 13, link, "repeated"],
  ["droppedLinksCount", 14, "uint32"],
  ["status", 15, status],
  ["flags", 16, "fixed32"],
);
const scopeSpans = message(["scope", 1, scope], ["spans", 2, span, "repeated"], schemaUrl);
const resourceSpans = message(
  ["resource", 1, resource],
  ["scopeSpans", 2, scopeSpans, "repeated"],
  schemaUrl,
);

const pointTimes: readonly Spec[] = [
  ["startTimeUnixNano", 2, "fixed64"],
  ["timeUnixNano", 3, "fixed64"],
];
const exemplar = message(
  ["timeUnixNano", 2, "fixed64"],
  ["asDouble", 3, "double"],
  ["spanId", 4, "hex"],
  ["traceId", 5, "hex"],
  ["asInt", 6, "sfixed64"],
  ["filteredAttributes", 7, keyValue, "repeated"],
);
const numberPoint = message(
  ...pointTimes,
  ["asDouble", 4, "double"],
  ["exemplars", 5, exemplar, "repeated"],
  ["asInt", 6, "sfixed64"],
  attributes(7),
  ["flags", 8, "uint32"],
);
const histogramPoint = message(
  ...pointTimes,
  ["count", 4, "fixed64"],
  ["sum", 5, "double"],
  ["bucketCounts", 6, "fixed64", "repeated"],
  ["explicitBounds", 7, "double", "repeated"],
  ["exemplars", 8, exemplar, "repeated"],
  attributes(9),
  ["flags", 10, "uint32"],
  ["min", 11, "double"],
  ["max", 12, "double"],
);
const buckets = message(["offset", 1, "sint32"], ["bucketCounts", 2, "uint64", "repeated"]);
const exponentialPoint = message(
  attributes(1),
  ...pointTimes,
  ["count", 4, "fixed64"],
  ["sum", 5, "double"],
  ["scale", 6, "sint32"],
  ["zeroCount", 7, "fixed64"],
  ["positive", 8, buckets],
  ["negative", 9, buckets],
  ["flags", 10, "uint32"],
  ["exemplars", 11, exemplar, "repeated"],
  ["min", 12, "double"],
  ["max", 13, "double"],
  ["zeroThreshold", 14, "double"],
);
const valueAtQuantile = message(["quantile", 1, "double"], ["value", 2, "double"]);
const summaryPoint = message(
  ...pointTimes,
  ["count", 4, "fixed64"],
  ["sum", 5, "double"],
  ["quantileValues", 6, valueAtQuantile, "repeated"],
  attributes(7),
  ["flags", 8, "uint32"],
);
const temporality: Spec = ["aggregationTemporality", 2, "enum"];
const points = (of: Fields): Spec => ["dataPoints", 1, of, "repeated"];
const metric = message(
  ["name", 1, "string"],
  ["description", 2, "string"],
  ["unit", 3, "string"],
  ["gauge", 5, message(points(numberPoint))],
  ["sum", 7, message(points(numberPoint), temporality, ["isMonotonic", 3, "bool"])],
  ["histogram", 9, message(points(histogramPoint), temporality)],
  ["exponentialHistogram", 10, message(points(exponentialPoint), temporality)],
  ["summary", 11, message(points(summaryPoint))],
  ["metadata", 12, keyValue, "repeated"],
);
const scopeMetrics = message(["scope", 1, scope], ["metrics", 2, metric, "repeated"], schemaUrl);
const resourceMetrics = message(
  ["resource", 1, resource],
  ["scopeMetrics", 2, scopeMetrics, "repeated"],
  schemaUrl,
);

const logRecord = message(
  ["timeUnixNano", 1, "fixed64"],
  ["severityNumber", 2, "enum"],
  ["severityText", 3, "string"],
  ["body", 5, anyValue],
  attributes(6),
  dropped(7),
  ["flags", 8, "fixed32"],
  ["traceId", 9, "hex"],
  ["spanId", 10, "hex"],
  ["observedTimeUnixNano", 11, "fixed64"],
  ["eventName", 12, "string"],
);
const scopeLogs = message(["scope", 1, scope], ["logRecords", 2, logRecord, "repeated"], schemaUrl);
const resourceLogs = message(
  ["resource", 1, resource],
  ["scopeLogs", 2, scopeLogs, "repeated"],
  schemaUrl,
);

/** The requests. */
export const exportTraces = message(["resourceSpans", 1, resourceSpans, "repeated"]);
export const exportMetrics = message(["resourceMetrics", 1, resourceMetrics, "repeated"]);
export const exportLogs = message(["resourceLogs", 1, resourceLogs, "repeated"]);
