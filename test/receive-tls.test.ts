/**
 * TLS: over gRPC a client that trusts the certificate is served, plain text is not; and a receiver that
 * asks senders for certificates knows who each is.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import tls from "node:tls";
import { credentials, makeGenericClientConstructor, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { exportPath, startReceiver } from "./support/grpc-receiver.ts";
import { httpBytes, RawClient, startHttpReceiver } from "./support/http-receiver.ts";

const folder = join(import.meta.dirname, "fixtures/tls");
const textOf = (name: string): string => readFileSync(join(folder, name), "utf8");
const cert = textOf("cert.pem");
const key = textOf("key.pem");
const collector = { cert: textOf("client.pem"), key: textOf("client-key.pem") };
const clientCa = textOf("client-ca.pem");
const collectorName = "spiffe://mesh.example/ns/monitoring/sa/collector";

async function exportOnce(port: number, channel: ReturnType<typeof credentials.createSsl>) {
  const Client = makeGenericClientConstructor({}, "Otlp");
  const client = new Client(`localhost:${port}`, channel);
  try {
    return await new Promise<string>((resolve) => {
      client.makeUnaryRequest(
        exportPath.logs,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.alloc(0),
        { deadline: Date.now() + 5_000 },
        (error) => resolve(error ? (status[error.code] ?? "") : "OK"),
      );
    });
  } finally {
    client.close();
  }
}

test("over TLS requests are taken; in plain text, or without trust, none arrives", async () => {
  await using server = await startReceiver({ host: "127.0.0.1", tls: { cert, key } });
  expect(await exportOnce(server.port, credentials.createSsl(Buffer.from(cert)))).toBe("OK");
  expect(await exportOnce(server.port, credentials.createInsecure())).not.toBe("OK");
  expect(await exportOnce(server.port, credentials.createSsl())).not.toBe("OK");
  expect(server.handler.requests).toHaveLength(1);
  expect(await exportOnce(server.port, credentials.createSsl(Buffer.from(cert)))).toBe("OK");
});

const mutual = ({ cert: shown, key: proof }: { cert: string; key: string }) =>
  credentials.createSsl(Buffer.from(cert), Buffer.from(proof), Buffer.from(shown));

test("over gRPC, who shows a certificate of the authority is known by it; all others are refused", async () => {
  await using server = await startReceiver({ host: "127.0.0.1", tls: { cert, key, clientCa } });
  expect(await exportOnce(server.port, mutual(collector))).toBe("OK");
  expect(await exportOnce(server.port, mutual({ cert, key }))).not.toBe("OK");
  expect(await exportOnce(server.port, credentials.createSsl(Buffer.from(cert)))).not.toBe("OK");
  expect(server.handler.requests.map(({ sender }) => sender)).toEqual([
    { listener: "grpc", client: collectorName },
  ]);
});

test("over HTTP as well, and who is not asked has no name", async () => {
  await using asking = await startHttpReceiver({ tls: { cert, key, clientCa } });
  await using open = await startHttpReceiver({ tls: { cert, key } });
  const answersOf = async (port: number, shown: object) => {
    const socket = tls.connect({ port, host: "127.0.0.1", ca: cert, ...shown });
    const answers = await new RawClient(socket).write(httpBytes()).answers(1);
    socket.destroy();
    return answers.map(({ status: code }) => code);
  };
  expect(await answersOf(asking.port, collector)).toEqual([200]);
  expect(await answersOf(asking.port, {})).toEqual([]);
  expect(await answersOf(open.port, collector)).toEqual([200]);
  expect(asking.handler.requests.map(({ sender }) => sender.client)).toEqual([collectorName]);
  expect(open.handler.requests.map(({ sender }) => sender.client)).toEqual([""]);
});
