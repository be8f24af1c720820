/**
 * One tag or list for equal ones: what facets say in words, a hundred others of the same ends say as
 * well. Who is handed one does not change it. Forgetting is always right and only costs memory: when full
 * it starts anew.
 */
import { Tag } from "./tags.ts";

/** Some 30 MB of tags, were all of them in use, and 10 MB of lists. */
const tagsMax = 200_000;
const listsMax = 100_000;

export class SharedWords {
  readonly #tags = new Map<string, Tag>();
  readonly #lists = new Map<string, readonly string[]>();

  tag(text: string): Tag {
    return this.#tags.get(text) ?? remember(this.#tags, tagsMax, text, new Tag(text));
  }

  list(words: readonly string[]): readonly string[] {
    if (words.length === 0) return none;
    const key = words.join("\n");
    const known = this.#lists.get(key);
    // Words come from anywhere, line breaks among them: two lists may have one key.
    if (known?.length === words.length && known.every((word, at) => word === words[at])) {
      return known;
    }
    return remember(this.#lists, listsMax, key, [...words]);
  }
}

function remember<T>(map: Map<string, T>, max: number, key: string, value: T): T {
  if (map.size >= max) map.clear();
  map.set(key, value);
  return value;
}

const none: readonly never[] = [];
