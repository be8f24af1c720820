import { expect, test } from "vitest";
import { usPerMinute, usPerSecond } from "../model/time.ts";
import { makeClockOffset, noteOffset, offsetOf, worstOffset } from "./clock-offset.ts";

const minute = usPerMinute;
const second = usPerSecond;

const noted = (...differences: readonly (readonly [atUs: number, differenceUs: number])[]) => {
  const offset = makeClockOffset();
  for (const [atUs, differenceUs] of differences) noteOffset(offset, differenceUs, atUs);
  return offsetOf(offset);
};

test("batches and queues make telemetry late; the promptest of it tells the clock", () => {
  expect(
    noted([10 * minute, 65 * second], [11 * minute, 2 * second], [12 * minute, 40 * second]),
  ).toBe(2 * second);
});

test("telemetry from the future is a clock ahead", () => {
  expect(noted([10 * minute, -600 * second], [11 * minute, -540 * second])).toBe(-600 * second);
});

test("a clock that was set right is believed after two windows, not before one", () => {
  const wrong = [10 * minute, -600 * second] as const;
  expect(noted(wrong, [14 * minute, second])).toBe(-600 * second);
  expect(noted(wrong, [16 * minute, second])).toBe(-600 * second);
  expect(noted(wrong, [16 * minute, second], [21 * minute, second])).toBe(second);
  expect(noted(wrong, [30 * minute, second])).toBe(second);
});

test("nothing noted is not known, and the farthest of several counts", () => {
  expect(noted()).toBeNull();
  expect(worstOffset([])).toBeNull();
  expect(worstOffset([null, second, -5 * second, 3 * second])).toBe(-5 * second);
});
