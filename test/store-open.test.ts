/** What the store refuses to open, and how it says so. */
import Database from "better-sqlite3";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { StoreError } from "../src/store/errors.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { baseUs, makeFullWriteSet } from "./support/write-sets.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function makePath(): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-open-"));
  folders.push(folder);
  return join(folder, "insights.db");
}

function open(path: string): StoreWriter {
  return new StoreWriter({ path, programVersion: "1", nowUs: baseUs });
}

/** A store with data that was closed cleanly. */
function makeStore(path: string): void {
  const writer = open(path);
  writer.commit(makeFullWriteSet(1));
  writer.close();
}

/** A store as a killed process leaves it: everything in the log, nothing marked. */
function makeKilledStore(path: string): void {
  const original = makePath();
  const writer = open(original);
  writer.commit(makeFullWriteSet(1));
  for (const suffix of ["", "-wal"]) copyFileSync(`${original}${suffix}`, `${path}${suffix}`);
  writer.close();
}

function overwrite(path: string, at: number, bytes: Uint8Array): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

function change(path: string, sql: string): void {
  const database = new Database(path);
  database.exec(sql);
  database.close();
}

function refusal(run: () => unknown): StoreError {
  try {
    run();
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("it was opened");
}

interface Case {
  readonly name: string;
  readonly make: (path: string) => void;
  readonly code: string;
  readonly says: RegExp;
}

const refused: readonly Case[] = [
  {
    name: "an empty file",
    make: (path) => writeFileSync(path, ""),
    code: "empty",
    says: /the file is empty; restore a backup, or remove it/,
  },
  {
    name: "a text file",
    make: (path) => writeFileSync(path, "version: 1\n".repeat(100)),
    code: "not_a_database",
    says: /not an SQLite database; name another file in store\.path/,
  },
  {
    name: "a file that was cut inside its header",
    make: (path) => {
      makeStore(path);
      truncateSync(path, 60);
    },
    code: "not_a_database",
    says: /not an SQLite database/,
  },
  {
    name: "a database of another program",
    make: (path) => change(path, "CREATE TABLE theirs (a INTEGER)"),
    code: "not_ours",
    says: /a database of another program/,
  },
  {
    name: "a store of a newer version",
    make: (path) => {
      makeStore(path);
      change(path, "PRAGMA user_version = 99");
    },
    code: "wrong_version",
    says: /version 99, this program knows \d+; start the newer program, or restore the backup/,
  },
  {
    name: "a directory",
    make: (path) => mkdirSync(path),
    code: "not_a_file",
    says: /it is a directory; name a file in store\.path/,
  },
  {
    name: "a symbolic link",
    make: (path) => {
      makeStore(`${path}.real`);
      symlinkSync(`${path}.real`, path);
    },
    code: "not_a_file",
    says: /a link or a device/,
  },
  {
    name: "a log whose database is gone",
    make: (path) => {
      makeKilledStore(path);
      rmSync(path);
    },
    code: "log_without_database",
    says: /its log ".*-wal" is there; put the database back/,
  },
  {
    name: "a store without its meta row",
    make: (path) => {
      makeStore(path);
      change(path, "DELETE FROM meta");
    },
    code: "damaged",
    says: /its meta row is missing.*restore a backup/,
  },
  {
    name: "a damaged page after a kill",
    make: (path) => {
      makeKilledStore(path);
      change(path, "PRAGMA wal_checkpoint(TRUNCATE)");
      const pages = readFileSync(path).length / 4096;
      for (let page = 2; page < pages; page++) {
        overwrite(path, page * 4096, new Uint8Array(4096).fill(0xff));
      }
    },
    code: "damaged",
    says: /it is damaged \(.*\); restore a backup, or move .* away/,
  },
];

for (const { name, make, code, says } of refused) {
  test(`${name} is refused and left as it is`, () => {
    const path = makePath();
    make(path);
    const before = statSync(path, { throwIfNoEntry: false });
    const error = refusal(() => open(path));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(says)]);
    expect(error.message).toContain(path);
    expect(statSync(path, { throwIfNoEntry: false })?.size).toBe(before?.size);
    // The lock is free again: the same refusal, not "locked".
    expect(refusal(() => open(path)).code).toBe(code);
  });
}

test("a folder that cannot be made is refused", () => {
  const path = makePath();
  writeFileSync(join(dirname(path), "file"), "");
  const error = refusal(() => open(join(dirname(path), "file", "insights.db")));
  expect(error.message).toMatch(/cannot create the store's folder ".*file"/);
});

test("a second writer of the same process is refused, with the path and what to do", () => {
  const path = makePath();
  const first = open(path);
  const error = refusal(() => open(path));
  expect(error.code).toBe("locked");
  expect(error.message).toContain(
    `cannot open the store "${path}": another process (pid ${process.pid}) writes to it; stop that one`,
  );
  first.commit(makeFullWriteSet(1));
  first.close();
  open(path).close();
});

test("a folder that is open to others is used, with a warning; our file is closed to them", () => {
  const path = makePath();
  makeStore(path);
  chmodSync(dirname(path), 0o755);
  chmodSync(path, 0o644);
  const writer = open(path);
  expect(writer.warnings).toEqual([expect.stringMatching(/has mode 755.*make it 700/)]);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o755);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writer.close();
});

test("after a kill the log is replayed and the store is checked", () => {
  const path = makePath();
  makeKilledStore(path);
  const writer = open(path);
  expect(writer.load().lastCommitUs).toBe(baseUs + 1);
  writer.close();
});

test("whichever page is damaged after a kill, the store is refused", () => {
  const path = makePath();
  makeKilledStore(path);
  change(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  const intact = readFileSync(path);
  for (let at = 0; at < intact.length; at += 4096) {
    writeFileSync(path, intact);
    overwrite(path, at, new Uint8Array(4096).fill(0xff));
    const expected = at === 0 ? "not_a_database" : "damaged";
    expect([at, refusal(() => open(path)).code]).toEqual([at, expected]);
  }
});

test("the draft of a store that was killed while it was made is made anew", () => {
  const path = makePath();
  writeFileSync(`${path}.new`, "half");
  makeStore(path);
  expect(statSync(`${path}.new`, { throwIfNoEntry: false })).toBeUndefined();
});

test("durability is asserted, not assumed", () => {
  const path = makePath();
  makeStore(path);
  // The driver's own default under WAL, which the store must not be left with.
  const plain = new Database(path);
  expect(plain.pragma("synchronous", { simple: true })).toBe(1);
  plain.close();
  const writer = open(path);
  expect(writer.synchronous).toBe("FULL");
  writer.close();
});

test("a reader wants a store of this version and cannot write", () => {
  const path = makePath();
  expect(refusal(() => new StoreReader(path)).message).toContain("start the engine first");
  writeFileSync(path, "");
  expect(refusal(() => new StoreReader(path)).code).toBe("empty");
  rmSync(path);
  makeStore(path);
  new StoreReader(path).close();
  change(path, "PRAGMA user_version = 99");
  expect(refusal(() => new StoreReader(path)).code).toBe("wrong_version");
});
