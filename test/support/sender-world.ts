/**
 * A sender with a real sink on a real socket, under a clock that moves only when nothing is under way:
 * ten minutes of an outage take as long as the requests in them.
 */
import { setImmediate as turn } from "node:timers/promises";
import { OtlpLogsClient, type SinkClient } from "../../src/export/otlp-client.ts";
import { makeRequestEncoder } from "../../src/export/otlp-record.ts";
import { OtlpSender, type OtlpSenderOptions } from "../../src/export/otlp-sender.ts";
import { PrometheusRegistry } from "../../src/export/prometheus.ts";
import { FakeClock } from "../../src/lib/clock.ts";
import { FakeTimers } from "../../src/lib/timers.ts";
import type { InsightRecord } from "../../src/model/insights.ts";
import type { Outbox, OutboxEntry, OutboxSummary } from "../../src/model/outbox.ts";
import { usPerSecond } from "../../src/model/time.ts";
import { ExportEvents } from "../../src/self/export-events.ts";
import { makeLog } from "../../src/self/log.ts";
import { OtlpSink, type OtlpSinkOptions } from "./otlp-sink.ts";
import { baseUs } from "./write-sets.ts";

const realDeadlineMs = 15_000;

export const encodeRecords = makeRequestEncoder({
  version: "1.2.3",
  instanceId: "engine-1",
  cluster: "c1",
});

/** An outbox in memory, for tests that are not about the store. */
export class MemoryOutbox implements Outbox {
  readonly entries: OutboxEntry[] = [];
  /** Told of each call of `delivered`; may throw. */
  onDelivered: (seqs: readonly number[]) => void = () => {};
  #lastSeq = 0;

  add(...records: readonly InsightRecord[]): void {
    for (const record of records) this.entries.push({ seq: ++this.#lastSeq, record });
  }

  async read(afterSeq: number, limit: number): Promise<readonly OutboxEntry[]> {
    return this.entries.filter(({ seq }) => seq > afterSeq).slice(0, limit);
  }

  async delivered(seqs: readonly number[]): Promise<void> {
    this.onDelivered(seqs);
    for (const seq of seqs) {
      const index = this.entries.findIndex((entry) => entry.seq === seq);
      if (index >= 0) this.entries.splice(index, 1);
    }
  }

  async summary(): Promise<OutboxSummary> {
    return { length: this.entries.length, oldestUs: this.entries[0]?.record.atUs ?? 0 };
  }
}

export interface SenderWorldOptions {
  readonly sender?: Partial<OtlpSenderOptions>;
  readonly sink?: OtlpSinkOptions;
  readonly random?: () => number;
  readonly encode?: (records: readonly InsightRecord[]) => Uint8Array;
}

export class SenderWorld<Box extends Outbox> implements AsyncDisposable {
  readonly clock = new FakeClock(baseUs);
  readonly timers = new FakeTimers(this.clock);
  readonly registry = new PrometheusRegistry();
  readonly log: string[] = [];
  readonly sink: OtlpSink;
  readonly outbox: Box;
  readonly #options: SenderWorldOptions;
  #sender: OtlpSender | null = null;
  /** Calls of the sender that have not come back. */
  #underWay = 0;
  /** Of the last request. */
  #abort: AbortSignal | null = null;

  private constructor(outbox: Box, options: SenderWorldOptions) {
    this.outbox = outbox;
    this.#options = options;
    this.sink = new OtlpSink(options.sink);
  }

  /** With a sink that listens and a sender that has begun. */
  static async start<Box extends Outbox>(
    outbox: Box,
    options: SenderWorldOptions = {},
  ): Promise<SenderWorld<Box>> {
    const world = new SenderWorld(outbox, options);
    await world.sink.start();
    world.startSender();
    return world;
  }

  get sender(): OtlpSender {
    if (this.#sender === null) throw new Error("the sender is not started");
    return this.#sender;
  }

  /** Also a second one, as after a restart; the first must be closed. */
  startSender(): void {
    const write = (line: string): void => void this.log.push(line);
    const log = makeLog({ level: "info", format: "text", write });
    this.#sender = new OtlpSender({
      options: {
        batch: 100,
        timeoutUs: 10 * usPerSecond,
        retry: { initialUs: usPerSecond, maxUs: 30 * usPerSecond },
        ...this.#options.sender,
      },
      outbox: this.#watchedOutbox(),
      client: this.#watchedClient(),
      encode: this.#options.encode ?? encodeRecords,
      events: new ExportEvents("otlp", this.registry, log, this.clock),
      clock: this.clock,
      timers: this.timers,
      random: this.#options.random ?? ((): number => 0.5),
    });
    this.#sender.start();
  }

  /** Until the sender waits for time, or for an answer that will not come. */
  async quiet(): Promise<void> {
    const deadline = Date.now() + realDeadlineMs;
    for (;;) {
      await turn();
      if (this.#isQuiet()) return;
      if (Date.now() > deadline) throw new Error(`${this.#underWay} calls do not come back`);
    }
  }

  /** Moves time on from one timer to the next, each time until the sender is quiet. */
  async advance(us: number): Promise<void> {
    const untilUs = this.clock.nowUs() + us;
    await this.quiet();
    while (this.timers.nextUs <= untilUs) {
      this.timers.advance(Math.max(0, this.timers.nextUs - this.clock.nowUs()));
      await this.quiet();
    }
    this.timers.advance(untilUs - this.clock.nowUs());
  }

  /** Stops the sender, however much virtual time that takes. */
  async stopSender(): Promise<void> {
    const stopped = this.sender[Symbol.asyncDispose]().then(() => true);
    const deadline = Date.now() + realDeadlineMs;
    while (!(await Promise.race([stopped, turn(false)]))) {
      if (Date.now() > deadline) throw new Error("the sender does not stop");
      if (this.#isQuiet()) this.timers.advance(usPerSecond);
    }
  }

  /** Goes on without it, as if its process had died: what it waits for never comes. */
  abandonSender(): void {
    this.#sender = null;
    this.#underWay = 0;
  }

  /** Of a series of /metrics, without the prefix: `export_sent_total{sink="otlp"}`. */
  async metric(series: string): Promise<number> {
    const line = (await this.registry.text())
      .split("\n")
      .find((text) => text.startsWith(`mesh_insights_${series} `));
    return line ? Number(line.slice(line.lastIndexOf(" "))) : Number.NaN;
  }

  failures(reason: string): Promise<number> {
    return this.metric(`export_failures_total{sink="otlp",reason="${reason}"}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#sender !== null) await this.stopSender();
    await this.sink.stop();
  }

  /** A request that hangs comes back by itself only when it is cancelled. */
  #isQuiet(): boolean {
    return this.#underWay === (this.#abort?.aborted === true ? 0 : this.sink.hanging);
  }

  async #watch<T>(call: () => Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await call();
    } finally {
      this.#underWay--;
    }
  }

  #watchedOutbox(): Outbox {
    const { outbox } = this;
    return {
      read: (afterSeq, limit) => this.#watch(() => outbox.read(afterSeq, limit)),
      delivered: (seqs) => this.#watch(() => outbox.delivered(seqs)),
      summary: () => this.#watch(() => outbox.summary()),
    };
  }

  #watchedClient(): SinkClient {
    const client = new OtlpLogsClient({
      host: "127.0.0.1",
      port: this.sink.port,
      readTls: null,
      serverName: "",
      gzip: true,
      timeoutUs: 600 * usPerSecond, // the virtual one ends before
      readHeaders: null,
    });
    return {
      target: client.target,
      send: (body, abort) =>
        this.#watch(async () => {
          this.#abort = abort;
          const answer = await client.send(body, abort);
          // Of a cancelled request the sink hears a little later.
          while (this.sink.hanging > 0) await turn();
          return answer;
        }),
      [Symbol.dispose]: () => client[Symbol.dispose](),
    };
  }
}
