/** Real clients against the receiver: grpc-js and the exporters of the OpenTelemetry JS SDK. */
import { createHash } from "node:crypto";
import grpc from "@grpc/grpc-js";
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
      expect(request).toMatchObject({ signal: Signal.metrics, transport: "grpc" });
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
