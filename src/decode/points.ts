/**
 * The data points of all five kinds of metrics. Written for both wire orders at once: every field is
 * taken where it stands, and a point's list of attributes keeps its byte range, so that a later level
 * can recognise a known series by comparing bytes before it parses any attribute.
 *
 * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
 */
import { Rows } from "./columns.ts";
import type { Envelope } from "./envelope.ts";
import { ExemplarReader, setDouble, setInt } from "./exemplars.ts";
import { makePoints } from "./metrics-tables.ts";
import { NumberLists } from "./number-lists.ts";
import { MetricKind } from "./views.ts";
import type { Points } from "./views.ts";
import { WireFault } from "./wire.ts";
import type { WireReader } from "./wire.ts";

/** The bits of `Points.has`. */
const hasSum = 1;
const hasMin = 2;
const hasMax = 4;

/** Points that a metric may lose because a later member of its oneof replaced theirs. */
const replacedMax = 1_000;

export class PointReader {
  readonly points: Rows<Points>;
  readonly exemplars: ExemplarReader;
  readonly lists: NumberLists;
  readonly #reader: WireReader;
  readonly #envelope: Envelope;
  #replaced = 0;

  constructor(envelope: Envelope) {
    this.points = new Rows(makePoints(), envelope.limits.itemsMax);
    this.exemplars = new ExemplarReader(envelope);
    this.lists = new NumberLists(envelope);
    this.#reader = envelope.reader;
    this.#envelope = envelope;
  }

  reset(): void {
    this.points.reset();
    this.exemplars.rows.reset();
    this.lists.reset();
    this.#replaced = 0;
  }

  publish(): void {
    this.points.publish();
    this.exemplars.rows.publish();
  }

  /** Forgets the points from `start` on. Clearing them costs, so no request may ask for it often. */
  replaceFrom(start: number): void {
    if (this.points.count === start) return;
    if (++this.#replaced > replacedMax) {
      throw new WireFault("too_large", "metrics that change their type too often");
    }
    this.points.truncate(start);
  }

  /** Reads the point that ends at `end`, of a metric of that kind. */
  read(metric: number, kind: MetricKind, end: number): void {
    const row = this.points.add();
    this.points.table.metric[row] = metric;
    switch (kind) {
      case MetricKind.histogram:
        this.#readHistogram(row, end);
        return;
      case MetricKind.exponentialHistogram:
        this.#readExponentialHistogram(row, end);
        return;
      case MetricKind.summary:
        this.#readSummary(row, end);
        return;
      case MetricKind.gauge:
      case MetricKind.sum:
      case MetricKind.none:
        this.#readNumber(row, end);
    }
  }

  /**
   * ```proto
   * message NumberDataPoint {
   *   fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
   *   oneof value { double as_double = 4; sfixed64 as_int = 6; }
   *   repeated Exemplar exemplars = 5; repeated KeyValue attributes = 7; uint32 flags = 8;
   * }
   * ```
   */
  #readNumber(row: number, end: number): void {
    const reader = this.#reader;
    const table = this.points.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x11:
          reader.fixed64Into(table.startLow, table.startHigh, row, end);
          break;
        case 0x19:
          reader.fixed64Into(table.timeLow, table.timeHigh, row, end);
          break;
        case 0x21:
          setDouble(table, row, reader.double(end));
          break;
        case 0x31:
          reader.fixed64(end);
          setInt(table, row, reader.low, reader.high | 0);
          break;
        case 0x2a:
          this.exemplars.readOf(table, row, end);
          break;
        case 0x3a:
          this.#readAttributes(row, tag, end);
          break;
        case 0x40:
          table.flags[row] = reader.uint32(end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message HistogramDataPoint {
   *   fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
   *   optional double sum = 5; repeated fixed64 bucket_counts = 6;
   *   repeated double explicit_bounds = 7; repeated Exemplar exemplars = 8;
   *   repeated KeyValue attributes = 9; uint32 flags = 10;
   *   optional double min = 11; optional double max = 12;
   * }
   * ```
   */
  #readHistogram(row: number, end: number): void {
    const reader = this.#reader;
    const table = this.points.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x31:
        case 0x32:
          this.lists.readFixedCounts(table, row, tag, end);
          break;
        case 0x39:
        case 0x3a:
          this.lists.readBounds(table, row, tag, end);
          break;
        case 0x42:
          this.exemplars.readOf(table, row, end);
          break;
        case 0x4a:
          this.#readAttributes(row, tag, end);
          break;
        case 0x50:
          table.flags[row] = reader.uint32(end);
          break;
        case 0x59:
          table.min[row] = reader.double(end);
          table.has[row]! |= hasMin;
          break;
        case 0x61:
          table.max[row] = reader.double(end);
          table.has[row]! |= hasMax;
          break;
        default:
          this.#readTotals(row, tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message ExponentialHistogramDataPoint {
   *   repeated KeyValue attributes = 1;
   *   fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
   *   optional double sum = 5; sint32 scale = 6; fixed64 zero_count = 7;
   *   Buckets positive = 8; Buckets negative = 9; uint32 flags = 10;
   *   repeated Exemplar exemplars = 11; optional double min = 12; optional double max = 13;
   *   double zero_threshold = 14;
   * }
   * ```
   */
  #readExponentialHistogram(row: number, end: number): void {
    const reader = this.#reader;
    const table = this.points.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          this.#readAttributes(row, tag, end);
          break;
        case 0x30:
          table.scale[row] = reader.sint32(end);
          break;
        case 0x39:
          reader.fixed64Into(table.zeroCountLow, table.zeroCountHigh, row, end);
          break;
        case 0x42:
          this.lists.readBuckets(
            table.bucketStart,
            table.bucketEnd,
            table.positiveOffset,
            row,
            end,
          );
          break;
        case 0x4a:
          this.lists.readBuckets(
            table.negativeStart,
            table.negativeEnd,
            table.negativeOffset,
            row,
            end,
          );
          break;
        case 0x50:
          table.flags[row] = reader.uint32(end);
          break;
        case 0x5a:
          this.exemplars.readOf(table, row, end);
          break;
        case 0x61:
          table.min[row] = reader.double(end);
          table.has[row]! |= hasMin;
          break;
        case 0x69:
          table.max[row] = reader.double(end);
          table.has[row]! |= hasMax;
          break;
        case 0x71:
          table.zeroThreshold[row] = reader.double(end);
          break;
        default:
          this.#readTotals(row, tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message SummaryDataPoint {
   *   fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
   *   double sum = 5; repeated ValueAtQuantile quantile_values = 6;
   *   repeated KeyValue attributes = 7; uint32 flags = 8;
   * }
   * ```
   */
  #readSummary(row: number, end: number): void {
    const reader = this.#reader;
    const table = this.points.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x32:
          this.lists.readQuantile(table, row, reader.length(end));
          break;
        case 0x3a:
          this.#readAttributes(row, tag, end);
          break;
        case 0x40:
          table.flags[row] = reader.uint32(end);
          break;
        default:
          this.#readTotals(row, tag, end);
      }
    }
    reader.finish(end);
  }

  /** The fields with the same numbers in every kind but the number point. */
  #readTotals(row: number, tag: number, end: number): void {
    const reader = this.#reader;
    const table = this.points.table;
    switch (tag) {
      case 0x11:
        reader.fixed64Into(table.startLow, table.startHigh, row, end);
        return;
      case 0x19:
        reader.fixed64Into(table.timeLow, table.timeHigh, row, end);
        return;
      case 0x21:
        reader.fixed64Into(table.countLow, table.countHigh, row, end);
        return;
      case 0x29:
        table.sum[row] = reader.double(end);
        table.has[row]! |= hasSum;
        return;
      default:
        reader.skip(tag, end);
    }
  }

  #readAttributes(row: number, tag: number, end: number): void {
    const { attributes, reader } = this.#envelope;
    const { attrStart, attrEnd, attrBytesStart, attrBytesEnd } = this.points.table;
    const isFirstRun = attrStart[row] === attrEnd[row];
    const bytesStart = reader.pos - 1; // all these tags are one byte
    attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
    attrEnd[row] = attributes.rows.count;
    attrBytesStart[row] = isFirstRun ? bytesStart : 0;
    attrBytesEnd[row] = isFirstRun ? reader.pos : 0;
  }
}
