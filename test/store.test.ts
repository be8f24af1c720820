/** The store's writing side over real files: what goes in comes out, durably and in bounds. */
import Database from "better-sqlite3";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeWriteSet } from "../src/model/rows.ts";
import type { Restored } from "../src/model/rows.ts";
import { usPerDay, usPerHour, usPerMinute } from "../src/model/time.ts";
import { StoreError } from "../src/store/errors.ts";
import { loadMigrations, schemaVersion } from "../src/store/migrate.ts";
import type { StoreOptions } from "../src/store/open.ts";
import { packWriteSet } from "../src/store/packed-rows.ts";
import { pruneRowsMax } from "../src/store/prune.ts";
import { packedTables } from "../src/store/tables.ts";
import { StoreWriter } from "../src/store/writer.ts";
import {
  baseUs,
  makeColumnRow,
  makeFacetRow,
  makeFullWriteSet,
  makeInsightRow,
} from "./support/write-sets.ts";

const folders: string[] = [];

function makePath(): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-store-"));
  folders.push(folder);
  return join(folder, "data", "insights.db");
}

function open(path: string, more: Partial<StoreOptions> = {}): StoreWriter {
  return new StoreWriter({ path, programVersion: "1.2.3", nowUs: baseUs, ...more });
}

/** One value of a statement, by another connection than the writer's. */
function ask(path: string, sql: string): unknown {
  const database = new Database(path, { readonly: true });
  try {
    return database.prepare(sql).pluck().get();
  } finally {
    database.close();
  }
}

function errorOf(run: () => unknown): StoreError {
  try {
    run();
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("it did not throw");
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

test("a new store has our schema, our mark and modes that keep others out", () => {
  const path = makePath();
  const writer = open(path);
  expect(writer.warnings).toEqual([]);
  expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  for (const suffix of ["", "-wal", "-shm", ".lock"]) {
    expect([suffix, statSync(`${path}${suffix}`).mode & 0o777]).toEqual([suffix, 0o600]);
  }
  expect(ask(path, "PRAGMA application_id")).toBe(0x4d494e53);
  expect(ask(path, "PRAGMA user_version")).toBe(loadMigrations().length);
  expect(ask(path, "SELECT created_by FROM meta")).toBe("1.2.3");
  const loose =
    "SELECT group_concat(name) FROM pragma_table_list WHERE schema = 'main' AND strict = 0";
  expect(ask(path, loose)).toBe("sqlite_schema,sqlite_sequence");
  writer.close();
  expect(existsSync(`${path}-wal`)).toBe(false);
});

test("every row type comes back as it went in", () => {
  const path = makePath();
  const set = makeFullWriteSet(1);
  const before = open(path);
  expect(before.load().lastCommitUs).toBe(0);
  expect(before.commit(set)).toMatchObject({ seq: 1, rows: 24 });
  before.close();

  const after = open(path);
  const { seq: _seq, isWhole: _isWhole, atUs, ...lists } = set;
  const { insightEvents, outbox, edgeEvents, rollups, ...restored } = lists;
  expect(plain(after.load())).toEqual(plain({ ...restored, lastCommitUs: atUs }));
  expect([insightEvents, outbox, edgeEvents, rollups].map(({ length }) => length)).toEqual([
    1, 1, 1, 1,
  ]);
  expect(ask(path, "SELECT at_us FROM insight_event")).toBe(baseUs);
  expect(ask(path, "SELECT record FROM outbox")).toBe(outbox[0]?.record);
  expect(ask(path, "SELECT value FROM edge_event")).toBe("none");
  expect(ask(path, "SELECT bytes_received FROM rollup")).toBe(20);
  after.close();
});

/** With blobs as lists of bytes, since the driver gives Buffers for what were Uint8Arrays. */
function plain(rows: Restored): object {
  return {
    ...rows,
    redo: rows.redo.map((row) => ({ ...row, body: [...row.body] })),
    journal: rows.journal.map((row) => ({ ...row, blob: [...row.blob] })),
    seriesPages: rows.seriesPages.map((row) => ({ ...row, values: [...row.values] })),
  };
}

test("packed rows give what plain ones do, and a facet without detail keeps what is there", () => {
  const setOf = (seq: number, detail: string) => {
    const set = makeWriteSet(seq, baseUs + seq);
    for (let id = 1; id <= 100; id++) {
      const isNew = seq > 1 && id === 100;
      set.facets.push(makeFacetRow(isNew ? 1_000 : id, { requests: seq, detail }));
      set.facetColumns.push(makeColumnRow(isNew ? 1_000 : id, "source", { requests: seq }));
    }
    return set;
  };
  const [plainly, packed] = [open(makePath()), open(makePath())];
  for (const set of [setOf(1, '{"tags":[]}'), setOf(2, ""), setOf(3, '{"tags":[1]}')]) {
    plainly.commit(set);
    packed.commitPacked(structuredClone(packWriteSet(set, packedTables)));
    expect(packed.load()).toEqual(plainly.load());
    expect(packed.load().facets[0]).toMatchObject({ requests: set.seq });
  }
  expect(packed.load().facets[0]?.detail).toBe('{"tags":[1]}');
  plainly.commit(setOf(4, ""));
  expect(plainly.load().facets[0]).toMatchObject({ requests: 4, detail: '{"tags":[1]}' });
  plainly.close();
  packed.close();
});

test("requests to apply again stay in their order, until a whole write-set holds their effect", () => {
  const path = makePath();
  const writer = open(path);
  const request = (byte: number) => ({
    signal: 1,
    receivedUs: baseUs + byte,
    listener: "grpc",
    client: "spiffe://mesh/collector",
    encoding: "gzip",
    body: new Uint8Array([byte]),
  });
  for (const seq of [1, 2]) {
    const part = makeWriteSet(seq, baseUs + seq, false);
    part.redo.push(request(seq * 2), request(seq * 2 + 1));
    writer.commit(part);
  }
  expect(writer.load().redo.map(({ body }) => body[0])).toEqual([2, 3, 4, 5]);
  writer.commit(makeWriteSet(3, baseUs + 3));
  expect(writer.load().redo).toEqual([]);
  writer.close();
});

test("a row of the same identity is replaced; the journal and roll-ups grow", () => {
  const path = makePath();
  const writer = open(path);
  writer.commit(makeFullWriteSet(1));
  const first = writer.load();
  writer.commit(makeFullWriteSet(2));
  const second = writer.load();
  expect(second).toEqual({
    ...first,
    journal: [...first.journal, ...first.journal],
    lastCommitUs: baseUs + 2,
  });
  expect(ask(path, "SELECT requests FROM rollup")).toBe(10);
  writer.close();
});

test("times and counts keep every digit up to 2^53", () => {
  const path = makePath();
  const writer = open(path);
  const set = makeWriteSet(1, 2 ** 53 - 1);
  set.blind.push({ fromUs: 2 ** 53 - 3, toUs: 2 ** 53 - 1, reason: "far" });
  writer.commit(set);
  expect(writer.load().blind).toEqual(set.blind);
  expect(ask(path, "SELECT typeof(to_us) FROM blind")).toBe("integer");
  writer.close();
});

test("a write-set with a row that the schema refuses leaves nothing, and the store works on", () => {
  const path = makePath();
  const writer = open(path);
  writer.commit(makeFullWriteSet(1));
  const before = writer.load();

  const bad = makeFullWriteSet(2);
  bad.receipts.push({ hash: "ab".repeat(16), signal: 1, receivedUs: baseUs });
  bad.insights.push(makeInsightRow("i2", { firstSeenUs: Number.NaN }));
  const error = errorOf(() => writer.commit(bad));
  expect([error.code, error.retryable]).toEqual(["invalid_row", false]);
  expect(error.message).toContain('cannot write "insights"');
  expect(writer.load()).toEqual(before);

  const unhashed = makeWriteSet(2, baseUs);
  unhashed.receipts.push({ hash: "not hex", signal: 1, receivedUs: baseUs });
  expect(errorOf(() => writer.commit(unhashed)).code).toBe("invalid_row");

  writer.commit(makeFullWriteSet(3));
  expect(writer.load().lastCommitUs).toBe(baseUs + 3);
  writer.close();
});

test("a store that somebody else holds for longer is busy: retryable, and then it goes on", () => {
  const path = makePath();
  const writer = open(path);
  const shell = new Database(path);
  shell.exec("BEGIN IMMEDIATE");
  const error = errorOf(() => writer.commit(makeFullWriteSet(1)));
  expect([error.code, error.retryable]).toEqual(["busy", true]);
  shell.exec("ROLLBACK");
  shell.close();
  expect(writer.commit(makeFullWriteSet(1)).seq).toBe(1);
  writer.close();
});

test("a full disk refuses the commit, keeps what was committed, and is not final", () => {
  const path = makePath();
  const writer = open(path, { maxBytes: 2 ** 20 });
  writer.commit(makeFullWriteSet(1));
  const big = makeWriteSet(2, baseUs);
  for (let i = 0; i < 50; i++) big.journal.push({ untilUs: baseUs, blob: new Uint8Array(100_000) });
  const error = errorOf(() => writer.commit(big));
  expect([error.code, error.retryable]).toEqual(["disk_full", true]);
  expect(writer.load().lastCommitUs).toBe(baseUs + 1);
  writer.close();

  const roomier = open(path, { maxBytes: 16 * 2 ** 20 });
  expect(roomier.commit(big).rows).toBe(50);
  roomier.close();
});

test("history is pruned by its age, the live state and what a retry needs are not", () => {
  const path = makePath();
  const writer = open(path);
  const nowUs = baseUs + 100 * usPerDay;
  const set = makeWriteSet(1, nowUs);
  const ago = (us: number) => nowUs - us;
  const hash = (n: number) => n.toString(16).padStart(32, "0");
  set.receipts.push(
    { hash: hash(1), signal: 1, receivedUs: ago(15 * usPerMinute) },
    { hash: hash(2), signal: 1, receivedUs: ago(15 * usPerMinute + 1) },
  );
  set.journal.push(
    { untilUs: ago(0), blob: new Uint8Array([1]) },
    { untilUs: ago(1), blob: new Uint8Array([2]) },
  );
  const rollup = {
    facetId: 1,
    requests: 1,
    errors: 0,
    connections: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
  for (const [widthUs, ageUs] of [
    [5 * usPerMinute, usPerDay],
    [5 * usPerMinute, usPerDay + 1],
    [usPerHour, 30 * usPerDay],
    [usPerHour, 30 * usPerDay + 1],
  ] as const) {
    set.rollups.push({ ...rollup, widthUs, bucketUs: ago(ageUs) });
  }
  set.edgeEvents.push(
    { atUs: ago(30 * usPerDay), facetId: 1, kind: "appeared", value: "" },
    { atUs: ago(30 * usPerDay + 1), facetId: 1, kind: "appeared", value: "" },
  );
  const old = { lastSeenUs: ago(40 * usPerDay), resolvedUs: ago(40 * usPerDay) };
  set.insights.push(
    makeInsightRow("open", { ...old, state: "firing" }),
    makeInsightRow("blind", { ...old, state: "unknown" }),
    makeInsightRow("closed", { ...old, state: "resolved" }),
    makeInsightRow("fresh", { ...old, state: "resolved", resolvedUs: ago(usPerDay) }),
  );
  for (const insightId of ["open", "closed", "fresh"]) {
    set.insightEvents.push({
      insightId,
      number: 1,
      atUs: ago(40 * usPerDay),
      eventUs: ago(40 * usPerDay),
      fromState: "pending",
      toState: "firing",
      reason: "",
      message: "",
    });
  }
  writer.commit(set);
  // receipt, journal, fine and hourly roll-up, edge event, the closed insight's event and itself
  expect(writer.prune(nowUs)).toBe(7);
  expect(writer.prune(nowUs)).toBe(0);
  const left = writer.load();
  expect(left.receipts.map((row) => row.hash)).toEqual([hash(1)]);
  expect(left.journal.map((row) => row.untilUs)).toEqual([nowUs]);
  expect(left.insights.map((row) => row.id)).toEqual(["blind", "fresh", "open"]);
  expect(ask(path, "SELECT count(*) FROM rollup")).toBe(2);
  expect(ask(path, "SELECT count(*) FROM edge_event")).toBe(1);
  expect(ask(path, "SELECT group_concat(insight_id) FROM insight_event")).toBe("fresh,open");
  writer.close();
});

test("one pruning removes a bounded number of rows", () => {
  const path = makePath();
  const writer = open(path);
  const set = makeWriteSet(1, baseUs);
  for (let i = 0; i < pruneRowsMax + 5; i++) {
    set.receipts.push({ hash: i.toString(16).padStart(32, "0"), signal: 1, receivedUs: 1 });
  }
  writer.commit(set);
  expect(writer.prune(baseUs)).toBe(pruneRowsMax);
  expect(writer.prune(baseUs)).toBe(5);
  writer.close();
});

test("a migration that fails leaves the version before it, and its backup", () => {
  const path = makePath();
  open(path).close();
  const shipped = loadMigrations();
  const next = { version: shipped.length + 1, name: "002-next.sql" };
  const upgrade = (sql: string) => open(path, { migrations: [...shipped, { ...next, sql }] });
  const error = errorOf(() => upgrade("CREATE TABLE extra (a INTEGER) STRICT; SELECT nonsense;"));
  expect(error.message).toContain('by "002-next.sql"');
  expect(ask(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'")).toBe(0);
  open(path).close();

  upgrade("CREATE TABLE extra (a INTEGER) STRICT;").close();
  expect(ask(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'")).toBe(1);
  const backup = new Database(`${path}.v${shipped.length}`, { readonly: true });
  expect(schemaVersion(backup)).toBe(shipped.length);
  backup.close();
  expect(statSync(`${path}.v${shipped.length}`).mode & 0o777).toBe(0o600);
  expect(errorOf(() => open(path)).code).toBe("wrong_version");
});
