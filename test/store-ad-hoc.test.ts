/** SQL of a person: what may be asked, what is refused, and how answers look. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { answerJson, answerTable, tablesHelp } from "../src/cli/query.ts";
import { makeWriteSet } from "../src/model/rows.ts";
import { askSql, describeTables } from "../src/store/ad-hoc.ts";
import { StoreError } from "../src/store/errors.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { TempFolder } from "./support/program.ts";
import { baseUs, makeNodeRow } from "./support/write-sets.ts";

const limits = { rowsMax: 100, bytesMax: 1_000_000 };
let folder: TempFolder;
let path: string;
let writer: StoreWriter;

beforeEach(() => {
  folder = new TempFolder();
  path = join(folder.path, "mesh.db");
  writer = new StoreWriter({ path, programVersion: "1", nowUs: baseUs });
  const set = makeWriteSet(1, baseUs);
  set.nodes.push(makeNodeRow(1, { name: "web\u001b[2J" }), makeNodeRow(2, { name: "cart" }));
  writer.commit(set);
});

afterEach(() => {
  writer.close();
  folder[Symbol.dispose]();
});

test("committed rows are answered beside the writer", () => {
  expect(askSql(path, "SELECT id, name FROM node ORDER BY id;", limits)).toEqual({
    columns: ["id", "name"],
    rows: [
      [1n, "web\u001b[2J"],
      [2n, "cart"],
    ],
    isCut: false,
  });
});

test.each([
  ["DELETE FROM node", /does not read/],
  ["INSERT INTO node_alias VALUES ('a', 1) RETURNING alias", /does not read/],
  ["CREATE TEMP TABLE t (a)", /does not read/],
  ["ATTACH '/tmp/other.db' AS o", /does not read/],
  ["VACUUM INTO '/tmp/other.db'", /does not read/],
  ["PRAGMA journal_mode = DELETE", /does not read|readonly/],
  ["PRAGMA wal_checkpoint(TRUNCATE)", /does not read|readonly|locked/],
  ["SELECT 1; DELETE FROM node", /exactly one/],
  ["", /exactly one/],
  ["SELECT load_extension('x')", /not authorized|no such function/],
  ["SELECT colour FROM node", /no such column: colour/],
  ["SELEC 1", /near "SELEC": syntax error/],
])("%s is refused", (sql, says) => {
  const before = readFileSync(path);
  const ask = (): unknown => askSql(path, sql, limits);
  expect(ask).toThrow(says);
  expect(ask).toThrow(StoreError);
  expect(askSql(path, "SELECT count(*) FROM node", limits).rows).toEqual([[2n]]);
  expect(readFileSync(path).equals(before)).toBe(true);
});

const many =
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, hex(zeroblob(50)) FROM n";

test("rows and bytes are bounded, and the answer says so", () => {
  const byRows = askSql(path, many, { rowsMax: 7, bytesMax: 1e9 });
  expect([byRows.rows.length, byRows.isCut]).toEqual([7, true]);
  const byBytes = askSql(path, many, { rowsMax: 1e9, bytesMax: 1_000 });
  expect([byBytes.rows.length, byBytes.isCut]).toEqual([10, true]);
});

test("as a table: nothing moves the cursor, long cells are cut", () => {
  const answer = askSql(path, "SELECT name, NULL AS n, x'00ff' AS b FROM node ORDER BY id", limits);
  expect(answerTable(answer)).toBe("name     n  b\nweb?[2J     00ff\ncart        00ff\n");
  const long = askSql(path, `SELECT '${"y".repeat(200)}' AS y`, limits);
  expect(answerTable(long)).toBe(`y\n${"y".repeat(79)}…\n`);
  expect(answerTable({ columns: ["a"], rows: [], isCut: false })).toBe("no rows\n");
});

test("as JSON: whole, and numbers that JSON would bend as text", () => {
  const sql = "SELECT 9007199254740993 AS big, 5 AS small, 1.5 AS real, x'00ff' AS b, NULL AS n";
  expect(JSON.parse(answerJson(askSql(path, sql, limits)))).toEqual([
    { big: "9007199254740993", small: 5, real: 1.5, b: "00ff", n: null },
  ]);
});

test("the help lists the tables as they are", () => {
  const names = askSql(path, "SELECT name FROM sqlite_schema WHERE type = 'table'", limits);
  expect(describeTables().map(({ name }) => name)).toEqual(
    names.rows.flat().map(String).toSorted(),
  );
  expect(tablesHelp()).toMatch(/^ {2}insight +id, fingerprint, episode, rule,/m);
  expect(
    tablesHelp()
      .split("\n")
      .every((line) => line.length <= 110),
  ).toBe(true);
});
