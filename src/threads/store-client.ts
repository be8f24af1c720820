/** io's side of the store thread: starts it, connects engine threads to it, stops it last. */
import { Worker, type MessagePort } from "node:worker_threads";
import type { FromStore, StoreWorkerData, ToStore } from "./store-messages.ts";

export interface StoreEvents {
  pruned(rows: number): void;
  trouble(what: string, error: string): void;
  /** The thread is gone although nobody stopped it: nothing can be acknowledged any more. */
  lost(why: string): void;
}

/** How long a stop waits for the last checkpoint. */
const closeTimeoutMs = 10_000;

export class StoreClient implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #events: StoreEvents;
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
    await this.#worker.terminate();
  }

  #heard(message: FromStore): void {
    if (message.kind === "pruned") this.#events.pruned(message.rows);
    if (message.kind === "trouble") {
      this.#events.trouble(`the store cannot ${message.what}`, message.message);
    }
  }

  #ended(why: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#events.lost(why);
  }
}
