/**
 * Text from bytes, made once: the same bytes give the same string object again without allocating. The
 * hash of the bytes finds an entry, the stored bytes prove it. The hash depends on random secrets, so a
 * sender cannot choose texts that collide. When full it forgets everything and starts anew: a flood of
 * one-off texts costs time, never memory, and never shuts out the texts in use.
 */
import { randomInt } from "node:crypto";

/** Longer texts are rarely seen twice: they are made each time. */
const textMaxBytes = 512;
const startSlots = 256;
const startPoolBytes = 4_096;

export class TextInterner {
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #seed = randomInt(2 ** 31);
  readonly #secret = randomInt(2 ** 31) | 1;
  #texts: string[] = [];
  /** Of entry i: its hash, and where its bytes start in the pool; they end where i + 1 starts. */
  #hashes = new Int32Array(startSlots);
  #starts = new Int32Array(startSlots);
  /** Open addressing: entry + 1, or 0. At most half full. */
  #slots = new Int32Array(startSlots);
  #pool = new Uint8Array(startPoolBytes);
  #resets = 0;

  constructor(maxEntries: number, maxBytes: number) {
    this.#entriesMax = maxEntries;
    this.#bytesMax = maxBytes;
  }

  /** How many texts are held. */
  get entries(): number {
    return this.#texts.length;
  }

  /** How often it was full and started anew. */
  get resets(): number {
    return this.#resets;
  }

  /** The UTF-8 text of that byte range; invalid bytes become U+FFFD. */
  text(bytes: Buffer, start: number, end: number): string {
    const size = end - start;
    if (size <= 0) return "";
    if (size > textMaxBytes) return bytes.toString("utf8", start, end);
    const hash = this.#hash(bytes, start, end);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry < 0) return this.#add(hash, bytes, start, end);
      if (this.#hashes[entry] === hash && this.#isEqual(entry, bytes, start, size)) {
        return this.#texts[entry] ?? "";
      }
    }
  }

  /** Four bytes at a time. */
  #hash(bytes: Buffer, start: number, end: number): number {
    const secret = this.#secret;
    let hash = this.#seed ^ (end - start);
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const word =
        bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24); // < end
      hash = mix(hash ^ word, secret);
    }
    for (; at < end; at++) hash = mix(hash ^ bytes[at]!, secret); // < end
    return hash;
  }

  #isEqual(entry: number, bytes: Buffer, start: number, size: number): boolean {
    const from = this.#starts[entry] ?? 0;
    if ((this.#starts[entry + 1] ?? 0) - from !== size) return false;
    const pool = this.#pool;
    for (let at = 0; at < size; at++) {
      if (pool[from + at] !== bytes[start + at]) return false;
    }
    return true;
  }

  #add(hash: number, bytes: Buffer, start: number, end: number): string {
    const text = bytes.toString("utf8", start, end);
    const size = end - start;
    if (this.#isFullFor(size)) this.#reset();
    if (size > this.#bytesMax || this.#entriesMax < 1) return text;
    this.#reserve(size);
    const entry = this.#texts.length;
    const from = this.#starts[entry] ?? 0;
    this.#pool.set(bytes.subarray(start, end), from);
    this.#hashes[entry] = hash;
    this.#starts[entry + 1] = from + size;
    this.#texts.push(text);
    this.#place(entry, hash);
    return text;
  }

  #isFullFor(size: number): boolean {
    const used = this.#starts[this.#texts.length] ?? 0;
    return this.#texts.length >= this.#entriesMax || used + size > this.#bytesMax;
  }

  #reset(): void {
    if (this.#texts.length === 0) return;
    this.#texts = [];
    this.#slots.fill(0);
    this.#resets++;
  }

  #place(entry: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  /** Makes room for one more entry of that size. */
  #reserve(size: number): void {
    const count = this.#texts.length;
    const used = this.#starts[count] ?? 0;
    if (used + size > this.#pool.length) {
      const pool = new Uint8Array(Math.max(this.#pool.length * 2, used + size));
      pool.set(this.#pool);
      this.#pool = pool;
    }
    if (count + 1 === this.#starts.length) {
      this.#hashes = doubled(this.#hashes);
      this.#starts = doubled(this.#starts);
    }
    if ((count + 1) * 2 > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 2);
      for (let entry = 0; entry < count; entry++) this.#place(entry, this.#hashes[entry] ?? 0);
    }
  }
}

/**
 * Two multiplications: a flip of the highest bit passes the first one unchanged whatever the seed, so a
 * sender could undo it with the next word; after the second one it depends on the secret.
 */
function mix(word: number, secret: number): number {
  let mixed = Math.imul(word, 0x9e_37_79_b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), secret);
  return mixed ^ (mixed >>> 13);
}

function doubled(column: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(column.length * 2);
  wider.set(column);
  return wider;
}
