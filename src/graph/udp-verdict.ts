/**
 * UDP of a pod with a sidecar. No rule redirects it, so no proxy has a word to say: what left the pod is
 * proof by itself, if it was the pod that began, and not its proxy. A pure function of what the source's
 * end holds, like the verdicts on TCP; names looked up in the cluster are nobody's fault.
 *
 * A socket alone proves little: connecting one sends nothing, and resolvers connect one to each address
 * of a name only to learn which source the system would choose. It accuses where nobody shows the wire.
 */
import { mergeEvidence, type Evidence } from "../model/changes.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import { judgeConnection, type Verdict } from "./connection-verdict.ts";
import type { PodFacts } from "./contracts.ts";
import { excludedBy, isClusterDns } from "./innocents.ts";
import { endKey } from "./orientation.ts";
import { eventPod } from "./processes.ts";
import { leadsTo, socketEvidence } from "./sockets.ts";
import type { SocketRecord } from "./source-ends.ts";
import { isSamePod, mayBeAnothers } from "./unproved-clock.ts";
import { chainsOf, type Chain } from "./wire-chains.ts";
import {
  evidenceOf,
  explains,
  holeOf,
  isNear,
  nothing,
  orientedOf,
  placeOf,
  type Place,
  type Toward,
  type WireScene,
  type WireVerdict,
} from "./wire-verdict.ts";

/** The socket comes within this time after the flow's end, or nobody has told it. */
const graceUs = 30 * usPerSecond;
/** So close to a TCP connection to the same port, a UDP socket may be its resolver's. */
const resolverUs = 5 * usPerSecond;
/** Who showed the wire of a pod so shortly before shows it still. */
const wireUs = 5 * usPerMinute;
/** What Go (9 and 53), musl (65535) and glibc (0 where no port was asked for) connect such sockets to. */
const resolverPorts: ReadonlySet<number> = new Set([0, 9, 53, 65_535]);

export function judgeUdp(toward: Toward, scene: WireScene): readonly WireVerdict[] {
  const place = placeOf(toward, scene);
  const { end, ip, port } = place;
  const chains = chainsOf(end, ip, port, place.boundUs);
  if (chains.length > 0) return chains.map((chain) => judgeOnWire(chain, place, scene));
  const sockets = [...end.sockets.values()].filter(
    ({ socket }) => socket.dstIp === ip && socket.dstPort === port,
  );
  return sockets.map((record) => judgeUnseen(record, place, scene));
}

function judgeOnWire(chain: Chain, place: Place, scene: WireScene): WireVerdict {
  const { identity, options } = scene;
  const { cluster, end, ip, port, boundUs } = place;
  const { fromUs } = chain;
  const atUs = chain.isLoose ? chain.flowToUs : fromUs;
  const owner = identity.ownerAt(cluster, end.ip, atUs, boundUs);
  if (owner.kind === "ambiguous") {
    return { ...nothing, fromUs, kind: "unknown", reason: "ambiguous_owner" };
  }
  if (owner.kind !== "pod") return nothing;
  const { pod } = owner;
  const known: WireVerdict = { ...nothing, pod, fromUs };
  if (pod.mode !== "sidecar" || pod.hostNetwork) return { ...known, reason: "no_sidecar" };
  if (pod.ips.includes(ip) || isClusterDns(cluster, ip, port, atUs, identity, options)) {
    return { ...known, reason: "destination" };
  }
  const sockets = [...end.sockets.values()].filter(
    ({ socket }) =>
      leadsTo(socket, ip, port, identity) && isNear(chain, socket.timeUs, boundUs, scene),
  );
  const innocent = innocentOf(sockets, scene);
  if (innocent) return { ...known, ...innocent };
  if (sockets.some((record) => isAnothers(record, pod, scene))) {
    return { ...known, kind: "unknown", reason: "ambiguous_owner" };
  }
  if (chain.flows.some(({ flow }) => mayBeAnothers(flow, pod, atUs, scene))) {
    return { ...known, kind: "unknown", reason: "ambiguous_owner" };
  }
  if (isOver(fromUs, scene)) return { ...known, kind: "final", reason: "too_long_ago" };
  if (scene.isControl(place, atUs)) return { ...known, reason: "control" };
  const oriented = orientedOf(chain, place, scene);
  const isTold =
    oriented === "observed" || (oriented === "inferred" && !wasAnswer(chain, place, scene));
  if (!isTold) return { ...known, reason: "unoriented" };
  return found(known, pod, chain, sockets, oriented, place, scene);
}

function found(
  known: WireVerdict,
  pod: PodFacts,
  chain: Chain,
  sockets: readonly SocketRecord[],
  oriented: "observed" | "inferred",
  place: Place,
  scene: WireScene,
): WireVerdict {
  const own = sockets.filter(({ socket }) => socket.trust !== "claimed");
  const dueUs = chain.flowToUs + graceUs;
  if (own.length === 0 && scene.nowUs < dueUs) return { ...known, kind: "wait", dueUs };
  const excluded = holeOf(chain, place, pod, scene);
  const isNamed = own.every(
    (record) => judgeConnection(record, scene).place?.container === "other",
  );
  const isSure = own.length > 0 && isNamed && excluded !== "unknown" && !chain.isLoose;
  return {
    ...known,
    kind: "found",
    reason: excluded === "unknown" ? "exclusions_unknown" : "",
    confidence: isSure ? "high" : "medium",
    excludedBy: excluded,
    oriented,
    flows: chain.flows.map(({ flow }) => flow),
    sockets,
    evidence: mergeEvidence(evidenceOf(chain), sockets.map(evidenceOfSocket)),
  };
}

/** A connected socket of which the wire shows nothing, because nobody shows the wire. */
function judgeUnseen(record: SocketRecord, place: Place, scene: WireScene): WireVerdict {
  const { identity } = scene;
  const { socket, end } = record;
  const { timeUs: fromUs, dstIp, dstPort } = socket;
  const verdict = judgeConnection(record, scene);
  const { pod } = verdict;
  if (!pod) return nothing;
  const known: WireVerdict = { ...nothing, pod, fromUs };
  const innocent = letOff(verdict, record);
  if (innocent) return { ...known, ...innocent };
  if (verdict.reason !== "") return { ...known, reason: verdict.reason };
  const flows = [...end.flows.values()];
  if (flows.some(({ flow }) => leadsTo(socket, flow.dstIp, flow.dstPort, identity))) {
    return { ...known, kind: "cleared", reason: "on_wire" };
  }
  if (isOver(fromUs, scene)) return { ...known, kind: "final", reason: "too_long_ago" };
  if (resolverPorts.has(dstPort)) return { ...known, reason: "address_selection" };
  if (scene.isControl(place, fromUs)) return { ...known, reason: "control" };
  const dueUs = fromUs + scene.options.latenessUs + resolverUs;
  if (scene.nowUs < dueUs) return { ...known, kind: "wait", dueUs };
  const silent = whyUnseen(record, pod, scene);
  if (silent !== "") return { ...known, kind: "cleared", reason: silent };
  return {
    ...known,
    kind: "found",
    reason: "no_wire",
    confidence: "low",
    excludedBy: excludedBy(pod, dstIp, dstPort),
    oriented: "observed",
    sockets: [record],
    evidence: [evidenceOfSocket(record)],
  };
}

/** "" where nothing but a datagram explains the socket, as far as anybody can tell. */
function whyUnseen({ socket }: SocketRecord, pod: PodFacts, scene: WireScene): string {
  for (const end of scene.endsOf(pod)) {
    for (const { flow } of end.flows.values()) {
      const isThen =
        flow.endUs >= socket.timeUs - wireUs && flow.endUs <= socket.timeUs + resolverUs;
      if (isThen) return "not_on_wire";
    }
    if (end.transport !== "tcp") continue;
    for (const { socket: other } of end.sockets.values()) {
      const isClose = Math.abs(other.timeUs - socket.timeUs) <= resolverUs;
      if (isClose && other.dstPort === socket.dstPort) return "address_selection";
    }
  }
  return "";
}

/** What speaks for the proxy, or for a stronger rung, or that it is too early to tell. */
function innocentOf(
  sockets: readonly SocketRecord[],
  scene: WireScene,
): Partial<WireVerdict> | null {
  let waits: Partial<WireVerdict> | null = null;
  for (const record of sockets) {
    const verdict = judgeConnection(record, scene);
    const innocent = letOff(verdict, record);
    if (record.socket.trust === "claimed" && verdict.kind !== "found") continue;
    if (innocent?.kind === "cleared") return innocent;
    waits ??= innocent;
  }
  return waits;
}

/** Its agent names another pod than the one that held the address by then. */
function isAnothers({ socket }: SocketRecord, pod: PodFacts, { identity }: WireScene): boolean {
  const named = socket.trust === "claimed" ? null : identity.podOf(eventPod(socket), socket.timeUs);
  return named !== null && !isSamePod(named, pod);
}

/** Records begin to leave, and what was said stands. */
function isOver(fromUs: Us, { nowUs, options }: WireScene): boolean {
  return nowUs >= fromUs + options.retentionUs - options.latenessUs;
}

function evidenceOfSocket({ socket, id }: SocketRecord): Evidence {
  return socketEvidence(socket, id);
}

function letOff(verdict: Verdict, record: SocketRecord): Partial<WireVerdict> | null {
  if (verdict.kind === "found") return { kind: "cleared", reason: "stronger_rung" };
  if (verdict.kind === "wait") return { kind: "wait", dueUs: record.dueUs };
  if (explains(verdict)) return { kind: "cleared", reason: verdict.reason };
  // Strangers in there have a rule of their own.
  const isThere = verdict.place?.container === "proxy";
  return isThere ? { kind: "cleared", reason: "proxy_container" } : null;
}

/** Whether the other end was the first to send: ports alone do not tell who serves. */
function wasAnswer(chain: Chain, { ip, port }: Place, scene: WireScene): boolean {
  for (const { flow } of chain.flows) {
    const far = scene.endAt(ip, endKey(flow.cluster, ip, port, "udp"));
    for (const { flow: back } of far?.flows.values() ?? []) {
      const isBack = back.dstIp === flow.srcIp && back.dstPort === flow.srcPort;
      if (isBack && back.source.key === flow.source.key && back.startUs < chain.fromUs) {
        if (back.endUs >= chain.fromUs) return true;
      }
    }
  }
  return false;
}
