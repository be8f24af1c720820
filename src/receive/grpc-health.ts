/**
 * `grpc.health.v1.Health/Check`, answered by hand: the whole server and each of its services serve or do
 * not serve together. `Watch` is not offered, as the protocol allows.
 *
 *   message HealthCheckRequest { string service = 1; }
 */
import type { Encoding } from "../model/requests.ts";
import type { ServerHttp2Stream } from "node:http2";
import { GrpcStatus, replies, type Reply } from "./answers.ts";
import { healthServices } from "./grpc-headers.ts";
import { MessageReader } from "./grpc-message-reader.ts";
import { sendMessage, sendStatus } from "./grpc-send.ts";
import { framedHealthResponse } from "./grpc-wire.ts";
import { inflate } from "./inflate.ts";

const maxBytes = 4 * 1024;
const readDeadlineMs = 5_000;

export function answerHealthCheck(
  stream: ServerHttp2Stream,
  encoding: Encoding,
  isServing: () => boolean,
  random: () => number,
): void {
  const refuse = (reply: Reply): void => sendStatus(stream, reply, random);
  const reader = new MessageReader(maxBytes, () => true);
  const timer = setTimeout(
    () => refuse(replies.deadline("the request's body took too long to arrive")),
    readDeadlineMs,
  );
  stream.once("close", () => clearTimeout(timer));
  stream.on("data", (chunk: Buffer) => {
    const bad = reader.push(chunk);
    if (bad) refuse(bad);
  });
  stream.on("end", () => {
    const wire = reader.finish();
    if (!Buffer.isBuffer(wire)) return refuse(wire);
    const inflated = inflate(wire, reader.isCompressed ? encoding : "identity", maxBytes);
    if (!inflated.ok) return refuse(replies.invalid(inflated.why));
    const service = serviceOf(Buffer.from(inflated.body));
    if (!healthServices.has(service)) return refuse(unknownService(service));
    sendMessage(stream, framedHealthResponse(isServing()));
  });
}

/** Of the whole server, whatever was asked for. */
export function answerHealthUnread(stream: ServerHttp2Stream, isServing: boolean): void {
  sendMessage(stream, framedHealthResponse(isServing));
  stream.resume(); // thrown away as it comes
}

/** The one short string field, or the empty name of the whole server. */
function serviceOf(message: Buffer): string {
  const isOneString = message[0] === 0x0a && message[1] === message.length - 2;
  return isOneString ? message.toString("utf8", 2) : message.length === 0 ? "" : "?";
}

function unknownService(service: string): Reply {
  return {
    ...replies.invalid(""),
    status: GrpcStatus.notFound,
    httpStatus: 404,
    message: `cannot tell the health of "${service}": no such service`,
  };
}
