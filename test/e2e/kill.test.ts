/**
 * `kill -9` under load, again and again: what was acknowledged is there after the restart, the database
 * is whole, and a restart by itself raises and resolves nothing. Every request carries calls between a
 * pair of addresses of its own, so the graph tells exactly which requests took effect, and how often.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { encodeLogs, type SimulatedLog } from "../../src/cli/demo/otlp.ts";
import {
  connectEvent,
  execEvent,
  flowRecords,
  type SimulatedProcess,
} from "../../src/cli/demo/sources.ts";
import { pods } from "../../src/cli/demo/world.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiBlind, ApiInsight, ApiPage } from "../../src/model/api.ts";
import { Signal } from "../../src/model/stages.ts";
import {
  freePort,
  getJson,
  startEngine,
  TempFolder,
  until,
  type Engine,
} from "../support/program.ts";

const kills = 20;
const linesPerRequest = 3;

/** The pair of addresses of request `n`, which no other has; few enough peers for the graph's caps. */
const clientIp = (n: number): string => `10.50.0.${n % 200}`;
const serverIp = (n: number): string => `10.60.0.${Math.floor(n / 200)}`;
const pairOf = (n: number): string => `${clientIp(n)} ${serverIp(n)}`;

function callLine(n: number, line: number, client: string, server: string): SimulatedLog {
  const atMs = Date.now();
  const body =
    `[${new Date(atMs).toISOString()}] "GET /${n} HTTP/1.1" 200 - via_upstream - "-" 0 5 1 1 "-" ` +
    `"kill/1" "${n}-${line}" "server:80" "${server}:80" inbound|80|| 127.0.0.6:${40_000 + line} ` +
    `${server}:80 ${client}:${30_000 + line} - default\n`;
  return { timeMs: atMs, attributes: {}, body };
}

function uniqueCalls(n: number): Uint8Array {
  const lines = Array.from({ length: linesPerRequest }, (_, line) =>
    callLine(n, line, clientIp(n), serverIp(n)),
  );
  return encodeLogs({}, lines).bytes;
}

/** More edges than a commit writes at once: such a commit holds the requests instead of the rows. */
const manyEdges = 400;

function callsOnEveryEdge(n: number): Uint8Array {
  const lines = Array.from({ length: manyEdges }, (_, line) =>
    callLine(n, line, clientIp(line), serverIp(line)),
  );
  return encodeLogs({}, lines).bytes;
}

/** Sends until the engine is gone; returns the numbers of the acknowledged requests. */
async function sendUntilKilled(
  engine: Engine,
  next: () => number,
  acknowledged: Set<number>,
  encode = uniqueCalls,
): Promise<void> {
  using client = new OtlpClient(engine.grpc, 1);
  const lane = async (): Promise<void> => {
    for (;;) {
      const n = next();
      const result = await client.send(Signal.logs, encode(n));
      if (!result.ok) return;
      acknowledged.add(n);
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
}

function transitions(folder: string): string[] {
  const database = new Database(join(folder, "store", "mesh.db"), { readonly: true });
  try {
    const rows = database
      .prepare("SELECT insight_id, number, to_state FROM insight_event ORDER BY 1, 2")
      .raw()
      .all() as unknown[][];
    return rows.map((row) => row.join(" "));
  } finally {
    database.close();
  }
}

/** Requests that the next start will have to apply again. */
function storedRequests(folder: string): number {
  const database = new Database(join(folder, "store", "mesh.db"), { readonly: true });
  try {
    return Number(database.prepare("SELECT COUNT(*) FROM redo").pluck().get());
  } finally {
    database.close();
  }
}

/** Requests between each pair as the database holds them. */
function committedCalls(folder: string): Map<string, number> {
  const database = new Database(join(folder, "store", "mesh.db"), { readonly: true });
  try {
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    const rows = database
      .prepare(
        `SELECT source.address || ' ' || target.address AS pair, SUM(facet.requests) AS requests
         FROM facet
         JOIN edge ON edge.id = facet.edge_id
         JOIN node AS source ON source.id = edge.src_id
         JOIN node AS target ON target.id = edge.dst_id
         WHERE source.address LIKE '10.50.%'
         GROUP BY pair`,
      )
      .all() as { pair: string; requests: number }[];
    return new Map(rows.map((row) => [row.pair, row.requests]));
  } finally {
    database.close();
  }
}

test(`${kills} kills under load lose nothing that was acknowledged`, async () => {
  using folder = new TempFolder();
  const port = await freePort();
  const acknowledged = new Set<number>();
  let sent = 0;
  for (let round = 0; round < kills; round++) {
    const engine = await startEngine(folder.path, port);
    await using _engine = engine.program;
    const sending = sendUntilKilled(engine, () => sent++, acknowledged);
    await sleep(randomInt(100, 400));
    await engine.program.kill("SIGKILL");
    await sending;
  }
  const engine = await startEngine(folder.path, port);
  await using _engine = engine.program;
  await engine.program.kill("SIGTERM");
  const calls = committedCalls(folder.path);
  const lost = [...acknowledged].filter((n) => calls.get(pairOf(n)) !== linesPerRequest);
  const doubled = [...calls.values()].filter((requests) => requests > linesPerRequest);
  expect(acknowledged.size).toBeGreaterThan(kills * 5);
  expect(lost).toEqual([]);
  expect(doubled).toEqual([]);
}, 240_000);

test("kills between whole commits lose nothing either: the requests are applied again", async () => {
  using folder = new TempFolder();
  const port = await freePort();
  const acknowledged = new Set<number>();
  let sent = 0;
  let redone = 0;
  for (let round = 0; round < 6; round++) {
    const engine = await startEngine(folder.path, port);
    await using _engine = engine.program;
    const sending = sendUntilKilled(engine, () => sent++, acknowledged, callsOnEveryEdge);
    await sleep(randomInt(1_000, 1_600));
    await engine.program.kill("SIGKILL");
    await sending;
    redone += storedRequests(folder.path);
  }
  const engine = await startEngine(folder.path, port);
  await using _engine = engine.program;
  await engine.program.kill("SIGTERM");
  expect(storedRequests(folder.path)).toBe(0);
  const counts = new Set(committedCalls(folder.path).values());
  expect(redone).toBeGreaterThan(0);
  // Every request touches every edge once, so all edges tell the same number of requests.
  expect([...counts]).toHaveLength(1);
  const [count = 0] = counts;
  expect(count).toBeGreaterThanOrEqual(acknowledged.size);
  expect(count).toBeLessThanOrEqual(sent);
}, 120_000);

test("a restart raises and resolves nothing by itself", async () => {
  using folder = new TempFolder();
  const port = await freePort();
  const engine = await startEngine(folder.path, port);
  await using _engine = engine.program;
  const simulation = new Simulation(1);
  using client = new OtlpClient(engine.grpc, 3);
  for (let second = 10; second > 0; second--) {
    for (const request of simulation.tick(Date.now() - second * 1_000)) {
      expect((await client.send(request.signal, request.bytes)).ok).toBe(true);
    }
  }
  const list = async (web: string): Promise<string[]> => {
    const page = await getJson<ApiPage<ApiInsight>>(`${web}/api/v1/insights?limit=1000`);
    return page.items.map((item) => `${item.id} ${item.state} ${item.fired_at}`).sort();
  };
  // Edges are told to the rules a moment after their requests are acknowledged: wait until it is quiet.
  let before: string[] = [];
  for (let quiet = 0; quiet < 3;) {
    await sleep(500);
    const now = await list(engine.web);
    quiet = now.length >= 3 && now.join() === before.join() ? quiet + 1 : 0;
    before = now;
  }
  await engine.program.kill("SIGKILL");
  const historyBefore = transitions(folder.path);

  const again = await startEngine(folder.path, port);

  await using _again = again.program;
  await sleep(3_000);
  expect(await list(again.web)).toEqual(before);
  const status = await getJson<{ blind: ApiBlind[] }>(`${again.web}/status?verbose`);
  expect(status.blind.map(({ reason }) => reason)).toEqual(["restart"]);
  await again.program.kill("SIGTERM");
  expect(transitions(folder.path)).toEqual(historyBefore);
}, 120_000);

test("a wire flow that waits for its socket survives a kill", async () => {
  using folder = new TempFolder();
  const port = await freePort();
  const engine = await startEngine(folder.path, port);
  await using _engine = engine.program;
  const atMs = Date.now() - 2_000;
  const wirePort = 45_678;
  const target = { ip: "198.51.100.9", port: 443 };
  const flow = flowRecords({
    fromIp: pods.notebook.ip,
    fromPort: wirePort,
    toIp: target.ip,
    toPort: target.port,
    transport: "tcp",
    bytes: 1_000,
    startMs: atMs,
    endMs: atMs + 50,
  });
  {
    using client = new OtlpClient(engine.grpc, 3);
    // The first tick lists the pods: who the address belongs to.
    for (const request of new Simulation(2).tick(atMs))
      await client.send(request.signal, request.bytes);
    expect((await client.send(Signal.logs, encodeLogs({}, flow).bytes)).ok).toBe(true);
  }
  await engine.program.kill("SIGKILL");

  const again = await startEngine(folder.path, port);

  await using _again = again.program;
  // An ordinary UID: only the join of this socket with the flow from before the kill can tell.
  const process: SimulatedProcess = {
    pod: pods.notebook,
    container: pods.notebook.container,
    exe: "/usr/bin/curl",
    uid: 1000,
    pid: 999,
  };
  const events = [execEvent(process, atMs), connectEvent(process, atMs, wirePort, target)];
  using client = new OtlpClient(again.grpc, 3);
  const sender = { "k8s.cluster.name": "demo" };
  expect((await client.send(Signal.logs, encodeLogs(sender, events).bytes)).ok).toBe(true);
  const page = await until(
    async () =>
      getJson<ApiPage<ApiInsight>>(`${again.web}/api/v1/insights?rule=egress-around-proxy`),
    ({ items }) => items.some((item) => item.peer.address === target.ip),
    20_000,
  );
  expect(page.items[0]?.evidence.map((item) => item.text).join("\n")).toContain(String(wirePort));
  await again.program.kill("SIGTERM");
}, 120_000);
