/**
 * Reads attributes by name from a view's columns: one walk per record notes where the wanted keys
 * stand, text is made only of what a vocabulary then asks for. The last of a repeated key counts.
 */
import { readText } from "../decode/text.ts";
import { ValueKind, type AnyValues, type Attributes } from "../decode/views.ts";
import type { TextInterner } from "../lib/interner.ts";
import { halvesToUs } from "./times.ts";

/** Longer keys name nothing that a vocabulary knows. */
const maxKeyLength = 128;
/** Values beyond this are cut: what is compared and shown is short. */
export const maxTextLength = 1_024;

/** The text of a string value, of a number or a truth value; "" for everything else. */
export function valueText(
  bytes: Buffer,
  values: AnyValues,
  index: number,
  maxLength: number,
): string {
  switch (values.kind[index] ?? ValueKind.empty) {
    case ValueKind.string: {
      const start = values.start[index] ?? 0;
      return readText(bytes, start, Math.min(values.end[index] ?? 0, start + maxLength));
    }
    case ValueKind.bool:
      return values.number[index] === 1 ? "true" : "false";
    case ValueKind.int:
    case ValueKind.double:
      return String(values.number[index]);
    default:
      return "";
  }
}

/** Where a key of this length and last byte may stand among the wanted ones. */
function bucketOf(length: number, lastByte: number): number {
  return length * 256 + lastByte;
}

export class AttributeSlots {
  readonly #interner: TextInterner;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #keys: readonly Buffer[];
  /** Of each key: where its value goes, and how good the key is for that, 0 = best. */
  readonly #slotOf: Uint16Array;
  readonly #rankOf: Uint16Array;
  /** Key + 1 of a bucket's first key, and of the next one after each. */
  readonly #first = new Uint16Array(bucketOf(maxKeyLength + 1, 0));
  readonly #next: Uint16Array;
  readonly #found: Int32Array;
  /** The rank of the key whose value was found. */
  readonly #foundRank: Uint16Array;
  #bytes: Buffer = Buffer.alloc(0);
  #attributes: Attributes | null = null;

  /** `keysOf`: of a name that may be spelt in several ways all its keys, best first; else it is its key. */
  constructor(
    names: readonly string[],
    interner: TextInterner,
    keysOf: ReadonlyMap<string, readonly string[]> = new Map(),
  ) {
    const keys = names.flatMap((name, slot) =>
      (keysOf.get(name) ?? [name]).map((key, rank) => ({ key: Buffer.from(key), slot, rank })),
    );
    this.#interner = interner;
    this.#slots = new Map(names.map((name, slot) => [name, slot]));
    this.#keys = keys.map(({ key }) => key);
    this.#slotOf = Uint16Array.from(keys, ({ slot }) => slot);
    this.#rankOf = Uint16Array.from(keys, ({ rank }) => rank);
    this.#next = new Uint16Array(keys.length);
    this.#found = new Int32Array(names.length);
    this.#foundRank = new Uint16Array(names.length);
    for (const [index, key] of this.#keys.entries()) {
      const bucket = bucketOf(key.length, key.at(-1) ?? 0);
      this.#next[index] = this.#first[bucket] ?? 0;
      this.#first[bucket] = index + 1;
    }
  }

  /** Looks at the attributes [start, end). What was found is valid until the next call. */
  read(bytes: Buffer, attributes: Attributes, start: number, end: number): void {
    this.#bytes = bytes;
    this.#attributes = attributes;
    this.#found.fill(-1);
    for (let index = start; index < end; index++) {
      const key = this.#keyAt(
        bytes,
        attributes.keyStart[index] ?? 0,
        attributes.keyEnd[index] ?? 0,
      );
      if (key >= 0) this.#note(key, index);
    }
  }

  /** The same whatever the order of the attributes, but for the same key again: the last counts. */
  #note(key: number, index: number): void {
    const slot = this.#slotOf[key] ?? 0;
    const rank = this.#rankOf[key] ?? 0;
    if ((this.#found[slot] ?? -1) >= 0 && (this.#foundRank[slot] ?? 0) < rank) return;
    this.#found[slot] = index;
    this.#foundRank[slot] = rank;
  }

  /** Which of the wanted keys has these bytes, -1 = none. */
  #keyAt(bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    if (length === 0 || length > maxKeyLength) return -1;
    let key = (this.#first[bucketOf(length, bytes[end - 1] ?? 0)] ?? 0) - 1;
    while (key >= 0 && !isEqual(this.#keys[key], bytes, start, length)) {
      key = (this.#next[key] ?? 0) - 1;
    }
    return key;
  }

  has(name: string): boolean {
    return this.index(name) >= 0;
  }

  /** Where in the attributes' columns the value stands, -1 = absent. */
  index(name: string): number {
    const slot = this.#slots.get(name);
    return slot === undefined ? -1 : (this.#found[slot] ?? -1);
  }

  text(name: string, maxLength = maxTextLength): string {
    const index = this.index(name);
    if (index < 0 || !this.#attributes) return "";
    return valueText(this.#bytes, this.#attributes, index, maxLength);
  }

  /** Text that repeats from record to record; equal texts are one string. */
  internedText(name: string): string {
    const index = this.index(name);
    if (index < 0 || !this.#attributes) return "";
    if (this.#attributes.kind[index] !== ValueKind.string) return this.text(name);
    const start = this.#attributes.start[index] ?? 0;
    const end = Math.min(this.#attributes.end[index] ?? 0, start + maxTextLength);
    return this.#interner.text(this.#bytes, start, end);
  }

  /** A finite number, also from text; -1 when absent or negative. */
  number(name: string): number {
    const text = this.text(name, 32);
    const value = text === "" ? -1 : Number(text);
    return Number.isFinite(value) && value >= 0 ? value : -1;
  }

  /** Nanoseconds since the epoch, exact from an int64, rounded from a double; 0 when absent. */
  nanosToUs(name: string): number {
    const index = this.index(name);
    const attributes = this.#attributes;
    if (index < 0 || !attributes) return 0;
    if (attributes.kind[index] === ValueKind.int) {
      return halvesToUs(attributes.intLow[index] ?? 0, Math.max(0, attributes.intHigh[index] ?? 0));
    }
    return Math.max(0, Math.floor(this.number(name) / 1_000));
  }
}

function isEqual(key: Buffer | undefined, bytes: Buffer, start: number, length: number): boolean {
  if (!key) return false;
  for (let at = 0; at < length; at++) {
    if (key[at] !== bytes[start + at]) return false;
  }
  return true;
}
