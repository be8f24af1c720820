/** Lengths of time, sizes and endpoints as people write them, and as the engine counts. */
import { usPerDay, usPerHour, usPerMinute, usPerMs, usPerSecond, type Us } from "../model/time.ts";

const durationUnits: Readonly<Record<string, number>> = {
  ms: usPerMs,
  s: usPerSecond,
  m: usPerMinute,
  h: usPerHour,
  d: usPerDay,
};
const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Patterns for the JSON Schema too, so they are plain text. */
export const durationPattern = String.raw`^(\d{1,9}(ms|s|m|h|d))+$`;
export const sizePattern = String.raw`^\d{1,9}(B|KiB|MiB|GiB|TiB)$`;

/** `30s`, `1h30m`; null when it is none. */
export function parseDuration(text: string): Us | null {
  if (!new RegExp(durationPattern).test(text)) return null;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(count) * (durationUnits[unit ?? ""] ?? 0);
  }
  return Number.isSafeInteger(total) ? total : null;
}

/** `64MiB`; units are binary, and there is always one. */
export function parseSize(text: string): number | null {
  const [, count, unit] = /^(\d{1,9})(B|KiB|MiB|GiB|TiB)$/.exec(text) ?? [];
  const bytes = Number(count) * (byteUnits[unit ?? ""] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Where to listen. */
export interface Endpoint {
  /** An address (IPv6 without brackets) or a name. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** `127.0.0.1:4317`, `[::1]:4317`, `localhost:0`. The host is never left out: it decides who can connect. */
export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? null : { host, port };
}
