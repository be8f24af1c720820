/** The pause a sink asks for: as any server encodes it, and as no server should. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { replies } from "../receive/answers.ts";
import { statusDetails as ourDetails } from "../receive/grpc-wire.ts";
import { statusDetails } from "../../test/support/otlp-sink.ts";
import { retryDelayUs } from "./retry-info.ts";

test("a RetryInfo among other details is read, with its nanoseconds", () => {
  expect(retryDelayUs(statusDetails(14, { seconds: 5, nanos: 250_000_000 }))).toBe(5_250_000);
  expect(retryDelayUs(statusDetails(8, { seconds: 0, nanos: 1_500 }))).toBe(2);
  expect(retryDelayUs(statusDetails(8, { seconds: 0, nanos: 0 }))).toBe(0);
  expect(retryDelayUs(statusDetails(14, { seconds: 2 ** 40, nanos: 0 }))).toBe(2 ** 40 * 1e6);
});

test("what our own receiver answers is read", () => {
  const reply = replies.noRoom();
  const details = Buffer.from(ourDetails(reply, 2_500), "base64");
  expect(retryDelayUs(details)).toBe(2_500_000);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["a status without details", Buffer.from([0x08, 0x0e])],
  ["a negative pause", statusDetails(14, { seconds: -1, nanos: 0 })],
  ["negative nanoseconds", statusDetails(14, { seconds: 0, nanos: -1 })],
  ["a length beyond the end", Buffer.from([0x1a, 0x7f, 0x00])],
  ["a varint without end", Buffer.alloc(32, 0xff)],
  ["groups", Buffer.from([0x1b, 0x1c])],
  [
    "more than is read",
    Buffer.concat([statusDetails(14, { seconds: 1, nanos: 0 }), Buffer.alloc(70_000)]),
  ],
])("%s is no RetryInfo", (_name, bytes) => {
  expect(retryDelayUs(bytes)).toBe(null);
});

test("whatever the bytes are, the answer is a pause or none", () => {
  const whole = [...statusDetails(14, { seconds: 5, nanos: 250_000_000 })];
  const hostile = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({ maxLength: 12 }), fc.nat(12));
  fc.assert(
    fc.property(hostile, ([at, bytes, cut]) => {
      const changed = Buffer.from(whole.toSpliced(at, cut, ...bytes));
      const delayUs = retryDelayUs(changed);
      expect(delayUs === null || delayUs >= 0).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
