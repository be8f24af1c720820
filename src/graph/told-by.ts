/**
 * Who was told of by which source: when a source falls silent or speaks again, those alone are looked at,
 * and not the whole graph for every source that turns. Bounded by the tags of what it holds.
 */
import { FewSet } from "../lib/few-set.ts";

/** How tags that name a source begin. */
const prefix = "source:";

export class ToldBy<T extends object> {
  readonly #byTag = new Map<string, FewSet<T>>();

  /** Other tags than those that name a source are left out. */
  add(one: T, tag: string): void {
    if (!tag.startsWith(prefix)) return;
    let all = this.#byTag.get(tag);
    if (!all) this.#byTag.set(tag, (all = new FewSet()));
    all.add(one);
  }

  remove(one: T, tag: string): void {
    const all = this.#byTag.get(tag);
    all?.delete(one);
    if (all?.size === 0) this.#byTag.delete(tag);
  }

  with(tag: string): Iterable<T> {
    return this.#byTag.get(tag) ?? [];
  }
}
