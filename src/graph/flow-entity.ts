/** A verdict as rules see it. Destination and port are the real ones where the virtual is known. */
import { ipFamily, parseHostPort, type HostPort } from "../lib/ip.ts";
import { makeEntity } from "../model/entities.ts";
import type { Flow, SocketOpened } from "../model/observations.ts";
import type { Identity, PodFacts } from "./contracts.ts";
import type { Verdict } from "./connection-verdict.ts";
import { nodeAs } from "./processes.ts";
import type { JudgedFlow } from "./sayings.ts";
import type { SocketRecord } from "./source-ends.ts";
import type { Toward, WireVerdict } from "./wire-verdict.ts";

export function verdictToFlow(
  verdict: Verdict,
  pod: PodFacts,
  record: SocketRecord,
  identity: Identity,
): JudgedFlow {
  const { socket, cluster } = record;
  const { process } = socket;
  const wire = verdict.wire[0];
  const real = realDestination(wire, socket, cluster, identity);
  const dstId = identity.nodeOfAddress(cluster, real.ip, socket.timeUs);
  const entity = makeEntity("flow");
  entity.src = nodeAs(identity.node(pod.nodeId), pod.mode);
  entity.dst = identity.node(dstId);
  entity.external = entity.dst.external;
  entity.src_ip = socket.srcIp;
  entity.src_port = Math.max(socket.srcPort, 0);
  entity.dst_ip = real.ip;
  entity.dst_port = real.port;
  entity.transport = socket.transport;
  entity.family = ipFamily(real.ip);
  entity.direction = "egress";
  // Whoever connects has opened the conversation: nothing about it is guessed.
  entity.oriented = "observed";
  entity.open = wire !== undefined && !verdict.wire.some((flow) => flow.closed);
  entity.bytes = Math.max(0, ...verdict.wire.map((flow) => flow.bytes));
  entity.vantage = wire ? "wire" : "socket";
  entity.agent = socket.agent;
  entity.rung = verdict.rung;
  entity.outcome = verdict.kind === "found" ? "found" : "unknown";
  entity.reason = verdict.reason;
  entity.confidence = verdict.confidence;
  entity.trust = socket.trust;
  entity.uid = process.uid;
  entity.gid = process.gid;
  entity.process = process.exe || process.name;
  entity.container = process.container;
  entity.excluded_by = verdict.excludedBy;
  entity.in_proxy_container = verdict.place?.container === "proxy";
  entity.before_proxy_ready = verdict.place?.beforeProxy ?? false;
  return { entity, srcId: pod.nodeId, dstId };
}

/** The same for a B2 and the B3 that it grows into, so that both are one insight. */
function realDestination(
  wire: Flow | undefined,
  socket: SocketOpened,
  cluster: string,
  identity: Identity,
): HostPort {
  if (wire) return { ip: wire.dstIp, port: wire.dstPort };
  const endpoints = identity.endpointsOf(cluster, socket.dstIp, socket.dstPort, socket.timeUs);
  const first = endpoints.toSorted()[0];
  const endpoint = first === undefined ? null : parseHostPort(first);
  return endpoint && endpoint.ip !== "" ? endpoint : { ip: socket.dstIp, port: socket.dstPort };
}

/** A connection without a socket as rules see it; null when not even its pod is known. */
export function wireToFlow(
  verdict: WireVerdict,
  { end, cluster, ip, port }: Toward,
  identity: Identity,
): JudgedFlow | null {
  const { pod } = verdict;
  if (!pod) return null;
  const dstId = identity.nodeOfAddress(cluster, ip, verdict.fromUs);
  const entity = makeEntity("flow");
  const flow = verdict.flows[0];
  const leg = verdict.callerLegs[0];
  const socket = verdict.sockets[0]?.socket;
  entity.src = nodeAs(identity.node(pod.nodeId), pod.mode);
  entity.dst = identity.node(dstId);
  entity.external = entity.dst.external;
  entity.src_ip = end.ip;
  entity.src_port = flow?.srcPort ?? leg?.port ?? Math.max(socket?.srcPort ?? 0, 0);
  entity.dst_ip = ip;
  entity.dst_port = port;
  entity.transport = end.transport;
  entity.family = ipFamily(ip);
  entity.direction = "egress";
  entity.oriented = verdict.oriented;
  entity.open = verdict.reason === "open";
  entity.bytes = Math.max(0, ...verdict.flows.map(({ bytes }) => bytes));
  entity.vantage = flow ? "wire" : leg ? "proxy" : "socket";
  entity.agent = flow?.agent ?? socket?.agent ?? "";
  entity.rung = verdict.rung;
  entity.outcome = verdict.kind === "found" ? "found" : "unknown";
  entity.reason = verdict.reason;
  entity.confidence = verdict.confidence;
  entity.trust = flow?.trust ?? leg?.first.trust ?? socket?.trust ?? "attested";
  entity.excluded_by = verdict.excludedBy;
  entity.outside_hbone = verdict.isOutsideTunnel;
  if (socket) {
    const { process } = socket;
    entity.uid = process.uid;
    entity.gid = process.gid;
    entity.process = process.exe || process.name;
    entity.container = process.container;
  }
  return { entity, srcId: pod.nodeId, dstId };
}
