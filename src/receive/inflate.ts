/**
 * Inflates one message in one bounded call. The gzip trailer (ISIZE) gives the size of the output, so
 * zlib writes into one buffer of the right size, which is 3 to 4 times faster than chunks; but ISIZE is
 * the sender's word, so it is a hint for the size and no more.
 *
 * The result is always an ArrayBuffer of its own, exactly as long as the message: it is transferred to
 * another thread, and a slice of a pool must not be.
 */
import zlib from "node:zlib";
import type { Encoding } from "../model/requests.ts";

/** Node has zstd from 22.15 on. */
type Inflate = (bytes: Buffer, options: zlib.ZlibOptions) => Buffer;
const zstdDecompressSync = (zlib as { zstdDecompressSync?: Inflate }).zstdDecompressSync; // not in the types of Node 20

const encodings: readonly Encoding[] = zstdDecompressSync
  ? ["identity", "gzip", "deflate", "zstd"]
  : ["identity", "gzip", "deflate"];

/** What can be inflated here, as senders are told it: `identity,gzip,…`. */
export const acceptEncoding = encodings.join(",");

export function isEncoding(name: string): name is Encoding {
  return (encodings as readonly string[]).includes(name); // wider, so that any name can be asked
}

export type Inflated =
  | { readonly ok: true; readonly body: ArrayBuffer }
  | { readonly ok: false; readonly isTooLarge: boolean; readonly why: string };

/** Below this, chunks of a lying ISIZE would cost more calls than they save memory. */
const chunkMin = 64 * 1024;

/** Deflate cannot do better than 1032:1, whatever the trailer says. */
const deflateRatioMax = 1032;

/**
 * Room that inflating will need at most in one piece: what ISIZE says, within what is possible. One more
 * than the limit, so that a message above it is noticed without a second piece.
 */
export function inflatedSizeHint(wire: Buffer, encoding: Encoding, limit: number): number {
  if (encoding === "identity" || wire.length === 0) return wire.length;
  if (encoding !== "gzip" || wire.length < 18) return Math.min(limit, chunkMin); // no ISIZE
  return Math.min(wire.readUInt32LE(wire.length - 4), limit + 1, wire.length * deflateRatioMax);
}

/** `wire` is not kept; an identity message is handed on as it is when it owns its memory. */
export function inflate(wire: Buffer, encoding: Encoding, limit: number): Inflated {
  // A message of no bytes is legal under every encoding and means an empty request.
  if (encoding === "identity" || wire.length === 0) return { ok: true, body: ownBuffer(wire) };
  const chunkSize = Math.max(chunkMin, inflatedSizeHint(wire, encoding, limit));
  const options = { chunkSize, maxOutputLength: limit };
  try {
    return { ok: true, body: ownBuffer(inflaterOf(encoding)(wire, options)) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException; // zlib throws nothing else
    return { ok: false, isTooLarge: code === "ERR_BUFFER_TOO_LARGE", why: message };
  }
}

function inflaterOf(encoding: Encoding): Inflate {
  if (encoding === "deflate") return zlib.inflateSync; // with zlib's frame, as HTTP and gRPC define it
  return encoding === "zstd" && zstdDecompressSync ? zstdDecompressSync : zlib.gunzipSync;
}

/** The bytes in an ArrayBuffer that holds nothing else. */
export function ownBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  if (buffer.byteLength === byteLength && buffer instanceof ArrayBuffer) return buffer;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer; // never shared: zlib's or ours
}
