/**
 * Messages that come in pieces. Protobuf allows a singular sub-message to be sent several times and
 * means their merge, which is what their concatenated bytes decode to. A view says "one byte range", so
 * the pieces are laid end to end behind the request's own bytes. Honest senders never need this.
 */
import { WireFault } from "./wire.ts";

const noBytes = Buffer.alloc(0);

export class Pieces {
  #request: Buffer = noBytes;
  #joined: Buffer = noBytes;
  #joinedBytes = 0;

  reset(request: Buffer): void {
    this.#request = request;
    this.#joined = noBytes;
    this.#joinedBytes = 0;
  }

  /** Where the last joined range ends. */
  get end(): number {
    return this.#request.length + this.#joinedBytes;
  }

  /** Joins two ranges, of which the first may be a joined one; returns where the result starts. */
  join(start: number, end: number, nextStart: number, nextEnd: number): number {
    const isLast = start < end && end === this.end && start >= this.#request.length;
    const joinedStart = isLast ? start : this.end;
    if (!isLast) this.#append(start, end);
    this.#append(nextStart, nextEnd);
    return joinedStart;
  }

  /**
   * What the ranges of the view refer to: the request itself unless something was joined. Forgets both,
   * so that their memory is free when the decoder stands idle.
   */
  take(): Buffer {
    const request = this.#request;
    const joined = this.#joined.subarray(0, this.#joinedBytes);
    this.reset(noBytes);
    return joined.length === 0 ? request : Buffer.concat([request, joined]);
  }

  #append(start: number, end: number): void {
    const needed = this.#joinedBytes + end - start;
    if (needed > 2 * this.#request.length) {
      throw new WireFault("too_large", "a message in too many pieces");
    }
    if (needed > this.#joined.length) {
      const grown = Buffer.alloc(Math.max(256, 2 * needed));
      this.#joined.copy(grown, 0, 0, this.#joinedBytes);
      this.#joined = grown;
    }
    const base = this.#request.length;
    const isJoined = start >= base && end > base;
    const source = isJoined ? this.#joined : this.#request;
    const shift = isJoined ? base : 0;
    source.copy(this.#joined, this.#joinedBytes, start - shift, end - shift);
    this.#joinedBytes = needed;
  }
}
