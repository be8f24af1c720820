/**
 * Opens an AnyValue of a decoded view as plain data, nested arrays and maps included; for the few values
 * that are wanted whole, such as the body of an event. Everything was checked when it was decoded.
 */
import type { TextInterner } from "../lib/interner.ts";
import { readText } from "./text.ts";
import { ValueKind } from "./views.ts";
import type { AnyValues } from "./views.ts";
import { WireReader } from "./wire.ts";

/** What JSON can say: no NaN, no bigint. Objects have no prototype, so any key is only a key. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | JsonValue[]
  | { [key: string]: JsonValue };

/** A value of more parts than this is cut: what comes later is left out. */
const partsMax = 65_536;

const nothing: ReadonlySet<string> = new Set();

/**
 * The value in that row; keys named in `leftOut` are stepped over in every map, without a look inside. As
 * in the JSON form of protobuf an int64 beyond ±(2^53 − 1) is a string of
 * digits, NaN and the infinities are "NaN", "Infinity" and "-Infinity", bytes are base64. An unset value
 * is null. Of a key that occurs twice the last value is taken. `keys`: where the texts of keys are kept,
 * which are the same in every object of a kind.
 */
export function anyValueToJson(
  bytes: Buffer,
  values: AnyValues,
  row: number,
  leftOut: ReadonlySet<string> = nothing,
  keys: TextInterner | null = null,
): JsonValue {
  const start = values.start[row] ?? 0;
  const end = values.end[row] ?? 0;
  switch (values.kind[row] ?? ValueKind.empty) {
    case ValueKind.string:
      return readText(bytes, start, end);
    case ValueKind.bool:
      return values.number[row] === 1;
    case ValueKind.int:
      return intToJson(values.intLow[row] ?? 0, values.intHigh[row] ?? 0);
    case ValueKind.double:
      return doubleToJson(values.number[row] ?? 0);
    case ValueKind.bytes:
      return bytes.toString("base64", start, end);
    case ValueKind.array:
      return new NestedReader(bytes, start, leftOut, keys).readArray([], end);
    case ValueKind.kvlist:
      return new NestedReader(bytes, start, leftOut, keys).readMap(makeMap(), end);
    default:
      return null;
  }
}

type JsonMap = { [key: string]: JsonValue };

function makeMap(): JsonMap {
  return Object.create(null) as JsonMap; // the type of an object without a prototype is any
}

function intToJson(low: number, high: number): JsonValue {
  const rounded = high * 4_294_967_296 + low;
  if (Number.isSafeInteger(rounded)) return rounded;
  return String((BigInt(high) << 32n) | BigInt(low));
}

function doubleToJson(value: number): JsonValue {
  return Number.isFinite(value) ? value : String(value);
}

class NestedReader {
  readonly #reader = new WireReader();
  readonly #bytes: Buffer;
  readonly #leftOut: ReadonlySet<string>;
  readonly #keys: TextInterner | null;
  #partsLeft = partsMax;

  constructor(
    bytes: Buffer,
    start: number,
    leftOut: ReadonlySet<string>,
    keys: TextInterner | null,
  ) {
    this.#reader.open(bytes, start);
    this.#bytes = bytes;
    this.#leftOut = leftOut;
    this.#keys = keys;
  }

  readArray(into: JsonValue[], end: number): JsonValue[] {
    const reader = this.#reader;
    while (reader.pos < end && this.#partsLeft-- > 0) {
      const tag = reader.tag(end);
      if (tag === 0x0a) into.push(this.#readValue(null, reader.length(end)));
      else reader.skip(tag, end);
    }
    reader.pos = end;
    return into;
  }

  readMap(into: JsonMap, end: number): JsonMap {
    const reader = this.#reader;
    while (reader.pos < end && this.#partsLeft-- > 0) {
      const tag = reader.tag(end);
      if (tag === 0x0a) this.#readPair(into, reader.length(end));
      else reader.skip(tag, end);
    }
    reader.pos = end;
    return into;
  }

  #readPair(into: JsonMap, end: number): void {
    const reader = this.#reader;
    const { pos } = reader;
    const key = this.#keyOf(end);
    if (this.#leftOut.has(key)) return;
    reader.pos = pos;
    let value: JsonValue = null;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x12) value = this.#readValue(value, reader.length(end));
      else reader.skip(tag, end);
    }
    into[key] = value;
  }

  /** Of the pair that ends at `end`, where the reader then is; the key may stand behind its value. */
  #keyOf(end: number): string {
    const reader = this.#reader;
    let [start, stop] = [0, 0];
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        stop = reader.length(end);
        start = reader.pos;
        reader.pos = stop;
      } else {
        reader.skip(tag, end);
      }
    }
    return this.#keys?.text(this.#bytes, start, stop) ?? readText(this.#bytes, start, stop);
  }

  /** The AnyValue that ends at `end`; `earlier` is what an earlier piece of it said. */
  #readValue(earlier: JsonValue, end: number): JsonValue {
    const reader = this.#reader;
    let value = earlier;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          value = this.#readString(end, "utf8");
          break;
        case 0x10:
          value = reader.bool(end);
          break;
        case 0x18:
          reader.varint(end);
          value = intToJson(reader.low, reader.high | 0);
          break;
        case 0x21:
          value = doubleToJson(reader.double(end));
          break;
        case 0x2a:
          value = this.readArray(Array.isArray(value) ? value : [], reader.length(end));
          break;
        case 0x32:
          value = this.readMap(isMap(value) ? value : makeMap(), reader.length(end));
          break;
        case 0x3a:
          value = this.#readString(end, "base64");
          break;
        case 0x40:
          reader.varint(end);
          value = null;
          break;
        default:
          reader.skip(tag, end);
      }
    }
    return value;
  }

  #readString(end: number, encoding: "utf8" | "base64"): string {
    const stop = this.#reader.length(end);
    const text = this.#bytes.toString(encoding, this.#reader.pos, stop);
    this.#reader.pos = stop;
    return text;
  }
}

function isMap(value: JsonValue): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
