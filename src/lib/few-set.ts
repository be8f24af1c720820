/**
 * A set of a few for nearly everybody: a list takes a third of what a `Set` does. Beyond `listMax` it is
 * a `Set`. In the order of adding. Who walks over it while it changes sees what it was, or what it is.
 */

/** A longer list is dear to change, as each change makes another one of just that length. */
const listMax = 32;

export class FewSet<T> {
  #all: readonly T[] | Set<T> = none;

  get size(): number {
    return isSet(this.#all) ? this.#all.size : this.#all.length;
  }

  has(one: T): boolean {
    return isSet(this.#all) ? this.#all.has(one) : this.#all.includes(one);
  }

  add(one: T): void {
    const all = this.#all;
    if (isSet(all)) all.add(one);
    else if (all.includes(one)) return;
    else this.#all = all.length < listMax ? all.concat([one]) : new Set([...all, one]);
  }

  /** False = it was not in the set. */
  delete(one: T): boolean {
    const all = this.#all;
    if (isSet(all)) return all.delete(one);
    const at = all.indexOf(one);
    if (at >= 0) this.#all = all.toSpliced(at, 1);
    return at >= 0;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#all[Symbol.iterator]();
  }
}

function isSet<T>(all: readonly T[] | Set<T>): all is Set<T> {
  return all instanceof Set;
}

const none: readonly never[] = [];
