/** OTLP/JSON becomes the protobuf message that it stands for, or a fault that says where. */
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import * as fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { requestArbitrary } from "../../test/support/otlp-arbitrary.ts";
import { bytesToOtlpJson } from "../../test/support/otlp-json.ts";
import { bytesToPlain, requestTypes, type SignalName } from "../../test/support/otlp-oracle.ts";
import { makeRandom } from "../../test/support/wire.ts";
import { Signal } from "../model/stages.ts";
import { exportLogs, exportMetrics, exportTraces, type Fields } from "./json-messages.ts";
import { jsonToProtobuf, type Transcoded } from "./otlp-json.ts";

const megabyte = 1 << 20;
const signals = ["traces", "metrics", "logs"] as const;
const transcode = (signal: SignalName, text: string | Buffer, limit = 64 * megabyte): Transcoded =>
  jsonToProtobuf(Buffer.from(text), Signal[signal], limit);

function bodyOf(transcoded: Transcoded): Buffer {
  if (!transcoded.ok) throw new Error(transcoded.why);
  return Buffer.from(transcoded.body);
}

/** `path: number kind` of every field below a request; those of profiles left out. */
function fieldsOfProto(type: protobuf.Type, path = "", open: readonly string[] = []): string[] {
  if (open.includes(type.fullName)) return [];
  return type.fieldsArray.flatMap((field) => {
    const { name, id, repeated, resolvedType } = field.resolve();
    if (name.endsWith("strindex")) return [];
    const at = `${path}.${protobuf.util.camelCase(name)}${repeated ? "[]" : ""}`;
    if (resolvedType instanceof protobuf.Type) {
      const inner = fieldsOfProto(resolvedType, at, [...open, type.fullName]);
      return [`${at}: ${id} message`, ...inner];
    }
    const isId = /^(trace|span|parent_span)_id$/.test(name);
    const kind = field.type === "bytes" ? (isId ? "hex" : "base64") : field.type;
    return [`${at}: ${id} ${resolvedType instanceof protobuf.Enum ? "enum" : kind}`];
  });
}

function fieldsOfTable(fields: Fields, path = "", open: readonly Fields[] = []): string[] {
  if (open.includes(fields)) return [];
  return fields.flatMap((field) => {
    const at = `${path}.${field.name}${field.isRepeated ? "[]" : ""}`;
    const inner = field.fields ? fieldsOfTable(field.fields, at, [...open, fields]) : [];
    return [`${at}: ${field.number} ${field.kind}`, ...inner];
  });
}

test.each([
  ["traces", exportTraces],
  ["metrics", exportMetrics],
  ["logs", exportLogs],
] as const)("the table of %s has the fields of proto/, all of them", (signal, table) => {
  const expected = fieldsOfProto(requestTypes[signal]).toSorted();
  expect(expected.length).toBeGreaterThan(50);
  expect(fieldsOfTable(table).toSorted()).toEqual(expected);
});

test.each(signals)("any request of %s means the same in JSON", (signal) => {
  fc.assert(
    fc.property(requestArbitrary(signal), fc.nat(), (bytes, seed) => {
      const json = bytesToOtlpJson(signal, bytes, makeRandom(seed));
      expect(bytesToPlain(signal, bodyOf(transcode(signal, json)))).toEqual(
        bytesToPlain(signal, bytes),
      );
    }),
    { numRuns: 700 },
  );
});

test("what the JS SDK writes in JSON is what it writes in protobuf", () => {
  const span = {
    name: "GET /",
    kind: 2,
    startTime: [1_763_713_562, 123_456_789],
    endTime: [1_763_713_563, 0],
    duration: [0, 1],
    ended: true,
    status: { code: 2, message: "no" },
    attributes: { "http.route": "/ü", count: 3, ratio: 0.5, on: true, list: ["a", "b"] },
    links: [],
    events: [{ name: "e", time: [1_763_713_562, 5], attributes: { a: 1 } }],
    resource: { attributes: { "service.name": "web" } },
    instrumentationScope: { name: "lib", version: "1" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    spanContext: () => ({ traceId: "ab".repeat(16), spanId: "cd".repeat(8), traceFlags: 1 }),
  };
  // The serializers read these of a span and nothing else.
  const spans = [span] as unknown as Parameters<typeof JsonTraceSerializer.serializeRequest>[0];
  const json = Buffer.from(JsonTraceSerializer.serializeRequest(spans) ?? []);
  const bytes = Buffer.from(ProtobufTraceSerializer.serializeRequest(spans) ?? []);
  expect(json.toString()).toMatch(/^\{"resourceSpans":/);
  expect(bytesToPlain("traces", bodyOf(transcode("traces", json)))).toEqual(
    bytesToPlain("traces", bytes),
  );
});

const spanWith = (field: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${field}}]}]}]}`;
const spanPath = "resourceSpans[0].scopeSpans[0].spans[0]";

test.each([
  ["no object", "[]", "the request at byte 0 of the JSON: expected '{' of an object"],
  ["nothing", "", "the request at byte 0 of the JSON: expected '{' of an object"],
  ["more than one object", "{}{}", "byte 2 of the JSON: something follows"],
  ["a byte 0 behind it", "{}\0", "byte 2 of the JSON: something follows"],
  ["cut off", '{"resourceSpans":[', "resourceSpans[0] at byte 18"],
  ["a trailing comma", '{"resourceSpans":[],}', "byte 20 of the JSON: expected '\"' before a key"],
  ["an object for an array", '{"resourceSpans":{}}', "resourceSpans at byte 17"],
  ["null in an array", '{"resourceSpans":[null]}', "resourceSpans[0] at byte 18"],
  ["an enum's name", spanWith('"kind":"SPAN_KIND_SERVER"'), `${spanPath}.kind at byte 51`],
  ["an id in base64", spanWith('"traceId":"q83vASNFZ4mrze8BI0VniQ=="'), "must be hex digits"],
  ["half a byte", spanWith('"spanId":"abc"'), "must be hex digits, two per byte"],
  ["a time below 0", spanWith('"startTimeUnixNano":"-1"'), "a negative count or time"],
  ["a time of 65 bits", spanWith('"endTimeUnixNano":18446744073709551616'), "64 bits"],
  ["a broken number", spanWith('"droppedLinksCount":01'), "expected a number"],
  ["no integer", spanWith('"droppedLinksCount":1.5'), "1.5 is no integer"],
  ["33 bits", spanWith('"droppedLinksCount":4294967296'), "4294967296 does not fit into 32 bits"],
  ["an empty number", spanWith('"flags":""'), "the string is no number"],
  ["an endless number", spanWith(`"flags":${"1".repeat(1_000)}`), "expected a number"],
  ["a text that does not end", '{"a', "a string does not end"],
  ["a newline in a text", '{"a\n":1}', "a raw control character"],
  ["an unknown escape", '{"\\x":1}', "an escape that JSON does not have"],
  ["half an escape", '{"\\u12":1}', "an escape without four hex digits"],
  ["a wrong word", spanWith('"name":nul'), "expected null"],
  ["a bracket for a brace", '{"unknown":{"a":[1}]}', "expected ']' or ','"],
])("%s is told with its place", (_, json, why) => {
  expect(transcode("traces", json)).toMatchObject({
    ok: false,
    isTooLarge: false,
    why: expect.stringContaining(why),
  });
});

test.each([
  ["an empty request", "{}", ""],
  ["spaces around it", " \r\n\t{ } ", ""],
  ["a byte order mark", "\ufeff{}", ""],
  ["null", '{"resourceSpans":null}', ""],
  ["names in snake_case are unknown", '{"resource_spans":[{}]}', ""],
  ["what nobody knows", '{"x":[1,{"y":[[],{}]},"]"],"z":-1.5e-3,"t":true}', ""],
  ["an escaped name", '{"resource\\u0053pans":[{}]}', "0a00"],
  ["an integer with an exponent", spanWith('"droppedLinksCount":1e3'), "0a071205120370e807"],
])("%s", (_, json, hex) => {
  expect(bodyOf(transcode("traces", json)).toString("hex")).toBe(hex);
});

test("the message's limit holds, to the byte", () => {
  const json = spanWith(`"name":"${"x".repeat(2_000)}"`);
  const { length } = bodyOf(transcode("traces", json));
  expect(transcode("traces", json, length)).toMatchObject({ ok: true });
  expect(transcode("traces", json, length - 1)).toMatchObject({ ok: false, isTooLarge: true });
});

test("deep nesting costs no more than its bytes", () => {
  const deep = '{"arrayValue":{"values":['.repeat(1_000_000);
  const log = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${deep}`;
  expect(transcode("logs", log)).toMatchObject({ ok: false, why: /nested deeper than 128$/ });
  expect(transcode("logs", `{"unknown":${"[".repeat(5_000_000)}`)).toMatchObject({
    ok: false,
    why: expect.stringContaining("nested deeper than 128"),
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test("spoiled texts: nothing is thrown, and what is no JSON is never taken", () => {
  const seeds = fc.sample(fc.tuple(fc.constantFrom(...signals), fc.nat()), {
    numRuns: 20,
    seed: 7,
  });
  const texts = seeds.map(([signal, seed]) => {
    const [bytes = Buffer.alloc(0)] = fc.sample(requestArbitrary(signal), { numRuns: 1, seed });
    return [signal, Buffer.from(bytesToOtlpJson(signal, bytes, makeRandom(seed)))] as const;
  });
  const pieces = ["{", "}", "[", "]", '"', ",", ":", "\\", "\\u", "null", "0", "-", "1e9", "\0"];
  let refused = 0;
  fc.assert(
    fc.property(
      fc.nat({ max: texts.length - 1 }),
      fc.nat(),
      fc.nat({ max: 4 }),
      fc.constantFrom(...pieces),
      (index, at, drop, piece) => {
        const [signal, text] = texts[index] ?? ["logs", Buffer.alloc(0)];
        const start = at % (text.length + 1);
        const tail = text.subarray(Math.min(text.length, start + drop));
        const spoiled = Buffer.concat([text.subarray(0, start), Buffer.from(piece), tail]);
        const { ok } = transcode(signal, spoiled);
        if (!ok) refused++;
        expect(ok && !isJson(spoiled.toString())).toBe(false);
      },
    ),
    { numRuns: 5_000 },
  );
  expect(refused).toBeGreaterThan(1_000);
});
