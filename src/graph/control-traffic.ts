/**
 * Where proxies connect to on their own account and log nothing: the control plane, and, as long as the
 * mesh's configuration has not told, whatever a known proxy process of the same pod has dialled. Such
 * destinations are never a missing leg's fault (B5); who opened the socket is still judged (B1 to B3).
 */
import { ipScope } from "../lib/ip.ts";
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import type { Identity } from "./contracts.ts";
import { eventPod } from "./processes.ts";
import { hasProxyExecutable, placeOf } from "./proxy-container.ts";
import { hostPort } from "./sockets.ts";
import type { SocketRecord, SourceEnd } from "./source-ends.ts";
import type { Toward } from "./wire-verdict.ts";

/** Istiod: configuration and certificates, without and with TLS. */
const controlPlanePorts: ReadonlySet<number> = new Set([15_010, 15_012]);

export class ControlTraffic {
  readonly #identity: Identity;
  readonly #options: BypassOptions;
  /** Sockets that a proxy may have opened, by source address and destination; bounded by their table. */
  readonly #dialled = new Map<string, Set<SocketRecord>>();

  constructor(identity: Identity, options: BypassOptions) {
    this.#identity = identity;
    this.#options = options;
  }

  socket(record: SocketRecord): boolean {
    const { socket, end } = record;
    if (socket.trust === "claimed" || !hasProxyExecutable(socket.process, this.#options)) {
      return false;
    }
    const key = keyOf(end, socket.dstIp, socket.dstPort);
    const records = this.#dialled.get(key);
    if (records) records.add(record);
    else this.#dialled.set(key, new Set([record]));
    return true;
  }

  forget(record: SocketRecord): void {
    const { socket, end } = record;
    const key = keyOf(end, socket.dstIp, socket.dstPort);
    const records = this.#dialled.get(key);
    records?.delete(record);
    if (records?.size === 0) this.#dialled.delete(key);
  }

  has({ end, cluster, ip, port }: Toward, atUs: Us): boolean {
    if (this.#identity.isControlTraffic(cluster, ip, port, atUs)) return true;
    if (this.#identity.knowsMeshConfig(cluster)) return false;
    if (controlPlanePorts.has(port) && ipScope(ip) === "private") return true;
    for (const { socket } of this.#dialled.get(keyOf(end, ip, port)) ?? []) {
      const pod = this.#identity.podOf(eventPod(socket), socket.timeUs);
      if (pod && placeOf(socket.process, pod, this.#options).isProxy !== "no") return true;
    }
    return false;
  }
}

function keyOf({ transport, ip }: SourceEnd, dstIp: string, dstPort: number): string {
  return `${transport} ${ip} ${hostPort(dstIp, dstPort)}`;
}
