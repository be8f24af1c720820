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
const endsMax = 50_000;
const none: readonly string[] = [];
const unoriented: Orientation = { side: "unknown", how: "unknown" };

interface End {
  listens: boolean;
  /** Distinct peers, at most `sharedBy` of them. */
  readonly peers: Set<string>;
}

export class FlowEnds {
  /** By cluster, address and port; the one that was new longest ago goes first. */
  readonly #ends = new Map<string, End>();

  get size(): number {
    return this.#ends.size;
  }

  /** Somebody connected to this end (`endKey`), so it listens; true if that is news. */
  listens(key: string): boolean {
    const end = this.#end(key);
    if (end.listens) return false;
    end.listens = true;
    return true;
  }

  /** The ends (`endKey`) that many peers have shown to be a server's with this flow. */
  seen(flow: Flow): readonly string[] {
    const { src, dst } = endsOf(flow);
    const isSrcShared = addPeer(this.#end(src), dst);
    const isDstShared = addPeer(this.#end(dst), src);
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
    const [src, dst] = [this.#ends.get(keys.src), this.#ends.get(keys.dst)];
    const listening = either(dst?.listens === true, src?.listens === true);
    if (listening !== "unknown") return { side: listening, how: "observed" };
    const byPort = either(flow.dstPort < firstClientPort, flow.srcPort < firstClientPort);
    const shared = either(isShared(dst), isShared(src));
    // UDP's servers listen at any port, and its clients use one port towards many.
    const isTold = flow.transport !== "udp" || shared === "unknown" || shared === byPort;
    if (byPort !== "unknown") return isTold ? { side: byPort, how: "inferred" } : unoriented;
    return { side: shared, how: shared === "unknown" ? "unknown" : "inferred" };
  }

  #end(key: string): End {
    let end = this.#ends.get(key);
    if (end) return end;
    if (this.#ends.size >= endsMax) {
      for (const oldest of this.#ends.keys()) {
        this.#ends.delete(oldest);
        break;
      }
    }
    this.#ends.set(key, (end = { listens: false, peers: new Set() }));
    return end;
  }
}

/** The side that exactly one of two signs of a server points to. */
function either(dstServes: boolean, srcServes: boolean): Orientation["side"] {
  if (dstServes === srcServes) return "unknown";
  return dstServes ? "forward" : "reply";
}

function isShared(end: End | undefined): boolean {
  return (end?.peers.size ?? 0) >= sharedBy;
}

/** True when the end has just become one of many peers. */
function addPeer(end: End, peer: string): boolean {
  if (end.peers.size >= sharedBy) return false;
  end.peers.add(peer);
  return end.peers.size === sharedBy;
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
