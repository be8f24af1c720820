/**
 * Sockets: what a node agent tells of a connection that a process opened. The addresses are the
 * socket's own, so they show the original destination even if the packets were redirected.
 */
import type { Evidence } from "../model/changes.ts";
import type { SocketOpened } from "../model/observations.ts";
import type { Identity } from "./contracts.ts";
import { contentHash, contentText } from "./content-hash.ts";

export function socketCluster(socket: SocketOpened): string {
  return socket.process.pod.cluster || socket.source.cluster;
}

/** The same event in every order and process; two connects of one port at two times differ. */
export function socketId(socket: SocketOpened): string {
  const { process } = socket;
  return contentText(
    socketCluster(socket),
    process.pod.podUid || `${process.pod.namespace}/${process.pod.pod}`,
    socket.srcIp,
    socket.srcPort,
    socket.dstIp,
    socket.dstPort,
    socket.transport,
    socket.timeUs,
    socket.nanos,
    process.execId || process.pid,
    socket.trust,
  );
}

/** The connection's identity outside the graph, from its socket's. */
export function connectionId(socket: string): string {
  return contentHash(["socket", socket]);
}

/** Whether the address is where the socket goes: as it says, or an endpoint behind what it says. */
export function leadsTo(
  socket: SocketOpened,
  ip: string,
  port: number,
  identity: Identity,
): boolean {
  if (socket.dstIp === ip && socket.dstPort === port) return true;
  const { dstIp, dstPort, timeUs } = socket;
  return identity.isEndpoint(socketCluster(socket), dstIp, dstPort, ip, port, timeUs);
}

export function hostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export function socketEvidence(socket: SocketOpened, id: string): Evidence {
  const { process } = socket;
  const who = process.exe || process.name || `process ${process.pid}`;
  const to = hostPort(socket.dstIp, socket.dstPort);
  return {
    atUs: socket.timeUs,
    nanos: socket.nanos,
    vantage: "node",
    source: socket.source.key,
    text: `${who} (uid ${process.uid}, gid ${process.gid}) opened a ${socket.transport} connection to ${to}`,
    fields: {
      src: hostPort(socket.srcIp, socket.srcPort),
      dst: to,
      exe: process.exe,
      pid: process.pid,
      uid: process.uid,
      gid: process.gid,
      pod: process.pod.pod,
      container: process.container,
      agent: socket.agent,
      trust: socket.trust,
    },
    hash: connectionId(id),
  };
}
