/**
 * Questions to a reader thread, both ends. The reader answers one after the other; the client bounds how
 * many may wait and how long. A question whose time is over is answered with an error, and what the
 * reader still says to it is dropped.
 */
import type { MessagePort } from "node:worker_threads";
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
import type { OutboxSummary } from "../model/outbox.ts";
import type { Us } from "../model/time.ts";
import { StoreError, toStoreError } from "../store/errors.ts";
import type { StoredRecord } from "../store/queries/outbox.ts";
import type { StoreReader } from "../store/reader.ts";
import type { FromReader, QueryName, ToReader } from "./store-messages.ts";

/** What of a Worker or a MessagePort is needed here. */
export interface ReaderPort {
  postMessage(message: ToReader): void;
  on(event: "message", listener: (message: FromReader) => void): unknown;
}

export interface ReaderLimits {
  readonly waitingMax: number;
  readonly timeoutMs: number;
}

export const readerLimits: ReaderLimits = { waitingMax: 100, timeoutMs: 10_000 };

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: StoreError): void;
  readonly timer: NodeJS.Timeout;
}

/** io's end. Its errors are StoreErrors; `bad_query` is the asker's fault, the rest is ours. */
export class ReaderClient implements ApiQueries {
  readonly #port: ReaderPort;
  readonly #limits: ReaderLimits;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #closedWhy: string | null = null;

  constructor(port: ReaderPort, limits: ReaderLimits = readerLimits) {
    this.#port = port;
    this.#limits = limits;
    port.on("message", (message) => this.#heard(message));
  }

  insights(filter: InsightFilter): Promise<ApiPage<ApiInsight>> {
    return this.#ask("insights", [filter]) as Promise<ApiPage<ApiInsight>>; // what the reader gives
  }

  insight(id: string): Promise<ApiInsightDetail | null> {
    return this.#ask("insight", [id]) as Promise<ApiInsightDetail | null>; // likewise
  }

  graph(filter: GraphFilter): Promise<ApiGraph> {
    return this.#ask("graph", [filter]) as Promise<ApiGraph>; // likewise
  }

  workload(cluster: string, namespace: string, name: string): Promise<ApiWorkload | null> {
    return this.#ask("workload", [cluster, namespace, name]) as Promise<ApiWorkload | null>; // likewise
  }

  waivers(nowUs: Us): Promise<ApiPage<ApiWaiver>> {
    return this.#ask("waivers", [nowUs]) as Promise<ApiPage<ApiWaiver>>; // likewise
  }

  blind(): Promise<ApiBlind[]> {
    return this.#ask("blind", []) as Promise<ApiBlind[]>; // likewise
  }

  sources(filter: SourceFilter = {}): Promise<ApiPage<ApiSource>> {
    return this.#ask("sources", [filter]) as Promise<ApiPage<ApiSource>>; // likewise
  }

  overview(): Promise<ApiOverview> {
    return this.#ask("overview", []) as Promise<ApiOverview>; // likewise
  }

  coverage(filter: CoverageFilter): Promise<StoredCoverage> {
    return this.#ask("coverage", [filter]) as Promise<StoredCoverage>; // likewise
  }

  /** The oldest records after this number, in order, at most 1,000. */
  outbox(afterSeq: number, limit: number): Promise<readonly StoredRecord[]> {
    return this.#ask("outbox", [afterSeq, limit]) as Promise<readonly StoredRecord[]>; // likewise
  }

  outboxSummary(): Promise<OutboxSummary> {
    return this.#ask("outboxSummary", []) as Promise<OutboxSummary>; // likewise
  }

  /** Refuses what waits and what follows, e.g. when the reader's thread has ended. */
  close(why = "the reader is closed"): void {
    this.#closedWhy ??= why;
    for (const id of this.#waiting.keys()) {
      this.#take(id)?.reject(new StoreError("closed", `cannot ask the store: ${why}`));
    }
  }

  #ask(name: QueryName, args: readonly unknown[]): Promise<unknown> {
    const what = `cannot ask the store for "${name}"`;
    if (this.#closedWhy !== null) {
      return Promise.reject(new StoreError("closed", `${what}: ${this.#closedWhy}`));
    }
    if (this.#waiting.size >= this.#limits.waitingMax) {
      const why = `${this.#waiting.size} questions wait already; ask again later`;
      return Promise.reject(new StoreError("busy", `${what}: ${why}`));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const why = `no answer within ${this.#limits.timeoutMs} ms; ask for less`;
        this.#take(id)?.reject(new StoreError("timeout", `${what}: ${why}`));
      }, this.#limits.timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      const port = this.#port;
      port.postMessage({ kind: "query", id, name, args });
    });
  }

  #heard(message: FromReader): void {
    const waiting = this.#take(message.id);
    if (message.kind === "answer") waiting?.resolve(message.answer);
    else waiting?.reject(new StoreError(message.code, message.message));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}

/** The reader thread's end: answers whatever comes through the port. */
export function answerQueries(port: MessagePort, reader: StoreReader): void {
  port.on("message", ({ id, name, args }: ToReader) => {
    let message: FromReader;
    try {
      message = { kind: "answer", id, answer: answerQuery(reader, name, args) };
    } catch (error) {
      const { code, message: text, retryable } = toStoreError(error, `cannot answer "${name}"`);
      message = { kind: "failed", id, code, message: text, retryable };
    }
    port.postMessage(message);
  });
}

/** The arguments are those of the method of that name: ReaderClient alone sends them. */
function answerQuery(reader: StoreReader, name: QueryName, args: readonly unknown[]): unknown {
  const ask = reader[name].bind(reader) as (...all: readonly unknown[]) => unknown;
  return ask(...args);
}
