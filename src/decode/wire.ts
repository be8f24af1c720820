/**
 * The protobuf wire format: tags, varints, fixed-width numbers, lengths. Every read is checked against
 * the end of the message it belongs to, so a length that lies can never reach its neighbour's bytes.
 * Groups, which OTLP does not have, are jumped over as any unknown field. Knows no message: that is for the files of the signals.
 *
 * Faults are thrown as `WireFault` and become a value at the one place that starts a decode
 * (`envelope.ts`); the reader's position is then the place of the fault.
 *
 * https://protobuf.dev/programming-guides/encoding/
 */

/** Bad input, on its way to the value that `decode` returns. Never leaves this folder. */
export class WireFault extends Error {
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

const noBytes = Buffer.alloc(0);
/** Nobody sends groups; whoever nests them is hostile. */
const groupsMax = 32;

/** Reads one request after the other. Each method moves `pos` past what it read. */
export class WireReader {
  bytes: Buffer = noBytes;
  pos = 0;
  /** The halves of the last 64-bit number read, unsigned. */
  low = 0;
  high = 0;
  #view: DataView = new DataView(noBytes.buffer, 0, 0);

  open(bytes: Buffer, pos = 0): void {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pos = pos;
  }

  /** Forgets the request, so that its memory is free when the reader stands idle. */
  close(): void {
    this.open(noBytes);
  }

  /** Field number and wire type as they are on the wire: `number << 3 | type`. */
  tag(end: number): number {
    const byte = this.bytes[this.pos]!;
    if (byte > 7 && byte < 128) {
      this.pos++;
      return byte;
    }
    return this.#longTag(end);
  }

  /** Reads the next tag if it is this one, of one byte. */
  nextIs(tag: number, end: number): boolean {
    if (this.bytes[this.pos] !== tag || !(this.pos < end)) return false;
    this.pos++;
    return true;
  }

  #longTag(end: number): number {
    const start = this.pos;
    this.varint(end);
    const number = this.low >>> 3;
    if (number > 0 && this.high === 0 && this.pos - start <= 5) return this.low;
    this.pos = start;
    throw new WireFault("bad_tag", "a tag without a valid field number");
  }

  /** Reads a length and returns where its content ends; `pos` is then the content's first byte. */
  length(end: number): number {
    const bytes = this.bytes;
    const pos = this.pos;
    const first = bytes[pos]!;
    if (first < 128) {
      this.pos = pos + 1;
      if (!(first < end - pos)) this.#refuseLength(first, end);
      return pos + 1 + first;
    }
    const second = bytes[pos + 1]!;
    if (second < 128) {
      const length = (first & 127) | (second << 7);
      this.pos = pos + 2;
      if (!(length < end - pos - 1)) this.#refuseLength(length, end);
      return pos + 2 + length;
    }
    return this.#longLength(end);
  }

  #longLength(end: number): number {
    this.varint(end);
    if (this.high !== 0 || !(this.low <= end - this.pos)) this.#refuseLength(this.low, end);
    return this.pos + this.low;
  }

  #refuseLength(length: number, end: number): never {
    const left = Math.max(0, end - this.pos);
    throw new WireFault("truncated", `a length of ${length} where ${left} bytes are left`);
  }

  /** Any varint into `low` and `high`. Bits past the 64th are dropped, as every protobuf reader does. */
  varint(end: number): void {
    const first = this.bytes[this.pos]!;
    if (first < 128 && this.pos < end) {
      this.pos++;
      this.low = first;
      this.high = 0;
    } else {
      this.#longVarint(end);
    }
  }

  #longVarint(end: number): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (!(this.pos < end)) throw new WireFault("truncated", "a varint that does not end");
      const byte = this.bytes[this.pos++]!;
      const bits = byte & 127;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else {
        high |= bits << (shift - 32);
      }
      if (byte < 128) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new WireFault("bad_varint", "a varint of more than ten bytes");
  }

  uint32(end: number): number {
    this.varint(end);
    return this.low;
  }

  sint32(end: number): number {
    const zigzag = this.uint32(end);
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  bool(end: number): boolean {
    this.varint(end);
    return (this.low | this.high) !== 0;
  }

  /** An open enum into a byte: what does not fit is 255, a number that no enum of OTLP uses. */
  enumByte(end: number): number {
    const value = this.uint32(end);
    return value <= 255 ? value : 255;
  }

  fixed32(end: number): number {
    const pos = this.#take(4, end);
    return this.#view.getUint32(pos, true);
  }

  /** Into `low` and `high`. */
  fixed64(end: number): void {
    const pos = this.#take(8, end);
    this.low = this.#view.getUint32(pos, true);
    this.high = this.#view.getUint32(pos + 4, true);
  }

  double(end: number): number {
    const pos = this.#take(8, end);
    return this.#view.getFloat64(pos, true);
  }

  /** Writes a fixed64 into two columns. */
  fixed64Into(lows: Uint32Array, highs: Uint32Array, row: number, end: number): void {
    const pos = this.#take(8, end);
    lows[row] = this.#view.getUint32(pos, true);
    highs[row] = this.#view.getUint32(pos + 4, true);
  }

  /** Writes the byte range of a string or bytes field into two columns and jumps over it. */
  rangeInto(starts: Int32Array, ends: Int32Array, row: number, end: number): void {
    const stop = this.length(end);
    starts[row] = this.pos;
    ends[row] = stop;
    this.pos = stop;
  }

  /** Jumps over a field that nobody asked for. */
  skip(tag: number, end: number): void {
    switch (tag & 7) {
      case 0:
        this.varint(end);
        return;
      case 1:
        this.#take(8, end);
        return;
      case 2:
        this.pos = this.length(end);
        return;
      case 5:
        this.#take(4, end);
        return;
      case 3:
        this.#skipGroup(tag, end);
        return;
      default:
        throw new WireFault("bad_tag", `wire type ${tag & 7} where a field begins`);
    }
  }

  /** To the end of the group that begins with this tag, and of those inside. */
  #skipGroup(startTag: number, end: number): void {
    const open = [startTag];
    while (open.length > 0) {
      const tag = this.tag(end);
      if ((tag & 7) === 3) {
        if (open.length >= groupsMax)
          throw new WireFault("too_deep", `more than ${groupsMax} groups inside each other`);
        open.push(tag);
      } else if ((tag & 7) !== 4) this.skip(tag, end);
      else if (open.pop() !== tag - 1) throw new WireFault("bad_tag", "the end of another group");
    }
  }

  /** Jumps over the fields of a message that ends at `end`, whose content nobody asked for. */
  skipMessage(end: number): void {
    while (this.pos < end) this.skip(this.tag(end), end);
    this.finish(end);
  }

  #take(size: number, end: number): number {
    const pos = this.pos;
    if (!(size <= end - pos)) {
      throw new WireFault("truncated", `${size} bytes expected where ${end - pos} are left`);
    }
    this.pos = pos + size;
    return pos;
  }

  /** A message must end exactly where its length said. */
  finish(end: number): void {
    if (this.pos !== end) throw new WireFault("truncated", "a field that passes its message's end");
  }
}
