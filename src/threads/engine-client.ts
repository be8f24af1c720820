/**
 * io's side of the engine thread: hands requests over, keeps who waits for which answer, and replaces
 * the thread from the last commit when it breaks. While there is no thread, requests are answered
 * "unavailable" with a time to come back.
 */
import { Worker, MessageChannel } from "node:worker_threads";
import type { EngineCommand } from "../model/commands.ts";
import type { Entity } from "../model/entities.ts";
import type { RuleFault } from "../model/insights.ts";
import type { Answer, ReceivedRequest, RequestHandler } from "../model/requests.ts";
import type { CounterSample, Signal } from "../model/stages.ts";
import { engineLimits, limitHeapGrowth } from "./engine-memory.ts";
import type { EngineWorkerData, FromEngine, ToEngine } from "./engine-messages.ts";
import type { StoreClient } from "./store-client.ts";

/** What a thread is started with. */
export type EngineWork = Pick<EngineWorkerData, "config" | "ruleFiles">;

export interface EngineEvents {
  counters(samples: readonly CounterSample[]): void;
  /** Defence in depth is another than before: JSON of `ApiNamespaceLayers[]`. */
  layers(json: string): void;
  trouble(what: string, error: string): void;
  restarted(why: string): void;
  /** A rule could not be evaluated, for the first time in this thread. */
  ruleFault(fault: RuleFault): void;
  /**
   * A commit is durable; how long it took the store, and how long each record that the outbox has gained
   * with it had waited; without any there is nothing new to send.
   */
  committed(seconds: number, delaysUs: readonly number[]): void;
  /** Nothing can be acknowledged any more, whatever is started again. */
  storeLost(why: string): void;
}

/** Restarts closer together than this wait longer each time. */
const restartPauseMs = 500;
const restartPauseMaxMs = 30_000;
/** A thread that holds this long starts the pauses anew. */
const restartTrialMs = 60_000;

/** Requests that broke a thread; the oldest are forgotten first. */
const poisonMax = 1_000;

/** How long the last commit of a thread may take. */
const stopTimeoutMs = 8_000;

const refusalPauseMs = 1_000;

const restarting: Answer = { kind: "unavailable", reason: "restarting", retryAfterMs: 1_000 };

export class EngineClient implements RequestHandler, AsyncDisposable {
  #work: EngineWork;
  readonly #store: StoreClient;
  readonly #events: EngineEvents;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #poison: string[] = [];
  #worker: Worker | null = null;
  #isReady = false;
  #isStopping = false;
  /** Settles when the last thread has started, or has failed to. */
  #starting: Promise<void> = Promise.resolve();
  /** Until the reload under way has ended, well or not. */
  #reloading: Promise<void> | null = null;
  /** Signals of which a refusal was told a moment ago, and whether there are more by now. */
  readonly #refusals = new Map<Signal, boolean>();
  #nextId = 1;
  #restarts = 0;
  /** Of the next start, or of the end of the last one's trial. */
  #timer: NodeJS.Timeout | null = null;

  private constructor(work: EngineWork, store: StoreClient, events: EngineEvents) {
    this.#work = work;
    this.#store = store;
    this.#events = events;
  }

  /** Resolves when the thread has loaded what the store holds and takes requests. */
  static async start(
    work: EngineWork,
    store: StoreClient,
    events: EngineEvents,
  ): Promise<EngineClient> {
    const client = new EngineClient(work, store, events);
    await client.#startThread();
    return client;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  submit(request: ReceivedRequest): Promise<Answer> {
    const { body, wire } = request;
    const transfer = wire === null ? [body] : [body, wire.bytes];
    return this.#ask((id) => ({ kind: "request", id, request }), transfer);
  }

  /** Does what a person asks for; answers when it is durable. */
  command(command: EngineCommand): Promise<Answer> {
    return this.#ask((id) => ({ kind: "command", id, command }), []);
  }

  async #ask(makeMessage: (id: number) => ToEngine, transfer: ArrayBuffer[]): Promise<Answer> {
    if (this.#reloading !== null) await this.#reloading;
    const worker = this.#worker;
    if (worker === null || !this.#isReady || this.#isStopping) return restarting;
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      worker.postMessage(makeMessage(id), transfer);
    });
  }

  /**
   * Told at once and then at most every second, since refusals come in floods. While there is no thread,
   * the next one knows since when nobody was watching.
   */
  turnedAway(signal: Signal): void {
    if (this.#refusals.has(signal)) this.#refusals.set(signal, true);
    else this.#tellRefusal(signal);
  }

  #tellRefusal(signal: Signal): void {
    if (this.#isReady && !this.#isStopping) {
      const message: ToEngine = { kind: "turned_away", signal };
      this.#worker?.postMessage(message);
    }
    this.#refusals.set(signal, false);
    const timer = setTimeout(() => {
      const isMore = this.#refusals.get(signal) === true;
      this.#refusals.delete(signal);
      if (isMore) this.#tellRefusal(signal);
    }, refusalPauseMs);
    timer.unref();
  }

  /** Tells the rules how the whole program does; while there is no thread, nobody is told. */
  tellHealth(health: Entity<"engine">): void {
    if (!this.#isReady || this.#isStopping) return;
    const message: ToEngine = { kind: "health", health };
    this.#worker?.postMessage(message);
  }

  /**
   * Goes on with another configuration and other rules, both checked: the thread commits and ends, and
   * one with the new ones starts from that commit, so that every state is kept. Requests wait meanwhile.
   * When the new one cannot start, the old one is started again and the reason is thrown.
   */
  reload(work: EngineWork): Promise<void> {
    const before = this.#reloading ?? Promise.resolve();
    const reloaded = before.then(() => this.#replace(work));
    const settled = reloaded.catch(() => {});
    this.#reloading = settled;
    void settled.then(() => {
      if (this.#reloading === settled) this.#reloading = null;
    });
    return reloaded;
  }

  /** Commits what was taken in, then ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    if (this.#reloading !== null) await this.#reloading;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#worker !== null) await this.#stopThread(this.#worker);
  }

  async #replace(work: EngineWork): Promise<void> {
    const before = this.#work;
    this.#work = work;
    await this.#starting;
    const worker = this.#worker;
    // Between two threads there is nothing to replace: the next start takes the new work.
    if (worker === null || this.#isStopping) return;
    await this.#stopThread(worker);
    try {
      await this.#startThread();
    } catch (cause) {
      this.#work = before;
      await this.#restart();
      throw new Error("cannot start with the new configuration: the old one goes on", { cause });
    }
  }

  /** Ends a thread after its last commit; requests that it did not answer are told to come again. */
  async #stopThread(worker: Worker): Promise<void> {
    const wasReady = this.#isReady;
    // From here on its end is ours, no loss.
    this.#worker = null;
    this.#isReady = false;
    if (wasReady) {
      const message: ToEngine = { kind: "stop" };
      worker.postMessage(message);
      await new Promise<void>((resolve) => {
        worker.on("message", ({ kind }: FromEngine) => {
          if (kind === "stopped" || kind === "broken" || kind === "store_lost") resolve();
        });
        worker.once("exit", () => resolve());
        setTimeout(resolve, stopTimeoutMs).unref();
      });
    }
    this.#tellAllToComeAgain();
    await worker.terminate();
  }

  #startThread(): Promise<void> {
    const started = this.#makeThread();
    const starting = started.then(
      () => {},
      () => {},
    );
    this.#starting = starting;
    return started;
  }

  async #makeThread(): Promise<void> {
    const channel = new MessageChannel();
    this.#store.attach(channel.port1);
    const workerData: EngineWorkerData = {
      ...this.#work,
      storePort: channel.port2,
      poison: this.#poison,
    };
    const url = new URL("./engine.js", import.meta.url);
    limitHeapGrowth();
    const worker = new Worker(url, {
      workerData,
      transferList: [channel.port2],
      resourceLimits: engineLimits,
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
      case "layers":
        return this.#events.layers(message.json);
      case "rule_fault":
        return this.#events.ruleFault(message.fault);
      case "trouble":
        return this.#events.trouble(message.what, message.error);
      case "broken":
        if (message.poison !== null) this.#poison.push(message.poison);
        if (this.#poison.length > poisonMax) this.#poison.shift();
        return this.#lost(worker, message.error);
      case "committed":
        return this.#events.committed(message.seconds, message.delaysUs);
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
    this.#tellAllToComeAgain();
    void worker.terminate();
    if (this.#isStopping || !hadStarted) return;
    this.#events.restarted(why);
    this.#restartAfter(Math.min(restartPauseMs * 2 ** this.#restarts++, restartPauseMaxMs));
  }

  #tellAllToComeAgain(): void {
    for (const resolve of this.#waiting.values()) resolve(restarting);
    this.#waiting.clear();
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
