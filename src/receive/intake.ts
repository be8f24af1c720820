/**
 * What all requests of one receiver share, whatever carries them: the budget of bytes, the line in which
 * whole requests wait for their turn, and one message per turn of the loop.
 */
import { assert } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import type { RequestHandler, TransportName } from "../model/requests.ts";
import type { Signal } from "../model/stages.ts";
import type { ReceiverEvents } from "../self/events.ts";
import { Admission } from "./admission.ts";
import { isTurnedAway, replies, type Reply } from "./answers.ts";
import {
  ExportCall,
  signalNameOf,
  type CallRequest,
  type CallScope,
  type CallTransport,
} from "./export-call.ts";
import { FairQueue } from "./fair-queue.ts";

export interface IntakeOptions {
  /** Of one request, on the wire and after inflation. */
  readonly maxRequestBytes: number;
  /** Of all requests that are not answered yet. */
  readonly inFlightBytesMax: number;
  /** From a request's headers to the end of its body. */
  readonly readDeadlineMs: number;
  /** How long a whole request may wait for room. */
  readonly queueDeadlineMs: number;
}

export class Intake {
  readonly #scope: CallScope;
  readonly #calls = new Set<ExportCall>();
  readonly #queue = new FairQueue<ExportCall>();
  #turnIsDue = false;
  /** While false, requests are told to come again. */
  isAccepting = true;

  constructor(
    transport: TransportName,
    options: IntakeOptions,
    handler: RequestHandler,
    clock: Clock,
    events: ReceiverEvents,
  ) {
    const { maxRequestBytes, inFlightBytesMax, readDeadlineMs, queueDeadlineMs } = options;
    assert(inFlightBytesMax > maxRequestBytes, "inFlightBytesMax has room for the largest request");
    this.#scope = {
      transport,
      handler,
      clock,
      events,
      admission: new Admission(inFlightBytesMax, (bytes) => {
        events.inFlightBytes(bytes);
        this.#scheduleTurn();
      }),
      maxRequestBytes,
      readDeadlineMs,
      queueDeadlineMs,
      enqueue: (call) => {
        this.#queue.add(call.sender, call);
        this.#scheduleTurn();
      },
      ended: (call) => {
        this.#calls.delete(call);
        this.#queue.remove(call.sender, call);
      },
    };
  }

  get maxRequestBytes(): number {
    return this.#scope.maxRequestBytes;
  }

  /** How many requests have no answer yet. */
  get openCalls(): number {
    return this.#calls.size;
  }

  /** A request whose headers are good. */
  open(transport: CallTransport, request: CallRequest): ExportCall {
    const call = new ExportCall(this.#scope, transport, request);
    this.#calls.add(call);
    return call;
  }

  /** Counts a request that is answered from its headers alone; null: it names no signal. */
  countRefused(signal: Signal | null, reply: Reply): void {
    if (signal !== null && isTurnedAway(reply)) this.#scope.handler.turnedAway(signal);
    this.#scope.events.answered({
      signal: signal === null ? "unknown" : signalNameOf[signal],
      outcome: reply.outcome,
      seconds: 0,
      items: 0,
      rejectedItems: 0,
      message: reply.message,
    });
  }

  /** The end of draining: who still waits is told to come again. */
  endAll(): void {
    for (const call of this.#calls) call.end(replies.draining());
  }

  #scheduleTurn(): void {
    if (this.#turnIsDue || !this.#queue.peek()) return;
    this.#turnIsDue = true;
    setImmediate(() => this.#turn());
  }

  /** One message, so that answers, pings and scrapes come through between two. */
  #turn(): void {
    this.#turnIsDue = false;
    const next = this.#queue.peek();
    if (!next?.fits) return; // the next change of what is in flight looks again
    this.#queue.take()?.run();
    this.#scheduleTurn();
  }
}
