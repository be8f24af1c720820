/**
 * Calls between ambient pods of an innocent day: the application's redirected socket, the nodes' ztunnels
 * on both sides with their log and metrics, and HBONE on the wire, where one connection carries many calls.
 */
import type { SimulatedCounter, SimulatedLog } from "../../src/cli/demo/otlp.ts";
import type { DayCluster } from "./innocent-cluster.ts";
import { logSender, sendScrapes, type LogSender, type Travel } from "./innocent-senders.ts";
import { connectRecord, dayCluster, principalOf, type DayPod } from "./innocent-words.ts";
import type { Connection, Wire } from "./innocent-wire.ts";

interface End {
  readonly ip: string;
  readonly port: number;
}

interface Tunnel {
  readonly client: DayPod;
  readonly server: DayPod;
  readonly port: number;
  readonly wire: Connection;
  readonly untilMs: number;
}

const hbonePort = 15_008;
const scrapeEverySeconds = 60;

export class Ambient {
  readonly #cluster: DayCluster;
  readonly #wire: Wire;
  readonly #travel: Travel;
  readonly #portOf: (pod: DayPod, to: End) => number;
  readonly #log: LogSender;
  readonly #tunnels = new Map<string, Tunnel>();
  /** By the ztunnel that counts, then by what it counts. */
  readonly #counts = new Map<DayPod, Map<string, SimulatedCounter & { value: number }>>();

  constructor(
    cluster: DayCluster,
    wire: Wire,
    travel: Travel,
    portOf: (pod: DayPod, to: End) => number,
  ) {
    this.#cluster = cluster;
    this.#wire = wire;
    this.#travel = travel;
    this.#portOf = portOf;
    this.#log = logSender(travel, 3_000, cluster.agenda.nowMs);
    cluster.onClose.push((pod, atMs) => this.#closed(pod, atMs));
  }

  tick(nowMs: number, isLast: boolean): void {
    this.#log.tick(nowMs, isLast);
    if ((nowMs / 1_000) % scrapeEverySeconds !== 7) return;
    const targets = this.#cluster
      .ready("ztunnel")
      .map((pod) => [buildRow(pod), ...(this.#counts.get(pod)?.values() ?? [])]);
    this.#cluster.counts.add("scrapes", targets.length);
    sendScrapes(this.#travel, nowMs, targets, dayCluster);
  }

  call(client: DayPod, server: DayPod, name: string, service: End, atMs: number): void {
    const [near, far] = [this.#ztunnelOf(client), this.#ztunnelOf(server)];
    const process = this.#cluster.process(client, false);
    if (!near || !far || !process) return;
    this.#cluster.counts.add("ambientCalls");
    const appPort = this.#portOf(client, service);
    const stampedMs = atMs + client.node.agentSkewMs;
    this.#cluster.agentTells(client.node, connectRecord(process, stampedMs, appPort, service));
    const tunnel = this.#tunnel(client, server, near, atMs + 1);
    const lasts = 5 + this.#cluster.random.below(2_000);
    this.#cluster.agenda.at(atMs + lasts, () => {
      const call = { client, server, name, lasts, endMs: atMs + lasts };
      this.#tell(near, { ...call, side: "outbound", fromPort: appPort });
      this.#tell(far, { ...call, side: "inbound", fromPort: tunnel.port });
    });
  }

  #ztunnelOf(pod: DayPod): DayPod | undefined {
    return this.#cluster.ready("ztunnel").find(({ node }) => node === pod.node);
  }

  /** ztunnel's socket is in the client pod's network namespace and leaves from its address. */
  #tunnel(client: DayPod, server: DayPod, ztunnel: DayPod, atMs: number): Tunnel {
    const key = `${client.uid}>${server.uid}`;
    const known = this.#tunnels.get(key);
    if (known && known.untilMs > atMs) return known;
    if (known) this.#wire.close(known.wire, atMs - 5);
    const to = { ip: server.ip, port: hbonePort };
    const port = this.#portOf(client, to);
    const process = this.#cluster.process(ztunnel, true);
    if (process) {
      const stampedMs = atMs + client.node.agentSkewMs;
      const own = { ...process, fromIp: client.ip };
      this.#cluster.agentTells(client.node, connectRecord(own, stampedMs, port, to));
    }
    const ends = { fromIp: client.ip, fromPort: port, toIp: to.ip, toPort: to.port };
    const wire = this.#wire.open({ ...ends, nodes: [client.node, server.node], openMs: atMs });
    const untilMs = atMs + 5_000 + this.#cluster.random.below(300_000);
    const tunnel = { client, server, port, wire, untilMs };
    this.#tunnels.set(key, tunnel);
    return tunnel;
  }

  #tell(ztunnel: DayPod, call: ZtunnelCall): void {
    const { client, server } = call;
    if (client.endedMs > 0 || server.endedMs > 0) return;
    this.#log.push({ "k8s.cluster.name": dayCluster }, ztunnelRecord(ztunnel, call));
    for (const name of [
      "istio_tcp_connections_opened_total",
      "istio_tcp_connections_closed_total",
    ]) {
      this.#count(ztunnel, name, call);
    }
  }

  #count(
    ztunnel: DayPod,
    name: string,
    { client, server, name: service, side }: ZtunnelCall,
  ): void {
    let counts = this.#counts.get(ztunnel);
    if (!counts) this.#counts.set(ztunnel, (counts = new Map()));
    const key = `${name} ${side} ${client.workload} ${server.workload}`;
    const known = counts.get(key);
    if (known) {
      known.value++;
      return;
    }
    const host = `${service}.${server.namespace}.svc.cluster.local`;
    const attributes = {
      reporter: side === "outbound" ? "source" : "destination",
      source_workload: client.workload,
      source_workload_namespace: client.namespace,
      source_principal: principalOf(client),
      source_cluster: dayCluster,
      destination_workload: server.workload,
      destination_workload_namespace: server.namespace,
      destination_principal: principalOf(server),
      destination_cluster: dayCluster,
      destination_service: host,
      destination_service_name: service,
      destination_service_namespace: server.namespace,
      request_protocol: "tcp",
      response_flags: "-",
      connection_security_policy: "mutual_tls",
      component: "ztunnel",
      pod: ztunnel.name,
      namespace: ztunnel.namespace,
    };
    counts.set(key, { name, attributes, value: 1 });
  }

  #closed(pod: DayPod, atMs: number): void {
    for (const [key, { client, server, wire }] of this.#tunnels) {
      if (client !== pod && server !== pod) continue;
      this.#wire.close(wire, atMs);
      this.#tunnels.delete(key);
    }
    if (this.#counts.delete(pod)) this.#cluster.counts.add("counterResets");
  }
}

interface ZtunnelCall {
  readonly side: "inbound" | "outbound";
  readonly client: DayPod;
  readonly server: DayPod;
  /** The service's. */
  readonly name: string;
  readonly fromPort: number;
  readonly endMs: number;
  readonly lasts: number;
}

/** A line of ztunnel's log, written when the connection has ended. */
function ztunnelRecord(ztunnel: DayPod, call: ZtunnelCall): SimulatedLog {
  const { side, client, server, name, fromPort, endMs, lasts } = call;
  const timeMs = endMs + ztunnel.proxySkewMs;
  const fields = [
    `src.addr=${client.ip}:${fromPort}`,
    ...workloadFields("src", client),
    `dst.addr=${server.ip}:${hbonePort}`,
    `dst.hbone_addr=${server.ip}:${server.port}`,
    `dst.service="${name}.${server.namespace}.svc.cluster.local"`,
    ...workloadFields("dst", server),
    `direction="${side}" bytes_sent=690 bytes_recv=241 duration="${lasts}ms"`,
  ];
  const time = new Date(timeMs).toISOString().replace("Z", "000Z");
  const body = [time, "info", "access", "connection complete", fields.join(" ")].join("\t");
  const path = `/var/log/pods/${ztunnel.namespace}_${ztunnel.name}_${ztunnel.uid}/istio-proxy/0.log`;
  return { timeMs, attributes: { "log.file.path": path }, body };
}

function workloadFields(side: "src" | "dst", pod: DayPod): string[] {
  return [
    `${side}.workload="${pod.name}"`,
    `${side}.namespace="${pod.namespace}"`,
    `${side}.identity="${principalOf(pod)}"`,
  ];
}

function buildRow(pod: DayPod): SimulatedCounter {
  const attributes = {
    component: "ztunnel",
    tag: "1.28.0",
    pod: pod.name,
    namespace: pod.namespace,
  };
  return { name: "istio_build", value: 1, attributes };
}
