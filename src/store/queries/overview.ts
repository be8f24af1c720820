/** What is heard, and who is seen by what, summed up: rows of sources and workloads are too many. */
import type Database from "better-sqlite3";
import type { ApiHeard, ApiNamespaceCoverage, ApiOverview } from "../../model/api-status.ts";
import { agentMask, proxyMask } from "../../model/coverage.ts";
import { usToRfc3339, type Us } from "../../model/time.ts";

const namespacesMax = 1_000;

export class OverviewQueries {
  readonly #heard: Database.Statement;
  readonly #namespaces: Database.Statement;

  constructor(database: Database.Database) {
    // `heard` is the graph's: capability to what was last heard of it.
    this.#heard = database.prepare(`
      SELECT
        source.kind AS source_kind,
        heard.key AS capability,
        count(*) AS sources,
        max(heard.value ->> '$.receivedUs') AS lastUs
      FROM source, json_each(source.detail, '$.heard') AS heard
      GROUP BY 1, 2
      ORDER BY 1, 2`);
    this.#namespaces = database.prepare(`
      SELECT
        namespace,
        count(*) AS workloads,
        sum((live & ${proxyMask}) <> 0) AS proxies,
        sum((live & ${agentMask}) <> 0) AS node_agents
      FROM coverage
      GROUP BY namespace
      ORDER BY workloads DESC, namespace
      LIMIT ${namespacesMax}`);
  }

  overview(): ApiOverview {
    // The columns of the SELECTs.
    const heard = this.#heard.all() as (Omit<ApiHeard, "last"> & { readonly lastUs: Us })[];
    return {
      heard: heard.map(({ lastUs, ...rest }) => ({ ...rest, last: usToRfc3339(lastUs) })),
      namespaces: this.#namespaces.all() as ApiNamespaceCoverage[],
    };
  }
}
