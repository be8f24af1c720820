/**
 * Complete scrapes of inventories: what an instance told in one and tells in no later one is gone, once no
 * more of the later one can come. Several instances may share a cluster's pods, so each has lists of its
 * own. One that says nothing any more while another of its cluster speaks was replaced by that: what it
 * told last, and nobody told since, is gone as well.
 */
import { usPerMinute, type Us } from "../model/time.ts";

/** Lists of one instance that are not complete yet; the oldest goes unread when there are more. */
const roundsMax = 64;
/** Instances that are remembered; a cluster that scales its own has some dozens. */
const tellersMax = 1_000;
/** Silence after which an instance counts as replaced. */
const replacedUs = 15 * usPerMinute;

interface Teller<Item> {
  readonly cluster: string;
  /** When each item was last told by it. */
  readonly items: Map<Item, Us>;
  readonly rounds: Set<Us>;
  newestUs: Us;
}

/** An item that is told no more: by whom last, and the first list without it. */
export interface Missing<Item> {
  readonly item: Item;
  readonly listedUs: Us;
  readonly withoutUs: Us;
}

export class InventoryLists<Item> {
  readonly #latenessUs: Us;
  /** By cluster and instance. */
  readonly #tellers = new Map<string, Teller<Item>>();

  constructor(latenessUs: Us) {
    this.#latenessUs = latenessUs;
  }

  /** The instance's list of that time has the item. */
  add(cluster: string, name: string, item: Item, atUs: Us): void {
    const teller = this.#teller(cluster, name);
    if (!teller) return;
    const { items, rounds } = teller;
    if (atUs > (items.get(item) ?? -1)) items.set(item, atUs);
    if (rounds.has(atUs)) return;
    rounds.add(atUs);
    teller.newestUs = Math.max(teller.newestUs, atUs);
    if (rounds.size > roundsMax) rounds.delete(Math.min(...rounds));
  }

  /** The item was told by it then; its other lists of that time are not known. */
  restore(cluster: string, name: string, item: Item, atUs: Us): void {
    const teller = this.#teller(cluster, name);
    if (!teller) return;
    teller.items.set(item, Math.max(atUs, teller.items.get(item) ?? 0));
    teller.newestUs = Math.max(teller.newestUs, atUs);
  }

  /** What lists lack that are complete by now. An item may be named that another instance still tells of. */
  missing(nowUs: Us): readonly Missing<Item>[] {
    const missing: Missing<Item>[] = [];
    for (const teller of this.#tellers.values()) this.#complete(teller, nowUs, missing);
    this.#dropReplaced(nowUs, missing);
    return missing;
  }

  #complete({ items, rounds }: Teller<Item>, nowUs: Us, missing: Missing<Item>[]): void {
    for (const atUs of [...rounds].sort((a, b) => a - b)) {
      if (atUs + this.#latenessUs > nowUs) return;
      rounds.delete(atUs);
      for (const [item, listedUs] of items) {
        if (listedUs >= atUs) continue;
        missing.push({ item, listedUs, withoutUs: atUs });
        items.delete(item);
      }
    }
  }

  #dropReplaced(nowUs: Us, missing: Missing<Item>[]): void {
    for (const [key, { cluster, items, newestUs }] of this.#tellers) {
      if (newestUs + replacedUs > nowUs) continue;
      const withoutUs = this.#successorUs(cluster, newestUs);
      if (withoutUs === 0) continue;
      for (const [item, listedUs] of items) missing.push({ item, listedUs, withoutUs });
      this.#tellers.delete(key);
    }
  }

  /** The first list by which another instance of the cluster may have followed, 0 = none has spoken so late. */
  #successorUs(cluster: string, afterUs: Us): Us {
    let newestUs = 0;
    for (const teller of this.#tellers.values()) {
      if (teller.cluster === cluster) newestUs = Math.max(newestUs, teller.newestUs);
    }
    return newestUs >= afterUs + replacedUs ? newestUs : 0;
  }

  #teller(cluster: string, name: string): Teller<Item> | undefined {
    const key = `${cluster}/${name}`;
    let teller = this.#tellers.get(key);
    if (!teller && this.#tellers.size < tellersMax) {
      teller = { cluster, items: new Map(), rounds: new Set(), newestUs: 0 };
      this.#tellers.set(key, teller);
    }
    return teller;
  }
}
