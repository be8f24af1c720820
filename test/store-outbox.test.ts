/** The outbox over real files: what waits, what leaves and in which order, and the way to a sender. */
import Database from "better-sqlite3";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import type { InsightRecord } from "../src/model/insights.ts";
import { makeWriteSet, type OutboxRow, type WriteSet } from "../src/model/rows.ts";
import { usPerHour, usPerSecond } from "../src/model/time.ts";
import { dropRowsMax, outboxDefaults, type OutboxLimits } from "../src/store/outbox.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { answerQueries, ReaderClient } from "../src/threads/reader-rpc.ts";
import { StoreOutbox } from "../src/threads/store-outbox.ts";
import { StoreService } from "../src/threads/store-service.ts";
import type { FromStore } from "../src/threads/store-messages.ts";
import { baseUs, makeOutboxRow, makeRecord } from "./support/write-sets.ts";

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function makePath(): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-outbox-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  return join(folder, "insights.db");
}

function open(path: string, limits: Partial<OutboxLimits> = {}): StoreWriter {
  const outbox = { ...outboxDefaults, ...limits };
  const writer = new StoreWriter({ path, programVersion: "1", nowUs: baseUs, outbox });
  closers.push(() => writer.close());
  return writer;
}

function openReader(path: string): StoreReader {
  const reader = new StoreReader(path);
  closers.push(() => reader.close());
  return reader;
}

function setOf(seq: number, ...rows: OutboxRow[]): WriteSet {
  const set = makeWriteSet(seq, baseUs + seq);
  set.outbox.push(...rows);
  return set;
}

const uidsOf = (reader: StoreReader): string[] => reader.outbox(0, 1_000).map(({ uid }) => uid);

test("records wait in the order of their commits, also over a restart, until they are delivered", () => {
  const path = makePath();
  const before = open(path);
  before.commit(setOf(1, makeOutboxRow("b"), makeOutboxRow("a", { atUs: baseUs + 7 })));
  before.commit(setOf(2, makeOutboxRow("c", { atUs: baseUs - 1 })));
  const reader = openReader(path);
  expect(reader.outbox(0, 10)).toMatchObject([
    { seq: 1, uid: "b", record: JSON.stringify(makeRecord("b")) },
    { seq: 2, uid: "a" },
    { seq: 3, uid: "c" },
  ]);
  expect(reader.outbox(1, 1)).toMatchObject([{ seq: 2 }]);
  expect(reader.outboxSummary()).toEqual({ length: 3, oldestUs: baseUs - 1 });
  before.delivered([1, 3, 77]);
  before.close();

  const after = open(path);
  expect(uidsOf(reader)).toEqual(["a"]);
  after.delivered([2]);
  expect(reader.outboxSummary()).toEqual({ length: 0, oldestUs: 0 });
  after.commit(setOf(1, makeOutboxRow("d")));
  expect(reader.outbox(0, 10)).toMatchObject([{ seq: 4, uid: "d" }]); // 2 and 3 are not given again
});

test("a record whose uid waits already is left alone, and the commit succeeds", () => {
  const path = makePath();
  const writer = open(path);
  writer.commit(setOf(1, makeOutboxRow("a", { message: "first" })));
  writer.commit(setOf(2, makeOutboxRow("a", { message: "again" }), makeOutboxRow("b")));
  const reader = openReader(path);
  expect(uidsOf(reader)).toEqual(["a", "b"]);
  expect(JSON.parse(reader.outbox(0, 1)[0]?.record ?? "")).toMatchObject({ message: "first" });
});

test("a commit that fails leaves no record behind", () => {
  const path = makePath();
  const writer = open(path);
  const set = setOf(1, makeOutboxRow("a"));
  // A table that is written after the outbox.
  set.blind.push({ fromUs: baseUs, toUs: Number.NaN, reason: "restart" });
  expect(() => writer.commit(set)).toThrow("cannot write");
  expect(uidsOf(openReader(path))).toEqual([]);
});

test("a kill between commit and delivery keeps the record", () => {
  const path = makePath();
  open(path).commit(setOf(1, makeOutboxRow("a")));
  // What a kill leaves: the files as they are while the writer still has them open.
  const copy = `${path}.copy`;
  for (const suffix of ["", "-wal"]) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`);
  expect(uidsOf(openReader(copy))).toEqual(["a"]);
  const writer = open(copy);
  expect(uidsOf(openReader(copy))).toEqual(["a"]);
  writer.delivered([1]);
  expect(uidsOf(openReader(copy))).toEqual([]);
});

test("above the bound the oldest resolved records go first, then the oldest", () => {
  const path = makePath();
  const writer = open(path, { maxRecords: 4 });
  const states: readonly InsightRecord["state"][] = ["firing", "resolved", "unknown", "resolved"];
  const rows = states.map((state, index) => makeOutboxRow(`${state}-${index}`, { state }));
  writer.commit(setOf(1, ...rows));
  const reader = openReader(path);
  expect(writer.dropFromOutbox(baseUs)).toBe(0);
  writer.commit(setOf(2, makeOutboxRow("firing-4")));
  expect(writer.dropFromOutbox(baseUs)).toBe(1);
  expect(uidsOf(reader)).toEqual(["firing-0", "unknown-2", "resolved-3", "firing-4"]);
  writer.commit(setOf(3, makeOutboxRow("firing-5"), makeOutboxRow("firing-6")));
  expect(writer.dropFromOutbox(baseUs)).toBe(2);
  expect(uidsOf(reader)).toEqual(["unknown-2", "firing-4", "firing-5", "firing-6"]);
  expect(writer.dropFromOutbox(baseUs)).toBe(0);
});

test("records that were delivered make room again", () => {
  const path = makePath();
  const writer = open(path, { maxRecords: 2 });
  for (let seq = 1; seq <= 20; seq++) {
    writer.commit(setOf(seq, makeOutboxRow(`a${seq}`)));
    if (seq > 2) writer.delivered([seq - 2]);
    expect(writer.dropFromOutbox(baseUs)).toBe(0);
  }
  expect(uidsOf(openReader(path))).toEqual(["a19", "a20"]);
});

test("records older than the bound go, whatever their state, and pruning takes none", () => {
  const path = makePath();
  const writer = open(path, { maxAgeUs: usPerHour });
  writer.commit(setOf(1, makeOutboxRow("old"), makeOutboxRow("new", { atUs: baseUs + 1 })));
  expect(writer.prune(baseUs + 1_000 * usPerHour)).toBe(0);
  expect(writer.dropFromOutbox(baseUs + usPerHour)).toBe(0);
  expect(writer.dropFromOutbox(baseUs + usPerHour + 1)).toBe(1);
  expect(uidsOf(openReader(path))).toEqual(["new"]);
});

test("a bound that was lowered is reached in steps that hold up no commit", () => {
  const path = makePath();
  const first = open(path);
  const rows = Array.from({ length: 2 * dropRowsMax + 10 }, (_, index) =>
    makeOutboxRow(`${index}`),
  );
  first.commit(setOf(1, ...rows));
  first.close();
  const writer = open(path, { maxRecords: 1_000 });
  writer.commit(setOf(1, makeOutboxRow("more")));
  const dropped = [1, 2, 3].map(() => writer.dropFromOutbox(baseUs));
  expect(dropped).toEqual([dropRowsMax + 1, 2 * dropRowsMax + 11 - 1_000 - dropRowsMax - 1, 0]);
  expect(openReader(path).outboxSummary().length).toBe(1_000);
});

test("what leaves the outbox is found by an index", () => {
  const path = makePath();
  open(path).close();
  const database = new Database(path, { readonly: true });
  const planOf = (sql: string): string =>
    (database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[])
      .map(({ detail }) => detail)
      .join("; ");
  try {
    const old = "SELECT seq FROM outbox WHERE at_us < 1 ORDER BY at_us LIMIT 1";
    expect(planOf(old)).toBe("SEARCH outbox USING COVERING INDEX outbox_at (at_us<?)");
    const resolved = "SELECT seq FROM outbox WHERE state = 'resolved' ORDER BY seq LIMIT 1";
    expect(planOf(resolved)).toBe("SCAN outbox USING COVERING INDEX outbox_resolved");
    expect(planOf("SELECT count(*) FROM outbox")).toContain("COVERING INDEX");
  } finally {
    database.close();
  }
});

/** A store and a reader behind ports, as a sender has them. */
async function startOutbox(path: string, limits: Partial<OutboxLimits> = {}) {
  const writer = open(path, limits);
  const io = new MessageChannel();
  const asked = new MessageChannel();
  closers.push(() => {
    io.port1.close();
    asked.port1.close();
  });
  const opened = once(io.port1, "message");
  new StoreService(writer, io.port2).start();
  await opened;
  answerQueries(asked.port2, openReader(path));
  const damaged: string[] = [];
  const store = {
    async delivered(seqs: readonly number[]): Promise<void> {
      const heard = once(io.port1, "message");
      io.port1.postMessage({ kind: "delivered", seqs });
      expect(await heard).toEqual([{ kind: "delivered" }]);
    },
  };
  const reader = new ReaderClient(asked.port1);
  const outbox = new StoreOutbox(store, reader, (uid, why) => damaged.push(`${uid}: ${why}`));
  return { writer, outbox, damaged, port: io.port1 };
}

test("a sender reads records, tells of the delivered ones and reads none of them again", async () => {
  const { writer, outbox } = await startOutbox(makePath());
  writer.commit(setOf(1, makeOutboxRow("a"), makeOutboxRow("b"), makeOutboxRow("c")));
  expect(await outbox.read(0, 2)).toEqual([
    { seq: 1, record: makeRecord("a") },
    { seq: 2, record: makeRecord("b") },
  ]);
  expect(await outbox.read(2, 2)).toMatchObject([{ seq: 3 }]);
  await outbox.delivered([1, 2]);
  expect(await outbox.read(0, 2)).toMatchObject([{ seq: 3 }]);
  expect(await outbox.summary()).toEqual({ length: 1, oldestUs: baseUs });
  await outbox.delivered([3]);
  expect(await outbox.read(0, 2)).toEqual([]);
});

test("a damaged record is told, removed and holds up no other", async () => {
  const { writer, outbox, damaged } = await startOutbox(makePath());
  const rows = ["a", "b", "c", "d"].map((uid) => makeOutboxRow(uid));
  const texts = ['{"uid":', "null", JSON.stringify(makeRecord("x"))];
  const broken = rows.map((row, index) => ({ ...row, record: texts[index] ?? row.record }));
  writer.commit(setOf(1, ...broken));
  expect(await outbox.read(0, 2)).toEqual([{ seq: 4, record: makeRecord("d") }]);
  expect(damaged).toHaveLength(3);
  expect(damaged.slice(1)).toEqual([
    "b: it is no record of an insight",
    "c: it is no record of an insight",
  ]);
  expect(await outbox.summary()).toMatchObject({ length: 1 });
});

test("a damaged record that cannot be removed now is left out all the same", async () => {
  const path = makePath();
  open(path).commit(setOf(1, { ...makeOutboxRow("a"), record: "{" }, makeOutboxRow("b")));
  const reader = openReader(path);
  const told: string[] = [];
  const outbox = new StoreOutbox(
    { delivered: () => Promise.reject(new Error("the disk is full")) },
    {
      outbox: async (after, limit) => reader.outbox(after, limit),
      outboxSummary: async () => reader.outboxSummary(),
    },
    (uid) => told.push(uid),
  );
  expect(await outbox.read(0, 10)).toMatchObject([{ seq: 2 }]);
  expect(told).toEqual([]);
});

test("what the bounds push out is told to io, apart from what is pruned", async () => {
  const { port } = await startOutbox(makePath(), { maxRecords: 1 });
  const heard: FromStore[] = [];
  port.on("message", (message: FromStore) => heard.push(message));
  const writeSet = setOf(1, makeOutboxRow("a"), makeOutboxRow("b"), makeOutboxRow("c"));
  port.postMessage({ kind: "commit", writeSet });
  port.postMessage({ kind: "commit", writeSet: makeWriteSet(2, baseUs + 2 * usPerSecond) });
  while (heard.length < 5) await once(port, "message");
  expect(heard.map(({ kind }) => kind)).toEqual([
    "committed",
    "pruned",
    "outbox_dropped",
    "committed",
    "pruned",
  ]);
  expect(heard[2]).toEqual({ kind: "outbox_dropped", rows: 2 });
});
