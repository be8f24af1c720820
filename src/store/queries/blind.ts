/** When nobody watched: times between the last commit of one process and the start of the next. */
import type Database from "better-sqlite3";
import type { ApiBlind } from "../../model/api.ts";
import { usToRfc3339 } from "../../model/time.ts";

/** The newest that are shown. */
const shownMax = 20;

export class BlindQueries {
  readonly #newest: Database.Statement;

  constructor(database: Database.Database) {
    this.#newest = database.prepare(`
      SELECT
        from_us AS fromUs,
        to_us AS toUs,
        reason
      FROM blind
      ORDER BY to_us DESC
      LIMIT ${shownMax}`);
  }

  newest(): ApiBlind[] {
    const rows = this.#newest.all() as { fromUs: number; toUs: number; reason: string }[];
    return rows.map(({ fromUs, toUs, reason }) => ({
      from: usToRfc3339(fromUs),
      to: usToRfc3339(toUs),
      reason,
    }));
  }
}
