/**
 * A map that mostly stays empty: an empty `Map` costs some 200 bytes, and there are hundreds of thousands
 * of them. What is not offered here is not needed yet.
 */
export class LazyMap<K, V> {
  #map: Map<K, V> | null = null;

  get size(): number {
    return this.#map?.size ?? 0;
  }

  get(key: K): V | undefined {
    return this.#map?.get(key);
  }

  set(key: K, value: V): void {
    (this.#map ??= new Map()).set(key, value);
  }

  /** The last entry takes the map with it. */
  delete(key: K): boolean {
    const isGone = this.#map?.delete(key) ?? false;
    if (this.#map?.size === 0) this.#map = null;
    return isGone;
  }

  keys(): Iterable<K> {
    return this.#map?.keys() ?? [];
  }

  values(): Iterable<V> {
    return this.#map?.values() ?? [];
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return (this.#map ?? none)[Symbol.iterator]() as Iterator<[K, V]>; // of an empty list nothing comes
  }
}

const none: readonly never[] = [];
