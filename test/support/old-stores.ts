/** Stores of earlier schemas: `test/fixtures/stores`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { loadMigrations } from "../../src/store/migrate.ts";

/** The version of this program's schema. */
export const currentVersion = loadMigrations().length;

/** Every version before it. */
export const oldVersions = Array.from({ length: currentVersion - 1 }, (_, index) => index + 1);

/** Puts the store of a version to that path, which only its owner may read. */
export function placeOldStore(version: number, path: string): void {
  const file = join(import.meta.dirname, `../fixtures/stores/schema-${version}.db.gz`);
  writeFileSync(path, gunzipSync(readFileSync(file)), { mode: 0o600 });
}

type Row = Readonly<Record<string, unknown>>;

/** All rows of all tables, in the order of their row ids. */
export function readTables(path: string): Map<string, Row[]> {
  const database = new Database(path, { readonly: true });
  try {
    const names = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .pluck()
      .all() as string[];
    return new Map(
      names.map((name) => [name, database.prepare(`SELECT * FROM "${name}"`).all() as Row[]]),
    );
  } finally {
    database.close();
  }
}
