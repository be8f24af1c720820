/**
 * Time inside the engine is one number: microseconds since the Unix epoch, a safe integer until the
 * year 2255. Telemetry counts nanoseconds; the remainder below a microsecond (0 to 999) travels beside
 * it as `nanos` where evidence shows it to people, and takes no part in any comparison.
 */
export type Us = number;

export const usPerMs = 1_000;
export const usPerSecond = 1_000_000;
export const usPerMinute = 60 * usPerSecond;
export const usPerHour = 60 * usPerMinute;
export const usPerDay = 24 * usPerHour;

/** RFC 3339 in UTC with nine fractional digits, as the API and the exported records show times. */
export function usToRfc3339(us: Us, nanos = 0): string {
  const seconds = Math.floor(us / usPerSecond);
  const fraction =
    String(us - seconds * usPerSecond).padStart(6, "0") + String(nanos).padStart(3, "0");
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}.${fraction}Z`;
}
