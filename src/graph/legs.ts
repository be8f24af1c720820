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
  /** The other end; "" and 0 where the line does not say. */
  readonly toIp: string;
  readonly toPort: number;
  /** The first line by (time, line id): what evidence shows. */
  first: ProxyLeg;
  fromUs: Us;
  toUs: Us;
}

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
  return [...accepted, ...opened];
}

type End = readonly [ip: string, port: number];

/** None where the line does not name the opening end. */
function makeLeg(role: LegRole, line: ProxyLeg, near: End, far: End): readonly Leg[] {
  const [ip, port] = near;
  const [toIp, toPort] = far;
  if (ip === "" || port <= 0) return [];
  const minute = Math.floor(line.timeUs / usPerMinute);
  const id = contentText(role, line.cluster, ip, port, toIp, toPort, minute, line.trust);
  const { cluster, timeUs } = line;
  const toUs = roundedEnd(line);
  return [{ id, role, cluster, ip, port, toIp, toPort, first: line, fromUs: timeUs, toUs }];
}

/** Adds another line of the same leg; true if the leg now says something else. */
export function extendLeg(leg: Leg, by: Leg): boolean {
  const isEarlier =
    by.fromUs < leg.fromUs ||
    (by.fromUs === leg.fromUs && lineOrder(by.first) < lineOrder(leg.first));
  if (isEarlier) {
    leg.first = by.first;
    leg.fromUs = by.fromUs;
  }
  const isLonger = by.toUs > leg.toUs;
  if (isLonger) leg.toUs = by.toUs;
  return isEarlier || isLonger;
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
    overlaps(flow, leg.fromUs, leg.toUs, boundUs, options)
  );
}

/** The proxy accepted this very socket: it was redirected, so the wire showed another's port. */
export function isCaptured(leg: Leg, socket: SocketOpened, options: BypassOptions): boolean {
  return (
    leg.role === "captured" &&
    leg.toIp === socket.dstIp &&
    leg.toPort === socket.dstPort &&
    leg.toUs >= socket.timeUs - options.closenessUs &&
    leg.fromUs <= socket.timeUs + options.latenessUs
  );
}

/** A leg from the flow's destination to its source: the flow is a reply. */
export function showsReply(leg: Leg, flow: Flow, boundUs: Us, options: BypassOptions): boolean {
  return (
    leg.role !== "captured" &&
    leg.toIp === flow.srcIp &&
    leg.toPort === flow.srcPort &&
    overlaps(flow, leg.fromUs, leg.toUs, boundUs, options)
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
    fields: { role: leg.role, src: from, dst: to, pod: first.pod.pod, trust: first.trust },
    hash: contentHash(["leg", leg.id, first.lineId, first.timeUs]),
  };
}
