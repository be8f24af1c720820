/**
 * The few bytes of gRPC that a unary OTLP server writes: length-prefixed messages, the export response,
 * google.rpc.Status with RetryInfo, the health response, percent-encoded messages. Written by hand,
 * since four small messages do not earn a library.
 *
 *   message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
 *   message ExportTracePartialSuccess  { int64 rejected_spans = 1; string error_message = 2; }
 *   message Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
 *   message Any       { string type_url = 1; bytes value = 2; }
 *   message RetryInfo { Duration retry_delay = 1; }
 *   message Duration  { int64 seconds = 1; int32 nanos = 2; }
 *   message HealthCheckResponse { ServingStatus status = 1; }
 *
 * The three signals' responses have the same field numbers.
 */
import type { Reply } from "./answers.ts";

/** Longer messages are cut: headers are limited, and a client's log is no place for our prose. */
const messageMaxLength = 512;

const retryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

/** One uncompressed message with its prefix. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, 5);
  return framed;
}

/** The framed response of full success: an empty message, so that partial_success is absent. */
export const emptyResponse: Buffer = frame(Buffer.alloc(0));

export function exportResponse(reply: Reply): Buffer {
  if (reply.rejectedItems === 0 && reply.message === "") return emptyResponse;
  const partialSuccess = Buffer.concat([
    varintField(1, reply.rejectedItems),
    bytesField(2, Buffer.from(cut(reply.message))),
  ]);
  return frame(bytesField(1, partialSuccess));
}

export function healthResponse(isServing: boolean): Buffer {
  return frame(varintField(1, isServing ? 1 : 2));
}

/** `grpc-status-details-bin`: the status once more, with the delay after which to try again. */
export function statusDetails(reply: Reply, retryAfterMs: number): string {
  const delay = Buffer.concat([
    varintField(1, Math.floor(retryAfterMs / 1_000)),
    varintField(2, Math.round(retryAfterMs % 1_000) * 1_000_000),
  ]);
  const any = Buffer.concat([
    bytesField(1, Buffer.from(retryInfoType)),
    bytesField(2, bytesField(1, delay)),
  ]);
  return Buffer.concat([
    varintField(1, reply.status),
    bytesField(2, Buffer.from(cut(reply.message))),
    bytesField(3, any),
  ]).toString("base64");
}

/** Percent-encodes everything outside printable ASCII, and the percent sign. */
export function grpcMessage(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(cut(text))) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

function cut(text: string): string {
  return text.length > messageMaxLength ? `${text.slice(0, messageMaxLength)}…` : text;
}

/** A proto3 scalar: zero is not written. */
function varintField(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.from([...varint(field << 3), ...varint(value)]);
}

function bytesField(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([...varint((field << 3) | 2), ...varint(bytes.length)]),
    bytes,
  ]);
}

/** Of a safe, non-negative integer; hence division instead of shifts. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}
