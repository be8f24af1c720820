/** The client's connection: compression, headers, TLS and files that change while it runs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeRecords } from "../../test/support/sender-world.ts";
import { OtlpSink } from "../../test/support/otlp-sink.ts";
import { makeRecord } from "../../test/support/write-sets.ts";
import { usPerSecond } from "../model/time.ts";
import { OtlpLogsClient, type OtlpClientOptions, type SinkAnswer } from "./otlp-client.ts";

const folder = join(import.meta.dirname, "../../test/fixtures/tls");
const cert = readFileSync(join(folder, "cert.pem"), "utf8");
const key = readFileSync(join(folder, "key.pem"), "utf8");
const body = encodeRecords([makeRecord("u1")]);

function clientOf(sink: OtlpSink, options: Partial<OtlpClientOptions> = {}): OtlpLogsClient {
  return new OtlpLogsClient({
    host: "127.0.0.1",
    port: sink.port,
    readTls: null,
    serverName: "",
    gzip: false,
    timeoutUs: 10 * usPerSecond,
    readHeaders: null,
    ...options,
  });
}

const send = (client: OtlpLogsClient): Promise<SinkAnswer> =>
  client.send(body, AbortSignal.timeout(10_000));

test.each([
  [true, "gzip"],
  [false, undefined],
])("with gzip %s, the request says so and can be read", async (gzip, encoding) => {
  await using sink = new OtlpSink();
  await sink.start();
  using client = clientOf(sink, { gzip });
  expect(await send(client)).toEqual({ kind: "taken", rejected: 0, message: "", isReadable: true });
  expect(sink.requests[0]?.headers["grpc-encoding"]).toBe(encoding);
  expect(sink.requests[0]?.headers["grpc-timeout"]).toMatch(/^\d+[mS]$/);
  expect(sink.taken.map(({ uid }) => uid)).toEqual(["u1"]);
});

test("headers are read anew for each request; a bad file fails the request and leaks nothing", async () => {
  await using sink = new OtlpSink();
  await sink.start();
  let text = "authorization: Bearer one\nx-tenant: a";
  using client = clientOf(sink, {
    readHeaders: async () => {
      if (text === "") throw new Error("ENOENT: no such file, open '/etc/headers'");
      return text;
    },
  });
  await send(client);
  text = "authorization: Bearer two";
  await send(client);
  const seen = sink.requests.map(({ headers }) => [headers.authorization, headers["x-tenant"]]);
  expect(seen).toEqual([
    ["Bearer one", "a"],
    ["Bearer two", undefined],
  ]);
  text = "# fine\nBearer three";
  const bad = await send(client);
  expect(bad).toMatchObject({ kind: "failed", reason: "headers" });
  expect(bad.message).toContain("line 2");
  expect(bad.message).not.toContain("three");
  text = "";
  expect(await send(client)).toMatchObject({
    reason: "headers",
    message: expect.stringContaining("/etc/headers"),
  });
  expect(sink.requests).toHaveLength(2);
});

test("TLS: a sink that is trusted gets it; none other does", async () => {
  await using sink = new OtlpSink({ tls: { cert, key } });
  await sink.start();
  const trusting = { ca: cert, cert: "", key: "" };
  using trusted = clientOf(sink, { readTls: async () => trusting });
  expect(await send(trusted)).toMatchObject({ kind: "taken" });
  using named = clientOf(sink, { readTls: async () => trusting, serverName: "localhost" });
  expect(await send(named)).toMatchObject({ kind: "taken" });

  using stranger = clientOf(sink, { readTls: async () => ({ ca: "", cert: "", key: "" }) });
  expect(await send(stranger)).toMatchObject({ kind: "failed", reason: "unavailable" });
  using misnamed = clientOf(sink, { readTls: async () => trusting, serverName: "other.example" });
  expect(await send(misnamed)).toMatchObject({ kind: "failed", reason: "unavailable" });
  using plain = clientOf(sink);
  expect(await send(plain)).toMatchObject({ kind: "failed" });
  expect(sink.requests).toHaveLength(2);
});

test("certificates that are exchanged or cannot be used need no restart", async () => {
  await using sink = new OtlpSink({ tls: { cert, key } });
  await sink.start();
  let ca = "";
  using client = clientOf(sink, {
    readTls: async () => {
      if (ca === "gone") throw new Error("ENOENT: /etc/ca.pem");
      return { ca, cert: "", key: "" };
    },
  });
  expect(await send(client)).toMatchObject({ kind: "failed", reason: "unavailable" });
  ca = "no certificate";
  expect(await send(client)).toMatchObject({ kind: "failed" });
  ca = "gone";
  expect(await send(client)).toMatchObject({ message: expect.stringContaining("/etc/ca.pem") });
  ca = cert;
  expect(await send(client)).toMatchObject({ kind: "taken" });
});

test("a connection is kept while all is well, and is made anew after a failure", async () => {
  await using sink = new OtlpSink();
  await sink.start();
  using client = clientOf(sink);
  await send(client);
  await send(client);
  expect(sink.connections).toBe(1);
  await sink.stop();
  expect(await send(client)).toMatchObject({ kind: "failed", reason: "unavailable" });
  await sink.start();
  expect(await send(client)).toMatchObject({ kind: "taken" }); // at once: no channel that backs off
});

test("an aborted request ends at once, also before it began", async () => {
  await using sink = new OtlpSink();
  await sink.start();
  sink.behave = () => ({ kind: "hang" });
  using client = clientOf(sink);
  const abort = new AbortController();
  const answer = client.send(body, abort.signal);
  while (sink.hanging === 0) await new Promise(setImmediate);
  abort.abort();
  expect(await answer).toMatchObject({ kind: "failed", reason: "deadline_exceeded" });
  expect(await client.send(body, abort.signal)).toMatchObject({ reason: "deadline_exceeded" });
  expect(sink.requests).toHaveLength(1);
});

test("an IPv6 address stands in brackets", async () => {
  await using sink = new OtlpSink();
  await sink.start();
  using client = clientOf(sink, { host: "::1", port: 4317 });
  expect(client.target).toBe("[::1]:4317");
});
