/**
 * Counted words, a few for nearly everybody: a list of pairs takes half of what a `Map` does, and finds
 * one of six as fast. Beyond `listMax` it is a map. The order is that of first mention.
 */

/** More are no longer found fast one after the other. */
const listMax = 16;

export class TagCounts {
  /** Word, count, word, count; null while there is a map. */
  #list: readonly (string | number)[] | null = none;
  #map: Map<string, number> | null = null;

  get size(): number {
    return this.#map?.size ?? (this.#list?.length ?? 0) / 2;
  }

  has(tag: string): boolean {
    return this.#map ? this.#map.has(tag) : indexOf(this.#list ?? none, tag) >= 0;
  }

  get(tag: string): number | undefined {
    if (this.#map) return this.#map.get(tag);
    const at = indexOf(this.#list ?? none, tag);
    return at < 0 ? undefined : Number(this.#list?.[at + 1]);
  }

  set(tag: string, count: number): void {
    if (this.#map) {
      this.#map.set(tag, count);
      return;
    }
    const list = this.#list ?? none;
    const at = indexOf(this.#list ?? none, tag);
    // A list of its own each time, of just that length: one that grows keeps room for more.
    if (at >= 0) this.#list = list.with(at + 1, count);
    else if (list.length < listMax * 2) this.#list = list.concat([tag, count]);
    else {
      this.#map = new Map([...this, [tag, count]]);
      this.#list = null;
    }
  }

  delete(tag: string): boolean {
    if (this.#map) return this.#map.delete(tag);
    const at = indexOf(this.#list ?? none, tag);
    if (at >= 0) this.#list = (this.#list ?? none).toSpliced(at, 2);
    return at >= 0;
  }

  hasPrefix(prefix: string): boolean {
    return this.keys().some((tag) => tag.startsWith(prefix));
  }

  keys(): string[] {
    if (this.#map) return [...this.#map.keys()];
    const list = this.#list ?? none;
    const tags: string[] = [];
    for (let at = 0; at < list.length; at += 2) tags.push(String(list[at]));
    return tags;
  }

  *[Symbol.iterator](): Iterator<[string, number]> {
    if (this.#map) yield* this.#map;
    const list = this.#list ?? none;
    for (let at = 0; at < list.length; at += 2) yield [String(list[at]), Number(list[at + 1])];
  }
}

/** No private method: each object of a class that has any holds a mark of it. */
function indexOf(list: readonly (string | number)[], tag: string): number {
  for (let at = 0; at < list.length; at += 2) if (list[at] === tag) return at;
  return -1;
}

const none: readonly never[] = [];
