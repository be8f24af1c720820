/**
 * One export request, whatever carries it, from its headers to its answer: waits for its body and its
 * turn, inflates, hands on, answers. It is answered exactly once, whatever comes first: the handler, a
 * deadline, a limit or the end of the transport; and its memory is accounted for until nobody needs it.
 */
import { hash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import type {
  Encoding,
  ReceivedRequest,
  RequestHandler,
  TransportName,
} from "../model/requests.ts";
import { Signal } from "../model/stages.ts";
import type { ReceiverEvents, SignalName } from "../self/events.ts";
import type { Admission, Hold } from "./admission.ts";
import { answerToReply, GrpcStatus, isTurnedAway, replies, type Reply } from "./answers.ts";
import type { Sender } from "./fair-queue.ts";
import { inflate, inflatedSizeHint, ownBuffer } from "./inflate.ts";
import { countItems } from "./item-count.ts";
import { jsonToProtobuf } from "./otlp-json.ts";

/** What all calls of a receiver share. */
export interface CallScope {
  readonly transport: TransportName;
  readonly handler: RequestHandler;
  readonly clock: Clock;
  readonly events: ReceiverEvents;
  readonly admission: Admission;
  readonly maxRequestBytes: number;
  readonly readDeadlineMs: number;
  readonly queueDeadlineMs: number;
  /** The call's body is complete; `run` is called when its turn comes. */
  readonly enqueue: (call: ExportCall) => void;
  readonly ended: (call: ExportCall) => void;
}

/** What a message is written in, once it is inflated. */
export type Format = "protobuf" | "json";

export interface CallRequest {
  readonly sender: Sender;
  /** `RequestSender.client` */
  readonly client: string;
  readonly signal: Signal;
  readonly format: Format;
  /** How long the sender waits; null when it does not say. */
  readonly timeoutMs: number | null;
}

/** The side of a call that knows streams and status codes. */
export interface CallTransport {
  /** Writes the answer; called exactly once. */
  send(reply: Reply): void;
  /** Lets go of what was read of the body; nobody wants it any more. */
  drop(): void;
}

export const signalNameOf: Readonly<Record<Signal, SignalName>> = {
  [Signal.traces]: "traces",
  [Signal.metrics]: "metrics",
  [Signal.logs]: "logs",
};

/** Longer waits than this need no timer: the read and queue deadlines come first. */
const timeoutMaxMs = 3_600_000;

export class ExportCall {
  readonly sender: Sender;
  readonly #client: string;
  readonly #signal: Signal;
  readonly #format: Format;
  readonly #scope: CallScope;
  readonly #transport: CallTransport;
  readonly #startedUs: number;
  readonly #hold: Hold;
  readonly #timeoutTimer: NodeJS.Timeout | null;
  /** First for the body, then for the turn. */
  #stepTimer: NodeJS.Timeout;
  #wire: Buffer | null = null;
  #encoding: Encoding = "identity";
  #isAnswered = false;
  #isWithHandler = false;

  constructor(scope: CallScope, transport: CallTransport, request: CallRequest) {
    const { sender, client, signal, format, timeoutMs } = request;
    this.sender = sender;
    this.#client = client;
    this.#signal = signal;
    this.#format = format;
    this.#scope = scope;
    this.#transport = transport;
    this.#startedUs = scope.clock.nowUs();
    this.#hold = scope.admission.hold(sender, { evicted: () => this.end(replies.noRoom()) });
    this.#stepTimer = setTimeout(
      () => this.end(replies.deadline("the request's body took too long to arrive")),
      scope.readDeadlineMs,
    );
    this.#timeoutTimer =
      timeoutMs === null || timeoutMs > timeoutMaxMs
        ? null
        : setTimeout(() => this.end(replies.deadline("grpc-timeout is over")), timeoutMs);
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Asks for memory for the body, in all `bytes`; false: there is no room. */
  reserve(bytes: number): boolean {
    return this.#hold.resize(bytes);
  }

  /** The whole body has come, as it was on the wire. */
  complete(wire: Buffer, encoding: Encoding): void {
    if (this.#isAnswered) return;
    this.#wire = wire;
    this.#encoding = encoding;
    clearTimeout(this.#stepTimer);
    this.#stepTimer = setTimeout(() => this.end(replies.noRoom()), this.#scope.queueDeadlineMs);
    this.#scope.enqueue(this);
  }

  /** Whether there is room to inflate the message now. */
  get fits(): boolean {
    if (!this.#wire) return true;
    const { maxRequestBytes, admission } = this.#scope;
    return admission.canPin(inflatedSizeHint(this.#wire, this.#encoding, maxRequestBytes));
  }

  /** Inflates the message and hands it on. Called once, when `fits`; a call that is over does nothing. */
  run(): void {
    const wire = this.#wire;
    if (this.#isAnswered || !wire) return;
    this.#wire = null;
    clearTimeout(this.#stepTimer);
    const inflated = this.#inflate(wire);
    const isText = inflated instanceof ArrayBuffer && this.#format === "json";
    const body = isText ? this.#transcode(inflated) : inflated;
    if (body instanceof ArrayBuffer) void this.#submit(body, wire);
    else this.end(body);
  }

  #inflate(wire: Buffer): ArrayBuffer | Reply {
    const limit = this.#scope.maxRequestBytes;
    this.#scope.admission.pin(this.#hold);
    if (!this.#hold.resize(inflatedSizeHint(wire, this.#encoding, limit))) return replies.noRoom();
    const inflated = inflate(wire, this.#encoding, limit);
    if (!inflated.ok) {
      return inflated.isTooLarge
        ? replies.tooLarge("its inflated message", limit)
        : replies.invalid(`its ${this.#encoding} message is damaged: ${inflated.why}`);
    }
    return this.#hold.resize(inflated.body.byteLength) ? inflated.body : replies.noRoom();
  }

  /** JSON as protobuf: from here on a request has one form. */
  #transcode(text: ArrayBuffer): ArrayBuffer | Reply {
    const limit = this.#scope.maxRequestBytes;
    if (!this.#hold.resize(2 * text.byteLength)) return replies.noRoom();
    const transcoded = jsonToProtobuf(Buffer.from(text), this.#signal, limit);
    if (!transcoded.ok) {
      const { isTooLarge, why } = transcoded;
      return isTooLarge ? replies.tooLarge(why, limit) : replies.invalid(why);
    }
    return this.#hold.resize(transcoded.body.byteLength) ? transcoded.body : replies.noRoom();
  }

  async #submit(body: ArrayBuffer, wire: Buffer): Promise<void> {
    const { handler, clock, transport } = this.#scope;
    const signal = this.#signal;
    const request: ReceivedRequest = {
      signal,
      body,
      wire: this.#wireOf(wire),
      hash: hash("sha256", new Uint8Array(body), "hex").slice(0, 32),
      receivedUs: clock.nowUs(),
      sender: { listener: transport, client: this.#client },
    };
    const items = countItems(signal, new Uint8Array(body)); // the body is gone once it is handed on
    this.#isWithHandler = true;
    let reply: Reply;
    try {
      reply = answerToReply(await handler.submit(request));
    } catch {
      reply = replies.fault(); // a handler must not reject; if one does, the sender is not to blame
    }
    this.#isWithHandler = false;
    this.#hold.release();
    this.end(reply.status === GrpcStatus.ok ? reply : { ...reply, items });
  }

  #wireOf(wire: Buffer): ReceivedRequest["wire"] {
    const encoding = this.#encoding;
    // Nothing is nothing in every encoding: body and wire would be one buffer.
    const isBody = encoding === "identity" || wire.length === 0;
    return isBody || this.#format === "json" ? null : { bytes: ownBuffer(wire), encoding };
  }

  /** Answers the request, if it has no answer yet. */
  end(reply: Reply): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#wire = null;
    this.#transport.drop();
    clearTimeout(this.#stepTimer);
    if (this.#timeoutTimer) clearTimeout(this.#timeoutTimer);
    // A body that is with the handler stays in memory, and in the account, until the handler is done.
    if (!this.#isWithHandler) this.#hold.release();
    const { events, clock, handler } = this.#scope;
    events.answered({
      signal: signalNameOf[this.#signal],
      outcome: reply.outcome,
      seconds: (clock.nowUs() - this.#startedUs) / 1e6,
      items: reply.items,
      rejectedItems: reply.rejectedItems,
      message: reply.message,
    });
    if (isTurnedAway(reply)) handler.turnedAway(this.#signal);
    this.#transport.send(reply);
    this.#scope.ended(this);
  }
}
