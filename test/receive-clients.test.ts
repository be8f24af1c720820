/** Real clients against the receiver: grpc-js and the exporters of the OpenTelemetry JS SDK. */
import { createHash } from "node:crypto";
import grpc from "@grpc/grpc-js";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import { Signal } from "../src/model/stages.ts";
import { exportPath, startReceiver } from "./support/grpc-receiver.ts";

const bytes = (value: Buffer): Buffer => value;
const gzip = grpc.compressionAlgorithms.gzip;

function makeClient(port: number, compression = 0): grpc.Client {
  return new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.default_compression_algorithm": compression,
    "grpc.max_send_message_length": -1,
  });
}

function call(
  client: grpc.Client,
  body: Buffer,
  path: string = exportPath.metrics,
  options: grpc.CallOptions = {},
): Promise<{ code: number; body: Buffer | undefined; details: string }> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, bytes, bytes, body, options, (error, response) =>
      resolve({ code: error?.code ?? 0, body: response, details: error?.details ?? "" }),
    );
  });
}

/** Bytes that compress about as well as telemetry does. */
function telemetryLike(length: number): Buffer {
  const line = (at: number): string => `pod-${at % 977} istio_requests_total ${at * 7919} `;
  let text = "";
  for (let at = 0; text.length < length; at++) text += line(at);
  return Buffer.from(text.slice(0, length));
}

for (const [name, compression] of [
  ["identity", 0],
  ["gzip", gzip],
] as const) {
  test(`grpc-js, ${name}: bodies of all sizes arrive as they are`, async () => {
    await using server = await startReceiver();
    const client = makeClient(server.port, compression);
    for (const length of [0, 1, 100, 5_000, 70_000, 9_000_000]) {
      const body = telemetryLike(length);
      const answer = await call(client, body);
      expect({ length, ...answer }).toMatchObject({ length, code: 0, body: Buffer.alloc(0) });
      const request = server.handler.requests.at(-1);
      expect(Buffer.from(request?.body ?? new ArrayBuffer(0)).equals(body)).toBe(true);
      expect(request?.hash).toBe(createHash("sha256").update(body).digest("hex").slice(0, 32));
      expect(request).toMatchObject({ signal: Signal.metrics, sender: { listener: "grpc" } });
    }
    client.close();
  });
}

test("many requests at once over one connection are all answered", async () => {
  await using server = await startReceiver();
  const client = makeClient(server.port, gzip);
  const body = telemetryLike(300_000);
  const answers = await Promise.all(Array.from({ length: 100 }, () => call(client, body)));
  expect(answers.filter(({ code }) => code !== 0)).toEqual([]);
  expect(server.handler.requests).toHaveLength(100);
  client.close();
});

test("a deadline of grpc-js is kept by the receiver too", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => new Promise(() => {});
  const client = makeClient(server.port);
  const answer = await call(client, Buffer.from("x"), exportPath.traces, {
    deadline: Date.now() + 100,
  });
  expect(answer.code).toBe(grpc.status.DEADLINE_EXCEEDED);
  client.close();
});

test("grpc-js reads status, message and details as they were meant", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => ({ kind: "invalid", code: "bad", message: "100 % ünlesbar\n" });
  const client = makeClient(server.port);
  expect(await call(client, Buffer.from("x"))).toMatchObject({
    code: grpc.status.INVALID_ARGUMENT,
    details: "100 % ünlesbar\n (bad)",
  });
  expect(await call(client, Buffer.from("x"), "/a.B/C")).toMatchObject({
    code: grpc.status.UNIMPLEMENTED,
  });
  client.close();
});

test("a grpc-js client that is still sending a refused message gets the answer", async () => {
  await using server = await startReceiver({ maxRequestBytes: 1_000_000 });
  const client = makeClient(server.port);
  const answer = await call(client, Buffer.alloc(30_000_000));
  expect(answer.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
  expect((await call(client, Buffer.alloc(10))).code).toBe(0);
  client.close();
});

for (const compression of [CompressionAlgorithm.NONE, CompressionAlgorithm.GZIP]) {
  test(`the exporters of the JS SDK, ${compression}`, async () => {
    await using server = await startReceiver();
    const options = { url: `http://127.0.0.1:${server.port}`, compression };
    const tracers = new TracerProvider({
      spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(options) })],
    });
    const meters = new MeterProvider({
      readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(options) })],
    });
    const loggers = new LoggerProvider({
      processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(options) })],
    });
    tracers.getTracer("test").startSpan("a-span-name").end();
    meters.getMeter("test").createCounter("a-metric-name").add(1);
    loggers.getLogger("test").emit({ severityNumber: SeverityNumber.INFO, body: "a-log-body" });
    await tracers.shutdown();
    await meters.shutdown();
    await loggers.shutdown();
    const texts = new Map(
      server.handler.requests.map(({ signal, body }) => [signal, Buffer.from(body).toString()]),
    );
    expect(texts.get(Signal.traces)).toContain("a-span-name");
    expect(texts.get(Signal.metrics)).toContain("a-metric-name");
    expect(texts.get(Signal.logs)).toContain("a-log-body");
    expect(await server.metric('receiver_accepted_spans_total{transport="grpc"}')).toBe(1);
  });
}

test("an exporter of the JS SDK is told that its spans were not taken, and they are counted", async () => {
  await using server = await startReceiver();
  server.handler.answer = () => ({ kind: "unavailable", reason: "no disk", retryAfterMs: 50 });
  const exporter = new OTLPTraceExporter({ url: `http://127.0.0.1:${server.port}` });
  const tracers = new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] });
  for (const name of ["a", "b", "c"]) tracers.getTracer("test").startSpan(name).end();
  const outcome = await tracers.forceFlush().then(
    () => "taken",
    () => "not taken",
  );
  expect(outcome).toBe("not taken");
  await tracers.shutdown();
  expect(await server.metric('receiver_refused_spans_total{transport="grpc"}')).toBe(3);
});
