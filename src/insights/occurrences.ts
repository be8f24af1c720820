/**
 * What one insight stands on: the entities (of a state rule) or events (of an event rule) that match,
 * by their stable ids, and the evidence they brought. Ids make a repeated statement harmless and let a
 * withdrawal take back exactly its own occurrence and the evidence that nobody else brought.
 *
 * Bounded: above `max` the oldest event is settled, which means counted, no longer known by its id and
 * no longer withdrawable; a state entity too many is refused. More evidence is kept than is shown, so
 * that after withdrawals the first 20 of the rest are still the first 20 of all.
 */
import { evidenceMax, mergeEvidence, type Evidence } from "../model/changes.ts";
import type { Confidence } from "../model/insights.ts";
import type { Us } from "../model/time.ts";

const samplesMax = 4;

/** How much evidence is kept in all; the surplus over `evidenceMax` replaces what is withdrawn. */
const poolMax = 2 * evidenceMax;

export interface Occurrence {
  /** Event time of the newest statement. */
  atUs: Us;
  /** Engine time at which it last was news. */
  seenUs: Us;
  confidence: Confidence;
  /** False: it held when somebody could last tell, and now nobody can. */
  judged: boolean;
  /** The waiver that accepts it, "" = none. */
  waiver: string;
  /** Hashes of its evidence, as far as the pool holds it. */
  evidence: readonly string[];
}

/** An occurrence as it is stored; evidence by its place in the pool. */
export type StoredOccurrence = readonly [
  id: string,
  atUs: Us,
  seenUs: Us,
  confidence: Confidence,
  judged: 0 | 1,
  evidence: readonly number[],
  /** Left out where it is "". */
  waiver?: string,
];

export interface StoredOccurrences {
  readonly live: readonly StoredOccurrence[];
  readonly pool: readonly Evidence[];
  /** Places in the pool of evidence that no withdrawal takes back. */
  readonly pinned: readonly number[];
  readonly total: number;
  readonly settledAtUs: Us;
  readonly settledSeenUs: Us;
  /** These two are missing in rows of versions before 0.2. */
  readonly settledWaivers?: readonly string[];
  readonly samples?: readonly (readonly [id: string, entity: string])[];
}

export class Occurrences {
  readonly #live = new Map<string, Occurrence>();
  #pool: readonly Evidence[] = [];
  readonly #pinned = new Set<string>();
  /** Ever counted and not withdrawn. */
  #total = 0;
  #settledAtUs: Us = 0;
  #settledSeenUs: Us = 0;
  /** Of all that are settled; as many as there are waivers of a rule, and "". */
  #settledWaivers = new Set<string>();
  /** What some of the newest looked like, as JSON: waivers that come later are asked of these. */
  readonly #samples = new Map<string, string>();

  /** How many are known by their ids. */
  get size(): number {
    return this.#live.size;
  }

  get total(): number {
    return this.#total;
  }

  /** The first by (event time, hash), at most `evidenceMax`. */
  get evidence(): readonly Evidence[] {
    return this.#pool.slice(0, evidenceMax);
  }

  ids(): IterableIterator<string> {
    return this.#live.keys();
  }

  get(id: string): Occurrence | undefined {
    return this.#live.get(id);
  }

  /** True for an event so old that it may be one of those no longer known by their ids. */
  isSettled(atUs: Us): boolean {
    return this.hasSettled() && atUs <= this.#settledAtUs;
  }

  hasSettled(): boolean {
    return this.#settledSeenUs > 0;
  }

  add(id: string, occurrence: Occurrence): void {
    this.#live.set(id, occurrence);
    this.#total++;
  }

  /**
   * What the occurrence stands on now. A later statement replaces an earlier one: a counter that was
   * read as "six at once" before the points in between arrived was two, two and two.
   */
  setEvidence(occurrence: Occurrence, evidence: readonly Evidence[]): void {
    const now = new Set(evidence.map((item) => item.hash));
    const former = occurrence.evidence.filter((hash) => !now.has(hash));
    if (former.length > 0 && now.size > 0) {
      occurrence.evidence = occurrence.evidence.filter((hash) => now.has(hash));
      this.#takeBack(former);
    }
    this.#addEvidence(occurrence, evidence);
  }

  #addEvidence(occurrence: Occurrence, evidence: readonly Evidence[]): void {
    const fresh = this.#freshOf(occurrence, evidence);
    if (fresh.length === 0) return;
    this.#pool = mergeEvidence(this.#pool, fresh, poolMax);
    const hashes = new Set([...occurrence.evidence, ...fresh.map((item) => item.hash)]);
    occurrence.evidence = this.#pool.map((item) => item.hash).filter((hash) => hashes.has(hash));
  }

  /** True when nothing of this evidence would be new. */
  hasEvidence(occurrence: Occurrence, evidence: readonly Evidence[]): boolean {
    return this.#freshOf(occurrence, evidence).length === 0;
  }

  /** The entity is no longer true; what it showed stays shown. */
  end(id: string): void {
    const occurrence = this.#live.get(id);
    if (occurrence === undefined) return;
    for (const hash of occurrence.evidence) this.#pinned.add(hash);
    this.#live.delete(id);
    this.#samples.delete(id);
    if (this.#pinned.size > 2 * poolMax) this.#forgetPins();
  }

  /** The waiver of each occurrence, "" where none accepts it. */
  *waivers(): Generator<string> {
    for (const { waiver } of this.#live.values()) yield waiver;
    yield* this.#settledWaivers;
  }

  get samples(): ReadonlyMap<string, string> {
    return this.#samples;
  }

  sample(id: string, entity: string): void {
    this.#samples.set(id, entity);
    for (const oldest of this.#samples.keys()) {
      if (this.#samples.size <= samplesMax) return;
      this.#samples.delete(oldest);
    }
  }

  /** Other waivers: those of the samples, and the one of all others. */
  rewaive(ofSamples: ReadonlyMap<string, string>, ofOthers: string): void {
    for (const [id, occurrence] of this.#live) occurrence.waiver = ofSamples.get(id) ?? ofOthers;
    if (this.#settledWaivers.size > 0) this.#settledWaivers = new Set([ofOthers]);
  }

  /** The event is taken back, with the evidence that only it brought. */
  withdraw(id: string): void {
    const occurrence = this.#live.get(id);
    if (occurrence === undefined) return;
    this.#live.delete(id);
    this.#samples.delete(id);
    this.#total--;
    this.#takeBack(occurrence.evidence);
  }

  /** Makes room: the oldest event stays counted and can no longer be taken back. Returns its id. */
  settleOldest(): string {
    let oldestId = "";
    let oldest: Occurrence | undefined;
    for (const [id, occurrence] of this.#live) {
      if (oldest === undefined || isOlder(occurrence, id, oldest, oldestId)) {
        oldest = occurrence;
        oldestId = id;
      }
    }
    if (oldest === undefined) return "";
    this.#settledAtUs = Math.max(this.#settledAtUs, oldest.atUs);
    this.#settledSeenUs = Math.max(this.#settledSeenUs, oldest.seenUs);
    this.#settledWaivers.add(oldest.waiver);
    this.end(oldestId);
    return oldestId;
  }

  /** Engine time of the newest news that still stands; 0 = none stands. */
  lastSeenUs(): Us {
    let lastUs = this.#settledSeenUs;
    for (const occurrence of this.#live.values()) lastUs = Math.max(lastUs, occurrence.seenUs);
    return lastUs;
  }

  hasJudged(): boolean {
    for (const occurrence of this.#live.values()) if (occurrence.judged) return true;
    return false;
  }

  /** The strongest confidence of those that stand, or null when none does. */
  confidence(): Confidence | null {
    let strongest: Confidence | null = null;
    for (const { confidence } of this.#live.values()) {
      if (confidence === "high") return confidence;
      if (strongest !== "medium") strongest = confidence;
    }
    return strongest;
  }

  /** Two insights have proved to be one: the union of both. */
  absorb(other: Occurrences): void {
    this.#pool = mergeEvidence(this.#pool, other.#pool, poolMax);
    for (const hash of other.#pinned) this.#pinned.add(hash);
    this.#total += other.#total;
    for (const [id, occurrence] of other.#live) {
      const mine = this.#live.get(id);
      if (mine === undefined) {
        this.#live.set(id, occurrence);
        continue;
      }
      this.#total--;
      if (occurrence.seenUs > mine.seenUs) this.#live.set(id, occurrence);
    }
    this.#settledAtUs = Math.max(this.#settledAtUs, other.#settledAtUs);
    this.#settledSeenUs = Math.max(this.#settledSeenUs, other.#settledSeenUs);
    for (const waiver of other.#settledWaivers) this.#settledWaivers.add(waiver);
    for (const [id, entity] of other.#samples) this.sample(id, entity);
  }

  /** Moves engine times on by a gap in which the engine did not run. */
  shift(gapUs: Us): void {
    for (const occurrence of this.#live.values()) occurrence.seenUs += gapUs;
    if (this.#settledSeenUs > 0) this.#settledSeenUs += gapUs;
  }

  store(): StoredOccurrences {
    const places = new Map(this.#pool.map((item, place) => [item.hash, place]));
    const placesOf = (hashes: Iterable<string>): number[] =>
      [...hashes].map((hash) => places.get(hash)).filter((place) => place !== undefined);
    const live = [...this.#live].map(([id, o]): StoredOccurrence => {
      const judged = o.judged ? 1 : 0;
      const evidence = placesOf(o.evidence);
      if (o.waiver === "") return [id, o.atUs, o.seenUs, o.confidence, judged, evidence];
      return [id, o.atUs, o.seenUs, o.confidence, judged, evidence, o.waiver];
    });
    return {
      live,
      pool: this.#pool,
      pinned: placesOf(this.#pinned),
      total: this.#total,
      settledAtUs: this.#settledAtUs,
      settledSeenUs: this.#settledSeenUs,
      settledWaivers: [...this.#settledWaivers],
      samples: [...this.#samples],
    };
  }

  static restore(stored: StoredOccurrences): Occurrences {
    const restored = new Occurrences();
    const hashesOf = (places: readonly number[]): string[] =>
      places.map((place) => stored.pool[place]?.hash ?? "").filter((hash) => hash !== "");
    restored.#pool = stored.pool;
    restored.#total = stored.total;
    restored.#settledAtUs = stored.settledAtUs;
    restored.#settledSeenUs = stored.settledSeenUs;
    for (const hash of hashesOf(stored.pinned)) restored.#pinned.add(hash);
    for (const [id, atUs, seenUs, confidence, judged, places, waiver = ""] of stored.live) {
      const evidence = hashesOf(places);
      const about = { atUs, seenUs, confidence, judged: judged === 1, waiver };
      restored.#live.set(id, { ...about, evidence });
    }
    for (const waiver of stored.settledWaivers ?? []) restored.#settledWaivers.add(waiver);
    for (const [id, entity] of stored.samples ?? []) restored.#samples.set(id, entity);
    return restored;
  }

  /** Removes evidence that is not pinned and that no live occurrence stands on. */
  #takeBack(hashes: readonly string[]): void {
    const gone = new Set(hashes.filter((hash) => !this.#pinned.has(hash)));
    for (const other of this.#live.values()) {
      if (gone.size === 0) return;
      for (const hash of other.evidence) gone.delete(hash);
    }
    this.#pool = this.#pool.filter((item) => !gone.has(item.hash));
  }

  #freshOf(occurrence: Occurrence, evidence: readonly Evidence[]): readonly Evidence[] {
    return evidence.filter(
      (item) => this.#isWanted(item) && !occurrence.evidence.includes(item.hash),
    );
  }

  /** Whether it would stay in the pool: late evidence of a long insight would not. */
  #isWanted(item: Evidence): boolean {
    const last = this.#pool.at(-1);
    return this.#pool.length < poolMax || last === undefined || item.atUs <= last.atUs;
  }

  /** Evidence that fell out of the pool needs no pin. */
  #forgetPins(): void {
    const held = new Set(this.#pool.map((item) => item.hash));
    for (const hash of this.#pinned) if (!held.has(hash)) this.#pinned.delete(hash);
  }
}

function isOlder(a: Occurrence, aId: string, b: Occurrence, bId: string): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && aId < bId);
}
