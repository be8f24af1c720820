/**
 * The running engine when its store does not take a commit: locked for a while, a row that the schema
 * refuses (our fault), damage. Somebody else's connection to the database file plays each.
 */
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { OtlpClient, type SendResult } from "../../src/cli/otlp-client.ts";
import { Signal } from "../../src/model/stages.ts";
import { freePort, startEngine, TempFolder, until, type Engine } from "../support/program.ts";

interface World extends AsyncDisposable {
  readonly engine: Engine;
  /** Another connection to the engine's database. */
  readonly intruder: Database.Database;
  /** The same name is the same request. */
  send(name: string, attempts?: number): Promise<SendResult>;
  metric(series: string): Promise<number>;
}

async function makeWorld(): Promise<World> {
  const folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  const intruder = new Database(join(folder.path, "store", "mesh.db"));
  const timeMs = Date.now();
  return {
    engine,
    intruder,
    async send(name, attempts = 1) {
      using client = new OtlpClient(engine.grpc, attempts);
      const log = { timeMs, attributes: {}, body: name };
      return await client.send(Signal.logs, encodeLogs({}, [log]).bytes);
    },
    async metric(series) {
      const text = await (await fetch(`${engine.web}/metrics`)).text();
      const line = text.split("\n").find((one) => one.startsWith(`mesh_insights_${series} `));
      return Number(line?.split(" ").at(-1));
    },
    async [Symbol.asyncDispose]() {
      intruder.close();
      await engine.program[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

const receiptsOf = ({ intruder }: World): unknown =>
  intruder.prepare("SELECT count(*) FROM receipt").pluck().get();

const unavailable = { ok: false, code: "UNAVAILABLE" };

test("a locked database: senders come again, the commit is retried, nothing is lost", async () => {
  await using world = await makeWorld();
  expect(await world.send("a", 5)).toMatchObject({ ok: true });
  world.intruder.exec("BEGIN IMMEDIATE");
  expect(await world.send("b")).toMatchObject(unavailable);
  await until(
    async () => world.metric("commits_failed_total"),
    (failed) => failed >= 1,
    20_000,
  );
  world.intruder.exec("ROLLBACK");
  expect(await world.send("b", 10)).toMatchObject({ ok: true });
  expect(receiptsOf(world)).toBe(2);
  expect(await world.metric("engine_restarts_total")).toBe(0);
  expect(await world.engine.program.kill("SIGTERM")).toMatchObject({ code: 0 });
});

test("a row that is refused: the engine starts again from the last commit", async () => {
  await using world = await makeWorld();
  expect(await world.send("a", 1)).toMatchObject({ ok: true });
  world.intruder.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON receipt BEGIN SELECT RAISE(ABORT, 'no such row'); END",
  );
  expect(await world.send("b")).toMatchObject(unavailable);
  await until(
    async () => world.metric("engine_restarts_total"),
    (restarts) => restarts === 1,
    5_000,
  );
  world.intruder.exec("DROP TRIGGER refuse");
  expect(await world.send("b", 10)).toMatchObject({ ok: true });
  expect(receiptsOf(world)).toBe(2);
  expect(await (await fetch(`${world.engine.web}/readyz`)).text()).toBe("ready\n");
  expect(await world.metric('trouble_total{thread="engine"}')).toBe(1);
  const finished = await world.engine.program.kill("SIGTERM");
  expect(finished.code).toBe(0);
  expect(finished.error).toMatch(/a commit failed.*no such row/);
  expect(finished.error).toMatch(/the engine starts again from the last commit/);
});

test("damage ends the process quickly, with its reason", async () => {
  await using world = await makeWorld();
  world.intruder.exec("DELETE FROM meta");
  const answer = world.send("a");
  const { code, error } = await world.engine.program.finished;
  expect(code).toBe(1);
  expect(error).toMatch(
    /^fatal: the store is lost: .*meta row is gone; restore a backup, or move ".*" away/m,
  );
  expect(await answer).toMatchObject({ ok: false });
});
