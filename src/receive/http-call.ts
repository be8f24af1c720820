/** The HTTP side of one export request: reads its body and writes its answer. */
import type { Encoding } from "../model/requests.ts";
import { replies, type Reply } from "./answers.ts";
import { BodyBuffer } from "./body-buffer.ts";
import type { CallRequest, CallTransport, ExportCall } from "./export-call.ts";
import type { HttpConnection } from "./http-connection.ts";
import { sendReply, type Exchange } from "./http-send.ts";
import type { Intake } from "./intake.ts";

export interface HttpBody {
  readonly encoding: Encoding;
  /** Null: not known before it ends. */
  readonly length: number | null;
}

export class HttpCall implements CallTransport {
  readonly #exchange: Exchange;
  readonly #connection: HttpConnection;
  readonly #random: () => number;
  readonly #encoding: Encoding;
  readonly #maxBytes: number;
  /** What the body will be long at most. */
  readonly #atMost: number;
  readonly #call: ExportCall;
  readonly #body: BodyBuffer;

  constructor(
    exchange: Exchange,
    connection: HttpConnection,
    request: CallRequest,
    { encoding, length }: HttpBody,
    intake: Intake,
    random: () => number,
  ) {
    this.#exchange = exchange;
    this.#connection = connection;
    this.#random = random;
    this.#encoding = encoding;
    this.#maxBytes = intake.maxRequestBytes;
    this.#atMost = length ?? intake.maxRequestBytes;
    const call = intake.open(this, request);
    this.#call = call;
    this.#body = new BodyBuffer((bytes) => call.reserve(bytes));
  }

  /** Called once; the call answers itself. */
  start(): void {
    const { request, response } = this.#exchange;
    request.on("data", (chunk: Buffer) => this.#read(chunk));
    request.on("end", () => this.#readAll());
    response.on("close", () => this.#call.end(replies.cancelled()));
  }

  /** The body cannot be read on. */
  broken(why: string): void {
    this.#call.end(replies.invalid(why));
  }

  #read(chunk: Buffer): void {
    if (this.#call.isAnswered) return;
    if (this.#body.length + chunk.length > this.#maxBytes) {
      return this.#call.end(replies.tooLarge("its body", this.#maxBytes));
    }
    if (!this.#body.append(chunk, this.#atMost)) this.#call.end(replies.noRoom());
  }

  #readAll(): void {
    if (this.#call.isAnswered) return;
    this.#call.complete(this.#body.take(), this.#encoding);
  }

  send(reply: Reply): void {
    const { request } = this.#exchange;
    sendReply(this.#exchange, reply, this.#connection.isLast(request), this.#random);
  }

  drop(): void {
    this.#body.drop();
  }
}
