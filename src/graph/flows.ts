/**
 * Wire flows: one direction of a conversation as it left the pod. A flow shows whose address it was,
 * never who opened the socket; time and source port decide which socket it belongs to.
 */
import type { Evidence } from "../model/changes.ts";
import type { Flow } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import { hostPort } from "./sockets.ts";

/** A flow as it is joined. */
export interface JoinedFlow extends Flow {
  /**
   * Of a polled flow: the export before the first that shows it, so that it was opened after that one;
   * absent where no such export is known.
   */
  readonly openedAfterUs?: Us;
}

export function flowId(flow: Flow): string {
  return contentText(
    flow.cluster,
    flow.source.key,
    flow.agent,
    flow.srcIp,
    flow.srcPort,
    flow.dstIp,
    flow.dstPort,
    flow.transport,
    flow.startUs,
    flow.endUs,
    flow.bytes,
    flow.packets,
    flow.trust,
  );
}

/** `loose`: the flow's own times bound its opening only from above, so the match is weaker. */
export type Closeness = "exact" | "loose" | "none";

/**
 * How close in time an opened socket is to the opening of a flow. A flow that was already there when
 * the socket was opened is another connection, however long it lasts: source ports are reused.
 */
export function closeness(
  flow: JoinedFlow,
  atUs: Us,
  boundUs: Us,
  options: BypassOptions,
): Closeness {
  if (flow.polled) {
    const { openedAfterUs = Infinity } = flow;
    return atUs >= openedAfterUs - boundUs && atUs <= flow.startUs + boundUs ? "loose" : "none";
  }
  if (!flow.clamped && Math.abs(atUs - flow.startUs) <= boundUs) return "exact";
  if (!hasLooseStart(flow)) return "none";
  const fromUs = flow.endUs - options.clampedReachUs - boundUs;
  return atUs >= fromUs && atUs <= flow.endUs + boundUs ? "loose" : "none";
}

/** Distance for choosing between several sockets that are close. */
export function distanceUs(flow: Flow, atUs: Us): Us {
  return Math.abs(atUs - (flow.clamped && !flow.polled ? flow.endUs : flow.startUs));
}

/** Whether a span of time touches the life of the flow, borders widened. */
export function overlaps(
  flow: JoinedFlow,
  fromUs: Us,
  toUs: Us,
  boundUs: Us,
  options: BypassOptions,
): boolean {
  const looseUs = flow.polled ? flow.startUs : flow.endUs;
  const bornUs = hasLooseStart(flow)
    ? (flow.openedAfterUs ?? looseUs - options.clampedReachUs)
    : flow.startUs;
  return toUs >= bornUs - boundUs && fromUs <= flow.endUs + boundUs;
}

/** Clamped times, or exporters that give the whole second of the export as start and end. */
export function hasLooseStart(flow: Flow): boolean {
  return flow.clamped || (flow.startUs === flow.endUs && flow.packets !== 1);
}

export function flowEvidence(flow: JoinedFlow, id: string): Evidence {
  const from = hostPort(flow.srcIp, flow.srcPort);
  const to = hostPort(flow.dstIp, flow.dstPort);
  return {
    atUs: flow.startUs,
    nanos: 0,
    vantage: "node",
    source: flow.source.key,
    text: `a ${flow.transport} flow from ${from} to ${to} was on the wire`,
    fields: {
      src: from,
      dst: to,
      bytes: flow.bytes,
      ...(flow.polled
        ? { opened_after_us: flow.openedAfterUs ?? 0 }
        : { packets: flow.packets, end_us: flow.endUs, clamped: flow.clamped }),
      agent: flow.agent,
      trust: flow.trust,
    },
    hash: contentHash(
      flow.polled ? ["flow", id, flow.startUs, flow.openedAfterUs ?? 0] : ["flow", id],
    ),
  };
}
