/** A reader thread that is started when somebody asks, and again when it has ended. */
import { Worker } from "node:worker_threads";
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
import type { ApiOverview } from "../model/api-status.ts";
import type { CoverageFilter, StoredCoverage } from "../model/api-coverage.ts";
import type { Us } from "../model/time.ts";
import type { OutboxSummary } from "../model/outbox.ts";
import type { StoredRecord } from "../store/queries/outbox.ts";
import { ReaderClient } from "./reader-rpc.ts";

/** The next question starts the thread, also after one that ended by itself. */
export class ReaderThread implements ApiQueries, AsyncDisposable {
  readonly #path: string;
  readonly #ended: (why: string) => void;
  #current: { worker: Worker; client: ReaderClient } | null = null;

  /** `path`: the store's database. `ended` is told when a thread ends by itself. */
  constructor(path: string, ended: (why: string) => void) {
    this.#path = path;
    this.#ended = ended;
  }

  async insights(filter: InsightFilter): Promise<ApiPage<ApiInsight>> {
    return this.#client().insights(filter);
  }

  async insight(id: string): Promise<ApiInsightDetail | null> {
    return this.#client().insight(id);
  }

  async graph(filter: GraphFilter): Promise<ApiGraph> {
    return this.#client().graph(filter);
  }

  async workload(cluster: string, namespace: string, name: string): Promise<ApiWorkload | null> {
    return this.#client().workload(cluster, namespace, name);
  }

  async waivers(nowUs: Us): Promise<ApiPage<ApiWaiver>> {
    return this.#client().waivers(nowUs);
  }

  async blind(): Promise<ApiBlind[]> {
    return this.#client().blind();
  }

  async sources(filter: SourceFilter = {}): Promise<ApiPage<ApiSource>> {
    return this.#client().sources(filter);
  }

  async overview(): Promise<ApiOverview> {
    return this.#client().overview();
  }

  async coverage(filter: CoverageFilter): Promise<StoredCoverage> {
    return this.#client().coverage(filter);
  }

  /** The oldest records after this number, in order, at most 1,000. */
  async outbox(afterSeq: number, limit: number): Promise<readonly StoredRecord[]> {
    return this.#client().outbox(afterSeq, limit);
  }

  async outboxSummary(): Promise<OutboxSummary> {
    return this.#client().outboxSummary();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const current = this.#current;
    this.#current = null;
    current?.client.close("the engine stops");
    await current?.worker.terminate();
  }

  #client(): ReaderClient {
    if (this.#current !== null) return this.#current.client;
    const url = new URL("./reader.js", import.meta.url);
    const worker = new Worker(url, { workerData: { path: this.#path } });
    const client = new ReaderClient(worker);
    this.#current = { worker, client };
    worker.once("error", (error) => this.#lost(worker, String(error)));
    worker.once("exit", (code) => this.#lost(worker, `the reader ended with code ${code}`));
    return client;
  }

  #lost(worker: Worker, why: string): void {
    if (this.#current?.worker !== worker) return;
    this.#current.client.close(why);
    this.#current = null;
    this.#ended(why);
  }
}
