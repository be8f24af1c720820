/**
 * Which insights are there: filtered, newest first, in pages; and one of them with its history.
 * Pages are keyset pages over (first seen, id), which do not move while insights are updated: whoever
 * follows the cursors sees each insight once.
 */
import type Database from "better-sqlite3";
import type { ApiInsight, ApiInsightDetail, ApiPage, InsightFilter } from "../../model/api.ts";
import type { InsightEventRow } from "../../model/rows.ts";
import { usPerMs } from "../../model/time.ts";
import { StoreError } from "../errors.ts";
import { allowedParameter } from "./allowed.ts";
import { insightColumns, insightToApi, transitionToApi } from "./insight-rows.ts";
import type { StoredInsight } from "./insight-rows.ts";

const defaultLimit = 100;
const limitMax = 1_000;
/** Transitions that one insight shows, the newest; a flapping one has many. */
const historyMax = 500;

/** A parameter that is null does not filter. Inactive ones were pending and never became a finding. */
const isWanted = `
  state <> 'inactive'
  AND (@state IS NULL OR state = @state)
  AND (@severity IS NULL OR severity = @severity)
  AND (@rule IS NULL OR rule = @rule)
  AND (@cluster IS NULL OR cluster = @cluster)
  AND (@namespace IS NULL OR namespace = @namespace)
  AND (@allowed IS NULL OR namespace IN (SELECT value FROM json_each(@allowed)))
  AND (@workload IS NULL OR workload = @workload)
  AND (@sinceUs IS NULL OR last_seen_us >= @sinceUs)
  AND (
    @q IS NULL
    OR instr(lower(concat_ws(' ', rule, title, message, namespace, workload)), lower(@q)) > 0
    OR instr(lower(concat_ws(' ', peer_namespace, peer_workload, peer_address)), lower(@q)) > 0
  )`;

export class InsightQueries {
  readonly #page: Database.Statement;
  readonly #count: Database.Statement;
  readonly #one: Database.Statement;
  readonly #history: Database.Statement;

  constructor(database: Database.Database) {
    this.#page = database.prepare(`
      SELECT ${insightColumns}
      FROM insight
      WHERE ${isWanted}
        AND (@cursorUs IS NULL OR (first_seen_us, id) < (@cursorUs, @cursorId))
      ORDER BY first_seen_us DESC, id DESC
      LIMIT @limit`);
    this.#count = database
      .prepare(`
        SELECT count(*)
        FROM insight
        WHERE ${isWanted}`)
      .pluck();
    this.#one = database.prepare(`
      SELECT ${insightColumns}
      FROM insight
      WHERE id = ?`);
    this.#history = database.prepare(`
      SELECT
        at_us AS atUs,
        from_state AS fromState,
        to_state AS toState,
        reason, message
      FROM insight_event
      WHERE insight_id = ?
      ORDER BY number DESC
      LIMIT ${historyMax}`);
  }

  /** `cluster` narrows to one workload's insights, which namespace and name alone do not. */
  list(filter: InsightFilter, cluster: string | null = null): ApiPage<ApiInsight> {
    const limit = Math.min(Math.max(Math.trunc(filter.limit ?? defaultLimit), 1), limitMax);
    const wanted = { ...filterToParameters(filter), cluster };
    const cursor = filter.cursor === undefined ? null : parseCursor(filter.cursor);
    const rows = this.#page.all({
      ...wanted,
      cursorUs: cursor?.us ?? null,
      cursorId: cursor?.id ?? null,
      limit: limit + 1,
    }) as StoredInsight[]; // the columns of the SELECT
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return {
      items: items.map(insightToApi),
      next: rows.length > limit && last ? makeCursor(last.firstSeenUs, last.id) : null,
      total: this.#count.get(wanted) as number, // count(*)
    };
  }

  one(id: string): ApiInsightDetail | null {
    const row = this.#one.get(id) as StoredInsight | undefined; // the columns of the SELECT
    if (row === undefined) return null;
    const events = this.#history.all(id) as InsightEventRow[]; // likewise
    return {
      ...insightToApi(row),
      history: events.reverse().map(transitionToApi),
      episode: row.episode,
      reopen_count: row.reopenCount,
    };
  }
}

function filterToParameters(filter: InsightFilter): Record<string, string | number | null> {
  return {
    state: filter.state ?? null,
    severity: filter.severity ?? null,
    rule: filter.rule ?? null,
    namespace: filter.namespace ?? null,
    allowed: allowedParameter(filter),
    workload: filter.workload ?? null,
    q: filter.q ?? null,
    sinceUs: filter.since === undefined ? null : parseTime(filter.since),
  };
}

/** To the millisecond, rounded down, so that nothing from the time on is left out. */
function parseTime(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw badQuery("since", text, "it is no RFC 3339 time");
  return ms * usPerMs;
}

function makeCursor(us: number, id: string): string {
  return Buffer.from(`${us}:${id}`).toString("base64url");
}

function parseCursor(text: string): { us: number; id: string } {
  const [, us, id] = /^(\d{1,16}):(.+)$/s.exec(Buffer.from(text, "base64url").toString()) ?? [];
  if (us === undefined || id === undefined) {
    throw badQuery("cursor", text, "it is not one that this API gave");
  }
  return { us: Number(us), id };
}

function badQuery(name: string, value: string, why: string): StoreError {
  return new StoreError("bad_query", `cannot use ${name} "${value.slice(0, 100)}": ${why}`);
}
