/**
 * Writes answers over HTTP/1. A sender that is still sending its body is answered at once and read from
 * a moment longer: closing a socket with unread bytes resets it, and the reset overtakes the answer.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Reply } from "./answers.ts";
import { isJson, jsonType, lengthOf, signalOfUrl } from "./http-headers.ts";
import { acceptEncoding } from "./inflate.ts";
import { exportJson, statusJson } from "./json-answers.ts";
import { exportResponse, jittered, statusMessage } from "./otlp-wire.ts";
import { lingerMs, protobufType } from "./wrong-port.ts";

const challenge = 'Bearer realm="mesh-insights"';

/** A request and its answer, as `node:http` hands them over. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** For a 503 that names no time of its own. */
const retryDefaultMs = 1_000;

/** `isLast`: the connection is to be closed behind the answer. */
export function sendReply(
  { request, response }: Exchange,
  reply: Reply,
  isLast: boolean,
  random: () => number,
): void {
  if (response.headersSent || response.destroyed) return;
  const { type, body, retryAfterMs } = bodyOf(request, reply, random);
  const isUnread = !request.complete && lengthOf(request.headers) !== 0;
  const headers: OutgoingHttpHeaders = { "Content-Type": type, "Content-Length": body.length };
  if (retryAfterMs !== null) headers["Retry-After"] = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  if (reply.httpStatus === 401) headers["WWW-Authenticate"] = challenge;
  if (reply.httpStatus === 405) headers["Allow"] = "POST";
  if (reply.httpStatus === 415) headers["Accept-Encoding"] = acceptEncoding;
  if (isUnread || isLast) headers["Connection"] = "close";
  response.writeHead(reply.httpStatus, headers);
  if (isUnread) linger(request, response, body);
  else response.end(body);
}

/**
 * Whoever is not authorised is told so and let go: the connection ends behind the answer, and of a flood it
 * ends without a look at what still comes, even if the answer is lost by that.
 */
export function sendRefusal(
  exchange: Exchange,
  reply: Reply,
  isFlood: boolean,
  random: () => number,
): void {
  sendReply(exchange, reply, true, random);
  if (isFlood) exchange.request.socket.destroySoon();
}

interface Body {
  readonly type: string;
  readonly body: Buffer;
  readonly retryAfterMs: number | null;
}

/** In the request's own encoding, as OTLP demands: protobuf, unless it was JSON. */
function bodyOf({ headers, url = "" }: IncomingMessage, reply: Reply, random: () => number): Body {
  const isOk = reply.httpStatus === 200;
  const retryAfterMs =
    reply.httpStatus === 503 ? jittered(reply.retryAfterMs ?? retryDefaultMs, random) : null;
  if (isJson(headers)) {
    const value = isOk ? exportJson(reply, signalOfUrl(url)) : statusJson(reply, retryAfterMs);
    return { type: jsonType, body: Buffer.from(JSON.stringify(value)), retryAfterMs };
  }
  const body = isOk ? exportResponse(reply) : statusMessage(reply, retryAfterMs);
  return { type: protobufType, body, retryAfterMs };
}

/** The answer is whole for the sender, which knows its length; the connection ends a little later. */
function linger(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  response.flushHeaders();
  response.write(body);
  const end = (): void => {
    clearTimeout(timer);
    request.off("close", end).off("end", end);
    response.end();
  };
  const timer = setTimeout(end, lingerMs);
  request.once("end", end).once("close", end);
  request.resume();
}

/** The answer to what is no request of HTTP, written by hand: there is no response to write it to. */
export function rawAnswer(statusLine: string, reply: Reply): Buffer {
  const body = statusMessage(reply, null);
  const lines = [
    `HTTP/1.1 ${statusLine}`,
    `Content-Type: ${protobufType}`,
    `Content-Length: ${body.length}`,
    "Connection: close",
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]);
}
