/**
 * Opens the store for its one writer: takes the lock, makes or checks the database, sets and asserts
 * durability, migrates, and looks for damage after a kill. Either everything holds afterwards or
 * nothing stays open and a StoreError says what is wrong, where, and what to do.
 */
import Database from "better-sqlite3";
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { assert } from "../lib/assert.ts";
import { toStoreError } from "./errors.ts";
import { takeStoreLock } from "./lock.ts";
import type { StoreLock } from "./lock.ts";
import { loadMigrations, migrate, refuseNewer } from "./migrate.ts";
import type { Migration } from "./migrate.ts";
import { applicationId, findDatabase, prepareFolder, refuse } from "./place.ts";

export interface StoreOptions {
  /** The database file; `-wal`, `-shm` and `.lock` stand beside it. */
  readonly path: string;
  /** Of this program, kept in the database for people. */
  readonly programVersion: string;
  readonly nowUs: number;
  /** The database grows to this and then refuses commits as on a full disk; without it, the disk's. */
  readonly maxBytes?: number;
  /** Other than the shipped ones in tests of upgrades. */
  readonly migrations?: readonly Migration[];
}

export interface OpenStore {
  readonly database: Database.Database;
  readonly lock: StoreLock;
  /** Nothing that hinders work, but somebody should know. */
  readonly warnings: readonly string[];
}

/**
 * How long a statement waits for somebody else's lock, say a person's sqlite3 shell. Short, because the
 * engine keeps the write-set and tries again anyway.
 */
const busyTimeoutMs = 100;

/** The damage check after an unclean stop begins no further table after this long. */
const checkBudgetMs = 10_000;

export function openStore(options: StoreOptions): OpenStore {
  const { path } = options;
  const migrations = options.migrations ?? loadMigrations();
  const warnings = [...prepareFolder(path)];
  const lock = takeStoreLock(path);
  let database: Database.Database | undefined;
  try {
    if (!findDatabase(path)) createDatabase(path, migrations, options);
    database = new Database(path, { fileMustExist: true, timeout: busyTimeoutMs });
    configureWriter(database);
    if (options.maxBytes !== undefined) limitSize(database, options.maxBytes);
    refuseNewer(database, migrations, path);
    warnings.push(...checkAfterKill(database, path));
    migrate(database, migrations, path);
    markRunning(database, path, options.programVersion);
    return { database, lock, warnings };
  } catch (error) {
    database?.close();
    lock.release();
    const trouble = toStoreError(error, `cannot open the store "${path}"`);
    // Found by SQLite itself rather than by our check, which says what to do.
    if (trouble.code === "damaged" && trouble !== error) refuseDamaged(path, String(error));
    throw trouble;
  }
}

function configureWriter(database: Database.Database): void {
  // Readers go on while a commit is written, and a commit costs one sync.
  database.pragma("journal_mode = WAL");
  // An acknowledged commit survives power loss. The driver's default under WAL is NORMAL, which does
  // not, and it is set anew by each change of the journal mode: set afterwards, and asserted below.
  database.pragma("synchronous = FULL");
  // None are declared (001-first-light.sql says why); a later one shall not be ignored in silence.
  database.pragma("foreign_keys = ON");
  // Sorts and copies of telemetry stay out of /tmp.
  database.pragma("temp_store = MEMORY");
  // Negative: KiB. The upper levels of all tables fit at the standard profile.
  database.pragma("cache_size = -16384");
  // Pages of 4 KiB: a checkpoint at 16 MiB of log instead of 4, since write-sets may be 8 MiB.
  database.pragma("wal_autocheckpoint = 4096");
  // A log that one burst made large shrinks again at the next checkpoint that resets it.
  database.pragma("journal_size_limit = 67108864");
  // Notice a damaged page when it is read, not when its content is used.
  database.pragma("cell_size_check = ON");
  // A schema that somebody tampered with runs no functions with side effects.
  database.pragma("trusted_schema = OFF");
  const journalMode = database.pragma("journal_mode", { simple: true });
  assert(journalMode === "wal", `the journal mode is WAL, not "${String(journalMode)}"`);
  const synchronous = database.pragma("synchronous", { simple: true });
  assert(synchronous === 2, `synchronous is FULL (2), not ${String(synchronous)}`);
}

/** Of the database alone; its log comes on top, 64 MiB and one write-set at most. */
function limitSize(database: Database.Database, maxBytes: number): void {
  const pageBytes = database.pragma("page_size", { simple: true }) as number; // an integer always
  database.pragma(`max_page_count = ${Math.floor(maxBytes / pageBytes)}`);
}

/**
 * A new database gets its name only when it is whole and synced, so an empty or half-made file at
 * `path` is never the trace of a kill, and is refused. The lock keeps others from the same draft.
 */
function createDatabase(
  path: string,
  migrations: readonly Migration[],
  options: StoreOptions,
): void {
  const draftPath = `${path}.new`;
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${draftPath}${suffix}`, { force: true });
  const file = openSync(draftPath, "wx", 0o600);
  try {
    const draft = new Database(draftPath, { fileMustExist: true });
    try {
      draft.pragma(`application_id = ${applicationId}`);
      configureWriter(draft);
      migrate(draft, migrations, path);
      draft
        .prepare("UPDATE meta SET created_us = ?, created_by = ? WHERE id = 1")
        .run(options.nowUs, options.programVersion);
    } finally {
      draft.close(); // the last connection: moves the log into the file and removes it
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draftPath, path);
  syncFolder(dirname(path));
}

/** Makes the new name itself survive power loss. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** After anything but a clean stop: damage is found here, before data is served from it. */
function checkAfterKill(database: Database.Database, path: string): readonly string[] {
  const meta = database.prepare("SELECT clean FROM meta WHERE id = 1").get();
  if (meta === undefined) refuseDamaged(path, "its meta row is missing");
  if ((meta as { clean: number }).clean === 1) return []; // the column of the SELECT above
  const deadline = performance.now() + checkBudgetMs;
  const names = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
    .pluck()
    .all() as string[]; // one text column
  const check = database.prepare("SELECT quick_check FROM pragma_quick_check(?)").pluck();
  for (const [index, name] of names.entries()) {
    if (performance.now() > deadline) {
      const rest = names.slice(index).join(", ");
      return [`the store "${path}" was not closed and is too big to check at start: ${rest}`];
    }
    const result = check.get(name);
    if (result !== "ok")
      refuseDamaged(path, `table "${name}": ${String(result)}`.replaceAll("\n", " "));
  }
  return [];
}

function refuseDamaged(path: string, why: string): never {
  return refuse(
    "damaged",
    path,
    `it is damaged (${why})`,
    `restore a backup, or move "${path}" and "${path}-wal" away to begin with an empty store`,
  );
}

/** The first write: also proves that the disk takes one. */
function markRunning(database: Database.Database, path: string, programVersion: string): void {
  try {
    database.prepare("UPDATE meta SET clean = 0, opened_by = ? WHERE id = 1").run(programVersion);
  } catch (error) {
    throw toStoreError(error, `cannot write to the store "${path}"`);
  }
}
