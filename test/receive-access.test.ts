/**
 * Bearer tokens at both receivers: each way to show one or to fail to, what is told to whom, and that of
 * a request without leave no byte of the body is looked at.
 */
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, makeGenericClientConstructor, Metadata, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import {
  exportPath,
  grpcFrame,
  openSession,
  sendOn,
  sendRaw,
  startReceiver,
} from "./support/grpc-receiver.ts";
import { connectRaw, httpBytes, sendHttp, startHttpReceiver } from "./support/http-receiver.ts";
import { makeGate, makeTable, tokens } from "./support/tokens.ts";

type Shown = readonly string[];

/** What is shown, what becomes of it, and for what reason it is refused. */
const matrix: readonly (readonly [what: string, shown: Shown, status: number, reason: string])[] = [
  ["no header", [], 401, "missing"],
  ["an empty one", [""], 401, "malformed"],
  ["another scheme", [`Basic ${tokens.old}`], 401, "malformed"],
  ["no scheme", [tokens.old], 401, "malformed"],
  ["two", [`Bearer ${tokens.old}`, `Bearer ${tokens.old}`], 401, "malformed"],
  ["two, the second wrong", [`Bearer ${tokens.old}`, "Bearer x"], 401, "malformed"],
  ["small letters", [`bearer ${tokens.old}`], 200, ""],
  ["a wrong token", [`Bearer ${tokens.old}x`], 401, "unknown"],
  ["a part of a token", [`Bearer ${tokens.old.slice(0, -1)}`], 401, "unknown"],
  ["the old token", [`Bearer ${tokens.old}`], 200, ""],
  ["the new token", [`Bearer ${tokens.new}`], 200, ""],
  ["a token without the scope", [`Bearer ${tokens.reader}`], 403, "scope"],
];

test.each(matrix)("over HTTP, %s", async (_what, shown, code, reason) => {
  const { gate, log, refused } = makeGate("http");
  await using server = await startHttpReceiver({ gate });
  const lines = shown.map((value) => `authorization: ${value}\r\n`).join("");
  const bytes = httpBytes().toString("latin1").replace("\r\n\r\n", `\r\n${lines}\r\n`);
  const client = connectRaw(server.port).write(bytes);
  const [answer] = await client.answers(1);
  expect(answer?.status).toBe(code);
  expect(server.handler.requests.map(({ sender }) => sender.client)).toEqual(
    code === 200 ? ["gateway"] : [],
  );
  expect(answer?.headers["www-authenticate"]).toBe(
    code === 401 ? 'Bearer realm="mesh-insights"' : undefined,
  );
  expect(answer?.headers["connection"] === "close").toBe(code !== 200);
  if (code !== 200) await client.closed();
  client.socket.destroy();
  expect(await refused()).toEqual(reason === "" ? {} : { [reason]: 1 });
  for (const token of Object.values(tokens)) expect(log.join("")).not.toContain(token);
});

test.each(matrix)("over gRPC, %s", async (_what, shown, code, reason) => {
  const { gate, log, refused } = makeGate("grpc");
  await using server = await startReceiver({ gate });
  expect(await rawGrpcStatus(server.port, shown)).toBe({ 200: 0, 401: 16, 403: 7 }[code]);
  expect(server.handler.requests.map(({ sender }) => sender.client)).toEqual(
    code === 200 ? ["gateway"] : [],
  );
  expect(await refused()).toEqual(reason === "" ? {} : { [reason]: 1 });
  for (const token of Object.values(tokens)) expect(log.join("")).not.toContain(token);
});

/** `grpc-status` as every HTTP/2 library writes it: its Huffman code, then the value's length and digits. */
const grpcStatusCode = Buffer.from("889acac8b21234da8f", "hex");

function statusIn(heard: Buffer): number | null {
  const at = heard.indexOf(grpcStatusCode);
  const length = heard[at + grpcStatusCode.length];
  if (at < 0 || length === undefined) return null;
  const start = at + grpcStatusCode.length + 1;
  return Number(heard.toString("latin1", start, start + length));
}

/** An empty export on a connection of its own, its headers written by hand: no client sends two. */
async function rawGrpcStatus(port: number, authorizations: Shown): Promise<number> {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const header = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.from([0]), text(name), text(value)]);
  const block = Buffer.concat([
    header(":method", "POST"),
    header(":scheme", "http"),
    header(":path", exportPath.traces),
    header(":authority", "localhost"),
    header("content-type", "application/grpc"),
    header("te", "trailers"),
    ...authorizations.map((value) => header("authorization", value)),
  ]);
  const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const socket = net.connect(port, "127.0.0.1");
  let heard = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => (heard = Buffer.concat([heard, chunk])));
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(4, 0, 0, Buffer.alloc(0)));
  socket.write(frame(1, 4, 1, block));
  socket.write(frame(0, 1, 1, grpcFrame(Buffer.alloc(0))));
  try {
    for (let waited = 0; waited < 5_000; waited += 10) {
      const found = statusIn(heard);
      if (found !== null) return found;
      await sleep(10);
    }
    return Number.NaN;
  } finally {
    socket.destroy();
  }
}

test("a real gRPC client with the token in its metadata is known by its name, and without is refused", async () => {
  const { gate } = makeGate("grpc");
  await using server = await startReceiver({ gate });
  const Client = makeGenericClientConstructor({}, "Otlp");
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const exportWith = (authorization: string | null): Promise<string> => {
    const metadata = new Metadata();
    if (authorization !== null) metadata.set("authorization", authorization);
    const same = (bytes: Buffer): Buffer => bytes;
    const deadline = Date.now() + 5_000;
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        exportPath.logs,
        same,
        same,
        Buffer.alloc(0),
        metadata,
        { deadline },
        (error) => resolve(error ? `${status[error.code]}: ${error.details}` : "OK"),
      );
    });
  };
  expect(await exportWith(`Bearer ${tokens.new}`)).toBe("OK");
  expect(await exportWith(null)).toBe(
    'UNAUTHENTICATED: show a token: "Authorization: Bearer <token>"',
  );
  expect(await exportWith("Bearer nobody-has-this-token")).toBe(
    "UNAUTHENTICATED: the token is not known",
  );
  expect(await exportWith(`Bearer ${tokens.old}`)).toBe("OK");
  client.close();
});

test("the tokens of a gate are replaced between two requests of one connection", async () => {
  const { gate } = makeGate("grpc");
  await using server = await startReceiver({ gate });
  const session = await openSession(server.port);
  const statusOf = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await sendOn(session, { headers, frames: [grpcFrame(Buffer.alloc(0))] })).status;
  };
  expect([await statusOf(tokens.old), await statusOf(tokens.new)]).toEqual([0, 0]);
  gate.replace(makeTable([tokens.new]));
  expect([await statusOf(tokens.old), await statusOf(tokens.new)]).toEqual([16, 0]);
  session.destroy();
});

const megabyte = Buffer.alloc(1024 * 1024);

test("over gRPC, no byte of a body without leave is read, and none is kept", async () => {
  const { gate } = makeGate("grpc");
  await using server = await startReceiver({ gate });
  const held: number[] = [];
  const inFlight = 'receiver_in_flight_bytes{transport="grpc"}';
  const watch = setInterval(() => {
    void server.metric(inFlight).then((bytes) => held.push(bytes));
  }, 5);
  const frames = [grpcFrame(megabyte), megabyte, megabyte];
  for (let round = 0; round < 5; round++) {
    const answer = await sendRaw(server.port, { frames, keepOpen: true });
    expect(answer.status).toBe(16);
  }
  clearInterval(watch);
  expect(server.handler.requests).toEqual([]);
  expect(server.handler.turned).toEqual([]);
  expect(Math.max(0, ...held)).toBe(0);
  const name =
    'receiver_requests_total{transport="grpc",signal="traces",outcome="unauthenticated"}';
  expect(await server.metric(name)).toBe(5);
});

test("over HTTP, who waits for leave to send the body never gets it, and who does not wait is not read", async () => {
  const { gate } = makeGate("http");
  await using server = await startHttpReceiver({ gate });
  const waiting = connectRaw(server.port).write(
    httpBytes({ headers: { "content-length": "1000000", expect: "100-continue" } }),
  );
  const [told] = await waiting.answers(1);
  expect([told?.status, waiting.continues]).toEqual([401, 0]);
  await waiting.closed();

  const [sent] = await connectRaw(server.port)
    .write(httpBytes({ headers: { "content-length": String(50 * megabyte.length) } }))
    .write(megabyte)
    .answers(1);
  expect(sent?.status).toBe(401);
  expect(await server.metric('receiver_in_flight_bytes{transport="http"}')).toBe(0);
  expect(server.handler.requests).toEqual([]);
});

test("after ten failures within a minute they cost a connection each, and a good token still passes", async () => {
  const { gate, log, refused } = makeGate("http");
  await using server = await startHttpReceiver({ gate });
  for (let count = 0; count < 25; count++) {
    await sendHttp(server.port, {
      headers: { authorization: "Bearer guessed-guessed-guessed" },
    }).catch(() => {});
  }
  expect(await refused()).toEqual({ unknown: 10, rate_limited: 15 });
  expect(log).toHaveLength(1);
  const good = { authorization: `Bearer ${tokens.old}` };
  expect((await sendHttp(server.port, { headers: good })).status).toBe(200);
});

test("any path asks first, so that nobody learns more than that", async () => {
  const { gate } = makeGate("http");
  await using server = await startHttpReceiver({ gate });
  for (const request of [{ path: "/v1/else" }, { method: "GET" }, { method: "OPTIONS" }]) {
    expect((await sendHttp(server.port, request)).status).toBe(401);
  }
});

test("gRPC health is answered without a token, and its body is not looked at", async () => {
  const { gate } = makeGate("grpc");
  await using server = await startReceiver({ gate });
  const path = "/grpc.health.v1.Health/Check";
  for (const body of [Buffer.alloc(0), Buffer.from("no protobuf at all")]) {
    const answer = await sendRaw(server.port, { path, frames: [grpcFrame(body)] });
    expect([answer.status, answer.body.toString("hex")]).toEqual([0, "00000000020801"]);
  }
});
