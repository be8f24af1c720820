/**
 * What leaves the outbox: records that were delivered, and those that its bounds push out while the sink
 * is down. Everything happens inside the caller's transaction. Dropping is a loss that somebody must be
 * told of, unlike pruning, and is counted apart from it.
 */
import type Database from "better-sqlite3";
import { usPerHour, type Us } from "../model/time.ts";

export interface OutboxLimits {
  /** A record waits this long at most, by the engine time of its transition. */
  readonly maxAgeUs: Us;
  /** Records that wait at most, besides those of the second that has just passed. */
  readonly maxRecords: number;
}

export const outboxDefaults: OutboxLimits = { maxAgeUs: 72 * usPerHour, maxRecords: 100_000 };

/** What one call drops at most beyond what came since the last: it must not hold up a commit. */
export const dropRowsMax = 2_000;

export class OutboxKeeper {
  readonly #limits: OutboxLimits;
  readonly #count: Database.Statement;
  readonly #deliver: Database.Statement;
  readonly #dropOld: Database.Statement;
  readonly #dropResolved: Database.Statement;
  readonly #dropOldest: Database.Statement;
  /**
   * Rows that may still be written before the bound can be passed: rows are counted only when this is
   * used up. Removed rows are not given back, so it is never too large, whatever was rolled back.
   */
  #room = 0;
  #written = 0;

  constructor(database: Database.Database, limits: OutboxLimits) {
    this.#limits = limits;
    this.#count = database.prepare("SELECT count(*) FROM outbox").pluck();
    this.#deliver = database.prepare("DELETE FROM outbox WHERE seq = ?");
    this.#dropOld = database.prepare(dropSql("WHERE at_us < @beforeUs ORDER BY at_us"));
    this.#dropResolved = database.prepare(dropSql("WHERE state = 'resolved' ORDER BY seq"));
    this.#dropOldest = database.prepare(dropSql("ORDER BY seq"));
  }

  /** To be told of every write-set, committed or not. */
  wrote(rows: number): void {
    this.#room -= rows;
    this.#written += rows;
  }

  /** Removes what need not be sent again; numbers that are gone already do no harm. */
  delivered(seqs: readonly number[]): void {
    for (const seq of seqs) this.#deliver.run(seq);
  }

  /**
   * Removes what is too old, and above `maxRecords` the oldest resolved ones, then the oldest: who is
   * told late should hear what fires. Returns how many.
   */
  drop(nowUs: Us): number {
    const { maxAgeUs, maxRecords } = this.#limits;
    let limit = dropRowsMax + this.#written;
    this.#written = 0;
    const old = this.#dropOld.run({ beforeUs: nowUs - maxAgeUs, limit }).changes;
    if (this.#room >= 0) return old;
    const count = this.#count.get() as number; // of one integer column
    this.#room = maxRecords - count;
    limit = Math.min(limit - old, -this.#room);
    if (limit <= 0) return old;
    const resolved = this.#dropResolved.run({ limit }).changes;
    const oldest = this.#dropOldest.run({ limit: limit - resolved }).changes;
    return old + resolved + oldest;
  }
}

function dropSql(which: string): string {
  return `
    DELETE FROM outbox
    WHERE seq IN (
      SELECT seq
      FROM outbox
      ${which}
      LIMIT @limit
    )`;
}
