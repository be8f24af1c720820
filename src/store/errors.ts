/**
 * Trouble with the store as one error type. Whoever asked decides: a retryable one is answered
 * UNAVAILABLE and tried again, the others need a person or are bugs of ours.
 */
import Database from "better-sqlite3";

export type StoreErrorCode =
  /** Another process writes, or something holds the database for longer than we wait. */
  | "locked"
  | "busy"
  | "disk_full"
  | "io"
  | "read_only"
  | "no_memory"
  /** What is at the path cannot be ours. */
  | "not_a_file"
  | "not_a_database"
  | "not_ours"
  | "foreign_owner"
  | "empty"
  | "log_without_database"
  | "wrong_version"
  | "damaged"
  /** A row that the schema refuses: our bug. */
  | "invalid_row"
  | "bad_query"
  | "timeout"
  | "closed";

const retryableCodes: ReadonlySet<StoreErrorCode> = new Set([
  "locked",
  "busy",
  "disk_full",
  "io",
  "read_only",
  "no_memory",
  "timeout",
]);

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StoreError";
    this.code = code;
  }

  /** The same request may succeed later without anybody's change to it. */
  get retryable(): boolean {
    return retryableCodes.has(this.code);
  }
}

/** Primary result codes; extended ones (`SQLITE_IOERR_WRITE`) begin with these. */
const codeOfPrefix: readonly (readonly [string, StoreErrorCode])[] = [
  ["SQLITE_BUSY", "busy"],
  ["SQLITE_LOCKED", "busy"],
  ["SQLITE_PROTOCOL", "busy"],
  ["SQLITE_FULL", "disk_full"],
  ["SQLITE_IOERR", "io"],
  ["SQLITE_CANTOPEN", "io"],
  ["SQLITE_READONLY", "read_only"],
  ["SQLITE_PERM", "read_only"],
  ["SQLITE_NOMEM", "no_memory"],
  ["SQLITE_CORRUPT", "damaged"],
  ["SQLITE_NOTADB", "not_a_database"],
  ["EACCES", "read_only"],
  ["EPERM", "read_only"],
  ["EROFS", "read_only"],
  ["ENOSPC", "disk_full"],
  ["EDQUOT", "disk_full"],
];

function codeOf(error: unknown): StoreErrorCode {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  for (const [prefix, storeCode] of codeOfPrefix) if (code.startsWith(prefix)) return storeCode;
  // The driver's TypeError and RangeError, or a constraint: a value that no column takes.
  if (error instanceof Database.SqliteError || code === "") return "invalid_row";
  return "io"; // an errno of the file system
}

/** Wraps what the driver or the file system threw; `what` reads `cannot commit …`. */
export function toStoreError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new StoreError(codeOf(error), `${what}: ${why}`, error);
}
