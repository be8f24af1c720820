/**
 * Rungs B5 and B5s for what one source end sent to one destination, without any socket: a closed flow of
 * which the pod's proxy logged nothing, or a caller that the server's proxy logged and the caller's own
 * did not. A pure function of what the end holds, of who is who, and of how far each proxy's log has got.
 *
 * A missing leg accuses only where the proxy is proved to have logged past it; all else is said to be
 * unknown, with the reason. Only attested presence clears. That no line was lost on the way, nothing can
 * prove (`caller-tls.ts`): so a wire alone is never surer than medium, and a server's line accuses only a
 * caller who did not speak as the proxy would have. A caller who did, and whom the pod's log does not
 * know, shows that this log has holes. Envoy's line names only the last of a request's tries; the others
 * look to the server like that, too.
 */
import { mergeEvidence, type Evidence } from "../model/changes.ts";
import type { FlowEntity } from "../model/entities.ts";
import type { Flow } from "../model/observations.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { isPlainByProxy } from "./caller-tls.ts";
import { judgeConnection, type Scene, type Verdict } from "./connection-verdict.ts";
import { judgeAmbient, type AmbientScene } from "./ambient-verdict.ts";
import type { PodFacts } from "./contracts.ts";
import { closeness, flowEvidence } from "./flows.ts";
import { excludedBy, isClusterDns, isProxyTelemetry } from "./innocents.ts";
import type { Life } from "./leg-liveness.ts";
import { callerTls, dialledKey, legEvidence, peerKey, touches, type Leg } from "./legs.ts";
import { endKey, type Orientation } from "./orientation.ts";
import { lineKeysOf } from "./line-keys.ts";
import { scrapesEvidence, type Stillness } from "./proxy-scrapes.ts";
import { hostPort, leadsTo } from "./sockets.ts";
import type { SocketRecord, SourceEnd } from "./source-ends.ts";
import { mayBeAnothers } from "./unproved-clock.ts";
import { chainsOf, type Chain } from "./wire-chains.ts";

export interface WireScene extends Scene, AmbientScene {
  /** How far the log of this pod's proxy is proved to have got. */
  lifePast(pod: PodFacts, atUs: Us): Life;
  /** Whether it had logged calls of its own before: then its log decides, and its counters do not. */
  hasLogged(pod: PodFacts, atUs: Us): boolean;
  /** Whether the counters of this pod's proxy stood still all the time. */
  countedAcross(pod: PodFacts, fromUs: Us, toUs: Us): Stillness;
  tellsPorts(pod: PodFacts): boolean;
  graceUs(pod: PodFacts): Us;
  /** `waitUs`: until then, since we were not there; -1 = nobody will tell any more. */
  gapUntilUs(fromUs: Us, toUs: Us): Us;
  isControl(toward: Toward, atUs: Us): boolean;
  /** Whether the caller's proxy would have spoken the mesh's mutual TLS to that server's end then. */
  isMeshExpected(cluster: string, ip: string, server: string, atUs: Us): boolean;
  /** Whether lines of this pod are known to be missing around that time. */
  losesLines(pod: PodFacts, fromUs: Us, toUs: Us): boolean;
  orient(flow: Flow, end: SourceEnd): Orientation;
  /** Whether the proxy at that server's end (`endKey`) logged callers around then. */
  logsCallers(server: string, atUs: Us): boolean;
  /** Ends of all sockets that processes of the pod have opened. */
  endsOfSockets(pod: PodFacts): Iterable<SourceEnd>;
  endAt(ip: string, key: string): SourceEnd | undefined;
  /** From where something leads to that end. */
  endsToward(key: string): Iterable<SourceEnd>;
  /** The ends of the pod's sockets and flows, of TCP and UDP. */
  endsOf(pod: PodFacts): readonly SourceEnd[];
}

/** A destination of a source end. */
export interface Toward {
  readonly end: SourceEnd;
  readonly cluster: string;
  readonly ip: string;
  readonly port: number;
}

export interface WireVerdict {
  /** `final`: what was said stands. `wait`: nothing yet; look again at `dueUs`. */
  readonly kind: "none" | "wait" | "found" | "unknown" | "cleared" | "final";
  readonly reason: string;
  readonly rung: "none" | "b5" | "b5s";
  readonly confidence: "unknown" | "low" | "medium" | "high";
  readonly pod: PodFacts | null;
  readonly excludedBy: FlowEntity["excluded_by"];
  readonly oriented: FlowEntity["oriented"];
  readonly fromUs: Us;
  readonly dueUs: Us;
  readonly flows: readonly Flow[];
  readonly callerLegs: readonly Leg[];
  /** Those that it was concluded from; of TCP none, where a socket is judged by itself. */
  readonly sockets: readonly SocketRecord[];
  /** Between two ambient pods, where a tunnel should be. */
  readonly isOutsideTunnel: boolean;
  readonly evidence: readonly Evidence[];
}

export const nothing: WireVerdict = {
  kind: "none",
  reason: "",
  rung: "none",
  confidence: "unknown",
  pod: null,
  excludedBy: "none",
  oriented: "unknown",
  fromUs: 0,
  dueUs: 0,
  flows: [],
  callerLegs: [],
  sockets: [],
  isOutsideTunnel: false,
  evidence: [],
};

/** Envoy's counters of TCP move every 5 s; the rest is the grace of any leg. */
const countingUs = 30 * usPerSecond;

/** What all connections from the end to there come to, and those that must be looked at again. */
export function judgeToward(toward: Toward, scene: WireScene): readonly WireVerdict[] {
  const place = placeOf(toward, scene);
  const { end, ip, port, boundUs } = place;
  return chainsOf(end, ip, port, boundUs).map((chain) => judgeChain(chain, place, scene));
}

export function placeOf(toward: Toward, scene: WireScene): Place {
  return { ...toward, boundUs: boundOf(toward.end, scene) };
}

function boundOf(end: SourceEnd, scene: WireScene): Us {
  let boundUs = scene.options.closenessUs;
  for (const { flow } of end.flows.values()) {
    boundUs = Math.max(boundUs, scene.skewUs(flow.source.key));
  }
  return boundUs;
}

export interface Place extends Toward {
  readonly boundUs: Us;
}

function judgeChain(chain: Chain, place: Place, scene: WireScene): WireVerdict {
  const { identity, options } = scene;
  const { cluster, end, ip, port } = place;
  const atUs = chain.isLoose ? chain.flowToUs : chain.fromUs;
  const owner = identity.ownerAt(cluster, end.ip, atUs, place.boundUs);
  if (owner.kind === "ambiguous") {
    return { ...nothing, fromUs: chain.fromUs, kind: "unknown", reason: "ambiguous_owner" };
  }
  if (owner.kind !== "pod") return nothing;
  const { pod } = owner;
  const known: WireVerdict = { ...nothing, pod, fromUs: chain.fromUs };
  if (pod.mode === "ambient" && !pod.hostNetwork) return judgeTunnel(chain, place, known, scene);
  if (pod.mode !== "sidecar" || pod.hostNetwork) return { ...known, reason: "no_sidecar" };
  if (pod.ips.includes(ip)) return { ...known, reason: "destination" };
  const counters = countersOf(chain, place, pod, scene);
  const proof = counters.find((leg) => leg.first.trust !== "claimed");
  if (proof) {
    const evidence = mergeEvidence([], [...evidenceOf(chain), legEvidence(proof)]);
    return { ...known, kind: "cleared", reason: "proxy_leg", evidence };
  }
  const bySocket = judgeSockets(chain, place, scene);
  if (bySocket) return { ...known, ...bySocket };
  if (scene.nowUs >= chain.fromUs + options.retentionUs - options.latenessUs) {
    return { ...known, kind: "final", reason: "too_long_ago" };
  }
  if (
    isClusterDns(cluster, ip, port, atUs, identity, options) ||
    isProxyTelemetry(cluster, ip, port, atUs, identity)
  ) {
    return { ...known, reason: "destination" };
  }
  if (scene.isControl(place, atUs)) return { ...known, reason: "control" };
  return judgeAbsence(chain, place, known, pod, counters, scene);
}

/** Of an ambient pod no leg is missing: what counts is whether it went through a tunnel. */
function judgeTunnel(
  chain: Chain,
  place: Place,
  known: WireVerdict,
  scene: WireScene,
): WireVerdict {
  if (known.pod?.ips.includes(place.ip)) return { ...known, reason: "destination" };
  const oriented = orientedOf(chain, place, scene);
  if (oriented === "unknown" || oriented === "reply") return { ...known, reason: "unoriented" };
  const { kind, reason, dueUs } = judgeAmbient(chain, place, scene);
  const judged = { ...known, kind, reason, dueUs, isOutsideTunnel: true };
  if (kind !== "found") return judged;
  const flows = chain.flows.map(({ flow }) => flow);
  return { ...judged, oriented, confidence: "medium", flows, evidence: evidenceOf(chain) };
}

/** Nothing attested speaks for the proxy: is that silence, or proof? */
function judgeAbsence(
  chain: Chain,
  place: Place,
  known: WireVerdict,
  pod: PodFacts,
  disputing: readonly Leg[],
  scene: WireScene,
): WireVerdict {
  const isByServer = chain.callerLegs.length > 0;
  const oriented = isByServer ? "observed" : orientedOf(chain, place, scene);
  if (oriented === "unknown" || oriented === "reply") return { ...known, reason: "unoriented" };
  if (!isByServer && !chain.hasStart) return { ...known, reason: "no_handshake" };
  const flows = chain.flows.map(({ flow }) => flow);
  const evidence = evidenceOf(chain);
  const open: WireVerdict = { ...known, kind: "unknown", oriented, flows, evidence };
  // Refused, or given up: nothing was carried, so no log need tell of it.
  if (!isByServer && !chain.isAnswered) return { ...open, reason: "refused" };
  if (!isByServer && !chain.isClosed) return { ...open, reason: "open" };

  const endUs = isByServer ? chain.firstLegToUs : chain.flowToUs;
  const dueUs = endUs + scene.graceUs(pod);
  if (scene.nowUs < dueUs) return { ...known, kind: "wait", dueUs };
  const gapUs = scene.gapUntilUs(chain.fromUs, dueUs);
  if (gapUs < 0) return { ...open, reason: "gap" };
  if (scene.nowUs < gapUs) return { ...known, kind: "wait", dueUs: gapUs };
  const seenUs = chain.fromUs - scene.options.latenessUs;
  if (place.end.isBlind || scene.isBlind(pod, place.end, seenUs)) {
    return { ...open, reason: "capacity" };
  }
  const proof = proofOf(chain, endUs, place, pod, scene);
  if (proof.kind === "none") return { ...open, reason: proof.reason };
  if (proof.kind === "wait") return { ...known, kind: "wait", dueUs: proof.dueUs };
  const isCounted = proof.kind === "counters";
  const doubt = isByServer
    ? doubtOfCaller(chain, place, scene)
    : doubtOfLog(chain, place, pod, scene);
  if (doubt !== "") return { ...open, reason: doubt, callerLegs: chain.callerLegs };
  const atUs = chain.isLoose ? chain.flowToUs : chain.fromUs;
  if (flows.some((flow) => mayBeAnothers(flow, pod, atUs, scene))) {
    return { ...open, reason: "ambiguous_owner" };
  }
  const excluded = holeOf(chain, place, pod, scene);
  const isSure = isByServer && scene.tellsPorts(pod) && excluded !== "unknown";
  const confidence = stepDown(isSure ? "high" : "medium", disputing.length > 0);
  const all = mergeEvidence(evidence, [...disputing.map(legEvidence), ...proof.evidence]);
  const isUnsure = excluded === "unknown" ? "exclusions_unknown" : "";
  return {
    ...open,
    kind: "found",
    reason: disputing.length > 0 ? "disputed" : isCounted ? "counters_still" : isUnsure,
    rung: isByServer ? "b5s" : "b5",
    confidence,
    excludedBy: excluded,
    callerLegs: chain.callerLegs,
    evidence: all,
  };
}

type Proof =
  | { readonly kind: "log" | "counters"; readonly evidence: readonly Evidence[] }
  | { readonly kind: "wait"; readonly dueUs: Us }
  | { readonly kind: "none"; readonly reason: string };

/**
 * What shows that a leg would be known: the proxy has logged past it, or, of one that logs nothing, no
 * counter of its own calls has moved meanwhile. Those are written some seconds after what they count.
 */
function proofOf(chain: Chain, closedUs: Us, place: Place, pod: PodFacts, scene: WireScene): Proof {
  const endUs = closedUs + place.boundUs;
  const life = lifeAround(chain, endUs, place, pod, scene);
  if (life === "live") return { kind: "log", evidence: [] };
  const none = { kind: "none", reason: life === "ended" ? "pod_ended" : "proxy_silent" } as const;
  if (chain.callerLegs.length > 0 || scene.hasLogged(pod, endUs)) return none;
  const fromUs = chain.fromUs - place.boundUs - countingUs;
  const counted = scene.countedAcross(pod, fromUs, endUs + countingUs);
  if (counted.kind === "wait") return counted;
  if (counted.kind === "moved") return { kind: "none", reason: "counters_moved" };
  if (counted.kind === "untold" || (pod.endUs > 0 && counted.lastUs > pod.endUs)) return none;
  return { kind: "counters", evidence: [scrapesEvidence(pod, counted)] };
}

/** The server tells who called; whether that was the pod's proxy, only the caller's TLS does. */
function doubtOfCaller(chain: Chain, place: Place, scene: WireScene): string {
  if (speaksMesh(chain)) return "lines_lost";
  const { cluster, end, ip, port } = place;
  if (chain.callerLegs.some(({ first }) => callerTls(first) === "unseen")) return "tls_unseen";
  const server = endKey(cluster, ip, port);
  if (!scene.isMeshExpected(cluster, end.ip, server, chain.fromUs)) return "tls_unknown";
  for (const other of scene.endsToward(server)) {
    if (other.ip === end.ip && isPlainByProxy(other, ip, port, scene.options.closenessUs))
      return "plain_allowed";
  }
  return "";
}

/**
 * Whether the proxy logged before the connection began, by any clock, and past its end: what connects before
 * there is a proxy (init containers) is no business of its log.
 */
function lifeAround(
  chain: Chain,
  endUs: Us,
  { boundUs }: Place,
  pod: PodFacts,
  scene: WireScene,
): Life {
  const life = scene.lifePast(pod, endUs);
  if (life !== "live") return life;
  // A clock that nothing has bounded may be wrong by as much as records come late.
  const isYoung = pod.fromUs > chain.fromUs - scene.options.latenessUs;
  if (isYoung && chain.flows.some(({ flow }) => !scene.isClockProved(flow.source.key))) {
    return "silent";
  }
  const reachUs = chain.isLoose ? scene.options.clampedReachUs : 0;
  return scene.lifePast(pod, chain.fromUs - reachUs - boundUs);
}

/**
 * A line that was lost looks like a line that was never written. Where the pod's proxy connects as well, one
 * connection without a line is more likely its own. And a meshed server's proxy would have logged whoever
 * asked it something: what neither of two logs knows carried nothing, or was told by neither.
 */
function doubtOfLog(chain: Chain, place: Place, pod: PodFacts, scene: WireScene): string {
  const { cluster, ip, port } = place;
  if (scene.isLineForgotten(pod, chain.fromUs)) return "capacity";
  if (scene.losesLines(pod, chain.fromUs, chain.flowToUs)) return "lines_lost";
  const keys = lineKeysOf(pod, cluster, ip, port);
  if (keys.some((key) => scene.hasLine(key, chain.fromUs))) return "reached_by_proxy";
  return scene.logsCallers(endKey(cluster, ip, port), chain.fromUs) ? "unknown_to_server" : "";
}

function speaksMesh(chain: Chain): boolean {
  return chain.callerLegs.some(({ first }) => callerTls(first) === "mesh");
}

function stepDown(confidence: "medium" | "high", isDisputed: boolean): "low" | "medium" | "high" {
  if (!isDisputed) return confidence;
  return confidence === "high" ? "medium" : "low";
}

/** Legs of the proxy that may be this connection: at its own port, or without one to the same peer. */
function countersOf(chain: Chain, place: Place, pod: PodFacts, scene: WireScene): readonly Leg[] {
  const { cluster, end, ip, port } = place;
  // Two proxies' clocks may be apart: who speaks as the proxy is not somebody on its old port.
  const boundUs = speaksMesh(chain) ? scene.options.latenessUs : place.boundUs;
  const { fromUs, toUs } = lifeOf(chain, scene);
  const isThen = (leg: Leg): boolean => touches(leg, fromUs, toUs, boundUs);
  const counters: Leg[] = [];
  for (const leg of end.legs.values()) {
    const isThere = leg.toIp === "" || (leg.toIp === ip && leg.toPort === port);
    if (leg.role === "opened" && isThere && isThen(leg)) counters.push(leg);
  }
  const tellsPorts = scene.tellsPorts(pod);
  for (const own of pod.ips) {
    const byPeer = scene.endAt(own, peerKey(cluster, own, ip, port));
    for (const leg of byPeer?.legs.values() ?? []) {
      // Where the log tells ports, another variant of a line without one must not count beside it.
      const neverTells = leg.tells === "failed" || leg.tells === "tunnel";
      if ((neverTells || !tellsPorts) && isThen(leg)) counters.push(leg);
    }
    if (tellsPorts) continue;
    for (const leg of scene.endAt(own, dialledKey(cluster, own))?.legs.values() ?? []) {
      if (isThen(leg) && mayLeadTo(leg, place, scene)) counters.push(leg);
    }
  }
  return counters;
}

/** A log that tells only what was dialled: endpoints that nobody has told may be any. */
function mayLeadTo(leg: Leg, { cluster, ip, port }: Place, scene: WireScene): boolean {
  if (leg.toIp === ip && leg.toPort === port) return true;
  const endpoints = scene.identity.endpointsOf(cluster, leg.toIp, leg.toPort);
  return endpoints.length === 0 || endpoints.includes(hostPort(ip, port));
}

function lifeOf(chain: Chain, scene: WireScene): { readonly fromUs: Us; readonly toUs: Us } {
  const toUs = Math.max(chain.flowToUs, chain.legToUs);
  const reachUs = chain.isLoose ? scene.options.retentionUs : 0;
  return { fromUs: chain.fromUs - reachUs, toUs };
}

/**
 * A socket that explains the connection is judged in its place: its rung is the stronger one, and who it
 * was is known. A claimed socket takes a connection only when it accuses.
 */
function judgeSockets(chain: Chain, place: Place, scene: WireScene): Partial<WireVerdict> | null {
  let waits: Partial<WireVerdict> | null = null;
  for (const record of place.end.sockets.values()) {
    const { socket } = record;
    if (!leadsTo(socket, place.ip, place.port, scene.identity)) continue;
    if (!isNear(chain, socket.timeUs, place.boundUs, scene)) continue;
    const verdict = judgeConnection(record, scene);
    if (verdict.kind === "found") return { kind: "cleared", reason: "stronger_rung" };
    if (socket.trust === "claimed") continue;
    if (verdict.kind === "wait") waits = { kind: "wait", dueUs: record.dueUs };
    else if (explains(verdict)) {
      return { kind: verdict.kind === "unknown" ? "unknown" : "cleared", reason: verdict.reason };
    }
  }
  return waits;
}

export function explains(verdict: Verdict): boolean {
  return (
    verdict.reason !== "" && verdict.reason !== "no_sidecar" && verdict.reason !== "pod_unknown"
  );
}

export function isNear(chain: Chain, atUs: Us, boundUs: Us, scene: WireScene): boolean {
  if (chain.flows.length > 0) {
    return chain.flows.some(({ flow }) => closeness(flow, atUs, boundUs, scene.options) !== "none");
  }
  // A line tells when a request began; the connection may be older.
  return atUs <= chain.legToUs + boundUs && atUs >= chain.fromUs - scene.options.retentionUs;
}

export function orientedOf(
  chain: Chain,
  place: Place,
  scene: WireScene,
): "observed" | "inferred" | "reply" | "unknown" {
  const [first] = chain.flows;
  if (!first) return "unknown";
  const { side, how } = scene.orient(first.flow, place.end);
  if (side === "reply") return "reply";
  return side === "forward" ? how : "unknown";
}

/**
 * Exclusions are about what was dialled, which the wire does not show: inside the cluster it may have been
 * a Service's address and port.
 */
export function holeOf(
  chain: Chain,
  { cluster, ip, port }: Place,
  pod: PodFacts,
  scene: WireScene,
): FlowEntity["excluded_by"] {
  const excluded = excludedBy(pod, ip, port);
  if (excluded !== "none") return excluded;
  const declares =
    (pod.includedOutbound ?? null) !== null ||
    (pod.excludedOutboundPorts ?? []).length + (pod.excludedOutboundRanges ?? []).length > 0;
  if (!declares) return "none";
  const node = scene.identity.node(scene.identity.nodeOfAddress(cluster, ip, chain.fromUs));
  return node.external ? "none" : "unknown";
}

export function evidenceOf(chain: Chain): readonly Evidence[] {
  return mergeEvidence(
    [],
    [
      ...chain.flows.map(({ flow, id }) => flowEvidence(flow, id)),
      ...chain.callerLegs.map(legEvidence),
    ],
  );
}
