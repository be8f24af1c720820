/** Which telemetry of workloads arrives: counted by namespace and mask, and the workloads of one namespace. */
import type Database from "better-sqlite3";
import type { CoverageFilter, StoredCoverage, StoredWorkload } from "../../model/api-coverage.ts";
import { coverageStates, type CoverageGroup } from "../../model/coverage.ts";

type GroupRow = Omit<CoverageGroup, "meshed"> & { readonly meshed: number };

export class CoverageQueries {
  readonly #groups: Database.Statement;
  readonly #workloads: Database.Statement;
  readonly #one: Database.Statement;

  constructor(database: Database.Database) {
    this.#groups = database.prepare(`
      SELECT cluster, namespace, meshed, live, heard, count(*) AS workloads
      FROM coverage
      WHERE @namespace IS NULL
        OR namespace = @namespace
      GROUP BY 1, 2, 3, 4, 5
      ORDER BY 1, 2`);
    this.#workloads = database.prepare(`
      SELECT cluster, namespace, name, pods, live, heard
      FROM coverage
      WHERE meshed = 1
        AND namespace = @namespace
      ORDER BY cluster, name`);
    this.#one = database.prepare("SELECT live, heard FROM coverage WHERE node_id = ?");
  }

  coverage({ namespace }: CoverageFilter): StoredCoverage {
    // The columns of the SELECTs.
    const groups = this.#groups.all({ namespace: namespace ?? null }) as GroupRow[];
    return {
      groups: groups.map((group) => ({ ...group, meshed: group.meshed === 1 })),
      workloads:
        namespace === undefined ? [] : (this.#workloads.all({ namespace }) as StoredWorkload[]),
    };
  }

  /** Capability to state; all `never` of a workload without living pods. */
  ofNode(nodeId: number): Record<string, string> {
    const row = this.#one.get(nodeId) as { live: number; heard: number } | undefined; // the SELECT
    return coverageStates(row?.live ?? 0, row?.heard ?? 0);
  }
}
