/**
 * Collects what one request yields. Columns grow and are reused here; `finish` hands over fresh arrays
 * of the right size, since the batch belongs to the graph from then on.
 */
import type {
  Capability,
  EdgeSamples,
  EdgeSeries,
  Heartbeat,
  Observation,
  ObservationBatch,
  SourceRef,
  Trust,
} from "../model/observations.ts";
import type { Us } from "../model/time.ts";

/** How the value of a sample is to be read; the numbers are those of `EdgeSamples.temporality`. */
export const SampleKind = { cumulative: 0, delta: 1, gaugeOfTotal: 2 } as const;
export type SampleKind = (typeof SampleKind)[keyof typeof SampleKind];

/** Arrays of no length cannot be changed, so every batch of traces or logs may share them. */
const noSamples: EdgeSamples = {
  count: 0,
  series: new Int32Array(0),
  timeUs: new Float64Array(0),
  startUs: new Float64Array(0),
  value: new Float64Array(0),
  valueCount: new Float64Array(0),
  temporality: new Uint8Array(0),
  stale: new Uint8Array(0),
};

/** When sources of a batch last showed that they live. */
type Signs = Map<Capability, Map<SourceRef, Us>>;

const trusts: readonly Trust[] = ["verified", "attested", "claimed"];

export class BatchBuilder {
  #capacity = 1_024;
  #count = 0;
  #series = new Int32Array(this.#capacity);
  #timeUs = new Float64Array(this.#capacity);
  #startUs = new Float64Array(this.#capacity);
  #value = new Float64Array(this.#capacity);
  #valueCount = new Float64Array(this.#capacity);
  #temporality = new Uint8Array(this.#capacity);
  #stale = new Uint8Array(this.#capacity);
  #observations: Observation[] = [];
  readonly #signs: Readonly<Record<Trust, Signs>> = {
    verified: new Map(),
    attested: new Map(),
    claimed: new Map(),
  };
  /** Those of the trust at hand. */
  #alive: Signs = this.#signs.claimed;
  #receivedUs: Us = 0;

  /** Starts a batch; what an earlier, abandoned one held is forgotten. */
  begin(receivedUs: Us): void {
    this.#receivedUs = receivedUs;
    this.#count = 0;
    this.#observations = [];
    this.#alive = this.#signs.claimed;
    for (const signs of Object.values(this.#signs)) signs.clear();
  }

  add(observation: Observation): void {
    this.#observations.push(observation);
  }

  sample(
    series: number,
    timeUs: Us,
    startUs: Us,
    value: number,
    valueCount: number,
    temporality: SampleKind,
  ): void {
    const at = this.#next();
    this.#series[at] = series;
    this.#timeUs[at] = timeUs;
    this.#startUs[at] = startUs;
    this.#value[at] = value;
    this.#valueCount[at] = valueCount;
    this.#temporality[at] = temporality;
    this.#stale[at] = 0;
  }

  staleSample(series: number, timeUs: Us, temporality: SampleKind): void {
    this.sample(series, timeUs, 0, 0, 0, temporality);
    this.#stale[this.#count - 1] = 1;
  }

  /** How far signs of life are believed from here on. */
  believe(trust: Trust): void {
    this.#alive = this.#signs[trust];
  }

  /** A sign of life; per source, capability and trust the latest of the batch becomes one heartbeat. */
  alive(source: SourceRef, capability: Capability, timeUs: Us): void {
    let sources = this.#alive.get(capability);
    if (!sources) {
      sources = new Map();
      this.#alive.set(capability, sources);
    }
    const known = sources.get(source);
    if (known === undefined || known < timeUs) sources.set(source, timeUs);
  }

  finish(series: readonly EdgeSeries[]): ObservationBatch {
    for (const trust of trusts) {
      for (const [capability, sources] of this.#signs[trust]) {
        for (const [source, timeUs] of sources) this.#heartbeat(source, capability, timeUs, trust);
      }
    }
    const observations = this.#observations;
    this.#observations = [];
    return { receivedUs: this.#receivedUs, series, samples: this.#takeSamples(), observations };
  }

  #heartbeat(source: SourceRef, capability: Capability, timeUs: Us, trust: Trust): void {
    const heartbeat: Heartbeat = {
      kind: "heartbeat",
      capability,
      timeUs,
      nanos: 0,
      source,
      trust,
    };
    this.#observations.push(heartbeat);
  }

  #takeSamples(): EdgeSamples {
    const count = this.#count;
    if (count === 0) return noSamples;
    return {
      count,
      series: this.#series.slice(0, count),
      timeUs: this.#timeUs.slice(0, count),
      startUs: this.#startUs.slice(0, count),
      value: this.#value.slice(0, count),
      valueCount: this.#valueCount.slice(0, count),
      temporality: this.#temporality.slice(0, count),
      stale: this.#stale.slice(0, count),
    };
  }

  #next(): number {
    if (this.#count === this.#capacity) this.#grow();
    return this.#count++;
  }

  /** Bounded by the request: one sample per decoded point at most. */
  #grow(): void {
    this.#capacity *= 2;
    this.#series = grown(this.#series, new Int32Array(this.#capacity));
    this.#timeUs = grown(this.#timeUs, new Float64Array(this.#capacity));
    this.#startUs = grown(this.#startUs, new Float64Array(this.#capacity));
    this.#value = grown(this.#value, new Float64Array(this.#capacity));
    this.#valueCount = grown(this.#valueCount, new Float64Array(this.#capacity));
    this.#temporality = grown(this.#temporality, new Uint8Array(this.#capacity));
    this.#stale = grown(this.#stale, new Uint8Array(this.#capacity));
  }
}

function grown<Column extends { set(from: ArrayLike<number>): void } & ArrayLike<number>>(
  from: Column,
  into: Column,
): Column {
  into.set(from);
  return into;
}
