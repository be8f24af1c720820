/** Senders on the wrong port are told what to change, in their own words; good ones never notice. */
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import https from "node:https";
import { join } from "node:path";
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { exportPath, grpcFrame, sendRaw, startReceiver } from "./support/grpc-receiver.ts";
import {
  connectRaw,
  connectTls,
  httpBytes,
  sendHttp,
  startHttpReceiver,
} from "./support/http-receiver.ts";

const folder = join(import.meta.dirname, "fixtures/tls");
const cert = readFileSync(join(folder, "cert.pem"), "utf8");
const key = readFileSync(join(folder, "key.pem"), "utf8");
const withTls = { tls: { cert, key } };

interface Server {
  readonly port: number;
  readonly log: string[];
  readonly handler: { readonly requests: readonly unknown[] };
  metric(series: string): Promise<number>;
}

/** That one connection was counted for `reason`, logged with the hint, and handed nothing on. */
async function expectTold(server: Server, series: string, hint: RegExp): Promise<void> {
  const [transport = "", reason = ""] = series.split(" ");
  const counter = `receiver_connections_closed_total{transport="${transport}",reason="${reason}"}`;
  await expect.poll(() => server.metric(counter)).toBeGreaterThan(0);
  const lines = server.log.filter((line) => line.includes("a sender is on the wrong port"));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(hint);
  expect(server.handler.requests).toEqual([]);
}

function exportOverGrpc(
  port: number,
  channel = credentials.createInsecure(),
): Promise<ServiceError | null> {
  const client = new Client(`localhost:${port}`, channel);
  const bytes = (value: Buffer): Buffer => value;
  const deadline = Date.now() + 5_000;
  return new Promise<ServiceError | null>((resolve) => {
    const path = exportPath.logs;
    client.makeUnaryRequest(path, bytes, bytes, Buffer.from("x"), { deadline }, (error) =>
      resolve(error),
    );
  }).finally(() => client.close());
}

test("HTTP/1 on the gRPC port: the answer says where OTLP/HTTP is, and is retried", async () => {
  await using server = await startReceiver({ otherPort: 4318 });
  const got = await fetch(`http://127.0.0.1:${server.port}/v1/traces`, { method: "POST" });
  expect(got.status).toBe(503);
  expect(got.headers.get("retry-after")).toBe("30");
  expect(await got.text()).toContain("this is OTLP/gRPC; OTLP/HTTP is on port 4318");
  await expectTold(server, "grpc http1_on_grpc", /endpoint/);
});

test("HTTP/1 on the gRPC port: a collector gets a status that it shows", async () => {
  await using server = await startReceiver();
  const got = await sendHttp(server.port, { body: "x".repeat(100_000) });
  expect(got).toMatchObject({ status: 503, headers: { "content-type": "application/x-protobuf" } });
  expect(got.body.toString()).toContain("OTLP/HTTP is on another port");
});

test("gRPC on the HTTP port: grpc-js is told, and may try again", async () => {
  await using server = await startHttpReceiver({ otherPort: 4317 });
  const error = await exportOverGrpc(server.port);
  expect(error?.code).toBe(status.UNAVAILABLE);
  expect(error?.details).toContain("this is OTLP/HTTP; OTLP/gRPC is on port 4317");
  await expectTold(server, "http grpc_on_http", /OTLP\/gRPC is on port 4317/);
});

for (const [transport, start] of [
  ["grpc", startReceiver],
  ["http", startHttpReceiver],
] as const) {
  test(`TLS on a plain ${transport} port is counted with what to change`, async () => {
    await using server = await start({});
    await connectTls(server.port).closed();
    const hint = transport === "grpc" ? /tls: { insecure: true }/ : /http:\/\/ in the exporter/;
    await expectTold(server, `${transport} tls_on_plaintext`, hint);
  });

  test(`plain HTTP/1 on a TLS ${transport} port is told to use TLS`, async () => {
    await using server = await start(withTls);
    const got = await sendHttp(server.port, { body: "x" });
    expect(got.status).toBe(503);
    expect(got.body.toString()).toContain("this port speaks TLS");
    await expectTold(server, `${transport} plaintext_on_tls`, /ca_file/);
  });

  test(`plain gRPC on a TLS ${transport} port is told to use TLS`, async () => {
    await using server = await start(withTls);
    const error = await exportOverGrpc(server.port);
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(error?.details).toContain("this port speaks TLS");
    await expectTold(server, `${transport} plaintext_on_tls`, /this port speaks TLS/);
  });

  test(`first bytes that come one by one reach the ${transport} port as one`, async () => {
    await using server = await start({});
    const bytes = httpBytes({ body: "abc" });
    const client = connectRaw(server.port);
    client.socket.setNoDelay(true);
    for (const byte of bytes.subarray(0, 8)) {
      client.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    client.write(bytes.subarray(8));
    expect((await client.answers(1))[0]?.status).toBe(transport === "http" ? 200 : 503);
    client.socket.destroy();
  });

  test(`too few bytes to tell are no reason to wait for ever on the ${transport} port`, async () => {
    await using server = await start({ firstMessageDeadlineMs: 50 });
    await connectRaw(server.port).write("PR").closed();
    const leaving = connectRaw(server.port).write("PR");
    leaving.socket.end();
    await leaving.closed();
    const silent = `receiver_connections_closed_total{transport="${transport}",reason="silent"}`;
    expect(await server.metric(silent)).toBe(1);
  });
}

test.each([[undefined], [["http/1.1"]]])(
  "HTTP/1 inside TLS on the gRPC port, ALPN %j",
  async (alpn) => {
    await using server = await startReceiver({ ...withTls, otherPort: 4318 });
    const client = connectTls(server.port, alpn).write(httpBytes({ body: "x" }));
    const [got] = await client.answers(1);
    expect(got).toMatchObject({ status: 503 });
    expect(got?.body.toString()).toContain("OTLP/HTTP is on port 4318");
    await client.closed();
    await expectTold(server, "grpc http1_on_grpc", /OTLP\/HTTP is on port 4318/);
  },
);

test("OTLP/HTTP over HTTP/2 on the gRPC port is told too", async () => {
  await using server = await startReceiver({ otherPort: 4318 });
  const got = await sendRaw(server.port, {
    path: "/v1/traces",
    headers: { "content-type": "application/x-protobuf" },
    frames: [Buffer.from("x")],
  });
  expect(got.headers).toMatchObject({ ":status": 503, "content-type": "application/x-protobuf" });
  expect(got.body.toString()).toContain("OTLP/HTTP is on port 4318");
  await expectTold(server, "grpc http1_on_grpc", /OTLP\/HTTP is on port 4318/);
});

test("gRPC inside TLS on the HTTP port is told, and may try again", async () => {
  await using server = await startHttpReceiver({ ...withTls, otherPort: 4317 });
  const error = await exportOverGrpc(server.port, credentials.createSsl(Buffer.from(cert)));
  expect(error?.code).toBe(status.UNAVAILABLE);
  expect(error?.details).toContain("this is OTLP/HTTP; OTLP/gRPC is on port 4317");
  await expectTold(server, "http grpc_on_http", /OTLP\/gRPC is on port 4317/);
});

test("HTTP/2 that was not negotiated inside TLS on the HTTP port is counted and ended", async () => {
  await using server = await startHttpReceiver(withTls);
  const client = connectTls(server.port).write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  await client.closed();
  await expectTold(server, "http grpc_on_http", /another port/);
});

test("draining does not wait for senders that belong elsewhere", async () => {
  await using server = await startHttpReceiver({ drainDeadlineMs: 60_000 });
  const session = connect(`http://127.0.0.1:${server.port}`);
  session.on("error", () => {});
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  await server.receiver.drain();
  expect(server.handler.requests).toEqual([]);
});

test("a flood of senders on the wrong port is all counted and seldom logged", async () => {
  await using server = await startReceiver();
  for (let at = 0; at < 20; at++) await sendHttp(server.port, { body: "x" });
  const counter = 'receiver_connections_closed_total{transport="grpc",reason="http1_on_grpc"}';
  expect(await server.metric(counter)).toBe(20);
  expect(server.log.filter((line) => line.includes("wrong port"))).toHaveLength(1);
});

test("good senders in plain text and over TLS are served, large requests and many", async () => {
  await using plain = await startReceiver();
  const large = grpcFrame(Buffer.alloc(5_000_000, 7));
  expect((await sendRaw(plain.port, { frames: [large] })).status).toBe(0);
  await using secure = await startReceiver({ host: "127.0.0.1", ...withTls });
  const channel = credentials.createSsl(Buffer.from(cert));
  expect(await exportOverGrpc(secure.port, channel)).toBeNull();
  await using secureHttp = await startHttpReceiver(withTls);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: cert });
  for (let round = 0; round < 3; round++) {
    expect(await postOverTls(secureHttp.port, agent, Buffer.alloc(3_000_000, 7))).toBe(200);
  }
  expect(await secureHttp.metric('receiver_connections{transport="http"}')).toBe(1);
  agent.destroy();
  for (const server of [plain, secure, secureHttp]) {
    expect(server.log.filter((line) => line.includes("closed") || line.includes("wrong"))).toEqual(
      [],
    );
  }
});

test("over TLS a client without trust is not served, and that is counted", async () => {
  await using server = await startHttpReceiver(withTls);
  await expect(postOverTls(server.port, new https.Agent(), Buffer.alloc(1))).rejects.toThrow(
    /certificate/,
  );
  expect(server.handler.requests).toEqual([]);
});

function postOverTls(port: number, agent: https.Agent, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/x-protobuf" };
    const target = { host: "localhost", port, path: "/v1/logs", method: "POST", headers, agent };
    const request = https.request(target, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
    });
    request.on("error", reject);
    request.end(body);
  });
}
