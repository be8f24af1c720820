/**
 * One sender's HTTP/2 connection and its clocks: it must speak soon, must not idle for ever, must answer
 * pings, and is asked to reconnect now and then so that senders spread over replicas and certificates
 * are renewed. Ending means GOAWAY first where there is time for it.
 */
import type { ServerHttp2Session } from "node:http2";
import { clientNameOf } from "../access/server-tls.ts";
import type { ConnectionEnd } from "../self/events.ts";

export interface ConnectionOptions {
  /** Until the first request begins. */
  readonly firstMessageDeadlineMs: number;
  readonly idleMs: number;
  /** ±10 %. */
  readonly ageMs: number;
  /** What is in flight may still take so long after `ageMs`. */
  readonly ageGraceMs: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

export class Connection {
  readonly session: ServerHttp2Session;
  /** `RequestSender.client` */
  readonly client: string;
  readonly #options: ConnectionOptions;
  readonly #ended: (reason: ConnectionEnd) => void;
  readonly #ageTimer: NodeJS.Timeout;
  readonly #pingTimer: NodeJS.Timeout;
  /** Whichever of these runs: first message, then idle; grace; the answer to a ping. */
  #quietTimer: NodeJS.Timeout;
  #graceTimer: NodeJS.Timeout | undefined;
  #pongTimer: NodeJS.Timeout | undefined;
  #openStreams = 0;

  /** `ended` is told when the receiver ends the connection of its own accord. */
  constructor(
    session: ServerHttp2Session,
    options: ConnectionOptions,
    random: () => number,
    ended: (reason: ConnectionEnd) => void,
  ) {
    this.session = session;
    this.client = clientNameOf(session.socket);
    this.#options = options;
    this.#ended = ended;
    this.#quietTimer = setTimeout(() => this.#destroy("silent"), options.firstMessageDeadlineMs);
    this.#ageTimer = setTimeout(() => this.#close("age"), options.ageMs * (0.9 + 0.2 * random()));
    this.#pingTimer = setInterval(() => this.#ping(), options.pingIntervalMs);
    session.once("close", () => this.#stop());
  }

  streamOpened(): void {
    this.#openStreams++;
    clearTimeout(this.#quietTimer);
  }

  streamClosed(): void {
    this.#openStreams--;
    if (this.#openStreams > 0 || this.session.destroyed) return;
    this.#quietTimer = setTimeout(() => this.#close("idle"), this.#options.idleMs);
  }

  /** GOAWAY; open requests may finish, the session closes after the last. */
  drain(): void {
    if (!this.session.closed) this.session.close();
  }

  #close(reason: ConnectionEnd): void {
    if (this.session.closed) return;
    this.#ended(reason);
    this.drain();
    this.#graceTimer = setTimeout(() => this.session.destroy(), this.#options.ageGraceMs);
  }

  #destroy(reason: ConnectionEnd): void {
    this.#ended(reason);
    this.session.destroy();
  }

  #ping(): void {
    if (this.session.destroyed || this.#pongTimer) return;
    this.#pongTimer = setTimeout(() => this.#destroy("unresponsive"), this.#options.pingTimeoutMs);
    this.session.ping(() => {
      clearTimeout(this.#pongTimer);
      this.#pongTimer = undefined;
    });
  }

  #stop(): void {
    for (const timer of [this.#quietTimer, this.#graceTimer, this.#pongTimer, this.#ageTimer]) {
      clearTimeout(timer);
    }
    clearInterval(this.#pingTimer);
  }
}
