/**
 * Which end of a flow opened the conversation. Records come one per direction and their TCP flags are
 * the OR over the flow, so they show no SYN side: the opener is known from a socket or a proxy's leg,
 * else from which end is known to listen, and as a last resort guessed from the ports.
 */
import type { Flow, Transport } from "../model/observations.ts";
import { hostPort } from "./sockets.ts";

export interface Orientation {
  /** `forward`: the flow's source opened it. */
  readonly side: "forward" | "reply" | "unknown";
  readonly how: "observed" | "inferred" | "unknown";
}

/** Ports from here on are handed out to clients (Linux: 32768 to 60999). */
const firstClientPort = 32_768;
/** So many different peers make an end a server's. */
const sharedBy = 3;
/** Ends that are known to listen or to be shared. */
const serversMax = 50_000;
/** Ends that may still turn out to be shared: mostly the ports of clients, seen once and never again. */
const othersMax = 20_000;
const none: readonly string[] = [];
const unoriented: Orientation = { side: "unknown", how: "unknown" };

interface End {
  listens: boolean;
  /** Distinct peers, at most `sharedBy` of them. */
  readonly peers: string[];
}

export class FlowEnds {
  /**
   * By cluster, address and port; what was new longest ago goes first. Two tables, since the many ports of
   * clients must not drive out the few ends that orient the others' flows.
   */
  readonly #servers = new Map<string, End>();
  readonly #others = new Map<string, End>();

  get size(): number {
    return this.#servers.size + this.#others.size;
  }

  /** Somebody connected to this end (`endKey`), so it listens; true if that is news. */
  listens(key: string): boolean {
    const end = this.#get(key) ?? { listens: false, peers: [] };
    if (end.listens) return false;
    end.listens = true;
    this.#keepAsServer(key, end);
    return true;
  }

  /** The ends (`endKey`) that many peers have shown to be a server's with this flow. */
  seen(flow: Flow): readonly string[] {
    const { src, dst } = endsOf(flow);
    const isSrcShared = this.#addPeer(src, dst);
    const isDstShared = this.#addPeer(dst, src);
    if (!isSrcShared && !isDstShared) return none;
    return [...(isSrcShared ? [src] : []), ...(isDstShared ? [dst] : [])];
  }

  /** `opened`, `answered`: a socket or leg shows the source, or the destination, as the opener. */
  orient(flow: Flow, opened: boolean, answered: boolean): Orientation {
    if (opened !== answered) return { side: opened ? "forward" : "reply", how: "observed" };
    if (flow.direction) {
      return { side: flow.direction === "request" ? "forward" : "reply", how: "observed" };
    }
    const keys = endsOf(flow);
    const [src, dst] = [this.#servers.get(keys.src), this.#servers.get(keys.dst)];
    const listening = either(dst?.listens === true, src?.listens === true);
    if (listening !== "unknown") return { side: listening, how: "observed" };
    const byPort = either(flow.dstPort < firstClientPort, flow.srcPort < firstClientPort);
    const shared = either(isShared(dst), isShared(src));
    // UDP's servers listen at any port, and its clients use one port towards many.
    const isTold = flow.transport !== "udp" || shared === "unknown" || shared === byPort;
    if (byPort !== "unknown") return isTold ? { side: byPort, how: "inferred" } : unoriented;
    return { side: shared, how: shared === "unknown" ? "unknown" : "inferred" };
  }

  #get(key: string): End | undefined {
    return this.#servers.get(key) ?? this.#others.get(key);
  }

  /** True when the end has just become one of many peers. */
  #addPeer(key: string, peer: string): boolean {
    let end = this.#get(key);
    if (!end) {
      if (this.#others.size >= othersMax) forgetOldest(this.#others);
      this.#others.set(key, (end = { listens: false, peers: [] }));
    }
    if (isShared(end) || end.peers.includes(peer)) return false;
    end.peers.push(peer);
    if (!isShared(end)) return false;
    this.#keepAsServer(key, end);
    return true;
  }

  #keepAsServer(key: string, end: End): void {
    this.#others.delete(key);
    if (this.#servers.size >= serversMax && !this.#servers.has(key)) forgetOldest(this.#servers);
    this.#servers.set(key, end);
  }
}

function forgetOldest(ends: Map<string, End>): void {
  for (const key of ends.keys()) {
    ends.delete(key);
    return;
  }
}

/** The side that exactly one of two signs of a server points to. */
function either(dstServes: boolean, srcServes: boolean): Orientation["side"] {
  if (dstServes === srcServes) return "unknown";
  return dstServes ? "forward" : "reply";
}

function isShared(end: End | undefined): boolean {
  return (end?.peers.length ?? 0) >= sharedBy;
}

function endsOf(flow: Flow): { readonly src: string; readonly dst: string } {
  const { cluster, transport } = flow;
  const src = endKey(cluster, flow.srcIp, flow.srcPort, transport);
  return { src, dst: endKey(cluster, flow.dstIp, flow.dstPort, transport) };
}

/** The ports of UDP are others than those of TCP. */
export function endKey(
  cluster: string,
  ip: string,
  port: number,
  transport: Transport = "tcp",
): string {
  return `${transport === "udp" ? "udp " : ""}${cluster}|${hostPort(ip, port)}`;
}
