/**
 * Which sources are silent now, and what that means for the insights that hang on them. Bounded: a source
 * beyond the limit counts as heard, and the caller is told.
 */
import type { SourceChanged } from "../model/changes.ts";
import type { Us } from "../model/time.ts";
import type { Insight } from "./insight.ts";

export class Silences {
  readonly #silent = new Set<string>();
  readonly #max: number;
  readonly #dropped: () => void;

  /** `dropped` is told of each silent source for which there was no room. */
  constructor(max: number, dropped: () => void) {
    this.#max = max;
    this.#dropped = dropped;
  }

  /** By observer key. */
  get keys(): ReadonlySet<string> {
    return this.#silent;
  }

  restore(keys: readonly string[]): void {
    for (const key of keys) this.#silent.add(key);
  }

  /** Notes what a source is now; true when it was silent before. */
  note(key: string, state: SourceChanged["state"]): boolean {
    const wasSilent = this.#silent.delete(key);
    if (state === "silent") {
      if (this.#silent.size < this.#max) this.#silent.add(key);
      else this.#dropped();
    }
    return wasSilent;
  }

  /**
   * One of an insight's observers has changed. One that is gone has nothing more to say, and nobody
   * misses it.
   */
  apply(
    insight: Insight,
    key: string,
    state: SourceChanged["state"],
    wasSilent: boolean,
    nowUs: Us,
  ): void {
    if (state === "silent" || wasSilent) insight.blindUs = nowUs;
    if (state === "gone") insight.observers.delete(key);
    insight.isFrozen = insight.observers.size > 0 && this.#areAllSilent(insight);
  }

  hasSilent(insight: Insight): boolean {
    if (this.#silent.size === 0) return false;
    for (const key of insight.observers) if (this.#silent.has(key)) return true;
    return false;
  }

  #areAllSilent(insight: Insight): boolean {
    for (const key of insight.observers) if (!this.#silent.has(key)) return false;
    return true;
  }
}
