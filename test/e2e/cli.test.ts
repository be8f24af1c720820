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
  runWithInput,
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

test("query and backup beside a running engine", async () => {
  using folder = new TempFolder();
  const { program, configPath } = await startEngine(folder.path, await freePort());
  await using _killed = program;
  const config = ["--config", configPath];
  const table = await run(["query", "SELECT id, clean AS is_clean FROM meta", ...config]);
  expect(table).toEqual({ code: 0, out: "id  is_clean\n1   0\n", error: "" });
  const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
  const cut = await run(["query", many, ...config, "--json", "--limit", "3"]);
  expect(JSON.parse(cut.out)).toEqual([{ i: 1 }, { i: 2 }, { i: 3 }]);
  expect(cut.error).toMatch(/^only the first 3 rows are shown; /);
  const writing = await run(["query", "DELETE FROM meta", ...config]);
  expect(writing).toMatchObject({ code: 1, out: "" });
  expect(writing.error).toMatch(/^error: cannot run the query: it does not read: .*\n$/);

  const copy = join(folder.path, "copy.db");
  const backup = await run(["backup", copy, ...config]);
  expect(backup).toMatchObject({ code: 0, error: "" });
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  expect(backup.out).toBe(`${copy}: ${statSync(copy).size} bytes, checked\n`);
  expect(await run(["query", "SELECT count(*) AS n FROM meta", "--store", copy])).toMatchObject({
    code: 0,
    out: "n\n1\n",
  });
  expect((await run(["backup", copy, ...config])).error).toContain("the file exists");
  // The copy is a store like any other.
  await program.kill("SIGTERM");
  const port = await freePort();
  const again = await startEngine(folder.path, port, [`store.path=${copy}`]);
  await again.program.kill("SIGTERM");
});

test("a query that would take for ever is ended, and says so", async () => {
  using folder = new TempFolder();
  const { program, configPath } = await startEngine(folder.path, await freePort());
  await using _killed = program;
  const endless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  const ended = await run(["query", endless, "--config", configPath]);
  expect(ended).toEqual({
    code: 1,
    out: "",
    error: "error: cannot run the query: no answer in 10 s; ask for less\n",
  });
});

test("a rule is explained for an entity from a pipe", () => {
  const args = ["rules", "explain", "egress-around-proxy", "-"];
  const entity = "flow: { rung: b2, outcome: found, dst_ip: 203.0.113.7, dst_port: 443 }\n";
  const { status, stdout, stderr } = runWithInput(args, entity);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^egress-around-proxy: matches\n/);
  expect(stdout).toContain("\ntrue     flow.rung in ['b2', 'b3']\n");
  const tooMuch = runWithInput(args, " ".repeat(2 ** 20 + 1));
  expect(tooMuch.status).toBe(2);
  expect(tooMuch.stderr).toContain("error: cannot read the entity from '-': an entity has at most");
});
