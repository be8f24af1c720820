/**
 * Brings the outbox to a sink: one batch at a time in the order of the numbers, and what was taken is
 * marked before anything else is sent. So records arrive in order, each at least once, and twice only if
 * the process ends between the sink's answer and the mark, or if an answer is lost; the uid tells.
 *
 * Nothing is dropped because a sink is down, refuses us or asks for patience. Only a record that the sink
 * refuses alone, while it takes others of the same batch, is given up: a sink that refuses everything is
 * at fault itself.
 */
import type { Clock } from "../lib/clock.ts";
import type { Timers } from "../lib/timers.ts";
import type { InsightRecord } from "../model/insights.ts";
import type { Outbox, OutboxEntry } from "../model/outbox.ts";
import { usPerMinute, usPerSecond, usToRfc3339, type Us } from "../model/time.ts";
import type { ExportEvents, ExportFailure } from "../self/export-events.ts";
import { printable } from "../self/log.ts";
import type { SinkAnswer, SinkClient } from "./otlp-client.ts";

export interface OtlpSenderOptions {
  /** Records in one request. */
  readonly batch: number;
  readonly timeoutUs: Us;
  readonly retry: { readonly initialUs: Us; readonly maxUs: Us };
}

export interface OtlpSenderParts {
  readonly options: OtlpSenderOptions;
  readonly outbox: Outbox;
  readonly client: SinkClient;
  /** Throws when a record cannot be encoded. */
  readonly encode: (records: readonly InsightRecord[]) => Uint8Array;
  readonly events: ExportEvents;
  readonly clock: Clock;
  readonly timers: Timers;
  /** 0 to below 1; spreads the pauses. */
  readonly random: () => number;
}

/** For the status page and `doctor`. */
export interface SinkStatus {
  readonly ok: boolean;
  /** One line for a person. */
  readonly text: string;
  /** What went wrong last, also when it is over; "" = nothing did. */
  readonly lastError: string;
  /** Since when nothing can be delivered, 0 = all is well. */
  readonly sinceUs: Us;
  readonly queueLength: number;
  /** Engine time of the oldest record that waits, 0 = none waits. */
  readonly oldestUs: Us;
}

/** An answer, or that a record cannot even be encoded, which no sink is to blame for. */
type Attempt = SinkAnswer | { readonly kind: "unfit"; readonly message: string };

/** A record that was refused alone. */
interface Suspect {
  readonly entry: OutboxEntry;
  readonly attempt: Attempt & { readonly kind: "refused" | "unfit" };
}

interface Trouble {
  readonly reason: ExportFailure;
  readonly message: string;
  readonly retryAfterUs: Us;
}

/** A wake can be missed only by a fault of ours; then this is the delay. */
const lookEveryUs = 30 * usPerSecond;
const measureEveryUs = 5 * usPerSecond;
/** A sink that asks for more is asked again after this. */
const askedMaxUs = 5 * usPerMinute;
const jitter = 0.2;
/** How long a stop waits for the answer under way, and then for the store. */
const stopWithinUs = 2 * usPerSecond;
const errorMaxLength = 512;

export class OtlpSender implements AsyncDisposable {
  readonly #parts: OtlpSenderParts;
  /** All up to this one are delivered or given up. */
  #afterSeq = 0;
  /** Failures in a row. */
  #failures = 0;
  #sinceUs: Us = 0;
  #lastError = "";
  #queueLength = 0;
  #oldestUs: Us = 0;
  #isWoken = false;
  #isStopping = false;
  /** Ends the pause that the loop is in; `isIdle` ones end with a wake as well. */
  #pause: { readonly end: () => void; readonly isIdle: boolean } | null = null;
  #abortRequest: () => void = () => {};
  #cancelMeasure: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | null = null;

  /** The parts' client belongs to the sender from now on. */
  constructor(parts: OtlpSenderParts) {
    this.#parts = parts;
  }

  /** Begins to deliver; called once. */
  start(): void {
    this.#running = this.#run();
    void this.#measure().then(() => this.#measureAgain());
  }

  /** There are new records. Never shortens a pause after a failure. */
  wake(): void {
    this.#isWoken = true;
    if (this.#pause?.isIdle) this.#pause.end();
  }

  status(): SinkStatus {
    const { target } = this.#parts.client;
    const waiting = `${this.#queueLength} ${this.#queueLength === 1 ? "record waits" : "records wait"}`;
    const ok = this.#sinceUs === 0;
    const text = ok
      ? `${target}, ${waiting}`
      : `${target} fails since ${usToRfc3339(this.#sinceUs).slice(0, 19)}Z, ${waiting}: ${this.#lastError}`;
    return {
      ok,
      text,
      lastError: this.#lastError,
      sinceUs: this.#sinceUs,
      queueLength: this.#queueLength,
      oldestUs: this.#oldestUs,
    };
  }

  /** Waits a little for the answer under way; what is not marked by then is sent again at the next start. */
  [Symbol.asyncDispose](): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelMeasure();
    this.#pause?.end();
    await this.#within(stopWithinUs, this.#running);
    this.#abortRequest();
    await this.#within(stopWithinUs, this.#running);
    this.#parts.client[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        this.#isWoken = false;
        const entries = await this.#read();
        if (entries === null) continue;
        if (entries.length > 0) await this.#deliver(entries);
        else await this.#idle();
      } catch (error) {
        // Our own fault; going on is better than records that are never sent.
        await this.#failed({ reason: "other", message: messageOf(error), retryAfterUs: 0 });
      }
    }
  }

  async #idle(): Promise<void> {
    if (this.#queueLength > 0) await this.#measure();
    if (!this.#isWoken) await this.#wait(lookEveryUs, true);
  }

  /** null after a pause, when the store did not answer. */
  async #read(): Promise<readonly OutboxEntry[] | null> {
    const { outbox, options } = this.#parts;
    try {
      return await outbox.read(this.#afterSeq, options.batch);
    } catch (error) {
      await this.#failed(storeTrouble("read the outbox", error));
      return null;
    }
  }

  /**
   * Sends a batch, in halves where it is refused, until all of it is settled or the sink fails; then the
   * rest is read again after a pause. Nothing overtakes: suspects are settled together with the first
   * record behind them that is taken.
   */
  async #deliver(batch: readonly OutboxEntry[]): Promise<void> {
    const parts = [batch];
    let suspects: readonly Suspect[] = [];
    let hasTaken = false;
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (this.#isStopping) return;
      const attempt = await this.#attempt(part);
      if (attempt.kind === "failed") return this.#failed(attempt);
      if (attempt.kind === "taken") {
        hasTaken = true;
        this.#took(part, attempt);
        if (!(await this.#settle(part, suspects))) return;
        suspects = [];
      } else if (part.length > 1) {
        if (attempt.kind === "refused") this.#parts.events.refused(attempt.reason);
        const middle = Math.ceil(part.length / 2);
        parts.push(part.slice(middle), part.slice(0, middle));
      } else {
        suspects = [...suspects, ...part.map((entry) => ({ entry, attempt }))];
        if (!hasTaken) continue;
        if (!(await this.#settle([], suspects))) return;
        suspects = [];
      }
    }
    return this.#judge(suspects);
  }

  /** The sink took nothing of the batch: only what no sink could take is the records' fault. */
  async #judge(suspects: readonly Suspect[]): Promise<void> {
    for (const { attempt } of suspects) {
      if (attempt.kind === "refused") return this.#failed({ ...attempt, retryAfterUs: 0 });
    }
    if (suspects.length > 0) await this.#settle([], suspects);
  }

  async #attempt(part: readonly OutboxEntry[]): Promise<Attempt> {
    const { client, encode, options, timers } = this.#parts;
    let body: Uint8Array;
    try {
      body = encode(part.map(({ record }) => record));
    } catch (error) {
      return { kind: "unfit", message: `cannot be encoded: ${messageOf(error)}` };
    }
    const abort = new AbortController();
    const cancelTimeout = timers.after(options.timeoutUs, () => abort.abort());
    this.#abortRequest = () => abort.abort();
    try {
      return await client.send(body, abort.signal);
    } finally {
      cancelTimeout();
    }
  }

  #took(part: readonly OutboxEntry[], answer: SinkAnswer & { readonly kind: "taken" }): void {
    const { events } = this.#parts;
    // A partial success says how many, not which; sending any of them again is forbidden.
    const rejected = Math.min(Math.max(0, answer.rejected), part.length);
    if (part.length > rejected) events.sent(part.length - rejected);
    if (rejected > 0) {
      events.rejected(rejected, answer.message);
      this.#lastError = cleanError(`${rejected} records were rejected: ${answer.message}`);
    } else if (!answer.isReadable) {
      events.warned("the sink's answer cannot be read", answer.message);
    } else if (answer.message !== "") {
      events.warned("the sink took all and warns", answer.message);
    }
    this.#recovered();
  }

  /**
   * Marks as delivered, however long the store takes, and tells of those given up; false when a stop came
   * first.
   */
  async #settle(taken: readonly OutboxEntry[], givenUp: readonly Suspect[]): Promise<boolean> {
    const seqs = [...givenUp.map(({ entry }) => entry), ...taken].map(({ seq }) => seq);
    for (const { entry, attempt } of givenUp) {
      const { insightId } = entry.record;
      this.#parts.events.gaveUp(insightId, attempt.message);
      this.#lastError = cleanError(`a record of ${insightId} was given up: ${attempt.message}`);
    }
    for (;;) {
      try {
        await this.#parts.outbox.delivered(seqs);
        this.#afterSeq = Math.max(this.#afterSeq, ...seqs);
        this.#recovered();
        return true;
      } catch (error) {
        await this.#failed(storeTrouble("mark records as delivered", error));
        if (this.#isStopping) return false;
      }
    }
  }

  async #failed(trouble: Trouble): Promise<void> {
    if (this.#isStopping) return;
    const { events, clock } = this.#parts;
    if (this.#sinceUs === 0) this.#sinceUs = clock.nowUs();
    this.#lastError = cleanError(trouble.message);
    const pauseUs = this.#pauseUs(trouble.retryAfterUs);
    this.#failures++;
    events.failed(trouble.reason, trouble.message, pauseUs / usPerSecond);
    await this.#wait(pauseUs, false);
  }

  #recovered(): void {
    if (this.#sinceUs > 0) {
      const { events, clock } = this.#parts;
      events.recovered((clock.nowUs() - this.#sinceUs) / usPerSecond);
    }
    this.#sinceUs = 0;
    this.#failures = 0;
  }

  /** The pause doubles, spread so that engines do not come together; never less than the sink asks. */
  #pauseUs(askedUs: Us): Us {
    const { options, random } = this.#parts;
    const { initialUs, maxUs } = options.retry;
    const backoffUs = Math.min(initialUs * 2 ** Math.min(this.#failures, 30), maxUs);
    const spread = 1 - jitter + 2 * jitter * random();
    return Math.max(backoffUs * spread, Math.min(askedUs, askedMaxUs));
  }

  async #wait(us: Us, isIdle: boolean): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.timers.after(us, resolve);
      const end = (): void => {
        cancel();
        resolve();
      };
      this.#pause = { end, isIdle };
    });
    this.#pause = null;
  }

  async #within(us: Us, done: Promise<void>): Promise<void> {
    let cancel = (): void => {};
    const tooLate = new Promise<void>((resolve) => {
      cancel = this.#parts.timers.after(us, resolve);
    });
    await Promise.race([done, tooLate]);
    cancel();
  }

  async #measure(): Promise<void> {
    try {
      const { length, oldestUs } = await this.#parts.outbox.summary();
      this.#queueLength = length;
      this.#oldestUs = oldestUs;
      this.#parts.events.measured(length, oldestUs);
    } catch {
      // Reading tells of the same trouble, and the last numbers are better than none.
    }
  }

  #measureAgain(): void {
    if (this.#isStopping) return;
    this.#cancelMeasure = this.#parts.timers.after(measureEveryUs, () => {
      void this.#measure().then(() => this.#measureAgain());
    });
  }
}

function storeTrouble(what: string, error: unknown): Trouble {
  return { reason: "store", message: `cannot ${what}: ${messageOf(error)}`, retryAfterUs: 0 };
}

function cleanError(text: string): string {
  return printable(text, errorMaxLength);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
