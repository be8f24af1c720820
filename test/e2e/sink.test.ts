/**
 * The built program with a sink that hangs, comes back and is there when the program is killed: telemetry
 * is taken meanwhile, and in the end the sink has every record, of each insight in order.
 */
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiInsight, ApiPage } from "../../src/model/api.ts";
import type { EngineStatus } from "../../src/serve/status.ts";
import { OtlpSink, type SinkRecord } from "../support/otlp-sink.ts";
import {
  freePort,
  getJson,
  startEngine,
  TempFolder,
  until,
  type Engine,
} from "../support/program.ts";

const sink = "exporters.otlp";

/** Pauses that a test can wait for. */
const setsFor = (port: number, timeout: string, batch: number): readonly string[] => [
  `${sink}.endpoint=127.0.0.1:${port}`,
  `${sink}.tls.insecure=true`,
  `${sink}.timeout=${timeout}`,
  `${sink}.retry.initial_interval=100ms`,
  `${sink}.retry.max_interval=500ms`,
  `${sink}.queue.batch=${batch}`,
];

/** Sends some seconds of the simulated mesh, whose attack begins after two; every request is accepted. */
async function sendMesh(engine: Engine, seconds: number): Promise<void> {
  using client = new OtlpClient(engine.grpc, 1);
  const simulation = new Simulation(7);
  for (let second = seconds; second > 0; second--) {
    for (const { signal, bytes } of simulation.tick(Date.now() - second * 1_000)) {
      expect(await client.send(signal, bytes)).toEqual({ ok: true, isRetryable: false });
    }
  }
}

async function metric(engine: Engine, series: string): Promise<number> {
  const response = await fetch(`${engine.web}/metrics`);
  const line = (await response.text())
    .split("\n")
    .find((text) => text.startsWith(`mesh_insights_${series} `));
  return line ? Number(line.slice(line.lastIndexOf(" "))) : Number.NaN;
}

const waiting = (engine: Engine): Promise<number> =>
  metric(engine, 'export_queue_length{sink="otlp"}');

const firing = async (engine: Engine): Promise<readonly ApiInsight[]> =>
  (await getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?state=firing`)).items;

/** Of one insight, each record follows from the one before it, repeats left out. */
function expectWholeHistories(records: readonly SinkRecord[]): void {
  const states = new Map<string, unknown>();
  const byUid = new Map(records.toReversed().map((record) => [record.uid, record])); // first ones win
  for (const { insightId, attributes } of [...byUid.values()].toReversed()) {
    const previous = attributes["mesh_insights.insight.previous_state"];
    expect([states.get(insightId) ?? previous, "pending"]).toContain(previous); // pending is not told
    states.set(insightId, attributes["mesh_insights.insight.state"]);
  }
}

/** What the store says was to be told, and whether any of it waits. */
function storeOf(folder: string): { readonly told: number; readonly waiting: number } {
  const database = new Database(join(folder, "store", "mesh.db"), { readonly: true });
  try {
    const count = (sql: string): number => database.prepare(sql).pluck().get() as number; // count(*)
    return {
      told: count(`
        SELECT count(*)
        FROM insight_event
        WHERE to_state IN ('firing', 'unknown')
          OR (to_state = 'resolved' AND from_state <> 'pending')
          OR (to_state = 'inactive' AND (from_state = 'unknown' OR reason = 'withdrawn') AND from_state <> 'pending')`),
      waiting: count("SELECT count(*) FROM outbox"),
    };
  } finally {
    database.close();
  }
}

test("while a sink hangs, telemetry is taken and records wait; when it is back it gets all of them, once", async () => {
  using folder = new TempFolder();
  await using otlp = new OtlpSink();
  await otlp.start();
  otlp.behave = () => ({ kind: "hang" });
  const engine = await startEngine(folder.path, await freePort(), setsFor(otlp.port, "1s", 2));
  await using _program = engine.program;
  await sendMesh(engine, 8);
  await until(
    () => waiting(engine),
    (length) => length > 0,
    20_000,
  );
  await until(
    () => metric(engine, 'export_failures_total{sink="otlp",reason="deadline_exceeded"}'),
    (count) => count >= 2,
    20_000,
  );
  expect(otlp.taken).toEqual([]);
  const status = await getJson<EngineStatus>(`${engine.web}/status?verbose`);
  const exporter = status.components.find(({ name }) => name.includes("otlp"));
  expect(exporter).toMatchObject({ ok: false, text: expect.stringContaining("no answer in time") });
  expect((await fetch(`${engine.web}/-/ready`)).ok).toBe(true);

  otlp.behave = () => ({ kind: "take" });
  await until(
    () => waiting(engine),
    (length) => length === 0,
    20_000,
  );
  const insights = await firing(engine);
  expect(insights.length).toBeGreaterThan(0);
  const told = new Map(otlp.taken.map((record) => [record.insightId, record]));
  for (const { id, message, rule, severity } of insights) {
    const record = told.get(id);
    expect(record).toMatchObject({ body: message, severityText: severity });
    expect(record?.attributes["security_rule.uuid"]).toBe(rule);
  }
  const uids = otlp.taken.map(({ uid }) => uid);
  expect(new Set(uids).size).toBe(uids.length);
  expectWholeHistories(otlp.taken);
  expect(await metric(engine, 'export_sent_total{sink="otlp"}')).toBe(uids.length);
  await engine.program.kill("SIGTERM");
  expect(storeOf(folder.path)).toEqual({ told: uids.length, waiting: 0 });
}, 90_000);

test("killed between the sink's taking and the mark, at most one batch comes twice, with the same uids", async () => {
  using folder = new TempFolder();
  await using otlp = new OtlpSink();
  await otlp.start();
  const port = await freePort();
  const sets = setsFor(otlp.port, "60s", 1);
  const kills = 3;
  // What it has by then it never acknowledges: the program dies with the mark not made.
  const hangsAt = [2, 4, 6];
  otlp.behave = () => ({ kind: hangsAt.includes(otlp.requests.length) ? "hang" : "take" });
  let engine = await startEngine(folder.path, port, sets);
  try {
    await sendMesh(engine, 8);
    for (let kill = 1; kill <= kills; kill++) {
      await until(
        async () => otlp.hanging,
        (hanging) => hanging > 0,
        20_000,
      );
      await engine.program.kill("SIGKILL");
      engine = await startEngine(folder.path, port, sets);
    }
    await until(
      async () => storeOf(folder.path),
      (store) => store.told > kills && store.waiting === 0,
      20_000,
    );
  } finally {
    await engine.program.kill("SIGTERM");
  }
  const received = otlp.requests.flatMap(({ records }) => records);
  const uids = received.map(({ uid }) => uid);
  const twice = uids.filter((uid, index) => uids.indexOf(uid) !== index);
  expect(twice).toEqual([uids[1], uids[3], uids[5]]); // what was under way at each kill, and nothing else
  expect(storeOf(folder.path)).toEqual({ told: new Set(uids).size, waiting: 0 });
  expectWholeHistories(received);
}, 120_000);
