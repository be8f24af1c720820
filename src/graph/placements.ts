/**
 * Events on edges (span halves, log lines, flows) that name their ends by pod or address. Each is counted
 * where it belongs by what is known, and moves when an object or a better record says whose the address
 * was. After the waiting time, or when the table is full, it stays where it is. A placement is one event
 * or a group of equal ones: a group may grow and shrink, and is counted with the next `flush`.
 */
import type {
  Channel,
  PeerName,
  PodName,
  ProxyLeg,
  Reporter,
  Transport,
} from "../model/observations.ts";
import type { Evidence } from "../model/changes.ts";
import type { Us } from "../model/time.ts";
import {
  addAmounts,
  changeMovable,
  firstSpan,
  makeAmounts,
  settleMovable,
  type Amounts,
  type Contribution,
  type SpanRef,
} from "./columns.ts";
import { destinationOf } from "./destinations.ts";
import type { Facet, Facets } from "./facets.ts";
import type { IdentityTables } from "./identity.ts";
import { podName } from "./identity.ts";
import { addressKey } from "./ip-owners.ts";
import { Queue } from "./queue.ts";

/** What an event says of its edge; groups with the same ends share it. */
export interface PlacedEvent {
  readonly sourceKey: string;
  readonly transport: Transport;
  readonly reporter: Reporter;
  readonly channel: Channel;
  readonly src: PeerName;
  readonly dst: PeerName;
  readonly protocol: string;
  readonly port: number;
  /** Counted with and without mutual TLS. */
  readonly security: readonly [tls: number, none: number];
  /** A server's line without a sign of TLS. */
  readonly isBare: boolean;
  /** What proves the plaintext in `security`; absent = other records do. */
  readonly evidence?: () => Evidence;
  /** Words counted on the facet. */
  readonly tags: readonly string[];
}

export interface Placement {
  event: PlacedEvent;
  /** When its ends are looked up: the event's time; of a group, the same for all its events. */
  readonly atUs: Us;
  amounts: Amounts;
  /** Events in it, and their first and last time. */
  count: number;
  firstUs: Us;
  lastUs: Us;
  /** The times of all events of a group, from which the first and last are found; null = one event. */
  readonly times: Us[] | null;
  /** The spans of a group instead of their times; null = it has none. */
  readonly spans: SpanRef[] | null;
  /** The first of them. */
  example: SpanRef | null;
  /** Where it is counted now, and what of it: null = nowhere. */
  facet: Facet | null;
  counted: Contribution | null;
  /** Engine time at which it stops moving, and whether that is still to come. */
  settlesUs: Us;
  isWaiting: boolean;
  /** What it amounts to has changed since it was counted. */
  isDirty: boolean;
  /** Where the last of its events went. */
  movedTo: Placement | null;
}

export interface PlacementLimits {
  readonly placementsMax: number;
  readonly placementsPerSourceMax: number;
  readonly ttlUs: Us;
}

export function makePlacement(event: PlacedEvent, atUs: Us, amounts: Amounts): Placement {
  return {
    event,
    atUs,
    amounts,
    count: 1,
    firstUs: atUs,
    lastUs: atUs,
    times: null,
    spans: null,
    example: null,
    facet: null,
    counted: null,
    settlesUs: 0,
    isWaiting: false,
    isDirty: false,
    movedTo: null,
  };
}

export class Placements {
  readonly #limits: PlacementLimits;
  readonly #identity: IdentityTables;
  readonly #facets: Facets;
  /** In order of arrival, which is the order of settling: the waiting time is one for all. */
  readonly #waiting = new Queue<Placement>();
  readonly #byName = new Map<string, Set<Placement>>();
  readonly #perSource = new Map<string, number>();
  #dirty: Placement[] = [];
  #isRestoring = false;
  #settledEarly = 0;

  constructor(limits: PlacementLimits, identity: IdentityTables, facets: Facets) {
    this.#limits = limits;
    this.#identity = identity;
    this.#facets = facets;
  }

  /** Placements that could not wait out their time for want of room. */
  get settledEarly(): number {
    return this.#settledEarly;
  }

  /** Groups that the next `flush` will count. */
  get dirtyCount(): number {
    return this.#dirty.length;
  }

  /** Counts the event on its facet at once and remembers it. */
  place(placement: Placement, nowUs: Us): void {
    if (!this.#isRestoring) this.#put(placement);
    this.wait(placement, nowUs);
  }

  /** Remembers a placement that is to be counted with the next `flush`: a group. */
  wait(placement: Placement, nowUs: Us): void {
    const { sourceKey } = placement.event;
    const ofSource = this.#perSource.get(sourceKey) ?? 0;
    if (ofSource >= this.#limits.placementsPerSourceMax) {
      this.#settledEarly++;
      this.#fix(placement);
      return;
    }
    placement.settlesUs = nowUs + this.#limits.ttlUs;
    placement.isWaiting = true;
    this.#perSource.set(sourceKey, ofSource + 1);
    this.#index(placement, true);
    this.#waiting.push(placement);
    if (this.#waiting.size <= this.#limits.placementsMax) return;
    this.#settledEarly++;
    this.#settleOldest();
  }

  /** A group has grown or shrunk. */
  touch(placement: Placement): void {
    if (placement.isDirty) return;
    placement.isDirty = true;
    this.#dirty.push(placement);
  }

  /** Counts what groups amount to now. Those that have become empty last: their events have moved on. */
  flush(): void {
    if (this.#dirty.length === 0 || this.#isRestoring) return;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const placement of dirty) if (placement.count > 0) this.#sync(placement);
    for (const placement of dirty) if (placement.count === 0) this.#sync(placement);
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
    for (const placement of this.#dirty) {
      placement.isDirty = false;
      findTimes(placement);
    }
    this.#dirty = [];
    for (const placement of this.#waiting) {
      const facet = placement.count > 0 ? this.#facetOf(placement) : null;
      if (!facet) continue;
      placement.counted = contributionOf(placement);
      this.#facets.reclaim(this.#columnOf(placement, facet), placement.counted);
    }
    this.#facets.endClaims();
  }

  /** Changes what is known of an event; one that has settled stays as it was. */
  revise(placement: Placement, event: PlacedEvent, amounts: Amounts): void {
    if (!placement.isWaiting) return;
    this.#index(placement, false);
    placement.amounts = amounts;
    if (this.#isRestoring) placement.event = event;
    else this.#move(placement, event);
    this.#index(placement, true);
  }

  /** Looks again at everything that named one of these pods or addresses. */
  resolveAgain(names: Iterable<string>): void {
    for (const name of names) {
      for (const placement of this.#byName.get(name) ?? []) {
        // What is not counted yet, is looked up when it is.
        if (placement.isDirty && !placement.counted) continue;
        const { event, atUs } = placement;
        const src = this.#identity.nodeOf(event.src, atUs);
        const dst = destinationOf(this.#identity, event.dst, event.port, atUs);
        const facet = placement.facet && this.#facets.live(placement.facet);
        const edge = facet?.edge;
        const isThere = edge?.srcId === src.id && edge.dstId === dst.node.id;
        if (isThere && facet?.port === dst.port) continue;
        if (placement.count > 0) this.#move(placement, event);
      }
    }
  }

  advance(nowUs: Us): void {
    for (let oldest = this.#waiting.first; oldest; oldest = this.#waiting.first) {
      if (oldest.settlesUs > nowUs) return;
      this.#settleOldest();
    }
  }

  #sync(placement: Placement): void {
    if (!placement.isDirty) return;
    placement.isDirty = false;
    findTimes(placement);
    if (!placement.counted) {
      if (placement.count > 0) this.#put(placement);
    } else if (placement.count > 0) this.#recount(placement);
    else this.#leave(placement);
    if (!placement.isWaiting) this.#fix(placement);
  }

  #facetOf(placement: Placement): Facet | null {
    const { event, atUs } = placement;
    const { src, dst, transport, protocol } = event;
    const from = this.#identity.nodeOf(src, atUs);
    const { node: to, port } = destinationOf(this.#identity, dst, event.port, atUs);
    for (const node of [from, to]) {
      this.#identity.nodes.seen(node, placement.firstUs);
      this.#identity.nodes.seen(node, placement.lastUs);
    }
    placement.facet = this.#facets.facet(from.id, to.id, transport, protocol, port);
    return placement.facet;
  }

  #columnOf({ event }: Placement, facet: Facet) {
    return this.#facets.column(facet, event.reporter, event.channel);
  }

  #put(placement: Placement): void {
    const facet = this.#facetOf(placement);
    if (!facet) return;
    const { event } = placement;
    placement.counted = contributionOf(placement);
    const column = this.#columnOf(placement, facet);
    this.#facets.apply(facet, column, event, placement.counted, 1);
    for (const tag of event.tags) this.#facets.tag(facet, tag, 1);
  }

  /** The same place, other numbers. */
  #recount(placement: Placement): void {
    const { facet, counted } = placement;
    if (!facet || !counted) return;
    const live = this.#facets.live(facet);
    const column = this.#columnOf(placement, live);
    changeMovable(column, counted, placement);
    this.#facets.touch(live, column);
  }

  #move(placement: Placement, event: PlacedEvent): void {
    const from = placement.facet && this.#facets.live(placement.facet).edge;
    this.#take(placement);
    placement.event = event;
    this.#put(placement);
    this.#retire(from, placement);
  }

  /** Its events are counted elsewhere by now. */
  #leave(placement: Placement): void {
    const from = placement.facet && this.#facets.live(placement.facet).edge;
    this.#take(placement);
    if (placement.movedTo) this.#retire(from, placement.movedTo);
  }

  /** Nodes that nothing else uses stand for where the events went. */
  #retire(from: Facet["edge"] | null, placement: Placement): void {
    const to = placement.facet && this.#facets.live(placement.facet).edge;
    if (!from || !to || from === to) return;
    const { nodes } = this.#identity;
    nodes.retire(nodes.get(from.srcId), to.srcId);
    nodes.retire(nodes.get(from.dstId), to.dstId);
  }

  #take(placement: Placement): void {
    const { event, counted } = placement;
    if (!placement.facet || !counted) return;
    const facet = this.#facets.live(placement.facet);
    this.#facets.apply(facet, this.#columnOf(placement, facet), event, counted, -1);
    for (const tag of event.tags) this.#facets.tag(facet, tag, -1);
    this.#facets.removeIfEmpty(facet);
    placement.facet = null;
    placement.counted = null;
  }

  #settleOldest(): void {
    const placement = this.#waiting.shift();
    if (!placement) return;
    this.#index(placement, false);
    placement.isWaiting = false;
    const { sourceKey } = placement.event;
    const left = (this.#perSource.get(sourceKey) ?? 1) - 1;
    if (left > 0) this.#perSource.set(sourceKey, left);
    else this.#perSource.delete(sourceKey);
    if (!placement.isDirty) this.#fix(placement);
  }

  /** What is counted will stay where it is. */
  #fix(placement: Placement): void {
    if (!placement.facet || !placement.counted) return;
    const column = this.#columnOf(placement, this.#facets.live(placement.facet));
    settleMovable(column, placement.counted);
    this.#facets.keepExample(column, placement.counted.example);
    placement.facet = null;
    placement.counted = null;
  }

  #index(placement: Placement, isAdded: boolean): void {
    const { src, dst } = placement.event;
    for (const name of this.#namesOf(src)) this.#indexName(name, placement, isAdded);
    for (const name of this.#namesOf(dst)) this.#indexName(name, placement, isAdded);
  }

  #indexName(name: string, placement: Placement, isAdded: boolean): void {
    const set = this.#byName.get(name);
    if (isAdded && set) set.add(placement);
    else if (isAdded) this.#byName.set(name, new Set([placement]));
    else if (set?.delete(placement) && set.size === 0) this.#byName.delete(name);
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

function findTimes(placement: Placement): void {
  const { times, spans } = placement;
  if (spans) return findFirstSpan(placement, spans);
  if (!times) return;
  let firstUs = Infinity;
  let lastUs = 0;
  for (const timeUs of times) {
    if (timeUs < firstUs) firstUs = timeUs;
    if (timeUs > lastUs) lastUs = timeUs;
  }
  placement.firstUs = firstUs;
  placement.lastUs = lastUs;
}

function findFirstSpan(placement: Placement, spans: readonly SpanRef[]): void {
  let example: SpanRef | null = null;
  let lastUs = 0;
  for (const span of spans) {
    example = firstSpan(example, span);
    if (span.timeUs > lastUs) lastUs = span.timeUs;
  }
  placement.example = example;
  placement.firstUs = example?.timeUs ?? Infinity;
  placement.lastUs = lastUs;
}

/** A copy: what a group amounts to changes before it is counted again. */
function contributionOf(placement: Placement): Contribution {
  const { amounts: now, count, firstUs, lastUs, example } = placement;
  const amounts = makeAmounts();
  addAmounts(amounts, now, 1);
  return { amounts, count, firstUs, lastUs, example };
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
