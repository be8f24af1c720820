/**
 * Access-log lines on edges: one request or one closed TCP connection each. A line may come in several
 * variants (text, labelled) that share `lineId`; they count once and what each knows is put together.
 */
import type { PeerName, ProxyLeg, Trust } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { addressScope } from "./address-scope.ts";
import { makeAmounts, type Amounts } from "./columns.ts";
import { plaintextLineEvidence } from "./evidence.ts";
import { ExpiringMap } from "./expiring-map.ts";
import {
  addressToPeer,
  makePlacement,
  podToPeer,
  serviceTag,
  sourceTag,
  type PlacedEvent,
  type Placement,
  type Placements,
} from "./placements.ts";
import type { Spans } from "./spans.ts";

interface Line {
  leg: ProxyLeg;
  readonly placement: Placement;
}

/** Istio writes the SNI of its own mutual TLS as `outbound_.<port>_.<subset>_.<host>`. */
const meshServerName = "outbound_";

export class Lines {
  readonly #placements: Placements;
  readonly #spans: Spans;
  readonly #lines: ExpiringMap<Line>;

  constructor(linesMax: number, ttlUs: Us, placements: Placements, spans: Spans) {
    this.#placements = placements;
    this.#spans = spans;
    this.#lines = new ExpiringMap(linesMax, ttlUs);
  }

  get dropped(): number {
    return this.#lines.dropped;
  }

  /** The line with all that its variants say; null when this one adds nothing. */
  add(leg: ProxyLeg, nowUs: Us): ProxyLeg | null {
    if (leg.side === "unknown") return leg;
    const known = this.#lines.get(leg.lineId);
    if (known) return this.#revise(known, leg, nowUs);
    const line: Line = { leg, placement: makePlacement(eventOf(leg), leg.timeUs, amountsOf(leg)) };
    this.#lines.set(leg.lineId, line, nowUs);
    this.#placements.place(line.placement, nowUs);
    this.#tellSpan(line, nowUs);
    return leg;
  }

  advance(nowUs: Us): void {
    this.#lines.advance(nowUs);
  }

  #revise(line: Line, leg: ProxyLeg, nowUs: Us): ProxyLeg | null {
    const merged = mergeLegs(line.leg, leg);
    if (merged === line.leg) return null;
    line.leg = merged;
    this.#placements.revise(line.placement, eventOf(merged), amountsOf(merged));
    this.#tellSpan(line, nowUs);
    return merged;
  }

  #tellSpan({ leg, placement }: Line, nowUs: Us): void {
    if (leg.side !== "outbound" || leg.traceId === "" || leg.spanId === "") return;
    const { dst, port } = placement.event;
    this.#spans.calleeSeen(leg.traceId, leg.spanId, { dst, port }, nowUs);
  }
}

/**
 * Both variants in one, the same whichever came first: what only one says stands, of two different words
 * the smaller, of two numbers the greater. A line that is less trusted adds nothing to a better one.
 */
export function mergeLegs(have: ProxyLeg, more: ProxyLeg): ProxyLeg {
  if (trustRank[have.trust] !== trustRank[more.trust]) {
    return trustRank[have.trust] > trustRank[more.trust] ? have : more;
  }
  const merged: Record<string, unknown> = {};
  let hasChanged = false;
  // Both are whole legs, but for what only some writers say.
  for (const name of new Set([...Object.keys(have), ...Object.keys(more)])) {
    const mine: unknown = have[name as keyof ProxyLeg]; // a key of a leg
    const theirs: unknown = more[name as keyof ProxyLeg]; // likewise
    merged[name] = mergeValue(mine, theirs);
    if (merged[name] !== mine) hasChanged = true;
  }
  return hasChanged ? (merged as unknown as ProxyLeg) : have; // every field was taken from a leg
}

const trustRank: Readonly<Record<Trust, number>> = { claimed: 0, attested: 1, verified: 2 };

function mergeValue(mine: unknown, theirs: unknown): unknown {
  if (typeof mine === "string" && typeof theirs === "string") {
    if (mine === "" || mine === "unknown") return theirs;
    return theirs === "" || theirs === "unknown" || mine <= theirs ? mine : theirs;
  }
  if (typeof mine === "number" && typeof theirs === "number") return Math.max(mine, theirs);
  if (typeof mine === "boolean" && typeof theirs === "boolean") return mine || theirs;
  if (isRecord(mine) && isRecord(theirs)) {
    const [a, b] = [JSON.stringify(mine), JSON.stringify(theirs)];
    return fullness(mine) - fullness(theirs) > 0 || (fullness(mine) === fullness(theirs) && a <= b)
      ? mine
      : theirs;
  }
  return mine ?? theirs;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** How many parts of a pod's or source's name are given. */
function fullness(record: Record<string, unknown>): number {
  return Object.values(record).filter((value) => value !== "").length;
}

function eventOf(leg: ProxyLeg): PlacedEvent {
  if (leg.writer === "ztunnel") return ztunnelEvent(leg);
  if (leg.writer === "waypoint") return waypointEvent(leg);
  const isInbound = leg.side === "inbound";
  return {
    sourceKey: leg.source.key,
    transport: "tcp",
    reporter: isInbound ? "destination" : "source",
    channel: "logs",
    src: isInbound ? callerOf(leg) : ownEnd(leg, [leg.upstreamLocalIp, leg.downstreamRemoteIp]),
    dst: isInbound ? ownEnd(leg, [leg.downstreamLocalIp, leg.upstreamHostIp]) : calleeOf(leg),
    protocol: leg.protocol,
    port: leg.upstreamHostPort || leg.downstreamLocalPort || leg.servicePort,
    // A forged line must not make plaintext look encrypted.
    security: isInbound && isMutualTls(leg) && leg.trust !== "claimed" ? [1, 0] : [0, 0],
    // A shape that shows no TLS does not show that there was none.
    isBare: isInbound && leg.showsTls && !isMutualTls(leg) && leg.trust !== "claimed",
    tags: tagsOf(leg),
  };
}

/** Between two ends: whether the tunnel it was reached through was encrypted, its line does not show. */
function waypointEvent(leg: ProxyLeg): PlacedEvent {
  return {
    sourceKey: leg.source.key,
    transport: "tcp",
    reporter: "waypoint",
    channel: "logs",
    src: callerOf(leg),
    dst: calleeOf(leg),
    protocol: leg.protocol,
    port: leg.upstreamHostPort || leg.servicePort,
    security: leg.peerPrincipal !== "" && leg.trust !== "claimed" ? [1, 0] : [0, 0],
    isBare: false,
    tags: tagsOf(leg),
  };
}

/** A node's proxy: it names both pods, and says outright what was encrypted. */
function ztunnelEvent(leg: ProxyLeg): PlacedEvent {
  const isInbound = leg.side === "inbound";
  const own = podToPeer(leg.pod);
  const peer = podToPeer(leg.peerPod ?? leg.pod, leg.peerPrincipal);
  const { service, serviceNamespace } = leg;
  const isPlain = leg.security === "none";
  // A forged line must not make plaintext look encrypted.
  const isTls = leg.security === "mutual_tls" && leg.trust !== "claimed";
  return {
    sourceKey: leg.source.key,
    transport: "tcp",
    reporter: isInbound ? "ztunnel" : "ztunnel_source",
    channel: "logs",
    src: isInbound ? peer : own,
    dst: isInbound ? own : { ...peer, service, serviceNamespace },
    protocol: leg.protocol,
    port: leg.upstreamHostPort,
    security: [isTls ? 1 : 0, isPlain ? 1 : 0],
    isBare: isPlain && leg.trust !== "claimed",
    ...(isPlain ? { evidence: () => plaintextLineEvidence(leg) } : {}),
    tags: tagsOf(leg),
  };
}

function callerOf(leg: ProxyLeg): PeerName {
  return addressToPeer(leg.cluster, leg.downstreamRemoteIp, leg.peerPrincipal);
}

/** The proxy's own pod: by name, else by the first of its addresses that is not loopback. */
function ownEnd(leg: ProxyLeg, addresses: readonly string[]): PeerName {
  const address = addresses.find((ip) => ip !== "" && addressScope(ip) !== "loopback") ?? "";
  if (leg.pod.pod === "" && leg.pod.workload === "") return addressToPeer(leg.cluster, address);
  const named = podToPeer(leg.pod);
  return named.address === "" ? { ...named, address } : named;
}

/** The host the proxy chose; without one (nothing healthy, no route) what the application dialled. */
function calleeOf(leg: ProxyLeg): PeerName {
  const isNamed = leg.service !== "" || leg.upstreamHostIp === "";
  const ip = leg.upstreamHostIp || (leg.service === "" ? leg.downstreamLocalIp : "");
  const host = isNamed ? leg.service : externalName(leg);
  return {
    ...addressToPeer(leg.cluster, ip),
    service: host,
    serviceNamespace: leg.service === "" ? "" : leg.serviceNamespace,
  };
}

/** A host beyond the mesh by the name in the client's own TLS handshake. */
function externalName(leg: ProxyLeg): string {
  return leg.serverName.startsWith(meshServerName) ? "" : leg.serverName;
}

function isMutualTls(leg: ProxyLeg): boolean {
  return leg.peerPrincipal !== "" || leg.serverName.startsWith(meshServerName);
}

function amountsOf(leg: ProxyLeg): Amounts {
  const amounts = makeAmounts();
  if (leg.isConnection) {
    amounts.opened = 1;
    amounts.closed = 1;
  } else {
    amounts.requests = 1;
    amounts.latencySumUs = Math.max(0, leg.endUs - leg.timeUs);
    amounts.latencyCount = 1;
  }
  amounts.errors = leg.isError ? 1 : 0;
  amounts.denied = leg.isDenied ? 1 : 0;
  // A proxy counts what it sent to its caller; the column has the caller's view.
  amounts.bytesSent = Math.max(0, leg.bytesReceived);
  amounts.bytesReceived = Math.max(0, leg.bytesSent);
  return amounts;
}

function tagsOf(leg: ProxyLeg): string[] {
  const tags = [sourceTag(leg.source)];
  if (leg.route !== "unknown") tags.push(`route:${leg.route}`);
  if (leg.responseFlags !== "") tags.push(`flag:${leg.responseFlags}`);
  const peer = leg.writer === "ztunnel" && leg.side === "outbound" ? "dst" : "src";
  if (leg.peerPrincipal !== "") tags.push(`${peer}_principal:${leg.peerPrincipal}`);
  if ((leg.side === "outbound" || leg.writer === "waypoint") && leg.service !== "") {
    tags.push(serviceTag(leg.serviceNamespace, leg.service));
  }
  return tags;
}
