/**
 * Numbers by 128-bit hash, and hashes by number: 400,000 of them take 24 bytes each, where a `Map` of
 * hexadecimal texts takes 95. Numbers are small and dense, as those of rows are. Nothing is removed.
 *
 * Hashes come from a digest that senders cannot steer to one slot without finding digests that begin
 * alike, which costs them more than the longer way costs us.
 */
import { assert } from "./assert.ts";

const words = 4;
const digits = 8;
const firstNumbers = 256;

export class HashIndex {
  /** Of number n: four words at n × 4. All zeros = it has no hash. */
  #hashes = new Int32Array(firstNumbers * words);
  /** Number + 1 by hash, open addressing; at most half full. */
  #slots = new Int32Array(firstNumbers * 2);
  #size = 0;
  readonly #words = new Int32Array(words);

  get size(): number {
    return this.#size;
  }

  /** The number of a hash of 32 hexadecimal digits, -1 = it has none. */
  find(hash: string): number {
    this.#read(hash);
    return (this.#slots[this.#slot()] ?? 0) - 1;
  }

  /** A hash that has no number yet gets one that has no hash yet. */
  set(hash: string, number: number): void {
    this.#reserve(number);
    this.#read(hash);
    const slot = this.#slot();
    assert(this.#slots[slot] === 0, "a hash has one number");
    this.#slots[slot] = number + 1;
    this.#hashes.set(this.#words, number * words);
    this.#size++;
  }

  /** The hash of a number that was set. */
  hashOf(number: number): string {
    let hash = "";
    for (let word = 0; word < words; word++) {
      const value = (this.#hashes[number * words + word] ?? 0) >>> 0;
      hash += value.toString(16).padStart(digits, "0");
    }
    return hash;
  }

  #read(hash: string): void {
    for (let word = 0; word < words; word++) {
      this.#words[word] = Number.parseInt(hash.slice(word * digits, (word + 1) * digits), 16) | 0;
    }
  }

  /** Where the hash that was read stands, or would. */
  #slot(): number {
    const mask = this.#slots.length - 1;
    for (let slot = (this.#words[0] ?? 0) & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0 || this.#isHashOf(number)) return slot;
    }
  }

  #isHashOf(number: number): boolean {
    const at = number * words;
    for (let word = 0; word < words; word++) {
      if (this.#hashes[at + word] !== this.#words[word]) return false;
    }
    return true;
  }

  #reserve(number: number): void {
    if ((number + 1) * words > this.#hashes.length) {
      const room = Math.max(this.#hashes.length * 2, (number + 1) * words);
      const hashes = new Int32Array(room);
      hashes.set(this.#hashes);
      this.#hashes = hashes;
    }
    if ((this.#size + 1) * 2 <= this.#slots.length) return;
    const before = this.#slots;
    this.#slots = new Int32Array(before.length * 2);
    for (const taken of before) {
      if (taken === 0) continue;
      this.#words.set(this.#hashes.subarray((taken - 1) * words, taken * words));
      this.#slots[this.#slot()] = taken;
    }
  }
}
