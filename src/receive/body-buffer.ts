/**
 * Collects the bytes of one body. Memory is asked for before it is taken, grows with what has arrived
 * rather than with what the sender promises, and never refers to a chunk: a one-byte chunk can hold on
 * to 64 KiB of the socket's buffer.
 */
const firstCapacity = 64 * 1024;

export class BodyBuffer {
  /** Asked with the new capacity before it is allocated; false means that there is no room. */
  readonly #reserve: (bytes: number) => boolean;
  #bytes = Buffer.alloc(0);
  #filled = 0;

  constructor(reserve: (bytes: number) => boolean) {
    this.#reserve = reserve;
  }

  get length(): number {
    return this.#filled;
  }

  /** False: there is no room. The body is `atMost` bytes long in the end, as far as that is known. */
  append(chunk: Buffer, atMost: number): boolean {
    const end = this.#filled + chunk.length;
    if (end > this.#bytes.length && !this.#grow(end, atMost)) return false;
    chunk.copy(this.#bytes, this.#filled);
    this.#filled = end;
    return true;
  }

  /** The body, of which the buffer lets go. */
  take(): Buffer {
    const body = this.#bytes.subarray(0, this.#filled);
    this.drop();
    return body;
  }

  /** Lets go of what was read; nobody wants it any more. */
  drop(): void {
    this.#bytes = Buffer.alloc(0);
  }

  /** Doubles, but not beyond `atMost`, so that a body of known length owns exactly its memory. */
  #grow(needed: number, atMost: number): boolean {
    const capacity = Math.min(Math.max(firstCapacity, this.#bytes.length * 2, needed), atMost);
    if (!this.#reserve(capacity)) return false;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#bytes.copy(grown, 0, 0, this.#filled);
    this.#bytes = grown;
    return true;
  }
}
