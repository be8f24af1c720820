import { expect, test } from "vitest";
import { parseTimeoutMs } from "./grpc-headers.ts";

test.each<[string, number]>([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["5S", 5_000],
  ["250m", 250],
  ["1500u", 1.5],
  ["2000000n", 2],
  ["0S", 0],
  ["99999999H", 99_999_999 * 3_600_000],
])("grpc-timeout %s is %d ms", (timeout, expected) => {
  expect(parseTimeoutMs(timeout)).toBeCloseTo(expected, 9);
});

test.each(["", "5", "S", "123456789S", "-1S", "1.5S", "5s", "5 S", "5S,5S"])(
  "grpc-timeout %j is none",
  (timeout) => {
    expect(parseTimeoutMs(timeout)).toBeNaN();
  },
);
