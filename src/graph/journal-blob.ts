/**
 * The container of a journal blob: texts and numbers, with a check over both. Our own layout rather than
 * v8.serialize: a file from another version of Node, or a damaged one, must end in an error value and in
 * nothing else. What the texts and numbers mean, the magic says.
 *
 *   blob  = magic u32 | texts length u32 | check, 8 bytes | texts: UTF-8 JSON string[] | numbers: f64[]
 *   check = the first bytes of the SHA-256 of texts and numbers
 *
 * Little-endian, as every machine that Node runs on.
 */
import { createHash } from "node:crypto";

export const observationMagic = 0x4d_49_4a_01; // "MIJ" and the version
export const spanMagic = 0x4d_49_53_01; // "MIS" and the version
const checkAt = 8;
const headBytes = 16;

export class JournalError extends Error {}

export interface OpenBlob {
  readonly magic: number;
  readonly texts: readonly string[];
  readonly rows: Float64Array;
}

export function makeBlob(
  magic: number,
  texts: readonly string[],
  rows: Float64Array,
): Uint8Array<ArrayBuffer> {
  const text = Buffer.from(JSON.stringify(texts));
  const blob = Buffer.alloc(headBytes + text.length + rows.byteLength);
  blob.writeUInt32LE(magic, 0);
  blob.writeUInt32LE(text.length, 4);
  text.copy(blob, headBytes);
  Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).copy(blob, headBytes + text.length);
  checkOf(blob).copy(blob, checkAt);
  return blob;
}

/** Throws `JournalError` when the blob is not one of ours, of this version, and whole. */
export function openBlob(blob: Uint8Array): OpenBlob {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const magic = magicOf(bytes);
  if (magic !== observationMagic && magic !== spanMagic) failJournal("it is not of this version");
  if (!checkOf(bytes).equals(bytes.subarray(checkAt, headBytes))) failJournal("it is damaged");
  const rowsAt = headBytes + bytes.readUInt32LE(4);
  if (rowsAt > bytes.length || (bytes.length - rowsAt) % 8 !== 0) failJournal("it is cut off");
  const texts = parseJson(bytes.toString("utf8", headBytes, rowsAt));
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string")) {
    failJournal("its texts are no list of texts");
  }
  // A copy: numbers in the blob need not stand at a multiple of eight.
  return { magic, texts, rows: new Float64Array(Uint8Array.from(bytes.subarray(rowsAt)).buffer) };
}

/** By its first bytes alone. */
export function holdsSpans(blob: Uint8Array): boolean {
  return magicOf(Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength)) === spanMagic;
}

function magicOf(bytes: Buffer): number {
  return bytes.length < headBytes ? 0 : bytes.readUInt32LE(0);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JournalError("cannot read a journal blob: it holds damaged JSON", { cause });
  }
}

export function failJournal(why: string): never {
  throw new JournalError(`cannot read a journal blob: ${why}`);
}

function checkOf(blob: Buffer): Buffer {
  const digest = createHash("sha256").update(blob.subarray(headBytes)).digest();
  return digest.subarray(0, headBytes - checkAt);
}
