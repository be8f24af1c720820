/**
 * What io hears from the engine and the store thread: counted, and logged for a person. The numbers of
 * the engine's own stages do not come this way; they are samples.
 */
import type { CounterHandle, GaugeHandle, HistogramHandle, Instruments } from "./instruments.ts";
import type { Log } from "./log.ts";

export class EngineThreadEvents {
  readonly #log: Log;
  readonly #restarts: CounterHandle;
  readonly #troubles: CounterHandle;

  constructor(counts: Instruments, log: Log) {
    this.#log = log;
    this.#restarts = counts.counter("engine_restarts_total", {});
    this.#troubles = counts.counter("trouble_total", { thread: "engine" });
  }

  trouble(what: string, error: string): void {
    this.#troubles.inc();
    this.#log.error(what, { thread: "engine", error });
  }

  restarted(why: string): void {
    this.#restarts.inc();
    this.#log.error("the engine starts again from the last commit", { why });
  }
}

export class StoreThreadEvents {
  readonly #log: Log;
  readonly #troubles: CounterHandle;
  readonly #prunedRows: CounterHandle;
  readonly #commitSeconds: HistogramHandle;
  readonly #sizeBytes: GaugeHandle;
  readonly #limitBytes: GaugeHandle;

  constructor(counts: Instruments, log: Log) {
    this.#log = log;
    this.#troubles = counts.counter("trouble_total", { thread: "store" });
    this.#prunedRows = counts.counter("store_pruned_rows_total", {});
    this.#commitSeconds = counts.histogram("store_commit_duration_seconds", {});
    this.#sizeBytes = counts.gauge("store_size_bytes", {});
    this.#limitBytes = counts.gauge("store_limit_bytes", {});
  }

  committed(seconds: number): void {
    this.#commitSeconds.observe(seconds);
  }

  pruned(rows: number): void {
    this.#prunedRows.inc(rows);
  }

  measured(sizeBytes: number, limitBytes: number): void {
    this.#sizeBytes.set(sizeBytes);
    this.#limitBytes.set(limitBytes);
  }

  trouble(what: string, error: string): void {
    this.#troubles.inc();
    this.#log.error(what, { thread: "store", error });
  }

  /** Nothing can be acknowledged any more. */
  lost(why: string): void {
    this.#troubles.inc();
    this.#log.error("the store is lost: requests are refused until the program is started again", {
      why,
    });
  }
}
