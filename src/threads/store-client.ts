/** io's side of the store thread: starts it, connects engine threads to it, stops it last. */
import { Worker, type MessagePort } from "node:worker_threads";
import { StoreError } from "../store/errors.ts";
import type { FromStore, StoreWorkerData, ToStore } from "./store-messages.ts";

export interface StoreEvents {
  pruned(rows: number): void;
  /** The bounds of the outbox pushed out records that were never delivered. */
  outboxDropped(rows: number): void;
  trouble(what: string, error: string): void;
  /** The thread is gone although nobody stopped it: nothing can be acknowledged any more. */
  lost(why: string): void;
}

/** How long a stop waits for the last checkpoint. */
const closeTimeoutMs = 10_000;
const closedWhy = "the store is closed";

/** Answers to `delivered` that may be awaited at a time; a sender has a handful of requests under way. */
const deliveredMax = 100;

interface Delivering {
  resolve(): void;
  reject(error: StoreError): void;
}

export class StoreClient implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #events: StoreEvents;
  /** In the order of asking, which is that of the answers. */
  readonly #delivering: Delivering[] = [];
  #isClosing = false;

  private constructor(worker: Worker, events: StoreEvents) {
    this.#worker = worker;
    this.#events = events;
  }

  /** Resolves when the store is open and migrated; rejects with what is wrong and what to do. */
  static async start(workerData: StoreWorkerData, events: StoreEvents): Promise<StoreClient> {
    const worker = new Worker(new URL("./store.js", import.meta.url), { workerData });
    const client = new StoreClient(worker, events);
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (message: FromStore) => {
        if (message.kind === "opened") {
          for (const warning of message.warnings) events.trouble("the store", warning);
          resolve();
        } else if (message.kind === "unopened") {
          client.#isClosing = true;
          reject(new Error(message.message));
        } else {
          client.#heard(message);
        }
      });
      worker.once("error", (error) => {
        reject(error);
        client.#ended(String(error));
      });
      worker.once("exit", (code) => client.#ended(`the store thread ended with code ${code}`));
    });
    return client;
  }

  get isOpen(): boolean {
    return !this.#isClosing;
  }

  /** Gives an engine thread its line; a new one replaces the one before. */
  attach(port: MessagePort): void {
    const message: ToStore = { kind: "attach", port };
    this.#worker.postMessage(message, [port]);
  }

  /**
   * Takes records out of the outbox by their numbers; resolves when that is durable. Rejects with a
   * StoreError: a retryable one may be asked again, and nothing was taken out.
   */
  delivered(seqs: readonly number[]): Promise<void> {
    const what = "cannot mark records as delivered";
    if (this.#isClosing) return Promise.reject(new StoreError("closed", `${what}: ${closedWhy}`));
    if (this.#delivering.length >= deliveredMax) {
      const why = `${deliveredMax} answers are awaited already; ask again later`;
      return Promise.reject(new StoreError("busy", `${what}: ${why}`));
    }
    return new Promise((resolve, reject) => {
      this.#delivering.push({ resolve, reject });
      const message: ToStore = { kind: "delivered", seqs };
      this.#worker.postMessage(message);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => {
      this.#worker.once("exit", () => resolve());
      setTimeout(resolve, closeTimeoutMs).unref();
    });
    const message: ToStore = { kind: "close" };
    this.#worker.postMessage(message);
    await closed;
    this.#refuse(closedWhy);
    await this.#worker.terminate();
  }

  #heard(message: FromStore): void {
    if (message.kind === "pruned") this.#events.pruned(message.rows);
    if (message.kind === "outbox_dropped") this.#events.outboxDropped(message.rows);
    if (message.kind === "delivered") this.#delivering.shift()?.resolve();
    if (message.kind === "trouble" && message.what === "delivered") {
      this.#delivering.shift()?.reject(new StoreError(message.code, message.message));
    } else if (message.kind === "trouble") {
      this.#events.trouble(`the store cannot ${message.what}`, message.message);
    }
  }

  #ended(why: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#refuse(why);
    this.#events.lost(why);
  }

  #refuse(why: string): void {
    const error = new StoreError("closed", `cannot mark records as delivered: ${why}`);
    for (const delivering of this.#delivering.splice(0)) delivering.reject(error);
  }
}
