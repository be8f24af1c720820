/** Over HTTP: senders that do not behave, limits, clocks of connections, and the way down. */
import { randomBytes } from "node:crypto";
import http from "node:http";
import zlib from "node:zlib";
import { expect, test } from "vitest";
import type { Answer } from "../src/model/requests.ts";
import {
  connectRaw,
  httpBytes,
  sendHttp,
  startHttpReceiver,
  type TestHttpReceiver,
} from "./support/http-receiver.ts";

const accepted: Answer = { kind: "accepted", items: 1, rejectedItems: 0, message: "" };
const inFlight = 'receiver_in_flight_bytes{transport="http"}';
const ends = (reason: string): string =>
  `receiver_connections_closed_total{transport="http",reason="${reason}"}`;

async function isAlive(server: TestHttpReceiver): Promise<boolean> {
  return (await sendHttp(server.port, { body: "good" })).status === 200;
}

/** A handler that answers when told. */
function holdAnswers(server: TestHttpReceiver): ((answer: Answer) => void)[] {
  const waiting: ((answer: Answer) => void)[] = [];
  server.handler.answer = () => new Promise((resolve) => waiting.push(resolve));
  return waiting;
}

test("bombs of gzip and deflate are refused within the memory of one message", async () => {
  await using server = await startHttpReceiver();
  const member = zlib.gzipSync(Buffer.alloc(32 * 1024 * 1024));
  const gzip = Buffer.concat(Array.from({ length: 32 }, () => member)); // 1 GiB
  const deflate = zlib.deflateSync(Buffer.alloc(96 * 1024 * 1024));
  const { arrayBuffers: before } = process.memoryUsage();
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  }, 1);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, at) =>
      sendHttp(server.port, {
        headers: { "content-encoding": at % 2 ? "deflate" : "gzip" },
        body: at % 2 ? deflate : gzip,
      }),
    ),
  );
  clearInterval(watch);
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(413));
  expect(peak).toBeLessThan(300e6);
  expect(await isAlive(server)).toBe(true);
});

test("half-sent requests cost who sent them, over however many connections", async () => {
  await using server = await startHttpReceiver({
    maxRequestBytes: 1 << 20,
    inFlightBytesMax: 4 << 20,
  });
  const half = httpBytes({ headers: { "content-length": "1000000" }, body: randomBytes(100_000) });
  const greedy = Array.from({ length: 60 }, () => connectRaw(server.port).write(half));
  const [refused] = await Promise.any(
    greedy.map(async (client) => {
      const answers = await client.answers(1);
      return answers.length > 0 ? answers : Promise.reject(new Error("not this one"));
    }),
  );
  expect(refused).toMatchObject({ status: 503, headers: { connection: "close" } });
  // From another address, and larger than any single one of the greedy.
  const modest = connectRaw(server.port, "127.0.0.2").write(httpBytes({ body: randomBytes(1e6) }));
  expect((await modest.answers(1))[0]).toMatchObject({ status: 200 });
  for (const client of [...greedy, modest]) client.socket.destroy();
});

test("a body for which there is no room is told to come again", async () => {
  await using server = await startHttpReceiver({ maxRequestBytes: 1_000, inFlightBytesMax: 1_500 });
  const waiting = holdAnswers(server);
  const first = sendHttp(server.port, { body: Buffer.alloc(1_000) });
  await server.handler.arrivals(1);
  expect((await sendHttp(server.port, { body: Buffer.alloc(1_000) })).status).toBe(503);
  waiting.shift()?.(accepted);
  expect((await first).status).toBe(200);
});

test("a whole request waits for room, and memory is free after the answer", async () => {
  await using server = await startHttpReceiver({ maxRequestBytes: 1_000, inFlightBytesMax: 1_500 });
  const waiting = holdAnswers(server);
  const zipped = {
    headers: { "content-encoding": "gzip" },
    body: zlib.gzipSync(Buffer.alloc(1_000)),
  };
  const first = sendHttp(server.port, zipped);
  await server.handler.arrivals(1);
  const second = sendHttp(server.port, zipped);
  await expect.poll(() => server.metric(inFlight)).toBeGreaterThan(1_000);
  expect(server.handler.requests).toHaveLength(1);
  waiting.shift()?.(accepted);
  expect((await first).status).toBe(200);
  await server.handler.arrivals(2);
  waiting.shift()?.(accepted);
  expect((await second).status).toBe(200);
  expect(await server.metric(inFlight)).toBe(0);
});

test("a sender that goes away in the middle of its body leaves nothing behind", async () => {
  await using server = await startHttpReceiver();
  for (const headers of [{ "content-length": "50000" }, { "transfer-encoding": "chunked" }]) {
    const without = "content-length" in headers ? [] : ["content-length"];
    const body = "content-length" in headers ? "x".repeat(5_000) : `1388\r\n${"x".repeat(5_000)}`;
    const client = connectRaw(server.port).write(httpBytes({ headers, without, body }));
    await expect.poll(() => server.metric(inFlight)).toBeGreaterThan(0);
    client.socket.destroy();
    await expect.poll(() => server.metric(inFlight)).toBe(0);
  }
  const cancelled = 'receiver_requests_total{transport="http",signal="traces",outcome="cancelled"}';
  expect(await server.metric(cancelled)).toBe(2);
  expect(server.handler.requests).toEqual([]);
});

test("a sender that goes away while its request is with the handler", async () => {
  await using server = await startHttpReceiver();
  const waiting = holdAnswers(server);
  const client = connectRaw(server.port).write(httpBytes({ body: "good" }));
  await server.handler.arrivals(1);
  client.socket.destroy();
  const connections = 'receiver_connections{transport="http"}';
  await expect.poll(() => server.metric(connections)).toBe(0);
  waiting.shift()?.(accepted);
  server.handler.answer = () => accepted;
  expect(await isAlive(server)).toBe(true);
});

for (const [name, bytes, status] of [
  ["noise", randomBytes(4_000).fill(7, 0, 4), 400],
  ["a bad request line", "POST /v1/traces FTP/1.1\r\n\r\n", 400],
  ["no host", "POST /v1/traces HTTP/1.1\r\n\r\n", 400],
  ["a length twice", httpBytes({ headers: { "Content-Length": "4" }, body: "abc" }), 400],
  ["a length and chunks", httpBytes({ headers: { "transfer-encoding": "chunked" } }), 400],
  ["a length that is none", httpBytes({ headers: { "content-length": "-1" } }), 400],
  ["headers of 20 KiB", httpBytes({ headers: { "x-long": "x".repeat(20_000) } }), 431],
  ["endless headers", `POST /v1/traces HTTP/1.1\r\n${"a: b\r\n".repeat(20_000)}`, 431],
] as const) {
  test(`not HTTP: ${name} is told so and ends its own connection`, async () => {
    await using server = await startHttpReceiver();
    const client = connectRaw(server.port).write(Buffer.from(bytes));
    const [answer] = await client.answers(1);
    expect(answer).toMatchObject({ status, headers: { connection: "close" } });
    await client.closed();
    expect(server.handler.requests).toEqual([]);
    expect(await isAlive(server)).toBe(true);
  });
}

test("broken chunks are the fault of their request, which is told so", async () => {
  await using server = await startHttpReceiver();
  const head = { headers: { "transfer-encoding": "chunked" }, without: ["content-length"] };
  const client = connectRaw(server.port).write(httpBytes({ ...head, body: "3\r\nabc\r\nzz\r\n" }));
  const [answer] = await client.answers(1);
  expect(answer).toMatchObject({ status: 400, headers: { connection: "close" } });
  expect(await server.metric(inFlight)).toBe(0);
  await client.closed();
});

test("garbage behind a good request does not cost the good one its answer", async () => {
  await using server = await startHttpReceiver();
  const waiting = holdAnswers(server);
  const client = connectRaw(server.port).write(httpBytes({ body: "good" }));
  client.write("garbage\r\n\r\n");
  await server.handler.arrivals(1);
  await expect.poll(() => server.metric(ends("protocol_error"))).toBe(1);
  waiting.shift()?.(accepted);
  expect(await client.answers(2)).toMatchObject([
    { status: 200, headers: { connection: "close" } },
  ]);
});

test("a client that is still sending a refused body gets the answer", async () => {
  await using server = await startHttpReceiver({ maxRequestBytes: 1_000_000 });
  const status = await new Promise((resolve, reject) => {
    const headers = { "content-type": "application/x-protobuf" };
    const target = { port: server.port, path: "/v1/traces", method: "POST", headers };
    const request = http.request(target, (response) => resolve(response.resume().statusCode));
    request.on("error", reject);
    for (let at = 0; at < 30; at++) request.write(Buffer.alloc(1_000_000));
    request.end();
  });
  expect(status).toBe(413);
  expect(await isAlive(server)).toBe(true);
});

test("a flood of requests in line ends its connection", async () => {
  await using server = await startHttpReceiver();
  holdAnswers(server);
  const flood = Buffer.concat(Array.from({ length: 2_000 }, () => httpBytes({ body: "x" })));
  const client = connectRaw(server.port).write(flood);
  await client.closed();
  expect(await server.metric(ends("protocol_error"))).toBe(1);
  expect(server.handler.requests.length).toBeLessThanOrEqual(16);
  server.handler.answer = () => accepted;
  expect(await isAlive(server)).toBe(true);
});

test("a connection that says nothing is closed", async () => {
  await using server = await startHttpReceiver({ firstMessageDeadlineMs: 50 });
  await connectRaw(server.port).closed();
  expect(await server.metric(ends("silent"))).toBe(1);
});

test("headers that trickle are cut off, also on a connection that has sent before", async () => {
  await using server = await startHttpReceiver({ headersDeadlineMs: 100 });
  const first = connectRaw(server.port).write("POST /v1/traces HTTP/1.1\r\nx:");
  expect((await first.answers(1))[0]).toMatchObject({ status: 408 });
  const second = connectRaw(server.port).write(httpBytes({ body: "good" }));
  await second.answers(1);
  second.write("POST /v1/tr");
  expect((await second.answers(2))[1]).toMatchObject({ status: 408 });
  await Promise.all([first.closed(), second.closed()]);
  expect(await server.metric(ends("silent"))).toBe(2);
});

test("an idle connection is closed", async () => {
  await using server = await startHttpReceiver({ keepAliveMs: 50 });
  const client = connectRaw(server.port).write(httpBytes({ body: "good" }));
  expect((await client.answers(1))[0]?.headers["connection"]).toBe("keep-alive");
  await client.closed();
  expect(await server.metric(ends("idle"))).toBe(1);
});

test("an old connection is closed behind an answer, never before it", async () => {
  await using server = await startHttpReceiver({ ageMs: 50 });
  const waiting = holdAnswers(server);
  const client = connectRaw(server.port).write(httpBytes({ body: "good" }));
  await server.handler.arrivals(1);
  await expect.poll(() => server.metric(ends("age"))).toBe(1);
  waiting.shift()?.(accepted);
  expect(await client.answers(2)).toMatchObject([
    { status: 200, headers: { connection: "close" } },
  ]);
});

test("connections above the cap are refused, and there is room again when one goes", async () => {
  await using server = await startHttpReceiver({ maxConnections: 2 });
  const clients = [connectRaw(server.port), connectRaw(server.port)];
  for (const client of clients) await client.write(httpBytes({ body: "good" })).answers(1);
  await connectRaw(server.port).closed();
  expect(await server.metric(ends("too_many"))).toBe(1);
  expect(await server.metric('receiver_connections{transport="http"}')).toBe(2);
  clients[0]?.socket.destroy();
  await expect.poll(() => server.metric('receiver_connections{transport="http"}')).toBe(1);
  expect(await isAlive(server)).toBe(true);
  clients[1]?.socket.destroy();
});

test("draining answers what is in flight, closes the idle, and takes no new connection", async () => {
  await using server = await startHttpReceiver();
  const idle = connectRaw(server.port).write(httpBytes({ body: "good" }));
  await idle.answers(1);
  const waiting = holdAnswers(server);
  const busy = connectRaw(server.port).write(httpBytes({ body: "good" }));
  await server.handler.arrivals(2);
  const drained = server.receiver.drain();
  await idle.closed();
  await connectRaw(server.port).closed();
  waiting.shift()?.(accepted);
  expect(await busy.answers(1)).toMatchObject([{ status: 200, headers: { connection: "close" } }]);
  await drained;
});

test("draining is bounded: what does not end is told to come again", async () => {
  await using server = await startHttpReceiver({ drainDeadlineMs: 50 });
  holdAnswers(server);
  const request = sendHttp(server.port, { body: "good" });
  await server.handler.arrivals(1);
  await server.receiver.drain();
  expect(await request).toMatchObject({ status: 503, headers: { connection: "close" } });
});

test("a port in use is a clear error, and a port is free at once after disposal", async () => {
  const server = await startHttpReceiver();
  await expect(startHttpReceiver({ port: server.port })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${server.port}: address already in use`,
  );
  await server.receiver[Symbol.asyncDispose]();
  await server.receiver[Symbol.asyncDispose]();
  await using next = await startHttpReceiver({ port: server.port });
  expect(next.port).toBe(server.port);
});

test("damaged gzip bodies: each of 1,000 is answered", async () => {
  await using server = await startHttpReceiver();
  const client = connectRaw(server.port);
  const whole = zlib.gzipSync("istio_requests_total ".repeat(50));
  const statuses = new Set<number>();
  for (let round = 0; round < 1_000; round++) {
    const damaged = Buffer.from(whole);
    const place = round % damaged.length;
    damaged[place] = (damaged[place] ?? 0) ^ (1 + (round % 255));
    client.write(httpBytes({ headers: { "content-encoding": "gzip" }, body: damaged }));
    const answers = await client.answers(round + 1);
    statuses.add(answers.at(-1)?.status ?? 0);
  }
  expect([...statuses].sort((a, b) => a - b)).toEqual([200, 400]); // some bits mean nothing
  client.socket.destroy();
});
