/**
 * Exemplars of points, and the number of either type that points and exemplars carry.
 *
 * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
 */
import { Rows } from "./columns.ts";
import type { Envelope } from "./envelope.ts";
import { makeExemplars } from "./metrics-tables.ts";
import { NumberKind } from "./views.ts";
import type { Exemplars, Points } from "./views.ts";

export class ExemplarReader {
  readonly rows: Rows<Exemplars>;
  readonly #envelope: Envelope;

  constructor(envelope: Envelope) {
    this.rows = new Rows(makeExemplars(), envelope.limits.itemsMax);
    this.#envelope = envelope;
  }

  /** Reads one more exemplar of that point. */
  readOf(points: Points, point: number, end: number): void {
    const { exemplarStart, exemplarEnd } = points;
    const row = this.rows.add();
    if (exemplarStart[point] === exemplarEnd[point]) exemplarStart[point] = row;
    exemplarEnd[point] = row + 1;
    this.#read(row, this.#envelope.reader.length(end));
  }

  /**
   * ```proto
   * message Exemplar {
   *   fixed64 time_unix_nano = 2; oneof value { double as_double = 3; sfixed64 as_int = 6; }
   *   bytes span_id = 4; bytes trace_id = 5; repeated KeyValue filtered_attributes = 7;
   * }
   * ```
   */
  #read(row: number, end: number): void {
    const { attributes, reader } = this.#envelope;
    const table = this.rows.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x11:
          reader.fixed64Into(table.timeLow, table.timeHigh, row, end);
          break;
        case 0x19:
          setDouble(table, row, reader.double(end));
          break;
        case 0x31:
          reader.fixed64(end);
          setInt(table, row, reader.low, reader.high | 0);
          break;
        case 0x22:
          reader.rangeInto(table.spanIdStart, table.spanIdEnd, row, end);
          break;
        case 0x2a:
          reader.rangeInto(table.traceIdStart, table.traceIdEnd, row, end);
          break;
        case 0x3a: {
          const { attrStart, attrEnd } = table;
          attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
          attrEnd[row] = attributes.rows.count;
          break;
        }
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }
}

type Numbers = Pick<Points, "numberKind" | "value" | "valueLow" | "valueHigh">;

/** The last member of the oneof wins, so each setter clears what the other one sets. */
export function setDouble(table: Numbers, row: number, value: number): void {
  table.numberKind[row] = NumberKind.double;
  table.value[row] = value;
  table.valueLow[row] = 0;
  table.valueHigh[row] = 0;
}

export function setInt(table: Numbers, row: number, low: number, high: number): void {
  table.numberKind[row] = NumberKind.int;
  table.value[row] = high * 4_294_967_296 + low;
  table.valueLow[row] = low;
  table.valueHigh[row] = high;
}
