/**
 * Proxy legs: connections through a proxy, as its access log tells them. A line tells of up to two
 * sockets: one that the proxy accepted and one that it opened itself. Each is kept by its opener's
 * address and port, and a log has a line per request: the lines of one such socket within a minute are
 * one leg with the time that they span.
 */
import type { Evidence } from "../model/changes.ts";
import type { Flow, ProxyLeg, SocketOpened } from "../model/observations.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import { overlaps } from "./flows.ts";
import { endKey } from "./orientation.ts";
import { hostPort } from "./sockets.ts";

/** `opened`: by the proxy itself; `captured`: its own pod's redirected socket; `inbound`: a caller's. */
type LegRole = "opened" | "captured" | "inbound";

export interface Leg {
  readonly id: string;
  readonly role: LegRole;
  readonly cluster: string;
  /** The end that opened the connection. */
  readonly ip: string;
  readonly port: number;
  /**
   * What the line tells: the opening end's port, only what was reached, that reaching it failed before
   * there was a port, that it was reached through a tunnel, or only what was dialled.
   */
  readonly tells: "port" | "peer" | "failed" | "tunnel" | "dialled";
  /** The other end; "" and 0 where the line does not say. */
  readonly toIp: string;
  readonly toPort: number;
  /** The first line by (time, line id): what evidence shows. */
  first: ProxyLeg;
  fromUs: Us;
  toUs: Us;
  /** The times within, in order: a port may be another connection's in between. */
  spans: readonly Span[];
}

/** Time that lines without a pause between them cover, and the first of them. */
export interface Span {
  readonly fromUs: Us;
  readonly toUs: Us;
  readonly first: ProxyLeg;
}

/** Where an ambient pod's ztunnel accepts HBONE. */
export const tunnelPort = 15_008;

/** Ends are rounded up to this, so that a busy connection does not change with each request. */
const endStepUs = 5 * usPerSecond;

export function lineToLegs(line: ProxyLeg): readonly Leg[] {
  // A waypoint's callers come through a tunnel: its line shows no socket's end.
  if (line.writer === "waypoint") return [];
  const accepted = makeLeg(
    line.side === "inbound" ? "inbound" : "captured",
    line,
    [line.downstreamRemoteIp, line.downstreamRemotePort],
    [line.downstreamLocalIp, line.downstreamLocalPort],
  );
  // What a proxy opens for a caller goes to its own pod.
  if (line.side === "inbound") return accepted;
  const opened = makeLeg(
    "opened",
    line,
    [line.upstreamLocalIp, line.upstreamLocalPort],
    [line.upstreamHostIp, line.upstreamHostPort],
  );
  return [...accepted, ...(opened.length > 0 ? opened : makePortlessLeg(line))];
}

type End = readonly [ip: string, port: number];

/** None where the line does not name the opening end. */
function makeLeg(role: LegRole, line: ProxyLeg, near: End, far: End): readonly Leg[] {
  const [ip, port] = near;
  if (ip === "" || port <= 0) return [];
  return [legOf(role, "port", line, near, far)];
}

/**
 * What a proxy opened, where its log leaves the proxy's port out or the connection failed before there
 * was one. A waypoint's lines are about neither end's pod.
 */
function makePortlessLeg(line: ProxyLeg): readonly Leg[] {
  const ip = line.upstreamLocalIp || line.pod.address || line.downstreamRemoteIp;
  if (ip === "" || line.side !== "outbound" || line.writer !== undefined) return [];
  const { upstreamHostIp: host, downstreamLocalIp: dialled } = line;
  if (host !== "" && line.tunnelled === true) {
    return [legOf("opened", "tunnel", line, [ip, 0], [host, tunnelPort])];
  }
  if (host !== "") {
    const tells = line.responseFlags === "" ? "peer" : "failed";
    return [legOf("opened", tells, line, [ip, 0], [host, line.upstreamHostPort])];
  }
  if (dialled === "") return [];
  return [legOf("opened", "dialled", line, [ip, 0], [dialled, line.downstreamLocalPort])];
}

function legOf(role: LegRole, tells: Leg["tells"], line: ProxyLeg, near: End, far: End): Leg {
  const [ip, port] = near;
  const [toIp, toPort] = far;
  const minute = Math.floor(line.timeUs / usPerMinute);
  // What callers spoke is part of what a leg says: lines with and without TLS are two.
  const how = role === "inbound" ? callerTls(line) : tells;
  const id = contentText(role, line.cluster, ip, port, toIp, toPort, minute, line.trust, how);
  const { cluster, timeUs: fromUs } = line;
  const toUs = roundedEnd(line);
  const spans = [{ fromUs, toUs, first: line }];
  return { id, role, cluster, ip, port, tells, toIp, toPort, first: line, fromUs, toUs, spans };
}

/** Where a leg is kept: at the opening end, or, without its port, by the pod and what it led to. */
export function legEndKey({ tells, cluster, ip, port, toIp, toPort }: Leg): string {
  if (tells === "port") return endKey(cluster, ip, port);
  return tells === "dialled" ? dialledKey(cluster, ip) : peerKey(cluster, ip, toIp, toPort);
}

export function peerKey(cluster: string, ip: string, toIp: string, toPort: number): string {
  return `${endKey(cluster, ip, 0)} ${hostPort(toIp, toPort)}`;
}

export function dialledKey(cluster: string, ip: string): string {
  return `${endKey(cluster, ip, 0)} dialled`;
}

/** Whether the leg was there at some time of these, borders widened. */
export function touches(leg: Leg, fromUs: Us, toUs: Us, boundUs: Us): boolean {
  return leg.spans.some((span) => span.toUs >= fromUs - boundUs && span.fromUs <= toUs + boundUs);
}

/** Adds another line of the same leg; true if the leg now says something else. */
export function extendLeg(leg: Leg, by: Leg): boolean {
  const [more] = by.spans;
  if (!more) return false;
  const around = leg.spans.find((span) => span.fromUs <= more.fromUs && span.toUs >= more.toUs);
  if (around && firstOf(around, more) === around.first) return false;
  leg.spans = addSpan(leg.spans, more);
  leg.fromUs = Math.min(leg.fromUs, more.fromUs);
  leg.toUs = Math.max(leg.toUs, more.toUs);
  leg.first = leg.spans[0]?.first ?? leg.first;
  return true;
}

/** The same in every order: spans that touch are one. */
function addSpan(spans: readonly Span[], more: Span): readonly Span[] {
  let { fromUs, toUs, first } = more;
  const apart: Span[] = [];
  for (const span of spans) {
    if (span.toUs < more.fromUs || span.fromUs > more.toUs) {
      apart.push(span);
      continue;
    }
    first = firstOf(span, { fromUs, toUs, first });
    fromUs = Math.min(fromUs, span.fromUs);
    toUs = Math.max(toUs, span.toUs);
  }
  return [...apart, { fromUs, toUs, first }].sort((a, b) => a.fromUs - b.fromUs);
}

function firstOf(one: Span, other: Span): ProxyLeg {
  if (one.fromUs !== other.fromUs) return one.fromUs < other.fromUs ? one.first : other.first;
  return lineOrder(one.first) <= lineOrder(other.first) ? one.first : other.first;
}

/** The SNI of Istio's own mutual TLS: `outbound_.<port>_.<subset>_.<host>`. */
const meshServerName = "outbound_";
/** `unseen`: the line's shape would not show TLS. */
type CallerTls = "mesh" | "plain" | "unseen";

export function callerTls(line: ProxyLeg): CallerTls {
  const { serverName, peerPrincipal, security, showsTls } = line;
  const isMesh = serverName.startsWith(meshServerName) || peerPrincipal !== "";
  if (isMesh || security === "mutual_tls") return "mesh";
  return showsTls || security === "none" ? "plain" : "unseen";
}

function roundedEnd(line: ProxyLeg): Us {
  return Math.ceil(Math.max(line.timeUs, line.endUs) / endStepUs) * endStepUs;
}

function lineOrder(line: ProxyLeg): string {
  return `${line.nanos.toString().padStart(3, "0")}${line.lineId}`;
}

/** The proxy itself held the flow's source port towards the flow's destination then. */
export function holdsFlow(leg: Leg, flow: Flow, boundUs: Us, options: BypassOptions): boolean {
  return (
    leg.role === "opened" &&
    (leg.toIp === "" || (leg.toIp === flow.dstIp && leg.toPort === flow.dstPort)) &&
    leg.spans.some((span) => overlaps(flow, span.fromUs, span.toUs, boundUs, options))
  );
}

/** The proxy accepted this very socket: it was redirected, so the wire showed another's port. */
export function isCaptured(leg: Leg, socket: SocketOpened, options: BypassOptions): boolean {
  return (
    leg.role === "captured" &&
    leg.toIp === socket.dstIp &&
    leg.toPort === socket.dstPort &&
    leg.spans.some(
      (span) =>
        span.toUs >= socket.timeUs - options.closenessUs &&
        span.fromUs <= socket.timeUs + options.latenessUs,
    )
  );
}

/** A leg from the flow's destination to its source: the flow is a reply. */
export function showsReply(leg: Leg, flow: Flow, boundUs: Us, options: BypassOptions): boolean {
  return (
    leg.role !== "captured" &&
    leg.toIp === flow.srcIp &&
    leg.toPort === flow.srcPort &&
    leg.spans.some((span) => overlaps(flow, span.fromUs, span.toUs, boundUs, options))
  );
}

const told: Readonly<Record<LegRole, string>> = {
  opened: "a proxy logged its own connection",
  captured: "a proxy logged that it accepted the connection",
  inbound: "a proxy logged a caller's connection",
};

export function legEvidence(leg: Leg): Evidence {
  const { first } = leg;
  const from = hostPort(leg.ip, leg.port);
  const to = leg.toIp === "" ? "(not logged)" : hostPort(leg.toIp, leg.toPort);
  return {
    atUs: first.timeUs,
    nanos: first.nanos,
    vantage: "proxy",
    source: first.source.key,
    text: `${told[leg.role]} from ${from} to ${to}`,
    fields: {
      role: leg.role,
      src: from,
      dst: to,
      pod: first.pod.pod,
      trust: first.trust,
      ...(first.traceId === "" ? {} : { trace_id: first.traceId, span_id: first.spanId }),
    },
    hash: contentHash(["leg", leg.id, first.lineId, first.timeUs]),
  };
}
