/**
 * Which ends wait at a virtual address whose endpoints nobody knows yet. A proxy's line teaches the graph
 * such a mapping; here is remembered which sockets it concerns, so that they are judged again. The
 * mapping itself belongs to the identity.
 */
import type { ProxyLeg } from "../model/observations.ts";
import { endKey } from "./orientation.ts";

const pairsMax = 50_000;

export class VirtualWatch<Watcher> {
  readonly #watchers = new Map<string, Set<Watcher>>();
  /** Mappings that have been told; the one that was new longest ago goes first. */
  readonly #pairs = new Set<string>();

  /** Bounded by the watchers' own table: each is taken back by `forget`. */
  watch(cluster: string, ip: string, port: number, watcher: Watcher): void {
    const key = endKey(cluster, ip, port);
    const watchers = this.#watchers.get(key);
    if (watchers) watchers.add(watcher);
    else this.#watchers.set(key, new Set([watcher]));
  }

  forget(cluster: string, ip: string, port: number, watcher: Watcher): void {
    const key = endKey(cluster, ip, port);
    const watchers = this.#watchers.get(key);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watchers.delete(key);
  }

  /** By `endKey`. */
  watchersOf(virtual: string): Iterable<Watcher> {
    return this.#watchers.get(virtual) ?? [];
  }

  /** Whom a new mapping concerns. */
  learn(line: ProxyLeg): readonly Watcher[] {
    const { cluster, downstreamLocalIp: ip, downstreamLocalPort: port } = line;
    if (line.side !== "outbound" || line.trust === "claimed") return [];
    if (ip === "" || line.upstreamHostIp === "") return [];
    if (ip === line.upstreamHostIp && port === line.upstreamHostPort) return [];
    const virtual = endKey(cluster, ip, port);
    const pair = `${virtual} ${endKey(cluster, line.upstreamHostIp, line.upstreamHostPort)}`;
    if (this.#pairs.has(pair)) return [];
    if (this.#pairs.size >= pairsMax) this.#forgetOldest();
    this.#pairs.add(pair);
    return [...(this.#watchers.get(virtual) ?? [])];
  }

  #forgetOldest(): void {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair);
      return;
    }
  }
}
