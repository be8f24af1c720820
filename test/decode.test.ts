/** Decoders on requests written by hand: faults with their place, limits, lists that are interrupted. */
import { expect, test } from "vitest";
import { defaultDecodeLimits } from "../src/decode/limits.ts";
import { LogsDecoder } from "../src/decode/logs.ts";
import { MetricsDecoder } from "../src/decode/metrics.ts";
import { readText } from "../src/decode/text.ts";
import { TracesDecoder } from "../src/decode/traces.ts";
import type { DecodeError, Decoded, MetricsView } from "../src/decode/views.ts";
import { readRecording, recordingPaths } from "./support/recordings.ts";
import { lengthField, varint } from "./support/wire.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
/** Around an item: a resource's and a scope's message. */
const wrap = (...items: Buffer[]): Buffer =>
  lengthField(1, lengthField(2, ...items.map((item) => lengthField(2, item))));

function errorOf(decoded: Decoded<unknown>): DecodeError {
  if (decoded.ok) throw new Error("decoded");
  return decoded;
}

test.each<[name: string, span: Buffer, code: string, message: string]>([
  [
    "a length past the end",
    hex("0a05 00"),
    "truncated",
    "Span: a length of 5 where 1 bytes are left",
  ],
  [
    "a long length past the end",
    hex("0aff7f"),
    "truncated",
    "Span: a length of 16383 where 0 bytes are left",
  ],
  [
    "a huge length",
    hex("0affffffff0f"),
    "truncated",
    "Span: a length of 4294967295 where 0 bytes are left",
  ],
  [
    "a 64-bit length",
    hex("0a8080808080808001"),
    "truncated",
    "Span: a length of 0 where 0 bytes are left",
  ],
  ["a varint without end", hex("3080"), "truncated", "Span: a varint that does not end"],
  [
    "a varint of eleven bytes",
    hex(`30 ${"ff".repeat(10)} 01`),
    "bad_varint",
    "Span: a varint of more than ten bytes",
  ],
  ["a cut time", hex("39 0102"), "truncated", "Span: 8 bytes expected where 2 are left"],
  ["field number 0", hex("00 00"), "bad_tag", "Span: a tag without a valid field number"],
  [
    "a tag beyond 32 bits",
    hex("ffffffffff01"),
    "bad_tag",
    "Span: a tag without a valid field number",
  ],
  ["a group that does not end", hex("0b 0801"), "truncated", "Span: a varint that does not end"],
  ["a group's end alone", hex("0c"), "bad_tag", "Span: wire type 4 where a field begins"],
  ["the end of another group", hex("0b 13 0c"), "bad_tag", "Span: the end of another group"],
  ["a wire type that there is not", hex("0e"), "bad_tag", "Span: wire type 6 where a field begins"],
  [
    "groups inside each other",
    hex("0b".repeat(100_000)),
    "too_deep",
    "Span: more than 32 groups inside each other",
  ],
  ["a fault in a status", hex("7a02 1880"), "truncated", "Span.Status: a varint that does not end"],
  [
    "a fault in an event's attribute",
    hex("5a04 1a02 0a09"),
    "truncated",
    "Span.Event.KeyValue: a length of 9 where 0 bytes are left",
  ],
  [
    "a fault in a nested value",
    hex("4a08 1206 2a04 0a02 0a09"),
    "truncated",
    "Span.KeyValue.AnyValue.ArrayValue.AnyValue: a length of 9 where 0 bytes are left",
  ],
])("%s", (_, span, code, message) => {
  const error = errorOf(new TracesDecoder().decode(wrap(hex("2a0161"), span)));
  expect(error.code).toBe(code);
  expect(error.message).toBe(`cannot decode ResourceSpans.ScopeSpans.${message}`);
});

test("a fault in the request itself names the request", () => {
  const error = errorOf(new MetricsDecoder().decode(hex("0a")));
  expect(error).toEqual({
    ok: false,
    code: "truncated",
    message: "cannot decode ExportMetricsServiceRequest: a varint that does not end",
    offset: 1,
  });
});

test("after a fault the next request is decoded as if nothing had been", () => {
  const decoder = new TracesDecoder();
  const good = wrap(hex("2a0161"));
  expect(decoder.decode(wrap(hex("2a0162"), hex("0a05"))).ok).toBe(false);
  const decoded = decoder.decode(good);
  expect(decoded.ok && decoded.view.spans.count).toBe(1);
  expect(
    decoded.ok &&
      readText(
        decoded.view.bytes,
        decoded.view.spans.nameStart[0]!,
        decoded.view.spans.nameEnd[0]!,
      ),
  ).toBe("a"); // row 0 exists
});

const point = Buffer.alloc(0);
const gauge = (...points: Buffer[]): Buffer =>
  lengthField(5, ...points.map((each) => lengthField(1, each)));
const sum = (...points: Buffer[]): Buffer =>
  lengthField(7, ...points.map((each) => lengthField(1, each)));

test.each<[name: string, limits: object, metric: Buffer, isFine: boolean]>([
  ["items at the limit", { itemsMax: 3 }, gauge(point, point, point), true],
  ["items past the limit", { itemsMax: 3 }, gauge(point, point, point, point), false],
  ["attributes at the limit", { attributesMax: 2 }, gauge(hex("3a00 3a00")), true],
  ["attributes past the limit", { attributesMax: 2 }, gauge(hex("3a00 3a00 3a00")), false],
  [
    "bucket counts at the limit",
    { numbersMax: 1 },
    lengthField(9, lengthField(1, hex("3208"), Buffer.alloc(8))),
    true,
  ],
  [
    "bucket counts past the limit",
    { numbersMax: 1 },
    lengthField(9, lengthField(1, hex("3210"), Buffer.alloc(16))),
    false,
  ],
  ["a change of type, with its points", {}, Buffer.concat([gauge(point), sum(point)]), true],
  [
    "endless changes of type",
    {},
    Buffer.concat(Array.from({ length: 2_000 }, () => [gauge(point), sum(point)]).flat()),
    false,
  ],
])("limits: %s", (_, limits, metric, isFine) => {
  const decoded = new MetricsDecoder({ ...defaultDecodeLimits, ...limits }).decode(wrap(metric));
  expect(decoded.ok ? "ok" : decoded.code).toBe(isFine ? "ok" : "too_large");
});

test("a resource in ever more pieces ends at the limit, not in quadratic work", () => {
  const piece = lengthField(1, lengthField(1, lengthField(1, Buffer.from("k"))));
  const pieces = Buffer.concat(Array.from({ length: 50_000 }, () => piece));
  const decoded = new LogsDecoder().decode(lengthField(1, pieces));
  if (!decoded.ok) throw new Error(decoded.message);
  const { attributes, resources } = decoded.view;
  expect(attributes.count).toBe(50_000);
  expect([resources.attrStart[0], resources.attrEnd[0]]).toEqual([0, 50_000]);
});

test("attributes that alternate with an event's end at the limit, not in quadratic work", () => {
  const pair = hex("4a00 5a02 1a00");
  const span = Buffer.concat(Array.from({ length: 100_000 }, () => pair));
  expect(errorOf(new TracesDecoder().decode(wrap(span))).code).toBe("too_large");
});

test("an interrupted attribute list is one range, in order", () => {
  const attribute = (key: string): Buffer => lengthField(9, lengthField(1, Buffer.from(key)));
  const event = lengthField(11, lengthField(3, lengthField(1, Buffer.from("e"))));
  const span = Buffer.concat([attribute("a"), attribute("b"), event, attribute("c")]);
  const decoded = new TracesDecoder().decode(wrap(span));
  if (!decoded.ok) throw new Error(decoded.message);
  const { attributes, spans, bytes } = decoded.view;
  const keys = Array.from(attributes.keyStart.subarray(spans.attrStart[0], spans.attrEnd[0])).map(
    (start) => readText(bytes, start, start + 1),
  );
  expect(keys).toEqual(["a", "b", "c"]);
});

/** The attribute bytes of the only point. */
function attributeBytes(pointBytes: Buffer): [number, number, string] {
  const decoded = new MetricsDecoder().decode(wrap(gauge(pointBytes)));
  if (!decoded.ok) throw new Error(decoded.message);
  const { points, bytes } = decoded.view;
  const [start, end] = [points.attrBytesStart[0] ?? 0, points.attrBytesEnd[0] ?? 0];
  return [points.attrStart[0] ?? 0, points.attrEnd[0] ?? 0, bytes.toString("hex", start, end)];
}

test.each([
  ["none", "4001", [0, 0, ""]],
  ["at the start", "3a00 3a03 0a0161 4001", [0, 2, "3a003a030a0161"]],
  ["at the end", "4001 3a00 3a00", [0, 2, "3a003a00"]],
  ["in two runs", "3a00 4001 3a00", [0, 2, ""]],
  ["in three runs", "3a00 4001 3a00 4001 3a00", [0, 3, ""]],
])("the byte range of a point's attributes: %s", (_, pointHex, expected) => {
  expect(attributeBytes(hex(pointHex))).toEqual(expected);
});

test("every recorded point has its attributes in one run", () => {
  const decoder = new MetricsDecoder();
  const bodies = recordingPaths()
    .flatMap(readRecording)
    .filter(({ signal }) => signal === "metrics");
  for (const { body } of bodies) {
    const decoded = decoder.decode(body);
    expect(decoded.ok && pointsWithoutRange(decoded.view)).toBe(0);
  }
});

function pointsWithoutRange({ points }: MetricsView): number {
  let without = 0;
  for (let row = 0; row < points.count; row++) {
    const hasList = points.attrStart[row] !== points.attrEnd[row];
    const hasRange = points.attrBytesStart[row] !== points.attrBytesEnd[row];
    if (hasList !== hasRange) without++;
  }
  return without;
}

test("hostile requests of 4 MiB are refused or read in time", () => {
  const mebibytes = 4 << 20;
  const fillWith = (unit: Buffer): Buffer =>
    Buffer.concat(Array.from({ length: Math.floor(mebibytes / unit.length) }, () => unit));
  const requests = [
    fillWith(hex("0a00")),
    fillWith(hex("0a021200")),
    wrap(fillWith(hex("2a003a00"))),
    wrap(gauge(fillWith(hex("3a00")))),
    wrap(lengthField(10, lengthField(1, fillWith(hex("42021001 4a021001"))))),
    Buffer.alloc(mebibytes, 0xff),
    Buffer.concat([varint(8), Buffer.alloc(mebibytes, 0x80)]),
  ];
  for (const request of requests) {
    const started = performance.now();
    new MetricsDecoder().decode(request);
    expect(performance.now() - started).toBeLessThan(10_000);
  }
});
