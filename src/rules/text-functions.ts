/**
 * The functions on texts of CEL's strings extension, as that counts: in code points, where JS counts UTF-16
 * units. What they make is bounded, since a sender chose what they work on.
 */
import { Fault, type Value } from "./fault.ts";

const mistyped = new Fault("type", "a function got a value of another type");
const outOfRange = new Fault("conversion", "a position lies outside of the text");

/** UTF-16 units that `replace` and `join` may make: longer texts are nothing that a rule compares. */
const madeMax = 65_536;
const tooLong = new Fault("cost", `a text of more than ${madeMax} units`);

/** The functions by name; each is given its receiver first. */
export const textFunctions: Readonly<Record<string, (args: readonly Value[]) => Value>> = {
  lowerAscii: ([text]) => textOf(text).replace(/[A-Z]+/g, (upper) => upper.toLowerCase()),
  upperAscii: ([text]) => textOf(text).replace(/[a-z]+/g, (lower) => lower.toUpperCase()),
  trim: ([text]) => trim(textOf(text)),
  charAt: ([text, at]) => charAt(pointsOf(textOf(text)), intOf(at)),
  indexOf: ([text, part, from]) => indexOf(textOf(text), textOf(part), intOf(from ?? 0)),
  lastIndexOf: ([text, part, from]) => lastIndexOf(textOf(text), textOf(part), from),
  substring: ([text, from, to]) => substring(pointsOf(textOf(text)), intOf(from), to),
  split: ([text, by, limit]) => split(textOf(text), textOf(by), intOf(limit ?? -1)),
  join: ([texts, by]) => join(texts, textOf(by ?? "")),
  replace: ([text, old, by, limit]) =>
    replace(textOf(text), textOf(old), textOf(by), intOf(limit ?? -1)),
};

function textOf(value: Value): string {
  if (typeof value !== "string") throw mistyped;
  return value;
}

/** Its code points. */
function pointsOf(text: string): readonly string[] {
  return Array.from(text);
}

function intOf(value: Value): number {
  if (!Number.isInteger(value)) throw mistyped;
  return value as number; // an integer: checked above
}

/** White space by Unicode, of which JS's own `trim` has one too many and one too few. */
function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text, start)) start++;
  while (end > start && isSpace(text, end - 1)) end--;
  return text.slice(start, end);
}
function isSpace(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit === 0x85 || (unit !== 0xfeff && text.charAt(at).trim() === "");
}

/** The position after the last one is an empty text. */
function charAt(points: readonly string[], at: number): string {
  if (at < 0 || at > points.length) throw outOfRange;
  return points[at] ?? "";
}

function indexOf(text: string, part: string, from: number): number {
  const start = unitsBefore(text, from);
  const at = text.indexOf(part, start);
  return at < 0 ? -1 : pointsBefore(text, at);
}

function lastIndexOf(text: string, part: string, from: Value): number {
  const start = from === undefined ? text.length : unitsBefore(text, intOf(from));
  const at = text.lastIndexOf(part, start);
  return at < 0 ? -1 : pointsBefore(text, at);
}

/** UTF-16 units before the code point with this number. */
function unitsBefore(text: string, points: number): number {
  if (points < 0 || points > text.length) throw outOfRange;
  let units = 0;
  for (let point = 0; point < points; point++) {
    if (units >= text.length) throw outOfRange;
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  }
  return units;
}

function pointsBefore(text: string, units: number): number {
  let points = 0;
  for (const _ of text.slice(0, units)) points++;
  return points;
}

function substring(points: readonly string[], from: number, to: Value): string {
  const end = to === undefined ? points.length : intOf(to);
  if (from < 0 || end > points.length || from > end) throw outOfRange;
  return points.slice(from, end).join("");
}

/** At most `limit` parts, of which the last one holds the rest; a negative limit is none. */
function split(text: string, by: string, limit: number): readonly string[] {
  if (limit === 0) return [];
  const parts = by === "" ? pointsOf(text) : text.split(by);
  if (limit < 0 || parts.length <= limit) return parts;
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(by)];
}

function join(texts: Value, by: string): string {
  if (!Array.isArray(texts)) throw mistyped;
  let length = 0;
  for (const text of texts) length += textOf(text).length + by.length;
  if (length > madeMax) throw tooLong;
  return texts.join(by);
}

/** The first `limit` places; a negative limit means all. An empty text stands before each code point. */
function replace(text: string, old: string, by: string, limit: number): string {
  const parts = old === "" ? ["", ...pointsOf(text), ""] : text.split(old);
  const count = limit < 0 ? parts.length - 1 : Math.min(limit, parts.length - 1);
  if (text.length + count * (by.length - old.length) > madeMax) throw tooLong;
  const rest = parts.slice(count).join(old);
  return [...parts.slice(0, count), rest].join(by);
}
