/**
 * How many bytes of requests may be in memory at once, over all senders. When there is no room, the
 * sender that holds most for unfinished requests loses its largest one: so many half-sent requests cost
 * who sent them, and a modest sender beside them is not turned away.
 */
import type { Sender } from "./fair-queue.ts";

export interface HoldOwner {
  /** Called when the hold is taken back; it is released already. */
  evicted(): void;
}

/** The memory of one request. */
export class Hold {
  readonly sender: Sender;
  readonly owner: HoldOwner;
  readonly #admission: Admission;
  bytes = 0;
  /** The request is with the handler, which cannot give it back. */
  isPinned = false;

  constructor(admission: Admission, sender: Sender, owner: HoldOwner) {
    this.#admission = admission;
    this.sender = sender;
    this.owner = owner;
  }

  /** Changes the size; false when there is no room even after others had to go, or this one had to. */
  resize(bytes: number): boolean {
    return this.#admission.resize(this, bytes);
  }

  release(): void {
    this.#admission.release(this);
  }
}

export class Admission {
  readonly #maxBytes: number;
  readonly #changed: (usedBytes: number) => void;
  readonly #holds = new Set<Hold>();
  #usedBytes = 0;
  #pinnedBytes = 0;

  /** `changed` is told the bytes in use after every change. */
  constructor(maxBytes: number, changed: (usedBytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#changed = changed;
  }

  hold(sender: Sender, owner: HoldOwner): Hold {
    const hold = new Hold(this, sender, owner);
    this.#holds.add(hold);
    return hold;
  }

  /** Whether a request of this size can go to the handler now; else one of those there must end first. */
  canPin(bytes: number): boolean {
    return this.#pinnedBytes + bytes <= this.#maxBytes;
  }

  /** From now on the hold stays until it is released. */
  pin(hold: Hold): void {
    hold.isPinned = true;
    this.#pinnedBytes += hold.bytes;
  }

  resize(hold: Hold, bytes: number): boolean {
    const growth = bytes - hold.bytes;
    const room = this.#maxBytes - Math.max(growth, 0);
    while (this.#usedBytes > room) {
      const victim = this.#greediest();
      if (!victim) return false;
      this.release(victim);
      victim.owner.evicted();
      if (victim === hold) return false;
    }
    if (!this.#holds.has(hold)) return false;
    hold.bytes = bytes;
    this.#usedBytes += growth;
    if (hold.isPinned) this.#pinnedBytes += growth;
    this.#changed(this.#usedBytes);
    return true;
  }

  release(hold: Hold): void {
    if (!this.#holds.delete(hold)) return;
    this.#usedBytes -= hold.bytes;
    if (hold.isPinned) this.#pinnedBytes -= hold.bytes;
    this.#changed(this.#usedBytes);
  }

  /** The largest unpinned hold of the sender whose unpinned holds are largest together. */
  #greediest(): Hold | null {
    const bySender = new Map<Sender, { bytes: number; largest: Hold }>();
    for (const hold of this.#holds) {
      if (hold.isPinned || hold.bytes === 0) continue;
      const sum = bySender.get(hold.sender);
      if (!sum) bySender.set(hold.sender, { bytes: hold.bytes, largest: hold });
      else {
        sum.bytes += hold.bytes;
        if (hold.bytes > sum.largest.bytes) sum.largest = hold;
      }
    }
    let most: { bytes: number; largest: Hold } | null = null;
    for (const sum of bySender.values()) if (!most || sum.bytes > most.bytes) most = sum;
    return most?.largest ?? null;
  }
}
