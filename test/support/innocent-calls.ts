/**
 * Calls of an innocent day through sidecars and gateways, as everybody tells them who sees them: the
 * application's redirected socket, the proxy's own, both access logs, metrics, spans and the wire.
 */
import type { PlanName, DayCluster } from "./innocent-cluster.ts";
import { plans, type Plan } from "./innocent-pods.ts";
import {
  logSender,
  spanSender,
  type LogSender,
  type SpanSender,
  type Travel,
} from "./innocent-senders.ts";
import type { Scrapes } from "./innocent-scrapes.ts";
import type { Connection, Wire } from "./innocent-wire.ts";
import {
  connectRecord,
  dayCluster,
  hasProxy,
  isCaptured,
  lineRecord,
  nodeId,
  spanRecord,
  type DayNode,
  type DayPod,
  type LineFacts,
} from "./innocent-words.ts";

/** Virtual addresses of services, by plan. */
export function serviceOf(name: PlanName): { readonly ip: string; readonly port: number } {
  const index = Object.keys(plans).indexOf(name);
  return { ip: `10.96.0.${20 + index}`, port: plans[name].port === 8080 ? 80 : plans[name].port };
}

interface Pooled {
  readonly port: number;
  readonly server: DayPod;
  readonly wire: Connection;
  readonly untilMs: number;
}

/** A TCP connection through both proxies that lasts. */
interface LongConnection {
  readonly client: DayPod;
  readonly server: DayPod;
  readonly line: Omit<LineFacts, "durationMs" | "atMs">;
  readonly serverLine: Omit<LineFacts, "durationMs" | "atMs">;
  readonly wire: Connection;
  readonly openMs: number;
  isClosed: boolean;
}

const none = "-";
/** From here on a connection is a long one. */
export const longSeconds = 21_600;

export class Calls {
  readonly #cluster: DayCluster;
  readonly #wire: Wire;
  readonly #scrapes: Scrapes;
  readonly #logs = new Map<DayNode, LogSender>();
  readonly #spans: SpanSender;
  readonly #upstream = new Map<string, Pooled>();
  readonly #downstream = new Map<string, { readonly port: number; readonly untilMs: number }>();
  readonly #long = new Set<LongConnection>();
  /** Addresses and ports in use, since no kernel gives the same pair of ends out twice. */
  readonly #used = new Set<string>();

  constructor(cluster: DayCluster, wire: Wire, scrapes: Scrapes, travel: Travel) {
    this.#cluster = cluster;
    this.#wire = wire;
    this.#scrapes = scrapes;
    const { nowMs } = cluster.agenda;
    for (const node of cluster.nodes) this.#logs.set(node, logSender(travel, 3_000, nowMs));
    this.#spans = spanSender(travel, 5_000, nowMs);
    cluster.onClose.push((pod, atMs) => this.#podClosed(pod, atMs));
  }

  tick(nowMs: number, isLast: boolean): void {
    for (const logs of this.#logs.values()) logs.tick(nowMs, isLast);
    this.#spans.tick(nowMs, isLast);
  }

  /** A source port of the pod towards there, as its kernel hands them out; free again after a minute. */
  port(pod: DayPod, to: { readonly ip: string; readonly port: number }): number {
    const plan: Plan | undefined = Object.values(plans).find(
      (one) => one.workload === pod.workload && one.namespace === pod.namespace,
    );
    for (let tries = 0; ; tries++) {
      const port = 32_768 + this.#cluster.random.below(plan?.portRange ?? 28_232);
      const key = `${pod.uid}:${port}>${to.ip}:${to.port}`;
      if (this.#used.has(key) && tries < 1_000) continue;
      this.#used.add(key);
      this.#cluster.agenda.at(this.#cluster.agenda.nowMs + 60_000, () => this.#used.delete(key));
      return port;
    }
  }

  /** One HTTP request of a meshed pod to a service, with a retry when the first server fails. */
  request(client: DayPod, to: PlanName, atMs: number): void {
    const { random } = this.#cluster;
    const servers = this.#cluster.ready(to);
    const requestId = requestIdOf(random.hex(32));
    this.#cluster.counts.add("requests");
    if (this.#isTriedAtOldAddress(client, to, atMs, requestId)) return;
    const server = servers[random.below(servers.length)];
    if (!server) return;
    if (hasProxy(server) && servers.length > 1 && random.next() < 0.02) {
      const other = servers[(servers.indexOf(server) + 1) % servers.length] ?? server;
      this.#cluster.counts.add("retries");
      const failed = this.#pooled(client, other, atMs);
      this.#scrapes.request("destination", { client, server: other, service: to }, "503");
      this.#serverLine(client, other, to, failed.port, { atMs, requestId, code: 503 });
    }
    const pooled = this.#pooled(client, server, atMs + 1);
    const line = { atMs: atMs + 1, requestId, code: 200 };
    this.#clientLine(client, server, to, pooled.port, { ...line, atMs });
    this.#scrapes.request("source", { client, server, service: to });
    if (!hasProxy(server)) return;
    this.#serverLine(client, server, to, pooled.port, line);
    this.#scrapes.request("destination", { client, server, service: to });
    if (random.next() < 0.05) this.#trace(client, server, to, atMs, requestId);
  }

  /** A TCP connection of a meshed pod to a meshed service, open for so long. */
  connect(client: DayPod, to: PlanName, atMs: number, seconds: number): void {
    const servers = this.#cluster.ready(to);
    const server = servers[this.#cluster.random.below(servers.length)];
    if (!server) return;
    const service = serviceOf(to);
    const ends = { client, server, service: to };
    const appPort = this.#appSocket(client, service, atMs);
    const ownPort = this.#proxySocket(client, { ip: server.ip, port: server.port }, atMs + 1);
    const common = { isHttp: false, code: 0, flags: none, requestId: "", host: "" };
    const line = {
      ...common,
      upstreamHost: `${server.ip}:${server.port}`,
      cluster: outboundOf(to, server),
      upstreamLocal: `${client.ip}:${ownPort}`,
      downstreamLocal: `${service.ip}:${service.port}`,
      downstreamRemote: `${client.ip}:${appPort}`,
      serverName: none,
    };
    const serverLine = { ...common, ...inboundOf(client, server, to, ownPort) };
    const wire = this.#wire.open(wireOf(client, ownPort, server, atMs + 1));
    const long = { client, server, line, serverLine, wire, openMs: atMs, isClosed: false };
    this.#long.add(long);
    for (const reporter of ["source", "destination"] as const) this.#scrapes.opened(reporter, ends);
    const endMs = atMs + seconds * 1_000;
    if (seconds >= longSeconds) this.#cluster.counts.add("connectionsPlannedForHours");
    this.#cluster.agenda.at(endMs, () => this.#closeLong(long, endMs));
  }

  /** A connection of a meshed pod beyond the cluster, through its sidecar. */
  passThrough(
    client: DayPod,
    to: { readonly ip: string; readonly port: number },
    atMs: number,
  ): void {
    const durationMs = 400 + this.#cluster.random.below(40_000);
    const appPort = this.#appSocket(client, to, atMs);
    const ownPort = this.#proxySocket(client, to, atMs + 2);
    const plan = { fromIp: client.ip, fromPort: ownPort, toIp: to.ip, toPort: to.port };
    this.#wire.short({ ...plan, nodes: [client.node], openMs: atMs + 2 }, durationMs);
    this.#cluster.agenda.at(atMs + durationMs, () => {
      if (client.endedMs > 0 && client.endedMs < atMs + durationMs) return;
      this.#log(client, {
        isHttp: false,
        code: 0,
        flags: none,
        requestId: "",
        host: "",
        atMs,
        durationMs,
        upstreamHost: `${to.ip}:${to.port}`,
        cluster: "PassthroughCluster",
        upstreamLocal: `${client.ip}:${ownPort}`,
        downstreamLocal: `${to.ip}:${to.port}`,
        downstreamRemote: `${client.ip}:${appPort}`,
        serverName: "api.payments.example",
      });
    });
  }

  /** Somebody beyond the cluster calls a gateway, and the gateway the service. */
  fromOutside(gateway: DayPod, to: PlanName, atMs: number): void {
    const { random } = this.#cluster;
    const ip = `198.51.100.${1 + random.below(200)}`;
    const fromPort = 1_024 + random.below(60_000);
    const plan = { fromIp: ip, fromPort, toIp: gateway.ip, toPort: gateway.port };
    this.#wire.short({ ...plan, nodes: [gateway.node], openMs: atMs }, 800);
    const servers = this.#cluster.ready(to);
    const server = servers[random.below(servers.length)];
    if (!server) return;
    const pooled = this.#pooled(gateway, server, atMs + 1);
    const requestId = requestIdOf(random.hex(32));
    const line = { atMs: atMs + 1, requestId, code: 200 };
    this.#log(gateway, {
      isHttp: true,
      durationMs: 9,
      flags: none,
      host: "shop.example",
      ...line,
      atMs,
      upstreamHost: `${server.ip}:${server.port}`,
      cluster: outboundOf(to, server),
      upstreamLocal: `${gateway.ip}:${pooled.port}`,
      downstreamLocal: `${gateway.ip}:${gateway.port}`,
      downstreamRemote: `${ip}:${fromPort}`,
      serverName: "shop.example",
    });
    this.#serverLine(gateway, server, to, pooled.port, line);
    const ends = { client: gateway, server, service: to };
    this.#scrapes.request("source", ends);
    this.#scrapes.request("destination", ends);
  }

  /** Clients learn a second late that an endpoint is gone: the proxy tries, and the kernel refuses. */
  #isTriedAtOldAddress(client: DayPod, to: PlanName, atMs: number, requestId: string): boolean {
    const [ip] = this.#cluster.endedWithin(to, 3_000);
    if (ip === undefined || this.#cluster.random.next() < 0.5) return false;
    this.#cluster.counts.add("triedAtOldAddress");
    const service = serviceOf(to);
    const appPort = this.#appSocket(client, service, atMs);
    const old = { ip, port: plans[to].port };
    const port = this.#proxySocket(client, old, atMs + 1);
    const plan = { fromIp: client.ip, fromPort: port, toIp: ip, toPort: old.port };
    this.#wire.refused({ ...plan, nodes: [client.node], openMs: atMs + 1 });
    this.#log(client, {
      isHttp: true,
      atMs,
      durationMs: 2,
      code: 503,
      flags: "UF",
      requestId,
      host: to,
      upstreamHost: `${old.ip}:${old.port}`,
      cluster: `outbound|${service.port}||${to}.${plans[to].namespace}.svc.cluster.local`,
      upstreamLocal: none,
      downstreamLocal: `${service.ip}:${service.port}`,
      downstreamRemote: `${client.ip}:${appPort}`,
      serverName: none,
    });
    return true;
  }

  #clientLine(
    client: DayPod,
    server: DayPod,
    to: PlanName,
    ownPort: number,
    line: { readonly atMs: number; readonly requestId: string; readonly code: number },
  ): void {
    const service = serviceOf(to);
    const appPort = this.#keptAlive(client, service, line.atMs);
    this.#log(client, {
      isHttp: true,
      durationMs: 8,
      flags: none,
      host: to,
      ...line,
      upstreamHost: `${server.ip}:${server.port}`,
      cluster: outboundOf(to, server),
      upstreamLocal: `${client.ip}:${ownPort}`,
      downstreamLocal: `${service.ip}:${service.port}`,
      downstreamRemote: `${client.ip}:${appPort}`,
      serverName: none,
    });
  }

  #serverLine(
    client: DayPod,
    server: DayPod,
    to: PlanName,
    clientPort: number,
    line: { readonly atMs: number; readonly requestId: string; readonly code: number },
  ): void {
    this.#log(server, {
      isHttp: true,
      durationMs: 5,
      flags: none,
      host: to,
      ...line,
      ...inboundOf(client, server, to, clientPort),
    });
  }

  /** The application's own connection into its sidecar, used for some requests. */
  #keptAlive(client: DayPod, service: { ip: string; port: number }, atMs: number): number {
    const key = `${client.uid}>${service.ip}`;
    const known = this.#downstream.get(key);
    if (known && known.untilMs > atMs && this.#cluster.random.next() < 0.7) return known.port;
    const port = this.#appSocket(client, service, atMs);
    this.#downstream.set(key, { port, untilMs: atMs + 20_000 });
    return port;
  }

  /** The proxy's connection to a server, which carries many requests. */
  #pooled(client: DayPod, server: DayPod, atMs: number): Pooled {
    const key = `${client.uid}>${server.uid}`;
    const known = this.#upstream.get(key);
    if (known && known.untilMs > atMs && known.wire.closeMs === Infinity) return known;
    if (known) this.#wire.close(known.wire, atMs - 5);
    const port = this.#proxySocket(client, { ip: server.ip, port: server.port }, atMs);
    const wire = this.#wire.open(wireOf(client, port, server, atMs));
    const untilMs = atMs + 5_000 + this.#cluster.random.below(600_000);
    const pooled = { port, server, wire, untilMs };
    this.#upstream.set(key, pooled);
    return pooled;
  }

  #appSocket(client: DayPod, to: { ip: string; port: number }, atMs: number): number {
    const port = this.port(client, to);
    if (isCaptured(client)) this.#tellConnect(client, false, port, to, atMs);
    return port;
  }

  #proxySocket(client: DayPod, to: { ip: string; port: number }, atMs: number): number {
    const port = this.port(client, to);
    this.#tellConnect(client, true, port, to, atMs);
    return port;
  }

  #tellConnect(
    client: DayPod,
    isOfProxy: boolean,
    port: number,
    to: { ip: string; port: number },
    atMs: number,
  ): void {
    const process = this.#cluster.process(client, isOfProxy);
    if (!process) return;
    // Of a container that has just started the agent may know the id alone.
    const isAnonymous = atMs - client.createdMs < 20_000 && this.#cluster.random.next() < 0.05;
    const stampedMs = atMs + client.node.agentSkewMs;
    const record = connectRecord({ ...process, isAnonymous }, stampedMs, port, to);
    this.#cluster.agentTells(client.node, record);
  }

  /** Lines are written when a request, or a TCP connection, is over. */
  #log(pod: DayPod, line: LineFacts): void {
    const record = lineRecord({ ...line, atMs: line.atMs + pod.proxySkewMs });
    const resource: Record<string, string> = { "k8s.cluster.name": dayCluster };
    if (pod.isNamedInLog) resource["node_name"] = nodeId(pod);
    this.#logs.get(pod.node)?.push(resource, record);
  }

  #trace(client: DayPod, server: DayPod, to: PlanName, atMs: number, requestId: string): void {
    const { random } = this.#cluster;
    const ends = { client, server, service: to, port: serviceOf(to).port };
    const [traceId, spanId, serverId] = [random.hex(32), random.hex(16), random.hex(16)];
    const own = {
      startMs: atMs + client.proxySkewMs,
      endMs: atMs + client.proxySkewMs + 8,
      requestId,
    };
    const far = {
      ...own,
      startMs: atMs + 1 + server.proxySkewMs,
      endMs: atMs + 6 + server.proxySkewMs,
    };
    const resource = { "service.name": "envoy", "k8s.cluster.name": dayCluster };
    const [client_, server_] = [
      { traceId, spanId, parentSpanId: "" },
      { traceId, spanId: serverId, parentSpanId: spanId },
    ];
    this.#spans.push(resource, spanRecord(ends, "client", client_, own));
    this.#spans.push(resource, spanRecord(ends, "server", server_, far));
  }

  #closeLong(long: LongConnection, atMs: number): void {
    if (long.isClosed) return;
    long.isClosed = true;
    this.#long.delete(long);
    this.#wire.close(long.wire, atMs);
    const { client, server, openMs } = long;
    if (atMs - openMs >= longSeconds * 1_000) {
      this.#cluster.counts.add("connectionsThatLastedHours");
    }
    const times = { atMs: openMs, durationMs: Math.max(1, Math.round(atMs - openMs)) };
    this.#log(client, { ...long.line, ...times });
    this.#log(server, { ...long.serverLine, ...times });
    const ends = { client, server, service: long.line.host };
    for (const reporter of ["source", "destination"] as const) this.#scrapes.closed(reporter, ends);
  }

  #podClosed(pod: DayPod, atMs: number): void {
    for (const long of this.#long) {
      if (long.client === pod || long.server === pod) this.#closeLong(long, atMs);
    }
    for (const [key, { wire, server }] of this.#upstream) {
      if (!key.startsWith(`${pod.uid}>`) && server !== pod) continue;
      this.#wire.close(wire, atMs);
      this.#upstream.delete(key);
    }
    for (const key of this.#downstream.keys()) {
      if (key.startsWith(`${pod.uid}>`)) this.#downstream.delete(key);
    }
    this.#scrapes.reset(pod);
  }
}

function requestIdOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function outboundOf(to: PlanName, server: DayPod): string {
  return `outbound|${serviceOf(to).port}||${to}.${server.namespace}.svc.cluster.local`;
}

function inboundOf(client: DayPod, server: DayPod, to: PlanName, clientPort: number) {
  return {
    upstreamHost: `${server.ip}:${server.port}`,
    cluster: `inbound|${server.port}||`,
    upstreamLocal: `127.0.0.6:${30_000 + (clientPort % 20_000)}`,
    downstreamLocal: `${server.ip}:${server.port}`,
    downstreamRemote: `${client.ip}:${clientPort}`,
    serverName: `outbound_.${serviceOf(to).port}_._.${to}.${server.namespace}.svc.cluster.local`,
  };
}

function wireOf(client: DayPod, port: number, server: DayPod, openMs: number) {
  return {
    fromIp: client.ip,
    fromPort: port,
    toIp: server.ip,
    toPort: server.port,
    nodes: [client.node, server.node],
    openMs,
  };
}
