/**
 * An answer means that its request is on the disk: if the power fails right behind any answer, the
 * store opens and has every request that was answered. `kill -9` cannot show that, since what a killed
 * program wrote stays; so the engine runs under strace, and `Disk` says what a cut would leave.
 * To show that the test can fail, it is repeated with an engine that does not wait for the disk.
 */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import Database from "better-sqlite3";
import { expect, test, type TestContext } from "vitest";
import { logsRequest } from "../support/otlp-build.ts";
import { Peer, toolsOrSkip } from "../support/peers.ts";
import { Disk, parseCalls, straceOptions, type Call } from "../support/power-cut.ts";
import { freePort, root, TempFolder } from "../support/program.ts";
import { makeRandom } from "../support/wire.ts";

/** 500 for the release: POWER_CUTS=500. Each answer is followed by cuts; the last one by most. */
const cuts = Number(process.env["POWER_CUTS"] ?? 40);
const requests = Math.min(cuts, 100);

interface Run {
  readonly calls: readonly Call[];
  readonly store: string;
  /** Of the requests' bodies, in the order of their answers. */
  readonly hashes: readonly string[];
}

/** Sends requests one by one to an engine under strace; each is answered before the next. */
async function runUnderStrace(strace: string, main: string, folder: string): Promise<Run> {
  const [port, web] = [await freePort(), await freePort()];
  const [config, trace, store] = ["config.yaml", "trace", "store/mesh.db"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  writeFileSync(
    config,
    `version: 1\ncluster: { name: demo }\nweb: { endpoint: "127.0.0.1:${web}" }\n` +
      `receivers: { grpc: { endpoint: "127.0.0.1:${port + 1}" }, http: { endpoint: "127.0.0.1:${port}" } }\n` +
      `store: { path: "${store}" }\n`,
  );
  const args = [...straceOptions, "-o", trace, process.execPath, main, "serve", "--config", config];
  const hashes: string[] = [];
  await using engine = new Peer("the engine", strace, args);
  await engine.becomes(
    "ready",
    async () => (await fetch(`http://127.0.0.1:${web}/-/ready`)).ok,
    60_000,
  );
  for (let n = 0; n < requests; n++) {
    const body = logsRequest({ resource: { "service.name": `cut-${n}` } }, [{ body: `line ${n}` }]);
    const headers = { "content-type": "application/x-protobuf" };
    const url = `http://127.0.0.1:${port}/v1/logs`;
    const answer = await fetch(url, { method: "POST", headers, body: new Uint8Array(body) });
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
    hashes.push(createHash("sha256").update(body).digest("hex").slice(0, 32));
  }
  return { calls: parseCalls(readFileSync(trace, "latin1")), store, hashes };
}

/** How many of the first `count` answered requests a store made of these files lacks. */
function lostAfter(
  files: ReadonlyMap<string, Buffer>,
  run: Run,
  count: number,
  folder: string,
): number {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [path, bytes] of files) {
    if (path.startsWith(run.store) && !path.endsWith("-shm")) {
      writeFileSync(join(folder, basename(path)), bytes);
    }
  }
  using database = openStore(join(folder, basename(run.store)));
  const stored = new Set(
    database.prepare("SELECT lower(hex(hash)) FROM receipt").pluck().all() as string[],
  );
  expect(database.pragma("quick_check", { simple: true })).toBe("ok");
  return run.hashes.slice(0, count).filter((hash) => !stored.has(hash)).length;
}

function openStore(path: string): Database.Database & Disposable {
  const database = new Database(path);
  return Object.assign(database, { [Symbol.dispose]: () => database.close() });
}

/** The most requests lost by any of the cuts. */
function worstLoss(run: Run, folder: string): number {
  const random = makeRandom(1);
  const disk = new Disk();
  const perAnswer = Math.ceil(cuts / requests);
  let answered = 0;
  let worst = 0;
  for (const call of run.calls) {
    disk.apply(call);
    if (call.kind !== "sent" || !call.bytes.toString("latin1").startsWith("HTTP/1.1 200 OK"))
      continue;
    if (!call.bytes.toString("latin1").includes("application/x-protobuf")) continue;
    answered++;
    for (let cut = 0; cut < perAnswer; cut++) {
      // All that was not synced is gone, or any part of it.
      const share = cut === 0 ? 0 : random();
      const files = disk.cut(() => random() < share);
      worst = Math.max(worst, lostAfter(files, run, answered, folder));
    }
  }
  expect(answered).toBe(requests);
  return worst;
}

async function lossOf(context: TestContext, makeMain: (folder: string) => string): Promise<number> {
  const { strace } = toolsOrSkip(context, "strace");
  using folder = new TempFolder();
  const run = await runUnderStrace(strace, makeMain(folder.path), folder.path);
  return worstLoss(run, join(folder.path, "cut"));
}

test(`${cuts} power cuts behind answers lose nothing that was answered`, async (context) => {
  expect(await lossOf(context, () => join(root, "dist/main.js"))).toBe(0);
});

test("an engine that does not wait for the disk loses answered requests, and this test sees it", async (context) => {
  const place = join(root, ".cache", `careless-${process.pid}`);
  try {
    const loss = await lossOf(context, () => {
      mkdirSync(place, { recursive: true });
      cpSync(join(root, "dist"), join(place, "dist"), { recursive: true });
      for (const name of ["rules", "package.json"])
        symlinkSync(join(root, name), join(place, name));
      const file = join(place, "dist/store/open.js");
      const text = readFileSync(file, "utf8");
      const careless = text
        .replace('database.pragma("synchronous = FULL")', 'database.pragma("synchronous = NORMAL")')
        .replace("synchronous === 2", "synchronous === 1");
      expect(careless).not.toBe(text);
      writeFileSync(file, careless);
      return join(place, "dist/main.js");
    });
    expect(loss).toBeGreaterThan(0);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});
