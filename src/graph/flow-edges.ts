/**
 * Wire flows on edges: bytes between two addresses, from a node agent. One record is one direction, so
 * only records whose ports tell client from server count; the bypass join orients with more evidence
 * than this needs.
 */
import type { Flow } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { isPeerAddress } from "./address-scope.ts";
import { makeAmounts, type Amounts } from "./columns.ts";
import { contentHash } from "./content-hash.ts";
import { ExpiringMap } from "./expiring-map.ts";
import {
  addressToPeer,
  makePlacement,
  sourceTag,
  type PlacedEvent,
  type Placements,
} from "./placements.ts";

/** Ports from here on are handed out to clients by Linux. */
const ephemeralFrom = 32_768;

export class FlowEdges {
  readonly #placements: Placements;
  readonly #flows: ExpiringMap<true>;
  #unoriented = 0;

  constructor(flowsMax: number, ttlUs: Us, placements: Placements) {
    this.#placements = placements;
    this.#flows = new ExpiringMap(flowsMax, ttlUs);
  }

  get dropped(): number {
    return this.#flows.dropped;
  }

  get unoriented(): number {
    return this.#unoriented;
  }

  /** False when this record was there before. */
  add(flow: Flow, nowUs: Us): boolean {
    const key = keyOf(flow);
    if (this.#flows.get(key)) return false;
    this.#flows.set(key, true, nowUs);
    if (flow.transport !== "tcp" && flow.transport !== "udp") return true;
    if (!isPeerAddress(flow.srcIp) || !isPeerAddress(flow.dstIp)) return true;
    const isServerPort = flow.dstPort > 0 && flow.dstPort < ephemeralFrom;
    const isReplyPort = flow.srcPort > 0 && flow.srcPort < ephemeralFrom;
    if (isServerPort === isReplyPort) {
      this.#unoriented++;
      return true;
    }
    const amounts = amountsOf(flow, isReplyPort);
    const placement = makePlacement(eventOf(flow, isReplyPort), flow.timeUs, amounts);
    this.#placements.place(placement, nowUs);
    return true;
  }

  advance(nowUs: Us): void {
    this.#flows.advance(nowUs);
  }
}

function keyOf(flow: Flow): string {
  const { agent, host, srcIp, srcPort, dstIp, dstPort, transport } = flow;
  const { startUs, endUs, bytes, packets, clamped, timeUs } = flow;
  // Clamped times are the receive time, which differs between two deliveries of one record.
  const times = clamped ? [timeUs] : [startUs, endUs];
  return contentHash([
    agent,
    host,
    srcIp,
    srcPort,
    dstIp,
    dstPort,
    transport,
    bytes,
    packets,
    ...times,
  ]);
}

function amountsOf(flow: Flow, isReply: boolean): Amounts {
  const amounts = makeAmounts();
  if (isReply) amounts.bytesReceived = Math.max(0, flow.bytes);
  else {
    amounts.bytesSent = Math.max(0, flow.bytes);
    amounts.opened = 1;
    amounts.closed = flow.closed ? 1 : 0;
  }
  return amounts;
}

function eventOf(flow: Flow, isReply: boolean): PlacedEvent {
  const from = addressToPeer(flow.cluster, flow.srcIp);
  const to = addressToPeer(flow.cluster, flow.dstIp);
  return {
    sourceKey: flow.source.key,
    transport: flow.transport,
    reporter: "flow",
    channel: "flows",
    src: isReply ? to : from,
    dst: isReply ? from : to,
    protocol: "",
    port: isReply ? flow.srcPort : flow.dstPort,
    security: [0, 0],
    isBare: false,
    tags: [sourceTag(flow.source)],
  };
}
