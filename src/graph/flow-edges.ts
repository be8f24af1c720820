/**
 * Wire flows on edges: bytes between two addresses, from a node agent. One record is one direction, so
 * only records whose ports tell client from server count; the bypass join orients with more evidence
 * than this needs.
 */
import type { Flow, PodName } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { isPeerAddress } from "./address-scope.ts";
import { makeAmounts, type Amounts } from "./columns.ts";
import { contentHash } from "./content-hash.ts";
import { ExpiringMap } from "./expiring-map.ts";
import {
  addressToPeer,
  makePlacement,
  podToPeer,
  sourceTag,
  type PlacedEvent,
  type Placement,
  type Placements,
} from "./placements.ts";
import { hasHandshake } from "./wire-chains.ts";

/** Ports from here on are handed out to clients by Linux. */
const ephemeralFrom = 32_768;

export class FlowEdges {
  readonly #placements: Placements;
  readonly #flows: ExpiringMap<true>;
  /** Conversations that agents tell of at each export, by their ends. */
  readonly #polled: ExpiringMap<Placement>;
  #unoriented = 0;

  constructor(flowsMax: number, ttlUs: Us, placements: Placements) {
    this.#placements = placements;
    this.#flows = new ExpiringMap(flowsMax, ttlUs);
    this.#polled = new ExpiringMap(flowsMax, ttlUs);
  }

  get dropped(): number {
    return this.#flows.dropped + this.#polled.dropped;
  }

  get unoriented(): number {
    return this.#unoriented;
  }

  /** False when this record was there before. */
  add(flow: Flow, nowUs: Us): boolean {
    if (flow.polled) return this.#addPolled(flow, nowUs);
    const key = keyOf(flow);
    if (this.#flows.get(key)) return false;
    this.#flows.set(key, true, nowUs);
    if (flow.transport !== "tcp" && flow.transport !== "udp") return true;
    if (!isPeerAddress(flow.srcIp) || !isPeerAddress(flow.dstIp)) return true;
    const side = portsTell(flow);
    if (side === "") {
      this.#unoriented++;
      return true;
    }
    const isReply = side === "reply";
    const amounts = amountsOf(flow, isReply);
    const placement = makePlacement(eventOf(flow, isReply), flow.timeUs, amounts);
    this.#placements.place(placement, nowUs);
    return true;
  }

  advance(nowUs: Us): void {
    this.#flows.advance(nowUs);
    this.#polled.advance(nowUs);
  }

  /**
   * One conversation is one connection, however often it is told of; its bytes are left to those who give
   * them once. False when this export says nothing new.
   */
  #addPolled(flow: Flow, nowUs: Us): boolean {
    if (flow.transport !== "tcp" && flow.transport !== "udp") return false;
    if (!isEnd(flow.srcIp, flow.srcPod) || !isEnd(flow.dstIp, flow.dstPod)) return false;
    const key = polledKey(flow);
    const known = this.#polled.get(key);
    if (known?.isWaiting) {
      this.#polled.set(key, known, nowUs);
      return this.#stretch(known, flow.timeUs);
    }
    const isReply = flow.direction ? flow.direction === "response" : portsTell(flow) === "reply";
    if (!flow.direction && portsTell(flow) === "") {
      this.#unoriented++;
      // Who talks is worth knowing even so: the bypass join decides what it proves.
      return (flow.process ?? "") !== "" || (flow.container ?? "") !== "";
    }
    const amounts = makeAmounts();
    if (!isReply && !known) amounts.opened = 1;
    const { timeUs } = flow;
    const event = eventOf(flow, isReply);
    const placement = { ...makePlacement(event, timeUs, amounts), times: [timeUs, timeUs] };
    this.#polled.set(key, placement, nowUs);
    this.#placements.place(placement, nowUs);
    return true;
  }

  /** The first and the last time are all that is kept of them. */
  #stretch(placement: Placement, timeUs: Us): boolean {
    const { times } = placement;
    const [firstUs = timeUs, lastUs = timeUs] = times ?? [];
    if (!times || (timeUs >= firstUs && timeUs <= lastUs)) return false;
    times[0] = Math.min(firstUs, timeUs);
    times[1] = Math.max(lastUs, timeUs);
    this.#placements.touch(placement);
    return true;
  }
}

/** Which end the ports make the server; "" = neither or both. */
function portsTell({ srcPort, dstPort }: Flow): "forward" | "reply" | "" {
  const isServerPort = dstPort > 0 && dstPort < ephemeralFrom;
  const isReplyPort = srcPort > 0 && srcPort < ephemeralFrom;
  if (isServerPort === isReplyPort) return "";
  return isServerPort ? "forward" : "reply";
}

/** An address beyond the pod's own loopback, or at least a name. */
function isEnd(ip: string, pod: PodName | undefined): boolean {
  return ip === "" ? pod !== undefined : isPeerAddress(ip);
}

function polledKey(flow: Flow): string {
  const { agent, host, srcIp, srcPort, dstIp, dstPort, transport, trust } = flow;
  const { process = "", container = "" } = flow;
  const [src, dst] = [nameOf(srcIp, flow.srcPod), nameOf(dstIp, flow.dstPod)];
  const ends = [agent, host, src, srcPort, dst, dstPort, transport, trust];
  return `${ends.join(" ")} ${container}/${process}`;
}

function nameOf(ip: string, pod: PodName | undefined): string {
  return ip === "" && pod ? `${pod.namespace}/${pod.pod}/${pod.workload}` : ip;
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
    // What goes on without a handshake was counted with its first record.
    amounts.opened = flow.transport === "udp" || hasHandshake(flow) ? 1 : 0;
    amounts.closed = flow.closed ? 1 : 0;
  }
  return amounts;
}

function eventOf(flow: Flow, isReply: boolean): PlacedEvent {
  const from = flow.srcPod ? podToPeer(flow.srcPod) : addressToPeer(flow.cluster, flow.srcIp);
  const to = flow.dstPod ? podToPeer(flow.dstPod) : addressToPeer(flow.cluster, flow.dstIp);
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
