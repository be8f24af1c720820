import { expect, test } from "vitest";
import { Signal } from "../model/stages.ts";
import { encodeCounters, encodeLogs, encodeSpans } from "./demo/otlp.ts";
import { shiftTimes } from "./shift-times.ts";

const atMs = Date.parse("2026-03-01T10:00:00.252Z");
const byMs = 3_600_008;
const laterMs = atMs + byMs;
const text = (ms: number): string => new Date(ms).toISOString();

const log = (ms: number) => {
  const nested = { time: text(ms), items: [{ at: text(ms), ns: ms * 1e6, count: 3 }] };
  const attributes = {
    "flow.start": ms * 1e6,
    port: 443,
    note: `seen ${text(ms)} twice ${text(ms)}`,
  };
  return encodeLogs({ boot: text(atMs) }, [
    { timeMs: ms, attributes, body: `[${text(ms)}] "GET / HTTP/1.1" 200` },
    { timeMs: ms, attributes: {}, body: nested },
  ]);
};
const span = (ms: number) =>
  encodeSpans({}, [
    {
      traceId: "ab".repeat(16),
      spanId: "cd".repeat(8),
      parentSpanId: "",
      isServer: true,
      name: "call",
      startMs: ms,
      endMs: ms + 5,
      attributes: { n: 1 },
    },
  ]);
const counter = (ms: number) =>
  encodeCounters({}, [{ name: "n", attributes: { a: "b" }, value: 2 }], ms);

test.each([
  ["logs", Signal.logs, log],
  ["spans", Signal.traces, span],
  ["counters", Signal.metrics, counter],
] as const)("%s shifted are what would have been encoded later", (_, signal, encode) => {
  const shifted = Buffer.from(encode(atMs).bytes);
  shiftTimes(signal, shifted, byMs);
  expect(shifted).toEqual(Buffer.from(encode(laterMs).bytes));
});

test("what is not protobuf is refused", () => {
  expect(() => shiftTimes(Signal.logs, Buffer.from([0x0a, 0x7f, 0x01]), 1)).toThrow("cannot shift");
});
