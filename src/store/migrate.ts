/**
 * Brings a database to the schema of this program: the numbered files of `migrations/`, each in one
 * transaction with its number as `user_version`, so that a kill leaves a whole version. A released
 * migration is never edited. There is no way back: an older program refuses a newer database.
 */
import type Database from "better-sqlite3";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { assert } from "../lib/assert.ts";
import { StoreError, toStoreError } from "./errors.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** The shipped migrations, ascending without gaps. */
export function loadMigrations(
  folder: URL = new URL("./migrations/", import.meta.url),
): readonly Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name, index) => {
    const version = Number.parseInt(name, 10);
    assert(version === index + 1, `migrations are numbered from 001 without gaps, at "${name}"`);
    return { version, name, sql: readFileSync(new URL(name, folder), "utf8") };
  });
}

export function schemaVersion(database: Database.Database): number {
  return database.pragma("user_version", { simple: true }) as number; // an integer by definition
}

/** `path` is for messages, here and below. */
export function refuseNewer(
  database: Database.Database,
  migrations: readonly Migration[],
  path: string,
): void {
  const version = schemaVersion(database);
  if (version <= migrations.length) return;
  throw new StoreError(
    "wrong_version",
    `cannot open the store "${path}": its schema has version ${version}, this program knows ` +
      `${migrations.length}; start the newer program, or restore the backup made before its upgrade`,
  );
}

/** Migrates in place. An existing database is copied aside before. */
export function migrate(
  database: Database.Database,
  migrations: readonly Migration[],
  path: string,
): void {
  const version = schemaVersion(database);
  if (version > 0 && version < migrations.length) backUp(database, `${path}.v${version}`);
  for (const migration of migrations.slice(version)) apply(database, migration, path);
}

function apply(database: Database.Database, migration: Migration, path: string): void {
  const run = database.transaction(() => {
    database.exec(migration.sql);
    database.pragma(`user_version = ${migration.version}`);
  });
  try {
    run.immediate();
  } catch (error) {
    throw toStoreError(error, `cannot migrate the store "${path}" by "${migration.name}"`);
  }
}

/**
 * A whole copy to return to, since the older program refuses the migrated database. Written under
 * another name first: a kill in between leaves no half of a backup, and the next start begins again.
 */
function backUp(database: Database.Database, backupPath: string): void {
  const draftPath = `${backupPath}.new`;
  try {
    rmSync(draftPath, { force: true });
    const draft = openSync(draftPath, "wx", 0o600);
    database.prepare("VACUUM INTO ?").run(draftPath);
    fsyncSync(draft);
    closeSync(draft);
    renameSync(draftPath, backupPath);
  } catch (error) {
    throw toStoreError(error, `cannot back up the store to "${backupPath}" before its upgrade`);
  }
}
