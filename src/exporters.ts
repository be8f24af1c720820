/**
 * The sinks that a configuration names, as senders that run. A reload replaces the sender whose
 * configuration has changed; what it has not delivered stays in the outbox for the next one.
 */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { isDeepStrictEqual } from "node:util";
import type { Config, OtlpExporterConfig } from "./config/config.ts";
import { OtlpLogsClient } from "./export/otlp-client.ts";
import { makeRequestEncoder } from "./export/otlp-record.ts";
import { OtlpSender } from "./export/otlp-sender.ts";
import { systemClock } from "./lib/clock.ts";
import { systemTimers } from "./lib/timers.ts";
import type { Outbox } from "./model/outbox.ts";
import { ExportEvents } from "./self/export-events.ts";
import type { Instruments } from "./self/instruments.ts";
import type { Log } from "./self/log.ts";
import type { ComponentStatus } from "./serve/status.ts";

export interface ExporterParts {
  readonly outbox: Outbox;
  readonly metrics: Instruments;
  readonly log: Log;
  readonly version: string;
}

export class Exporters implements AsyncDisposable {
  readonly #parts: ExporterParts;
  #config: { readonly otlp: OtlpExporterConfig | null; readonly cluster: string } | null = null;
  #otlp: OtlpSender | null = null;

  constructor(parts: ExporterParts) {
    this.#parts = parts;
  }

  /** Starts, replaces and stops senders so that they are what the configuration says. */
  async configure({ exporters: { otlp }, cluster }: Config): Promise<void> {
    const config = { otlp, cluster };
    if (isDeepStrictEqual(config, this.#config)) return;
    this.#config = config;
    await this.#otlp?.[Symbol.asyncDispose]();
    this.#otlp = otlp === null ? null : this.#makeOtlp(otlp, cluster);
    this.#otlp?.start();
  }

  /** There are new records in the outbox. */
  wake(): void {
    this.#otlp?.wake();
  }

  /** A sink that is down is no reason for this engine not to be ready: its records are kept. */
  status(): readonly ComponentStatus[] {
    if (this.#otlp === null) return [];
    const { ok, text } = this.#otlp.status();
    return [{ name: "exporter otlp", ok, text, isOptional: true }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#otlp?.[Symbol.asyncDispose]();
    this.#otlp = null;
  }

  #makeOtlp(config: OtlpExporterConfig, cluster: string): OtlpSender {
    const { outbox, metrics, log, version } = this.#parts;
    const { endpoint, tls, headersFile, timeoutUs } = config;
    return new OtlpSender({
      options: { batch: config.queue.batch, timeoutUs, retry: config.retry },
      outbox,
      client: new OtlpLogsClient({
        ...endpoint,
        readTls: tls.insecure ? null : async () => readTls(tls),
        serverName: tls.serverName,
        gzip: config.compression === "gzip",
        timeoutUs,
        readHeaders: headersFile === "" ? null : async () => readFile(headersFile, "utf8"),
      }),
      // The host's name is the pod's in a StatefulSet: the same over restarts.
      encode: makeRequestEncoder({ version, cluster, instanceId: hostname() }),
      events: new ExportEvents("otlp", metrics, log, systemClock),
      clock: systemClock,
      timers: systemTimers,
      random: Math.random,
    });
  }
}

async function readTls({ caFile, certFile, keyFile }: OtlpExporterConfig["tls"]) {
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(readOptional));
  return { ca: ca ?? "", cert: cert ?? "", key: key ?? "" };
}

async function readOptional(path: string): Promise<string> {
  return path === "" ? "" : readFile(path, "utf8");
}
