/**
 * What an OTLP server says in protobuf, whatever carries it: the export response, and google.rpc.Status
 * with RetryInfo. Written by hand, since a few small messages do not earn a library.
 *
 *   message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
 *   message ExportTracePartialSuccess  { int64 rejected_spans = 1; string error_message = 2; }
 *   message Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
 *   message Any       { string type_url = 1; bytes value = 2; }
 *   message RetryInfo { Duration retry_delay = 1; }
 *   message Duration  { int64 seconds = 1; int32 nanos = 2; }
 *
 * The three signals' responses have the same field numbers.
 */
import type { Reply } from "./answers.ts";

/** Longer messages are cut: headers are limited, and a client's log is no place for our prose. */
const messageMaxLength = 512;

export const retryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

const nothing = Buffer.alloc(0);

/** Empty on full success, so that partial_success is absent. */
export function exportResponse(reply: Reply): Buffer {
  if (reply.rejectedItems === 0 && reply.message === "") return nothing;
  const partialSuccess = Buffer.concat([
    varintField(1, reply.rejectedItems),
    bytesField(2, Buffer.from(cutMessage(reply.message))),
  ]);
  return bytesField(1, partialSuccess);
}

/** A google.rpc.Status; null: without RetryInfo. */
export function statusMessage(reply: Reply, retryAfterMs: number | null): Buffer {
  return Buffer.concat([
    varintField(1, reply.status),
    bytesField(2, Buffer.from(cutMessage(reply.message))),
    retryAfterMs === null ? nothing : bytesField(3, retryInfo(retryAfterMs)),
  ]);
}

function retryInfo(retryAfterMs: number): Buffer {
  const delay = Buffer.concat([
    varintField(1, Math.floor(retryAfterMs / 1_000)),
    varintField(2, Math.round(retryAfterMs % 1_000) * 1_000_000),
  ]);
  return Buffer.concat([
    bytesField(1, Buffer.from(retryInfoType)),
    bytesField(2, bytesField(1, delay)),
  ]);
}

/** At most 512 characters. */
export function cutMessage(text: string): string {
  return text.length > messageMaxLength ? `${text.slice(0, messageMaxLength)}…` : text;
}

/** A delay with ±20 % of jitter, so that senders do not come back as one; `random` gives 0 to 1. */
export function jittered(delayMs: number, random: () => number): number {
  return delayMs * (0.8 + 0.4 * random());
}

/** A proto3 scalar: zero is not written. */
export function varintField(field: number, value: number): Buffer {
  return value === 0 ? nothing : Buffer.from([...varint(field << 3), ...varint(value)]);
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
