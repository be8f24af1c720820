/**
 * The store thread's side of its ports: turns messages into calls of the one writer and failures into
 * messages. A commit is answered before anything else is done, since senders wait for it.
 */
import type { MessagePort } from "node:worker_threads";
import { usPerSecond } from "../model/time.ts";
import type { Us } from "../model/time.ts";
import { toStoreError } from "../store/errors.ts";
import type { StoreWriter } from "../store/writer.ts";
import type {
  FromStore,
  StoreFailpoint,
  StoreFailure,
  StoreWork,
  ToStore,
} from "./store-messages.ts";

type CommitMessage = ToStore & { kind: "commit" };

const pruneEveryUs = usPerSecond;

export class StoreService {
  readonly #writer: StoreWriter;
  readonly #io: MessagePort;
  readonly #failpoint: StoreFailpoint | null;
  #engine: MessagePort | null = null;
  #lastPruneUs: Us = 0;

  constructor(writer: StoreWriter, io: MessagePort, failpoint: StoreFailpoint | null = null) {
    this.#writer = writer;
    this.#io = io;
    this.#failpoint = failpoint;
  }

  start(): void {
    this.#listen(this.#io);
    tell(this.#io, { kind: "opened", warnings: this.#writer.warnings });
  }

  #listen(port: MessagePort): void {
    port.on("message", (message: ToStore) => this.#answer(message, port));
  }

  #answer(message: ToStore, port: MessagePort): void {
    switch (message.kind) {
      case "load":
        return this.#try("load", port, () => ({ kind: "loaded", rows: this.#writer.load() }));
      case "commit":
        return this.#commit(message, port);
      case "prune":
        return this.#prune(message.nowUs, port);
      case "delivered":
        return this.#try("delivered", port, () => {
          this.#writer.delivered(message.seqs);
          return { kind: "delivered" };
        });
      case "attach":
        this.#engine?.close();
        this.#engine = message.port;
        return this.#listen(message.port);
      case "close":
        return this.#close(port);
    }
  }

  #commit({ writeSet, lists = new Map() }: CommitMessage, port: MessagePort): void {
    const { seq, atUs } = writeSet;
    this.#passFailpoint("before_commit", seq);
    try {
      const result = this.#writer.commitPacked({ rest: writeSet, lists });
      this.#passFailpoint("after_commit", seq);
      tell(port, { kind: "committed", ...result });
    } catch (error) {
      tell(port, { kind: "failed", seq, ...toFailure(error, "cannot commit") });
      return;
    }
    // A clock that was set back prunes at once and then keeps its pace again.
    if (Math.abs(atUs - this.#lastPruneUs) >= pruneEveryUs) this.#prune(atUs, this.#io);
  }

  #prune(nowUs: Us, port: MessagePort): void {
    this.#lastPruneUs = nowUs;
    this.#try("prune", port, () => ({ kind: "pruned", rows: this.#writer.prune(nowUs) }));
    this.#try("prune", this.#io, () => {
      const rows = this.#writer.dropFromOutbox(nowUs);
      return rows === 0 ? null : { kind: "outbox_dropped", rows };
    });
  }

  #close(port: MessagePort): void {
    this.#try("close", port, () => {
      this.#writer.close();
      return { kind: "closed" };
    });
    this.#engine?.close();
    this.#io.close();
  }

  #try(what: StoreWork, port: MessagePort, work: () => FromStore | null): void {
    try {
      const message = work();
      if (message !== null) tell(port, message);
    } catch (error) {
      const failure = toFailure(error, `cannot ${what}`);
      tell(port, { kind: "trouble", what, ...failure });
      // The engine cannot tell anybody that it got nothing to start from.
      if (port !== this.#io) tell(this.#io, { kind: "trouble", what, ...failure });
    }
  }

  #passFailpoint(at: StoreFailpoint["at"], seq: number): void {
    if (this.#failpoint?.at !== at || this.#failpoint.seq !== seq) return;
    process.kill(process.pid, "SIGKILL");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // the signal ends it here
  }
}

export function toFailure(error: unknown, what: string): StoreFailure {
  const { code, message, retryable } = toStoreError(error, what);
  return { code, message, retryable };
}

function tell(port: MessagePort, message: FromStore): void {
  port.postMessage(message);
}
