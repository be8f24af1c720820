/** Which items wait for news of what: each under the keys that it was last given. Bounded by the items. */
export class Awaited<T> {
  readonly #items = new Map<string, Set<T>>();
  readonly #keys = new Map<T, readonly string[]>();

  get size(): number {
    return this.#keys.size;
  }

  has(key: string): boolean {
    return this.#items.has(key);
  }

  keys(): readonly string[] {
    return [...this.#items.keys()];
  }

  /** A copy: what is judged may leave, or come. */
  of(key: string): readonly T[] {
    return [...(this.#items.get(key) ?? [])];
  }

  /** The item waits for these and nothing else; for none, it waits no more. */
  set(item: T, keys: readonly string[]): void {
    const before = this.#keys.get(item) ?? [];
    if (before.length === keys.length && before.every((key, at) => key === keys[at])) return;
    for (const key of before) {
      const items = this.#items.get(key);
      items?.delete(item);
      if (items?.size === 0) this.#items.delete(key);
    }
    if (keys.length === 0) this.#keys.delete(item);
    else this.#keys.set(item, keys);
    for (const key of keys) {
      const items = this.#items.get(key);
      if (items) items.add(item);
      else this.#items.set(key, new Set([item]));
    }
  }
}
