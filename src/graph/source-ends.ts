/**
 * Everything known of one source address and port: the sockets opened from it, the flows that left it,
 * the proxies' legs that held it. It is what a verdict on a connection is a function of, whatever the
 * order of arrival. Ends are found by address, and by the pod that a socket names.
 */
import type { Flow, SocketOpened, Transport } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { PodFacts } from "./contracts.ts";
import type { JoinedFlow } from "./flows.ts";
import { legEndKey, type Leg } from "./legs.ts";
import type { Said, WireSaid } from "./sayings.ts";
import { endKey } from "./orientation.ts";

export interface SocketRecord {
  readonly id: string;
  readonly cluster: string;
  readonly socket: SocketOpened;
  /** Until when a verdict waits for somebody to name the container. */
  readonly dueUs: Us;
  readonly end: SourceEnd;
}

export interface FlowRecord {
  readonly id: string;
  readonly flow: JoinedFlow;
  readonly end: SourceEnd;
}

export interface LegRecord {
  readonly leg: Leg;
  readonly end: SourceEnd;
}

export interface SourceEnd {
  readonly key: string;
  readonly ip: string;
  /** `tcp` or `udp`: their ports are each other's strangers. */
  readonly transport: Transport;
  readonly sockets: Map<string, SocketRecord>;
  readonly flows: Map<string, FlowRecord>;
  readonly legs: Map<string, Leg>;
  readonly said: Map<string, Said>;
  /** What was said of connections without a socket, by their destination (`endKey`). */
  readonly wireSaid: Map<string, WireSaid>;
  /** Addresses whose owner a verdict here names or asks for. */
  readonly peers: Set<string>;
  /** A record was refused because the end was full: absence here proves nothing. */
  isBlind: boolean;
}

/** One end holds no more of a kind: judging it looks at every pair. */
const perEndMax = 64;

export class SourceEnds {
  readonly #byIp = new Map<string, Map<string, SourceEnd>>();
  readonly #byPod = new Map<string, Set<SourceEnd>>();
  readonly #byPeer = new Map<string, Set<SourceEnd>>();
  readonly #byDestination = new Map<string, Set<SourceEnd>>();
  #lost = 0;

  /** Records that found no room where a verdict may need them. */
  get lost(): number {
    return this.#lost;
  }

  /** What found no room last was nothing that a verdict needs. */
  noLoss(): void {
    this.#lost--;
  }

  find(
    cluster: string,
    ip: string,
    port: number,
    transport: Transport = "tcp",
  ): SourceEnd | undefined {
    return this.findAt(ip, endKey(cluster, ip, port, transport));
  }

  findAt(ip: string, key: string): SourceEnd | undefined {
    return this.#byIp.get(ip)?.get(key);
  }

  /** The end that a socket belongs to; one of its own when the port is not known or the end is full. */
  forSocket(cluster: string, id: string, socket: SocketOpened): SourceEnd {
    const { srcIp, srcPort, transport } = socket;
    const end = this.#at(endKey(cluster, srcIp, srcPort, transport), srcIp, transport);
    if (srcPort > 0 && end.sockets.size < perEndMax) return end;
    if (srcPort > 0) this.#refuse(end);
    this.leave(end);
    return this.#at(id, srcIp, transport);
  }

  addSocket(record: SocketRecord): void {
    record.end.sockets.set(record.id, record);
    const key = podKeyOf(record.socket);
    const ends = this.#byPod.get(key);
    if (ends) ends.add(record.end);
    else this.#byPod.set(key, new Set([record.end]));
  }

  removeSocket(record: SocketRecord): void {
    record.end.sockets.delete(record.id);
    record.end.said.delete(record.id);
    const key = podKeyOf(record.socket);
    const ends = this.#byPod.get(key);
    if (ends && record.end.sockets.size === 0) ends.delete(record.end);
    if (ends?.size === 0) this.#byPod.delete(key);
    this.leave(record.end);
  }

  /** The end for another flow, or null if it is full. */
  forFlow({ cluster, srcIp, srcPort, transport }: Flow): SourceEnd | null {
    return this.#withRoom("flows", endKey(cluster, srcIp, srcPort, transport), srcIp, transport);
  }

  /** The same for a leg: one without a port is kept by what it leads to. */
  forLeg(leg: Leg): SourceEnd | null {
    return this.#withRoom("legs", legEndKey(leg), leg.ip, "tcp");
  }

  /** A flow, or a caller's leg at the server, shows a connection from the end to there. */
  leads(end: SourceEnd, destination: string): void {
    const ends = this.#byDestination.get(destination);
    if (ends) ends.add(end);
    else this.#byDestination.set(destination, new Set([end]));
  }

  /** The last sign of a connection from the end to there has left. */
  leadsNoMore(end: SourceEnd, destination: string): void {
    end.wireSaid.delete(destination);
    const ends = this.#byDestination.get(destination);
    ends?.delete(end);
    if (ends?.size === 0) this.#byDestination.delete(destination);
  }

  /** Ends from which something leads to this one. */
  toward(destination: string): Iterable<SourceEnd> {
    return this.#byDestination.get(destination) ?? [];
  }

  ofIp(ip: string): Iterable<SourceEnd> {
    return this.#byIp.get(ip)?.values() ?? [];
  }

  /** The end's verdicts depend on who this address is; bounded by the verdicts. */
  dependsOn(end: SourceEnd, ip: string): void {
    if (end.peers.has(ip)) return;
    end.peers.add(ip);
    const ends = this.#byPeer.get(ip);
    if (ends) ends.add(end);
    else this.#byPeer.set(ip, new Set([end]));
  }

  /** Drops the end if nothing is left in it; true if it is gone. */
  leave(end: SourceEnd): boolean {
    if (end.sockets.size + end.wireSaid.size === 0) this.#dependsOnNobody(end);
    if (end.sockets.size + end.flows.size + end.legs.size > 0) return false;
    const ofIp = this.#byIp.get(end.ip);
    ofIp?.delete(end.key);
    if (ofIp?.size === 0) this.#byIp.delete(end.ip);
    return true;
  }

  /** The ends whose verdicts rest on this pod: it is their own, or the other end's. */
  ofPod(pod: PodFacts): readonly SourceEnd[] {
    const ends = new Set(this.#byPod.get(`${pod.namespace}/${pod.name}`));
    for (const end of this.#byPod.get(pod.uid) ?? []) ends.add(end);
    for (const ip of pod.ips) {
      for (const end of this.ofIp(ip)) if (isJudged(end)) ends.add(end);
      for (const end of this.#byPeer.get(ip) ?? []) ends.add(end);
    }
    return [...ends];
  }

  /** The ends of the pod's sockets, by the pod that each names. */
  *ofSockets(pod: PodFacts): Iterable<SourceEnd> {
    yield* this.#byPod.get(`${pod.namespace}/${pod.name}`) ?? [];
    yield* this.#byPod.get(pod.uid) ?? [];
  }

  #dependsOnNobody(end: SourceEnd): void {
    for (const ip of end.peers) {
      const ends = this.#byPeer.get(ip);
      ends?.delete(end);
      if (ends?.size === 0) this.#byPeer.delete(ip);
    }
    end.peers.clear();
  }

  #withRoom(
    kind: "flows" | "legs",
    key: string,
    ip: string,
    transport: Transport,
  ): SourceEnd | null {
    const end = this.#at(key, ip, transport);
    if (end[kind].size < perEndMax) return end;
    this.#refuse(end);
    return null;
  }

  #at(key: string, ip: string, transport: Transport): SourceEnd {
    let ofIp = this.#byIp.get(ip);
    if (!ofIp) this.#byIp.set(ip, (ofIp = new Map()));
    let end = ofIp.get(key);
    if (!end) {
      end = {
        key,
        ip,
        transport,
        sockets: new Map(),
        flows: new Map(),
        legs: new Map(),
        said: new Map(),
        wireSaid: new Map(),
        peers: new Set(),
        isBlind: false,
      };
      ofIp.set(key, end);
    }
    return end;
  }

  #refuse(end: SourceEnd): void {
    end.isBlind = true;
    this.#lost++;
  }
}

/** Whether there is, or may be, anything to say of it. */
export function isJudged(end: SourceEnd): boolean {
  return end.sockets.size + end.flows.size > 0 || hasCallerLeg(end);
}

function hasCallerLeg(end: SourceEnd): boolean {
  for (const leg of end.legs.values()) if (leg.role === "inbound") return true;
  return false;
}

function podKeyOf(socket: SocketOpened): string {
  const { pod } = socket.process;
  return pod.pod === "" ? pod.podUid : `${pod.namespace}/${pod.pod}`;
}

/** Whether a socket of the end was opened to there. */
export function hasOpened(end: SourceEnd | null | undefined, ip: string, port: number): boolean {
  if (!end) return false;
  for (const { socket } of end.sockets.values()) {
    if (socket.dstIp === ip && socket.dstPort === port) return true;
  }
  return false;
}

/** The same of a leg, as its proxy or its peer tells. */
export function hasOpenedLeg(end: SourceEnd | null | undefined, ip: string, port: number): boolean {
  for (const leg of end?.legs.values() ?? []) {
    if (leg.role !== "captured" && leg.toIp === ip && leg.toPort === port) return true;
  }
  return false;
}

/** Whether flows or callers' legs show a connection to there. */
export function leadsTo(end: SourceEnd, ip: string, port: number): boolean {
  for (const { flow } of end.flows.values()) {
    if (flow.dstIp === ip && flow.dstPort === port) return true;
  }
  for (const leg of end.legs.values()) {
    if (leg.role === "inbound" && leg.toIp === ip && leg.toPort === port) return true;
  }
  return false;
}
