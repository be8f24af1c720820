/**
 * One writer per store. The lock is an open write transaction on a small database beside the store's
 * (`<path>.lock`): the operating system drops it when the process dies, however it dies, so nothing is
 * ever cleaned by hand, and readers of the store never touch it. SQLite's own exclusive locking mode
 * would do the same but shut out readers. Holds on local file systems only, as does WAL.
 */
import Database from "better-sqlite3";
import { closeSync, constants, openSync } from "node:fs";
import { StoreError, toStoreError } from "./errors.ts";

export interface StoreLock {
  release(): void;
}

/** Throws `locked`, naming the holder's process id where it can be read. */
export function takeStoreLock(path: string): StoreLock {
  const lockPath = `${path}.lock`;
  let lock: Database.Database | undefined;
  try {
    createPrivateFile(lockPath);
    lock = new Database(lockPath, { timeout: 0 });
    lock.pragma("synchronous = OFF"); // what it says matters only while its holder lives
    begin(lock, path);
    // The holder's id is for the next one's error message alone; it decides nothing. Storing it ends
    // the transaction, so another process may step in here: then that one has the lock.
    lock.pragma(`user_version = ${process.pid}`);
    lock.exec("COMMIT");
    begin(lock, path);
  } catch (error) {
    lock?.close();
    throw toStoreError(error, `cannot lock the store "${path}" by "${lockPath}"`);
  }
  const held = lock;
  return { release: () => held.close() };
}

function begin(lock: Database.Database, path: string): void {
  try {
    lock.exec("BEGIN IMMEDIATE");
  } catch (error) {
    if (!(error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")))
      throw error;
    throw new StoreError(
      "locked",
      `cannot open the store "${path}": ${holder(lock)} writes to it; ` +
        "stop that one, or give this one its own store.path",
      error,
    );
  }
}

function holder(lock: Database.Database): string {
  try {
    const pid = lock.pragma("user_version", { simple: true });
    return pid === 0 ? "another process" : `another process (pid ${String(pid)})`;
  } catch {
    return "another process"; // it is just writing its id
  }
}

/** An empty file of mode 0600 unless it exists; never follows a symbolic link. */
function createPrivateFile(path: string): void {
  closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
}
