/**
 * Files whose contents are used together, as a certificate with its key, read again and again: what has
 * changed is used, and what cannot be used is told of while the old contents stay. It compares contents,
 * not times: a swapped symbolic link, a file written twice within a second and half of a pair are the same
 * to it.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

export interface FileGroup {
  readonly paths: readonly string[];
  /** Takes the contents, in the order of the paths; throws, and then changes nothing. */
  readonly use: (texts: readonly string[]) => void;
  readonly changed: () => void;
  readonly kept: (why: string) => void;
}

interface Watched extends FileGroup {
  used: string;
  /** What was last told of as no good; null = nothing since all was well. */
  refused: string | null;
}

const checkEveryMs = 1_000;

export class FileWatch implements Disposable {
  readonly #groups = new Set<Watched>();
  readonly #timer: NodeJS.Timeout;
  #checking: Promise<void> | null = null;

  constructor(everyMs = checkEveryMs) {
    this.#timer = setInterval(() => void this.check(), everyMs);
    this.#timer.unref();
  }

  /** Reads and uses them at once, and throws when they cannot be; the returned function ends it. */
  add(group: FileGroup): () => void {
    const texts = group.paths.map((path) => readFileSync(path, "utf8"));
    group.use(texts);
    const watched = { ...group, used: keyOf(texts), refused: null };
    this.#groups.add(watched);
    return () => void this.#groups.delete(watched);
  }

  /** Looks now; resolves when all are read. */
  check(): Promise<void> {
    this.#checking ??= this.#checkAll().finally(() => (this.#checking = null));
    return this.#checking;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#groups.clear();
  }

  async #checkAll(): Promise<void> {
    for (const group of this.#groups) {
      try {
        const texts = await Promise.all(group.paths.map((path) => readFile(path, "utf8")));
        if (this.#groups.has(group)) compare(group, texts);
      } catch (error) {
        refuse(group, `cannot read: ${String(error)}`, error);
      }
    }
  }
}

function compare(group: Watched, texts: readonly string[]): void {
  const key = keyOf(texts);
  if (key === group.used) {
    group.refused = null;
    return;
  }
  if (key === group.refused) return;
  try {
    group.use(texts);
    group.used = key;
    group.refused = null;
    group.changed();
  } catch (error) {
    refuse(group, key, error);
  }
}

/** Once for the same contents, or the same trouble in reading them. */
function refuse(group: Watched, key: string, error: unknown): void {
  if (group.refused === key) return;
  group.refused = key;
  group.kept(error instanceof Error ? error.message : String(error));
}

const keyOf = (texts: readonly string[]): string => texts.join("\0");
