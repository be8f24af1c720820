/**
 * A set of a few for nearly everybody: a list takes a third of what a `Set` does, and one alone needs no
 * list. Beyond `listMax` it is a `Set`. In the order of adding. Who walks over it while it changes sees what
 * it was, or what it is.
 */

/** A longer list is dear to change, as each change makes another one of just that length. */
const listMax = 32;

export class FewSet<T extends object | string | number> {
  /** Where there is one alone; `#all` is empty then. */
  #only: T | undefined = undefined;
  #all: readonly T[] | Set<T> = none;

  get size(): number {
    if (this.#only !== undefined) return 1;
    return isSet(this.#all) ? this.#all.size : this.#all.length;
  }

  has(one: T): boolean {
    if (this.#only !== undefined) return this.#only === one;
    return isSet(this.#all) ? this.#all.has(one) : this.#all.includes(one);
  }

  add(one: T): void {
    const all = this.#all;
    if (isSet(all)) all.add(one);
    else if (this.has(one)) return;
    else if (this.#only !== undefined) {
      this.#all = [this.#only, one];
      this.#only = undefined;
    } else if (all.length === 0) this.#only = one;
    else this.#all = all.length < listMax ? all.concat([one]) : new Set([...all, one]);
  }

  /** False = it was not in the set. */
  delete(one: T): boolean {
    const all = this.#all;
    if (isSet(all)) return all.delete(one);
    if (this.#only === one) {
      this.#only = undefined;
      return true;
    }
    const at = all.indexOf(one);
    if (at < 0) return false;
    const left = all.toSpliced(at, 1);
    this.#only = left.length === 1 ? left[0] : undefined;
    this.#all = left.length === 1 ? none : left;
    return true;
  }

  [Symbol.iterator](): Iterator<T> {
    if (this.#only !== undefined) return [this.#only][Symbol.iterator]();
    return this.#all[Symbol.iterator]();
  }
}

function isSet<T>(all: readonly T[] | Set<T>): all is Set<T> {
  return all instanceof Set;
}

const none: readonly never[] = [];
