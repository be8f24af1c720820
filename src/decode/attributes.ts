/**
 * Attributes and other AnyValues into columns, with key and value in either order. Nested arrays and
 * maps stay as bytes, but are checked to their last byte here, so that whoever opens them later
 * (`any-value.ts`) cannot meet a fault.
 */
import { Rows, float64s, int32s, uint8s, uint32s } from "./columns.ts";
import type { DecodeLimits } from "./limits.ts";
import type { Pieces } from "./pieces.ts";
import { ValueKind } from "./views.ts";
import type { AnyValues, Attributes } from "./views.ts";
import { WireFault } from "./wire.ts";
import type { WireReader } from "./wire.ts";

export function makeAnyValues(): AnyValues {
  return {
    count: 0,
    kind: uint8s(),
    start: int32s(),
    end: int32s(),
    number: float64s(),
    intLow: uint32s(),
    intHigh: new Int32Array(uint32s().length),
  };
}

/** Reads AnyValues into rows, and checks those inside arrays and maps. */
export class ValueReader {
  /** Whether a bool, int or double was read since this was last set to false. */
  hasNumbers = false;
  readonly #reader: WireReader;
  readonly #pieces: Pieces;
  readonly #depthMax: number;

  constructor(reader: WireReader, pieces: Pieces, depthMax: number) {
    this.#reader = reader;
    this.#pieces = pieces;
    this.#depthMax = depthMax;
  }

  /**
   * ```proto
   * message AnyValue {
   *   oneof value {
   *     string string_value = 1;       bool bool_value = 2;
   *     int64 int_value = 3;           double double_value = 4;
   *     ArrayValue array_value = 5;    KeyValueList kvlist_value = 6;
   *     bytes bytes_value = 7;         int32 string_value_strindex = 8;
   *   }
   * }
   * ```
   * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/common/v1/common.proto
   *
   * The row must be cleared, or hold an earlier piece of the same value, which is then merged with.
   */
  read(values: AnyValues, row: number, end: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          this.#readBytes(values, row, ValueKind.string, end);
          break;
        case 0x10:
          this.#setNumber(values, row, ValueKind.bool, reader.bool(end) ? 1 : 0);
          break;
        case 0x18:
          reader.varint(end);
          this.#setInt(values, row, reader.low, reader.high | 0);
          break;
        case 0x21:
          this.#setNumber(values, row, ValueKind.double, reader.double(end));
          break;
        case 0x2a:
        case 0x32:
          this.#readNested(values, row, tag, end);
          break;
        case 0x3a:
          this.#readBytes(values, row, ValueKind.bytes, end);
          break;
        case 0x40: // an index into a dictionary that only profiles have: nothing to look up
          reader.varint(end);
          clearValue(values, row);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  #readBytes(values: AnyValues, row: number, kind: ValueKind, end: number): void {
    clearValue(values, row);
    values.kind[row] = kind;
    this.#reader.rangeInto(values.start, values.end, row, end);
  }

  #setNumber(values: AnyValues, row: number, kind: ValueKind, number: number): void {
    clearValue(values, row);
    values.kind[row] = kind;
    values.number[row] = number;
    this.hasNumbers = true;
  }

  #setInt(values: AnyValues, row: number, low: number, high: number): void {
    this.#setNumber(values, row, ValueKind.int, high * 4_294_967_296 + low);
    values.intLow[row] = low;
    values.intHigh[row] = high;
  }

  #readNested(values: AnyValues, row: number, tag: number, end: number): void {
    const reader = this.#reader;
    const stop = reader.length(end);
    const start = reader.pos;
    this.#checkNested(tag, stop, 1);
    const kind = tag === 0x2a ? ValueKind.array : ValueKind.kvlist;
    if (values.kind[row] === kind) {
      values.start[row] = this.#pieces.join(values.start[row]!, values.end[row]!, start, stop);
      values.end[row] = this.#pieces.end;
      return;
    }
    clearValue(values, row);
    values.kind[row] = kind;
    values.start[row] = start;
    values.end[row] = stop;
  }

  /** `message ArrayValue { repeated AnyValue values = 1; }`, KeyValueList the same with KeyValue. */
  #checkNested(tag: number, end: number, depth: number): void {
    if (depth > this.#depthMax) {
      throw new WireFault("too_deep", `values nested more than ${this.#depthMax} deep`);
    }
    const reader = this.#reader;
    while (reader.pos < end) {
      const elementTag = reader.tag(end);
      if (elementTag !== 0x0a) reader.skip(elementTag, end);
      else if (tag === 0x2a) this.#checkValue(reader.length(end), depth);
      else this.#checkPair(reader.length(end), depth);
    }
    reader.finish(end);
  }

  #checkPair(end: number, depth: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x12) this.#checkValue(reader.length(end), depth);
      else reader.skip(tag, end);
    }
    reader.finish(end);
  }

  #checkValue(end: number, depth: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x2a || tag === 0x32) this.#checkNested(tag, reader.length(end), depth + 1);
      else reader.skip(tag, end);
    }
    reader.finish(end);
  }
}

function clearValue(values: AnyValues, row: number): void {
  values.kind[row] = ValueKind.empty;
  values.start[row] = 0;
  values.end[row] = 0;
  values.number[row] = 0;
  values.intLow[row] = 0;
  values.intHigh[row] = 0;
}

/** All attributes of a request, in lists of one owner each. */
export class AttributeReader {
  readonly rows: Rows<Attributes>;
  readonly #reader: WireReader;
  readonly #values: ValueReader;

  constructor(reader: WireReader, values: ValueReader, limits: DecodeLimits) {
    const table = { ...makeAnyValues(), keyStart: int32s(), keyEnd: int32s() };
    this.rows = new Rows<Attributes>(table, limits.attributesMax, false);
    this.#reader = reader;
    this.#values = values;
  }

  /** The rows are not cleared in general: most attributes are strings, which leave the numbers at 0. */
  reset(): void {
    if (this.#values.hasNumbers) {
      const { number, intLow, intHigh } = this.rows.table;
      for (const column of [number, intLow, intHigh]) column.fill(0, 0, this.rows.count);
      this.#values.hasNumbers = false;
    }
    this.rows.reset();
  }

  /**
   * Reads the attribute whose tag was just read and those with the same tag that follow at once.
   * `start` and `end` are the owner's list so far. Returns where the list starts now; it ends at
   * `rows.count`. A list that was interrupted by another owner's attributes moves to the end first, to
   * stay one range; the rows left behind count against the limit, which bounds this work.
   */
  readRun(listStart: number, listEnd: number, tag: number, end: number): number {
    const reader = this.#reader;
    const start = this.#resume(listStart, listEnd);
    do {
      this.#read(reader.length(end));
    } while (reader.nextIs(tag, end));
    return start;
  }

  #resume(start: number, end: number): number {
    const { rows } = this;
    if (start === end) return rows.count;
    if (end === rows.count) return start;
    const moved = rows.count;
    for (let from = start; from < end; from++) copyAttribute(rows.table, from, rows);
    return moved;
  }

  /**
   * ```proto
   * message KeyValue { string key = 1; AnyValue value = 2; int32 key_strindex = 3; }
   * ```
   * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/common/v1/common.proto
   */
  #read(end: number): void {
    const reader = this.#reader;
    const row = this.rows.add();
    const table = this.rows.table;
    let keyStart = 0;
    let keyEnd = 0;
    let hasValue = false;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        keyEnd = reader.length(end);
        keyStart = reader.pos;
        reader.pos = keyEnd;
      } else if (tag === 0x12) {
        this.#readValue(table, row, hasValue, reader.length(end));
        hasValue = true;
      } else {
        reader.skip(tag, end);
      }
    }
    reader.finish(end);
    table.keyStart[row] = keyStart;
    table.keyEnd[row] = keyEnd;
    if (!hasValue) clearValue(table, row);
  }

  /** Nearly all values are one string that fills its AnyValue: those take the short way. */
  #readValue(table: Attributes, row: number, isPiece: boolean, end: number): void {
    const reader = this.#reader;
    if (!isPiece) {
      const start = reader.pos;
      if (reader.nextIs(0x0a, end)) {
        const stop = reader.length(end);
        if (stop === end) {
          table.kind[row] = ValueKind.string;
          table.start[row] = reader.pos;
          table.end[row] = end;
          reader.pos = end;
          return;
        }
      }
      reader.pos = start;
      clearValue(table, row);
    }
    this.#values.read(table, row, end);
  }
}

function copyAttribute(table: Attributes, from: number, rows: Rows<Attributes>): void {
  const to = rows.add();
  const source = table;
  const target = rows.table;
  target.kind[to] = source.kind[from]!;
  target.start[to] = source.start[from]!;
  target.end[to] = source.end[from]!;
  target.number[to] = source.number[from]!;
  target.intLow[to] = source.intLow[from]!;
  target.intHigh[to] = source.intHigh[from]!;
  target.keyStart[to] = source.keyStart[from]!;
  target.keyEnd[to] = source.keyEnd[from]!;
}
