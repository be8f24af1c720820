/**
 * The outbox as a sender sees it: committed records from a reader, and the store's word that delivered
 * ones are gone. A row that is damaged is left out, told and removed, so that it holds up no other.
 */
import type { InsightRecord } from "../model/insights.ts";
import type { Outbox, OutboxEntry, OutboxSummary } from "../model/outbox.ts";
import type { StoredRecord } from "../store/queries/outbox.ts";

/** What of a ReaderThread is needed here. */
export interface OutboxReader {
  outbox(afterSeq: number, limit: number): Promise<readonly StoredRecord[]>;
  outboxSummary(): Promise<OutboxSummary>;
}

/** What of a StoreClient is needed here. */
export interface OutboxStore {
  delivered(seqs: readonly number[]): Promise<void>;
}

export class StoreOutbox implements Outbox {
  readonly #store: OutboxStore;
  readonly #reader: OutboxReader;
  readonly #damaged: (uid: string, why: string) => void;

  /** `damaged` is told of a record that cannot be read and is lost. */
  constructor(
    store: OutboxStore,
    reader: OutboxReader,
    damaged: (uid: string, why: string) => void,
  ) {
    this.#store = store;
    this.#reader = reader;
    this.#damaged = damaged;
  }

  async read(afterSeq: number, limit: number): Promise<readonly OutboxEntry[]> {
    for (let after = afterSeq; ;) {
      const rows = await this.#reader.outbox(after, limit);
      const entries = await this.#readable(rows);
      const last = rows.at(-1);
      // Only damaged ones: what follows them is what was asked for.
      if (entries.length > 0 || last === undefined) return entries;
      after = last.seq;
    }
  }

  delivered(seqs: readonly number[]): Promise<void> {
    return this.#store.delivered(seqs);
  }

  summary(): Promise<OutboxSummary> {
    return this.#reader.outboxSummary();
  }

  async #readable(rows: readonly StoredRecord[]): Promise<readonly OutboxEntry[]> {
    const entries: OutboxEntry[] = [];
    const lost: { seq: number; uid: string; why: string }[] = [];
    for (const { seq, uid, record: text } of rows) {
      try {
        entries.push({ seq, record: parseRecord(text, uid) });
      } catch (error) {
        lost.push({ seq, uid, why: error instanceof Error ? error.message : String(error) });
      }
    }
    if (lost.length > 0) await this.#remove(lost);
    return entries;
  }

  /** Told once they are gone. A store that cannot remove them now holds nobody up: they are met again. */
  async #remove(lost: readonly { seq: number; uid: string; why: string }[]): Promise<void> {
    try {
      await this.#store.delivered(lost.map(({ seq }) => seq));
    } catch {
      return;
    }
    for (const { uid, why } of lost) this.#damaged(uid, why);
  }
}

/** Throws for what is no record: JSON may be whole and the text yet another's. */
function parseRecord(text: string, uid: string): InsightRecord {
  const value = JSON.parse(text) as Partial<InsightRecord> | null; // checked below as far as it is used
  const isWhole =
    typeof value?.insightId === "string" &&
    value.uid === uid &&
    typeof value.rule?.id === "string" &&
    typeof value.subject?.workload === "string" &&
    typeof value.peer?.workload === "string" &&
    Array.isArray(value.evidence);
  if (!isWhole) throw new Error("it is no record of an insight");
  return value as InsightRecord; // the row was written from one
}
