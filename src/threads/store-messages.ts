/**
 * What others say to the store thread and the reader threads, and hear from them. Write-sets and rows
 * are copied by the structured clone; whoever sent one keeps its own.
 */
import type { MessagePort } from "node:worker_threads";
import type { ApiQueries } from "../model/api.ts";
import type { Restored, WriteSet } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import type { StoreErrorCode } from "../store/errors.ts";
import type { OutboxLimits } from "../store/outbox.ts";
import type { PackedWriteSet } from "../store/packed-rows.ts";
import type { StoreReader } from "../store/reader.ts";

/** Where tests of crashes kill the process, at the write-set of that number. */
export interface StoreFailpoint {
  readonly at: "before_commit" | "after_commit";
  readonly seq: number;
}

export interface StoreWorkerData {
  readonly path: string;
  readonly programVersion: string;
  /** 0 = as much as the disk holds. */
  readonly maxBytes: number;
  /** Without it, the defaults of store/outbox.ts. */
  readonly outbox?: OutboxLimits;
  readonly failpoint: StoreFailpoint | null;
}

/** Answered on the port that asked, in the order of asking. */
export type ToStore =
  | { readonly kind: "load" }
  | {
      readonly kind: "commit";
      readonly writeSet: WriteSet;
      /** Long lists, packed for the way; the write-set's own are empty then. */
      readonly lists?: PackedWriteSet["lists"];
    }
  | { readonly kind: "prune"; readonly nowUs: Us }
  /** From io: these records of the outbox need not be sent again. */
  | { readonly kind: "delivered"; readonly seqs: readonly number[] }
  /** From io: listen to this port too; a new engine thread replaces the port of the one before. */
  | { readonly kind: "attach"; readonly port: MessagePort }
  /** From io, after the engine has stopped: marks a clean stop and ends the thread. */
  | { readonly kind: "close" };

/** A failure as plain data: an Error's own fields do not survive the way between threads. */
export interface StoreFailure {
  readonly code: StoreErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** What a `trouble` is about; a commit's is `failed`. */
export type StoreWork = "load" | "prune" | "delivered" | "close";

export type FromStore =
  /** To io, once. */
  | { readonly kind: "opened"; readonly warnings: readonly string[] }
  /** To io, instead of `opened`; the thread ends. */
  | ({ readonly kind: "unopened" } & StoreFailure)
  | { readonly kind: "loaded"; readonly rows: Restored }
  | {
      readonly kind: "committed";
      readonly seq: number;
      readonly rows: number;
      readonly durationUs: number;
    }
  | ({ readonly kind: "failed"; readonly seq: number } & StoreFailure)
  /** Also to io by itself: the thread prunes after commits, at most once a second. */
  | { readonly kind: "pruned"; readonly rows: number }
  /** To io, after a commit: the bounds of the outbox pushed out records that were never delivered. */
  | { readonly kind: "outbox_dropped"; readonly rows: number }
  /** Durable. */
  | { readonly kind: "delivered" }
  | ({ readonly kind: "trouble"; readonly what: StoreWork } & StoreFailure)
  | { readonly kind: "closed" };

/** Methods of the reader: the API's, and those of the outbox. */
export type QueryName = keyof ApiQueries | keyof Pick<StoreReader, "outbox" | "outboxSummary">;

export interface ToReader {
  readonly kind: "query";
  readonly id: number;
  readonly name: QueryName;
  readonly args: readonly unknown[];
}

export type FromReader =
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | ({ readonly kind: "failed"; readonly id: number } & StoreFailure);
