/** OTLP/gRPC over TLS: a client that trusts the certificate is served, plain text is not. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { credentials, makeGenericClientConstructor, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { exportPath, startReceiver } from "./support/grpc-receiver.ts";

const folder = join(import.meta.dirname, "fixtures/tls");
const cert = readFileSync(join(folder, "cert.pem"), "utf8");
const key = readFileSync(join(folder, "key.pem"), "utf8");

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
