/**
 * io's side of the engine thread: hands requests over, keeps who waits for which answer, and replaces
 * the thread from the last commit when it breaks. While there is no thread, requests are answered
 * "unavailable" with a time to come back.
 */
import { Worker, MessageChannel } from "node:worker_threads";
import type { Config } from "../config/config.ts";
import type { Answer, ReceivedRequest, RequestHandler } from "../model/requests.ts";
import type { CounterSample } from "../model/stages.ts";
import type { EngineWorkerData, FromEngine, RuleFile, ToEngine } from "./engine-messages.ts";
import type { StoreClient } from "./store-client.ts";

export interface EngineEvents {
  counters(samples: readonly CounterSample[]): void;
  trouble(what: string, error: string): void;
  restarted(why: string): void;
  /** A commit is durable; how long it took the store. */
  committed(seconds: number): void;
  /** Nothing can be acknowledged any more, whatever is started again. */
  storeLost(why: string): void;
}

/** Batches live for a moment: with room for several of them, fewer objects are copied for nothing. */
const youngGenerationMb = 64;

/** Restarts closer together than this wait longer each time. */
const restartPauseMs = 500;
const restartPauseMaxMs = 30_000;
/** A thread that holds this long starts the pauses anew. */
const restartTrialMs = 60_000;

/** Requests that broke a thread; the oldest are forgotten first. */
const poisonMax = 1_000;

const restarting: Answer = { kind: "unavailable", reason: "restarting", retryAfterMs: 1_000 };

export class EngineClient implements RequestHandler, AsyncDisposable {
  readonly #config: Config;
  readonly #ruleFiles: readonly RuleFile[];
  readonly #store: StoreClient;
  readonly #events: EngineEvents;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #poison: string[] = [];
  #worker: Worker | null = null;
  #isReady = false;
  #isStopping = false;
  #nextId = 1;
  #restarts = 0;
  /** Of the next start, or of the end of the last one's trial. */
  #timer: NodeJS.Timeout | null = null;

  private constructor(
    config: Config,
    ruleFiles: readonly RuleFile[],
    store: StoreClient,
    events: EngineEvents,
  ) {
    this.#config = config;
    this.#ruleFiles = ruleFiles;
    this.#store = store;
    this.#events = events;
  }

  /** Resolves when the thread has loaded what the store holds and takes requests. */
  static async start(
    config: Config,
    ruleFiles: readonly RuleFile[],
    store: StoreClient,
    events: EngineEvents,
  ): Promise<EngineClient> {
    const client = new EngineClient(config, ruleFiles, store, events);
    await client.#startThread();
    return client;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  async submit(request: ReceivedRequest): Promise<Answer> {
    const worker = this.#worker;
    if (worker === null || !this.#isReady || this.#isStopping) return restarting;
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      const message: ToEngine = { kind: "request", id, request };
      const { body, wire } = request;
      worker.postMessage(message, wire === null ? [body] : [body, wire.bytes]);
    });
  }

  /** Commits what was taken in, then ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const worker = this.#worker;
    if (worker === null) return;
    if (this.#isReady) {
      const message: ToEngine = { kind: "stop" };
      worker.postMessage(message);
      await new Promise<void>((resolve) => {
        worker.on("message", (said: FromEngine) => said.kind === "stopped" && resolve());
        worker.once("exit", () => resolve());
        setTimeout(resolve, 8_000).unref();
      });
    }
    await worker.terminate();
  }

  async #startThread(): Promise<void> {
    const channel = new MessageChannel();
    this.#store.attach(channel.port1);
    const workerData: EngineWorkerData = {
      config: this.#config,
      ruleFiles: this.#ruleFiles,
      storePort: channel.port2,
      poison: this.#poison,
    };
    const url = new URL("./engine.js", import.meta.url);
    const worker = new Worker(url, {
      workerData,
      transferList: [channel.port2],
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    });
    this.#worker = worker;
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (message: FromEngine) => {
        if (message.kind === "ready") {
          this.#isReady = true;
          resolve();
        }
        this.#heard(worker, message);
      });
      worker.once("error", (error) => {
        reject(error);
        this.#lost(worker, describe(error));
      });
      worker.once("exit", (code) => {
        reject(new Error(`the engine thread ended with code ${code}`));
        this.#lost(worker, `the thread ended with code ${code}`);
      });
    });
  }

  #heard(worker: Worker, message: FromEngine): void {
    switch (message.kind) {
      case "answers":
        for (const { id, answer } of message.answers) this.#answer(id, answer);
        return;
      case "counters":
        return this.#events.counters(message.samples);
      case "trouble":
        return this.#events.trouble(message.what, message.error);
      case "broken":
        if (message.poison !== null) this.#poison.push(message.poison);
        if (this.#poison.length > poisonMax) this.#poison.shift();
        return this.#lost(worker, message.error);
      case "committed":
        return this.#events.committed(message.seconds);
      case "store_lost":
        return this.#events.storeLost(message.why);
      case "ready":
      case "stopped":
        return;
    }
  }

  #answer(id: number, answer: Answer): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }

  /** The thread is gone or must go: everybody is told to come back, and a new one starts. */
  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    const hadStarted = this.#isReady;
    this.#worker = null;
    this.#isReady = false;
    for (const resolve of this.#waiting.values()) resolve(restarting);
    this.#waiting.clear();
    void worker.terminate();
    if (this.#isStopping || !hadStarted) return;
    this.#events.restarted(why);
    this.#restartAfter(Math.min(restartPauseMs * 2 ** this.#restarts++, restartPauseMaxMs));
  }

  #restartAfter(pauseMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#restart(), pauseMs);
  }

  async #restart(): Promise<void> {
    try {
      await this.#startThread();
      if (this.#isStopping) return;
      this.#timer = setTimeout(() => (this.#restarts = 0), restartTrialMs);
    } catch (error) {
      if (this.#isStopping) return;
      this.#events.trouble("the engine thread cannot start again", describe(error));
      this.#restartAfter(restartPauseMaxMs);
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
