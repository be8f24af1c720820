/**
 * A protobuf request as OTLP/JSON, made with protobufjs from `proto/` and independent of our own table.
 * JSON leaves choices: 64-bit integers as strings or numbers, any order of keys, null for absent, fields
 * that nobody knows, spaces and escapes. Each is made by `random` (0 to 1).
 */
import protobuf from "protobufjs";
import { requestTypes, type SignalName } from "./otlp-oracle.ts";

export function bytesToOtlpJson(signal: SignalName, bytes: Buffer, random: () => number): string {
  const type = requestTypes[signal];
  return print(messageToJson(type, type.decode(bytes), random), random);
}

/** Only profiles use these. */
const leftOut = new Set(["key_strindex", "string_value_strindex"]);
const hexNames = new Set(["trace_id", "span_id", "parent_span_id"]);

type Json = null | boolean | number | bigint | string | Json[] | Map<string, Json>;

function messageToJson(type: protobuf.Type, message: object, random: () => number): Json {
  const entries: [string, Json][] = [];
  for (const field of type.fieldsArray) {
    if (leftOut.has(field.name)) continue;
    const name = protobuf.util.camelCase(field.name);
    if (!Object.hasOwn(message, field.name)) {
      if (random() < 0.1) entries.push([name, null]);
      continue;
    }
    const value: unknown = Reflect.get(message, field.name);
    const one = (item: unknown): Json => valueToJson(field, item, random);
    entries.push([name, field.repeated ? (value as unknown[]).map(one) : one(value)]);
  }
  if (random() < 0.1) entries.push(["__proto__", new Map([["polluted", [true, '\\"]}']]])]);
  if (random() < 0.1) entries.push(["resource_spans", [[], new Map(), 1e3, null]]);
  return new Map(entries.sort(() => random() - 0.5));
}

function valueToJson(field: protobuf.Field, value: unknown, random: () => number): Json {
  const { resolvedType, type } = field;
  if (resolvedType instanceof protobuf.Type) {
    return messageToJson(resolvedType, value ?? {}, random);
  }
  if (type === "bytes") {
    const bytes = Buffer.from(value as Uint8Array);
    if (!hexNames.has(field.name)) return bytes.toString(random() < 0.3 ? "base64url" : "base64");
    const hex = bytes.toString("hex");
    return random() < 0.3 ? hex.toUpperCase() : hex;
  }
  if (type.endsWith("64")) {
    const integer = BigInt(String(value));
    return random() < 0.5 ? String(integer) : integer;
  }
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value as Json;
}

function print(value: Json, random: () => number): string {
  const space = () => (random() < 0.05 ? [" ", "\n", "\t\r\n"][Math.floor(random() * 3)] : "");
  const list = (parts: readonly string[], open: string, close: string) =>
    `${open}${space()}${parts.join(`${space()},${space()}`)}${space()}${close}`;
  if (value instanceof Map) {
    const parts = [...value].map(
      ([key, item]) => `${printText(key, random)}${space()}:${space()}${print(item, random)}`,
    );
    return list(parts, "{", "}");
  }
  if (Array.isArray(value)) {
    return list(
      value.map((item) => print(item, random)),
      "[",
      "]",
    );
  }
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return printText(value, random);
  if (Object.is(value, -0)) return "-0.0";
  return JSON.stringify(value);
}

function printText(text: string, random: () => number): string {
  if (random() < 0.8) return JSON.stringify(text);
  const codes = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  return `"${codes.map((code) => `\\u${code.toString(16).padStart(4, "0")}`).join("")}"`;
}
