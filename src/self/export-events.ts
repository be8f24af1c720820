/**
 * What happens to the records that a sink is to get: counted, and logged for a person, seldom while a
 * trouble lasts. The sink's own words go to the log, cleaned and cut there; nobody's headers do.
 */
import type { Clock } from "../lib/clock.ts";
import type { CounterHandle, GaugeHandle, Instruments } from "./instruments.ts";
import type { Log } from "./log.ts";
import { SeldomLog } from "./seldom.ts";

/**
 * Why records were not delivered: the sink's status, or `rejected` (by partial success) and
 * `refused_record` (given up), which count records; `headers` (our file cannot be used), `store` (the
 * outbox does not answer).
 */
const exportFailures = [
  "unavailable",
  "deadline_exceeded",
  "unauthenticated",
  "permission_denied",
  "unimplemented",
  "resource_exhausted",
  "invalid_argument",
  "internal",
  "rejected",
  "refused_record",
  "headers",
  "store",
  "other",
] as const;
export type ExportFailure = (typeof exportFailures)[number];

export class ExportEvents {
  readonly #log: Log;
  readonly #seldom: SeldomLog;
  readonly #sink: string;
  readonly #sent: CounterHandle;
  readonly #failures: Readonly<Record<ExportFailure, CounterHandle>>;
  readonly #queueLength: GaugeHandle;
  readonly #queueOldest: GaugeHandle;

  /** `sink` is the label, as `otlp`. */
  constructor(sink: "otlp", counts: Instruments, log: Log, clock: Clock) {
    this.#log = log;
    this.#sink = sink;
    this.#seldom = new SeldomLog(log, clock);
    this.#sent = counts.counter("export_sent_total", { sink });
    // Every reason has its series from the start, so that an alert on an increase sees the first one.
    this.#failures = Object.fromEntries(
      exportFailures.map((reason) => [
        reason,
        counts.counter("export_failures_total", { sink, reason }),
      ]),
    ) as Record<ExportFailure, CounterHandle>; // fromEntries forgets the keys
    this.#queueLength = counts.gauge("export_queue_length", { sink });
    this.#queueOldest = counts.gauge("export_queue_oldest_timestamp_seconds", { sink });
  }

  sent(records: number): void {
    this.#sent.inc(records);
  }

  /** An attempt failed; its records are kept. */
  failed(reason: ExportFailure, why: string, againInSeconds: number): void {
    this.#failures[reason].inc();
    this.#seldom.write("warn", `failed ${reason}`, "insights cannot be delivered; they are kept", {
      sink: this.#sink,
      reason,
      why,
      again_in_seconds: Math.round(againInSeconds * 10) / 10,
    });
  }

  /** A request was refused for what it holds: it goes again in smaller ones. */
  refused(reason: ExportFailure): void {
    this.#failures[reason].inc();
  }

  recovered(afterSeconds: number): void {
    this.#log.info("insights are delivered again", {
      sink: this.#sink,
      after_seconds: Math.round(afterSeconds),
    });
  }

  /** The sink took a request without these: they are lost to it, and sending again is forbidden. */
  rejected(records: number, why: string): void {
    this.#failures.rejected.inc(records);
    const fields = { sink: this.#sink, records, why };
    this.#seldom.write("error", "rejected", "the sink rejected records for good", fields);
  }

  /** The sink takes others, not this one. */
  gaveUp(insightId: string, why: string): void {
    this.#failures.refused_record.inc();
    const fields = { sink: this.#sink, insight: insightId, why };
    this.#seldom.write("error", "refused_record", "a record is given up: refused alone", fields);
  }

  /** Something that the sink wants us to know, or an answer that makes no sense. */
  warned(what: "the sink took all and warns" | "the sink's answer cannot be read", why: string) {
    this.#seldom.write("warn", what, what, { sink: this.#sink, why });
  }

  measured(length: number, oldestUs: number): void {
    this.#queueLength.set(length);
    this.#queueOldest.set(oldestUs / 1_000_000);
  }
}
