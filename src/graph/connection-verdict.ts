/**
 * Rungs B2 and B3 for one connection, which is one socket that a process opened: a pure function of what
 * its source end holds, of who is who, and of whether the wait for a container's name is over. It emits
 * nothing and remembers nothing.
 *
 * B3 joins on the source's address and port, on time, and on the destination: never on the whole tuple,
 * since the socket may show a virtual address where the wire shows the endpoint. Only presence clears
 * (a leg, a proxy's own socket); a missing leg accuses nobody here.
 */
import { mergeEvidence, type Evidence } from "../model/changes.ts";
import type { FlowEntity } from "../model/entities.ts";
import type { Flow, Trust } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { addressScope } from "./address-scope.ts";
import type { BypassOptions } from "./bypass-options.ts";
import type { Identity, PodFacts } from "./contracts.ts";
import { closeness, distanceUs, flowEvidence, type Closeness } from "./flows.ts";
import { excludedBy, isClusterDns } from "./innocents.ts";
import { holdsFlow, isCaptured, legEvidence, showsReply } from "./legs.ts";
import { lineKeysOf } from "./line-keys.ts";
import { eventPod } from "./processes.ts";
import {
  contradictsContainers,
  holdsProxyIds,
  mayBeNewProxy,
  placeOf,
  type ProcessPlace,
} from "./proxy-container.ts";
import { leadsTo, socketEvidence } from "./sockets.ts";
import type { FlowRecord, SocketRecord, SourceEnd } from "./source-ends.ts";
import { isSamePod, mayBeAnothers } from "./unproved-clock.ts";
import { hasHandshake } from "./wire-chains.ts";

/** What a verdict may ask about the world. */
export interface Scene {
  readonly identity: Identity;
  readonly options: BypassOptions;
  readonly nowUs: Us;
  /** Bound on the clock of a sender, by its key. */
  skewUs(source: string): Us;
  /** Whether that bound was learned and is no guess. */
  isClockProved(source: string): boolean;
  endOf(cluster: string, ip: string, port: number): SourceEnd | undefined;
  /** Whether records of this pod from before that time were lost for want of room. */
  isBlind(pod: PodFacts, end: SourceEnd, fromUs: Us): boolean;
  /** Whether the log of the address's proxy has a line of that key (`lineKeys`) from around then. */
  hasLine(key: string, atUs: Us): boolean;
  /** Whether the pod's log told of too many destinations around then to know of all. */
  isLineForgotten(pod: PodFacts, atUs: Us): boolean;
}

export interface Verdict {
  /** `none`: nothing to say. `wait`: nothing yet; look again at `dueUs`. */
  readonly kind: "none" | "wait" | "found" | "unknown";
  readonly reason: string;
  readonly rung: "none" | "b2" | "b3";
  readonly confidence: "unknown" | "low" | "medium" | "high";
  readonly pod: PodFacts | null;
  readonly place: ProcessPlace | null;
  readonly excludedBy: FlowEntity["excluded_by"];
  /** The flows that carry a B3, nearest first; empty otherwise. */
  readonly wire: readonly Flow[];
  /** A B3 of which no flow's times say that it is the socket's. */
  readonly isLoose: boolean;
  readonly evidence: readonly Evidence[];
  readonly dueUs: Us;
}

const nothing: Verdict = {
  kind: "none",
  reason: "",
  rung: "none",
  confidence: "unknown",
  pod: null,
  place: null,
  excludedBy: "none",
  wire: [],
  isLoose: false,
  evidence: [],
  dueUs: 0,
};

export function judgeConnection(record: SocketRecord, scene: Scene): Verdict {
  const { socket } = record;
  const { identity, options } = scene;
  const pod = identity.podOf(eventPod(socket), socket.timeUs);
  if (!pod) return { ...nothing, reason: "pod_unknown" };
  if (pod.mode !== "sidecar" || pod.hostNetwork) return { ...nothing, pod, reason: "no_sidecar" };
  const place = placeOf(socket.process, pod, options);
  const known = { ...nothing, pod, place };
  if (place.isProxy === "yes") return { ...known, reason: "proxy_process" };
  if (place.beforeProxy) return { ...known, reason: "before_proxy" };
  if (isInnocentDestination(record, pod, scene)) return { ...known, reason: "destination" };
  if (contradictsOwner(record, pod, scene)) {
    return { ...known, kind: "unknown", reason: "ambiguous_owner" };
  }
  return judgeRungs(record, pod, place, scene);
}

function judgeRungs(
  record: SocketRecord,
  pod: PodFacts,
  place: ProcessPlace,
  scene: Scene,
): Verdict {
  const { socket } = record;
  const isNamed = place.container !== "unknown";
  const isDue = scene.nowUs >= record.dueUs;
  const isOpen = !isNamed && mayBeNewProxy(socket.process, pod, socket.timeUs, scene.options);
  const hasWaited = isDue && !isOpen;
  const hasIds = place.container !== "proxy" && holdsProxyIds(socket.process, pod);
  const mayBeProxy = place.isProxy === "unknown" && (isNamed || !hasWaited);
  const wire = mayBeProxy ? noWire : matchWire(record, pod, scene);
  if (!isNamed && !isDue && (hasIds || mayBeProxy) && wire.flows.length === 0) {
    return {
      ...nothing,
      kind: "wait",
      dueUs: record.dueUs,
      pod,
      place,
      reason: "container_unknown",
    };
  }
  const byIds = hasIds && (isNamed || hasWaited);
  if (!byIds && wire === noWire) {
    const base = { ...nothing, pod, place };
    return place.isProxy === "no" ? judgeUnexplained(base, record, pod, scene) : base;
  }

  const own = socketEvidence(socket, record.id);
  const excluded = excludedBy(pod, socket.dstIp, socket.dstPort);
  const evidence = mergeEvidence([own], wire.evidence);
  const base = { ...nothing, pod, place, excludedBy: excluded, evidence };
  const isDoubtful = mayBeProxys(wire, record, pod, scene);
  const isOnWire = wire.flows.length > 0 && !wire.isBlind && !isDoubtful;
  if (isOnWire) {
    const isSure = !wire.isWeak && isNamed && excluded !== "unknown";
    const joined = stepDown(isSure ? "high" : "medium", wire.isDisputed);
    const confidence = byIds && isNamed ? "high" : joined;
    const reason = reasonOf(wire.isDisputed, isNamed, excluded === "unknown");
    const flows = wire.flows.map((match) => match.flow);
    const isLoose = wire.isWeak;
    return { ...base, kind: "found", rung: "b3", reason, confidence, wire: flows, isLoose };
  }
  if (byIds) {
    const reason = reasonOf(false, isNamed, false);
    const confidence = isNamed ? "high" : "medium";
    return { ...base, kind: "found", rung: "b2", reason, confidence, evidence: [own] };
  }
  if (wire.isBlind) return { ...base, kind: "unknown", reason: "capacity" };
  if (isDoubtful) return { ...base, kind: "unknown", reason: "clock" };
  return { ...base, reason: wire.cleared };
}

/**
 * No time says that the flow is the socket's, and the pod's proxy connects to there as well: it may have had
 * the same port seconds before or after, and a lost line of either would leave just this picture.
 */
function mayBeProxys(
  wire: Wire,
  { cluster, socket }: SocketRecord,
  pod: PodFacts,
  scene: Scene,
): boolean {
  if (!wire.isWeak || wire.flows.length === 0) return false;
  if (scene.isLineForgotten(pod, socket.timeUs)) return true;
  const ends = [socket, ...wire.flows.map(({ flow }) => flow)];
  return ends.some(({ dstIp, dstPort }) =>
    lineKeysOf(pod, cluster, dstIp, dstPort).some((key) => scene.hasLine(key, socket.timeUs)),
  );
}

function reasonOf(isDisputed: boolean, isNamed: boolean, isHoleUnknown: boolean): string {
  if (isDisputed) return "disputed";
  if (!isNamed) return "container_unknown";
  return isHoleUnknown ? "exclusions_unknown" : "";
}

function stepDown(confidence: "medium" | "high", isDisputed: boolean): "low" | "medium" | "high" {
  if (!isDisputed) return confidence;
  return confidence === "high" ? "medium" : "low";
}

function isInnocentDestination(record: SocketRecord, pod: PodFacts, scene: Scene): boolean {
  const { socket, cluster } = record;
  const { dstIp, dstPort, timeUs } = socket;
  if (pod.ips.includes(dstIp) || dstIp === socket.srcIp) return true;
  return isClusterDns(cluster, dstIp, dstPort, timeUs, scene.identity, scene.options);
}

/** The address says another pod than the record, or the record names none and the address none surely. */
function contradictsOwner(record: SocketRecord, pod: PodFacts, scene: Scene): boolean {
  const { socket } = record;
  const { pod: named } = socket.process;
  if (socket.srcIp === "") return false;
  if (contradictsContainers(socket.process, pod)) return true;
  const skewUs = scene.skewUs(socket.source.key);
  const owner = scene.identity.ownerAt(record.cluster, socket.srcIp, socket.timeUs, skewUs);
  if (owner.kind === "pod") return !isSamePod(owner.pod, pod);
  return named.pod === "" && named.podUid === "";
}

interface Wire {
  readonly flows: readonly FlowRecord[];
  /** Times that bound little, or an address in the border between two owners. */
  readonly isWeak: boolean;
  /** Only claimed records speak for the proxy. */
  readonly isDisputed: boolean;
  readonly isBlind: boolean;
  /** Why no flow is left; "" = none matched. */
  readonly cleared: string;
  readonly evidence: readonly Evidence[];
}

const noWire: Wire = {
  flows: [],
  isWeak: false,
  isDisputed: false,
  isBlind: false,
  cleared: "",
  evidence: [],
};

/** Something that speaks for the proxy as the flow's owner. */
interface Counter {
  readonly reason: string;
  readonly trust: Trust;
  readonly evidence: Evidence;
}

/** The wire flows that are this socket's, less those that a proxy held. */
function matchWire(record: SocketRecord, pod: PodFacts, scene: Scene): Wire {
  const { socket, end } = record;
  if (socket.transport !== "tcp") return noWire;
  const plain: FlowRecord[] = [];
  const disputed: FlowRecord[] = [];
  const evidence: Evidence[] = [];
  let cleared = "";
  let isWeak = true;
  for (const candidate of end.flows.values()) {
    const close = belongs(candidate.flow, record, pod, scene);
    if (close === "none") continue;
    const counters = countersOf(candidate.flow, record, scene);
    const proof = counters.find((counter) => counter.trust !== "claimed");
    for (const counter of counters) evidence.push(counter.evidence);
    if (proof) {
      cleared = proof.reason;
      continue;
    }
    if (close === "exact") isWeak = false;
    (counters.length > 0 ? disputed : plain).push(candidate);
    evidence.push(flowEvidence(candidate.flow, candidate.id));
  }
  if (evidence.length === 0) return noWire;
  const flows = nearestFirst(plain.length > 0 ? plain : disputed, socket.timeUs);
  return {
    flows,
    isWeak,
    isDisputed: plain.length === 0,
    isBlind: flows.some(({ flow }) =>
      scene.isBlind(pod, end, flow.startUs - scene.options.latenessUs),
    ),
    cleared,
    evidence: mergeEvidence([], evidence),
  };
}

/**
 * The socket's own port reached the wire, but towards another address than was dialled, and nobody says
 * what is behind that one: it may be virtual, and this its endpoint. Then nobody can tell.
 */
function judgeUnexplained(
  base: Verdict,
  record: SocketRecord,
  pod: PodFacts,
  scene: Scene,
): Verdict {
  const { socket, cluster } = record;
  const { dstIp, dstPort, timeUs } = socket;
  if (socket.transport !== "tcp" || record.end.flows.size === 0) return base;
  if (addressScope(dstIp) !== "private" || isExplained(record, scene)) return base;
  const wire = [...record.end.flows.values()].filter(
    ({ flow }) =>
      (flow.dstIp !== dstIp || flow.dstPort !== dstPort) &&
      scene.identity.ownerAt(cluster, flow.dstIp, timeUs, 0).kind === "pod" &&
      isNobodyElses(flow, record, pod, scene),
  );
  if (wire.length === 0) return base;
  if (scene.nowUs < record.dueUs) return { ...base, kind: "wait", reason: "destination_unknown" };
  const flows = nearestFirst(wire, timeUs);
  const evidence = mergeEvidence(
    [socketEvidence(socket, record.id)],
    flows.map(({ flow, id }) => flowEvidence(flow, id)),
  );
  const unknown = { ...base, kind: "unknown", reason: "destination_unknown" } as const;
  return { ...unknown, wire: flows.map(({ flow }) => flow), evidence };
}

/** Whether anybody says who has the address that was dialled, or what is behind it. */
function isExplained({ socket, cluster }: SocketRecord, { identity }: Scene): boolean {
  const { dstIp, dstPort, timeUs } = socket;
  if (identity.ownerAt(cluster, dstIp, timeUs, 0).kind !== "none") return true;
  return identity.endpointsOf(cluster, dstIp, dstPort).length > 0;
}

/** No other socket at that port leads where the flow went, and no proxy held it. */
function isNobodyElses(flow: Flow, record: SocketRecord, pod: PodFacts, scene: Scene): boolean {
  if (closeness(flow, record.socket.timeUs, boundUs(flow, scene), scene.options) === "none") {
    return false;
  }
  const owner = scene.identity.ownerAt(flow.cluster, flow.srcIp, record.socket.timeUs, 0);
  if (owner.kind !== "pod" || !isSamePod(owner.pod, pod)) return false;
  for (const other of record.end.sockets.values()) {
    if (closenessTo(flow, other, scene) !== "none") return false;
  }
  return !countersOf(flow, record, scene).some(({ trust }) => trust !== "claimed");
}

function nearestFirst(flows: readonly FlowRecord[], atUs: Us): readonly FlowRecord[] {
  return flows.toSorted(
    (a, b) => distanceUs(a.flow, atUs) - distanceUs(b.flow, atUs) || (a.id < b.id ? -1 : 1),
  );
}

/** Whether the flow is this socket's rather than nobody's or another's of the same port. */
function belongs(flow: Flow, record: SocketRecord, pod: PodFacts, scene: Scene): Closeness {
  const { socket } = record;
  const close = closenessTo(flow, record, scene);
  if (close === "none" || !isNearest(flow, record, close, scene)) return "none";
  // Its time is that of its arrival here: who connected after that was another, whatever its clock.
  const isArrival = flow.clamped && !flow.polled;
  if (isArrival && socket.timeUs > flow.endUs + scene.options.closenessUs) return "none";
  const atUs = close === "exact" ? flow.startUs : socket.timeUs;
  const skewUs = scene.skewUs(flow.source.key);
  const owner = scene.identity.ownerAt(flow.cluster, flow.srcIp, atUs, skewUs);
  if (owner.kind === "host") return "none";
  if (owner.kind === "pod" && !isSamePod(owner.pod, pod)) return "none";
  if (mayBeAnothers(flow, pod, atUs, scene)) return "none";
  return owner.kind === "ambiguous" ? "loose" : close;
}

function closenessTo(flow: Flow, record: SocketRecord, scene: Scene): Closeness {
  const { socket } = record;
  if (!leadsTo(socket, flow.dstIp, flow.dstPort, scene.identity)) return "none";
  const close = closeness(flow, socket.timeUs, boundUs(flow, scene), scene.options);
  if (close === "none" || hasHandshake(flow)) return close;
  // What a record without a handshake goes on with was opened before: a port may be the proxy's idle one.
  return goesOn(flow, record.end) ? "none" : "loose";
}

/** Whether an earlier record of the same exporter shows the same connection, not yet closed. */
function goesOn(flow: Flow, end: SourceEnd): boolean {
  for (const { flow: other } of end.flows.values()) {
    if (other.closed || other.endUs > flow.startUs || other.source.key !== flow.source.key)
      continue;
    if (other.dstIp !== flow.dstIp || other.dstPort !== flow.dstPort) continue;
    if (other.trust !== "claimed" || flow.trust === "claimed") return true;
  }
  return false;
}

function boundUs(flow: Flow, scene: Scene): Us {
  return Math.max(scene.options.closenessUs, scene.skewUs(flow.source.key));
}

/** Of several sockets that could be the flow's, the nearest is; a surer one before a looser. */
function isNearest(flow: Flow, record: SocketRecord, close: Closeness, scene: Scene): boolean {
  const ownUs = distanceUs(flow, record.socket.timeUs);
  for (const other of record.end.sockets.values()) {
    if (other === record || isClaimedOnly(other, record)) continue;
    const otherClose = closenessTo(flow, other, scene);
    if (otherClose === "none" || (close === "exact" && otherClose === "loose")) continue;
    if (close === "loose" && otherClose === "exact") return false;
    const otherUs = distanceUs(flow, other.socket.timeUs);
    if (otherUs < ownUs || (otherUs === ownUs && other.id < record.id)) return false;
  }
  return true;
}

/** A claimed socket takes no flow away from one that is attested. */
function isClaimedOnly(other: SocketRecord, record: SocketRecord): boolean {
  return other.socket.trust === "claimed" && record.socket.trust !== "claimed";
}

function countersOf(flow: Flow, record: SocketRecord, scene: Scene): readonly Counter[] {
  const { end, socket } = record;
  const bound = boundUs(flow, scene);
  const counters: Counter[] = [];
  for (const leg of end.legs.values()) {
    const holds = holdsFlow(leg, flow, bound, scene.options);
    if (!holds && !isCaptured(leg, socket, scene.options)) continue;
    const reason = holds ? "proxy_leg" : "captured";
    counters.push({ reason, trust: leg.first.trust, evidence: legEvidence(leg) });
  }
  for (const other of end.sockets.values()) {
    if (other === record || !mayBeProxySocket(other, scene)) continue;
    if (closenessTo(flow, other, scene) === "none") continue;
    const evidence = socketEvidence(other.socket, other.id);
    counters.push({ reason: "proxy_socket", trust: other.socket.trust, evidence });
  }
  addReplySigns(flow, scene, counters);
  return counters;
}

/** Unknown counts for the proxy: nobody is accused on a port that the proxy may have held. */
function mayBeProxySocket(record: SocketRecord, scene: Scene): boolean {
  const { socket } = record;
  const pod = scene.identity.podOf(eventPod(socket), socket.timeUs);
  return pod !== null && placeOf(socket.process, pod, scene.options).isProxy !== "no";
}

function addReplySigns(flow: Flow, scene: Scene, counters: Counter[]): void {
  const far = scene.endOf(flow.cluster, flow.dstIp, flow.dstPort);
  if (!far) return;
  const bound = boundUs(flow, scene);
  for (const leg of far.legs.values()) {
    if (!showsReply(leg, flow, bound, scene.options)) continue;
    counters.push({ reason: "reply", trust: leg.first.trust, evidence: legEvidence(leg) });
  }
  for (const { socket, id } of far.sockets.values()) {
    if (socket.dstIp !== flow.srcIp || socket.dstPort !== flow.srcPort) continue;
    if (closeness(flow, socket.timeUs, bound, scene.options) === "none") continue;
    counters.push({ reason: "reply", trust: socket.trust, evidence: socketEvidence(socket, id) });
  }
}
