/**
 * How the counters of a proxy's own calls stood at each of its scrapes: what shows that it made no
 * connection, where it logs none. All counters of one scrape are one sum that does not hang on their
 * order, so two scrapes tell whether anything moved in between, and nothing of a series is kept here. A
 * series that is new, missing or stale makes another sum.
 *
 * One proxy may be scraped by several senders, told apart by their resources: each is a way of its own,
 * and a proxy stood still only where none of them says otherwise. It judges nothing.
 */
import type { Evidence } from "../model/changes.ts";
import type { EdgeSeries, Measure, SourceRef } from "../model/observations.ts";
import { usPerMinute, usToRfc3339, type Us } from "../model/time.ts";
import type { Contradicted } from "./contradictions.ts";
import { contentHash } from "./content-hash.ts";
import type { PodFacts } from "./contracts.ts";
import type { Point } from "./counter-points.ts";
import {
  addSettled,
  decodeStand,
  dropOld,
  encodeStand,
  isStill,
  lastOf,
  makeStand,
  mixed,
  type Stand,
  type StoredWay,
} from "./scrape-stands.ts";
import { differenceOf, isOneScrape } from "./two-senders.ts";

/** What the counters of a proxy's own calls say of a time. */
export type Stillness =
  /** No scrape before, or none after it yet: nobody says. */
  | { readonly kind: "untold" }
  | { readonly kind: "moved" }
  /** What belongs to the scrape after it may still come. */
  | { readonly kind: "wait"; readonly dueUs: Us }
  | Still;

/** Between two scrapes, of so many counters. */
export interface Still {
  readonly kind: "still";
  readonly firstUs: Us;
  readonly lastUs: Us;
  readonly count: number;
}

/** One sender's scrapes of one proxy. */
export interface Way {
  readonly id: string;
  readonly proxy: SourceRef;
  /** "" until a series of it has spoken since the start. */
  resource: string;
  firstUs: Us;
  /** What nothing can change any more, in order of time. */
  readonly settled: Stand[];
  /** One scrape each, in order of time, after those. Another list each time: one that grows keeps room. */
  recent: readonly Stand[];
  newestUs: Us;
  /** `takeFurther` has it. */
  isFurther: boolean;
  /** False: it was forgotten, and is taken back when it speaks again. */
  isListed: boolean;
  /** Until when it was told that another one is beside it. */
  besideUs: Us;
}

interface Proxy {
  ways: Way[];
  /** Some of its series, or of its senders, found no room. */
  isIncomplete: boolean;
}

export interface ScrapesOptions {
  readonly latenessUs: Us;
  /** How long a connection can be judged. */
  readonly retentionUs: Us;
  readonly proxiesMax: number;
}

/** A quiet time must enclose the grace on both sides of a connection: a shorter one is no use. */
const leastQuietUs = usPerMinute;
const waysMax = 4;
const sweepUs = usPerMinute;
/** Senders that are there together for less are one that was replaced. */
const togetherUs = 5 * usPerMinute;
/** It is told again this often that they are. */
const togetherStepUs = 10 * usPerMinute;

const contradictionsMax = 1_000;

const untold: Stillness = { kind: "untold" };
const moved: Stillness = { kind: "moved" };

export class ProxyScrapes {
  readonly #options: ScrapesOptions;
  readonly #proxies = new Map<string, Proxy>();
  #further: Way[] = [];
  #contradictions: Contradicted[] = [];
  #sweptUs: Us = 0;
  #dropped = 0;

  constructor(options: ScrapesOptions) {
    this.#options = options;
  }

  /** Senders of proxies for which there was no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Where points of the series count; null where it tells nothing of a proxy's own calls. */
  wayOf(series: EdgeSeries): Way | null {
    if (!countsOwnCalls(series)) return null;
    const { source, resource } = series;
    const id = contentHash(["way", resource]);
    const known = this.#proxies.get(source.key)?.ways.find((way) => way.id === id);
    if (known) {
      known.resource = resource;
      return known;
    }
    const way = makeWay(id, source, resource);
    return this.#list(way) ? way : null;
  }

  /** There was no room for the series: what moves it will not be seen. */
  leftOut(series: EdgeSeries): void {
    const proxy = countsOwnCalls(series) ? this.#proxy(series.source.key) : null;
    if (proxy) proxy.isIncomplete = true;
  }

  /**
   * A new point of a series, `row` being a number that is its own over restarts too; `replaced`: the one of
   * that time that it takes the place of. An increment (`isDelta`) says by itself that something moved.
   */
  point(
    way: Way,
    row: number,
    measure: Measure,
    point: Point,
    isDelta: boolean,
    replaced?: Point,
  ): void {
    const stand = this.#standAt(way, point.timeUs);
    if (!stand) return;
    if (replaced) stand.sum = (stand.sum - mixed(row, replaced)) | 0;
    else stand.count++;
    stand.sum = (stand.sum + mixed(row, point)) | 0;
    stand.startUs = Math.max(stand.startUs, point.startUs);
    stand.isTcp ||= measure === "connections_opened";
    stand.isBroken ||= replaced !== undefined || (isDelta && point.value > 0);
  }

  /** What was told of that scrape is not all, or cannot all be so. */
  breaks(way: Way, timeUs: Us): void {
    const stand = this.#standAt(way, timeUs);
    if (stand) stand.isBroken = true;
  }

  /** One counter has two values at one time. */
  differs(way: Way, timeUs: Us): void {
    this.breaks(way, timeUs);
    const text = "a counter has two values at one time: two senders, or labels that were left out";
    this.#contradict(way, text, timeUs);
  }

  /** Proxies of which two senders tell what counts twice or cannot both be so, since the last call. */
  takeContradictions(): readonly Contradicted[] {
    const taken = this.#contradictions;
    if (taken.length > 0) this.#contradictions = [];
    return taken;
  }

  /** Keys of proxies that were scraped later than before, since this was last called. */
  takeFurther(): readonly string[] {
    if (this.#further.length === 0) return [];
    const further = this.#further;
    this.#further = [];
    for (const way of further) way.isFurther = false;
    return further.map(({ proxy }) => proxy.key);
  }

  /** Whether no counter of the proxy's own calls moved from before `fromUs` until after `toUs`. */
  across(key: string, fromUs: Us, toUs: Us, nowUs: Us): Stillness {
    const proxy = this.#proxies.get(key);
    if (!proxy || proxy.isIncomplete) return untold;
    let first: Still | null = null;
    let hasMoved = false;
    let decidedUs = 0;
    for (const way of proxy.ways) {
      const word = acrossWay(way, fromUs, toUs);
      decidedUs = Math.max(decidedUs, word.lastUs);
      if (word.kind === "moved") hasMoved = true;
      if (word.kind === "still" && (!first || word.lastUs < first.lastUs)) first = word;
    }
    const dueUs = decidedUs + this.#options.latenessUs;
    if (nowUs < dueUs) return { kind: "wait", dueUs };
    return hasMoved ? moved : (first ?? untold);
  }

  /** Forgets senders that have not scraped for long. */
  advance(nowUs: Us): void {
    if (nowUs - this.#sweptUs < sweepUs) return;
    this.#sweptUs = nowUs;
    const boundUs = nowUs - this.#keptUs;
    for (const [key, proxy] of this.#proxies) {
      if (proxy.ways.every(({ newestUs }) => newestUs >= boundUs)) continue;
      for (const way of proxy.ways) way.isListed = way.newestUs >= boundUs;
      proxy.ways = proxy.ways.filter(({ isListed }) => isListed);
      // Of a series without room nobody tells a second time.
      if (proxy.ways.length === 0 && !proxy.isIncomplete) this.#proxies.delete(key);
    }
  }

  /** What outlives a restart of one proxy's scrapes; empty = nothing. */
  stored(key: string): readonly StoredWay[] {
    const ways = this.#proxies.get(key)?.ways ?? [];
    return ways.map(({ id, firstUs, settled, recent }) => ({
      id,
      firstUs,
      stands: [...settled, ...recent].map(encodeStand),
    }));
  }

  restore(proxy: SourceRef, ways: readonly StoredWay[]): void {
    for (const { id, firstUs, stands } of ways) {
      const way = makeWay(id, proxy, "");
      way.firstUs = firstUs;
      way.recent = stands.map(decodeStand);
      way.newestUs = lastOf(way.recent.at(-1));
      this.#settle(way);
      this.#list(way);
    }
  }

  get #keptUs(): Us {
    return this.#options.retentionUs + 2 * this.#options.latenessUs;
  }

  #proxy(key: string): Proxy | null {
    const known = this.#proxies.get(key);
    if (known) return known;
    if (this.#proxies.size >= this.#options.proxiesMax) {
      this.#dropped++;
      return null;
    }
    const proxy: Proxy = { ways: [], isIncomplete: false };
    this.#proxies.set(key, proxy);
    return proxy;
  }

  /** False where there is no room for it. */
  #list(way: Way): boolean {
    const proxy = this.#proxy(way.proxy.key);
    if (!proxy) return false;
    if (proxy.ways.length >= waysMax) {
      proxy.isIncomplete = true;
      return false;
    }
    proxy.ways.push(way);
    way.isListed = true;
    return true;
  }

  /** The scrape of that time; null where it is too old to be told apart. */
  #standAt(way: Way, timeUs: Us): Stand | null {
    const { recent } = way;
    const last = recent.at(-1);
    if (last && lastOf(last) === timeUs) return last;
    if (timeUs <= lastOf(way.settled.at(-1))) return null;
    if (!way.isListed && !this.#list(way)) return null;
    const at = recent.findLastIndex((stand) => lastOf(stand) <= timeUs);
    const known = recent[at];
    if (known && lastOf(known) === timeUs) return known;
    const stand = makeStand(timeUs);
    way.recent = recent.toSpliced(at + 1, 0, stand);
    if (way.firstUs === 0 || timeUs < way.firstUs) way.firstUs = timeUs;
    if (timeUs > way.newestUs) this.#gotFurther(way, timeUs);
    return stand;
  }

  #gotFurther(way: Way, timeUs: Us): void {
    way.newestUs = timeUs;
    this.#settle(way);
    this.#compare(way);
    if (way.isFurther) return;
    way.isFurther = true;
    this.#further.push(way);
  }

  /** Whether others have scraped the proxy beside this one, and each counts the same again. */
  #compare(way: Way): void {
    for (const other of this.#proxies.get(way.proxy.key)?.ways ?? []) {
      if (other === way || isOneScrape(way.recent, other.recent)) continue;
      const untilUs = Math.min(way.newestUs, other.newestUs);
      const isTogether = untilUs - Math.max(way.firstUs, other.firstUs) >= togetherUs;
      const atUs = Math.floor(untilUs / togetherStepUs) * togetherStepUs;
      if (!isTogether || atUs <= Math.min(way.besideUs, other.besideUs)) continue;
      const text = differenceOf(way.resource, other.resource);
      if (text === "") continue;
      way.besideUs = atUs;
      other.besideUs = atUs;
      this.#contradict(way, text, atUs);
    }
  }

  #contradict({ proxy }: Way, text: string, atUs: Us): void {
    if (this.#contradictions.length >= contradictionsMax) return;
    this.#contradictions.push({ source: proxy, about: proxy.key, text, atUs });
  }

  /** What is so old that its requests have come counts as it is. */
  #settle(way: Way): void {
    const { recent, settled, newestUs } = way;
    const boundUs = newestUs - 2 * this.#options.latenessUs;
    let count = 0;
    for (const stand of recent) {
      if (lastOf(stand) >= boundUs) break;
      addSettled(settled, stand, leastQuietUs);
      count++;
    }
    if (count === 0) return;
    way.recent = recent.slice(count);
    dropOld(settled, newestUs - this.#keptUs);
  }
}

/** `pod`: whose proxy it is, and whose sources are called so. */
export function scrapesEvidence({ cluster, namespace, name }: PodFacts, still: Still): Evidence {
  const { firstUs, lastUs, count } = still;
  const source = `${cluster}/${namespace}/${name}`;
  const [first, last] = [usToRfc3339(firstUs), usToRfc3339(lastUs)];
  return {
    atUs: firstUs,
    nanos: 0,
    vantage: "proxy",
    source,
    text: `none of the ${count} counters of what the proxy itself called moved from its scrape at ${first} to that at ${last}`,
    fields: { first, last, counters: count },
    hash: contentHash(["scrapes", source, firstUs, lastUs]),
  };
}

function makeWay(id: string, proxy: SourceRef, resource: string): Way {
  return {
    id,
    proxy,
    resource,
    firstUs: 0,
    settled: [],
    recent: [],
    newestUs: 0,
    isFurther: false,
    isListed: false,
    besideUs: 0,
  };
}

/** Scraped from a proxy, of what it did as a client. Claims prove nothing. */
function countsOwnCalls({ reporter, channel, trust, source }: EdgeSeries): boolean {
  const isScraped = channel === "metrics" && source.kind === "proxy";
  return isScraped && reporter === "source" && trust !== "claimed";
}

/** `lastUs`: of the scrape that decides it, 0 = none does yet. */
type Word = Still | { readonly kind: "untold" | "moved"; readonly lastUs: Us };

/** Without counters of connections, only requests are counted, or their names do not get through. */
function acrossWay({ settled, recent }: Way, fromUs: Us, toUs: Us): Word {
  let before: Stand | null = null;
  let firstUs = 0;
  for (const stand of [...settled, ...recent]) {
    for (const timeUs of stand.times) {
      if (timeUs <= fromUs) {
        before = stand;
        firstUs = timeUs;
        continue;
      }
      // This sender came later.
      if (!before) return { kind: timeUs >= toUs ? "untold" : "moved", lastUs: timeUs };
      if (!isStill(before, stand, firstUs)) return { kind: "moved", lastUs: timeUs };
      if (timeUs < toUs) continue;
      if (!stand.isTcp) return { kind: "untold", lastUs: timeUs };
      return { kind: "still", firstUs, lastUs: timeUs, count: stand.count };
    }
  }
  return { kind: "untold", lastUs: 0 };
}
