/** The gRPC side of one export request: reads its one message from the stream and writes its answer. */
import type { ServerHttp2Stream } from "node:http2";
import type { Encoding } from "../model/requests.ts";
import { GrpcStatus, replies, type Reply } from "./answers.ts";
import type { CallRequest, CallTransport, ExportCall } from "./export-call.ts";
import { MessageReader } from "./grpc-message-reader.ts";
import { sendMessage, sendStatus } from "./grpc-send.ts";
import { framedExportResponse } from "./grpc-wire.ts";
import type { Intake } from "./intake.ts";

export class GrpcCall implements CallTransport {
  readonly #stream: ServerHttp2Stream;
  readonly #encoding: Encoding;
  readonly #random: () => number;
  readonly #reader: MessageReader;
  readonly #call: ExportCall;

  /** `encoding` is that of messages with the compressed flag. */
  constructor(
    stream: ServerHttp2Stream,
    request: CallRequest,
    encoding: Encoding,
    intake: Intake,
    random: () => number,
  ) {
    this.#stream = stream;
    this.#encoding = encoding;
    this.#random = random;
    const call = intake.open(this, request);
    this.#call = call;
    this.#reader = new MessageReader(intake.maxRequestBytes, (bytes) => call.reserve(bytes));
  }

  /** Called once; the call answers itself. */
  start(): void {
    this.#stream.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#stream.on("end", () => this.#readAll());
    this.#stream.on("close", () => this.#call.end(replies.cancelled()));
  }

  #read(chunk: Buffer): void {
    if (this.#call.isAnswered) return;
    const bad = this.#reader.push(chunk);
    if (bad) this.#call.end(bad);
  }

  #readAll(): void {
    if (this.#call.isAnswered) return;
    const wire = this.#reader.finish();
    if (!Buffer.isBuffer(wire)) return this.#call.end(wire);
    if (!this.#reader.isCompressed) return this.#call.complete(wire, "identity");
    if (this.#encoding === "identity") {
      const why = "it is marked as compressed, but grpc-encoding names nothing";
      return this.#call.end(replies.invalid(why));
    }
    this.#call.complete(wire, this.#encoding);
  }

  send(reply: Reply): void {
    if (reply.status === GrpcStatus.ok) sendMessage(this.#stream, framedExportResponse(reply));
    else sendStatus(this.#stream, reply, this.#random);
  }

  drop(): void {
    this.#reader.drop();
  }
}
