/**
 * Between the store and whoever delivers records to a sink. Records are delivered in the order of their
 * numbers, each at least once; a record is delivered when its row is gone.
 */
import type { InsightRecord } from "./insights.ts";

export interface OutboxEntry {
  /** Rises with every record; never used twice. */
  readonly seq: number;
  readonly record: InsightRecord;
}

export interface OutboxSummary {
  /** Records that wait. */
  readonly length: number;
  /** Engine time of the oldest, 0 = none waits. */
  readonly oldestUs: number;
}

export interface Outbox {
  /** The oldest records after this number, in order; [] = none. Answers from committed data. */
  read(afterSeq: number, limit: number): Promise<readonly OutboxEntry[]>;
  /** Resolves when it is durable that these need not be sent again. */
  delivered(seqs: readonly number[]): Promise<void>;
  summary(): Promise<OutboxSummary>;
}
