/** Every row of the answer table and every rule of the framing, asked with bytes written by hand. */
import zlib from "node:zlib";
import { expect, test } from "vitest";
import type { Answer } from "../src/model/requests.ts";
import type { GrpcReceiverOptions } from "../src/receive/grpc-options.ts";
import {
  exportPath,
  grpcFrame,
  openSession,
  sendOn,
  sendRaw,
  startReceiver,
  type RawRequest,
} from "./support/grpc-receiver.ts";

const ok = 0;
const invalidArgument = 3;
const deadlineExceeded = 4;
const notFound = 5;
const resourceExhausted = 8;
const unimplemented = 12;
const unavailable = 14;

const gzipHeaders = { "grpc-encoding": "gzip" };
const small: Partial<GrpcReceiverOptions> = { maxRequestBytes: 1_000, inFlightBytesMax: 10_000 };

interface Case {
  readonly name: string;
  readonly request: RawRequest;
  readonly options?: Partial<GrpcReceiverOptions>;
  readonly answer?: Answer;
  readonly status: number;
  readonly message?: RegExp;
  readonly outcome: string;
  /** Inflated bodies that reach the handler. */
  readonly bodies?: readonly string[];
}

/** Gzip whose trailer says another length than it has. */
function lyingGzip(body: string, claimed: number): Buffer {
  const zipped = zlib.gzipSync(body);
  zipped.writeUInt32LE(claimed, zipped.length - 4);
  return zipped;
}

const zip = (text: string): Buffer => grpcFrame(zlib.gzipSync(text), 1);
const plain = (text: string): Buffer => grpcFrame(Buffer.from(text));
const bytesOf = (frame: Buffer): Buffer[] => Array.from(frame, (byte) => Buffer.of(byte));

const cases: readonly Case[] = [
  {
    name: "plain",
    request: { frames: [plain("abc")] },
    status: ok,
    outcome: "accepted",
    bodies: ["abc"],
  },
  {
    name: "gzip",
    request: { headers: gzipHeaders, frames: [zip("abc")] },
    status: ok,
    outcome: "accepted",
    bodies: ["abc"],
  },
  {
    name: "uncompressed message in a gzip call",
    request: { headers: gzipHeaders, frames: [plain("abc")] },
    status: ok,
    outcome: "accepted",
    bodies: ["abc"],
  },
  {
    name: "one byte per frame",
    request: { frames: bytesOf(plain("hello")) },
    status: ok,
    outcome: "accepted",
    bodies: ["hello"],
  },
  {
    name: "empty message",
    request: { frames: [plain("")] },
    status: ok,
    outcome: "accepted",
    bodies: [""],
  },
  {
    name: "compressed message of no bytes",
    request: { headers: gzipHeaders, frames: [grpcFrame(Buffer.alloc(0), 1)] },
    status: ok,
    outcome: "accepted",
    bodies: [""],
  },
  {
    name: "gzip of nothing",
    request: { headers: gzipHeaders, frames: [zip("")] },
    status: ok,
    outcome: "accepted",
    bodies: [""],
  },
  {
    name: "gzip of two members",
    request: {
      headers: gzipHeaders,
      frames: [grpcFrame(Buffer.concat([zlib.gzipSync("ab"), zlib.gzipSync("cd")]), 1)],
    },
    status: ok,
    outcome: "accepted",
    bodies: ["abcd"],
  },
  {
    name: "application/grpc+proto with parameters",
    request: {
      headers: { "content-type": "application/grpc+proto; charset=utf-8" },
      frames: [plain("a")],
    },
    status: ok,
    outcome: "accepted",
    bodies: ["a"],
  },
  {
    name: "identity named",
    request: { headers: { "grpc-encoding": "identity" }, frames: [plain("a")] },
    status: ok,
    outcome: "accepted",
    bodies: ["a"],
  },
  {
    name: "generous grpc-timeout",
    request: { headers: { "grpc-timeout": "99999999H" }, frames: [plain("a")] },
    status: ok,
    outcome: "accepted",
    bodies: ["a"],
  },
  {
    name: "exactly the limit",
    options: small,
    request: { headers: gzipHeaders, frames: [zip("x".repeat(1_000))] },
    status: ok,
    outcome: "accepted",
    bodies: ["x".repeat(1_000)],
  },

  {
    name: "no message",
    request: { frames: [] },
    status: invalidArgument,
    message: /no message/,
    outcome: "invalid",
  },
  {
    name: "half a prefix",
    request: { frames: [Buffer.from([0, 0])] },
    status: invalidArgument,
    message: /no message/,
    outcome: "invalid",
  },
  {
    name: "message cut short",
    request: { frames: [grpcFrame(Buffer.from("abc"), 0, 10)] },
    status: invalidArgument,
    message: /3 of 10/,
    outcome: "invalid",
  },
  {
    name: "bytes after the message",
    request: { frames: [plain("abc"), Buffer.from("d")] },
    status: invalidArgument,
    message: /more than one/,
    outcome: "invalid",
  },
  {
    name: "two messages",
    request: { frames: [plain("abc"), plain("def")] },
    status: invalidArgument,
    message: /more than one/,
    outcome: "invalid",
  },
  {
    name: "flag 2",
    request: { frames: [grpcFrame(Buffer.from("abc"), 2)] },
    status: invalidArgument,
    message: /flag is 2/,
    outcome: "invalid",
  },
  {
    name: "compressed without grpc-encoding",
    request: { frames: [zip("abc")] },
    status: invalidArgument,
    message: /grpc-encoding names nothing/,
    outcome: "invalid",
  },
  {
    name: "truncated gzip",
    request: {
      headers: gzipHeaders,
      frames: [grpcFrame(zlib.gzipSync("abc".repeat(500)).subarray(0, -9), 1)],
    },
    status: invalidArgument,
    message: /damaged/,
    outcome: "invalid",
  },
  {
    name: "no gzip at all",
    request: {
      headers: gzipHeaders,
      frames: [grpcFrame(Buffer.from("not gzip at all, sorry"), 1)],
    },
    status: invalidArgument,
    message: /damaged/,
    outcome: "invalid",
  },
  {
    name: "three bytes of gzip",
    request: { headers: gzipHeaders, frames: [grpcFrame(Buffer.from([0x1f, 0x8b, 8]), 1)] },
    status: invalidArgument,
    message: /damaged/,
    outcome: "invalid",
  },
  {
    name: "ISIZE too small",
    request: { headers: gzipHeaders, frames: [grpcFrame(lyingGzip("abc".repeat(100_000), 1), 1)] },
    status: invalidArgument,
    message: /damaged/,
    outcome: "invalid",
  },
  {
    name: "ISIZE too large",
    request: { headers: gzipHeaders, frames: [grpcFrame(lyingGzip("abc", 0xffff_ffff), 1)] },
    status: invalidArgument,
    message: /damaged/,
    outcome: "invalid",
  },
  {
    name: "malformed grpc-timeout",
    request: { headers: { "grpc-timeout": "5 minutes" }, frames: [plain("a")] },
    status: invalidArgument,
    message: /5 minutes/,
    outcome: "invalid",
  },
  {
    name: "te missing",
    request: { without: ["te"], frames: [plain("a")] },
    status: invalidArgument,
    message: /te: trailers/,
    outcome: "invalid",
  },

  {
    name: "declared above the limit",
    options: small,
    request: { frames: [grpcFrame(Buffer.alloc(0), 0, 1_001)], keepOpen: true },
    status: resourceExhausted,
    message: /1001 bytes is larger than the limit of 1000/,
    outcome: "too_large",
  },
  {
    name: "inflated above the limit by one",
    options: small,
    request: { headers: gzipHeaders, frames: [zip("x".repeat(1_001))] },
    status: resourceExhausted,
    message: /inflated/,
    outcome: "too_large",
  },
  {
    name: "inflated far above the limit",
    options: small,
    request: { headers: gzipHeaders, frames: [zip("x".repeat(500_000))] },
    status: resourceExhausted,
    message: /inflated/,
    outcome: "too_large",
  },

  {
    name: "unknown encoding",
    request: { headers: { "grpc-encoding": "br" }, frames: [plain("a")] },
    status: unimplemented,
    message: /"br": use one of identity,gzip/,
    outcome: "unimplemented",
  },
  {
    name: "unknown service",
    request: { path: "/x.Y/Export", frames: [plain("a")] },
    status: unimplemented,
    message: /"\/x.Y\/Export"/,
    outcome: "unimplemented",
  },
  {
    name: "unknown method",
    request: {
      path: "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
      frames: [plain("a")],
    },
    status: unimplemented,
    outcome: "unimplemented",
  },

  {
    name: "grpc-timeout over while sending",
    request: {
      headers: { "grpc-timeout": "50m" },
      frames: [plain("abc").subarray(0, 6)],
      keepOpen: true,
    },
    status: deadlineExceeded,
    message: /grpc-timeout/,
    outcome: "deadline_exceeded",
  },
  {
    name: "grpc-timeout of a few ns",
    request: {
      headers: { "grpc-timeout": "5n" },
      frames: [plain("abc").subarray(0, 6)],
      keepOpen: true,
    },
    status: deadlineExceeded,
    outcome: "deadline_exceeded",
  },
  {
    name: "slow body",
    options: { readDeadlineMs: 50 },
    request: { frames: [plain("abc").subarray(0, 6)], keepOpen: true },
    status: deadlineExceeded,
    message: /too long to arrive/,
    outcome: "deadline_exceeded",
  },
  {
    name: "silent body",
    options: { readDeadlineMs: 50 },
    request: { keepOpen: true },
    status: deadlineExceeded,
    outcome: "deadline_exceeded",
  },

  {
    name: "the handler cannot read it",
    request: { frames: [plain("a")] },
    answer: { kind: "invalid", code: "truncated", message: "field 1 of 3 at byte 7" },
    status: invalidArgument,
    message: /at byte 7 \(truncated\)/,
    outcome: "invalid",
    bodies: ["a"],
  },
  {
    name: "store trouble",
    request: { frames: [plain("a")] },
    answer: { kind: "unavailable", reason: "the disk is full", retryAfterMs: 5_000 },
    status: unavailable,
    message: /disk is full/,
    outcome: "refused",
    bodies: ["a"],
  },
  {
    name: "fault",
    request: { frames: [plain("a")] },
    answer: { kind: "unavailable", reason: "internal", retryAfterMs: 5_000 },
    status: unavailable,
    outcome: "failed",
    bodies: ["a"],
  },
];

/** The engine is told: what these held is missing until it comes again. */
const comesAgain: ReadonlySet<string> = new Set([
  "refused",
  "failed",
  "too_large",
  "deadline_exceeded",
]);

for (const { name, request, options, answer, status, message, outcome, bodies } of cases) {
  test(`answer: ${name}`, async () => {
    await using server = await startReceiver(options);
    if (answer) server.handler.answer = () => answer;
    const got = await sendRaw(server.port, request);
    expect({ status: got.status, httpStatus: got.headers[":status"] }).toEqual({
      status,
      httpStatus: 200,
    });
    expect(got.headers["content-type"]).toBe("application/grpc");
    expect(got.rstCode).toBe(0);
    expect(got.message).toMatch(message ?? /^/);
    expect(got.body).toEqual(status === ok ? Buffer.alloc(5) : Buffer.alloc(0));
    expect(got.headers["grpc-status-details-bin"] !== undefined).toBe(status === unavailable);
    expect(server.handler.requests.map(({ body }) => Buffer.from(body).toString())).toEqual(
      bodies ?? [],
    );
    expect(server.handler.turned.length > 0).toBe(comesAgain.has(outcome));
    const signal = outcome === "unimplemented" && !request.headers ? "unknown" : "traces";
    expect(
      await server.metric(
        `receiver_requests_total{transport="grpc",signal="${signal}",outcome="${outcome}"}`,
      ),
    ).toBe(1);
    expect(await server.metric('receiver_in_flight_bytes{transport="grpc"}')).toBe(0);
  });
}

for (const [name, request, status] of [
  ["GET", { headers: { ":method": "GET" } }, 405],
  ["JSON", { headers: { "content-type": "application/json" } }, 415],
  ["gRPC with JSON inside", { headers: { "content-type": "application/grpc+json" } }, 415],
  ["no content type", { without: ["content-type"] }, 415],
] as const) {
  test(`not gRPC: ${name}`, async () => {
    await using server = await startReceiver();
    const got = await sendRaw(server.port, { ...request, frames: [plain("a")] });
    expect(got.headers[":status"]).toBe(status);
    expect(server.handler.requests).toEqual([]);
  });
}

test("partial success carries the count and the reason, and both are counted", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => ({ kind: "accepted", items: 7, rejectedItems: 300, message: "no" });
  const got = await sendRaw(server.port, { path: exportPath.logs, frames: [plain("a")] });
  // partial_success = 1 { rejected = 1: 300, error_message = 2: "no" }
  const partial = Buffer.from([0x0a, 7, 0x08, 0xac, 0x02, 0x12, 2, 0x6e, 0x6f]);
  expect(got).toMatchObject({ status: ok, body: grpcFrame(partial) });
  expect(await server.metric('receiver_accepted_log_records_total{transport="grpc"}')).toBe(7);
  expect(await server.metric('receiver_rejected_items_total{reason="item_invalid"}')).toBe(300);
});

test("a warning without rejected items is told in a partial success too", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => ({ kind: "accepted", items: 1, rejectedItems: 0, message: "old" });
  const got = await sendRaw(server.port, { frames: [plain("a")] });
  expect(got.body).toEqual(grpcFrame(Buffer.from([0x0a, 5, 0x12, 3, 0x6f, 0x6c, 0x64])));
});

test("RetryInfo holds the delay with at most 20 % of jitter", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => ({ kind: "unavailable", reason: "é", retryAfterMs: 2_000 });
  const got = await sendRaw(server.port, { frames: [plain("a")] });
  expect(got.message).toBe("cannot take the request now: é");
  const details = Buffer.from(String(got.headers["grpc-status-details-bin"]), "base64");
  const type = "type.googleapis.com/google.rpc.RetryInfo";
  expect(details.subarray(0, 2)).toEqual(Buffer.from([0x08, unavailable]));
  const value = details.subarray(details.indexOf(type) + type.length);
  // Any.value = 2 { RetryInfo.retry_delay = 1 { seconds = 1, nanos = 2 } }
  expect(value.subarray(0, 5)).toEqual(
    Buffer.from([0x12, value.length - 2, 0x0a, value.length - 4, 0x08]),
  );
  const nanos = value.subarray(7).reduce((sum, byte, at) => sum + (byte & 0x7f) * 2 ** (7 * at), 0);
  const delayMs = (value[5] ?? 0) * 1_000 + nanos / 1e6;
  expect(delayMs).toBeGreaterThanOrEqual(1_600);
  expect(delayMs).toBeLessThanOrEqual(2_400);
});

test("a handler that throws costs the sender nothing but a retry", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => Promise.reject(new Error("a bug"));
  const got = await sendRaw(server.port, { frames: [plain("a")] });
  expect(got).toMatchObject({ status: unavailable, message: /fault of ours/ });
  expect(
    await server.metric(
      'receiver_requests_total{transport="grpc",signal="traces",outcome="failed"}',
    ),
  ).toBe(1);
});

test("the deadline ends a request that is with the handler; its late answer is nobody's", async () => {
  await using server = await startReceiver();
  const late = makeResolvers<Answer>();
  server.handler.answer = () => late.promise;
  const got = await sendRaw(server.port, {
    headers: { "grpc-timeout": "50000u" },
    frames: [plain("a")],
  });
  expect(got.status).toBe(deadlineExceeded);
  expect(await server.metric('receiver_in_flight_bytes{transport="grpc"}')).toBe(1);
  late.resolve({ kind: "accepted", items: 1, rejectedItems: 0, message: "" });
  await late.promise;
  await new Promise(setImmediate);
  expect(await server.metric('receiver_in_flight_bytes{transport="grpc"}')).toBe(0);
  expect(await server.metric('receiver_accepted_spans_total{transport="grpc"}')).toBe(0);
});

test("while not accepting, requests are told to come again and health says so", async () => {
  await using server = await startReceiver();
  server.receiver.setAccepting(false);
  const got = await sendRaw(server.port, { frames: [plain("a")] });
  expect(got).toMatchObject({ status: unavailable, message: /not ready/ });
  expect(got.headers["grpc-status-details-bin"]).toBeDefined();
  expect(await checkHealth(server.port, "")).toMatchObject({
    status: ok,
    body: grpcFrame(Buffer.from([8, 2])),
  });
  server.receiver.setAccepting(true);
  expect((await sendRaw(server.port, { frames: [plain("a")] })).status).toBe(ok);
});

for (const [service, status] of [
  ["", ok],
  ["opentelemetry.proto.collector.trace.v1.TraceService", ok],
  ["opentelemetry.proto.collector.metrics.v1.MetricsService", ok],
  ["opentelemetry.proto.collector.logs.v1.LogsService", ok],
  ["somebody.else", notFound],
] as const) {
  test(`health of "${service}"`, async () => {
    await using server = await startReceiver();
    const got = await checkHealth(server.port, service);
    expect(got.status).toBe(status);
    expect(got.body).toEqual(status === ok ? grpcFrame(Buffer.from([8, 1])) : Buffer.alloc(0));
  });
}

test("health is not watched", async () => {
  await using server = await startReceiver();
  const got = await sendRaw(server.port, {
    path: "/grpc.health.v1.Health/Watch",
    frames: [plain("")],
  });
  expect(got.status).toBe(unimplemented);
});

test("a connection survives what single requests do", async () => {
  await using server = await startReceiver(small);
  const session = await openSession(server.port);
  const statuses: number[] = [];
  for (const frames of [
    [plain("a")],
    [grpcFrame(Buffer.from("x"), 9)],
    [zip("x".repeat(9_999))],
    [plain("b")],
  ]) {
    statuses.push((await sendOn(session, { headers: gzipHeaders, frames })).status);
  }
  expect(statuses).toEqual([ok, invalidArgument, resourceExhausted, ok]);
  session.close();
});

function checkHealth(port: number, service: string): ReturnType<typeof sendRaw> {
  const name = Buffer.from(service);
  const body = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  return sendRaw(port, { path: "/grpc.health.v1.Health/Check", frames: [grpcFrame(body)] });
}

function makeResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
