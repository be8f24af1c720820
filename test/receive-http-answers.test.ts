/** Every row of the answer table over HTTP, asked with bytes written by hand. */
import zlib from "node:zlib";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import type { Answer } from "../src/model/requests.ts";
import type { HttpReceiverOptions } from "../src/receive/http-options.ts";
import { acceptEncoding } from "../src/receive/inflate.ts";
import {
  connectRaw,
  httpBytes,
  sendHttp,
  startHttpReceiver,
  type HttpAnswer,
  type HttpRequest,
} from "./support/http-receiver.ts";

const statusType = protobuf
  .parse(
    `syntax = "proto3";
     message Duration { int64 seconds = 1; int32 nanos = 2; }
     message RetryInfo { Duration retry_delay = 1; }
     message Any { string type_url = 1; bytes value = 2; }
     message Status { int32 code = 1; string message = 2; repeated Any details = 3; }`,
  )
  .root.lookupType("Status");

function statusOf({ headers, body }: HttpAnswer): { code: number; message: string } {
  const isJson = headers["content-type"] === "application/json";
  const status = isJson
    ? JSON.parse(body.toString())
    : statusType.toObject(statusType.decode(body));
  return status as { code: number; message: string }; // fields of the type above
}

/** Full success is an empty message, and so is a status of which everything has its default. */
function toldBy({ method }: HttpRequest, answer: HttpAnswer): object {
  const isSilent = method === "HEAD" || ["", "{}"].includes(answer.body.toString());
  return isSilent ? { code: method === "HEAD" ? 12 : 0, message: "" } : statusOf(answer);
}

interface Case {
  readonly name: string;
  readonly request: HttpRequest;
  readonly options?: Partial<HttpReceiverOptions>;
  readonly answer?: Answer;
  readonly status: number;
  /** Of google.rpc.Status. */
  readonly code?: number;
  readonly message?: RegExp;
  readonly outcome: string;
  readonly signal?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodies?: readonly string[];
}

const small: Partial<HttpReceiverOptions> = { maxRequestBytes: 1_000, inFlightBytesMax: 10_000 };
const gzip = (text: string): HttpRequest => ({
  headers: { "content-encoding": "gzip", "content-length": String(zlib.gzipSync(text).length) },
  body: zlib.gzipSync(text),
});
const chunked = (...chunks: string[]): HttpRequest => ({
  without: ["content-length"],
  headers: { "transfer-encoding": "chunked" },
  body: [...chunks, ""].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join(""),
});
const json = (body: string | Buffer, headers = {}, path = "/v1/traces"): HttpRequest => ({
  path,
  headers: { "content-type": "application/json; charset=utf-8", ...headers },
  body,
});
/** 130 bounds of two bytes each; in protobuf they have eight. */
const longInProtobuf = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[${"0,".repeat(130)}0]}]}}]}]}]}`;
const ok = { status: 200, outcome: "accepted" };
const invalid = { status: 400, code: 3, outcome: "invalid" };
const tooLarge = { status: 413, code: 8, outcome: "too_large" };
const unimplemented = { code: 12, outcome: "unimplemented" };

const cases: readonly Case[] = [
  { name: "plain", request: { body: "abc" }, ...ok, bodies: ["abc"] },
  { name: "gzip", request: gzip("abc"), ...ok, bodies: ["abc"] },
  {
    name: "deflate",
    request: { headers: { "content-encoding": "deflate" }, body: zlib.deflateSync("abc") },
    ...ok,
    bodies: ["abc"],
  },
  {
    name: "identity, named in capitals",
    request: { headers: { "content-encoding": "Identity" }, body: "a" },
    ...ok,
    bodies: ["a"],
  },
  { name: "chunks without a length", request: chunked("ab", "cd"), ...ok, bodies: ["abcd"] },
  { name: "no chunk at all", request: chunked(), ...ok, bodies: [""] },
  { name: "empty body", request: {}, ...ok, bodies: [""] },
  {
    name: "neither body nor length",
    request: { without: ["content-length"] },
    ...ok,
    bodies: [""],
  },
  {
    name: "compressed body of no bytes",
    request: { headers: { "content-encoding": "gzip" } },
    ...ok,
    bodies: [""],
  },
  {
    name: "metrics, with parameters of type and path",
    request: {
      path: "/v1/metrics?tenant=1",
      headers: { "content-type": "Application/X-Protobuf; charset=utf-8" },
      body: "m",
    },
    ...ok,
    signal: "metrics",
    bodies: ["m"],
  },
  { name: "logs", request: { path: "/v1/logs", body: "l" }, ...ok, signal: "logs", bodies: ["l"] },
  {
    name: "HTTP/1.0",
    request: { version: "1.0", body: "abc" },
    ...ok,
    headers: { connection: "close" },
    bodies: ["abc"],
  },
  {
    name: "exactly the limit",
    options: small,
    request: gzip("x".repeat(1_000)),
    ...ok,
    bodies: ["x".repeat(1_000)],
  },
  {
    name: "exactly the limit, in chunks",
    options: small,
    request: chunked("x".repeat(1_000)),
    ...ok,
    bodies: ["x".repeat(1_000)],
  },

  {
    name: "no gzip at all",
    request: { headers: { "content-encoding": "gzip" }, body: "not gzip at all, sorry" },
    ...invalid,
    message: /gzip message is damaged/,
  },
  {
    name: "the handler cannot read it",
    request: { body: "a" },
    answer: { kind: "invalid", code: "truncated", message: "field 1 of 3 at byte 7" },
    ...invalid,
    message: /at byte 7 \(truncated\)/,
    bodies: ["a"],
  },

  {
    name: "declared above the limit",
    options: small,
    request: { headers: { "content-length": "1001" } },
    ...tooLarge,
    message: /1001 bytes is larger than the limit of 1000/,
    headers: { connection: "close" },
  },
  {
    name: "above the limit by one, in chunks",
    options: small,
    request: chunked("x".repeat(600), "x".repeat(401)),
    ...tooLarge,
    message: /its body is larger than the limit of 1000/,
  },
  {
    name: "inflated above the limit by one",
    options: small,
    request: gzip("x".repeat(1_001)),
    ...tooLarge,
    message: /inflated/,
    headers: { connection: "keep-alive" },
  },
  {
    name: "inflated far above the limit",
    options: small,
    request: gzip("x".repeat(500_000)),
    ...tooLarge,
    message: /inflated/,
  },

  {
    name: "JSON, which comes as protobuf and is answered in JSON",
    request: json('{"resourceSpans":[{"schemaUrl":"u"}]}'),
    ...ok,
    headers: { "content-type": "application/json" },
    bodies: ["\n\x03\x1a\x01u"],
  },
  {
    name: "JSON, inflated",
    request: json(zlib.gzipSync("{}"), { "content-encoding": "gzip" }),
    ...ok,
    headers: { "content-type": "application/json" },
    bodies: [""],
  },
  {
    name: "JSON of no bytes",
    request: json(""),
    ...invalid,
    message: /the request at byte 0 of the JSON: expected '\{'/,
    headers: { "content-type": "application/json" },
  },
  {
    name: "JSON with a wrong field",
    request: json('{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SERVER"}]}]}]}'),
    ...invalid,
    message: /resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\.kind at byte 51/,
    headers: { "content-type": "application/json" },
  },
  {
    name: "JSON above the limit",
    options: small,
    request: json(`{"x":"${"x".repeat(1_000)}"}`),
    ...tooLarge,
    headers: { "content-type": "application/json", connection: "close" },
  },
  {
    name: "JSON that is larger as protobuf",
    options: small,
    request: json(longInProtobuf, {}, "/v1/metrics"),
    signal: "metrics",
    ...tooLarge,
    message: /its message in protobuf is larger than the limit of 1000/,
    headers: { "content-type": "application/json" },
  },
  {
    name: "no content type",
    request: { without: ["content-type"], body: "a" },
    status: 415,
    ...unimplemented,
    message: /Content-Type "": use application\/x-protobuf or application\/json/,
  },
  {
    name: "unknown compression",
    request: { headers: { "content-encoding": "br" }, body: "a" },
    status: 415,
    ...unimplemented,
    message: /"br": use one of identity,gzip/,
    headers: { "accept-encoding": acceptEncoding },
  },
  {
    name: "compressed twice",
    request: { headers: { "content-encoding": "gzip, gzip" }, body: "a" },
    status: 415,
    ...unimplemented,
  },
  {
    name: "unknown path",
    request: { path: "/v1/traces/v1/traces", body: "a" },
    status: 404,
    ...unimplemented,
    signal: "unknown",
    message: /"\/v1\/traces\/v1\/traces": OTLP is served on/,
  },
  ...["GET", "HEAD", "PUT"].map((method) => ({
    name: method,
    request: { method },
    status: 405,
    ...unimplemented,
    headers: { allow: "POST" },
  })),
  {
    name: "a browser's preflight",
    request: {
      method: "OPTIONS",
      headers: { origin: "http://evil.example", "access-control-request-method": "POST" },
    },
    status: 405,
    ...unimplemented,
    message: /cannot serve OPTIONS: use POST/,
    headers: { allow: "POST" },
  },

  {
    name: "slow body",
    options: { readDeadlineMs: 50 },
    request: { headers: { "content-length": "10" }, body: "abc" },
    status: 503,
    code: 4,
    outcome: "deadline_exceeded",
    message: /too long to arrive/,
    headers: { connection: "close" },
  },
  {
    name: "store trouble",
    request: { body: "a" },
    answer: { kind: "unavailable", reason: "the disk is full", retryAfterMs: 5_000 },
    status: 503,
    code: 14,
    outcome: "refused",
    message: /disk is full/,
    headers: { connection: "keep-alive" },
    bodies: ["a"],
  },
  {
    name: "fault",
    request: { body: "a" },
    answer: { kind: "unavailable", reason: "internal", retryAfterMs: 10 },
    status: 503,
    code: 14,
    outcome: "failed",
    headers: { "retry-after": "1" },
    bodies: ["a"],
  },
];

for (const one of cases) {
  test(`answer: ${one.name}`, async () => {
    const { request, options, answer, status, outcome, signal = "traces" } = one;
    await using server = await startHttpReceiver(options);
    if (answer) server.handler.answer = () => answer;
    const got = await sendHttp(server.port, request);
    expect(got.status).toBe(status);
    expect(got.headers).toMatchObject({ "content-type": "application/x-protobuf", ...one.headers });
    expect(toldBy(request, got)).toMatchObject({
      code: one.code ?? 0,
      message: expect.stringMatching(one.message ?? /^cannot |^$/),
    });
    expect("retry-after" in got.headers).toBe(status === 503);
    expect(server.handler.requests.map(({ body }) => Buffer.from(body).toString())).toEqual(
      one.bodies ?? [],
    );
    const labels = `transport="http",signal="${signal}",outcome="${outcome}"`;
    expect(await server.metric(`receiver_requests_total{${labels}}`)).toBe(1);
    expect(await server.metric('receiver_in_flight_bytes{transport="http"}')).toBe(0);
  });
}

test("partial success carries the count and the reason, and both are counted", async () => {
  await using server = await startHttpReceiver();
  server.handler.answer = () => ({ kind: "accepted", items: 7, rejectedItems: 300, message: "no" });
  const got = await sendHttp(server.port, { path: "/v1/logs", body: "a" });
  // partial_success = 1 { rejected = 1: 300, error_message = 2: "no" }
  const partial = Buffer.from([0x0a, 7, 0x08, 0xac, 0x02, 0x12, 2, 0x6e, 0x6f]);
  expect(got).toMatchObject({ status: 200, body: partial });
  expect(await server.metric('receiver_accepted_log_records_total{transport="http"}')).toBe(7);
  expect(await server.metric('receiver_rejected_items_total{reason="item_invalid"}')).toBe(300);
});

test("what JSON is told is JSON: partial success by the signal's own name, RetryInfo as a duration", async () => {
  await using server = await startHttpReceiver();
  for (const [path, name] of [
    ["/v1/traces", "rejectedSpans"],
    ["/v1/metrics", "rejectedDataPoints"],
    ["/v1/logs", "rejectedLogRecords"],
  ] as const) {
    const accepted = { kind: "accepted", items: 7 } as const;
    server.handler.answer = () => ({ ...accepted, rejectedItems: 3, message: "no" });
    const partial = await sendHttp(server.port, json("{}", {}, path));
    expect(JSON.parse(partial.body.toString())).toEqual({
      partialSuccess: { [name]: "3", errorMessage: "no" },
    });
    server.handler.answer = () => ({ ...accepted, rejectedItems: 0, message: "odd" });
    const warned = await sendHttp(server.port, json("{}", {}, path));
    expect(JSON.parse(warned.body.toString())).toEqual({ partialSuccess: { errorMessage: "odd" } });
  }
  server.handler.answer = () => ({ kind: "unavailable", reason: "busy", retryAfterMs: 20_000 });
  const busy = await sendHttp(server.port, json("{}"));
  expect(busy).toMatchObject({ status: 503, headers: { "content-type": "application/json" } });
  const retryDelay = expect.stringMatching(/^(1[6-9]|2[0-4])\.\d{3}s$/);
  expect(JSON.parse(busy.body.toString())).toMatchObject({
    code: 14,
    details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay }],
  });
});

test("Retry-After and RetryInfo hold the delay with at most 20 % of jitter", async () => {
  await using server = await startHttpReceiver();
  server.handler.answer = () => ({ kind: "unavailable", reason: "busy", retryAfterMs: 20_000 });
  const got = await sendHttp(server.port, { body: "a" });
  const seconds = Number(got.headers["retry-after"]);
  expect(seconds).toBeGreaterThanOrEqual(16);
  expect(seconds).toBeLessThanOrEqual(24);
  expect(got.body.includes("type.googleapis.com/google.rpc.RetryInfo")).toBe(true);
});

test("while not accepting, requests are told to come again", async () => {
  await using server = await startHttpReceiver();
  server.receiver.setAccepting(false);
  const got = await sendHttp(server.port, { body: "a" });
  expect(got).toMatchObject({ status: 503, headers: { connection: "close" } });
  expect(statusOf(got)).toMatchObject({ code: 14, message: expect.stringContaining("not ready") });
  server.receiver.setAccepting(true);
  expect((await sendHttp(server.port, { body: "a" })).status).toBe(200);
});

test("a handler that throws costs the sender nothing but a retry", async () => {
  await using server = await startHttpReceiver();
  server.handler.answer = () => Promise.reject(new Error("a bug"));
  const got = await sendHttp(server.port, { body: "a" });
  expect(statusOf(got)).toMatchObject({ message: expect.stringContaining("fault of ours") });
});

test("pipelined requests are answered in their order, whichever is done first", async () => {
  await using server = await startHttpReceiver();
  let answerFirst: () => void = () => {};
  server.handler.answer = ({ body }) => {
    const answer = { kind: "accepted", items: 1, rejectedItems: 0 } as const;
    const message = Buffer.from(body).toString();
    if (message !== "first") return { ...answer, message };
    return new Promise((resolve) => (answerFirst = () => resolve({ ...answer, message })));
  };
  const client = connectRaw(server.port);
  client.write(Buffer.concat(["first", "second"].map((body) => httpBytes({ body }))));
  await server.handler.arrivals(2);
  answerFirst();
  const answers = await client.answers(2);
  expect(answers.map(({ body }) => body.toString("latin1").slice(4))).toEqual(["first", "second"]);
  client.socket.destroy();
});

test("leave to send the body is given only when it will be read", async () => {
  await using server = await startHttpReceiver({ maxRequestBytes: 100 });
  const expectation = { expect: "100-continue", "content-length": "3" };
  const good = connectRaw(server.port).write(httpBytes({ headers: expectation }));
  await expect.poll(() => good.continues).toBe(1);
  expect((await good.write("abc").answers(1))[0]).toMatchObject({ status: 200 });
  good.socket.destroy();
  const large = { ...expectation, "content-length": "101" };
  const bad = connectRaw(server.port).write(httpBytes({ headers: large }));
  expect((await bad.answers(1))[0]).toMatchObject({ status: 413 });
  expect(bad.continues).toBe(0);
  bad.socket.destroy();
});
