/**
 * One text, list or observer for equal ones: what facets say in words, a hundred others of the same ends
 * say as well. Who is handed one does not change it. Forgetting is always right and only costs memory:
 * when full it starts anew.
 */
import type { Observer } from "../model/changes.ts";
import type { SourceKind } from "../model/observations.ts";

/** Some 10 MB each, were all of them in use. */
const textsMax = 200_000;
const listsMax = 100_000;
const observersMax = 100_000;

export class SharedWords {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();
  readonly #observers = new Map<string, Observer>();
  readonly #ofTags = new Map<string, readonly string[]>();

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    return remember(this.#texts, textsMax, text, text);
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

  /** The list of the one word that stands after the tag's prefix. */
  listOfTag(tag: string, prefix: string): readonly string[] {
    const known = this.#ofTags.get(tag);
    if (known) return known;
    return remember(this.#ofTags, listsMax, tag, this.list([tag.slice(prefix.length)]));
  }

  /** Of a source tag: `source:kind|key`. */
  observer(tag: string): Observer {
    const known = this.#observers.get(tag);
    if (known) return known;
    const from = tag.indexOf(":") + 1;
    const at = tag.indexOf("|");
    const kind = tag.slice(from, at) as SourceKind; // `sourceTag` wrote it
    return remember(this.#observers, observersMax, tag, { kind, key: tag.slice(at + 1) });
  }
}

function remember<T>(map: Map<string, T>, max: number, key: string, value: T): T {
  if (map.size >= max) map.clear();
  map.set(key, value);
  return value;
}

const none: readonly never[] = [];
