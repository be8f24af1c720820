/**
 * The lists of numbers that points carry: bucket counts, explicit bounds, quantiles. Each list is one
 * range of a column that all points share.
 *
 * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
 */
import { Rows, float64s, uint32s } from "./columns.ts";
import type { Envelope } from "./envelope.ts";
import type { Points } from "./views.ts";
import type { WireReader } from "./wire.ts";

export class NumberLists {
  readonly doubles: Rows<{ count: number; value: Float64Array }>;
  readonly counts: Rows<{ count: number; low: Uint32Array; high: Uint32Array }>;
  readonly #reader: WireReader;

  constructor(envelope: Envelope) {
    const { numbersMax } = envelope.limits;
    this.doubles = new Rows({ count: 0, value: float64s() }, numbersMax, false);
    this.counts = new Rows({ count: 0, low: uint32s(), high: uint32s() }, numbersMax, false);
    this.#reader = envelope.reader;
  }

  reset(): void {
    this.doubles.reset();
    this.counts.reset();
  }

  /** `repeated fixed64 bucket_counts = 6`, packed or single. */
  readFixedCounts(points: Points, row: number, tag: number, end: number): void {
    const reader = this.#reader;
    const { bucketStart, bucketEnd } = points;
    if (bucketStart[row] === bucketEnd[row]) bucketStart[row] = this.counts.count;
    const stop = tag === 0x32 ? reader.length(end) : reader.pos + 8;
    while (reader.pos < stop) {
      reader.fixed64(Math.min(stop, end));
      this.#addCount(reader.low, reader.high);
    }
    bucketEnd[row] = this.counts.count;
  }

  /** `repeated double explicit_bounds = 7`, packed or single. */
  readBounds(points: Points, row: number, tag: number, end: number): void {
    const reader = this.#reader;
    const { boundStart, boundEnd } = points;
    if (boundStart[row] === boundEnd[row]) boundStart[row] = this.doubles.count;
    const stop = tag === 0x3a ? reader.length(end) : reader.pos + 8;
    while (reader.pos < stop) this.#addDouble(reader.double(Math.min(stop, end)));
    boundEnd[row] = this.doubles.count;
  }

  /** `message Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }` */
  readBuckets(
    starts: Int32Array,
    ends: Int32Array,
    offsets: Int32Array,
    row: number,
    end: number,
  ): void {
    const reader = this.#reader;
    const stop = reader.length(end);
    while (reader.pos < stop) {
      const tag = reader.tag(stop);
      if (tag === 0x08) {
        offsets[row] = reader.sint32(stop);
      } else if (tag === 0x10 || tag === 0x12) {
        starts[row] = this.#resumeCounts(starts[row]!, ends[row]!);
        this.#readVarintCounts(tag, stop);
        ends[row] = this.counts.count;
      } else {
        reader.skip(tag, stop);
      }
    }
    reader.finish(stop);
  }

  /** Moves a list that was interrupted by the other buckets to the end, so that it stays one range. */
  #resumeCounts(start: number, end: number): number {
    const { counts } = this;
    if (start === end) return counts.count;
    if (end === counts.count) return start;
    const moved = counts.count;
    for (let from = start; from < end; from++) {
      this.#addCount(counts.table.low[from]!, counts.table.high[from]!);
    }
    return moved;
  }

  #readVarintCounts(tag: number, end: number): void {
    const reader = this.#reader;
    if (tag === 0x10) {
      reader.varint(end);
      this.#addCount(reader.low, reader.high);
      return;
    }
    const stop = reader.length(end);
    while (reader.pos < stop) {
      reader.varint(stop);
      this.#addCount(reader.low, reader.high);
    }
  }

  /** `message ValueAtQuantile { double quantile = 1; double value = 2; }` */
  readQuantile(points: Points, row: number, end: number): void {
    const reader = this.#reader;
    const { boundStart, boundEnd } = points;
    let quantile = 0;
    let value = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x09) quantile = reader.double(end);
      else if (tag === 0x11) value = reader.double(end);
      else reader.skip(tag, end);
    }
    reader.finish(end);
    if (boundStart[row] === boundEnd[row]) boundStart[row] = this.doubles.count;
    this.#addDouble(quantile);
    this.#addDouble(value);
    boundEnd[row] = this.doubles.count;
  }

  #addCount(low: number, high: number): void {
    const at = this.counts.add();
    this.counts.table.low[at] = low;
    this.counts.table.high[at] = high;
  }

  #addDouble(value: number): void {
    const at = this.doubles.add();
    this.doubles.table.value[at] = value;
  }
}
