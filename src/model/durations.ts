/** Lengths of time as configuration and rule files write them: `15m`, `1h30m`, `500ms`. */
import { usPerDay, usPerHour, usPerMinute, usPerMs, usPerSecond, type Us } from "./time.ts";

const unitUs: Readonly<Record<string, number>> = {
  ms: usPerMs,
  s: usPerSecond,
  m: usPerMinute,
  h: usPerHour,
  d: usPerDay,
};

/** Whole numbers with units, from large to small or in any order; the same text the JSON Schema asks. */
export const durationPattern = String.raw`^(\d{1,9}(ms|s|m|h|d))+$`;
const duration = new RegExp(durationPattern);

/** Microseconds, or null when the text is no duration. */
export function parseDuration(text: string): Us | null {
  if (!duration.test(text)) return null;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(count) * (unitUs[unit ?? ""] ?? 0);
  }
  return Number.isSafeInteger(total) ? total : null;
}

const durationUnits = [
  ["d", usPerDay],
  ["h", usPerHour],
  ["m", usPerMinute],
  ["s", usPerSecond],
  ["ms", usPerMs],
] as const;

/** `1d12h`, as the format reads it; it has whole milliseconds only. */
export function durationToText(us: Us): string {
  let rest = us;
  let text = "";
  for (const [unit, size] of durationUnits) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === "" ? "0s" : text;
}
