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

/** Beside the fields, in ztunnel's JSON. */
export const ztunnelHeadNames = ["time", "level", "scope", "message"] as const;

export const maxZtunnelLine = 8_192;
const maxFieldLength = 512;

/** Time, level and scope; container runtimes may have put their own time and stream before them. */
const head =
  /^(?:\S{20,40} std(?:out|err) [FP] )?(\d{4}-\d\d-\d\d[Tt]\S{9,30})\s{1,4}(\w{1,8})\s{1,4}access\s{1,4}/;

/** Whether the start of a text (some hundred characters) may begin such a line. */
export function looksLikeZtunnel(start: string): boolean {
  if (start.startsWith("{")) return start.includes('"access"') && !start.includes('"process_');
  return head.test(start);
}

/** A line of the text format, or null. */
export function parseZtunnelText(text: string): ZtunnelLine | null {
  const found = head.exec(text);
  if (!found) return null;
  const rest = text.slice(found[0].length);
  const fieldsAt = rest.indexOf("src.addr=");
  if (fieldsAt < 0) return null;
  const fields = parseFields(rest.slice(fieldsAt));
  return {
    time: found[1] ?? "",
    level: (found[2] ?? "").toLowerCase(),
    message: rest.slice(0, fieldsAt).trim(),
    field: (name) => known(fields.get(name)),
  };
}

/** `key=value key="quoted value"`; what follows the first fault is left out. */
function parseFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const pair = /\s*([a-z][a-z_.]{0,31})=(?:"((?:[^"\\]|\\.)*)"|([^\s"]\S*)?)(?=\s|$)/y;
  for (let found = pair.exec(text); found; found = pair.exec(text)) {
    const [whole, key = "", quoted, bare] = found;
    if (whole === "" || fields.size > 64) break;
    if (!fields.has(key)) fields.set(key, quoted ?? bare ?? "");
  }
  return fields;
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
