/** The store against other processes: killed at any moment, doubled, or without rights. */
import Database from "better-sqlite3";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const script = fileURLToPath(new URL("../support/store-process.mjs", import.meta.url));
const running: ChildProcess[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) await kill(child);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function makePath(): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-crash-"));
  folders.push(folder);
  return join(folder, "insights.db");
}

class StoreProcess {
  readonly child: ChildProcess;
  #text = "";

  constructor(path: string, failpoint = "", user: { uid?: number; gid?: number } = {}) {
    this.child = spawn(process.execPath, [script, path, failpoint], {
      stdio: ["ignore", "pipe", "inherit"],
      ...user,
    });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.#text += chunk.toString()));
    running.push(this.child);
  }

  /** Whole lines that it said so far. */
  get lines(): string[] {
    return this.#text.split("\n").slice(0, -1);
  }

  get lastAcknowledged(): number {
    const line = this.lines.findLast((said) => said.startsWith("committed "));
    return line === undefined ? 0 : Number(line.slice("committed ".length));
  }

  async untilAcknowledged(count: number): Promise<void> {
    const target = this.lastAcknowledged + count;
    while (this.lastAcknowledged < target && this.child.exitCode === null) {
      await once(this.child.stdout ?? this.child, "data");
    }
  }
}

/** Waits for `close`, when everything that the process wrote has been read. */
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}

interface Found {
  readonly receipts: number;
  readonly highest: number;
  readonly integrity: string;
}

function examine(path: string): Found {
  const database = new Database(path);
  try {
    const one = (sql: string) => database.prepare(sql).pluck().get();
    return {
      receipts: Number(one("SELECT count(*) FROM receipt")),
      highest: Number.parseInt(String(one("SELECT ifnull(hex(max(hash)), '0') FROM receipt")), 16),
      integrity: String(one("PRAGMA integrity_check")),
    };
  } finally {
    database.close();
  }
}

test("kill -9 while it commits: everything acknowledged is there, and nothing is broken", async () => {
  const path = makePath();
  let acknowledged = 0;
  for (let cycle = 0; cycle < 6; cycle++) {
    const store = new StoreProcess(path);
    // Another number of commits each time: before, during and after the log's checkpoints.
    await store.untilAcknowledged(1 + cycle * 150);
    await kill(store.child);
    expect(store.lastAcknowledged).toBeGreaterThan(acknowledged);
    acknowledged = store.lastAcknowledged;
    const found = examine(path);
    expect(found.integrity).toBe("ok");
    expect(found.receipts).toBe(found.highest);
    // One commit more than was acknowledged may have been done when the signal came.
    expect(found.highest - acknowledged).toBeOneOf([0, 1]);
  }
});

for (const [failpoint, kept] of [
  ["before_commit:3", 2],
  ["after_commit:3", 3],
] as const) {
  test(`killed at ${failpoint}: two were acknowledged, ${kept} are there`, async () => {
    const path = makePath();
    const store = new StoreProcess(path, failpoint);
    await once(store.child, "close");
    expect(store.child.signalCode).toBe("SIGKILL");
    expect(store.lastAcknowledged).toBe(2);
    expect(examine(path)).toEqual({ receipts: kept, highest: kept, integrity: "ok" });
  });
}

test("a second process is refused while the first lives, and let in once that is killed", async () => {
  const path = makePath();
  const first = new StoreProcess(path);
  await first.untilAcknowledged(1);
  const second = new StoreProcess(path);
  await once(second.child, "close");
  expect(second.lines).toEqual([
    `unopened locked cannot open the store "${path}": another process (pid ${first.child.pid}) ` +
      "writes to it; stop that one, or give this one its own store.path",
  ]);
  await first.untilAcknowledged(1);
  await kill(first.child);
  const third = new StoreProcess(path);
  await third.untilAcknowledged(1);
  expect(third.lines[0]).toBe("opened");
});

test("a folder without the right to write is refused", async () => {
  const path = makePath();
  chmodSync(join(path, ".."), 0o555);
  const isRoot = process.getuid?.() === 0; // for whom no mode forbids anything
  const store = new StoreProcess(path, "", isRoot ? { uid: 65_534, gid: 65_534 } : {});
  await once(store.child, "close");
  expect(store.lines).toEqual([expect.stringMatching(/^unopened read_only cannot lock the store/)]);
});
