/**
 * What io hears from the engine and the store thread: counted, and logged for a person. The numbers of
 * the engine's own stages do not come this way; they are samples.
 */
import type { Clock } from "../lib/clock.ts";
import type { CounterHandle, GaugeHandle, HistogramHandle, Instruments } from "./instruments.ts";
import type { Log } from "./log.ts";
import { SeldomLog } from "./seldom.ts";

export class EngineThreadEvents {
  readonly #log: Log;
  readonly #seldom: SeldomLog;
  readonly #restarts: CounterHandle;
  readonly #troubles: CounterHandle;

  constructor(counts: Instruments, log: Log, clock: Clock) {
    this.#log = log;
    this.#seldom = new SeldomLog(log, clock);
    this.#restarts = counts.counter("engine_restarts_total", {});
    this.#troubles = counts.counter("trouble_total", { thread: "engine" });
  }

  /** `what` is a fixed text; what differs from case to case belongs into `error`. */
  trouble(what: string, error: string): void {
    this.#troubles.inc();
    this.#seldom.write("error", what, what, { thread: "engine", error });
  }

  restarted(why: string): void {
    this.#restarts.inc();
    this.#log.error("the engine starts again from the last commit", { why });
  }
}

export class StoreThreadEvents {
  readonly #log: Log;
  readonly #seldom: SeldomLog;
  readonly #troubles: CounterHandle;
  readonly #prunedRows: CounterHandle;
  readonly #commitSeconds: HistogramHandle;
  readonly #delays: HistogramHandle;
  readonly #recordsDropped: CounterHandle;
  readonly #sizeBytes: GaugeHandle;

  constructor(counts: Instruments, log: Log, clock: Clock, limitBytes: number) {
    this.#log = log;
    this.#seldom = new SeldomLog(log, clock);
    this.#troubles = counts.counter("trouble_total", { thread: "store" });
    this.#prunedRows = counts.counter("store_pruned_rows_total", {});
    this.#commitSeconds = counts.histogram("store_commit_duration_seconds", {});
    this.#delays = counts.histogram("detection_delay_seconds", {});
    this.#recordsDropped = counts.counter("export_dropped_total", { sink: "otlp" });
    this.#sizeBytes = counts.gauge("store_size_bytes", {});
    counts.gauge("store_limit_bytes", {}).set(limitBytes);
  }

  /** `delaysUs`: of each record that the commit put into the outbox. */
  committed(seconds: number, delaysUs: readonly number[]): void {
    this.#commitSeconds.observe(seconds);
    for (const delayUs of delaysUs) this.#delays.observe(delayUs / 1_000_000);
  }

  /** The outbox was too full or its records too old: nobody will be told of these. */
  outboxDropped(records: number): void {
    if (records === 0) return;
    this.#recordsDropped.inc(records);
    const what = "records for the sink are given up: the outbox is full or they are too old";
    this.#seldom.write("error", "outbox_dropped", what, { records });
  }

  /** A record in the outbox could not be read. */
  recordLost(uid: string, why: string): void {
    this.#recordsDropped.inc();
    this.#seldom.write("error", "record_lost", "a record in the outbox is damaged", { uid, why });
  }

  pruned(rows: number): void {
    this.#prunedRows.inc(rows);
  }

  measured(sizeBytes: number): void {
    this.#sizeBytes.set(sizeBytes);
  }

  trouble(what: string, error: string): void {
    this.#troubles.inc();
    this.#seldom.write("error", what, what, { thread: "store", error });
  }

  /** Nothing can be acknowledged any more. */
  lost(why: string): void {
    this.#troubles.inc();
    this.#log.error("the store is lost: the engine stops", { why });
  }
}
