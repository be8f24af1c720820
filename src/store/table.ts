/**
 * One table of a write-set: how its rows are written and read back. A row is bound as it is, its fields
 * being the statement's named parameters, so that SQL and row type are compared by name and never by
 * position (1.5 µs a row dearer than positions; the tables that every commit fills pay for it with
 * `move`). SQLite has no booleans, so `booleans` names these fields. Hashes and addresses turn to bytes
 * in the SQL.
 */
import type { WriteSet } from "../model/rows.ts";

type Lists = Omit<WriteSet, "seq" | "atUs" | "isWhole" | "forgotten">;
export type TableName = keyof Lists;
export type Row<Name extends TableName> = Lists[Name][number];

export interface Table<Name extends TableName> {
  readonly name: Name;
  /** Inserts a row, or replaces the one of the same identity. */
  readonly write: string;
  /** All rows, columns named as the row's fields; null: history, which no stage is given back. */
  readonly read: string | null;
  /** Tried first, for rows that are most likely there: only what moves all the time is written. */
  readonly move?: Move<Row<Name>>;
  /** The fields that are kept as 0 and 1. */
  readonly booleans?: readonly (keyof Row<Name>)[];
}

export interface Move<AnyRow> {
  /** An UPDATE of one row; where it finds none, `write` follows. */
  readonly sql: string;
  /** Its parameters, by position. */
  readonly fields: readonly (keyof AnyRow & string)[];
  /** A row in which this text is not empty has more to say. */
  readonly unless?: keyof AnyRow & string;
}

export type AnyTable = { [Name in TableName]: Table<Name> }[TableName];
