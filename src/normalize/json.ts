/**
 * Reads fields of foreign JSON and of decoded key-value lists. Nothing here throws or follows a
 * prototype: a field that is absent or of another type reads as "", -1, false or an empty list.
 */

export type Json = unknown;

const noItems: readonly Json[] = [];

/** The object that a text holds, or null when it is too long, no JSON, or no object. */
export function parseJsonObject(text: string, maxLength: number): Json {
  if (text.length > maxLength) return null;
  try {
    const value: Json = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null; // not JSON: the caller counts it
  }
}

export function isObject(value: Json): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function field(value: Json, name: string): Json {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Text, cut at `maxLength`; numbers and booleans as text. */
export function textOf(value: Json, maxLength = 256): string {
  if (typeof value === "string")
    return value.length > maxLength ? value.slice(0, maxLength) : value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") {
    return String(value);
  }
  return "";
}

export function textField(value: Json, name: string, maxLength = 256): string {
  return textOf(field(value, name), maxLength);
}

/** A whole number of at least 0, also from decimal text (protobuf's JSON writes int64 so); else -1. */
export function intOf(value: Json): number {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : -1;
  if (typeof value === "bigint") return intOf(Number(value));
  if (typeof value === "string" && /^\d{1,16}$/.test(value)) return intOf(Number(value));
  return -1;
}

/** A port as a number or digits; 0 where none is given, and for what is no port. */
export function portOf(value: Json): number {
  const port = intOf(value);
  return port > 0 && port <= 65_535 ? port : 0;
}

export function portField(value: Json, name: string): number {
  return portOf(field(value, name));
}

export function intField(value: Json, name: string): number {
  return intOf(field(value, name));
}

export function boolField(value: Json, name: string): boolean {
  const found = field(value, name);
  return found === true || found === "true";
}

/** The first `maxItems` items of a list. */
export function listField(value: Json, name: string, maxItems = 256): readonly Json[] {
  const found = field(value, name);
  if (!Array.isArray(found)) return noItems;
  return found.length > maxItems ? found.slice(0, maxItems) : found;
}

export function textList(value: Json, name: string, maxItems = 256): readonly string[] {
  return listField(value, name, maxItems)
    .map((item) => textOf(item))
    .filter((text) => text !== "");
}

/** A map of texts without a prototype, so that a key `__proto__` is a key like another. The first that are wanted. */
export function textMap(
  value: Json,
  name: string,
  maxEntries: number,
  maxLength: number,
  isWanted: (key: string) => boolean = () => true,
): Readonly<Record<string, string>> {
  const found = field(value, name);
  const map = Object.create(null) as Record<string, string>; // Object.create is typed any
  if (!isObject(found)) return map;
  let entries = 0;
  for (const key of Object.keys(found)) {
    if (!isWanted(key)) continue;
    if (++entries > maxEntries) break;
    if (key.length <= maxLength) map[key] = textOf(found[key], maxLength);
  }
  return map;
}
