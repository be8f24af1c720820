import { expect, test } from "vitest";
import { halvesToNanos, halvesToUs, isUsableTime, parseRfc3339, usableStart } from "./times.ts";

test("a nanosecond time keeps all its digits", () => {
  for (const nanos of [0n, 999n, 1_000n, 1_795_246_262_487_604_123n, 4_102_444_799_999_999_999n]) {
    const low = Number(nanos & 0xffff_ffffn);
    const high = Number(nanos >> 32n);
    const back = BigInt(halvesToUs(low, high)) * 1_000n + BigInt(halvesToNanos(low, high));
    expect(back).toBe(nanos);
  }
});

test("RFC 3339", () => {
  const cases: [string, number, number][] = [
    ["2026-11-21T07:31:02.943Z", 1_795_246_262_943_000, 0],
    ["2026-11-21T07:31:02Z", 1_795_246_262_000_000, 0],
    ["2026-11-21T08:31:02.123456789+01:00", 1_795_246_262_123_456, 789],
    ["2026-11-21T07:31:02.1234567891Z", 1_795_246_262_123_456, 789],
    ["2026-13-41T07:31:02Z", 0, 0],
    ["2026-11-21", 0, 0],
    ["yesterday", 0, 0],
    ["", 0, 0],
  ];
  for (const [text, us, nanos] of cases)
    expect([text, parseRfc3339(text)]).toEqual([text, { us, nanos }]);
});

test("times that cannot be are told from those that can", () => {
  const now = 1_795_246_262_000_000;
  expect([now, now - 1e12, now + 3e9].map((timeUs) => isUsableTime(timeUs, now))).toEqual([
    true,
    true,
    true,
  ]);
  expect([0, 1_795_246_262, now + 4e9, Infinity].some((timeUs) => isUsableTime(timeUs, now))).toBe(
    false,
  );
  expect(usableStart(1_795_246_259_549, now)).toBe(0); // Envoy's sink: microseconds read as nanoseconds
  expect(usableStart(now + 1, now)).toBe(0);
  expect(usableStart(now - 5, now)).toBe(now - 5);
});
