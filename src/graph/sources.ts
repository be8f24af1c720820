/**
 * Sources and their liveness: when each was last heard, of what, and how often it speaks, and which of
 * those that configuration expects are missing. Silence is told, never concluded from; a source is gone
 * only when the end of its pod or machine proves it, however long it has been silent.
 */
import type { GraphChange, Observer } from "../model/changes.ts";
import { coverageCapabilities, maskOf } from "../model/coverage.ts";
import { makeEntity, type NodeEntity } from "../model/entities.ts";
import type { Capability, SourceKind, SourceRef } from "../model/observations.ts";
import { forget, type Restored, type WriteSet } from "../model/rows.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { addContradiction, standing, type Contradicted } from "./contradictions.ts";
import { ExpectedSources, type Expectation, type ExpectedSource } from "./expected-sources.ts";
import type { ProxyScrapes } from "./proxy-scrapes.ts";
import { rowToSource, sourceChange, sourceId, sourceToRow } from "./source-entity.ts";
import {
  makeSource,
  noteHeard,
  refreshCoverage,
  refreshSkew,
  stateOf,
  type Runs,
  type Source,
  type SourceState,
} from "./source-liveness.ts";

/** Liveness is looked at this often. */
const sweepUs = usPerSecond;
const skewSweepUs = 30 * usPerSecond;
const kinds: readonly SourceKind[] = ["proxy", "node_agent", "objects", "collector"];
const bitOf: Readonly<Partial<Record<Capability, number>>> = Object.fromEntries(
  coverageCapabilities.map((capability) => [capability, maskOf([capability])]),
);
const states: readonly SourceState[] = ["live", "late", "silent", "gone"];

export interface SourcesOptions {
  /** Sources that were heard; those that configuration names come on top. */
  readonly sourcesMax: number;
  readonly expected: readonly ExpectedSource[];
  /** The cluster of what is expected and was never heard. */
  readonly cluster: string;
  /** What pod objects say of a silent source. */
  readonly runs: (ref: SourceRef, nowUs: Us) => Runs;
  /** The workload that a proxy serves; nobody where that is not known. */
  readonly workloadOf: (ref: SourceRef, atUs: Us) => NodeEntity;
}

export class Sources {
  readonly #options: SourcesOptions;
  readonly #scrapes: ProxyScrapes;
  readonly #expected: ExpectedSources;
  readonly #sources = new Map<string, Source>();
  /** Of sources that meet any: most meet none and are not here. */
  readonly #met = new Map<Source, readonly Expectation[]>();
  readonly #dirty = new Set<Source>();
  readonly #changed = new Set<Source>();
  /** Sources that are known no more, to be told. */
  #gone: { id: string; atUs: Us }[] = [];
  /** Sources (`kind|key`) whose coverage is another one since it was last taken. */
  readonly #changedCoverage = new Set<string>();
  /** See `takeFallen`; bounded by the sources. */
  readonly #fallen = new Set<string>();
  readonly #lastReceived = new Map<SourceKind, Us>();
  #forgotten: string[] = [];
  #nowUs = 0;
  #sweptUs = 0;
  #skewUs = 0;
  /** Silence is counted from here: before it we were not listening. */
  #listeningFromUs = 0;
  #lagUs = 0;
  #dropped = 0;
  /** No source can be given up before this: under a flood the table is not searched each time. */
  #fullUntilUs = 0;

  /** `scrapes` are kept with the rows of their proxies. */
  constructor(options: SourcesOptions, scrapes: ProxyScrapes) {
    this.#options = options;
    this.#scrapes = scrapes;
    this.#expected = new ExpectedSources(options.expected);
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Receive time minus event time of the newest delivery. */
  get lagUs(): Us {
    return this.#lagUs;
  }

  /** By kind; 0 for a kind that is expected and was never heard. */
  get lastReceived(): ReadonlyMap<SourceKind, Us> {
    const last = new Map(this.#lastReceived);
    for (const { kind } of this.#expected.all) if (!last.has(kind)) last.set(kind, 0);
    return last;
  }

  /** Expected sources that are missing, for each kind that is expected. */
  get missing(): ReadonlyMap<SourceKind, number> {
    return this.#expected.missingByKind();
  }

  /** How many sources were heard and are in each state, zeros too. */
  counts(): { kind: SourceKind; state: SourceState; count: number }[] {
    const counts = new Map<string, number>();
    for (const { ref, state, firstUs } of this.#sources.values()) {
      const key = `${ref.kind} ${state}`;
      if (firstUs > 0) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return kinds.flatMap((kind) =>
      states.map((state) => ({ kind, state, count: counts.get(`${kind} ${state}`) ?? 0 })),
    );
  }

  /** `eventUs` is `receivedUs` where the sender gave no time. */
  heard(ref: SourceRef, capability: Capability, eventUs: Us, receivedUs: Us): void {
    const source = this.#source(ref, receivedUs);
    this.#lastReceived.set(ref.kind, receivedUs);
    this.#lagUs = Math.max(0, receivedUs - eventUs);
    if (!source) return;
    if (noteHeard(source, capability, eventUs, receivedUs)) {
      this.#changedCoverage.add(sourceId(ref));
    }
    this.#dirty.add(source);
    for (const expectation of this.#met.get(source) ?? []) this.#meet(expectation, receivedUs);
    if (source.state === "live") return;
    // What a proxy said comes late at times, and does not bring its pod back.
    if (source.state !== "gone" || !this.#isOver(source, receivedUs)) this.#turn(source, "live");
  }

  /** Two senders have told in this source's name what cannot both be so. */
  contradicted({ source: ref, ...contradiction }: Contradicted): void {
    const source = this.#sources.get(sourceId(ref));
    if (!source) return;
    const { contradictions: known } = source;
    source.contradictions = addContradiction(known, contradiction);
    if (source.contradictions === known) return;
    this.#dirty.add(source);
    this.#changed.add(source);
  }

  /** Whether any of these is still heard; of none nothing is known, which is not silence. */
  isAnyLive(observers: readonly Observer[]): boolean {
    if (observers.length === 0) return true;
    return observers.some((observer) => {
      const state = this.#sources.get(sourceId(observer))?.state ?? "live";
      return state === "live" || state === "late";
    });
  }

  /** Connections of a proxy's pod that it ought to have logged, since its last line; counted while it is silent. */
  legless(id: string, countSince: (fromUs: Us) => number): void {
    const source = this.#sources.get(id);
    const logs = source?.heard.get("proxy_logs");
    if (!source || !logs || source.state !== "silent") return;
    const count = countSince(logs.eventUs);
    if (count <= source.flowsWithoutLegs) return;
    source.flowsWithoutLegs = count;
    this.#changed.add(source);
    this.#dirty.add(source);
  }

  /** Sources whose pod has ended are gone, not silent, unless another pod has its name by now. */
  ended(kind: SourceKind, key: string, nowUs: Us): void {
    const source = this.#sources.get(sourceId({ kind, key }));
    if (!source || source.state === "gone") return;
    if (this.#isOver(source, nowUs)) this.#turn(source, "gone");
  }

  /** Keys of the proxies that have fallen silent since this was last called. */
  takeFallen(): readonly string[] {
    const fallen = [...this.#fallen];
    this.#fallen.clear();
    return fallen;
  }

  /** Turns sources late, silent and gone; returns the keys of those that fell silent or spoke again. */
  advance(nowUs: Us, out: GraphChange[]): Observer[] {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    if (this.#listeningFromUs === 0) this.#listeningFromUs = nowUs;
    if (nowUs - this.#sweptUs >= sweepUs) {
      this.#sweptUs = nowUs;
      this.#sweep();
    }
    return this.#tell(out);
  }

  collect(into: WriteSet): void {
    for (const id of this.#forgotten.splice(0)) forget(into, "sources", id);
    for (const source of this.#dirty) {
      const { kind, key } = source.ref;
      into.sources.push(sourceToRow(source, kind === "proxy" ? this.#scrapes.stored(key) : []));
    }
    this.#dirty.clear();
  }

  /** Whoever was expected, was never heard and is not expected any more is forgotten. */
  restore(rows: Restored): void {
    for (const row of rows.sources) {
      const { source, scrapes } = rowToSource(row);
      const { ref } = source;
      if (source.firstUs === 0 && !this.#expected.get(sourceId(ref))) {
        this.#giveUp(source);
        continue;
      }
      this.#add(source);
      this.#scrapes.restore(ref, scrapes);
      this.#changed.add(source);
      for (const expectation of this.#met.get(source) ?? []) {
        expectation.lastUs = Math.max(expectation.lastUs, source.lastReceivedUs);
      }
      const own = this.#expected.get(sourceId(ref));
      if (own) own.isMissing = source.state === "silent";
      const lastUs = this.#lastReceived.get(ref.kind) ?? 0;
      if (source.lastReceivedUs > lastUs) this.#lastReceived.set(ref.kind, source.lastReceivedUs);
    }
  }

  /** Capability to `live` or `silent`, of one source. */
  coverageOf(kind: SourceKind, key: string): ReadonlyMap<Capability, "live" | "silent"> {
    const coverage = new Map<Capability, "live" | "silent">();
    const source = this.#sources.get(sourceId({ kind, key }));
    for (const [capability, heard] of source?.heard ?? []) {
      coverage.set(capability, heard.isSilent ? "silent" : "live");
    }
    return coverage;
  }

  /**
   * Bits of what a source (`kind|key`) tells of: live ones below, ever heard ones above. 0 = never heard,
   * or gone, which is no silence.
   */
  coverageBits(id: string): number {
    const source = this.#sources.get(id);
    if (!source || source.state === "gone") return 0;
    let [live, heard] = [0, 0];
    for (const [capability, { isSilent }] of source.heard) {
      const bit = bitOf[capability] ?? 0;
      heard |= bit;
      if (!isSilent) live |= bit;
    }
    return live | (heard << coverageCapabilities.length);
  }

  /** Whether a source (`kind|key`) has ever told anything, and is not gone. */
  isHeard(id: string): boolean {
    const source = this.#sources.get(id);
    return source !== undefined && source.state !== "gone" && source.heard.size > 0;
  }

  takeChangedCoverage(): ReadonlySet<string> {
    const changed = new Set(this.#changedCoverage);
    this.#changedCoverage.clear();
    return changed;
  }

  #source(ref: SourceRef, receivedUs: Us): Source | null {
    const known = this.#sources.get(sourceId(ref));
    if (known) return known;
    if (this.#sources.size >= this.#options.sourcesMax && !this.#makeRoom(receivedUs)) {
      this.#dropped++;
      return null;
    }
    const source = makeSource(ref, receivedUs);
    this.#add(source);
    return source;
  }

  #add(source: Source): void {
    const id = sourceId(source.ref);
    this.#sources.set(id, source);
    source.withinUs = this.#expected.get(id)?.withinUs ?? 0;
    const met = this.#expected.metBy(source.ref);
    if (met.length > 0) this.#met.set(source, met);
  }

  /** Gives up a source that is gone, else the one that has been silent longest. */
  #makeRoom(nowUs: Us): boolean {
    if (nowUs < this.#fullUntilUs) return false;
    let oldest: Source | null = null;
    for (const source of this.#sources.values()) {
      if (source.withinUs > 0 || (source.state !== "gone" && source.state !== "silent")) continue;
      if (source.state === "gone") {
        oldest = source;
        break;
      }
      if (!oldest || source.lastReceivedUs < oldest.lastReceivedUs) oldest = source;
    }
    if (oldest) this.#giveUp(oldest);
    else this.#fullUntilUs = nowUs + sweepUs;
    return oldest !== null;
  }

  /** Not the same as heard again: its insights end as those of something that is no more. */
  #giveUp(source: Source): void {
    const id = sourceId(source.ref);
    this.#sources.delete(id);
    this.#met.delete(source);
    this.#dirty.delete(source);
    this.#changed.delete(source);
    this.#forgotten.push(id);
    this.#changedCoverage.add(id);
    this.#gone.push({ id, atUs: source.lastReceivedUs });
  }

  #turn(source: Source, state: SourceState): void {
    if (state === "gone" || source.state === "gone") {
      this.#changedCoverage.add(sourceId(source.ref));
    }
    source.state = state;
    if (state !== "silent") {
      source.runs = "unknown";
      source.flowsWithoutLegs = 0;
    } else if (source.ref.kind === "proxy") this.#fallen.add(source.ref.key);
    this.#changed.add(source);
    this.#dirty.add(source);
  }

  #sweep(): void {
    const isSkewDue = this.#nowUs - this.#skewUs >= skewSweepUs;
    if (isSkewDue) this.#skewUs = this.#nowUs;
    for (const source of this.#sources.values()) {
      if (source.state === "gone" || source.firstUs === 0) continue;
      if (refreshCoverage(source, this.#nowUs, this.#listeningFromUs)) {
        this.#changedCoverage.add(sourceId(source.ref));
      }
      const state = stateOf(source, this.#nowUs, this.#listeningFromUs);
      if (state !== source.state) this.#turn(source, state);
      if (state === "silent") this.#lookUp(source);
      else if (isSkewDue && refreshSkew(source, this.#nowUs)) this.#changed.add(source);
      if (isSkewDue) this.#settleContradictions(source);
    }
    for (const one of this.#expected.overdue(this.#nowUs, this.#listeningFromUs)) this.#miss(one);
  }

  #settleContradictions(source: Source): void {
    const { contradictions: known } = source;
    source.contradictions = standing(known, this.#nowUs);
    if (source.contradictions === known) return;
    this.#dirty.add(source);
    this.#changed.add(source);
  }

  /** What is expected is missed even if its pod has ended. */
  #isOver(source: Source, nowUs: Us): boolean {
    return source.withinUs === 0 && this.#options.runs(source.ref, nowUs) === "no";
  }

  /** Whether the pod or machine of a silent source still runs; without it, it is gone. */
  #lookUp(source: Source): void {
    if (source.withinUs > 0) return;
    const runs = this.#options.runs(source.ref, this.#nowUs);
    // A pod that was seen to talk has not become doubtful because no object repeats it.
    const isDoubt = runs === "unknown" && source.flowsWithoutLegs > 0;
    if (runs === "no") this.#turn(source, "gone");
    else if (runs !== source.runs && !isDoubt) {
      source.runs = runs;
      this.#changed.add(source);
    }
  }

  /** Nobody of a group, or a source that was never heard, is told as a source that is silent. */
  #miss(expectation: Expectation): void {
    const { kind, key, namespace, lastUs } = expectation;
    const known = this.#sources.get(`${kind}|${key}`);
    if (known) {
      if (known.state !== "silent") this.#turn(known, "silent");
      return;
    }
    const source = makeSource({ kind, key, cluster: this.#options.cluster, namespace }, 0);
    source.lastReceivedUs = lastUs;
    source.lastEventUs = Math.max(lastUs, this.#listeningFromUs);
    this.#add(source);
    source.withinUs = expectation.withinUs;
    this.#turn(source, "silent");
  }

  #meet(expectation: Expectation, receivedUs: Us): void {
    expectation.lastUs = Math.max(expectation.lastUs, receivedUs);
    expectation.isMissing = false;
    if (!expectation.isGroup) return;
    const missed = this.#sources.get(`${expectation.kind}|${expectation.key}`);
    if (missed && missed.state !== "live") this.#turn(missed, "live");
  }

  #tell(out: GraphChange[]): Observer[] {
    const turned: Observer[] = [];
    for (const { id, atUs } of this.#gone.splice(0)) {
      out.push({ kind: "gone", type: "source", id, atUs });
    }
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const source of changed) this.#tellOne(source, turned, out);
    return turned;
  }

  #tellOne(source: Source, turned: Observer[], out: GraphChange[]): void {
    const { ref, state, toldState } = source;
    const observer: Observer = { kind: ref.kind, key: ref.key };
    const atUs = source.lastReceivedUs;
    if (state === "gone") out.push({ kind: "gone", type: "source", id: sourceId(ref), atUs });
    else out.push(sourceChange(source, this.#workloadOf(source)));
    // A group is nobody's observer.
    if (this.#expected.get(sourceId(ref))?.isGroup) {
      if (state !== "silent") this.#dropGroup(source);
      return;
    }
    if (state === toldState || state === "unknown") return;
    source.toldState = state;
    turned.push(observer);
    out.push({ kind: "source", observer, state: state === "late" ? "live" : state, atUs });
  }

  #workloadOf({ ref, lastEventUs, flowsWithoutLegs }: Source): NodeEntity {
    return flowsWithoutLegs > 0 ? this.#options.workloadOf(ref, lastEventUs) : makeEntity("node");
  }

  /** A group that is met again has been told so, and needs no row. */
  #dropGroup(source: Source): void {
    const id = sourceId(source.ref);
    this.#sources.delete(id);
    this.#met.delete(source);
    this.#dirty.delete(source);
    this.#forgotten.push(id);
  }
}
