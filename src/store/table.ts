/**
 * One table of a write-set: how its rows are written and read back. A row is bound as it is, its fields
 * being the statement's named parameters, so that SQL and row type are compared by name and never by
 * position (1.5 µs a row dearer than positions). SQLite has no booleans, so `booleans`
 * names these fields. Hashes and addresses turn to bytes in the SQL.
 */
import type { WriteSet } from "../model/rows.ts";

type Lists = Omit<WriteSet, "seq" | "atUs" | "isWhole">;
export type TableName = keyof Lists;
export type Row<Name extends TableName> = Lists[Name][number];

export interface Table<Name extends TableName> {
  readonly name: Name;
  /** Inserts a row, or replaces the one of the same identity. */
  readonly write: string;
  /** All rows, columns named as the row's fields; null: history, which no stage is given back. */
  readonly read: string | null;
  /** The fields that are kept as 0 and 1. */
  readonly booleans?: readonly (keyof Row<Name>)[];
}

export type AnyTable = { [Name in TableName]: Table<Name> }[TableName];
