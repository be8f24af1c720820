/**
 * A copy of the store beside a running engine: one committed state, checked and synced before it gets
 * its name. While it runs, the engine's write-ahead log grows by what is committed meanwhile.
 */
import Database from "better-sqlite3";
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError, toStoreError } from "./errors.ts";
import { openReadOnly } from "./reader.ts";

/** 8 MiB of pages of 4 KiB between two looks at progress and signal. */
const pagesPerStep = 2_048;

export interface BackupOptions {
  /** The running or stopped engine's database. */
  readonly from: string;
  /** Must not exist; its folder must. */
  readonly to: string;
  /** Told after each step, from 0 to 1. */
  readonly progress: (share: number) => void;
  /** Aborted: the copy so far is removed. */
  readonly signal: AbortSignal;
}

/** Resolves with the size in bytes; rejects with a StoreError, and then nothing is left at `to`. */
export async function backUpStore(options: BackupOptions): Promise<number> {
  const { from, to } = options;
  const what = `cannot back up the store "${from}" to "${to}"`;
  if (existsSync(to)) throw new StoreError("io", `${what}: the file exists; choose another name`);
  const draft = `${to}.new`;
  try {
    removeDraft(draft);
    closeSync(openSync(draft, "wx", 0o600));
    chmodSync(draft, 0o600); // whatever the umask
    await copyPages(options, draft);
    checkCopy(draft);
    syncPath(draft);
    renameSync(draft, to);
    syncPath(dirname(to));
    return statSync(to).size;
  } catch (error) {
    removeDraft(draft);
    throw toStoreError(error, what);
  }
}

/**
 * From inside one read transaction: SQLite begins a copy anew whenever its source has changed, and an
 * engine changes it many times a second.
 */
async function copyPages({ from, progress, signal }: BackupOptions, to: string): Promise<void> {
  const source = openReadOnly(from);
  try {
    source.exec("BEGIN");
    source.prepare("SELECT id FROM meta").get();
    await source.backup(to, {
      progress({ totalPages, remainingPages }) {
        if (signal.aborted) throw new StoreError("closed", "stopped before the copy was complete");
        progress(1 - remainingPages / Math.max(1, totalPages));
        return pagesPerStep;
      },
    });
  } finally {
    source.close();
  }
}

/** Also makes it one file without a log, which may be moved and read anywhere. */
function checkCopy(path: string): void {
  const copy = new Database(path, { fileMustExist: true });
  try {
    copy.pragma("journal_mode = DELETE");
    const result = copy.pragma("quick_check(1)", { simple: true });
    if (result !== "ok") {
      throw new StoreError("damaged", `the copy is damaged, so the store is: ${String(result)}`);
    }
  } finally {
    copy.close();
  }
}

function removeDraft(draft: string): void {
  for (const suffix of ["", "-journal", "-wal", "-shm"])
    rmSync(`${draft}${suffix}`, { force: true });
}

function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
