/**
 * ExportTraceServiceRequest → `TracesView`.
 *
 * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/trace/v1/trace.proto
 */
import { Rows, int32s, uint32s, uint8s } from "./columns.ts";
import { Envelope } from "./envelope.ts";
import { defaultDecodeLimits } from "./limits.ts";
import type { DecodeLimits } from "./limits.ts";
import type { Decoded, SpanEvents, SpanLinks, Spans, TracesView } from "./views.ts";

/** Decodes one request at a time; the view is overwritten by the next one. */
export class TracesDecoder {
  readonly #envelope: Envelope;
  readonly #spans: Rows<Spans>;
  readonly #events: Rows<SpanEvents>;
  readonly #links: Rows<SpanLinks>;

  constructor(limits: DecodeLimits = defaultDecodeLimits) {
    this.#envelope = new Envelope("ExportTraceServiceRequest", limits, (scope, end) =>
      this.#readSpan(scope, end),
    );
    this.#spans = new Rows(makeSpans(), limits.itemsMax);
    this.#events = new Rows(makeEvents(), limits.itemsMax);
    this.#links = new Rows(makeLinks(), limits.itemsMax);
  }

  decode(bytes: Buffer): Decoded<TracesView> {
    const tables = [this.#spans, this.#events, this.#links];
    for (const rows of tables) rows.reset();
    const error = this.#envelope.decode(bytes);
    if (error !== null) return error;
    for (const rows of tables) rows.publish();
    const [spans, events, links] = [this.#spans.table, this.#events.table, this.#links.table];
    return { ok: true, view: { ...this.#envelope.view(), spans, events, links } };
  }

  /**
   * ```proto
   * message Span {
   *   bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
   *   fixed32 flags = 16; string name = 5; SpanKind kind = 6;
   *   fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
   *   repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
   *   repeated Event events = 11; uint32 dropped_events_count = 12;
   *   repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15;
   * }
   * ```
   */
  #readSpan(scope: number, end: number): void {
    const { reader, attributes } = this.#envelope;
    const row = this.#spans.add();
    const table = this.#spans.table;
    table.scope[row] = scope;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          reader.rangeInto(table.traceIdStart, table.traceIdEnd, row, end);
          break;
        case 0x12:
          reader.rangeInto(table.spanIdStart, table.spanIdEnd, row, end);
          break;
        case 0x1a:
          reader.rangeInto(table.traceStateStart, table.traceStateEnd, row, end);
          break;
        case 0x22:
          reader.rangeInto(table.parentSpanIdStart, table.parentSpanIdEnd, row, end);
          break;
        case 0x2a:
          reader.rangeInto(table.nameStart, table.nameEnd, row, end);
          break;
        case 0x30:
          table.kind[row] = reader.enumByte(end);
          break;
        case 0x39:
          reader.fixed64Into(table.startLow, table.startHigh, row, end);
          break;
        case 0x41:
          reader.fixed64Into(table.endLow, table.endHigh, row, end);
          break;
        case 0x4a: {
          const { attrStart, attrEnd } = table;
          attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
          attrEnd[row] = attributes.rows.count;
          break;
        }
        case 0x5a:
          this.#readEventOf(row, reader.length(end));
          break;
        case 0x6a:
          this.#readLinkOf(row, reader.length(end));
          break;
        case 0x7a:
          this.#readStatus(row, reader.length(end));
          break;
        case 0x85:
          table.flags[row] = reader.fixed32(end);
          break;
        default:
          this.#readDropped(row, tag, end);
      }
    }
    reader.finish(end);
  }

  #readDropped(row: number, tag: number, end: number): void {
    const { reader } = this.#envelope;
    const table = this.#spans.table;
    if (tag === 0x50) table.droppedAttributes[row] = reader.uint32(end);
    else if (tag === 0x60) table.droppedEvents[row] = reader.uint32(end);
    else if (tag === 0x70) table.droppedLinks[row] = reader.uint32(end);
    else reader.skip(tag, end);
  }

  /** `message Status { string message = 2; StatusCode code = 3; }` */
  #readStatus(row: number, end: number): void {
    const { reader } = this.#envelope;
    const table = this.#spans.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x12) {
        reader.rangeInto(table.statusMessageStart, table.statusMessageEnd, row, end);
      } else if (tag === 0x18) {
        table.statusCode[row] = reader.enumByte(end);
      } else {
        reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message Event {
   *   fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3;
   *   uint32 dropped_attributes_count = 4;
   * }
   * ```
   */
  #readEventOf(span: number, end: number): void {
    const { reader, attributes } = this.#envelope;
    const { eventStart, eventEnd } = this.#spans.table;
    const row = this.#events.add();
    const table = this.#events.table;
    if (eventStart[span] === eventEnd[span]) eventStart[span] = row;
    eventEnd[span] = row + 1;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x09:
          reader.fixed64Into(table.timeLow, table.timeHigh, row, end);
          break;
        case 0x12:
          reader.rangeInto(table.nameStart, table.nameEnd, row, end);
          break;
        case 0x1a: {
          const { attrStart, attrEnd } = table;
          attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
          attrEnd[row] = attributes.rows.count;
          break;
        }
        case 0x20:
          table.droppedAttributes[row] = reader.uint32(end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message Link {
   *   bytes trace_id = 1; bytes span_id = 2; string trace_state = 3;
   *   repeated KeyValue attributes = 4; uint32 dropped_attributes_count = 5; fixed32 flags = 6;
   * }
   * ```
   */
  #readLinkOf(span: number, end: number): void {
    const { reader, attributes } = this.#envelope;
    const { linkStart, linkEnd } = this.#spans.table;
    const row = this.#links.add();
    const table = this.#links.table;
    if (linkStart[span] === linkEnd[span]) linkStart[span] = row;
    linkEnd[span] = row + 1;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          reader.rangeInto(table.traceIdStart, table.traceIdEnd, row, end);
          break;
        case 0x12:
          reader.rangeInto(table.spanIdStart, table.spanIdEnd, row, end);
          break;
        case 0x1a:
          reader.rangeInto(table.traceStateStart, table.traceStateEnd, row, end);
          break;
        case 0x22: {
          const { attrStart, attrEnd } = table;
          attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
          attrEnd[row] = attributes.rows.count;
          break;
        }
        case 0x28:
          table.droppedAttributes[row] = reader.uint32(end);
          break;
        case 0x35:
          table.flags[row] = reader.fixed32(end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }
}

function makeSpans(): Spans {
  return {
    count: 0,
    scope: int32s(),
    traceIdStart: int32s(),
    traceIdEnd: int32s(),
    spanIdStart: int32s(),
    spanIdEnd: int32s(),
    parentSpanIdStart: int32s(),
    parentSpanIdEnd: int32s(),
    traceStateStart: int32s(),
    traceStateEnd: int32s(),
    nameStart: int32s(),
    nameEnd: int32s(),
    flags: uint32s(),
    kind: uint8s(),
    startLow: uint32s(),
    startHigh: uint32s(),
    endLow: uint32s(),
    endHigh: uint32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
    droppedAttributes: uint32s(),
    droppedEvents: uint32s(),
    droppedLinks: uint32s(),
    eventStart: int32s(),
    eventEnd: int32s(),
    linkStart: int32s(),
    linkEnd: int32s(),
    statusCode: uint8s(),
    statusMessageStart: int32s(),
    statusMessageEnd: int32s(),
  };
}

function makeEvents(): SpanEvents {
  return {
    count: 0,
    timeLow: uint32s(),
    timeHigh: uint32s(),
    nameStart: int32s(),
    nameEnd: int32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
    droppedAttributes: uint32s(),
  };
}

function makeLinks(): SpanLinks {
  return {
    count: 0,
    traceIdStart: int32s(),
    traceIdEnd: int32s(),
    spanIdStart: int32s(),
    spanIdEnd: int32s(),
    traceStateStart: int32s(),
    traceStateEnd: int32s(),
    flags: uint32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
    droppedAttributes: uint32s(),
  };
}
