/**
 * What happens to the engine on its edges, one method per event: it counts, and it logs what a person
 * should read. Detail goes to the log, low-cardinality facts to the counters. A log line that input can
 * cause is written seldom.
 */
import type { Clock } from "../lib/clock.ts";
import type { CounterHandle, HistogramHandle, Instruments } from "./instruments.ts";
import type { Log } from "./log.ts";
import { SeldomLog } from "./seldom.ts";

/** How a request was answered: the `outcome` label. */
const outcomes = [
  "accepted",
  "partial",
  "invalid",
  "too_large",
  "unimplemented",
  "unauthenticated",
  "permission_denied",
  "refused",
  "failed",
  "deadline_exceeded",
  "cancelled",
] as const;
export type Outcome = (typeof outcomes)[number];

/** `unknown`: the request named no method of ours. */
const signalNames = ["traces", "metrics", "logs", "unknown"] as const;
export type SignalName = (typeof signalNames)[number];

/** A sender that speaks another protocol than the port it has connected to. */
const wrongPorts = [
  "http1_on_grpc",
  "grpc_on_http",
  "tls_on_plaintext",
  "plaintext_on_tls",
] as const;

/** Why the receiver turned a connection away or closed it. */
const connectionEnds = [
  "too_many",
  "too_many_from_address",
  "silent",
  "idle",
  "age",
  "unresponsive",
  "protocol_error",
  ...wrongPorts,
] as const;
export type ConnectionEnd = (typeof connectionEnds)[number];

/** Reasons of rejected items: single items left out, or whole requests of which none could be read. */
const rejections = ["item_invalid", "undecodable", "too_large", "unimplemented"] as const;

/** What became of single items, where it is counted by item. */
const itemOutcomes = ["accepted", "refused", "failed"] as const;
type ItemOutcome = (typeof itemOutcomes)[number];

export interface AnsweredRequest {
  readonly signal: SignalName;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** Accepted items; of a refused or failed request as many as could be counted. */
  readonly items: number;
  readonly rejectedItems: number;
  /** What the sender was told; "" when all was well. */
  readonly message: string;
}

export class ReceiverEvents {
  readonly #transport: "grpc" | "http";
  readonly #log: Log;
  readonly #requests: Record<SignalName, Record<Outcome, CounterHandle>>;
  readonly #durations: Record<SignalName, HistogramHandle>;
  readonly #items: Record<ItemOutcome, Record<SignalName, CounterHandle | null>>;
  readonly #rejected: Record<(typeof rejections)[number], CounterHandle>;
  readonly #connectionEnds: Record<ConnectionEnd, CounterHandle>;
  readonly #connections: { set(value: number): void };
  readonly #inFlightBytes: { set(value: number): void };
  readonly #seldom: SeldomLog;

  constructor(transport: "grpc" | "http", counts: Instruments, log: Log, clock: Clock) {
    this.#transport = transport;
    this.#log = log;
    this.#seldom = new SeldomLog(log, clock);
    this.#requests = each(signalNames, (signal) =>
      each(outcomes, (outcome) =>
        counts.counter("receiver_requests_total", { transport, signal, outcome }),
      ),
    );
    this.#durations = each(signalNames, (signal) =>
      counts.histogram("receiver_request_duration_seconds", { transport, signal }),
    );
    this.#items = each(itemOutcomes, (what) => ({
      traces: counts.counter(`receiver_${what}_spans_total`, { transport }),
      metrics: counts.counter(`receiver_${what}_metric_points_total`, { transport }),
      logs: counts.counter(`receiver_${what}_log_records_total`, { transport }),
      unknown: null,
    }));
    this.#rejected = each(rejections, (reason) =>
      counts.counter("receiver_rejected_items_total", { reason }),
    );
    this.#connectionEnds = each(connectionEnds, (reason) =>
      counts.counter("receiver_connections_closed_total", { transport, reason }),
    );
    this.#connections = counts.gauge("receiver_connections", { transport });
    this.#inFlightBytes = counts.gauge("receiver_in_flight_bytes", { transport });
  }

  listening(host: string, port: number): void {
    const name = this.#transport === "grpc" ? "gRPC" : "HTTP";
    this.#log.info(`receiving OTLP over ${name}`, { host, port });
  }

  listenFailed(why: string): void {
    this.#log.error("the listener failed", { why });
  }

  answered(request: AnsweredRequest): void {
    const { signal, outcome } = request;
    this.#requests[signal][outcome].inc();
    this.#durations[signal].observe(request.seconds);
    switch (outcome) {
      case "accepted":
      case "partial":
        this.#items.accepted[signal]?.inc(request.items);
        this.#rejected.item_invalid.inc(request.rejectedItems);
        break;
      case "refused":
        this.#items.refused[signal]?.inc(request.items);
        break;
      case "failed":
        this.#items.failed[signal]?.inc(request.items);
        break;
      case "invalid":
        this.#rejected.undecodable.inc();
        break;
      case "too_large":
      case "unimplemented":
        this.#rejected[outcome].inc();
        break;
      case "unauthenticated":
      case "permission_denied":
        return; // `AccessEvents` tells of it
      case "deadline_exceeded":
      case "cancelled":
        return; // the sender's own doing, and it retries
    }
    if (outcome === "accepted") return;
    this.#seldom.write("warn", outcome, "a request was not taken whole", {
      signal,
      outcome,
      answer: request.message,
    });
  }

  /** `detail` says what to change when the sender is on the wrong port. */
  connectionEnded(reason: ConnectionEnd, address: string, detail: string): void {
    this.#connectionEnds[reason].inc();
    if (reason === "idle" || reason === "age") return; // ordinary life
    if ((wrongPorts as readonly string[]).includes(reason)) {
      const fields = { transport: this.#transport, reason, address, hint: detail };
      return this.#seldom.write("warn", reason, "a sender is on the wrong port", fields);
    }
    this.#seldom.write("info", reason, "a connection was closed", { reason, address, detail });
  }

  connections(open: number): void {
    this.#connections.set(open);
  }

  inFlightBytes(bytes: number): void {
    this.#inFlightBytes.set(bytes);
  }

  draining(connections: number, requests: number): void {
    this.#log.info("draining the receiver", { connections, requests });
  }
}

/** One value per key of a closed list. */
function each<K extends string, V>(keys: readonly K[], make: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<K, V>; // all keys are there
}
