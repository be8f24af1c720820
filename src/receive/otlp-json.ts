/**
 * OTLP/JSON in, OTLP protobuf out: from here on there is one form of a request. Written in one walk over
 * the text (`json-reader.ts`), so a hostile text costs no more than its own length. What OTLP demands of
 * JSON: ids in hex, enums as integers, 64-bit integers as numbers or strings, names in lowerCamelCase,
 * unknown names ignored. Null is absent.
 *
 * Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
import { Signal } from "../model/stages.ts";
import {
  exportLogs,
  exportMetrics,
  exportTraces,
  type Field,
  type FieldKind,
  type Fields,
} from "./json-messages.ts";
import { JsonFault, JsonReader, parseNumber, type NumberToken } from "./json-reader.ts";
import { halvesOf, OutputTooLarge, ProtoWriter, WireType } from "./proto-writer.ts";

export type Transcoded =
  | { readonly ok: true; readonly body: ArrayBuffer }
  | { readonly ok: false; readonly isTooLarge: boolean; readonly why: string };

const requests: Readonly<Record<Signal, Fields>> = {
  [Signal.traces]: exportTraces,
  [Signal.metrics]: exportMetrics,
  [Signal.logs]: exportLogs,
};

/** Messages inside each other; values may nest half as deep, and the decoder takes fewer. */
const depthMax = 128;

/**
 * `limit`: most bytes of the protobuf message. It is smaller than its JSON but for lists of short
 * numbers, which it writes in eight bytes each.
 */
export function jsonToProtobuf(text: Buffer, signal: Signal, limit: number): Transcoded {
  const reader = new JsonReader(text);
  const writer = new ProtoWriter(text.length, limit);
  try {
    new Transcoder(reader, writer).message(requests[signal], 0);
    reader.expectEnd();
    return { ok: true, body: writer.take() };
  } catch (error) {
    if (error instanceof OutputTooLarge) {
      return { ok: false, isTooLarge: true, why: "its message in protobuf" };
    }
    if (!(error instanceof JsonFault)) throw error;
    const path = error.path.join("").slice(1) || "the request";
    const why = `${path} at byte ${error.offset} of the JSON: ${error.message}`;
    return { ok: false, isTooLarge: false, why };
  }
}

class Transcoder {
  readonly #reader: JsonReader;
  readonly #writer: ProtoWriter;

  constructor(reader: JsonReader, writer: ProtoWriter) {
    this.#reader = reader;
    this.#writer = writer;
  }

  /** The fields of the object that stands next, without a tag or length around them. */
  message(fields: Fields, depth: number): void {
    const reader = this.#reader;
    reader.expect("{", "of an object");
    if (depth > depthMax) throw reader.fault(`nested deeper than ${depthMax}`);
    if (reader.takes("}")) return;
    do {
      reader.string("before a key");
      const field = fieldNamed(fields, reader);
      reader.expect(":", "behind a key");
      if (!field) reader.skip();
      else if (!reader.takesNull()) this.#named(field, depth);
    } while (reader.takes(","));
    reader.expect("}", "or ',' in an object");
  }

  #named(field: Field, depth: number): void {
    try {
      if (field.isRepeated) this.#list(field, depth);
      else this.#one(field, depth);
    } catch (error) {
      if (error instanceof JsonFault) error.path.unshift(`.${field.name}`);
      throw error;
    }
  }

  #list(field: Field, depth: number): void {
    this.#reader.expect("[", "of an array");
    if (this.#reader.takes("]")) return;
    const { kind, number } = field;
    // Lists of numbers are packed: one tag, then all of them.
    const packedAt = isPacked(kind) ? this.#begin(number) : -1;
    let index = 0;
    try {
      do {
        if (packedAt >= 0) this.#scalar(kind as FieldKind); // packed kinds are no messages
        else this.#one(field, depth);
        index++;
      } while (this.#reader.takes(","));
    } catch (error) {
      if (error instanceof JsonFault) error.path.unshift(`[${index}]`);
      throw error;
    }
    if (packedAt >= 0) this.#writer.end(packedAt);
    this.#reader.expect("]", "or ',' in an array");
  }

  #one({ number, kind, fields }: Field, depth: number): void {
    if (fields !== null) {
      const at = this.#begin(number);
      this.message(fields, depth + 1);
      this.#writer.end(at);
      return;
    }
    const scalar = kind as FieldKind; // a message has fields
    this.#writer.tag(number, wireTypeOf[scalar]);
    this.#scalar(scalar);
  }

  #begin(number: number): number {
    this.#writer.tag(number, WireType.bytes);
    return this.#writer.begin();
  }

  #scalar(kind: FieldKind): void {
    const writer = this.#writer;
    switch (kind) {
      case "string":
        return this.#string();
      case "hex":
        return this.#hex();
      case "base64":
        return this.#base64();
      case "bool":
        return writer.byte(this.#reader.bool() ? 1 : 0);
      case "double":
        return writer.double(this.#double());
      case "enum":
      case "int32":
      case "sint32":
      case "uint32":
      case "fixed32":
        return this.#int32(kind);
      case "int64":
      case "uint64":
      case "fixed64":
      case "sfixed64": {
        const { low, high } = halvesOf(this.#int64(kind === "uint64" || kind === "fixed64"));
        if (kind === "fixed64" || kind === "sfixed64") writer.fixed64(low, high);
        else writer.varint64(low, high);
      }
    }
  }

  #string(): void {
    const reader = this.#reader;
    const at = this.#writer.begin();
    reader.string("of a string");
    if (reader.isEscaped) this.#writer.text(reader.text());
    else this.#writer.copy(reader.bytes, reader.start, reader.end);
    this.#writer.end(at);
  }

  #hex(): void {
    const text = this.#text("of hex digits");
    if (text.length % 2 > 0 || !/^[\da-f]*$/i.test(text)) {
      throw this.#reader.fault("an id must be hex digits, two per byte");
    }
    this.#bytes(Buffer.from(text, "hex"));
  }

  #base64(): void {
    const text = this.#text("of base64");
    if (!/^[\w+/-]*={0,2}$/.test(text)) throw this.#reader.fault("expected base64");
    this.#bytes(Buffer.from(text, "base64")); // takes the URL-safe alphabet too
  }

  #bytes(bytes: Buffer): void {
    const at = this.#writer.begin();
    this.#writer.copy(bytes, 0, bytes.length);
    this.#writer.end(at);
  }

  #text(of: string): string {
    this.#reader.string(of);
    return this.#reader.text();
  }

  /** A number, or a string that holds one, as JSON writes what a double cannot hold. */
  #number(): NumberToken {
    if (this.#reader.peek() !== 0x22) return this.#reader.number();
    const token = parseNumber(this.#text("of a number"));
    if (token === null) throw this.#reader.fault("the string is no number");
    return token;
  }

  #double(): number {
    if (this.#reader.peek() !== 0x22) return Number(this.#reader.number().text);
    const text = this.#text("of a number");
    if (text === "NaN" || text === "Infinity" || text === "-Infinity") return Number(text);
    const token = parseNumber(text);
    if (token === null) throw this.#reader.fault("the string is no number");
    return Number(token.text);
  }

  #int32(kind: "enum" | "int32" | "sint32" | "uint32" | "fixed32"): void {
    if (kind === "enum" && this.#reader.peek() === 0x22) {
      throw this.#reader.fault("an enum is its number in OTLP/JSON, not its name");
    }
    const isUnsigned = kind === "uint32" || kind === "fixed32";
    const value = Number(this.#integer());
    const isInRange = isUnsigned ? value >= 0 && value < 2 ** 32 : value === (value | 0);
    if (!isInRange) throw this.#reader.fault(`${value} does not fit into 32 bits`);
    if (kind === "fixed32") return this.#writer.fixed32(value);
    if (kind === "sint32") return this.#writer.varint32((value << 1) ^ (value >> 31));
    const { low, high } = halvesOf(value);
    this.#writer.varint64(low, high);
  }

  #int64(isUnsigned: boolean): number | bigint {
    const value = this.#integer();
    if (typeof value === "number") {
      if (isUnsigned && value < 0) throw this.#reader.fault("a negative count or time");
      return value;
    }
    if (value !== (isUnsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value))) {
      throw this.#reader.fault(`${value} does not fit into 64 bits`);
    }
    return value;
  }

  /** Of up to 15 digits as a number; `1e3` is an integer too. */
  #integer(): number | bigint {
    const { text, isInteger } = this.#number();
    if (isInteger) return text.length <= 15 ? Number(text) : BigInt(text);
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw this.#reader.fault(`${text} is no integer`);
    return value;
  }
}

/** The field that has the name that was just read; the names are few, and few are of one length. */
function fieldNamed(fields: Fields, reader: JsonReader): Field | null {
  if (reader.isEscaped) {
    const name = reader.text();
    return fields.find((field) => field.name === name) ?? null;
  }
  for (const field of fields) if (reader.isText(field.bytes)) return field;
  return null;
}

const wireTypeOf: Readonly<Record<FieldKind, WireType>> = {
  string: WireType.bytes,
  hex: WireType.bytes,
  base64: WireType.bytes,
  bool: WireType.varint,
  enum: WireType.varint,
  int32: WireType.varint,
  uint32: WireType.varint,
  sint32: WireType.varint,
  int64: WireType.varint,
  uint64: WireType.varint,
  fixed32: WireType.fixed32,
  fixed64: WireType.fixed64,
  sfixed64: WireType.fixed64,
  double: WireType.fixed64,
};

function isPacked(kind: Field["kind"]): boolean {
  return kind !== "message" && wireTypeOf[kind] !== WireType.bytes;
}
