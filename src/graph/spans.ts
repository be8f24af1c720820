/**
 * Span halves on edges. Each half counts once (trace id, span id, side) as soon as it arrives; when its
 * other half is there, the pair says exactly which two pods talked and on which port.
 */
import type { PeerName, SpanHalf } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { makeAmounts } from "./columns.ts";
import { ExpiringMap } from "./expiring-map.ts";
import { podToPeer, serviceTag, sourceTag, type Placement, type Placements } from "./placements.ts";

interface Half {
  readonly span: SpanHalf;
  readonly placement: Placement;
  /** The paired half; of several servers the one with the smallest span id. */
  other: Half | null;
}

/** The other end of a call and its port, as an access-log line of the caller's proxy gives them. */
export interface Callee {
  readonly dst: PeerName;
  readonly port: number;
}

export class Spans {
  readonly #placements: Placements;
  /** Client halves by `trace/span`, server halves by `trace/parent`, every half by `trace/span/side`. */
  readonly #halves: ExpiringMap<Half>;
  readonly #clients: ExpiringMap<Half>;
  readonly #servers: ExpiringMap<Half>;
  /** What access-log lines say of the callee of a client half, by `trace/span`. */
  readonly #callees: ExpiringMap<Callee>;

  constructor(halvesMax: number, ttlUs: Us, placements: Placements) {
    this.#placements = placements;
    this.#halves = new ExpiringMap(halvesMax, ttlUs);
    this.#clients = new ExpiringMap(halvesMax, ttlUs);
    this.#servers = new ExpiringMap(halvesMax, ttlUs);
    this.#callees = new ExpiringMap(halvesMax, ttlUs);
  }

  get dropped(): number {
    return this.#halves.dropped;
  }

  /** False when this half was there before. */
  add(span: SpanHalf, nowUs: Us): boolean {
    const key = `${span.traceId}/${span.spanId}/${span.side}`;
    if (this.#halves.get(key)) return false;
    const half: Half = { span, placement: placementOf(span), other: null };
    this.#halves.set(key, half, nowUs);
    const pairKey =
      span.side === "client"
        ? `${span.traceId}/${span.spanId}`
        : `${span.traceId}/${span.parentSpanId}`;
    const other = (span.side === "client" ? this.#servers : this.#clients).get(pairKey);
    this.#remember(half, pairKey, nowUs);
    this.#placements.place(half.placement, nowUs);
    if (other) {
      const isClient = span.side === "client";
      this.#pair(isClient ? half : other, isClient ? other : half);
    } else if (span.side === "client") {
      const callee = this.#callees.get(pairKey);
      if (callee) this.#nameCallee(half, callee);
    }
    return true;
  }

  /**
   * The line of the same call names the host that the proxy chose. A client half of a passthrough call
   * names nobody, so this is the only way to know whom it called.
   */
  calleeSeen(traceId: string, spanId: string, callee: Callee, nowUs: Us): void {
    const key = `${traceId}/${spanId}`;
    this.#callees.set(key, callee, nowUs);
    const half = this.#clients.get(key);
    if (half) this.#nameCallee(half, callee);
  }

  advance(nowUs: Us): void {
    this.#halves.advance(nowUs);
    this.#clients.advance(nowUs);
    this.#servers.advance(nowUs);
    this.#callees.advance(nowUs);
  }

  #nameCallee(half: Half, callee: Callee): void {
    if (half.other || !isNobody(half.placement.dst)) return;
    this.#placements.revise(half.placement, (placement) => {
      placement.dst = callee.dst;
      if (placement.port === 0) placement.port = callee.port;
    });
  }

  #remember(half: Half, pairKey: string, nowUs: Us): void {
    if (half.span.side === "client") {
      this.#clients.set(pairKey, half, nowUs);
      return;
    }
    if (half.span.parentSpanId === "") return;
    const known = this.#servers.get(pairKey);
    if (!known || half.span.spanId < known.span.spanId) this.#servers.set(pairKey, half, nowUs);
  }

  #pair(client: Half, server: Half): void {
    this.#placements.revise(server.placement, () => refine(server, client));
    if (client.other && client.other.span.spanId <= server.span.spanId) return;
    this.#placements.revise(client.placement, () => refine(client, server));
    client.other = server;
  }
}

/** What the other half knows better: its own pod, and the port that the server listens on. */
function refine(half: Half, other: Half): void {
  const { placement } = half;
  if (half.span.side === "server") {
    placement.src = podToPeer(other.span.self, placement.src.principal);
    return;
  }
  placement.dst = podToPeer(other.span.self);
  if (other.span.port > 0) placement.port = other.span.port;
}

function isNobody(peer: PeerName): boolean {
  return peer.workload === "" && peer.pod === "" && peer.service === "" && peer.address === "";
}

function placementOf(span: SpanHalf): Placement {
  const self = podToPeer(span.self);
  const isServer = span.side === "server";
  const amounts = makeAmounts();
  amounts.requests = 1;
  amounts.errors = span.isError ? 1 : 0;
  amounts.denied = span.isDenied ? 1 : 0;
  amounts.latencySumUs = span.durationUs;
  amounts.latencyCount = 1;
  return {
    sourceKey: span.source.key,
    atUs: span.timeUs,
    transport: "tcp",
    reporter: isServer ? "server_span" : "client_span",
    channel: "spans",
    src: isServer ? span.peer : self,
    dst: isServer ? self : span.peer,
    protocol: span.protocol,
    port: span.port,
    amounts,
    security: [0, 0],
    isBare: false,
    tags: tagsOf(span, span.peer),
    facet: null,
    settlesUs: 0,
  };
}

function tagsOf(span: SpanHalf, peer: PeerName): string[] {
  const tags = [sourceTag(span.source)];
  if (span.route !== "unknown") tags.push(`route:${span.route}`);
  if (span.responseFlags !== "") tags.push(`flag:${span.responseFlags}`);
  if (span.side === "client" && peer.service !== "") {
    tags.push(serviceTag(peer.serviceNamespace, peer.service));
  }
  return tags;
}
