/**
 * Facets with traffic that no roll-up holds yet. Each is due once a minute at a second of its own, so
 * they stand by that second: a commit looks at those whose second it is, and not at all 200,000.
 */
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { FacetLedger } from "./facet-ledger.ts";

/** Roll-ups of more facets than this wait for their minute; fewer cost nothing at once. */
const atOnceMax = 200;
const seconds = 60;
const rollEveryUs = usPerMinute;

/** What of a facet matters here. */
interface Rolled {
  readonly id: number;
  /** In the ledger. */
  readonly place: number;
}

/** Whether roll-ups last written then are to be written now, when `waiting` facets have any to write. */
export function isRollDue(id: number, rolledUs: Us, waiting: number, nowUs: Us): boolean {
  return waiting <= atOnceMax || minuteOf(id, rolledUs) !== minuteOf(id, nowUs);
}

/** The minutes of a facet begin at its own second. */
function minuteOf(id: number, atUs: Us): number {
  return Math.floor((atUs + (id % seconds) * usPerSecond) / rollEveryUs);
}

export class Unrolled<Facet extends Rolled> {
  /** By the facet's second. */
  readonly #all = Array.from({ length: seconds }, () => new Set<Facet>());
  #size = 0;
  #lookedUs: Us = 0;

  get size(): number {
    return this.#size;
  }

  has(facet: Facet): boolean {
    return this.#of(facet)?.has(facet) ?? false;
  }

  add(facet: Facet): void {
    const all = this.#of(facet);
    this.#size -= all?.size ?? 0;
    all?.add(facet);
    this.#size += all?.size ?? 0;
  }

  delete(facet: Facet): void {
    if (this.#of(facet)?.delete(facet)) this.#size--;
  }

  /** Those that are due are in here no more. */
  takeDue(ledger: FacetLedger, waiting: number, nowUs: Us): Facet[] {
    const due: Facet[] = [];
    const sinceUs = this.#lookedUs;
    this.#lookedUs = nowUs;
    for (const [second, all] of this.#all.entries()) {
      // No minute of theirs has begun since: whoever was due then is not here any more.
      if (waiting > atOnceMax && minuteOf(second, sinceUs) === minuteOf(second, nowUs)) continue;
      for (const facet of all) {
        if (isRollDue(facet.id, ledger.rolledUs(facet.place), waiting, nowUs)) due.push(facet);
      }
    }
    for (const facet of due) this.delete(facet);
    return due;
  }

  #of(facet: Facet): Set<Facet> | undefined {
    return this.#all[facet.id % seconds];
  }
}
