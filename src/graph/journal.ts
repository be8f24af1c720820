/**
 * Observations as bytes, for the journal: what still awaits a verdict when the process ends.
 *
 *   row      = shape, then one number per field of the shape
 *   texts[0] = JSON of the shapes: field paths with their type, in the row's order
 *
 * A text field holds its index in `texts`, a boolean 0 or 1, anything with a list in it is JSON in a text.
 * Span halves, of which there are by far the most, have a denser form: `span-journal.ts`.
 */
import { assert } from "../lib/assert.ts";
import type { Observation } from "../model/observations.ts";
import type { JournalRow } from "../model/rows.ts";
import {
  failJournal as fail,
  holdsSpans,
  JournalError,
  makeBlob,
  observationMagic,
  openBlob,
  parseJson,
  spanMagic,
  type OpenBlob,
} from "./journal-blob.ts";
import { decodeSpans } from "./span-journal.ts";

export { JournalError } from "./journal-blob.ts";

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
  const shapesText = [...shapes.keys()].map(shapeToJson);
  return makeBlob(observationMagic, texts.withShapes(shapesText), Float64Array.from(rows));
}

/** Throws `JournalError` when the blob is not one of ours, of this version, and whole. */
export function decodeJournal(blob: Uint8Array): readonly Observation[] {
  const open = openBlob(blob);
  return open.magic === spanMagic ? decodeSpans(open) : decodeObservations(open);
}

/**
 * Hands on all that can be read, in order, and returns how many blobs cannot: a damaged one costs what
 * was in it, not the start.
 */
export function readJournal(
  rows: readonly JournalRow[],
  which: "all" | "without spans",
  take: (observation: Observation) => void,
): number {
  let damaged = 0;
  for (const { blob } of rows) {
    const observations = tryDecode(blob, which);
    if (observations) for (const observation of observations) take(observation);
    else damaged++;
  }
  return damaged;
}

function tryDecode(
  blob: Uint8Array,
  which: "all" | "without spans",
): readonly Observation[] | null {
  try {
    return which === "all" || !holdsSpans(blob) ? decodeJournal(blob) : [];
  } catch (error) {
    if (error instanceof JournalError) return null;
    throw error;
  }
}

function decodeObservations({ texts, rows }: OpenBlob): readonly Observation[] {
  const shapes = parseShapes(texts[0] ?? "");
  const observations: Observation[] = [];
  let at = 0;
  while (at < rows.length) {
    const shape = shapes[rows[at] ?? -1];
    if (!shape || at + shape.length + 1 > rows.length) fail("a row is cut off");
    observations.push(readRow(rows, at + 1, shape, texts));
    at += shape.length + 1;
  }
  return observations;
}

function readRow(
  rows: Float64Array,
  at: number,
  shape: Shape,
  texts: readonly string[],
): Observation {
  const record: Record<string, unknown> = {};
  for (const [index, [path, type]] of shape.entries()) {
    setPath(record, path, valueOf(rows[at + index] ?? 0, type, texts));
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
