/**
 * A list by small, dense numbers that grows by pages: an array that grows keeps up to half as much again
 * unused, and one that is written far beyond its end becomes a dictionary.
 */

const pageLength = 1_024;

export class PagedList<T> {
  readonly #pages: (T | undefined)[][] = [];

  /** Undefined = nothing was set. */
  get(index: number): T | undefined {
    return this.#pages[Math.floor(index / pageLength)]?.[index % pageLength];
  }

  set(index: number, value: T): void {
    const page = Math.floor(index / pageLength);
    while (this.#pages.length <= page) {
      this.#pages.push(Array.from({ length: pageLength }, () => undefined));
    }
    const values = this.#pages[page];
    if (values) values[index % pageLength] = value;
  }
}
