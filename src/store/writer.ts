/**
 * The only writer of the store: applies one write-set per transaction and gives everything back at
 * start-up. Knows rows, not their meaning. After a failed commit nothing of it is in the database and
 * the same write-set may be tried again.
 */
import type Database from "better-sqlite3";
import { assert } from "../lib/assert.ts";
import type { Restored, WriteSet } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import { StoreError, toStoreError } from "./errors.ts";
import { openStore } from "./open.ts";
import type { OpenStore, StoreOptions } from "./open.ts";
import { outboxDefaults, OutboxKeeper, type OutboxLimits } from "./outbox.ts";
import { Pruner } from "./prune.ts";
import { packedRow, packedValue, type PackedList, type PackedWriteSet } from "./packed-rows.ts";
import type { AnyTable } from "./table.ts";
import { forgetSql, tables } from "./tables.ts";

export interface WriterOptions extends StoreOptions {
  /** Bounds of the outbox; without it, 72 hours and 100,000 records. */
  readonly outbox?: OutboxLimits;
}

export interface CommitResult {
  readonly seq: number;
  readonly rows: number;
  readonly durationUs: number;
}

/** One table with its statement prepared; `table.name` says which list of a write-set is its. */
interface TableWriter {
  readonly table: AnyTable;
  readonly write: Database.Statement;
  readonly move: Database.Statement | null;
}

export class StoreWriter {
  readonly #store: OpenStore;
  readonly #writers: readonly TableWriter[];
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;
  readonly #rollback: Database.Statement;
  readonly #noteCommit: Database.Statement;
  readonly #forgetRedo: Database.Statement;
  readonly #forget: ReadonlyMap<string, Database.Statement>;
  readonly #pruner: Pruner;
  readonly #outbox: OutboxKeeper;

  /** Opens the store; throws a StoreError that says why it cannot. */
  constructor(options: WriterOptions) {
    this.#store = openStore(options);
    const { database } = this.#store;
    this.#writers = tables.map((table) => ({
      table,
      write: database.prepare(table.write),
      move: table.move ? database.prepare(table.move.sql) : null,
    }));
    // IMMEDIATE: a lock that is held elsewhere shows before the work, not at its end.
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
    this.#noteCommit = database.prepare(`
      UPDATE meta
      SET last_commit_us = @atUs,
        last_seq = @seq
      WHERE id = 1`);
    this.#forgetRedo = database.prepare("DELETE FROM redo");
    this.#forget = new Map(
      Object.entries(forgetSql).map(([table, sql]) => [table, database.prepare(sql)]),
    );
    this.#pruner = new Pruner(database);
    this.#outbox = new OutboxKeeper(database, options.outbox ?? outboxDefaults);
  }

  get warnings(): readonly string[] {
    return this.#store.warnings;
  }

  /** What a commit waits for, as SQLite says it; `FULL` always, for the status page and tests. */
  get synchronous(): string {
    const level = this.#store.database.pragma("synchronous", { simple: true });
    return level === 2 ? "FULL" : String(level);
  }

  /** All or nothing; returns after the sync. Throws a StoreError, `retryable` or not. */
  commit(writeSet: WriteSet): CommitResult {
    return this.commitPacked({ rest: writeSet, lists: new Map() });
  }

  /** The same of a write-set that comes from another thread. */
  commitPacked({ rest, lists }: PackedWriteSet): CommitResult {
    const writeSet = rest;
    const startMs = performance.now();
    let rows = 0;
    this.#outbox.wrote(writeSet.outbox.length);
    this.#transaction(`cannot commit write-set ${writeSet.seq}`, () => {
      // Every effect is in the tables with this one.
      if (writeSet.isWhole) this.#forgetRedo.run();
      for (const { table, key } of writeSet.forgotten ?? []) this.#forget.get(table)?.run({ key });
      for (const writer of this.#writers) {
        const list = lists.get(writer.table.name);
        rows += writeRows(writer, rest) + (list ? writeList(writer, list) : 0);
      }
      const noted = this.#noteCommit.run({ atUs: writeSet.atUs, seq: writeSet.seq });
      if (noted.changes !== 1) throw new StoreError("damaged", "the store's meta row is gone");
    });
    return {
      seq: writeSet.seq,
      rows,
      durationUs: Math.round((performance.now() - startMs) * 1_000),
    };
  }

  /** Everything that stages get back, from one committed state. */
  load(): Restored {
    const { database } = this.#store;
    try {
      const lists = tables
        .filter((table) => table.read !== null)
        .map((table) => [table.name, readRows(database, table)]);
      const lastCommitUs = database.prepare("SELECT last_commit_us FROM meta").pluck().get();
      // The lists are named and typed by the same tables that wrote them.
      return { ...Object.fromEntries(lists), lastCommitUs } as Restored;
    } catch (error) {
      throw toStoreError(error, "cannot load the store");
    }
  }

  /** Removes what is past its time, a bounded number of rows; returns how many. */
  prune(nowUs: Us): number {
    let removed = 0;
    this.#transaction("cannot prune the store", () => {
      removed = this.#pruner.prune(nowUs);
    });
    return removed;
  }

  /** Takes records out of the outbox; when it returns, it is durable that they need not be sent again. */
  delivered(seqs: readonly number[]): void {
    this.#transaction("cannot mark records as delivered", () => this.#outbox.delivered(seqs));
  }

  /** Removes what the bounds of the outbox push out, a bounded number of records; returns how many. */
  dropFromOutbox(nowUs: Us): number {
    let dropped = 0;
    this.#transaction("cannot drop from the outbox", () => {
      dropped = this.#outbox.drop(nowUs);
    });
    return dropped;
  }

  /** Marks a clean stop, if the disk lets it, and gives up the lock. Harmless when repeated. */
  close(): void {
    const { database, lock } = this.#store;
    if (!database.open) return;
    try {
      database.exec("UPDATE meta SET clean = 1 WHERE id = 1");
      database.pragma("wal_checkpoint(TRUNCATE)");
    } catch (error) {
      // Nothing is lost: what the disk has no room for stays in the log, and the next start reads it.
      throw toStoreError(error, "cannot close the store cleanly");
    } finally {
      database.close();
      lock.release();
    }
  }

  #transaction(what: string, work: () => void): void {
    const { database } = this.#store;
    assert(!database.inTransaction, "no transaction is left open");
    try {
      this.#begin.run();
      work();
      this.#commit.run();
    } catch (error) {
      // SQLite has rolled back by itself after some errors (full disk, I/O).
      if (database.inTransaction) this.#rollback.run();
      throw toStoreError(error, what);
    }
  }
}

type AnyRow = Readonly<Record<string, unknown>>;

function writeRows({ table, write }: TableWriter, writeSet: WriteSet): number {
  const rows: readonly object[] = writeSet[table.name];
  const booleans: readonly string[] = table.booleans ?? [];
  try {
    if (booleans.length === 0) for (const row of rows) write.run(row);
    else for (const row of rows) write.run(convert(row as AnyRow, booleans, Number)); // plain data
  } catch (error) {
    throw toStoreError(error, `cannot write "${table.name}"`);
  }
  return rows.length;
}

/** The rows of a packed list: moved where that says all, else written whole. */
function writeList({ table, write, move }: TableWriter, list: PackedList): number {
  const names: readonly string[] = table.move?.fields ?? [];
  const fields = names.map((name) => list.fields.find((field) => field.name === name));
  const unless = list.fields.find((field) => field.name === table.move?.unless);
  const values: unknown[] = [];
  try {
    for (let index = 0; index < list.count; index++) {
      const isMove = move !== null && (!unless || packedValue(unless, index) === "");
      for (const [at, field] of fields.entries()) {
        values[at] = field && packedValue(field, index);
      }
      if (isMove && move.run(values).changes === 1) continue;
      write.run(packedRow(list, index));
    }
  } catch (error) {
    throw toStoreError(error, `cannot write "${table.name}"`);
  }
  return list.count;
}

function readRows(database: Database.Database, table: AnyTable): readonly AnyRow[] {
  assert(table.read !== null, `"${table.name}" is a table that is read back`);
  const rows = database.prepare(table.read).all() as AnyRow[]; // named as the row's fields
  const booleans: readonly string[] = table.booleans ?? [];
  return booleans.length === 0 ? rows : rows.map((row) => convert(row, booleans, Boolean));
}

function convert(
  row: AnyRow,
  names: readonly string[],
  conversion: (value: unknown) => unknown,
): AnyRow {
  const converted: Record<string, unknown> = { ...row };
  for (const name of names) converted[name] = conversion(row[name]);
  return converted;
}
