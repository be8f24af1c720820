/**
 * One gRPC request from its headers to its answer: reads the message, waits for its turn, inflates,
 * hands on, answers. It is answered exactly once, whatever comes first: the handler, a deadline, a limit
 * or the end of the stream; and its memory is accounted for until nobody needs it.
 */
import { hash } from "node:crypto";
import type { ServerHttp2Stream } from "node:http2";
import type { Clock } from "../lib/clock.ts";
import type { Encoding, ReceivedRequest, RequestHandler } from "../model/requests.ts";
import type { Trust } from "../model/observations.ts";
import { Signal } from "../model/stages.ts";
import type { ReceiverEvents, SignalName } from "../self/events.ts";
import type { Admission, Hold } from "./admission.ts";
import { answerToReply, GrpcStatus, replies, type Reply } from "./answers.ts";
import { sendMessage, sendStatus } from "./grpc-send.ts";
import { exportResponse } from "./grpc-wire.ts";
import { inflate, inflatedSizeHint, ownBuffer } from "./inflate.ts";
import { countItems } from "./item-count.ts";
import { MessageReader } from "./message-reader.ts";

/** What all calls of a receiver share. */
export interface CallScope {
  readonly handler: RequestHandler;
  readonly clock: Clock;
  readonly events: ReceiverEvents;
  readonly admission: Admission;
  readonly maxRequestBytes: number;
  readonly readDeadlineMs: number;
  readonly queueDeadlineMs: number;
  readonly trust: Trust;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
  /** The call's message is complete; `run` is called when its turn comes. */
  readonly enqueue: (call: GrpcCall) => void;
  readonly ended: (call: GrpcCall) => void;
}

export interface CallRequest {
  readonly signal: Signal;
  readonly encoding: Encoding;
  readonly timeoutMs: number | null;
}

export const signalNameOf: Readonly<Record<Signal, SignalName>> = {
  [Signal.traces]: "traces",
  [Signal.metrics]: "metrics",
  [Signal.logs]: "logs",
};

/** Longer waits than this need no timer: the read and queue deadlines come first. */
const timeoutMaxMs = 3_600_000;

export class GrpcCall {
  readonly connection: object;
  readonly #stream: ServerHttp2Stream;
  readonly #request: CallRequest;
  readonly #scope: CallScope;
  readonly #startedUs: number;
  readonly #hold: Hold;
  readonly #reader: MessageReader;
  readonly #timeoutTimer: NodeJS.Timeout | null;
  /** First for the body, then for the turn. */
  #stepTimer: NodeJS.Timeout;
  #wire: Buffer | null = null;
  #isAnswered = false;
  #isWithHandler = false;

  constructor(
    stream: ServerHttp2Stream,
    connection: object,
    request: CallRequest,
    scope: CallScope,
  ) {
    this.connection = connection;
    this.#stream = stream;
    this.#request = request;
    this.#scope = scope;
    this.#startedUs = scope.clock.nowUs();
    this.#hold = scope.admission.hold(connection, { evicted: () => this.end(replies.noRoom()) });
    this.#reader = new MessageReader(scope.maxRequestBytes, (bytes) => this.#hold.resize(bytes));
    this.#stepTimer = setTimeout(
      () => this.end(replies.deadline("the request's body took too long to arrive")),
      scope.readDeadlineMs,
    );
    this.#timeoutTimer =
      request.timeoutMs === null || request.timeoutMs > timeoutMaxMs
        ? null
        : setTimeout(() => this.end(replies.deadline("grpc-timeout is over")), request.timeoutMs);
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => this.#readAll());
    stream.on("close", () => this.end(replies.cancelled()));
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
    const body = this.#inflate(wire);
    if (body instanceof ArrayBuffer) void this.#submit(body, wire);
    else this.end(body);
  }

  get #encoding(): Encoding {
    return this.#reader.isCompressed ? this.#request.encoding : "identity";
  }

  #read(chunk: Buffer): void {
    if (this.#isAnswered) return;
    const bad = this.#reader.push(chunk);
    if (bad) this.end(bad);
  }

  #readAll(): void {
    if (this.#isAnswered) return;
    const wire = this.#reader.finish();
    if (!Buffer.isBuffer(wire)) return this.end(wire);
    if (this.#reader.isCompressed && this.#request.encoding === "identity") {
      return this.end(
        replies.invalid("it is marked as compressed, but grpc-encoding names nothing"),
      );
    }
    this.#wire = wire;
    clearTimeout(this.#stepTimer);
    this.#stepTimer = setTimeout(() => this.end(replies.noRoom()), this.#scope.queueDeadlineMs);
    this.#scope.enqueue(this);
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

  async #submit(body: ArrayBuffer, wire: Buffer): Promise<void> {
    const { handler, clock, trust } = this.#scope;
    const { signal } = this.#request;
    const request: ReceivedRequest = {
      signal,
      body,
      wire: this.#wireOf(wire),
      hash: hash("sha256", new Uint8Array(body), "hex").slice(0, 32),
      receivedUs: clock.nowUs(),
      transport: "grpc",
      trust,
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
    return encoding === "identity" ? null : { bytes: ownBuffer(wire), encoding };
  }

  /** Answers the request, if it has no answer yet. */
  end(reply: Reply): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#wire = null;
    this.#reader.drop();
    clearTimeout(this.#stepTimer);
    if (this.#timeoutTimer) clearTimeout(this.#timeoutTimer);
    // A body that is with the handler stays in memory, and in the account, until the handler is done.
    if (!this.#isWithHandler) this.#hold.release();
    const { events, clock, random } = this.#scope;
    events.answered({
      signal: signalNameOf[this.#request.signal],
      outcome: reply.outcome,
      seconds: (clock.nowUs() - this.#startedUs) / 1e6,
      items: reply.items,
      rejectedItems: reply.rejectedItems,
      message: reply.message,
    });
    if (reply.status === GrpcStatus.ok) sendMessage(this.#stream, exportResponse(reply));
    else sendStatus(this.#stream, reply, random);
    this.#scope.ended(this);
  }
}
