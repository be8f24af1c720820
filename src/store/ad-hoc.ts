/**
 * SQL that a person wrote, run against committed data on a connection that cannot write. It may take
 * for ever: whoever calls it does so in a process that can be ended.
 */
import Database from "better-sqlite3";
import { StoreError, toStoreError } from "./errors.ts";
import { loadMigrations } from "./migrate.ts";
import { openReadOnly } from "./reader.ts";

/** As SQLite has it; whole numbers of any size are bigints. */
export type Cell = string | number | bigint | null | Uint8Array;

export interface AdHocLimits {
  readonly rowsMax: number;
  /** Of all texts and blobs of the answer together, about. */
  readonly bytesMax: number;
}

export interface AdHocAnswer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** There is more than the limits allow. */
  readonly isCut: boolean;
}

/** What sorts and joins may take; a statement that needs more fails. */
const heapMaxBytes = 512 * 1024 * 1024;

/** One statement that reads. Throws a StoreError, `bad_query` with SQLite's words for a bad one. */
export function askSql(path: string, sql: string, limits: AdHocLimits): AdHocAnswer {
  const database = openReadOnly(path);
  try {
    database.pragma(`hard_heap_limit = ${heapMaxBytes}`);
    const statement = prepare(database, sql);
    return collect(statement, limits);
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    throw new StoreError("bad_query", `cannot run the query: ${error.message}`, error);
  } finally {
    database.close();
  }
}

function prepare(database: Database.Database, sql: string): Database.Statement {
  let statement: Database.Statement;
  try {
    statement = database.prepare(sql);
  } catch (error) {
    // The driver's own words for no statement, or several.
    if (error instanceof RangeError)
      throw new StoreError("bad_query", "cannot run the query: give exactly one SQL statement");
    throw error;
  }
  if (!statement.readonly || !statement.reader) {
    const why = "it does not read: this connection answers questions and changes nothing";
    throw new StoreError("bad_query", `cannot run the query: ${why}; give a SELECT`);
  }
  return statement;
}

function collect(statement: Database.Statement, { rowsMax, bytesMax }: AdHocLimits): AdHocAnswer {
  const columns = statement.columns().map(({ name }) => name);
  const rows: Cell[][] = [];
  let bytes = 0;
  for (const row of statement.raw().safeIntegers().iterate() as Iterable<Cell[]>) {
    if (rows.length >= rowsMax || bytes > bytesMax) return { columns, rows, isCut: true };
    for (const cell of row) bytes += sizeOf(cell);
    rows.push(row);
  }
  return { columns, rows, isCut: false };
}

function sizeOf(cell: Cell): number {
  if (typeof cell === "string") return cell.length;
  return cell instanceof Uint8Array ? cell.byteLength : 8;
}

/** The tables of this program's schema with their columns, for help texts. */
export function describeTables(): { name: string; columns: string[] }[] {
  const database = new Database(":memory:");
  try {
    for (const { sql } of loadMigrations()) database.exec(sql);
    const tables = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .pluck()
      .all() as string[]; // one text column
    const columns = database.prepare("SELECT name FROM pragma_table_info(?)").pluck();
    return tables.map((name) => ({ name, columns: columns.all(name) as string[] })); // as above
  } catch (error) {
    throw toStoreError(error, "cannot list the store's tables");
  } finally {
    database.close();
  }
}
