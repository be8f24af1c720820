/** Request bytes to observations: a decoder of each kind and one normalizer. */
import { LogsDecoder } from "../../src/decode/logs.ts";
import { MetricsDecoder } from "../../src/decode/metrics.ts";
import { TracesDecoder } from "../../src/decode/traces.ts";
import type { Decoded } from "../../src/decode/views.ts";
import type { ObservationBatch } from "../../src/model/observations.ts";
import type { CounterSample } from "../../src/model/stages.ts";
import { Normalizer, type Arrival, type NormalizeOptions } from "../../src/normalize/normalizer.ts";
import type { SignalName } from "./otlp-oracle.ts";

/** 2026-11-21T07:32:00Z: shortly after the recordings of Envoy. */
export const receivedUs = 1_795_246_320_000_000;

export class NormalizeRun {
  readonly #metrics = new MetricsDecoder();
  readonly #traces = new TracesDecoder();
  readonly #logs = new LogsDecoder();
  readonly #normalizer: Normalizer;

  constructor(options: Partial<NormalizeOptions> = {}) {
    this.#normalizer = new Normalizer({
      cluster: "lab",
      clusterAliases: {},
      trust: [],
      ...options,
    });
  }

  push(signal: SignalName, body: Buffer, arrival?: Partial<Arrival>): ObservationBatch {
    const full: Arrival = { receivedUs, sender: { listener: "grpc", client: "" }, ...arrival };
    switch (signal) {
      case "metrics":
        return this.#normalizer.metrics(viewOf(this.#metrics.decode(body)), full);
      case "traces":
        return this.#normalizer.traces(viewOf(this.#traces.decode(body)), full);
      case "logs":
        return this.#normalizer.logs(viewOf(this.#logs.decode(body)), full);
    }
  }

  /** Counters as `name{label value}`. */
  counts(): Record<string, number> {
    const samples: CounterSample[] = [];
    this.#normalizer.counters(samples);
    return Object.fromEntries(
      samples.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
    );
  }
}

function viewOf<View>(decoded: Decoded<View>): View {
  if (!decoded.ok) throw new Error(decoded.message);
  return decoded.view;
}

/** A value without what says nothing ("", -1, 0, false, empty), so that goldens show what was read. */
export function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(compact);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, item]) => [key, compact(item)] as const)
    .filter(([key, item]) => (item === 0 && ids.has(key)) || !isNothing(item));
  return Object.fromEntries(kept);
}

/** For these 0 says something: root. */
const ids: ReadonlySet<string> = new Set(["uid", "gid", "euid", "egid", "runAsUser", "runAsGroup"]);

function isNothing(value: unknown): boolean {
  if (value === "" || value === -1 || value === 0 || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** One line of JSON per item. */
export function toLines(items: readonly unknown[]): string {
  return items.map((item) => `${JSON.stringify(compact(item))}\n`).join("");
}
