/** Records that wait to be delivered, read back for whoever sends them. */
import type Database from "better-sqlite3";
import type { OutboxSummary } from "../../model/outbox.ts";

/** The most records of one answer: at 64 KiB each, what fits a message between threads. */
const answeredMax = 1_000;

/** A row whose record is still text: whoever reads it says what to do with one that is damaged. */
export interface StoredRecord {
  readonly seq: number;
  readonly uid: string;
  /** JSON. */
  readonly record: string;
}

export class OutboxQueries {
  readonly #next: Database.Statement;
  readonly #summary: Database.Statement;

  constructor(database: Database.Database) {
    this.#next = database.prepare(`
      SELECT seq, uid, record
      FROM outbox
      WHERE seq > @afterSeq
      ORDER BY seq
      LIMIT @limit`);
    this.#summary = database.prepare(`
      SELECT
        (SELECT count(*) FROM outbox) AS length,
        coalesce((SELECT min(at_us) FROM outbox), 0) AS oldestUs`);
  }

  /** The oldest after this number, in order; `limit` is cut to 1,000. */
  next(afterSeq: number, limit: number): StoredRecord[] {
    const atMost = Math.min(limit, answeredMax);
    return this.#next.all({ afterSeq, limit: atMost }) as StoredRecord[]; // the SELECT's columns
  }

  summary(): OutboxSummary {
    return this.#summary.get() as OutboxSummary; // the SELECT's columns
  }
}
