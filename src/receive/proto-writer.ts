/**
 * Writes protobuf front to back into one growing buffer. The length of a message is known when it ends:
 * one byte is kept for it, and what was written moves on when it needs more.
 */

/** The output has passed its limit. */
export class OutputTooLarge extends Error {}

const firstBytes = 1_024;
/** Up to here a loop is faster than a call. */
const shortCopy = 48;
const two32 = 2 ** 32;

export const WireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
export type WireType = (typeof WireType)[keyof typeof WireType];

export class ProtoWriter {
  readonly #maxBytes: number;
  #bytes: Buffer;
  #length = 0;

  /** `expected`: about how much will be written. Writing more than `maxBytes` throws `OutputTooLarge`. */
  constructor(expected: number, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bytes = Buffer.alloc(Math.max(firstBytes, Math.min(expected, maxBytes)));
  }

  get length(): number {
    return this.#length;
  }

  /** What was written, in an ArrayBuffer that holds nothing else. */
  take(): ArrayBuffer {
    const { buffer, byteOffset } = this.#bytes;
    return buffer.slice(byteOffset, byteOffset + this.#length) as ArrayBuffer; // never shared: `Buffer.alloc`
  }

  tag(field: number, type: WireType): void {
    this.varint32(field * 8 + type);
  }

  /** Begins a length-delimited value; give what it returns to `end`. */
  begin(): number {
    this.byte(0);
    return this.#length;
  }

  end(startAt: number): void {
    const size = this.#length - startAt;
    const more = varintLength(size) - 1;
    if (more > 0) {
      this.#room(more);
      this.#bytes.copyWithin(startAt + more, startAt, this.#length);
      this.#length += more;
    }
    let rest = size;
    let at = startAt - 1;
    while (rest > 0x7f) {
      this.#bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[at] = rest;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  copy(from: Buffer, start: number, end: number): void {
    this.#room(end - start);
    if (end - start > shortCopy) {
      from.copy(this.#bytes, this.#length, start, end);
      this.#length += end - start;
      return;
    }
    for (let at = start; at < end; at++) this.#bytes[this.#length++] = from[at] ?? 0;
  }

  /** UTF-8; a lone surrogate becomes U+FFFD. */
  text(text: string): void {
    this.#room(Buffer.byteLength(text));
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** 0 to 2^32 - 1. */
  varint32(value: number): void {
    this.varint64(value >>> 0, 0);
  }

  /** Both halves as unsigned 32-bit integers. */
  varint64(low: number, high: number): void {
    this.#room(10);
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#length++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#length++] = low;
  }

  fixed32(value: number): void {
    this.#room(4);
    this.#length = this.#bytes.writeUInt32LE(value, this.#length);
  }

  fixed64(low: number, high: number): void {
    this.fixed32(low);
    this.fixed32(high);
  }

  double(value: number): void {
    this.#room(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    if (needed > this.#maxBytes) throw new OutputTooLarge();
    const grown = Buffer.alloc(Math.min(this.#maxBytes, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** A safe integer, or a bigint of 64 bits, as two unsigned halves in two's complement. */
export function halvesOf(value: number | bigint): { low: number; high: number } {
  if (typeof value === "number") {
    const high = Math.floor(value / two32);
    return { low: value - high * two32, high: high >>> 0 };
  }
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffff_ffffn), high: Number(bits >> 32n) };
}
