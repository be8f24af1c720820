/**
 * Rung B3a for a socket of which neither a wire nor a process's ids say anything: an application's TCP
 * connection to beyond the cluster that its proxy's log does not know. Nothing is written of a connection
 * before it ends, be it a stream of hours, and never of one that idled: the log's silence alone proves
 * nothing. It counts where the agent shows the proxy's own sockets, and the proxy has opened none that
 * could carry this connection, to there or just then to anywhere (it resolves names by itself, and may go
 * through a gateway). A captured connection that was never used leaves no trace at all: so nothing is said
 * of one that another socket of the same process was opened beside, as pools and races of two address
 * families do, nor of a destination that the pod's proxy has any line of.
 *
 * Inside the cluster a proxy may answer over connections that are older than anything known: what it
 * lacks there, the server's log tells (B5s).
 */
import { ipFamily } from "../lib/ip.ts";
import { usPerSecond } from "../model/time.ts";
import type { Verdict } from "./connection-verdict.ts";
import type { Identity, PodFacts } from "./contracts.ts";
import { excludedBy } from "./innocents.ts";
import { lineKeysOf } from "./line-keys.ts";
import { eventPod } from "./processes.ts";
import { placeOf } from "./proxy-container.ts";
import { leadsTo, socketEvidence } from "./sockets.ts";
import type { SocketRecord } from "./source-ends.ts";
import type { WireScene } from "./wire-verdict.ts";

/** A proxy connects as soon as it has read the client's first bytes, and gives up after 10 s. */
const proxyAnswersUs = 10 * usPerSecond;
const clockUs = usPerSecond;

/** `none` with a reason: it may still be found when more is known. */
export function judgeUnlogged(record: SocketRecord, base: Verdict, scene: WireScene): Verdict {
  const { socket, cluster } = record;
  const { pod, place } = base;
  if (!pod || place?.isProxy !== "no" || socket.transport !== "tcp") return base;
  const { dstIp, dstPort, timeUs } = socket;
  const node = scene.identity.node(scene.identity.nodeOfAddress(cluster, dstIp, timeUs));
  if (!node.external || isInLog(record, pod, scene)) return base;
  const dueUs = record.dueUs + scene.graceUs(pod);
  if (scene.nowUs < dueUs) return { ...base, kind: "wait", dueUs };
  const gapUs = scene.gapUntilUs(timeUs, dueUs);
  if (gapUs > scene.nowUs) return { ...base, kind: "wait", dueUs: gapUs };
  const reason = gapUs < 0 ? "gap" : doubtOf(record, pod, scene);
  if (reason !== "") return { ...base, reason };
  const excluded = excludedBy(pod, dstIp, dstPort);
  const isSure = place.container !== "unknown" && excluded !== "unknown";
  return {
    ...base,
    kind: "found",
    rung: "b3",
    reason: excluded === "unknown" ? "exclusions_unknown" : "no_line",
    // Never high: one captured connection that was opened and never used would look the same.
    confidence: isSure ? "medium" : "low",
    excludedBy: excluded,
    evidence: [socketEvidence(socket, record.id)],
  };
}

function doubtOf(record: SocketRecord, pod: PodFacts, scene: WireScene): string {
  const { socket, end } = record;
  const { timeUs } = socket;
  const untilUs = timeUs + scene.options.latenessUs;
  if (end.isBlind || scene.isBlind(pod, end, timeUs - scene.options.latenessUs)) return "capacity";
  if (scene.isLineForgotten(pod, timeUs)) return "capacity";
  // It logged before the connection began as well as after it would have been told.
  for (const atUs of [timeUs, untilUs]) {
    const life = scene.lifePast(pod, atUs);
    if (life !== "live") return life === "ended" ? "pod_ended" : "proxy_silent";
  }
  if (scene.losesLines(pod, timeUs, untilUs)) return "lines_lost";
  return companyOf(record, pod, scene);
}

/** Whether the pod's log knows anything of the destination. */
function isInLog({ socket, cluster }: SocketRecord, pod: PodFacts, scene: WireScene): boolean {
  const { dstIp, dstPort, timeUs } = socket;
  return lineKeysOf(pod, cluster, dstIp, dstPort).some((key) => scene.hasLine(key, timeUs));
}

/** What other sockets of the pod leave open; "" = nothing. */
function companyOf(record: SocketRecord, pod: PodFacts, scene: WireScene): string {
  const { socket } = record;
  const { retentionUs } = scene.options;
  let isShown = false;
  for (const end of scene.endsOfSockets(pod)) {
    for (const other of end.sockets.values()) {
      const apartUs = other.socket.timeUs - socket.timeUs;
      if (other === record || other.socket.transport !== "tcp") continue;
      if (other.socket.trust === "claimed" || Math.abs(apartUs) > retentionUs) continue;
      const itsPod = scene.identity.podOf(eventPod(other.socket), other.socket.timeUs);
      if (!itsPod) continue;
      const { isProxy } = placeOf(other.socket.process, itsPod, scene.options);
      if (isProxy === "no") {
        if (isBeside(other, record, scene)) return "beside_another";
        continue;
      }
      if (mayCarry(other, record, scene)) return "proxy_socket";
      isShown ||= isProxy === "yes" && other.socket.source.key === socket.source.key;
    }
  }
  return isShown ? "" : "proxy_unseen";
}

/** A pool's connections, or the same one tried over both families: one of them may stay unused. */
function isBeside(other: SocketRecord, { socket }: SocketRecord, scene: WireScene): boolean {
  const { process, dstIp, dstPort, timeUs } = other.socket;
  const isSame = process.exe === socket.process.exe && dstPort === socket.dstPort;
  if (!isSame || Math.abs(timeUs - socket.timeUs) > scene.options.closenessUs) return false;
  return dstIp === socket.dstIp || ipFamily(dstIp) !== ipFamily(socket.dstIp);
}

function mayCarry(other: SocketRecord, { socket }: SocketRecord, scene: WireScene): boolean {
  if (leadsTo(other.socket, socket.dstIp, socket.dstPort, scene.identity)) return true;
  const apartUs = other.socket.timeUs - socket.timeUs;
  if (apartUs < -clockUs || apartUs > proxyAnswersUs) return false;
  // A line of it names whose connection it carried.
  for (const leg of other.end.legs.values()) {
    const isItsOwn = leg.role === "opened" && leg.tells === "port" && leg.first.trust !== "claimed";
    if (!isItsOwn || leg.first.downstreamRemotePort === socket.srcPort) continue;
    const near = scene.options.closenessUs;
    if (Math.abs(leg.fromUs - other.socket.timeUs) <= near) return false;
  }
  return true;
}

/** Whether the one socket may change what is said of the other: `companyOf` looks at no more. */
export function bearsUpon(
  one: SocketRecord,
  other: SocketRecord,
  mayBeProxy: boolean,
  identity: Identity,
): boolean {
  if (one === other) return false;
  if (Math.abs(one.socket.timeUs - other.socket.timeUs) <= proxyAnswersUs + clockUs) return true;
  const { dstIp, dstPort } = other.socket;
  return mayBeProxy && leadsTo(one.socket, dstIp, dstPort, identity);
}
