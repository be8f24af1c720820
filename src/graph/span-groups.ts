/**
 * Groups of span halves that say the same within one second: one placement instead of thousands. Halves
 * in the same words share a `Wording`, a wording has a `Spot` for each pair of ends that its halves may
 * prove to have, and a spot has one group per slice of event time. A group's ends are looked up at its
 * slice's start, whichever halves are in it, so the order of arrival does not show.
 */
import type { PeerName, PodName, SpanHalf } from "../model/observations.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { makeAmounts } from "./columns.ts";
import {
  makePlacement,
  podToPeer,
  serviceTag,
  sourceTag,
  type PlacedEvent,
  type Placement,
  type Placements,
} from "./placements.ts";

/**
 * An application's half that names nobody at its other end is no edge by itself: behind a sidecar every
 * server's is one. The other half may still say whose call it was.
 */
export function isUnplaced({ wording, other, callee }: Half): boolean {
  return wording.proxyRole === "" && !other && !callee && isNobody(wording.peer);
}

export function isNobody(peer: PeerName): boolean {
  return peer.workload === "" && peer.pod === "" && peer.service === "" && peer.address === "";
}

/** The other end of a call and its port, as an access-log line of the caller's proxy gives them. */
export interface Callee {
  readonly dst: PeerName;
  readonly port: number;
}

/** What many halves say alike. */
interface Words {
  readonly side: SpanHalf["side"];
  readonly self: PodName;
  readonly peer: PeerName;
  readonly port: number;
  readonly protocol: string;
  readonly route: SpanHalf["route"];
  readonly responseFlags: string;
  readonly source: SpanHalf["source"];
  readonly proxyRole: string;
  readonly caller: PeerName | null;
}

export interface Wording extends Words {
  /** Where its halves are by their own words, and by the other end's: mostly the same as last time. */
  readonly own: Spot;
  lastOther: Wording | null;
  lastSpot: Spot | null;
  readonly paired: Map<Wording | string, Spot>;
  /** Another wording of the same pod about the same peer. */
  next: Wording | null;
}

/** A pair of ends, and the group there that was used last. */
interface Spot {
  readonly event: PlacedEvent;
  latest: Group | null;
}

export interface Group extends Placement {
  /** Its slice of event time, in whole seconds: a small integer, which is compared without a load. */
  readonly slice: number;
  /** The period of engine time in which it takes halves in. */
  readonly period: number;
  /** The one used before it: a few may still grow, since slices come only nearly in order. */
  before: Group | null;
}

export interface Half {
  readonly wording: Wording;
  traceId: string;
  readonly spanId: string;
  parentSpanId: string;
  readonly timeUs: Us;
  readonly durationUs: Us;
  readonly isError: boolean;
  readonly isDenied: boolean;
  /** The other half's words; of several servers those of the one with the smallest span id. */
  other: Wording | null;
  otherSpanId: string;
  /** What a line of the same call says of whom it called. */
  callee: Callee | null;
  /** Where it is counted; null = not yet. */
  group: Group | null;
  /** It names nobody and was left out of the counting; see `isUnplaced`. */
  isPassedOver: boolean;
  /** Another half with the same span id, and an earlier server with the same parent. */
  next: Half | null;
  sibling: Half | null;
  /** How many of each follow. */
  nexts: number;
  siblings: number;
}

const sliceUs = usPerSecond;
/** Groups of a spot that are looked at. */
const openMax = 4;
/** Halves in one group, and how long it takes new ones in: its waiting time is that of the first. */
const groupMax = 256;
const periodUs = 5 * usPerSecond;
/** Spots of all wordings; beyond, all wordings are formed anew, which costs room for groups only. */
const spotsMax = 50_000;

export class SpanGroups {
  readonly #placements: Placements;
  readonly #wordings = new Map<PodName, Map<PeerName, Wording>>();
  #spots = 0;

  constructor(placements: Placements) {
    this.#placements = placements;
  }

  /** By the identity of what it names: equal words in other objects are another wording, no mistake. */
  wordingOf(span: SpanHalf): Wording {
    let ofSelf = this.#wordings.get(span.self);
    if (!ofSelf) this.#wordings.set(span.self, (ofSelf = new Map()));
    const first = ofSelf.get(span.peer) ?? null;
    for (let wording = first; wording; wording = wording.next) {
      if (isInWords(span, wording)) return wording;
    }
    const wording = makeWording(span, first);
    ofSelf.set(span.peer, wording);
    this.#countSpot();
    return wording;
  }

  /** Puts a half into the group where it belongs by what is known of it. */
  join(half: Half, nowUs: Us): void {
    const group = this.#groupOf(this.#spotOf(half), half.timeUs, nowUs);
    half.group = group;
    group.spans?.push(half);
    count(half, group, 1);
    this.#placements.touch(group);
  }

  /** More is known of a half that is counted: it goes where it belongs now, unless that is final. */
  move(half: Half, nowUs: Us): void {
    const from = half.group;
    if (!from && half.isPassedOver) {
      half.isPassedOver = false;
      this.join(half, nowUs);
      return;
    }
    if (!from?.isWaiting) return;
    leave(half, from);
    this.#placements.touch(from);
    this.join(half, nowUs);
    from.movedTo = half.group;
  }

  #spotOf(half: Half): Spot {
    const { wording, other, callee } = half;
    if (!other && !callee) return wording.own;
    if (!callee && other === wording.lastOther && wording.lastSpot) return wording.lastSpot;
    const key =
      other && (other.port > 0 || !callee) ? other : JSON.stringify([other?.self, callee]);
    let spot = wording.paired.get(key);
    if (!spot) {
      wording.paired.set(key, (spot = pairedSpot(wording, other, callee)));
      this.#countSpot();
    }
    if (key === other) {
      wording.lastOther = other;
      wording.lastSpot = spot;
    }
    return spot;
  }

  #countSpot(): void {
    if (++this.#spots <= spotsMax) return;
    this.#wordings.clear();
    this.#spots = 0;
  }

  #groupOf(spot: Spot, timeUs: Us, nowUs: Us): Group {
    const slice = Math.floor(timeUs / sliceUs);
    const period = Math.floor(nowUs / periodUs);
    let group = spot.latest;
    for (let looked = 1; group && looked <= openMax; looked++, group = group.before) {
      const isOpen = group.isWaiting && group.period === period && group.count < groupMax;
      if (isOpen && group.slice === slice) return group;
      if (looked === openMax) group.before = null;
    }
    return this.#newGroup(spot, slice, period, nowUs);
  }

  #newGroup(spot: Spot, slice: number, period: number, nowUs: Us): Group {
    const placement = makePlacement(spot.event, slice * sliceUs, makeAmounts());
    const { latest: before } = spot;
    const group: Group = { ...placement, count: 0, spans: [], slice, period, before };
    spot.latest = group;
    this.#placements.wait(group, nowUs);
    return group;
  }
}

function isInWords(span: SpanHalf, wording: Wording): boolean {
  return (
    span.side === wording.side &&
    span.port === wording.port &&
    (span.source === wording.source || span.source.key === wording.source.key) &&
    span.route === wording.route &&
    span.responseFlags === wording.responseFlags &&
    span.protocol === wording.protocol &&
    span.proxyRole === wording.proxyRole &&
    (span.caller ?? null) === wording.caller
  );
}

function makeWording(span: SpanHalf, next: Wording | null): Wording {
  const { side, self, peer, port, protocol, route, responseFlags, source, proxyRole } = span;
  const caller = span.caller ?? null;
  const words = { side, self, peer, port, protocol, route, responseFlags, source };
  const all = { ...words, proxyRole, caller };
  const [src, dst] = side === "server" ? [peer, podToPeer(self)] : [callerOf(all), peer];
  return {
    ...all,
    own: makeSpot(all, src, dst, port),
    lastOther: null,
    lastSpot: null,
    paired: new Map(),
    next,
  };
}

/** A waypoint calls for another. */
function callerOf({ self, caller }: Words, principal = ""): PeerName {
  return caller ?? podToPeer(self, principal);
}

/** What the other half knows better: its own pod, and the port that the server listens on. */
function pairedSpot(wording: Wording, other: Wording | null, callee: Callee | null): Spot {
  const { src, dst } = wording.own.event;
  if (wording.side === "server") {
    const caller = other ? callerOf(other, src.principal) : src;
    return makeSpot(wording, caller, dst, wording.port);
  }
  const port = other?.port || wording.port || (callee?.port ?? 0);
  return makeSpot(wording, src, other ? podToPeer(other.self) : (callee?.dst ?? dst), port);
}

function makeSpot(words: Words, src: PeerName, dst: PeerName, port: number): Spot {
  return {
    event: {
      sourceKey: words.source.key,
      transport: "tcp",
      reporter: reporterOf(words),
      channel: words.proxyRole === "" ? "sdk" : "spans",
      src,
      dst,
      protocol: words.protocol,
      port,
      security: [0, 0],
      isBare: false,
      tags: tagsOf(words),
    },
    latest: null,
  };
}

function reporterOf({ side, caller }: Words): PlacedEvent["reporter"] {
  if (side === "server") return "server_span";
  return caller ? "waypoint" : "client_span";
}

/** An application is no source that could fall silent: nobody's insight is unknown because it is. */
function tagsOf({ source, route, responseFlags, side, peer, proxyRole }: Words) {
  const tags = proxyRole === "" ? [] : [sourceTag(source)];
  if (route !== "unknown") tags.push(`route:${route}`);
  if (responseFlags !== "") tags.push(`flag:${responseFlags}`);
  if (side === "client" && peer.service !== "") {
    tags.push(serviceTag(peer.serviceNamespace, peer.service));
  }
  return tags;
}

function count(half: Half, group: Group, sign: 1 | -1): void {
  const { amounts } = group;
  group.count += sign;
  amounts.requests = group.count;
  amounts.latencyCount = group.count;
  amounts.latencySumUs += sign * half.durationUs;
  if (half.isError) amounts.errors += sign;
  if (half.isDenied) amounts.denied += sign;
}

function leave(half: Half, group: Group): void {
  const spans = group.spans ?? [];
  const last = spans.pop();
  const at = last === half ? -1 : spans.lastIndexOf(half);
  if (at >= 0 && last !== undefined) spans[at] = last;
  count(half, group, -1);
}
