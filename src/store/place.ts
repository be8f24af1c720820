/**
 * Looks at the folder and file of a store before SQLite touches them, since SQLite would take an empty
 * file for an empty database, replay a stranger's log into a new one, and follow symbolic links.
 * Refuses what cannot be ours; never deletes or replaces anything that it did not write itself.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { dirname } from "node:path";
import { StoreError, toStoreError } from "./errors.ts";
import type { StoreErrorCode } from "./errors.ts";

/** `MINS`: `PRAGMA application_id` of every store, checked before anything is read from one. */
export const applicationId = 0x4d494e53;

/** Bits that let group or others in. */
const othersMode = 0o077;

export function refuse(code: StoreErrorCode, path: string, why: string, whatToDo: string): never {
  throw new StoreError(code, `cannot open the store "${path}": ${why}; ${whatToDo}`);
}

/**
 * Makes the store's folder with mode 0700. An existing wider one is left as it is, since it may hold
 * other things or be a volume that the cluster prepared; the files inside are 0600 whatever the folder
 * allows. Returns what a person should know.
 */
export function prepareFolder(path: string): readonly string[] {
  const folder = dirname(path);
  let mode: number;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    mode = statSync(folder).mode & 0o777;
  } catch (error) {
    throw toStoreError(error, `cannot create the store's folder "${folder}"`);
  }
  if ((mode & othersMode) === 0) return [];
  return [
    `the store's folder "${folder}" has mode ${mode.toString(8)}: others on this machine can list or ` +
      "replace its files; make it 700",
  ];
}

/** Whether a database of ours is at `path`; throws when anything else is. */
export function findDatabase(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    refuseLogWithoutDatabase(path);
    return false;
  }
  refuseForeignFile(path, stats);
  checkHeader(path);
  // Only once it is known to be ours: a stranger's file keeps its mode too.
  if ((stats.mode & othersMode) !== 0) chmodSync(path, 0o600);
  return true;
}

function refuseLogWithoutDatabase(path: string): void {
  if (!existsSync(`${path}-wal`)) return;
  refuse(
    "log_without_database",
    path,
    `the database is gone but its log "${path}-wal" is there`,
    "put the database back, or remove the log to begin with an empty store",
  );
}

function refuseForeignFile(path: string, stats: Stats): void {
  if (!stats.isFile()) {
    const kind = stats.isDirectory() ? "a directory" : "no regular file (a link or a device)";
    refuse("not_a_file", path, `it is ${kind}`, "name a file in store.path");
  }
  if (stats.uid !== process.getuid?.()) {
    refuse(
      "foreign_owner",
      path,
      `it belongs to user ${stats.uid}`,
      `run as that user, or change the owner to ${process.getuid?.()}`,
    );
  }
}

/**
 * The first 100 bytes of the file format (https://www.sqlite.org/fileformat2.html#the_database_header):
 * 16 bytes of magic; application_id as a big-endian 32-bit number at 68. They are in the file itself
 * and never only in the log, because a new store is checkpointed before it gets its name.
 */
function checkHeader(path: string): void {
  const header = readHeader(path);
  const elsewhere = "name another file in store.path, or move this one away";
  if (header.length === 0) {
    refuse("empty", path, "the file is empty", "restore a backup, or remove it to begin anew");
  }
  if (header.length < 100 || header.toString("latin1", 0, 16) !== "SQLite format 3\0") {
    refuse("not_a_database", path, "it is not an SQLite database", elsewhere);
  }
  if (header.readUInt32BE(68) !== applicationId) {
    refuse("not_ours", path, "it is a database of another program", elsewhere);
  }
}

function readHeader(path: string): Buffer {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const header = Buffer.alloc(100);
      return header.subarray(0, readSync(file, header, 0, 100, 0));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw toStoreError(error, `cannot read the store "${path}"`);
  }
}
