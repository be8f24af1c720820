/**
 * Who sends telemetry, and whether it is still heard. One page, with what needs attention first: a mesh
 * may have 20,000 sources, nearly all of them proxies that are well.
 */
import type Database from "better-sqlite3";
import type { ApiPage, ApiSource, ApiSourceCapability, SourceFilter } from "../../model/api.ts";
import { usPerSecond, usToRfc3339, type Us } from "../../model/time.ts";

import { allowedParameter } from "./allowed.ts";

const limitMax = 1_000;

/** A parameter that is null does not filter. */
const isWanted = `
  (@kind IS NULL OR kind = @kind)
  AND (@state IS NULL OR state = @state)
  AND (@namespace IS NULL OR namespace = @namespace)
  AND (@allowed IS NULL OR namespace IN (SELECT value FROM json_each(@allowed)))`;

interface StoredSource {
  readonly kind: string;
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly state: string;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  readonly detail: string;
}

/** The part of a row's `detail`, which the graph writes, that is shown; rows of old may lack some. */
interface SourceDetail {
  readonly heard?: Readonly<Record<string, StoredHeard>>;
  readonly latenessUs?: Us;
  readonly offsetUs?: Us | null;
  readonly expected?: boolean;
}

interface StoredHeard {
  readonly receivedUs: Us;
  readonly intervalUs: Us;
  readonly isSilent: boolean;
  readonly offsetUs?: Us | null;
}

export class SourceQueries {
  readonly #page: Database.Statement;
  readonly #count: Database.Statement;

  constructor(database: Database.Database) {
    this.#page = database.prepare(`
      SELECT
        kind, key, cluster, namespace, state,
        first_seen_us AS firstSeenUs,
        last_seen_us AS lastSeenUs,
        detail
      FROM source
      WHERE ${isWanted}
      ORDER BY
        kind = 'proxy',
        CASE state WHEN 'silent' THEN 0 WHEN 'late' THEN 1 WHEN 'gone' THEN 3 ELSE 2 END,
        abs(coalesce(detail ->> '$.offsetUs', 0)) DESC,
        kind,
        key
      LIMIT @limit`);
    this.#count = database
      .prepare(`
        SELECT count(*)
        FROM source
        WHERE ${isWanted}`)
      .pluck();
  }

  list(filter: SourceFilter): ApiPage<ApiSource> {
    const limit = Math.min(Math.max(Math.trunc(filter.limit ?? limitMax), 1), limitMax);
    const { kind = null, state = null, namespace = null } = filter;
    const wanted = { kind, state, namespace, allowed: allowedParameter(filter) };
    const rows = this.#page.all({ ...wanted, limit }) as StoredSource[]; // the SELECT's columns
    const total = this.#count.get(wanted) as number; // one INTEGER column
    return { items: rows.map(sourceToApi), next: null, total };
  }
}

function sourceToApi(row: StoredSource): ApiSource {
  const { kind, key, cluster, namespace, state, firstSeenUs, lastSeenUs } = row;
  const detail = JSON.parse(row.detail) as SourceDetail; // written by the graph, in this form
  const capabilities = Object.entries(detail.heard ?? {}).map(capabilityToApi);
  return {
    kind,
    key,
    cluster,
    namespace,
    state,
    expected: detail.expected ?? false,
    first_seen: timeToApi(firstSeenUs),
    last_seen: timeToApi(lastSeenUs),
    interval_seconds: Math.max(0, ...capabilities.map((one) => one.interval_seconds)),
    lateness_seconds: toSeconds(detail.latenessUs ?? 0),
    clock_offset_seconds: offsetToApi(detail.offsetUs),
    capabilities,
  };
}

function capabilityToApi([capability, heard]: [string, StoredHeard]): ApiSourceCapability {
  return {
    capability,
    last_seen: usToRfc3339(heard.receivedUs),
    silent: heard.isSilent,
    interval_seconds: toSeconds(heard.intervalUs),
    clock_offset_seconds: offsetToApi(heard.offsetUs),
  };
}

const timeToApi = (us: Us): string | null => (us === 0 ? null : usToRfc3339(us));

const offsetToApi = (us: Us | null | undefined): number | null =>
  us === null || us === undefined ? null : toSeconds(us);

/** Rounded to milliseconds: nothing here is known better. */
const toSeconds = (us: Us): number => Math.round((us / usPerSecond) * 1_000) / 1_000;
