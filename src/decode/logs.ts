/**
 * ExportLogsServiceRequest → `LogsView`.
 *
 * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/logs/v1/logs.proto
 */
import { makeAnyValues } from "./attributes.ts";
import { Rows, int32s, uint32s } from "./columns.ts";
import { Envelope } from "./envelope.ts";
import { defaultDecodeLimits } from "./limits.ts";
import type { DecodeLimits } from "./limits.ts";
import type { AnyValues, Decoded, LogRecords, LogsView } from "./views.ts";

/** Decodes one request at a time; the view is overwritten by the next one. */
export class LogsDecoder {
  readonly #envelope: Envelope;
  readonly #records: Rows<LogRecords>;
  readonly #bodies: Rows<AnyValues>;

  constructor(limits: DecodeLimits = defaultDecodeLimits) {
    this.#envelope = new Envelope("ExportLogsServiceRequest", limits, (scope, end) =>
      this.#readRecord(scope, end),
    );
    this.#records = new Rows(makeRecords(), limits.itemsMax);
    this.#bodies = new Rows(makeAnyValues(), limits.itemsMax);
  }

  decode(bytes: Buffer): Decoded<LogsView> {
    this.#records.reset();
    this.#bodies.reset();
    const error = this.#envelope.decode(bytes);
    if (error !== null) return error;
    this.#records.publish();
    this.#bodies.publish();
    const [records, bodies] = [this.#records.table, this.#bodies.table];
    return { ok: true, view: { ...this.#envelope.view(), records, bodies } };
  }

  /**
   * ```proto
   * message LogRecord {
   *   fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11;
   *   SeverityNumber severity_number = 2; string severity_text = 3; AnyValue body = 5;
   *   repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8;
   *   bytes trace_id = 9; bytes span_id = 10; string event_name = 12;
   * }
   * ```
   */
  #readRecord(scope: number, end: number): void {
    const { reader, attributes } = this.#envelope;
    const row = this.#records.add();
    const table = this.#records.table;
    table.scope[row] = scope;
    table.body[row] = -1;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x09:
          reader.fixed64Into(table.timeLow, table.timeHigh, row, end);
          break;
        case 0x10:
          table.severityNumber[row] = reader.uint32(end);
          break;
        case 0x1a:
          reader.rangeInto(table.severityTextStart, table.severityTextEnd, row, end);
          break;
        case 0x2a:
          this.#readBodyOf(row, reader.length(end));
          break;
        case 0x32: {
          const { attrStart, attrEnd } = table;
          attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
          attrEnd[row] = attributes.rows.count;
          break;
        }
        case 0x38:
          table.droppedAttributes[row] = reader.uint32(end);
          break;
        case 0x45:
          table.flags[row] = reader.fixed32(end);
          break;
        case 0x4a:
          reader.rangeInto(table.traceIdStart, table.traceIdEnd, row, end);
          break;
        case 0x52:
          reader.rangeInto(table.spanIdStart, table.spanIdEnd, row, end);
          break;
        case 0x59:
          reader.fixed64Into(table.observedLow, table.observedHigh, row, end);
          break;
        case 0x62:
          reader.rangeInto(table.eventNameStart, table.eventNameEnd, row, end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /** A body that comes in pieces is merged into one row. */
  #readBodyOf(record: number, end: number): void {
    const { body } = this.#records.table;
    if (body[record] === -1) body[record] = this.#bodies.add();
    this.#envelope.values.read(this.#bodies.table, body[record]!, end);
  }
}

function makeRecords(): LogRecords {
  return {
    count: 0,
    scope: int32s(),
    timeLow: uint32s(),
    timeHigh: uint32s(),
    observedLow: uint32s(),
    observedHigh: uint32s(),
    severityNumber: uint32s(),
    severityTextStart: int32s(),
    severityTextEnd: int32s(),
    body: int32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
    droppedAttributes: uint32s(),
    flags: uint32s(),
    traceIdStart: int32s(),
    traceIdEnd: int32s(),
    spanIdStart: int32s(),
    spanIdEnd: int32s(),
    eventNameStart: int32s(),
    eventNameEnd: int32s(),
  };
}
