/**
 * What one object has listed through time: the addresses of a Service, the endpoints of a slice. Every
 * word about the object tells which it had then, in any order; from the words follows from when to when
 * each was listed. It does not know what the items mean.
 */
import { usPerMinute, type Us } from "../model/time.ts";

/** First and last word that had the item, and the first later word that had not (0 = none). */
interface Span {
  firstUs: Us;
  lastUs: Us;
  endUs: Us;
}

/** As rows keep it. */
export interface StoredHoldings {
  readonly times: readonly Us[];
  readonly items: readonly (readonly [item: string, firstUs: Us, lastUs: Us, endUs: Us])[];
}

/** Words whose times are remembered; what ended before the oldest of them has its end by then. */
const timesMax = 128;
/** Longer than connections wait for a verdict. */
const endedKeptUs = 30 * usPerMinute;
/** A slice of Kubernetes has at most 1,000 endpoints at a time. */
const itemsMax = 3_000;

export class Holdings {
  /** Rising. */
  readonly #times: Us[] = [];
  readonly #items = new Map<string, Span>();
  #dropped = 0;

  get dropped(): number {
    return this.#dropped;
  }

  get items(): Iterable<string> {
    return this.#items.keys();
  }

  /** At that time the object had these items and no others; true when an item is new. */
  seen(items: Iterable<string>, atUs: Us): boolean {
    this.#addTime(atUs);
    let isNews = false;
    for (const item of items) {
      const span = this.#items.get(item);
      if (span) widen(span, atUs);
      else if (this.#hasRoom()) {
        this.#items.set(item, { firstUs: atUs, lastUs: atUs, endUs: 0 });
        isNews = true;
      } else this.#dropped++;
    }
    return isNews;
  }

  /** As if nothing had ever been said. What was is still among `items`: others know of it. */
  unsay(): void {
    this.#times.length = 0;
    for (const item of this.#items.keys()) this.#items.set(item, unsaid());
  }

  /** Whether it was listed at that time, the span being widened by so much on either side. */
  isHeld(item: string, atUs: Us, beforeUs: Us, afterUs: Us): boolean {
    const span = this.#items.get(item);
    if (!span || atUs < span.firstUs - beforeUs) return false;
    const endUs = this.#endOf(span);
    return endUs === 0 || atUs <= endUs + afterUs;
  }

  /** When it was first listed; only of what is held. */
  firstUs(item: string): Us {
    return this.#items.get(item)?.firstUs ?? 0;
  }

  toStored(): StoredHoldings {
    const items = [...this.#items]
      .filter(([, { firstUs }]) => firstUs !== Infinity)
      .map(([item, { firstUs, lastUs, endUs }]) => [item, firstUs, lastUs, endUs] as const);
    return { times: [...this.#times], items };
  }

  restore(stored: StoredHoldings): void {
    this.#times.push(...stored.times);
    for (const [item, firstUs, lastUs, endUs] of stored.items) {
      this.#items.set(item, { firstUs, lastUs, endUs });
    }
  }

  #endOf({ lastUs, endUs }: Span): Us {
    if (endUs > 0) return endUs;
    const times = this.#times;
    // Most are still listed: the newest word had them.
    if (lastUs >= (times.at(-1) ?? 0)) return 0;
    return times.find((atUs) => atUs > lastUs) ?? 0;
  }

  #addTime(atUs: Us): void {
    const times = this.#times;
    const after = times.findLastIndex((one) => one <= atUs);
    if (times[after] === atUs) return;
    times.splice(after + 1, 0, atUs);
    if (times.length > timesMax) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const oldestUs = this.#times.shift() ?? 0;
    const boundUs = (this.#times.at(-1) ?? 0) - endedKeptUs;
    for (const [item, span] of this.#items) {
      if (span.endUs === 0 && span.lastUs < oldestUs) span.endUs = oldestUs;
      if (span.endUs > 0 && span.endUs < boundUs) this.#items.delete(item);
    }
  }

  /** Makes room by forgetting what ended first. */
  #hasRoom(): boolean {
    if (this.#items.size < itemsMax) return true;
    let first = "";
    let firstUs = Infinity;
    for (const [item, span] of this.#items) {
      const endUs = this.#endOf(span);
      if (endUs > 0 && endUs < firstUs) [first, firstUs] = [item, endUs];
    }
    return this.#items.delete(first);
  }
}

/** Held at no time, until a word says otherwise. */
function unsaid(): Span {
  return { firstUs: Infinity, lastUs: 0, endUs: 0 };
}

function widen(span: Span, atUs: Us): void {
  if (atUs < span.firstUs) span.firstUs = atUs;
  if (atUs <= span.lastUs) return;
  span.lastUs = atUs;
  if (atUs > span.endUs) span.endUs = 0;
}
