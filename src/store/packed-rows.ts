/**
 * Write-sets on their way between threads. A structured clone of thousands of rows spends most of its
 * time on the names of their fields, so long lists travel as one list per field, and the writer binds
 * from there. Every row of a list has the same fields, of one type each, which the row types see to.
 */
import type { WriteSet } from "../model/rows.ts";
import type { TableName } from "./table.ts";

type AnyRow = Readonly<Record<string, unknown>>;

/** The values of one field: numbers, words of a short list by number, or as they are. */
type PackedField =
  | { readonly name: string; readonly numbers: Float64Array }
  | { readonly name: string; readonly codes: Uint8Array; readonly words: readonly string[] }
  | { readonly name: string; readonly values: readonly unknown[] };

export interface PackedList {
  readonly count: number;
  readonly fields: readonly PackedField[];
}

export interface PackedWriteSet {
  /** With the lists that are packed left empty. */
  readonly rest: WriteSet;
  readonly lists: ReadonlyMap<TableName, PackedList>;
}

/** Shorter lists are not worth it. */
const packedMin = 64;
/** A field with more different words than this is no enumeration. */
const wordsMax = 250;

/** Only the lists named; the rest goes as it is. */
export function packWriteSet(writeSet: WriteSet, names: readonly TableName[]): PackedWriteSet {
  const lists = new Map<TableName, PackedList>();
  const rest = { ...writeSet };
  for (const name of names) {
    const rows: readonly object[] = writeSet[name];
    if (rows.length < packedMin) continue;
    lists.set(name, packRows(rows as readonly AnyRow[])); // rows are plain data
    Object.assign(rest, { [name]: [] });
  }
  return { rest, lists };
}

/** One value of a list; booleans come back as 0 and 1. */
export function packedValue(field: PackedField, index: number): unknown {
  if ("numbers" in field) return field.numbers[index];
  if ("codes" in field) return field.words[field.codes[index] ?? 0];
  return field.values[index];
}

export function packedRow({ fields }: PackedList, index: number): AnyRow {
  return Object.fromEntries(fields.map((field) => [field.name, packedValue(field, index)]));
}

function packRows(rows: readonly AnyRow[]): PackedList {
  const fields = Object.entries(rows[0] ?? {}).map(([name, value]): PackedField => {
    if (typeof value === "number" || typeof value === "boolean") return packNumbers(name, rows);
    return typeof value === "string" ? packWords(name, rows) : packValues(name, rows);
  });
  return { count: rows.length, fields };
}

function packNumbers(name: string, rows: readonly AnyRow[]): PackedField {
  const numbers = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index++) numbers[index] = Number(rows[index]?.[name]);
  return { name, numbers };
}

function packWords(name: string, rows: readonly AnyRow[]): PackedField {
  const codes = new Uint8Array(rows.length);
  const words: string[] = [];
  const known = new Map<string, number>();
  for (let index = 0; index < rows.length; index++) {
    const word = String(rows[index]?.[name]);
    let code = known.get(word);
    if (code === undefined) {
      if (words.length === wordsMax) return packValues(name, rows);
      known.set(word, (code = words.push(word) - 1));
    }
    codes[index] = code;
  }
  return { name, codes, words };
}

function packValues(name: string, rows: readonly AnyRow[]): PackedField {
  return { name, values: rows.map((row) => row[name]) };
}
