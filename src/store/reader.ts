/**
 * Answers questions from committed data over a connection that cannot write. Each answer comes from one
 * committed state, however long it takes. Synchronous: it runs on a reader thread, or in a command.
 */
import Database from "better-sqlite3";
import type {
  ApiBlind,
  ApiGraph,
  ApiInsight,
  ApiInsightDetail,
  ApiPage,
  ApiQueries,
  ApiSource,
  ApiWaiver,
  ApiWorkload,
  GraphFilter,
  InsightFilter,
  SourceFilter,
} from "../model/api.ts";
import type { CoverageFilter, StoredCoverage } from "../model/api-coverage.ts";
import type { Us } from "../model/time.ts";
import type { OutboxSummary } from "../model/outbox.ts";
import type { ApiOverview } from "../model/api-status.ts";
import { StoreError, toStoreError } from "./errors.ts";
import { loadMigrations, schemaVersion } from "./migrate.ts";
import { findDatabase } from "./place.ts";
import { BlindQueries } from "./queries/blind.ts";
import { CoverageQueries } from "./queries/coverage.ts";
import { Drawer } from "./queries/drawing.ts";
import { GraphQueries } from "./queries/graph.ts";
import { InsightQueries } from "./queries/insights.ts";
import { OutboxQueries, type StoredRecord } from "./queries/outbox.ts";
import { OverviewQueries } from "./queries/overview.ts";
import { SourceQueries } from "./queries/sources.ts";
import { WaiverQueries } from "./queries/waivers.ts";
import { WorkloadQueries } from "./queries/workload.ts";

/** `ApiQueries` without the promises. */
type SyncQueries = {
  [Name in keyof ApiQueries]: (
    ...args: Parameters<ApiQueries[Name]>
  ) => Awaited<ReturnType<ApiQueries[Name]>>;
};

/** A writer's checkpoint may hold a reader up for a moment; readers can wait. */
const busyTimeoutMs = 1_000;

export class StoreReader implements SyncQueries {
  readonly #database: Database.Database;
  readonly #insights: InsightQueries;
  readonly #graph: GraphQueries;
  readonly #workload: WorkloadQueries;
  readonly #waivers: WaiverQueries;
  readonly #blind: BlindQueries;
  readonly #outbox: OutboxQueries;
  readonly #sources: SourceQueries;
  readonly #overview: OverviewQueries;
  readonly #coverage: CoverageQueries;

  /** The store must exist; the writer makes and migrates it. */
  constructor(path: string) {
    this.#database = openReadOnly(path);
    const drawer = new Drawer(this.#database);
    this.#insights = new InsightQueries(this.#database);
    this.#graph = new GraphQueries(this.#database, drawer);
    this.#waivers = new WaiverQueries(this.#database);
    this.#blind = new BlindQueries(this.#database);
    this.#outbox = new OutboxQueries(this.#database);
    this.#sources = new SourceQueries(this.#database);
    this.#overview = new OverviewQueries(this.#database);
    this.#coverage = new CoverageQueries(this.#database);
    this.#workload = new WorkloadQueries(this.#database, drawer, {
      insights: this.#insights,
      coverage: this.#coverage,
    });
  }

  insights(filter: InsightFilter): ApiPage<ApiInsight> {
    return this.#read("insights", () => this.#insights.list(filter));
  }

  insight(id: string): ApiInsightDetail | null {
    return this.#read("insight", () => this.#insights.one(id));
  }

  graph(filter: GraphFilter): ApiGraph {
    return this.#read("graph", () => this.#graph.graph(filter));
  }

  workload(cluster: string, namespace: string, name: string): ApiWorkload | null {
    return this.#read("workload", () => this.#workload.workload(cluster, namespace, name));
  }

  waivers(nowUs: Us): ApiPage<ApiWaiver> {
    return this.#read("waivers", () => this.#waivers.list(nowUs));
  }

  blind(): ApiBlind[] {
    return this.#read("blind", () => this.#blind.newest());
  }

  sources(filter: SourceFilter = {}): ApiPage<ApiSource> {
    return this.#read("sources", () => this.#sources.list(filter));
  }

  overview(): ApiOverview {
    return this.#read("overview", () => this.#overview.overview());
  }

  coverage(filter: CoverageFilter): StoredCoverage {
    return this.#read("coverage", () => this.#coverage.coverage(filter));
  }

  /** The oldest records after this number, in order, at most 1,000. */
  outbox(afterSeq: number, limit: number): StoredRecord[] {
    return this.#read("outbox", () => this.#outbox.next(afterSeq, limit));
  }

  outboxSummary(): OutboxSummary {
    return this.#read("outboxSummary", () => this.#outbox.summary());
  }

  close(): void {
    this.#database.close();
  }

  /** One transaction, hence one committed state, for all statements of an answer. */
  #read<Answer>(name: string, answer: () => Answer): Answer {
    try {
      return this.#database.transaction(answer).deferred();
    } catch (error) {
      throw toStoreError(error, `cannot answer "${name}" from the store`);
    }
  }
}

/** For questions only; the store must exist and have the schema of this program. */
export function openReadOnly(path: string): Database.Database {
  if (!findDatabase(path)) {
    throw new StoreError("not_a_file", `cannot read the store "${path}": start the engine first`);
  }
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { readonly: true, fileMustExist: true, timeout: busyTimeoutMs });
    database.pragma("query_only = ON"); // readonly guards the file, this guards attached ones as well
    database.pragma("temp_store = MEMORY"); // sorts of telemetry stay out of /tmp
    database.pragma("cell_size_check = ON"); // damage shows as an error, not as a wrong answer
    database.pragma("trusted_schema = OFF"); // a schema somebody tampered with runs no functions
    const version = schemaVersion(database);
    const known = loadMigrations().length;
    if (version !== known) {
      const why = `its schema has version ${version}, this program knows ${known}`;
      throw new StoreError("wrong_version", `cannot read the store "${path}": ${why}`);
    }
    return database;
  } catch (error) {
    database?.close();
    throw toStoreError(error, `cannot read the store "${path}"`);
  }
}
