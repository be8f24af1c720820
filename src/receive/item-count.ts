/**
 * Counts the spans, points or log records of a request by hopping over lengths, without decoding it: for
 * the counters of refused requests, which nobody decodes. Bytes that are no protobuf count as far as
 * they can be read; this judges nothing.
 */
import { Signal } from "../model/stages.ts";

/** Field numbers on the way from the request to its items; several where the kinds of data differ. */
const ways: Readonly<Record<Signal, readonly (readonly number[])[]>> = {
  // resource_spans, scope_spans, spans
  [Signal.traces]: [[1], [2], [2]],
  // resource_metrics, scope_metrics, metrics, any kind of data, data_points
  [Signal.metrics]: [[1], [2], [2], [5, 7, 9, 10, 11], [1]],
  // resource_logs, scope_logs, log_records
  [Signal.logs]: [[1], [2], [2]],
};

export function countItems(signal: Signal, body: Uint8Array): number {
  return new ItemCounter(body, ways[signal]).count(body.length, 0);
}

class ItemCounter {
  readonly #bytes: Uint8Array;
  readonly #way: readonly (readonly number[])[];
  #at = 0;

  constructor(bytes: Uint8Array, way: readonly (readonly number[])[]) {
    this.#bytes = bytes;
    this.#way = way;
  }

  /** The items of the message that begins here and ends at `end`. */
  count(end: number, depth: number): number {
    const wanted = this.#way[depth];
    if (!wanted) return 1;
    let items = 0;
    while (this.#at < end) {
      const tag = this.#varint(end);
      const wireType = tag % 8;
      if (wireType === 2) {
        const length = this.#varint(end);
        const fieldEnd = this.#at + length;
        if (!(fieldEnd <= end)) break;
        if (wanted.includes(Math.floor(tag / 8))) items += this.count(fieldEnd, depth + 1);
        this.#at = fieldEnd;
      } else if (wireType === 0) this.#varint(end);
      else if (wireType === 1) this.#at += 8;
      else if (wireType === 5) this.#at += 4;
      else break;
    }
    this.#at = end;
    return items;
  }

  /** NaN when it does not end in time. Above 2^53 the low bits are lost, which no length has. */
  #varint(end: number): number {
    let value = 0;
    let scale = 1;
    const last = Math.min(end, this.#at + 10);
    while (this.#at < last) {
      const byte = this.#bytes[this.#at++] ?? 0;
      if (byte < 0x80) return value + byte * scale;
      value += (byte - 0x80) * scale;
      scale *= 128;
    }
    return Number.NaN;
  }
}
