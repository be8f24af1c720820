/**
 * A table of records that wait for their counterparts: bounded as a whole and per workload, each record
 * leaving after its time. A flood evicts the flooding workload's own oldest records; the newest event
 * time lost that way is kept as the workload's horizon, since absence before it proves nothing.
 *
 * It knows nothing of what it holds; whoever owns it is told of every record that leaves.
 */
import type { Us } from "../model/time.ts";

export interface JoinEntry<T> {
  readonly id: string;
  readonly owner: string;
  value: T;
  /** Event time. */
  readonly atUs: Us;
  expiresUs: Us;
}

interface OwnerShare<T> {
  /** In order of arrival. */
  readonly entries: Set<JoinEntry<T>>;
  horizonUs: Us;
}

export class JoinTable<T> {
  readonly #max: number;
  readonly #ownerMax: number;
  /** So many go at once: finding the oldest costs more than letting go of the next ones. */
  readonly #step: number;
  readonly #onGone: (entry: JoinEntry<T>) => void;
  readonly #onFull: (owner: string) => void;
  /** In order of arrival, so that the first expires first. */
  readonly #entries = new Map<string, JoinEntry<T>>();
  readonly #owners = new Map<string, OwnerShare<T>>();
  #evicted = 0;

  /** `onFull` hears who has more records than his share. */
  constructor(
    max: number,
    workloadShare: number,
    onGone: (entry: JoinEntry<T>) => void,
    onFull: (owner: string) => void = () => {},
  ) {
    this.#max = max;
    this.#ownerMax = Math.max(1, Math.floor(max * workloadShare));
    this.#step = Math.max(1, Math.floor(this.#ownerMax / 64));
    this.#onGone = onGone;
    this.#onFull = onFull;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Records that left before their time. */
  get evicted(): number {
    return this.#evicted;
  }

  get(id: string): JoinEntry<T> | undefined {
    return this.#entries.get(id);
  }

  values(): IterableIterator<JoinEntry<T>> {
    return this.#entries.values();
  }

  /** The id must be new. */
  add(entry: JoinEntry<T>): void {
    let share = this.#owners.get(entry.owner);
    if (!share) this.#owners.set(entry.owner, (share = { entries: new Set(), horizonUs: 0 }));
    this.#entries.set(entry.id, entry);
    share.entries.add(entry);
    if (share.entries.size > this.#ownerMax) this.#evictOwn(entry.owner, share);
    else if (this.#entries.size > this.#max) this.#makeRoom(entry.owner, share);
  }

  /** Takes the record out without a word to its owner, who keeps it elsewhere. */
  take(id: string): JoinEntry<T> | undefined {
    const entry = this.#entries.get(id);
    if (entry) this.#drop(entry);
    return entry;
  }

  /** It has been heard of again: it leaves as one that came now. */
  renew(id: string, expiresUs: Us): void {
    const entry = this.#entries.get(id);
    const share = entry && this.#owners.get(entry.owner);
    if (!share) return;
    entry.expiresUs = expiresUs;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    share.entries.delete(entry);
    share.entries.add(entry);
  }

  expire(nowUs: Us): void {
    for (const entry of this.#entries.values()) {
      if (entry.expiresUs > nowUs) return;
      this.#remove(entry);
    }
  }

  /** Up to which event time records of this owner may be missing; 0 = none is. */
  horizonUs(owner: string): Us {
    return this.#owners.get(owner)?.horizonUs ?? 0;
  }

  /** The table is full: an owner above the fair share pays, else the oldest record goes. */
  #makeRoom(owner: string, share: OwnerShare<T>): void {
    // Without the newest record, which must not be the one that pays for itself.
    const isGreedy = (share.entries.size - 1) * this.#owners.size >= this.#max;
    if (isGreedy) this.#evictOwn(owner, share);
    else this.#evictFirst(this.#entries.values());
  }

  #evictOwn(owner: string, share: OwnerShare<T>): void {
    this.#onFull(owner);
    this.#evictFirst(share.entries);
  }

  #evictFirst(entries: Iterable<JoinEntry<T>>): void {
    let left = this.#step;
    for (const entry of entries) {
      if (left-- === 0) return;
      const share = this.#owners.get(entry.owner);
      if (share) share.horizonUs = Math.max(share.horizonUs, entry.atUs);
      this.#evicted++;
      this.#remove(entry);
    }
  }

  #remove(entry: JoinEntry<T>): void {
    this.#drop(entry);
    this.#onGone(entry);
  }

  #drop(entry: JoinEntry<T>): void {
    this.#entries.delete(entry.id);
    const share = this.#owners.get(entry.owner);
    share?.entries.delete(entry);
    if (share?.entries.size === 0) this.#owners.delete(entry.owner);
  }
}
