/**
 * The few bytes that gRPC adds around a unary answer: the length prefix, the status of the trailers, the
 * health response.
 *
 *   message HealthCheckResponse { ServingStatus status = 1; }
 */
import type { Reply } from "./answers.ts";
import { cutMessage, exportResponse, statusMessage, varintField } from "./otlp-wire.ts";

/** One uncompressed message with its prefix. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, 5);
  return framed;
}

/** Of nearly every answer. */
const emptyFrame: Buffer = frame(Buffer.alloc(0));

export function framedExportResponse(reply: Reply): Buffer {
  const message = exportResponse(reply);
  return message.length === 0 ? emptyFrame : frame(message);
}

export function framedHealthResponse(isServing: boolean): Buffer {
  return frame(varintField(1, isServing ? 1 : 2));
}

/** `grpc-status-details-bin`: the status once more, with the delay after which to try again. */
export function statusDetails(reply: Reply, retryAfterMs: number): string {
  return statusMessage(reply, retryAfterMs).toString("base64");
}

/** `grpc-message`: percent-encodes everything outside printable ASCII, and the percent sign. */
export function grpcMessage(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(cutMessage(text))) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
