/** Reads foreign times into `Us`. It knows no clock: what is possible is told by the receive time. */
import { usPerHour, type Us } from "../model/time.ts";

/** Times before 1973 are microseconds or milliseconds in a field of nanoseconds, not times. */
const earliestUs = 1e14;

/** Later than this after its receipt nothing has happened: the sender's clock is worthless. */
const maxAheadUs = usPerHour;

/** Whole microseconds of a nanosecond time in two 32-bit halves; exact for every time before 2255. */
export function halvesToUs(low: number, high: number): Us {
  return high * 4_294_967 + Math.floor((high * 296 + low) / 1_000); // 2^32 = 4,294,967 * 1000 + 296
}

/** The nanoseconds below the microsecond that `halvesToUs` leaves out. */
export function halvesToNanos(low: number, high: number): number {
  return (high * 296 + low) % 1_000;
}

export function isUsableTime(timeUs: Us, receivedUs: Us): boolean {
  return timeUs >= earliestUs && timeUs <= receivedUs + maxAheadUs;
}

/** A series' start, or 0 where the sender gave none or one that cannot be (Envoy's sink: microseconds). */
export function usableStart(startUs: Us, timeUs: Us): Us {
  return startUs >= earliestUs && startUs <= timeUs ? startUs : 0;
}

export interface ExactTime {
  readonly us: Us;
  readonly nanos: number;
}

export const noTime: ExactTime = { us: 0, nanos: 0 };

const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

/** RFC 3339 with up to nine fractional digits; `noTime` when it is none. */
export function parseRfc3339(text: string): ExactTime {
  const { length } = text;
  const isZulu = text[10] === "T" && text[19] === "." && text[length - 1] === "Z";
  return isZulu && length <= 30 ? parseZulu(text) : parseAny(text);
}

/** `2026-11-21T07:31:02.943Z`, as nearly everybody writes it, without the cost of a pattern. */
function parseZulu(text: string): ExactTime {
  const digits = text.length - 21;
  let fraction = 0;
  for (let at = 20; at < text.length - 1; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return noTime;
    fraction = fraction * 10 + digit;
  }
  const ms = digits > 0 ? Date.parse(`${text.slice(0, 19)}Z`) : Number.NaN;
  if (Number.isNaN(ms)) return noTime;
  const nanos = fraction * 10 ** (9 - digits);
  return { us: ms * 1_000 + Math.floor(nanos / 1_000), nanos: nanos % 1_000 };
}

function parseAny(text: string): ExactTime {
  const match = text.length > 64 ? null : rfc3339.exec(text);
  if (!match) return noTime;
  const zone = match[4] ?? "Z";
  const seconds = Date.parse(`${match[1]}T${match[2]}${zone === "z" ? "Z" : zone}`) / 1_000;
  if (!Number.isFinite(seconds)) return noTime;
  const fraction = Number((match[3] ?? "").padEnd(9, "0"));
  return { us: seconds * 1_000_000 + Math.floor(fraction / 1_000), nanos: fraction % 1_000 };
}
