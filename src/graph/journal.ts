/**
 * Observations as bytes, for the journal: what still awaits a verdict when the process ends.
 *
 *   blob     = magic u32 | texts length u32 | check, 8 bytes | texts: UTF-8 JSON string[] | rows
 *   check    = the first bytes of the SHA-256 of texts and rows
 *   row      = shape f64 | one f64 per field of the shape
 *   texts[0] = JSON of the shapes: field paths with their type, in the row's order
 *
 * Little-endian. A text field holds its index in `texts`, a boolean 0 or 1, anything with a list in it
 * is JSON in a text. Our own layout rather than v8.serialize: a file from another version of Node, or a
 * damaged one, must end in an error value and in nothing else.
 */
import { createHash } from "node:crypto";
import { assert } from "../lib/assert.ts";
import type { Observation } from "../model/observations.ts";

const magic = 0x4d_49_4a_01; // "MIJ" and the version
const checkAt = 8;
const headBytes = 16;
const depthMax = 4;

/** `n` number, `s` text, `b` boolean, `j` JSON. */
type Field = readonly [path: readonly string[], type: "n" | "s" | "b" | "j"];
type Shape = readonly Field[];

const kinds: ReadonlySet<string> = new Set<Observation["kind"]>([
  "span_half",
  "flow",
  "socket_opened",
  "proxy_leg",
  "process_seen",
  "file_access",
  "pod_volume",
  "component_sample",
  "object_seen",
  "heartbeat",
]);

export class JournalError extends Error {}

export function encodeJournal(observations: readonly Observation[]): Uint8Array {
  const texts = new Texts();
  const shapes = new Map<string, number>();
  const rows: number[] = [];
  for (const observation of observations) {
    const at = rows.push(0) - 1;
    const shape = flatten(observation, 0, rows, texts);
    let number = shapes.get(shape);
    if (number === undefined) shapes.set(shape, (number = shapes.size));
    rows[at] = number;
  }
  return assemble(texts.withShapes([...shapes.keys()].map(shapeToJson)), rows);
}

function assemble(texts: readonly string[], rows: readonly number[]): Uint8Array {
  const text = Buffer.from(JSON.stringify(texts));
  const blob = Buffer.alloc(headBytes + text.length + rows.length * 8);
  blob.writeUInt32LE(magic, 0);
  blob.writeUInt32LE(text.length, 4);
  text.copy(blob, headBytes);
  let at = headBytes + text.length;
  for (const value of rows) at = blob.writeDoubleLE(value, at);
  checkOf(blob).copy(blob, checkAt);
  return blob;
}

function checkOf(blob: Buffer): Buffer {
  const digest = createHash("sha256").update(blob.subarray(headBytes)).digest();
  return digest.subarray(0, headBytes - checkAt);
}

/** Throws `JournalError` when the blob is not one of ours, of this version, and whole. */
export function decodeJournal(blob: Uint8Array): readonly Observation[] {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  if (bytes.length < headBytes || bytes.readUInt32LE(0) !== magic)
    fail("it is not of this version");
  if (!checkOf(bytes).equals(bytes.subarray(checkAt, headBytes))) fail("it is damaged");
  const rowsAt = headBytes + bytes.readUInt32LE(4);
  if (rowsAt > bytes.length || (bytes.length - rowsAt) % 8 !== 0) fail("it is cut off");
  const texts = parseTexts(bytes.toString("utf8", headBytes, rowsAt));
  const shapes = parseShapes(texts[0] ?? "");
  const observations: Observation[] = [];
  let at = rowsAt;
  while (at < bytes.length) {
    const shape = shapes[bytes.readDoubleLE(at)];
    if (!shape || at + (shape.length + 1) * 8 > bytes.length) fail("a row is cut off");
    observations.push(readRow(bytes, at + 8, shape, texts));
    at += (shape.length + 1) * 8;
  }
  return observations;
}

function readRow(bytes: Buffer, at: number, shape: Shape, texts: readonly string[]): Observation {
  const record: Record<string, unknown> = {};
  for (const [index, [path, type]] of shape.entries()) {
    setPath(record, path, valueOf(bytes.readDoubleLE(at + index * 8), type, texts));
  }
  if (typeof record["kind"] !== "string" || !kinds.has(record["kind"])) fail("an unknown kind");
  return record as unknown as Observation; // flattened from one by this version
}

function valueOf(value: number, type: Field[1], texts: readonly string[]): unknown {
  if (type === "n") return value;
  if (type === "b") return value === 1;
  const text = texts[value];
  if (text === undefined) fail("a text is missing");
  return type === "s" ? text : parseJson(text);
}

function setPath(record: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let into = record;
  for (const key of path.slice(0, -1)) {
    const inner = into[key] ?? {};
    if (typeof inner !== "object") fail("a field is two things");
    into = into[key] = inner as Record<string, unknown>; // an object: just checked
  }
  into[path.at(-1) ?? ""] = value;
}

function parseTexts(json: string): readonly string[] {
  const texts = parseJson(json);
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string")) {
    fail("its texts are no list of texts");
  }
  return texts;
}

function parseShapes(json: string): readonly Shape[] {
  const shapes = parseJson(json);
  if (!Array.isArray(shapes) || !shapes.every(isShape)) fail("its shapes are damaged");
  return shapes;
}

function isShape(shape: unknown): shape is Shape {
  return (
    Array.isArray(shape) &&
    shape.every((field: unknown) => {
      if (!Array.isArray(field) || field.length !== 2 || !"nsbj".includes(String(field[1]))) {
        return false;
      }
      const path: unknown = field[0];
      return Array.isArray(path) && path.length <= depthMax && path.every(isSafeKey);
    })
  );
}

function isSafeKey(key: unknown): key is string {
  return typeof key === "string" && !["__proto__", "constructor", "prototype"].includes(key);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JournalError("cannot read a journal blob: it holds damaged JSON", { cause });
  }
}

function fail(why: string): never {
  throw new JournalError(`cannot read a journal blob: ${why}`);
}

/** Texts by index; index 0 is kept for the shapes. */
class Texts {
  readonly #indexes = new Map<string, number>();

  indexOf(text: string): number {
    let index = this.#indexes.get(text);
    if (index === undefined) this.#indexes.set(text, (index = this.#indexes.size + 1));
    return index;
  }

  withShapes(shapes: readonly string[]): readonly string[] {
    return [`[${shapes.join(",")}]`, ...this.#indexes.keys()];
  }
}

/**
 * Appends the values and returns the shape as text: `n` and a name per field, `{name … }` around a record.
 * The names are our model's own, so the text is unambiguous; one is made per observation, and turned
 * into JSON once per blob.
 */
function flatten(record: object, depth: number, rows: number[], texts: Texts): string {
  assert(depth < depthMax, "an observation is not nested deeper than the journal reads");
  let shape = "";
  for (const [key, value] of Object.entries(record) as [string, unknown][]) {
    if (typeof value === "number") shape += `n${key} `;
    else if (typeof value === "string") shape += `s${key} `;
    else if (typeof value === "boolean") shape += `b${key} `;
    // A Kubernetes object has lists and free keys: it stays JSON.
    else if (key === "object" || !isRecord(value)) shape += `j${key} `;
    else {
      shape += `{${key} ${flatten(value, depth + 1, rows, texts)}} `;
      continue;
    }
    rows.push(toNumber(value, texts));
  }
  return shape;
}

function toNumber(value: unknown, texts: Texts): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return texts.indexOf(typeof value === "string" ? value : toJson(value));
}

function shapeToJson(shape: string): string {
  const fields: Field[] = [];
  const path: string[] = [];
  for (const word of shape.trimEnd().split(" ")) {
    if (word === "}") path.pop();
    else if (word.startsWith("{")) path.push(word.slice(1));
    // The first letter is a field's type: `flatten` has just written it.
    else fields.push([[...path, word.slice(1)], word[0] as Field[1]]);
  }
  return JSON.stringify(fields);
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toJson(value: unknown): string {
  return JSON.stringify(value ?? null);
}
