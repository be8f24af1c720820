/** The waivers of the loaded rules, how each does, and how many insights it accepts now. */
import type Database from "better-sqlite3";
import type { ApiPage, ApiWaiver } from "../../model/api.ts";
import type { WaiverRow } from "../../model/rows.ts";
import { usToRfc3339, type Us } from "../../model/time.ts";
import { waiverStateOf, type WaiverState } from "../../model/waivers.ts";

const shownMax = 1_000;

/** Somebody has to do something about the first ones. */
const urgency: Readonly<Record<WaiverState, number>> = {
  expired: 0,
  expiring: 1,
  unused: 2,
  active: 3,
};

export class WaiverQueries {
  readonly #all: Database.Statement;
  readonly #accepted: Database.Statement;

  constructor(database: Database.Database) {
    this.#all = database.prepare(`
      SELECT
        id, rules,
        condition AS "where",
        reason, owner, ticket,
        ends_us AS endsUs,
        since_us AS sinceUs,
        matched_us AS matchedUs
      FROM waiver
      ORDER BY ends_us, id`);
    this.#accepted = database.prepare(`
      SELECT
        detail ->> '$.waiver' AS id,
        count(*) AS insights
      FROM insight
      WHERE state IN ('pending', 'firing', 'unknown')
        AND detail ->> '$.waiver' <> ''
      GROUP BY 1`);
  }

  list(nowUs: Us): ApiPage<ApiWaiver> {
    const rows = this.#all.all() as WaiverRow[]; // the columns of the SELECT
    const counts = this.#accepted.all() as { id: string; insights: number }[]; // likewise
    const accepted = new Map(counts.map(({ id, insights }) => [id, insights]));
    const items = rows
      .map((row) => rowToApi(row, accepted.get(row.id) ?? 0, nowUs))
      .sort((a, b) => urgency[a.state] - urgency[b.state]);
    return { items: items.slice(0, shownMax), next: null, total: items.length };
  }
}

function rowToApi(row: WaiverRow, insights: number, nowUs: Us): ApiWaiver {
  const { id, where, reason, owner, ticket, endsUs, sinceUs, matchedUs } = row;
  return {
    id,
    rules: JSON.parse(row.rules) as string[], // written from them
    where,
    reason,
    owner,
    ticket,
    expires: usToRfc3339(endsUs),
    state: waiverStateOf(endsUs, { sinceUs, matchedUs }, nowUs),
    since: usToRfc3339(sinceUs),
    last_matched: matchedUs === 0 ? null : usToRfc3339(matchedUs),
    insights,
  };
}
