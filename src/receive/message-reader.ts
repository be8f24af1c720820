/**
 * Collects the one message of a unary gRPC request from DATA chunks:
 *
 *   compressed flag (1 byte, 0 or 1) | length (4 bytes, big endian) | message
 *
 * Memory is asked for before it is taken, grows with what has arrived rather than with what the prefix
 * promises, and never refers to a chunk: a one-byte chunk can hold on to 64 KiB of the socket's buffer.
 */
import { replies, type Reply } from "./answers.ts";

const prefixLength = 5;
const firstCapacity = 64 * 1024;

export class MessageReader {
  readonly #maxBytes: number;
  /** Asked with the new capacity before it is allocated; false means that there is no room. */
  readonly #reserve: (bytes: number) => boolean;
  readonly #prefix = Buffer.alloc(prefixLength);
  #prefixFilled = 0;
  #length = 0;
  #filled = 0;
  #message = Buffer.alloc(0);

  constructor(maxBytes: number, reserve: (bytes: number) => boolean) {
    this.#maxBytes = maxBytes;
    this.#reserve = reserve;
  }

  get isCompressed(): boolean {
    return this.#prefix[0] === 1;
  }

  /** Takes a chunk; a reply means that the request is over. The chunk is not kept. */
  push(chunk: Buffer): Reply | null {
    let rest = chunk;
    if (this.#prefixFilled < prefixLength) {
      const taken = rest.copy(this.#prefix, this.#prefixFilled);
      this.#prefixFilled += taken;
      rest = rest.subarray(taken);
      if (this.#prefixFilled < prefixLength) return null;
      const bad = this.#readPrefix();
      if (bad) return bad;
    }
    return rest.length === 0 ? null : this.#append(rest);
  }

  /** The whole message as it was on the wire, or why there is none; the reader lets go of it. */
  finish(): Buffer | Reply {
    if (this.#prefixFilled < prefixLength) return replies.invalid("it has no message");
    if (this.#filled < this.#length) {
      return replies.invalid(`its message ends after ${this.#filled} of ${this.#length} bytes`);
    }
    const message = this.#message;
    this.#message = Buffer.alloc(0);
    return message;
  }

  /** Lets go of what was read; nobody wants it any more. */
  drop(): void {
    this.#message = Buffer.alloc(0);
  }

  #readPrefix(): Reply | null {
    const flag = this.#prefix.readUInt8(0);
    if (flag > 1) return replies.invalid(`its compressed flag is ${flag}, which must be 0 or 1`);
    this.#length = this.#prefix.readUInt32BE(1);
    return this.#length > this.#maxBytes
      ? replies.tooLarge(`its message of ${this.#length} bytes`, this.#maxBytes)
      : null;
  }

  #append(bytes: Buffer): Reply | null {
    const end = this.#filled + bytes.length;
    if (end > this.#length) {
      return replies.invalid("more than one message, or bytes after it");
    }
    if (end > this.#message.length && !this.#grow(end)) return replies.noRoom();
    bytes.copy(this.#message, this.#filled);
    this.#filled = end;
    return null;
  }

  /** Doubles, but never beyond the message's length, so that a whole message owns exactly its memory. */
  #grow(needed: number): boolean {
    const doubled = Math.max(firstCapacity, this.#message.length * 2, needed);
    const capacity = Math.min(doubled, this.#length);
    if (!this.#reserve(capacity)) return false;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#message.copy(grown, 0, 0, this.#filled);
    this.#message = grown;
    return true;
  }
}
