/**
 * OTLP 1.11 as executable cases against the running engine, over gRPC, HTTP/protobuf and HTTP/JSON: what
 * a server MUST or SHOULD do, and what the answer says. Each case is one row of the specification for
 * one signal and one way; what needs a server in trouble (retry hints, draining, deadlines) is in
 * test/receive-answers.test.ts and test/receive-http-answers.test.ts, byte for byte.
 *
 * Source: https://opentelemetry.io/docs/specs/otlp/
 */
import type { ClientHttp2Session } from "node:http2";
import zlib from "node:zlib";
import protobuf from "protobufjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportPath, grpcFrame, openSession, sendOn } from "../support/grpc-receiver.ts";
import { sendHttp } from "../support/http-receiver.ts";
import { bytesToOtlpJson } from "../support/otlp-json.ts";
import { anyValue, logsRequest, metricsRequest, tracesRequest } from "../support/otlp-build.ts";
import { requestTypes, type SignalName } from "../support/otlp-oracle.ts";
import { freePort, startEngine, TempFolder, type Engine } from "../support/program.ts";
import { withUnknown } from "../support/wire.ts";

const signals = ["traces", "metrics", "logs"] as const;
const ways = ["grpc", "http/protobuf", "http/json"] as const;
type Way = (typeof ways)[number];
const matrix = ways.flatMap((way) => signals.map((signal) => [way, signal] as const));

const requestMax = 65_536;
const folder = new TempFolder();
let engine: Engine;
let session: ClientHttp2Session;
let httpPort = 0;

beforeAll(async () => {
  const limits = ["grpc", "http"].map((name) => `receivers.${name}.limits.request_size=64KiB`);
  engine = await startEngine(folder.path, await freePort(), limits);
  session = await openSession(Number(engine.grpc.split(":")[1]));
  httpPort = Number(engine.http.split(":")[1]);
}, 30_000);
afterAll(async () => {
  session.destroy();
  await engine.program[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** What an answer says, whatever carried it. `code` is gRPC's. */
interface Said {
  readonly code: number;
  readonly httpStatus: number | null;
  readonly message: string;
  /** The response message, or google.rpc.Status, in the request's encoding. */
  readonly body: Buffer;
  readonly type: string;
  readonly retry: boolean;
}

const statusType = protobuf
  .parse(
    `syntax = "proto3";
     message Any { string type_url = 1; bytes value = 2; }
     message Status { int32 code = 1; string message = 2; repeated Any details = 3; }`,
  )
  .root.lookupType("Status");

type Compression = "identity" | "gzip" | "deflate";
const compress: Readonly<Record<Compression, (bytes: Buffer) => Buffer>> = {
  identity: (bytes) => bytes,
  gzip: (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
};

/** `wire` is sent as it is: protobuf, or JSON text. */
async function post(
  way: Way,
  signal: SignalName,
  wire: Buffer,
  encoding: Compression = "identity",
): Promise<Said> {
  if (way === "grpc") {
    const answer = await sendOn(session, {
      path: exportPath[signal],
      headers: { "grpc-encoding": encoding },
      frames: [grpcFrame(compress[encoding](wire), encoding === "identity" ? 0 : 1)],
    });
    const { status: code, message } = answer;
    const type = String(answer.headers["content-type"]);
    const retry = "grpc-status-details-bin" in answer.trailers;
    return { code, httpStatus: null, message, body: answer.body.subarray(5), type, retry };
  }
  const contentType = way === "http/json" ? "application/json" : "application/x-protobuf";
  const answer = await sendHttp(httpPort, {
    path: `/v1/${signal}`,
    headers: { "content-type": contentType, "content-encoding": encoding },
    body: compress[encoding](wire),
  });
  const { status, body, headers } = answer;
  const told = status === 200 ? { code: 0, message: "" } : statusOf(way, body);
  const retry = "retry-after" in headers;
  return { ...told, httpStatus: status, body, type: headers["content-type"] ?? "", retry };
}

function statusOf(way: Way, body: Buffer): { code: number; message: string } {
  const status = way === "http/json" ? JSON.parse(body.toString()) : statusType.decode(body);
  return status as { code: number; message: string }; // fields of the type above
}

/** A protobuf request in the way's own form. */
function inForm(way: Way, signal: SignalName, bytes: Buffer): Buffer {
  return way === "http/json" ? Buffer.from(bytesToOtlpJson(signal, bytes, () => 0.5)) : bytes;
}

/** Full success: partial_success is absent, not empty. */
function expectSuccess(way: Way, said: Said): void {
  expect(said).toMatchObject({
    code: 0,
    httpStatus: way === "grpc" ? null : 200,
    body: Buffer.from(way === "http/json" ? "{}" : ""),
  });
  const own = { grpc: "application/grpc", "http/protobuf": "application/x-protobuf" };
  expect(said.type).toBe(way === "http/json" ? "application/json" : own[way]);
}

/** Not to be sent again: no retryable code, no hint when to. */
function expectRefusal(way: Way, said: Said, code: number, httpStatus: number): void {
  expect(said).toMatchObject({ code, httpStatus: way === "grpc" ? null : httpStatus });
  expect([said.retry, said.message]).toEqual([false, expect.stringMatching(/^cannot /)]);
}

const nowNs = BigInt(Date.now()) * 1_000_000n;
/** Of three items each; `n` makes it another request than any before. */
function sample(signal: SignalName, n: number, attributes: object = {}): Buffer {
  const from = { resource: { "service.name": `conformance-${n}` }, scope: "conformance" };
  const values = Object.entries(attributes).map(([key, value]) => ({ key, value }));
  const three = <Item>(make: (index: number) => Item): Item[] => [0, 1, 2].map(make);
  if (signal === "logs")
    return logsRequest(
      from,
      three((i) => ({ body: `line ${i}`, timeNs: nowNs })),
    );
  if (signal === "traces") {
    const span = (i: number) => ({
      trace_id: Buffer.alloc(16, n + 1),
      span_id: Buffer.alloc(8, i + 1),
      name: "GET /",
      kind: 2,
      start_time_unix_nano: String(nowNs),
      end_time_unix_nano: String(nowNs + 1_000n),
      attributes: values,
      events: [{ time_unix_nano: String(nowNs), name: "e", attributes: values }],
      links: [{ trace_id: Buffer.alloc(16, 9), span_id: Buffer.alloc(8, 9) }],
      status: { code: 2, message: "no" },
    });
    return tracesRequest(from, three(span));
  }
  const point = (i: number) => ({
    as_int: String(i),
    time_unix_nano: String(nowNs),
    attributes: values,
    exemplars: [{ time_unix_nano: String(nowNs), as_double: 0.5 }],
  });
  const sum = { data_points: three(point), aggregation_temporality: 2, is_monotonic: true };
  return metricsRequest(from, [{ name: "things", unit: "1", sum }]);
}

const itemsName = { traces: "spans", metrics: "metric_points", logs: "log_records" } as const;
async function accepted(way: Way, signal: SignalName): Promise<number> {
  const text = await (await fetch(`${engine.web}/metrics`)).text();
  const name = `mesh_insights_receiver_accepted_${itemsName[signal]}_total`;
  const transport = way === "grpc" ? "grpc" : "http";
  const line = new RegExp(`^${name}\\{transport="${transport}"\\} (\\d+)$`, "m").exec(text);
  return Number(line?.[1]);
}

let count = 0;
test.each(matrix)(
  "%s %s: a request is taken, all of it, and partial_success is absent",
  async (way, signal) => {
    const before = await accepted(way, signal);
    expectSuccess(way, await post(way, signal, inForm(way, signal, sample(signal, count++))));
    expect((await accepted(way, signal)) - before).toBe(3);
  },
);

test.each(
  matrix.flatMap(([way, signal]) =>
    (["gzip", "deflate"] as const).map((encoding) => [way, signal, encoding] as const),
  ),
)("%s %s: %s is understood", async (way, signal, encoding) => {
  const body = inForm(way, signal, sample(signal, count++));
  expectSuccess(way, await post(way, signal, body, encoding));
});

test.each(matrix)("%s %s: an empty request is a success", async (way, signal) => {
  expectSuccess(way, await post(way, signal, Buffer.from(way === "http/json" ? "{}" : "")));
});

test.each(matrix)("%s %s: empty envelopes are a success", async (way, signal) => {
  const type = requestTypes[signal];
  const [outer = "", inner = ""] = {
    traces: ["resource_spans", "scope_spans"],
    metrics: ["resource_metrics", "scope_metrics"],
    logs: ["resource_logs", "scope_logs"],
  }[signal];
  const empty = type.fromObject({
    [outer]: [{}, { resource: {} }, { [inner]: [{}, { scope: {} }] }],
  });
  const bytes = Buffer.from(type.encode(empty).finish());
  expectSuccess(way, await post(way, signal, inForm(way, signal, bytes)));
});

test.each(matrix)("%s %s: unknown fields at every level are ignored", async (way, signal) => {
  const bytes = sample(signal, count++, { a: anyValue({ b: ["c"] }) });
  const before = await accepted(way, signal);
  const body =
    way === "http/json"
      ? Buffer.from(bytesToOtlpJson(signal, bytes, () => 0.05)) // adds such fields everywhere
      : withUnknown(requestTypes[signal], bytes);
  expect(body.includes(way === "http/json" ? "polluted" : "unknown")).toBe(true);
  expectSuccess(way, await post(way, signal, body));
  expect((await accepted(way, signal)) - before).toBe(3);
});

test.each(matrix)("%s %s: attributes may hold every kind of value", async (way, signal) => {
  const deep = [[[["x"]]], { a: { b: { c: [1, "mixed", true, 0.5] } } }];
  const kinds = ["", "text", true, 7n, -(2n ** 63n), 0.5, new Uint8Array([0, 255]), [], {}, deep];
  const values = Object.fromEntries(
    kinds.map((value, index) => [`kind.${index}`, anyValue(value)]),
  );
  const bytes = sample(signal, count++, { ...values, "": {}, empty: {} });
  expectSuccess(way, await post(way, signal, inForm(way, signal, bytes)));
});

test.each(matrix)(
  "%s %s: a request sent again is a success, and has no effect",
  async (way, signal) => {
    const body = inForm(way, signal, sample(signal, count++));
    for (const _ of [1, 2, 3]) expectSuccess(way, await post(way, signal, body));
  },
);

test.each(matrix)(
  "%s %s: bad data is refused for good, with a Status that says what",
  async (way, signal) => {
    const body = inForm(way, signal, sample(signal, count++));
    const cut = await post(way, signal, body.subarray(0, body.length - 3));
    expectRefusal(way, cut, 3, 400);
    const own = { grpc: "application/grpc", "http/protobuf": "application/x-protobuf" };
    expect(cut.type).toBe(way === "http/json" ? "application/json" : own[way]);
  },
);

/** A request of exactly that many bytes. */
function ofSize(way: Way, size: number): Buffer {
  const padded = (length: number): Buffer =>
    inForm(way, "logs", logsRequest({ resource: { pad: "x".repeat(length) } }, [{ body: "" }]));
  const bytes = padded(size - padded(30_000).length + 30_000);
  expect(bytes.length).toBe(size);
  return bytes;
}

test.each(ways)("%s: the limit is the request's size, before and after inflation", async (way) => {
  for (const encoding of ["identity", "gzip"] as const) {
    expectSuccess(way, await post(way, "logs", ofSize(way, requestMax), encoding));
    const above = await post(way, "logs", ofSize(way, requestMax + 1), encoding);
    expectRefusal(way, above, 8, 413);
  }
});

test.each(ways)("%s: a bomb is refused as too large", async (way) => {
  expectRefusal(way, await post(way, "traces", Buffer.alloc(20_000_000, 32), "gzip"), 8, 413);
});

test.each(ways)("%s: an answer stays small, whatever was wrong", async (way) => {
  const body = Buffer.from(`{"resourceSpans":[{"${"x".repeat(60_000)}":}]}`);
  const said = await post(way, "traces", body);
  expect(said.code).toBe(3);
  expect(said.body.length + said.message.length).toBeLessThan(4_096);
});

test.each(matrix)("%s %s: ten at once are all answered", async (way, signal) => {
  const bodies = Array.from({ length: 10 }, () => inForm(way, signal, sample(signal, count++)));
  const answers = await Promise.all(bodies.map((body) => post(way, signal, body)));
  for (const answer of answers) expectSuccess(way, answer);
});

const http = (request: Parameters<typeof sendHttp>[1]) => sendHttp(httpPort, request);
test.each([
  ["another content type", { headers: { "content-type": "text/plain" } }, 415],
  ["no content type", { without: ["content-type"] }, 415],
  ["another compression", { headers: { "content-encoding": "br" }, body: "x" }, 415],
  ["GET", { method: "GET" }, 405],
  ["PUT", { method: "PUT" }, 405],
  ["another path", { path: "/v1/profiles" }, 404],
  ["the path's end missing", { path: "/v1" }, 404],
  [
    "a charset behind the type",
    { headers: { "content-type": "application/x-protobuf; charset=utf-8" } },
    200,
  ],
  ["a type in capitals", { headers: { "content-type": "Application/X-Protobuf" } }, 200],
  ["a query behind the path", { path: "/v1/logs?x=1" }, 200],
] as const)("http: %s", async (_, request, status) => {
  expect((await http(request)).status).toBe(status);
});

test.each([
  [
    "an unknown service",
    { path: "/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export" },
    12,
  ],
  ["an unknown method", { path: `${exportPath.traces}s` }, 12],
  [
    "an unknown compression",
    { headers: { "grpc-encoding": "snappy" }, frames: [grpcFrame(Buffer.from("x"), 1)] },
    12,
  ],
  [
    "the type with its codec",
    { headers: { "content-type": "application/grpc+proto" }, frames: [grpcFrame(Buffer.alloc(0))] },
    0,
  ],
  ["no message", { frames: [] }, 3],
  ["two messages", { frames: [grpcFrame(Buffer.alloc(0)), grpcFrame(Buffer.alloc(0))] }, 3],
  ["a compressed message without an encoding", { frames: [grpcFrame(zlib.gzipSync(""), 1)] }, 3],
  [
    "a compressed message of no bytes",
    { headers: { "grpc-encoding": "gzip" }, frames: [grpcFrame(Buffer.alloc(0), 1)] },
    0,
  ],
] as const)("grpc: %s", async (_, request, status) => {
  const answer = await sendOn(session, request);
  expect([answer.status, answer.message]).toEqual([
    status,
    expect.stringMatching(status === 0 ? /^$/ : /^cannot /),
  ]);
});

const span = (fields: string): string =>
  `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`;
test.each([
  [
    "ids in hex of any case",
    span('"traceId":"0AF7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331"'),
    200,
  ],
  ["ids in base64", span('"traceId":"CvdlGRbNQ92ESOshHIAxnA=="'), 400],
  ["an enum as its number", span('"kind":3,"status":{"code":1}'), 200],
  ["an enum as its name", span('"kind":"SPAN_KIND_CLIENT"'), 400],
  ["an enum that is not known", span('"kind":99'), 200],
  ["64-bit integers as strings", span('"startTimeUnixNano":"1763713562123456789"'), 200],
  ["64-bit integers as numbers", span('"startTimeUnixNano":1763713562123456789'), 200],
  ["names in snake_case, which are unknown", '{"resource_spans":3}', 200],
  ["unknown fields of every kind", span('"x":1,"y":[{"z":null}],"w":{"v":[]}'), 200],
  ["null for absent", span('"name":null,"attributes":null'), 200],
  ["bytes in base64", span('"attributes":[{"key":"b","value":{"bytesValue":"AP+/"}}]'), 200],
  [
    "NaN as a string",
    '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":"NaN"}]}}]}]}]}',
    200,
  ],
  [
    "keys in any order",
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}],"scope":{}}],"resource":{"attributes":[{"value":{"stringValue":"y"},"key":"k"}]}}]}',
    200,
  ],
  ["an array", "[]", 400],
  ["no JSON", "resourceSpans", 400],
] as const)("http/json: %s", async (_, body, status) => {
  const signal = /resource(Spans|Metrics|Logs)/.exec(body)?.[1] ?? "Spans";
  const path = { Spans: "/v1/traces", Metrics: "/v1/metrics", Logs: "/v1/logs" }[signal] ?? "";
  const answer = await http({ path, headers: { "content-type": "application/json" }, body });
  expect([answer.status, answer.headers["content-type"]]).toEqual([status, "application/json"]);
  expect(JSON.parse(answer.body.toString())).toMatchObject(status === 200 ? {} : { code: 3 });
});
