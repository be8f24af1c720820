/**
 * Collects the one message of a unary gRPC request from DATA chunks:
 *
 *   compressed flag (1 byte, 0 or 1) | length (4 bytes, big endian) | message
 */
import { replies, type Reply } from "./answers.ts";
import { BodyBuffer } from "./body-buffer.ts";

const prefixLength = 5;

export class MessageReader {
  readonly #maxBytes: number;
  readonly #body: BodyBuffer;
  readonly #prefix = Buffer.alloc(prefixLength);
  #prefixFilled = 0;
  #length = 0;

  /** `reserve` is asked before memory is taken; false means that there is no room. */
  constructor(maxBytes: number, reserve: (bytes: number) => boolean) {
    this.#maxBytes = maxBytes;
    this.#body = new BodyBuffer(reserve);
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
    if (this.#body.length < this.#length) {
      return replies.invalid(
        `its message ends after ${this.#body.length} of ${this.#length} bytes`,
      );
    }
    return this.#body.take();
  }

  /** Lets go of what was read; nobody wants it any more. */
  drop(): void {
    this.#body.drop();
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
    if (this.#body.length + bytes.length > this.#length) {
      return replies.invalid("more than one message, or bytes after it");
    }
    return this.#body.append(bytes, this.#length) ? null : replies.noRoom();
  }
}
