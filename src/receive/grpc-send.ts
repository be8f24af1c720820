/** Writes answers to a gRPC stream. A stream that is gone is no error: nobody waits for the answer. */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Reply } from "./answers.ts";
import { grpcMessage, statusDetails } from "./grpc-wire.ts";
import { acceptEncoding } from "./inflate.ts";
import { jittered } from "./otlp-wire.ts";
import { hintBody, textType } from "./wrong-port.ts";

const responseHeaders = {
  ":status": 200,
  "content-type": "application/grpc",
  "grpc-accept-encoding": acceptEncoding,
} as const;

/** A framed message, then status OK in the trailers. */
export function sendMessage(stream: ServerHttp2Stream, framed: Buffer): void {
  if (!isWritable(stream)) return;
  stream.respond(responseHeaders, { waitForTrailers: true });
  stream.once("wantTrailers", () => {
    if (!stream.destroyed && !stream.closed) stream.sendTrailers({ "grpc-status": "0" });
  });
  stream.end(framed);
}

/** "Trailers only": the status stands in the headers, and nothing follows. */
export function sendStatus(stream: ServerHttp2Stream, reply: Reply, random: () => number): void {
  if (!isWritable(stream)) return;
  const headers: Record<string, string | number> = {
    ...responseHeaders,
    "grpc-status": reply.status,
    "grpc-message": grpcMessage(reply.message),
  };
  if (reply.retryAfterMs !== null) {
    const retryAfterMs = jittered(reply.retryAfterMs, random);
    headers["grpc-status-details-bin"] = statusDetails(reply, retryAfterMs);
  }
  stream.respond(headers, { endStream: true });
  stopReading(stream);
}

/** For what is not gRPC at all; `text` says what to do instead. */
export function sendHttpStatus(stream: ServerHttp2Stream, status: number, text: string): void {
  sendBody(stream, status, { type: textType, body: Buffer.from(`${text}\n`) });
}

/** For OTLP/HTTP, which a collector retries. */
export function sendWrongPort(stream: ServerHttp2Stream, hint: string, isProtobuf: boolean): void {
  sendBody(stream, 503, hintBody(hint, isProtobuf));
}

function sendBody(
  stream: ServerHttp2Stream,
  status: number,
  { type, body }: { type: string; body: Buffer },
): void {
  if (!isWritable(stream)) return;
  stream.respond({ ":status": status, "content-type": type });
  stream.end(body);
  stopReading(stream);
}

/** Tells a sender that is still sending to stop, without calling it an error (RFC 9113, 8.1). */
function stopReading(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}

function isWritable(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && !stream.closed && !stream.headersSent;
}
