/** Who was refused, and what became of files with credentials that have changed. */
import type { Clock } from "../lib/clock.ts";
import type { CounterHandle, Instruments } from "./instruments.ts";
import type { Log } from "./log.ts";
import { SeldomLog } from "./seldom.ts";

const refusals = ["missing", "malformed", "unknown", "scope"] as const;
/** No token, no proper one, one that nobody has, or one that does not allow what was asked for. */
export type Refusal = (typeof refusals)[number];

export class AccessEvents {
  readonly #port: "grpc" | "http" | "web";
  readonly #log: Log;
  readonly #seldom: SeldomLog;
  readonly #refused: ReadonlyMap<string, CounterHandle>;
  readonly #changes: Readonly<Record<"used" | "kept", CounterHandle>>;

  constructor(port: "grpc" | "http" | "web", counts: Instruments, log: Log, clock: Clock) {
    this.#port = port;
    this.#log = log;
    this.#seldom = new SeldomLog(log, clock);
    const counter = (reason: string): [string, CounterHandle] => [
      reason,
      counts.counter("access_refused_total", { port, reason }),
    ];
    this.#refused = new Map([...refusals, "rate_limited"].map(counter));
    const change = (result: "used" | "kept"): CounterHandle =>
      counts.counter("credential_changes_total", { port, result });
    this.#changes = { used: change("used"), kept: change("kept") };
  }

  /** `isFlood`: more than is written to the log. `name` is "" where nobody is known. */
  refused(reason: Refusal, isFlood: boolean, address: string, name: string): void {
    this.#refused.get(isFlood ? "rate_limited" : reason)?.inc();
    if (isFlood) return;
    const who = name === "" ? {} : { token: name };
    const fields = { port: this.#port, reason, address, ...who };
    this.#seldom.write("warn", reason, "a request was refused: not authorised", fields);
  }

  /** New files are in use. */
  changed(what: string): void {
    this.#changes.used.inc();
    this.#log.info("credentials have changed", { port: this.#port, what });
  }

  /** New files cannot be used; the old ones stay. */
  kept(what: string, why: string): void {
    this.#changes.kept.inc();
    const message = "cannot use changed credentials: the old ones stay in use";
    this.#log.error(message, { port: this.#port, what, why });
  }
}
