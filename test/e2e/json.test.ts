/**
 * OTLP/JSON as a real collector writes it: what its file exporter makes of the recordings says the same
 * as the recordings, can be replayed, and is taken line by line on the OTLP/HTTP port.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRequests } from "../../src/cli/json-lines.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { RecordedRequest } from "../../src/cli/recording.ts";
import type { ApiGraph } from "../../src/model/api.ts";
import { Signal } from "../../src/model/stages.ts";
import { bytesToPlain, type Plain, type SignalName } from "../support/otlp-oracle.ts";
import { Peer, toolsOrSkip } from "../support/peers.ts";
import { freePort, getJson, run, startEngine, TempFolder, until } from "../support/program.ts";
import { readRecording, recordingPaths } from "../support/recordings.ts";

const collectorConfig = (otlp: string, file: string): string => `
receivers: { otlp: { protocols: { grpc: { endpoint: "${otlp}", max_recv_msg_size_mib: 64 } } } }
exporters: { file: { path: "${file}" } }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], exporters: [file] }
    metrics: { receivers: [otlp], exporters: [file] }
    logs: { receivers: [otlp], exporters: [file] }
`;

const names: Readonly<Record<Signal, SignalName>> = {
  [Signal.traces]: "traces",
  [Signal.metrics]: "metrics",
  [Signal.logs]: "logs",
};

function plainOf({ signal, body }: RecordedRequest): Plain {
  return bytesToPlain(names[signal], Buffer.from(body));
}

/** Sends the recordings through a collector that writes them as JSON lines. */
async function writtenByCollector(
  path: string,
  folder: string,
  sent: readonly RecordedRequest[],
): Promise<string> {
  const otlp = `127.0.0.1:${await freePort()}`;
  const [config, file] = [join(folder, "collector.yaml"), join(folder, "telemetry.jsonl")];
  writeFileSync(config, collectorConfig(otlp, file));
  await using collector = new Peer("the collector", path, ["--config", config]);
  await collector.becomes("ready", async () => collector.output.includes("is ready"), 20_000);
  using client = new OtlpClient(otlp);
  for (const { signal, body } of sent) {
    expect(await client.send(signal, body)).toMatchObject({ ok: true });
  }
  const lines = (): number => readFileSync(file, "utf8").split("\n").length - 1;
  await until(
    async () => lines(),
    (count) => count === sent.length,
    20_000,
  );
  return file;
}

test("what a collector writes in JSON is what it was sent, in files and over HTTP", async (context) => {
  const { collector } = toolsOrSkip(context, "collector");
  using folder = new TempFolder();
  const sent = recordingPaths()
    .flatMap(readRecording)
    .map(({ signal, body }) => ({ signal: Signal[signal], body, receivedUs: 0 }));
  const file = await writtenByCollector(collector, folder.path, sent);

  const read: RecordedRequest[] = [];
  for await (const request of readRequests(file)) read.push(request);
  expect(read.map(({ signal }) => signal)).toEqual(sent.map(({ signal }) => signal));
  for (const [index, request] of read.entries()) {
    expect(plainOf(request)).toEqual(plainOf(sent[index] ?? request));
  }

  const replayed = await run(["replay", file, "--eval"]);
  expect(replayed.code).toBe(0);
  expect(replayed.out.split("\n").length).toBeGreaterThan(5);

  const engine = await startEngine(folder.path, await freePort());
  await using _program = engine.program;
  for (const [index, line] of readFileSync(file, "utf8").trim().split("\n").entries()) {
    const path = names[read[index]?.signal ?? Signal.logs];
    const headers = { "content-type": "application/json" };
    const url = `http://${engine.http}/v1/${path}`;
    const response = await fetch(url, { method: "POST", headers, body: line });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "application/json",
    ]);
    await response.arrayBuffer();
  }
  const graph = await getJson<ApiGraph>(`${engine.web}/api/v1/graph?limit=10000`);
  expect(graph.edges.length).toBeGreaterThan(20);
});
