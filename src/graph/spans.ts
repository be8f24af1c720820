/**
 * Span halves on edges. Each half counts once (trace id, span id, side); when its other half is there,
 * the pair says exactly which two pods talked and on which port. Halves are counted in groups with the
 * next `flush`: most pairs are whole by then and never stand anywhere else.
 */
import type { SpanHalf } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { ExpiringMap } from "./expiring-map.ts";
import type { Placements } from "./placements.ts";
import { isNobody, isUnplaced, SpanGroups, type Callee, type Half } from "./span-groups.ts";
import { encodeSpans } from "./span-journal.ts";

/**
 * Halves of one span id: two where both sides share a span, more only where somebody invents ids. And
 * servers of one caller that wait for it: many where a job calls without a proxy. Beyond, the oldest
 * are not looked at any more.
 */
const nextsMax = 8;
const siblingsMax = 1_000;
/** Halves that wait for `flush`; it comes a few times a second. */
const freshMax = 50_000;

export class Spans {
  readonly #groups: SpanGroups;
  /** By span id, the newest first. */
  readonly #halves: ExpiringMap<Half>;
  /** Server halves without their client so far, by the client's span id, the newest first. */
  readonly #servers: ExpiringMap<Half>;
  /** What access-log lines say of the callee of a client half, by `trace/span`. */
  readonly #callees: ExpiringMap<Callee>;
  /** Not counted yet; not in the journal yet. */
  #fresh: Half[] = [];
  #unsaved: Half[] = [];
  #nowUs: Us = 0;
  #forgotten = 0;

  constructor(halvesMax: number, ttlUs: Us, placements: Placements) {
    this.#groups = new SpanGroups(placements);
    this.#halves = new ExpiringMap(halvesMax, ttlUs);
    this.#servers = new ExpiringMap(halvesMax, ttlUs);
    this.#callees = new ExpiringMap(halvesMax, ttlUs);
  }

  get dropped(): number {
    return this.#halves.dropped + this.#forgotten;
  }

  /** Halves that the next `flush` will count. */
  get freshCount(): number {
    return this.#fresh.length;
  }

  /** False when this half was there before. */
  add(span: SpanHalf, nowUs: Us): boolean {
    this.#nowUs = nowUs;
    const namesake = this.#halves.get(span.spanId) ?? null;
    if (find(namesake, span.traceId, span.side)) return false;
    const half = this.#makeHalf(span, namesake);
    this.#halves.set(span.spanId, half, nowUs);
    if (span.side === "client") this.#meetServers(half);
    else if (span.parentSpanId !== "") this.#meetClient(half);
    this.#unsaved.push(half);
    this.#fresh.push(half);
    if (this.#fresh.length >= freshMax) this.flush(nowUs);
    return true;
  }

  /**
   * The line of the same call names the host that the proxy chose. A client half of a passthrough call
   * names nobody, so this is the only way to know whom it called.
   */
  calleeSeen(traceId: string, spanId: string, callee: Callee, nowUs: Us): void {
    this.#nowUs = nowUs;
    this.#callees.set(`${traceId}/${spanId}`, callee, nowUs);
    const half = find(this.#halves.get(spanId) ?? null, traceId, "client");
    if (half) this.#nameCallee(half, callee);
  }

  /** Puts new halves into their groups. */
  flush(nowUs: Us): void {
    if (this.#fresh.length === 0) return;
    for (const half of this.#fresh) {
      if (isUnplaced(half)) half.isPassedOver = true;
      else this.#groups.join(half, nowUs);
    }
    this.#fresh = [];
  }

  advance(nowUs: Us): void {
    this.#halves.advance(nowUs);
    this.#servers.advance(nowUs);
    this.#callees.advance(nowUs);
  }

  /** The halves since the last call as a journal blob, null when there are none. */
  takeJournal(): Uint8Array | null {
    if (this.#unsaved.length === 0) return null;
    const blob = encodeSpans(this.#unsaved);
    this.#unsaved = [];
    return blob;
  }

  /** What was added until now came out of the journal. */
  restored(nowUs: Us): void {
    this.#unsaved = [];
    this.flush(nowUs);
  }

  #makeHalf(span: SpanHalf, namesake: Half | null): Half {
    const isFull = namesake !== null && namesake.nexts >= nextsMax;
    if (isFull) this.#forgotten++;
    const next = isFull ? null : namesake;
    return {
      wording: this.#groups.wordingOf(span),
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      timeUs: span.timeUs,
      durationUs: span.durationUs,
      isError: span.isError,
      isDenied: span.isDenied,
      other: null,
      otherSpanId: "",
      callee: null,
      group: null,
      isPassedOver: false,
      next,
      sibling: null,
      nexts: next === null ? 0 : next.nexts + 1,
      siblings: 0,
    };
  }

  #meetServers(client: Half): void {
    const { traceId, spanId } = client;
    for (let server = this.#servers.get(spanId) ?? null; server; server = server.sibling) {
      if (server.traceId === traceId) this.#pair(client, server);
    }
    if (!isNobody(client.wording.peer)) return;
    const callee = this.#callees.get(`${traceId}/${spanId}`);
    if (callee) this.#nameCallee(client, callee);
  }

  #meetClient(server: Half): void {
    const { traceId, parentSpanId } = server;
    const client = find(this.#halves.get(parentSpanId) ?? null, traceId, "client");
    if (client) return this.#pair(client, server);
    const waiting = this.#servers.get(parentSpanId) ?? null;
    const isFull = waiting !== null && waiting.siblings >= siblingsMax;
    if (isFull) this.#forgotten++;
    if (!isFull && waiting) {
      server.sibling = waiting;
      server.siblings = waiting.siblings + 1;
    }
    this.#servers.set(parentSpanId, server, this.#nowUs);
  }

  #pair(client: Half, server: Half): void {
    server.other = client.wording;
    // Equal texts; of two copies one can go.
    server.traceId = client.traceId;
    server.parentSpanId = client.spanId;
    this.#groups.move(server, this.#nowUs);
    if (client.other && client.otherSpanId <= server.spanId) return;
    client.other = server.wording;
    client.otherSpanId = server.spanId;
    this.#groups.move(client, this.#nowUs);
  }

  #nameCallee(half: Half, callee: Callee): void {
    if (!isNobody(half.wording.peer)) return;
    half.callee = callee;
    this.#groups.move(half, this.#nowUs);
  }
}

function find(first: Half | null, traceId: string, side: SpanHalf["side"]): Half | null {
  for (let half = first; half; half = half.next) {
    if (half.traceId === traceId && half.wording.side === side) return half;
  }
  return null;
}
