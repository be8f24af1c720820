/**
 * One line of ztunnel's access log in parts, from any of the shapes it arrives in: text with tabs (names
 * quoted or, in old releases, bare), JSON text, or ztunnel's keys as attributes or as a key-value list.
 * Of a repeated key the first counts: what a peer can write, an error's text, stands last.
 */
import { isObject, textField, type Json } from "../json.ts";

export interface ZtunnelLine {
  /** RFC 3339 with microseconds; when the line was written, which is when the connection ended. */
  readonly time: string;
  readonly level: string;
  readonly message: string;
  /** `src.addr`, `dst.hbone_addr`, …; "" = absent or `unknown`. */
  field(name: ZtunnelField): string;
}

export const ztunnelFields = [
  "src.addr",
  "src.workload",
  "src.namespace",
  "src.identity",
  "src.cluster",
  "dst.addr",
  "dst.hbone_addr",
  "dst.service",
  "dst.workload",
  "dst.namespace",
  "dst.identity",
  "dst.cluster",
  "direction",
  "bytes_sent",
  "bytes_recv",
  "duration",
  "error",
] as const;

export type ZtunnelField = (typeof ztunnelFields)[number];

const indexOfField: ReadonlyMap<ZtunnelField, number> = new Map(
  ztunnelFields.map((name, index) => [name, index]),
);

/** Beside the fields, in ztunnel's JSON. */
export const ztunnelHeadNames = ["time", "level", "scope", "message"] as const;

export const maxZtunnelLine = 8_192;
const maxFieldLength = 512;

/** Lines of ztunnel's that are no connection's: of its DNS proxy, and of requests within connections. */
export const otherScopes: ReadonlySet<string> = new Set(["dns", "http access"]);

/** `time TAB level TAB scope TAB …`; collectors and people turn the tabs into spaces. */
interface Head {
  readonly time: string;
  readonly level: string;
  readonly scope: string;
  /** Behind the scope. */
  readonly end: number;
}

/** Null when the text is no line of ztunnel's, to which its first hundred characters are enough. */
export function readZtunnelHead(text: string): Head | null {
  const year = text.charCodeAt(0) - 48;
  if (!(year >= 0 && year <= 9) || text[4] !== "-" || (text[10] !== "T" && text[10] !== "t")) {
    return null;
  }
  const timeEnd = wordEnd(text, 0);
  const levelAt = wordStart(text, timeEnd);
  const levelEnd = wordEnd(text, levelAt);
  const scopeAt = wordStart(text, levelEnd);
  let end = wordEnd(text, scopeAt);
  if (timeEnd < 20 || timeEnd > 41 || levelEnd - levelAt > 8 || end === scopeAt) return null;
  if (text.startsWith("http access", scopeAt)) end = scopeAt + 11;
  const scope = text.slice(scopeAt, end);
  if (scope !== "access" && !otherScopes.has(scope)) return null;
  const level = text.slice(levelAt, levelEnd).toLowerCase();
  return { time: text.slice(0, timeEnd), level, scope, end };
}

/** Longer words stand in no head. */
const maxWord = 64;
const maxKey = 32;

function isGap(text: string, at: number): boolean {
  return text[at] === "\t" || text[at] === " ";
}

function wordEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && at - start < maxWord && !isGap(text, at)) at++;
  return at;
}

function wordStart(text: string, end: number): number {
  let at = end;
  while (at - end < 4 && isGap(text, at)) at++;
  return at;
}

/** Whether the start of a JSON text (some hundred characters) may begin such a line. */
export function mayBeZtunnelJson(start: string): boolean {
  return start.includes('"scope"') && (start.includes("access") || start.includes('"dns"'));
}

/** A line of the text format whose head is that, or null. */
export function parseZtunnelText(text: string, head: Head): ZtunnelLine | null {
  const fieldsAt = text.indexOf("src.addr=", head.end);
  if (fieldsAt < 0) return null;
  const values = parseFields(text, fieldsAt);
  return {
    time: head.time,
    level: head.level,
    message: text.slice(head.end, fieldsAt).trim(),
    field: (name) => known(values[indexOfField.get(name) ?? -1]),
  };
}

const maxPairs = 64;

/** `key=value key="quoted value"`; what follows the first fault is left out. */
function parseFields(text: string, start: number): readonly string[] {
  const values: string[] = [];
  let at = start;
  let next = 0;
  for (let pairs = 0; pairs <= maxPairs; pairs++) {
    while (isGap(text, at) || text[at] === "\n") at++;
    const equals = text.indexOf("=", at);
    if (equals <= at || equals - at > maxKey) break;
    const isQuoted = text[equals + 1] === '"';
    const valueAt = isQuoted ? equals + 2 : equals + 1;
    const valueEnd = isQuoted ? closingQuote(text, valueAt) : bareEnd(text, valueAt);
    if (valueEnd < 0) break;
    const field = fieldAt(text, at, equals - at, next);
    at = isQuoted ? valueEnd + 1 : valueEnd;
    if (at < text.length && !isGap(text, at) && text[at] !== "\n") break;
    if (field < 0) continue;
    values[field] ??= text.slice(valueAt, valueEnd);
    next = field + 1;
  }
  return values;
}

/** Which field's name stands there; ztunnel writes them in order, so the next one is tried first. */
function fieldAt(text: string, at: number, length: number, next: number): number {
  const count = ztunnelFields.length;
  for (let tried = 0; tried < count; tried++) {
    const index = (next + tried) % count;
    const name = ztunnelFields[index] ?? "";
    if (name.length === length && text.startsWith(name, at)) return index;
  }
  return -1;
}

/** Where the quote is that no backslash stands before; -1 = there is none. */
function closingQuote(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function bareEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && !isGap(text, at) && text[at] !== "\n") {
    if (text[at] === '"') return -1;
    at++;
  }
  return at;
}

/** A line from ztunnel's own keys in JSON or a key-value list; null when it is not one. */
export function ztunnelFromObject(value: Json): ZtunnelLine | null {
  if (!isObject(value) || textField(value, "scope", 32) !== "access") return null;
  return ztunnelFromFields((name) => textField(value, name, maxFieldLength));
}

/** From named texts; null where both addresses are missing. */
export function ztunnelFromFields(text: (name: string) => string): ZtunnelLine | null {
  if (text("src.addr") === "" && text("dst.addr") === "") return null;
  return {
    time: text("time"),
    level: text("level").toLowerCase(),
    message: text("message"),
    field: (name) => known(text(name)),
  };
}

function known(text: string | undefined): string {
  return text === undefined || text === "unknown" ? "" : text.slice(0, maxFieldLength);
}
