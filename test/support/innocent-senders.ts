/**
 * How an innocent day's telemetry travels: in batches per sender, late by seconds, a few by half a minute,
 * one request in a hundred never, some twice, and some records a second time in another batch.
 */
import {
  encodeCounters,
  encodeLogs,
  encodeSpans,
  type OtlpRequest,
  type SimulatedCounter,
  type SimulatedLog,
  type SimulatedSpan,
} from "../../src/cli/demo/otlp.ts";
import type { Random } from "../../src/cli/demo/random.ts";
import type { Signal } from "../../src/model/stages.ts";

const usPerMs = 1_000;

export interface Arrival {
  readonly receivedUs: number;
  readonly signal: Signal;
  readonly bytes: Uint8Array;
}

export interface TravelCounts {
  sent: number;
  lost: number;
  repeated: number;
  rebatched: number;
  /** By seconds rather than fractions of them. */
  late: number;
}

/** The way to the engine. What is due is taken in the order of arrival. */
export class Travel {
  readonly counts: TravelCounts = { sent: 0, lost: 0, repeated: 0, rebatched: 0, late: 0 };
  readonly #random: Random;
  readonly #loss: number;
  readonly #due = new Map<number, Arrival[]>();

  constructor(random: Random, loss: number) {
    this.#random = random;
    this.#loss = loss;
  }

  /** True for some: the sender will send a part of that batch again in its next one. */
  send(nowMs: number, { signal, bytes }: OtlpRequest): boolean {
    this.counts.sent++;
    const isLost = this.#random.next() < this.#loss;
    if (isLost) this.counts.lost++;
    else this.#arrive(nowMs + this.#delayMs(), signal, bytes);
    if (!isLost && this.#random.next() < 0.01) {
      this.counts.repeated++;
      this.#arrive(nowMs + 1_000 + this.#random.below(40_000), signal, bytes);
    }
    const isRebatched = this.#random.next() < 0.005;
    if (isRebatched) this.counts.rebatched++;
    return isRebatched;
  }

  /** What arrives within the second that begins at `nowMs`. */
  take(nowMs: number): readonly Arrival[] {
    const second = Math.floor(nowMs / 1_000);
    const due = this.#due.get(second) ?? [];
    this.#due.delete(second);
    return due.sort((a, b) => a.receivedUs - b.receivedUs);
  }

  /** Whether something is still on its way. */
  get isEmpty(): boolean {
    return this.#due.size === 0;
  }

  #delayMs(): number {
    if (this.#random.next() >= 0.01) return 50 + this.#random.below(1_500);
    this.counts.late++;
    return 2_000 + this.#random.below(23_000);
  }

  #arrive(atMs: number, signal: Signal, bytes: Uint8Array): void {
    const second = Math.floor(atMs / 1_000);
    const arrival = { receivedUs: Math.floor(atMs) * usPerMs, signal, bytes };
    const due = this.#due.get(second);
    if (due) due.push(arrival);
    else this.#due.set(second, [arrival]);
  }
}

type Resource = Record<string, string>;

interface Pile<T> {
  readonly resource: Resource;
  items: T[];
}

/** Requests one after the other are one request: that is how protocol buffers are read. */
function joined(parts: readonly OtlpRequest[]): OtlpRequest | null {
  const [first] = parts;
  if (!first) return null;
  return { signal: first.signal, bytes: Buffer.concat(parts.map(({ bytes }) => bytes)) };
}

/** One sender's batches: everything since the last one, by resource. */
export class Sender<T> {
  readonly #travel: Travel;
  readonly #everyMs: number;
  readonly #encode: (resource: Resource, items: readonly T[]) => OtlpRequest;
  readonly #piles = new Map<string, Pile<T>>();
  #dueMs: number;

  constructor(
    travel: Travel,
    everyMs: number,
    startMs: number,
    encode: (resource: Resource, items: readonly T[]) => OtlpRequest,
  ) {
    this.#travel = travel;
    this.#everyMs = everyMs;
    this.#dueMs = startMs + everyMs;
    this.#encode = encode;
  }

  push(resource: Resource, item: T): void {
    const key = Object.values(resource).join("\0");
    const pile = this.#piles.get(key);
    if (pile) pile.items.push(item);
    else this.#piles.set(key, { resource, items: [item] });
  }

  tick(nowMs: number, isLast: boolean): void {
    if (nowMs < this.#dueMs && !isLast) return;
    this.#dueMs = nowMs + this.#everyMs;
    const piles = [...this.#piles.values()].filter(({ items }) => items.length > 0);
    const request = joined(piles.map(({ resource, items }) => this.#encode(resource, items)));
    this.#piles.clear();
    if (!request || !this.#travel.send(nowMs, request)) return;
    for (const { resource, items } of piles) {
      this.#piles.set(Object.values(resource).join("\0"), {
        resource,
        items: items.slice(items.length >> 1),
      });
    }
  }
}

export type LogSender = Sender<SimulatedLog>;
export type SpanSender = Sender<SimulatedSpan>;

export function logSender(travel: Travel, everyMs: number, startMs: number): LogSender {
  return new Sender(travel, everyMs, startMs, encodeLogs);
}

export function spanSender(travel: Travel, everyMs: number, startMs: number): SpanSender {
  return new Sender(travel, everyMs, startMs, encodeSpans);
}

/** Scraped targets of one time, some to a request. */
export function sendScrapes(
  travel: Travel,
  nowMs: number,
  targets: readonly (readonly SimulatedCounter[])[],
  cluster: string,
): void {
  const scraper = { "service.name": "kubernetes-pods", "k8s.cluster.name": cluster };
  for (let from = 0; from < targets.length; from += 16) {
    const parts = targets.slice(from, from + 16);
    const request = joined(parts.map((counters) => encodeCounters(scraper, counters, nowMs)));
    if (request) travel.send(nowMs, request);
  }
}
