/**
 * Single events on edges (span halves, log lines, flows) that name their ends by pod or address. Each is
 * counted at once where it belongs by what is known, and moves when an object or a better record says
 * whose the address was. After the waiting time, or when the table is full, it stays where it is.
 */
import type {
  Channel,
  PeerName,
  PodName,
  ProxyLeg,
  Reporter,
  Transport,
} from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { removeMovable, type Amounts } from "./columns.ts";
import type { Facet, Facets } from "./facets.ts";
import type { IdentityTables } from "./identity.ts";
import { podName } from "./identity.ts";
import { addressKey } from "./ip-owners.ts";

export interface Placement {
  readonly sourceKey: string;
  readonly atUs: Us;
  readonly transport: Transport;
  readonly reporter: Reporter;
  readonly channel: Channel;
  src: PeerName;
  dst: PeerName;
  protocol: string;
  port: number;
  amounts: Amounts;
  /** Counted with and without mutual TLS. */
  security: readonly [tls: number, none: number];
  /** A server's line without a sign of TLS. */
  isBare: boolean;
  /** Words counted on the facet. */
  tags: readonly string[];
  /** Where it is counted now. */
  facet: Facet | null;
  /** Engine time at which it stops moving; 0 = it has. */
  settlesUs: Us;
}

export interface PlacementLimits {
  readonly placementsMax: number;
  readonly placementsPerSourceMax: number;
  readonly ttlUs: Us;
}

export class Placements {
  readonly #limits: PlacementLimits;
  readonly #identity: IdentityTables;
  readonly #facets: Facets;
  /** In order of arrival, which is the order of settling: the waiting time is one for all. */
  readonly #waiting = new Set<Placement>();
  readonly #byName = new Map<string, Set<Placement>>();
  readonly #perSource = new Map<string, number>();
  #isRestoring = false;
  #settledEarly = 0;

  constructor(limits: PlacementLimits, identity: IdentityTables, facets: Facets) {
    this.#limits = limits;
    this.#identity = identity;
    this.#facets = facets;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Placements that could not wait out their time for want of room. */
  get settledEarly(): number {
    return this.#settledEarly;
  }

  /**
   * Counts the event on its facet and remembers it.
   */
  place(placement: Placement, nowUs: Us): void {
    if (!this.#isRestoring) this.#put(placement);
    const ofSource = this.#perSource.get(placement.sourceKey) ?? 0;
    placement.settlesUs = nowUs + this.#limits.ttlUs;
    this.#waiting.add(placement);
    this.#perSource.set(placement.sourceKey, ofSource + 1);
    this.#index(placement, true);
    if (ofSource >= this.#limits.placementsPerSourceMax) this.#settleEarly(placement);
    else if (this.#waiting.size > this.#limits.placementsMax) {
      const [oldest] = this.#waiting;
      if (oldest) this.#settleEarly(oldest);
    }
  }

  /**
   * Until `restored`, events are only remembered: their numbers are in the restored columns already, at
   * the place that all of them together give.
   */
  restoring(): void {
    this.#isRestoring = true;
  }

  restored(): void {
    this.#isRestoring = false;
    for (const placement of this.#waiting) {
      const facet = this.#facetOf(placement);
      if (!facet) continue;
      const column = this.#facets.column(facet, placement.reporter, placement.channel);
      this.#facets.reclaim(column, placement.atUs);
    }
  }

  /** Changes what is known of an event; one that has settled stays as it was. */
  revise(placement: Placement, change: (placement: Placement) => void): void {
    if (placement.settlesUs === 0) return;
    this.#index(placement, false);
    if (this.#isRestoring) change(placement);
    else this.#move(placement, change);
    this.#index(placement, true);
  }

  /** Looks again at everything that named one of these pods or addresses. */
  resolveAgain(names: Iterable<string>): void {
    for (const name of names) {
      for (const placement of this.#byName.get(name) ?? []) {
        const src = this.#identity.nodeOf(placement.src, placement.atUs);
        const dst = this.#identity.nodeOf(placement.dst, placement.atUs);
        const edge = placement.facet && this.#facets.live(placement.facet).edge;
        if (edge && edge.srcId === src.id && edge.dstId === dst.id) continue;
        this.#move(placement);
      }
    }
  }

  advance(nowUs: Us): void {
    for (const placement of this.#waiting) {
      if (placement.settlesUs > nowUs) return;
      this.#settle(placement);
    }
  }

  #facetOf(placement: Placement): Facet | null {
    const src = this.#identity.nodeOf(placement.src, placement.atUs);
    const dst = this.#identity.nodeOf(placement.dst, placement.atUs);
    this.#identity.nodes.seen(src, placement.atUs);
    this.#identity.nodes.seen(dst, placement.atUs);
    const { transport, protocol, port } = placement;
    placement.facet = this.#facets.facet(src.id, dst.id, transport, protocol, port);
    return placement.facet;
  }

  #put(placement: Placement): void {
    const facet = this.#facetOf(placement);
    if (!facet) return;
    const column = this.#facets.column(facet, placement.reporter, placement.channel);
    this.#facets.apply(facet, column, placement, 1);
    for (const tag of placement.tags) this.#facets.tag(facet, tag, 1);
  }

  #move(placement: Placement, change?: (placement: Placement) => void): void {
    const from = placement.facet && this.#facets.live(placement.facet).edge;
    this.#take(placement);
    change?.(placement);
    this.#put(placement);
    const to = placement.facet?.edge;
    if (!from || !to || from === to) return;
    const { nodes } = this.#identity;
    nodes.retire(nodes.get(from.srcId), to.srcId);
    nodes.retire(nodes.get(from.dstId), to.dstId);
  }

  #take(placement: Placement): void {
    if (!placement.facet) return;
    const facet = this.#facets.live(placement.facet);
    const column = this.#facets.column(facet, placement.reporter, placement.channel);
    this.#facets.apply(facet, column, placement, -1);
    for (const tag of placement.tags) this.#facets.tag(facet, tag, -1);
    this.#facets.removeIfEmpty(facet);
    placement.facet = null;
  }

  #settle(placement: Placement): void {
    this.#waiting.delete(placement);
    this.#index(placement, false);
    placement.settlesUs = 0;
    const left = (this.#perSource.get(placement.sourceKey) ?? 1) - 1;
    if (left > 0) this.#perSource.set(placement.sourceKey, left);
    else this.#perSource.delete(placement.sourceKey);
    if (!placement.facet) return;
    const facet = this.#facets.live(placement.facet);
    const column = this.#facets.column(facet, placement.reporter, placement.channel);
    removeMovable(column, placement.atUs, true);
  }

  #settleEarly(placement: Placement): void {
    this.#settledEarly++;
    this.#settle(placement);
  }

  #index(placement: Placement, isAdded: boolean): void {
    for (const end of [placement.src, placement.dst]) {
      for (const name of this.#namesOf(end)) {
        const set = this.#byName.get(name);
        if (isAdded && set) set.add(placement);
        else if (isAdded) this.#byName.set(name, new Set([placement]));
        else if (set?.delete(placement) && set.size === 0) this.#byName.delete(name);
      }
    }
  }

  #namesOf(end: PeerName): string[] {
    if (end.workload !== "") return [];
    const cluster = this.#identity.clusterOf(end.cluster);
    const names: string[] = [];
    if (end.pod !== "") names.push(podName(cluster, end.namespace, end.pod));
    if (end.address !== "") names.push(addressKey(cluster, end.address));
    return names;
  }
}

export const noPeer: PeerName = {
  cluster: "",
  namespace: "",
  workload: "",
  service: "",
  serviceNamespace: "",
  principal: "",
  pod: "",
  address: "",
};

/** A pod as one end of an edge. */
export function podToPeer(pod: PodName, principal = ""): PeerName {
  const { cluster, namespace, workload, address } = pod;
  return { ...noPeer, cluster, namespace, workload, principal, pod: pod.pod, address };
}

export function addressToPeer(cluster: string, address: string, principal = ""): PeerName {
  return { ...noPeer, cluster, address, principal };
}

/** Words for the tags of a facet that several kinds of events share. */
export function serviceTag(namespace: string, service: string): string {
  return `service:${namespace}/${service}`;
}

export function sourceTag(source: ProxyLeg["source"]): string {
  return `source:${source.kind}|${source.key}`;
}
