/**
 * Complete lists of objects: the items of one list share their event time, and once no more of them can
 * come, an object that an earlier list had and this one has not is gone. A list may be of one namespace
 * only; with items of two it was of the whole cluster. An empty list leaves no trace and ends nothing.
 */
import type { Us } from "../model/time.ts";

/** Lists of one type that are not complete yet; the oldest goes unread when there are more. */
const roundsMax = 64;
const wholeCluster = null;

/** What a list is of. */
interface Listed {
  readonly cluster: string;
  readonly object: { readonly type: string; readonly namespace: string };
  readonly listedUs: Us;
}

interface Feed<Item> {
  readonly records: Set<Item>;
  /** Time of a list to the one namespace that it has shown so far, or to all. */
  readonly rounds: Map<Us, string | typeof wholeCluster>;
}

export class ObjectLists<Item extends Listed> {
  readonly #latenessUs: Us;
  /** By cluster and type. */
  readonly #feeds = new Map<string, Feed<Item>>();

  constructor(latenessUs: Us) {
    this.#latenessUs = latenessUs;
  }

  /** The list of that time has the object; true once it has shown to be of the whole cluster. */
  add(record: Item, atUs: Us): boolean {
    const { records, rounds } = this.#feed(record);
    records.add(record);
    const { namespace } = record.object;
    const shown = rounds.get(atUs);
    if (shown === undefined) {
      rounds.set(atUs, namespace === "" ? wholeCluster : namespace);
      if (rounds.size > roundsMax) rounds.delete(Math.min(...rounds.keys()));
    } else if (shown !== namespace) rounds.set(atUs, wholeCluster);
    return rounds.get(atUs) === wholeCluster;
  }

  restore(record: Item, listedUs: Us, nowUs: Us): void {
    if (listedUs + this.#latenessUs > nowUs) this.add(record, listedUs);
    else this.#feed(record).records.add(record);
  }

  remove(record: Item): void {
    const key = feedKey(record);
    const feed = this.#feeds.get(key);
    feed?.records.delete(record);
    if (feed?.records.size === 0) this.#feeds.delete(key);
  }

  /** What lists that are complete by now lack, each with the time of the list. */
  missing(nowUs: Us): readonly (readonly [Item, Us])[] {
    const missing: (readonly [Item, Us])[] = [];
    for (const { records, rounds } of this.#feeds.values()) {
      if (rounds.size === 0) continue;
      for (const atUs of [...rounds.keys()].sort((a, b) => a - b)) {
        if (atUs + this.#latenessUs > nowUs) break;
        const shown = rounds.get(atUs);
        rounds.delete(atUs);
        for (const record of records) {
          const isInScope = shown === wholeCluster || record.object.namespace === shown;
          if (isInScope && record.listedUs < atUs) missing.push([record, atUs]);
        }
      }
    }
    return missing;
  }

  #feed(record: Item): Feed<Item> {
    const key = feedKey(record);
    let feed = this.#feeds.get(key);
    if (!feed) this.#feeds.set(key, (feed = { records: new Set(), rounds: new Map() }));
    return feed;
  }
}

function feedKey({ cluster, object }: Listed): string {
  return `${cluster}/${object.type}`;
}
