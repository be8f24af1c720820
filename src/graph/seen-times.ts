/**
 * First and last time at which something was seen, by key. Bounded, and so is what one owner of keys may
 * fill: whose keys found no room, or had to leave, is known, since their absence says nothing any more.
 */
import { usPerMinute, type Us } from "../model/time.ts";

const keysMax = 40_000;
const ownersMax = 10_000;

interface Times {
  readonly owner: string;
  firstUs: Us;
  lastUs: Us;
}

export class SeenTimes {
  readonly #reachUs: Us;
  readonly #share: number;
  /** In the order in which they were last seen, give or take a minute. */
  readonly #times = new Map<string, Times>();
  readonly #counts = new Map<string, number>();
  /** By owner, the latest time of a key that is not kept. */
  readonly #lost = new Map<string, Us>();
  /** The same of owners that are not kept either. */
  #lostUs: Us = -Infinity;
  #dropped = 0;

  /** What was seen farther than `reachUs` from a time says nothing of it; an owner has `share` keys at most. */
  constructor(reachUs: Us, share = Infinity) {
    this.#reachUs = reachUs;
    this.#share = share;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** `nowUs`: ours, since a sender's clock must not make others' keys old. */
  note(key: string, atUs: Us, owner = "", nowUs: Us = 0): void {
    const known = this.#times.get(key);
    if (known) {
      if (atUs >= known.lastUs + usPerMinute) {
        this.#times.delete(key);
        this.#times.set(key, known);
      }
      known.firstUs = Math.min(known.firstUs, atUs);
      known.lastUs = Math.max(known.lastUs, atUs);
      return;
    }
    this.#dropOld(nowUs);
    const count = this.#counts.get(owner) ?? 0;
    if (count >= this.#share) return this.#lose(owner, atUs);
    if (this.#times.size >= keysMax) this.#dropFirst(true);
    this.#times.set(key, { owner, firstUs: atUs, lastUs: atUs });
    this.#counts.set(owner, (this.#counts.get(owner) ?? 0) + 1);
  }

  isNear(key: string, atUs: Us): boolean {
    const known = this.#times.get(key);
    if (!known) return false;
    return known.firstUs <= atUs + this.#reachUs && known.lastUs >= atUs - this.#reachUs;
  }

  /** Whether a key of the owner that was seen near that time may be missing: `isNear` denies nothing then. */
  isForgotten(owner: string, atUs: Us): boolean {
    return Math.max(this.#lost.get(owner) ?? -Infinity, this.#lostUs) >= atUs - this.#reachUs;
  }

  /** What is out of reach of all that can still be asked. */
  #dropOld(nowUs: Us): void {
    for (let left = 2; left > 0; left--) {
      const [first] = this.#times.values();
      if (!first || first.lastUs >= nowUs - 3 * this.#reachUs) return;
      this.#dropFirst(false);
    }
  }

  #dropFirst(isLoss: boolean): void {
    for (const [key, { owner, lastUs }] of this.#times) {
      this.#times.delete(key);
      const count = (this.#counts.get(owner) ?? 0) - 1;
      if (count > 0) this.#counts.set(owner, count);
      else this.#counts.delete(owner);
      if (isLoss) this.#lose(owner, lastUs);
      return;
    }
  }

  #lose(owner: string, atUs: Us): void {
    this.#dropped++;
    const beforeUs = this.#lost.get(owner) ?? -Infinity;
    this.#lost.delete(owner);
    this.#lost.set(owner, Math.max(beforeUs, atUs));
    if (this.#lost.size <= ownersMax) return;
    for (const [oldest, lostUs] of this.#lost) {
      this.#lost.delete(oldest);
      this.#lostUs = Math.max(this.#lostUs, lostUs);
      return;
    }
  }
}
