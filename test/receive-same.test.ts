/** The same body gives the same request to the engine, whatever carried it. */
import zlib from "node:zlib";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Signal } from "../src/model/stages.ts";
import type { ReceivedRequest } from "../src/model/requests.ts";
import {
  exportPath,
  grpcFrame,
  openSession,
  sendOn,
  startReceiver,
} from "./support/grpc-receiver.ts";
import { connectRaw, httpBytes, startHttpReceiver } from "./support/http-receiver.ts";
import { requestArbitrary } from "./support/otlp-arbitrary.ts";

const deflaters = {
  identity: (bytes: Buffer) => bytes,
  gzip: (bytes: Buffer) => zlib.gzipSync(bytes),
  deflate: (bytes: Buffer) => zlib.deflateSync(bytes),
};

const sampleArbitrary = fc.record({
  request: fc.oneof(
    ...(["traces", "metrics", "logs"] as const).map((signal) =>
      fc.record({
        signal: fc.constant(signal),
        body: fc.oneof(
          requestArbitrary(signal),
          fc.uint8Array({ maxLength: 200_000, size: "max" }),
        ),
      }),
    ),
  ),
  encoding: fc.constantFrom("identity", "gzip", "deflate"),
  isChunked: fc.boolean(),
});

/** What must be the same: all but the time and the transport. */
function plainOf(request: ReceivedRequest | undefined): object {
  if (!request) return {};
  const { signal, body, wire, hash, sender } = request;
  const bytes = wire && Buffer.from(wire.bytes).toString("base64");
  const text = Buffer.from(body).toString("base64");
  return { signal, body: text, wire: bytes, encoding: wire?.encoding, hash, client: sender.client };
}

function chunk(bytes: Buffer): Buffer {
  const half = Math.ceil(bytes.length / 2);
  const parts = [bytes.subarray(0, half), bytes.subarray(half)].filter((part) => part.length > 0);
  const framed = parts.flatMap((part) => [`${part.length.toString(16)}\r\n`, part, "\r\n"]);
  return Buffer.concat([...framed, "0\r\n\r\n"].map((part) => Buffer.from(part)));
}

test("a body over gRPC and over HTTP, compressed or in chunks, is one and the same request", async () => {
  await using grpc = await startReceiver();
  await using http = await startHttpReceiver();
  const session = await openSession(grpc.port);
  const client = connectRaw(http.port);
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(sampleArbitrary, async ({ request, encoding, isChunked }) => {
      const { signal } = request;
      const body = Buffer.from(request.body);
      const wire = deflaters[encoding](body);
      sent++;
      const grpcAnswer = await sendOn(session, {
        path: exportPath[signal],
        headers: { "grpc-encoding": encoding },
        frames: [grpcFrame(wire, encoding === "identity" ? 0 : 1)],
      });
      client.write(
        httpBytes({
          path: `/v1/${signal}`,
          headers: {
            "content-encoding": encoding,
            ...(isChunked ? { "transfer-encoding": "chunked" } : {}),
          },
          without: isChunked ? ["content-length"] : [],
          body: isChunked ? chunk(wire) : wire,
        }),
      );
      const httpAnswers = await client.answers(sent);
      expect([grpcAnswer.status, httpAnswers.at(-1)?.status]).toEqual([0, 200]);
      const [fromGrpc, fromHttp] = [grpc.handler.requests.at(-1), http.handler.requests.at(-1)];
      expect(plainOf(fromHttp)).toEqual(plainOf(fromGrpc));
      expect(fromHttp).toMatchObject({ signal: Signal[signal], sender: { listener: "http" } });
      expect(Buffer.from(fromHttp?.body ?? new ArrayBuffer(0)).equals(body)).toBe(true);
      // Both buffers are handed to another thread, which takes the whole ArrayBuffer.
      for (const one of [fromGrpc, fromHttp]) expect(one?.body.byteLength).toBe(body.length);
    }),
    { numRuns: 150 },
  );
  expect([grpc.handler.requests.length, http.handler.requests.length]).toEqual([sent, sent]);
  session.destroy();
  client.socket.destroy();
});
