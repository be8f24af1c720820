/** Senders that do not behave, limits, clocks of connections, and the way down. */
import { randomBytes } from "node:crypto";
import type { ClientHttp2Session } from "node:http2";
import { constants } from "node:http2";
import net from "node:net";
import zlib from "node:zlib";
import { expect, test } from "vitest";
import type { Answer } from "../src/model/requests.ts";
import {
  exportPath,
  grpcFrame,
  openSession,
  sendOn,
  sendRaw,
  startReceiver,
  type TestReceiver,
} from "./support/grpc-receiver.ts";

const gzipHeaders = { "grpc-encoding": "gzip" };
const good = { frames: [grpcFrame(Buffer.from("good"))] };
const accepted: Answer = { kind: "accepted", items: 1, rejectedItems: 0, message: "" };

async function isAlive(server: TestReceiver): Promise<boolean> {
  return (await sendRaw(server.port, good)).status === 0;
}

function closed(socket: net.Socket | ClientHttp2Session): Promise<void> {
  return new Promise((resolve) =>
    socket.closed ? resolve() : socket.once("close", () => resolve()),
  );
}

test("a gzip bomb is refused within the memory of one message", async () => {
  await using server = await startReceiver();
  const member = zlib.gzipSync(Buffer.alloc(32 * 1024 * 1024));
  const bomb = grpcFrame(Buffer.concat(Array.from({ length: 32 }, () => member)), 1); // 1 GiB
  const { arrayBuffers: before } = process.memoryUsage(); // of this thread, other tests run beside it
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  }, 1);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () =>
      sendRaw(server.port, { headers: gzipHeaders, frames: [bomb] }),
    ),
  );
  clearInterval(watch);
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(8));
  expect(peak).toBeLessThan(200e6);
  expect(await isAlive(server)).toBe(true);
});

test("half-sent requests cost their sender; a modest one is answered", async () => {
  await using server = await startReceiver({ maxRequestBytes: 1 << 20, inFlightBytesMax: 4 << 20 });
  const half = grpcFrame(randomBytes(900_000), 0, 1_000_000);
  const greedy = await openSession(server.port);
  const refused = Promise.any(
    Array.from({ length: 12 }, () => sendOn(greedy, { frames: [half], keepOpen: true })),
  );
  expect(await refused).toMatchObject({ status: 14, message: /too much is in flight/ });
  for (let round = 0; round < 5; round++) expect(await isAlive(server)).toBe(true);
  greedy.destroy();
});

/** 1,000 bytes when inflated, of which `roomForOne` holds one at a time. */
const zipped = { headers: gzipHeaders, frames: [grpcFrame(zlib.gzipSync(Buffer.alloc(1_000)), 1)] };
const roomForOne = { maxRequestBytes: 1_000, inFlightBytesMax: 1_500 };

test("a whole request waits for room", async () => {
  await using server = await startReceiver(roomForOne);
  const waiting: ((answer: Answer) => void)[] = [];
  server.handler.answer = () => new Promise((resolve) => waiting.push(resolve));
  const first = sendRaw(server.port, zipped);
  await server.handler.arrivals(1);
  const second = sendRaw(server.port, zipped);
  const inFlight = 'receiver_in_flight_bytes{transport="grpc"}';
  await expect.poll(() => server.metric(inFlight)).toBeGreaterThan(1_000);
  expect(server.handler.requests).toHaveLength(1);
  waiting.shift()?.(accepted);
  expect((await first).status).toBe(0);
  await server.handler.arrivals(2);
  waiting.shift()?.(accepted);
  expect((await second).status).toBe(0);
});

test("a whole request that gets no room in time is told to come again", async () => {
  await using server = await startReceiver({ ...roomForOne, queueDeadlineMs: 50 });
  let answer: (answer: Answer) => void = () => {};
  server.handler.answer = () => new Promise((resolve) => (answer = resolve));
  const first = sendRaw(server.port, zipped);
  await server.handler.arrivals(1);
  expect(await sendRaw(server.port, zipped)).toMatchObject({ status: 14 });
  answer(accepted);
  expect((await first).status).toBe(0);
  expect(server.handler.requests).toHaveLength(1);
});

test("resets in the middle of requests leave nothing behind", async () => {
  await using server = await startReceiver();
  for (let round = 0; round < 5; round++) {
    const session = await openSession(server.port);
    const streams = Array.from({ length: 16 }, () =>
      session.request({
        ":method": "POST",
        ":path": exportPath.logs,
        "content-type": "application/grpc",
        te: "trailers",
      }),
    );
    await Promise.all(
      streams.map((stream) => {
        stream.on("error", () => {});
        stream.write(grpcFrame(randomBytes(5_000), 0, 50_000));
        setImmediate(() => stream.close(constants.NGHTTP2_CANCEL));
        return closed(stream as never);
      }),
    );
    session.destroy();
    await closed(session);
  }
  expect(await isAlive(server)).toBe(true);
  expect(server.handler.requests).toHaveLength(1);
});

test("a sender that goes away while its request is with the handler", async () => {
  await using server = await startReceiver();
  let answer: (answer: Answer) => void = () => {};
  server.handler.answer = () => new Promise((resolve) => (answer = resolve));
  const session = await openSession(server.port);
  const request = sendOn(session, good);
  await server.handler.arrivals(1);
  session.destroy();
  await request;
  answer(accepted);
  server.handler.answer = () => accepted;
  expect(await isAlive(server)).toBe(true);
});

test("rapid resets cost their sender the connection at most", async () => {
  await using server = await startReceiver();
  const session = await openSession(server.port);
  for (let i = 0; i < 3_000 && !session.destroyed; i++) {
    const stream = session.request({
      ":method": "POST",
      ":path": exportPath.logs,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.close(constants.NGHTTP2_CANCEL);
    if (i % 100 === 0) await new Promise(setImmediate);
  }
  expect(await isAlive(server)).toBe(true);
  session.destroy();
});

for (const [name, bytes] of [
  ["HTTP/1.1", Buffer.from("POST /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n")],
  ["TLS to a plain port", Buffer.from("16030100c8010000c40303", "hex")],
  ["noise", randomBytes(4_000)],
  [
    "a frame of 16 MB",
    Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("ffffff000000000001", "hex"),
    ]),
  ],
  [
    "headers without SETTINGS",
    Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("000001010400000001ff", "hex"),
    ]),
  ],
] as const) {
  test(`not HTTP/2: ${name} ends its own connection`, async () => {
    await using server = await startReceiver({ firstMessageDeadlineMs: 1_000 });
    const socket = net.connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(bytes);
    await closed(socket);
    expect(await isAlive(server)).toBe(true);
  });
}

test("oversize headers are refused", async () => {
  await using server = await startReceiver();
  const session = await openSession(server.port);
  const headers = Object.fromEntries(
    Array.from({ length: 60 }, (_, at) => [`x-${at}`, "v".repeat(2_000)]),
  );
  const got = await sendOn(session, { ...good, headers });
  expect(got.status).toBeNaN();
  expect(server.handler.requests).toEqual([]);
  session.destroy();
  expect(await isAlive(server)).toBe(true);
});

test("a connection that says nothing is closed", async () => {
  await using server = await startReceiver({ firstMessageDeadlineMs: 50 });
  const socket = net.connect(server.port, "127.0.0.1");
  socket.resume();
  await closed(socket);
  expect(
    await server.metric('receiver_connections_closed_total{transport="grpc",reason="silent"}'),
  ).toBe(1);
});

for (const [reason, options] of [
  ["idle", { idleMs: 50 }],
  ["age", { ageMs: 400, ageGraceMs: 50 }],
] as const) {
  test(`a connection is closed for ${reason} with GOAWAY, and without an error`, async () => {
    await using server = await startReceiver(options);
    const session = await openSession(server.port);
    let goaway = -1;
    session.on("goaway", (code: number) => (goaway = code));
    expect((await sendOn(session, good)).status).toBe(0);
    await closed(session);
    expect(goaway).toBe(0);
    expect(
      await server.metric(`receiver_connections_closed_total{transport="grpc",reason="${reason}"}`),
    ).toBe(1);
  });
}

test("a peer that answers no ping is closed", async () => {
  await using server = await startReceiver({ pingIntervalMs: 20, pingTimeoutMs: 50 });
  const socket = net.connect(server.port, "127.0.0.1");
  socket.resume();
  socket.write(
    Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("000000040000000000", "hex"),
    ]),
  );
  await closed(socket);
  expect(
    await server.metric(
      'receiver_connections_closed_total{transport="grpc",reason="unresponsive"}',
    ),
  ).toBe(1);
});

test("connections above the cap are refused, and there is room again when one goes", async () => {
  await using server = await startReceiver({ maxConnections: 2 });
  const [one, two] = [await openSession(server.port), await openSession(server.port)];
  await closed(net.connect(server.port, "127.0.0.1").resume());
  expect(
    await server.metric('receiver_connections_closed_total{transport="grpc",reason="too_many"}'),
  ).toBe(1);
  expect(await server.metric('receiver_connections{transport="grpc"}')).toBe(2);
  one.destroy();
  await closed(one);
  await expect.poll(() => server.metric('receiver_connections{transport="grpc"}')).toBe(1);
  expect(await isAlive(server)).toBe(true);
  two.destroy();
});

test("a sender gets no more than its streams at once", async () => {
  await using server = await startReceiver({ maxConcurrentStreams: 2 });
  const waiting: ((answer: Answer) => void)[] = [];
  server.handler.answer = () => new Promise((resolve) => waiting.push(resolve));
  const session = await openSession(server.port);
  await new Promise<void>((resolve) => session.once("remoteSettings", () => resolve()));
  const requests = Array.from({ length: 3 }, () => sendOn(session, good));
  await server.handler.arrivals(2);
  expect(server.handler.requests).toHaveLength(2);
  for (const answer of waiting.splice(0)) answer(accepted);
  await server.handler.arrivals(3);
  for (const answer of waiting.splice(0)) answer(accepted);
  expect((await Promise.all(requests)).map(({ status }) => status)).toEqual([0, 0, 0]);
  session.destroy();
});

test("draining says GOAWAY, answers what is in flight, and takes no new connection", async () => {
  await using server = await startReceiver();
  let answer: (answer: Answer) => void = () => {};
  server.handler.answer = () => new Promise((resolve) => (answer = resolve));
  const session = await openSession(server.port);
  const goaway = new Promise((resolve) => session.once("goaway", resolve));
  const request = sendOn(session, good);
  await server.handler.arrivals(1);
  const drained = server.receiver.drain();
  await goaway;
  await expect(openSession(server.port)).rejects.toThrow("closed before it was connected");
  answer(accepted);
  expect((await request).status).toBe(0);
  await drained;
});

test("draining is bounded: what does not end is told to come again", async () => {
  await using server = await startReceiver({ drainDeadlineMs: 50 });
  server.handler.answer = () => new Promise(() => {});
  const request = sendRaw(server.port, good);
  await server.handler.arrivals(1);
  await server.receiver.drain();
  expect(await request).toMatchObject({ status: 14, message: /shutting down/ });
});

test("a port in use is a clear error", async () => {
  await using server = await startReceiver();
  await expect(startReceiver({ port: server.port })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${server.port}: address already in use; stop the program that uses it or configure another port`,
  );
});

test("an address of somebody else is a clear error", async () => {
  await expect(startReceiver({ host: "192.0.2.1" })).rejects.toThrow(
    /^cannot listen on 192\.0\.2\.1:0: this machine has no such address/,
  );
});

test("disposing twice is harmless, and the port is free at once", async () => {
  const server = await startReceiver();
  await server.receiver[Symbol.asyncDispose]();
  await server.receiver[Symbol.asyncDispose]();
  await using next = await startReceiver({ port: server.port });
  expect(next.port).toBe(server.port);
});

test("damaged gzip bodies: each of 2,000 is answered", async () => {
  await using server = await startReceiver();
  const session = await openSession(server.port);
  const whole = zlib.gzipSync("istio_requests_total ".repeat(50));
  const statuses = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => {
        const damaged = Buffer.from(whole);
        const place = (round * 10 + at) % damaged.length;
        damaged[place] = (damaged[place] ?? 0) ^ (1 + (round % 255));
        return sendOn(session, { headers: gzipHeaders, frames: [grpcFrame(damaged, 1)] });
      }),
    );
    for (const { status } of answers) statuses.add(status);
  }
  expect([...statuses].sort((a, b) => a - b)).toEqual([0, 3]); // some bits of the header mean nothing
  session.destroy();
  expect(await isAlive(server)).toBe(true);
});
