/**
 * Sources and their liveness: when each was last heard, of what, and how often it speaks. Liveness goes
 * by receive time, since a source with a wrong clock is alive; silence is told, never concluded from.
 */
import type { AnyEntityChange, GraphChange, Observer } from "../model/changes.ts";
import { makeEntity, type Entity } from "../model/entities.ts";
import type { Capability, SourceRef } from "../model/observations.ts";
import { forget, type Restored, type WriteSet } from "../model/rows.ts";
import { usPerHour, usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import {
  makeClockOffset,
  noteOffset,
  offsetOf,
  worstOffset,
  type ClockOffset,
} from "./clock-offset.ts";

interface Heard {
  eventUs: Us;
  receivedUs: Us;
  /** Smoothed pause between deliveries, 0 = heard once. */
  intervalUs: Us;
  /** As `coverageOf` last told it. */
  isSilent: boolean;
  offset: ClockOffset;
}

interface Source {
  readonly ref: SourceRef;
  readonly heard: Map<Capability, Heard>;
  state: Entity<"source">["state"];
  firstUs: Us;
  lastReceivedUs: Us;
  lastEventUs: Us;
  latenessUs: Us;
}

/** Deliveries closer than this are parts of one. */
const sameDeliveryUs = usPerSecond / 2;
const lateAfterUs = 10 * usPerSecond;
const silentAfterUs = 2 * usPerMinute;
const goneAfterUs = usPerHour;
/** Liveness is looked at this often. */
const sweepUs = usPerSecond;

export class Sources {
  readonly #sourcesMax: number;
  readonly #sources = new Map<string, Source>();
  readonly #dirty = new Set<Source>();
  readonly #changed = new Set<Source>();
  /** Sources (`kind|key`) whose coverage is another one since it was last taken. */
  readonly #changedCoverage = new Set<string>();
  readonly #lastReceived = new Map<string, Us>();
  #forgotten: string[] = [];
  #nowUs = 0;
  #sweptUs = 0;
  /** Silence is counted from here: before it we were not listening. */
  #listeningFromUs = 0;
  #lagUs = 0;
  #dropped = 0;

  constructor(sourcesMax: number) {
    this.#sourcesMax = sourcesMax;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Receive time minus event time of the newest delivery. */
  get lagUs(): Us {
    return this.#lagUs;
  }

  get lastReceived(): ReadonlyMap<string, Us> {
    return this.#lastReceived;
  }

  heard(ref: SourceRef, capability: Capability, eventUs: Us, receivedUs: Us): void {
    const source = this.#source(ref, receivedUs);
    this.#lastReceived.set(ref.kind, receivedUs);
    this.#lagUs = Math.max(0, receivedUs - eventUs);
    if (!source) return;
    let heard = source.heard.get(capability);
    if (!heard) {
      const offset = makeClockOffset();
      heard = { eventUs, receivedUs, intervalUs: 0, isSilent: false, offset };
      source.heard.set(capability, heard);
      this.#changedCoverage.add(`${ref.kind}|${ref.key}`);
    } else {
      learnInterval(heard, receivedUs);
      heard.eventUs = Math.max(heard.eventUs, eventUs);
      heard.receivedUs = Math.max(heard.receivedUs, receivedUs);
    }
    noteOffset(heard.offset, receivedUs - eventUs, receivedUs);
    source.lastReceivedUs = Math.max(source.lastReceivedUs, receivedUs);
    source.lastEventUs = Math.max(source.lastEventUs, eventUs);
    source.latenessUs += (Math.max(0, receivedUs - eventUs) - source.latenessUs) / 8;
    this.#dirty.add(source);
    if (source.state !== "live") this.#turn(source, "live");
  }

  /** Whether any of these is still heard; of none nothing is known, which is not silence. */
  isAnyLive(observers: readonly Observer[]): boolean {
    if (observers.length === 0) return true;
    return observers.some(({ kind, key }) => {
      const state = this.#sources.get(`${kind}|${key}`)?.state ?? "live";
      return state === "live" || state === "late";
    });
  }

  /** Sources whose pod has ended are gone, not silent. */
  ended(kind: SourceRef["kind"], key: string): void {
    const source = this.#sources.get(`${kind}|${key}`);
    if (source && source.state !== "gone") this.#turn(source, "gone");
  }

  /** Turns sources late, silent and gone; returns the keys of those that fell silent or spoke again. */
  advance(nowUs: Us, out: GraphChange[]): Observer[] {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    if (this.#listeningFromUs === 0) this.#listeningFromUs = nowUs;
    if (nowUs - this.#sweptUs >= sweepUs) {
      this.#sweptUs = nowUs;
      for (const source of this.#sources.values()) {
        const state = this.#stateOf(source);
        if (state !== source.state && source.state !== "gone") this.#turn(source, state);
      }
    }
    const turned: Observer[] = [];
    for (const source of this.#changed) {
      const { kind, key } = source.ref;
      turned.push({ kind, key });
      out.push(...this.#changesOf(source));
    }
    this.#changed.clear();
    return turned;
  }

  collect(into: WriteSet): void {
    for (const id of this.#forgotten.splice(0)) forget(into, "sources", id);
    for (const source of this.#dirty) {
      const { kind, key, cluster, namespace } = source.ref;
      const { state, firstUs, lastReceivedUs, lastEventUs, latenessUs } = source;
      const offsets = [...source.heard.values()].map(({ offset }) => offsetOf(offset));
      const heard = Object.fromEntries(
        [...source.heard].map(([name, one]) => [name, { ...one, offsetUs: offsetOf(one.offset) }]),
      );
      into.sources.push({
        kind,
        key,
        cluster,
        namespace,
        state,
        firstSeenUs: firstUs,
        lastSeenUs: lastReceivedUs,
        detail: JSON.stringify({ heard, lastEventUs, latenessUs, offsetUs: worstOffset(offsets) }),
      });
    }
    this.#dirty.clear();
  }

  restore(rows: Restored): void {
    for (const row of rows.sources) {
      const detail = JSON.parse(row.detail) as {
        heard: Record<string, Heard>;
        lastEventUs: Us;
        latenessUs: Us;
      }; // written by `collect`
      const kind = row.kind as SourceRef["kind"]; // written by `collect`
      const source: Source = {
        ref: { kind, key: row.key, cluster: row.cluster, namespace: row.namespace },
        heard: new Map(Object.entries(detail.heard) as [Capability, Heard][]), // as above
        state: row.state as Source["state"], // as above
        firstUs: row.firstSeenUs,
        lastReceivedUs: row.lastSeenUs,
        lastEventUs: detail.lastEventUs,
        latenessUs: detail.latenessUs,
      };
      this.#sources.set(`${row.kind}|${row.key}`, source);
      this.#changed.add(source);
    }
  }

  /** Capability to `live` or `silent`, of one source. */
  coverageOf(kind: SourceRef["kind"], key: string): ReadonlyMap<Capability, "live" | "silent"> {
    const coverage = new Map<Capability, "live" | "silent">();
    const source = this.#sources.get(`${kind}|${key}`);
    for (const [capability, heard] of source?.heard ?? []) {
      coverage.set(capability, heard.isSilent ? "silent" : "live");
    }
    return coverage;
  }

  takeChangedCoverage(): ReadonlySet<string> {
    const changed = new Set(this.#changedCoverage);
    this.#changedCoverage.clear();
    return changed;
  }

  #source(ref: SourceRef, receivedUs: Us): Source | null {
    const id = `${ref.kind}|${ref.key}`;
    const known = this.#sources.get(id);
    if (known) return known;
    if (this.#sources.size >= this.#sourcesMax && !this.#forgetGone()) {
      this.#dropped++;
      return null;
    }
    const source: Source = {
      ref,
      heard: new Map(),
      state: "unknown",
      firstUs: receivedUs,
      lastReceivedUs: receivedUs,
      lastEventUs: 0,
      latenessUs: 0,
    };
    this.#sources.set(id, source);
    return source;
  }

  #forgetGone(): boolean {
    for (const [id, source] of this.#sources) {
      if (source.state !== "gone") continue;
      this.#dirty.delete(source);
      this.#forgotten.push(id);
      return this.#sources.delete(id);
    }
    return false;
  }

  #turn(source: Source, state: Source["state"]): void {
    source.state = state;
    this.#changed.add(source);
    this.#dirty.add(source);
  }

  /** By the capability that is heard best: one signal alone may be switched off. */
  #stateOf(source: Source): Source["state"] {
    let best: Source["state"] = "silent";
    let shortestUs = Infinity;
    for (const heard of source.heard.values()) {
      const pauseUs = this.#pause(heard);
      const isSilent = pauseUs > silenceOf(heard);
      if (isSilent !== heard.isSilent) {
        heard.isSilent = isSilent;
        this.#changedCoverage.add(`${source.ref.kind}|${source.ref.key}`);
      }
      shortestUs = Math.min(shortestUs, pauseUs);
      if (pauseUs <= 2 * heard.intervalUs + lateAfterUs) best = "live";
      else if (pauseUs <= silenceOf(heard) && best === "silent") best = "late";
    }
    return best === "silent" && shortestUs > goneAfterUs ? "gone" : best;
  }

  #pause(heard: Heard): Us {
    return this.#nowUs - Math.max(heard.receivedUs, this.#listeningFromUs);
  }

  #changesOf(source: Source): (GraphChange | AnyEntityChange)[] {
    const { kind, key, namespace } = source.ref;
    const observer: Observer = { kind, key };
    const atUs = source.lastReceivedUs;
    const intervals = [...source.heard.values()].map((heard) => heard.intervalUs);
    const entity: Entity<"source"> = {
      ...makeEntity("source"),
      kind,
      key,
      namespace,
      state: source.state,
      last_seen_age: source.lastReceivedUs,
      interval: intervals.length === 0 ? 0 : Math.max(...intervals),
      lateness: Math.round(source.latenessUs),
    };
    const id = `${kind}|${key}`;
    const change: AnyEntityChange = {
      kind: "entity",
      type: "source",
      id,
      entity,
      judged: true,
      atUs,
      evidence: [],
      observers: [],
    };
    if (source.state === "unknown") return [change];
    const state = source.state === "late" ? "live" : source.state;
    return [change, { kind: "source", observer, state, atUs }];
  }
}

function silenceOf(heard: Heard): Us {
  return Math.max(silentAfterUs, 4 * heard.intervalUs);
}

/** Follows longer pauses quickly and shorter ones slowly, so that an outlier does not raise alarms. */
function learnInterval(heard: Heard, receivedUs: Us): void {
  const pauseUs = receivedUs - heard.receivedUs;
  if (pauseUs < sameDeliveryUs) return;
  if (heard.intervalUs === 0) heard.intervalUs = pauseUs;
  else {
    const weight = pauseUs > heard.intervalUs ? 2 : 8;
    heard.intervalUs = Math.round(heard.intervalUs + (pauseUs - heard.intervalUs) / weight);
  }
}
