/**
 * Names the place of a fault: which message, by its path of type names. Found afterwards by walking the
 * bytes down to the offset, so that decoding itself need not keep a path.
 */
import { WireFault, WireReader } from "./wire.ts";
import type { DecodeError } from "./views.ts";

const point = { 7: "KeyValue" };
/** The sub-messages of each message: field number → type. */
const subMessages: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  ExportMetricsServiceRequest: { 1: "ResourceMetrics" },
  ResourceMetrics: { 1: "Resource", 2: "ScopeMetrics" },
  ScopeMetrics: { 1: "InstrumentationScope", 2: "Metric" },
  Metric: {
    5: "Gauge",
    7: "Sum",
    9: "Histogram",
    10: "ExponentialHistogram",
    11: "Summary",
    12: "KeyValue",
  },
  Gauge: { 1: "NumberDataPoint" },
  Sum: { 1: "NumberDataPoint" },
  Histogram: { 1: "HistogramDataPoint" },
  ExponentialHistogram: { 1: "ExponentialHistogramDataPoint" },
  Summary: { 1: "SummaryDataPoint" },
  NumberDataPoint: { 5: "Exemplar", ...point },
  HistogramDataPoint: { 8: "Exemplar", 9: "KeyValue" },
  ExponentialHistogramDataPoint: { 1: "KeyValue", 8: "Buckets", 9: "Buckets", 11: "Exemplar" },
  SummaryDataPoint: { 6: "ValueAtQuantile", ...point },
  Exemplar: point,
  ExportTraceServiceRequest: { 1: "ResourceSpans" },
  ResourceSpans: { 1: "Resource", 2: "ScopeSpans" },
  ScopeSpans: { 1: "InstrumentationScope", 2: "Span" },
  Span: { 9: "KeyValue", 11: "Event", 13: "Link", 15: "Status" },
  Event: { 3: "KeyValue" },
  Link: { 4: "KeyValue" },
  ExportLogsServiceRequest: { 1: "ResourceLogs" },
  ResourceLogs: { 1: "Resource", 2: "ScopeLogs" },
  ScopeLogs: { 1: "InstrumentationScope", 2: "LogRecord" },
  LogRecord: { 5: "AnyValue", 6: "KeyValue" },
  Resource: { 1: "KeyValue" },
  InstrumentationScope: { 3: "KeyValue" },
  KeyValue: { 2: "AnyValue" },
  AnyValue: { 5: "ArrayValue", 6: "KeyValueList" },
  ArrayValue: { 1: "AnyValue" },
  KeyValueList: { 1: "KeyValue" },
};

/** Deep enough for every message; a path into nested values ends there. */
const pathMax = 10;

/** Makes the value that `decode` returns. `root` is the type of the request. */
export function makeDecodeError(
  fault: WireFault,
  root: string,
  bytes: Buffer,
  offset: number,
): DecodeError {
  const path = messagePath(root, bytes, offset);
  const message = `cannot decode ${path}: ${fault.message}`;
  return { ok: false, code: fault.code, message, offset };
}

function messagePath(root: string, bytes: Buffer, offset: number): string {
  const reader = new WireReader();
  reader.open(bytes);
  const path = [root];
  let type: string | undefined = root;
  let end = bytes.length;
  while (type !== undefined && path.length < pathMax) {
    const found = fieldAround(reader, end, offset);
    if (found === null) break;
    type = subMessages[type]?.[found.number];
    if (type !== undefined) path.push(type);
    end = found.end;
  }
  return (path.length > 1 ? path.slice(1) : path).join(".");
}

/** The length-delimited field that holds the offset; the reader then stands at its content. */
function fieldAround(
  reader: WireReader,
  end: number,
  offset: number,
): { number: number; end: number } | null {
  try {
    while (reader.pos < end) {
      const tag = reader.tag(end);
      const isMessage = (tag & 7) === 2;
      const stop = isMessage ? reader.length(end) : 0;
      if (isMessage && reader.pos <= offset && offset <= stop) {
        return { number: tag >>> 3, end: stop };
      }
      if (isMessage) reader.pos = stop;
      else reader.skip(tag, end);
    }
    return null;
  } catch (error) {
    if (error instanceof WireFault) return null; // the fault is in this very message
    throw error;
  }
}
