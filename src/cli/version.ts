/** `version`: ours, Node's and SQLite's. */
import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import type { CliIo } from "./io.ts";

/** The version in package.json, two folders above this file in src/ and in dist/. */
export function packageVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version; // our own file
}

export function runVersion(io: CliIo): number {
  const database = new Database(":memory:");
  const sqlite = String(database.prepare("SELECT sqlite_version()").pluck().get());
  database.close();
  io.out(`mesh-insights ${packageVersion()}\nnode ${process.versions.node}\nsqlite ${sqlite}\n`);
  return 0;
}
