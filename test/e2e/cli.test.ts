/** Commands of the built program against each other: record and replay, and questions to an engine. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRecording, type RecordedRequest } from "../../src/cli/recording.ts";
import type { ApiGraph } from "../../src/model/api.ts";
import {
  freePort,
  getJson,
  Program,
  run,
  startEngine,
  TempFolder,
  until,
} from "../support/program.ts";
import { simulatedRequests, writeRecording } from "../support/recording-files.ts";

async function bodiesOf(file: string): Promise<string[]> {
  const bodies: string[] = [];
  for await (const { signal, body } of readRecording(file)) {
    bodies.push(`${signal} ${Buffer.from(body).toString("hex")}`);
  }
  return bodies;
}

const hexOf = ({ signal, body }: RecordedRequest): string =>
  `${signal} ${Buffer.from(body).toString("hex")}`;

test("what is replayed to record is recorded, byte for byte", async () => {
  using folder = new TempFolder();
  const address = `127.0.0.1:${await freePort()}`;
  const requests = simulatedRequests(6, 5, Date.parse("2026-03-01T10:00:00Z"));
  const original = await writeRecording(join(folder.path, "a.rec"), requests);
  const copy = join(folder.path, "b.rec");
  await using recorder = new Program([
    "record",
    "--out",
    copy,
    "--set",
    `receivers.grpc.endpoint=${address}`,
  ]);
  await until(
    async () => recorder.output,
    (output) => output.includes("stop with Ctrl-C"),
    20_000,
  );
  const before = Date.now();
  const replayed = await run(["replay", original, "--to", address, "--original-time"]);
  const after = Date.now();
  expect(replayed).toMatchObject({ code: 0, out: "" });
  const recorded = await recorder.kill("SIGTERM");
  expect(recorded).toMatchObject({ code: 0, out: "" });
  expect(recorded.error).toContain(`${requests.length} requests recorded\n`);

  expect(await bodiesOf(copy)).toEqual(requests.map(hexOf));
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  for await (const { receivedUs } of readRecording(copy)) {
    expect(receivedUs / 1_000).toBeGreaterThanOrEqual(before);
    expect(receivedUs / 1_000).toBeLessThanOrEqual(after);
  }
  const again = await run(["record", "--out", copy]);
  expect(again).toMatchObject({ code: 2 });
  expect(again.error).toContain("the file exists; choose another name");
});

test("replayed at once, nothing lies in the future", async () => {
  using folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  await using program = engine.program;
  const requests = simulatedRequests(6, 60, Date.parse("2026-03-01T10:00:00Z"));
  const file = await writeRecording(join(folder.path, "a.rec"), requests);
  expect((await run(["replay", file, "--to", engine.grpc])).code).toBe(0);
  const graph = await getJson<ApiGraph>(`${engine.web}/api/v1/graph`);
  const lastSeen = graph.edges.map((edge) => Date.parse(edge.last_seen));
  expect(lastSeen.length).toBeGreaterThan(3);
  expect(Math.max(...lastSeen)).toBeLessThanOrEqual(Date.now());
  await program.kill("SIGTERM");
});

test("replay keeps the recording's pace when told to", async () => {
  using folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  await using program = engine.program;
  const requests = simulatedRequests(6, 4, Date.now());
  const file = await writeRecording(join(folder.path, "a.rec"), requests);
  const started = performance.now();
  const { code } = await run(["replay", file, "--to", engine.grpc, "--speed", "2"]);
  expect(code).toBe(0);
  // Three seconds lie between the first request and the last.
  expect(performance.now() - started).toBeGreaterThan(1_500);
  await program.kill("SIGTERM");
});

test("an engine is asked, stops cleanly, and is then missed", async () => {
  using folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  await using program = engine.program;
  const url = ["--url", engine.web];
  expect(await run(["health", ...url])).toMatchObject({ code: 0, error: "" });
  expect(await run(["insights", ...url])).toEqual({ code: 0, out: "no insights\n", error: "" });
  const graph = await run(["graph", ...url, "--format", "json"]);
  expect(JSON.parse(graph.out) as ApiGraph).toMatchObject({ nodes: [], edges: [] });

  expect((await program.kill("SIGTERM")).code).toBe(0);
  const missed = await run(["health", ...url]);
  expect(missed).toMatchObject({ code: 1, out: "" });
  expect(missed.error).toContain("nobody listens there");
  const file = await writeRecording(join(folder.path, "a.rec"), simulatedRequests(6, 2, 1e12));
  const unsent = await run(["replay", file, "--to", engine.grpc]);
  expect(unsent).toMatchObject({ code: 1, out: "" });
  expect(unsent.error).toMatch(/^error: cannot send to .*; is an engine running there\?/);
});
