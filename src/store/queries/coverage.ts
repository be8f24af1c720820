/** Which telemetry of workloads arrives: counted by namespace and mask, and the workloads of one namespace. */
import type Database from "better-sqlite3";
import type {
  CoverageFilter,
  StoredCoverage,
  StoredFeed,
  StoredWorkload,
} from "../../model/api-coverage.ts";
import {
  coverageStates,
  memberships,
  type CoverageGroup,
  type Membership,
} from "../../model/coverage.ts";
import { feedOf } from "../../model/keys.ts";
import { wantedNamespaces } from "./allowed.ts";

type Stored<Row> = Omit<Row, "mesh"> & { readonly mesh: number };

export class CoverageQueries {
  readonly #groups: Database.Statement;
  readonly #feeds: Database.Statement;
  readonly #workloads: Database.Statement;
  readonly #one: Database.Statement;

  constructor(database: Database.Database) {
    this.#groups = database.prepare(`
      SELECT cluster, namespace, meshed AS mesh, live, heard, count(*) AS workloads
      FROM coverage
      WHERE @wanted IS NULL
        OR namespace IN (SELECT value FROM json_each(@wanted))
      GROUP BY 1, 2, 3, 4, 5
      ORDER BY 1, 2`);
    // One that is expected and was never heard stands for none.
    this.#feeds = database.prepare(`
      SELECT key, iif(state = 'silent', 'silent', 'live') AS state
      FROM source
      WHERE kind = 'objects'
        AND first_seen_us > 0
      ORDER BY 1`);
    this.#workloads = database.prepare(`
      SELECT cluster, namespace, name, meshed AS mesh, pods, live, heard
      FROM coverage
      WHERE (meshed = ${memberships.indexOf("yes")}
        OR meshed = ${memberships.indexOf("unknown")} AND heard <> 0)
        AND namespace IN (SELECT value FROM json_each(@wanted))
      ORDER BY cluster, name`);
    this.#one = database.prepare("SELECT live, heard FROM coverage WHERE node_id = ?");
  }

  coverage(filter: CoverageFilter): StoredCoverage {
    const names = wantedNamespaces(filter);
    const wanted = names === null ? null : JSON.stringify(names);
    // The columns of the SELECTs.
    const groups = this.#groups.all({ wanted }) as Stored<CoverageGroup>[];
    const feeds = this.#feeds.all() as { key: string; state: StoredFeed["state"] }[];
    const workloads =
      filter.namespace === undefined
        ? []
        : (this.#workloads.all({ wanted }) as Stored<StoredWorkload>[]);
    return {
      groups: groups.map(withMembership),
      feeds: feeds.map(({ key, state }) => ({ ...feedOf(key), state })),
      workloads: workloads.map(withMembership),
    };
  }

  /** Capability to state; all `never` of a workload without living pods. */
  ofNode(nodeId: number): Record<string, string> {
    const row = this.#one.get(nodeId) as { live: number; heard: number } | undefined; // the SELECT
    return coverageStates(row?.live ?? 0, row?.heard ?? 0);
  }
}

function withMembership<Row extends { readonly mesh: number }>(
  row: Row,
): Omit<Row, "mesh"> & { readonly mesh: Membership } {
  return { ...row, mesh: memberships[row.mesh] ?? "unknown" };
}
