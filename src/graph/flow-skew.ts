/**
 * How far a flow agent's clock may be off, as a bound learned per agent: the largest difference between
 * a socket and a flow with the same four addresses in the last hour, and a little more. Until three have
 * matched, the bound is a guess. Clamped flows teach nothing and must not come here.
 */
import { usPerHour, usPerMinute, usPerSecond, type Us } from "../model/time.ts";

const guessUs = 2 * usPerSecond;
const marginUs = usPerSecond / 5;
const samplesMin = 3;
const samplesMax = 1_000;
const sourcesMax = 5_000;
/** Rounded up to this: each step of a bound has everything of its agent judged again. */
const stepUs = usPerSecond / 10;
/** An hour, and as long again as a flow can still be judged, so that no verdict outlives its bound. */
const keepUs = usPerHour + 16 * usPerMinute;

interface Sample {
  differenceUs: Us;
  readonly seenUs: Us;
}

interface Learned {
  readonly samples: Map<string, Sample>;
  boundUs: Us;
}

export class FlowSkew {
  readonly #sources = new Map<string, Learned>();

  boundUs(source: string): Us {
    return this.#sources.get(source)?.boundUs ?? guessUs;
  }

  /** Whether the bound was learned and is no guess. */
  isProved(source: string): boolean {
    return (this.#sources.get(source)?.samples.size ?? 0) >= samplesMin;
  }

  /**
   * Notes how far the flow is from the nearest socket of its addresses; true if the bound moved, or is a
   * guess no more.
   */
  learn(source: string, flow: string, differenceUs: Us, nowUs: Us): boolean {
    const learned = this.#learned(source);
    const wasProved = learned.samples.size >= samplesMin;
    const sample = learned.samples.get(flow);
    if (sample?.differenceUs === differenceUs) return false;
    if (sample) sample.differenceUs = differenceUs;
    else learned.samples.set(flow, { differenceUs, seenUs: nowUs });
    dropOld(learned.samples, nowUs);
    const before = learned.boundUs;
    const isProved = learned.samples.size >= samplesMin;
    learned.boundUs = boundOf(learned.samples);
    return learned.boundUs !== before || isProved !== wasProved;
  }

  #learned(source: string): Learned {
    let learned = this.#sources.get(source);
    if (!learned) {
      if (this.#sources.size >= sourcesMax) dropFirst(this.#sources);
      this.#sources.set(source, (learned = { samples: new Map(), boundUs: guessUs }));
    }
    return learned;
  }
}

function boundOf(samples: ReadonlyMap<string, Sample>): Us {
  if (samples.size < samplesMin) return guessUs;
  let largest = 0;
  for (const { differenceUs } of samples.values()) largest = Math.max(largest, differenceUs);
  return Math.ceil((largest + marginUs) / stepUs) * stepUs;
}

function dropOld(samples: Map<string, Sample>, nowUs: Us): void {
  for (const [key, sample] of samples) {
    if (samples.size <= samplesMax && sample.seenUs + keepUs > nowUs) return;
    samples.delete(key);
  }
}

function dropFirst(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
