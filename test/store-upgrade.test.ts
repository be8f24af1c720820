/**
 * A store of any earlier schema becomes one of today's: no row and no value is lost, a copy to return to
 * stands beside it, and the program that it came from refuses it.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import { loadMigrations, refuseNewer } from "../src/store/migrate.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { currentVersion, oldVersions, placeOldStore, readTables } from "./support/old-stores.ts";
import { baseUs } from "./support/write-sets.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function placed(version: number): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-upgrade-"));
  folders.push(folder);
  const path = join(folder, "mesh.db");
  placeOldStore(version, path);
  return path;
}

function upgrade(path: string): void {
  new StoreWriter({ path, programVersion: "1", nowUs: baseUs }).close();
}

test.each(oldVersions)("from schema %i: every row is there, with every value", (version) => {
  const path = placed(version);
  const before = readTables(path);
  expect([...before.values()].flat().length).toBeGreaterThan(200);
  upgrade(path);
  const after = readTables(path);
  for (const [table, rows] of before) {
    // One row about the program itself, which says which program it was.
    if (table === "meta") continue;
    const columns = Object.keys(rows[0] ?? {});
    const kept = (after.get(table) ?? []).map((row) =>
      Object.fromEntries(columns.map((column) => [column, row[column]])),
    );
    expect({ table, rows: kept }).toEqual({ table, rows });
  }
});

test.each(oldVersions)("from schema %i: a copy to return to stands beside it", (version) => {
  const path = placed(version);
  const before = readTables(path);
  upgrade(path);
  const copy = `${path}.v${version}`;
  expect(readTables(copy)).toEqual(before);
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  const database = new Database(copy, { readonly: true });
  expect(database.pragma("user_version", { simple: true })).toBe(version);
  expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
  database.close();
});

test.each(oldVersions)(
  "the program of schema %i refuses an upgraded store, and says what to do",
  (version) => {
    const path = placed(version);
    upgrade(path);
    const database = new Database(path, { readonly: true });
    expect(database.pragma("user_version", { simple: true })).toBe(currentVersion);
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(() => refuseNewer(database, loadMigrations().slice(0, version), path)).toThrow(
      /start the newer program, or restore the backup made before its upgrade$/,
    );
    database.close();
  },
);
