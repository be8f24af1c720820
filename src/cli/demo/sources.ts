/**
 * How each simulated source words what happened: Istio's access-log text, Envoy's spans and standard
 * metrics, Tetragon's JSON, NetFlow records, Kubernetes objects. Shapes only, no story.
 */
import { createHash } from "node:crypto";
import type { SimulatedCounter, SimulatedLog, SimulatedSpan } from "./otlp.ts";
import {
  clusterName,
  hostNameOf,
  principalOf,
  proxyUserId,
  type SimulatedPod,
  type SimulatedService,
} from "./world.ts";

/** One HTTP call between two pods, over one connection. */
export interface Call {
  readonly atMs: number;
  readonly durationMs: number;
  /** Null: a caller without a proxy of ours. */
  readonly client: SimulatedPod | null;
  readonly clientIp: string;
  /** The application's own port, and the port the wire shows (the proxy's). */
  readonly appPort: number;
  readonly wirePort: number;
  readonly server: SimulatedPod;
  readonly service: SimulatedService;
  readonly code: number;
  readonly isMutualTls: boolean;
  readonly requestId: string;
}

const iso = (ms: number): string => new Date(ms).toISOString();

function accessLogLine(call: Call, tail: string): string {
  const flags = call.code >= 500 ? "UF" : "-";
  return (
    `[${iso(call.atMs)}] "GET /api/v1 HTTP/1.1" ${call.code} ${flags} via_upstream - "-" ` +
    `0 512 ${call.durationMs} ${call.durationMs} "-" "demo/1" "${call.requestId}" ` +
    `"${call.service.name}:${call.service.port}" ${tail}\n`
  );
}

/** The client proxy's line of a call. */
export function clientLine(call: Call): SimulatedLog {
  const cluster = `outbound|${call.service.port}||${hostNameOf(call.service)}`;
  const tail =
    `"${call.server.ip}:${call.server.port}" ${cluster} ${call.clientIp}:${call.wirePort} ` +
    `${call.service.ip}:${call.service.port} ${call.clientIp}:${call.appPort} - default`;
  return { timeMs: call.atMs, attributes: {}, body: accessLogLine(call, tail) };
}

/** The server proxy's line of the same call. */
export function serverLine(call: Call): SimulatedLog {
  const sni = call.isMutualTls
    ? `outbound_.${call.service.port}_._.${hostNameOf(call.service)}`
    : "-";
  const address = `${call.server.ip}:${call.server.port}`;
  const tail =
    `"${address}" inbound|${call.server.port}|| 127.0.0.6:${call.appPort} ${address} ` +
    `${call.clientIp}:${call.wirePort} ${sni} default`;
  return { timeMs: call.atMs, attributes: {}, body: accessLogLine(call, tail) };
}

/** A connection to the outside that goes through the sidecar, as it should. */
export function passthroughLine(
  pod: SimulatedPod,
  atMs: number,
  to: { readonly ip: string; readonly port: number; readonly host: string },
  appPort: number,
  wirePort: number,
): SimulatedLog {
  const body =
    `[${iso(atMs)}] "- - -" 0 - - - "-" 812 4096 31 - "-" "-" "-" "-" "${to.ip}:${to.port}" ` +
    `PassthroughCluster ${pod.ip}:${wirePort} ${to.ip}:${to.port} ${pod.ip}:${appPort} ${to.host} -\n`;
  return { timeMs: atMs, attributes: {}, body };
}

/** The labels of one side's `istio_requests_total`, as a scrape brings them. */
export function requestCounter(
  reporter: "source" | "destination",
  call: Call,
  value: number,
): SimulatedCounter {
  const { client, server, service } = call;
  const isDestination = reporter === "destination";
  const source = client
    ? {
        source_workload: client.workload,
        source_workload_namespace: client.namespace,
        source_principal: call.isMutualTls ? principalOf(client) : "unknown",
        source_cluster: clusterName,
      }
    : {
        source_workload: "unknown",
        source_workload_namespace: "unknown",
        source_principal: "unknown",
        source_cluster: "unknown",
      };
  return {
    name: "istio_requests_total",
    value,
    attributes: {
      ...source,
      reporter,
      destination_workload: server.workload,
      destination_workload_namespace: server.namespace,
      destination_principal: call.isMutualTls ? principalOf(server) : "unknown",
      destination_cluster: clusterName,
      destination_service: hostNameOf(service),
      destination_service_name: service.name,
      destination_service_namespace: service.namespace,
      request_protocol: "http",
      response_code: String(call.code),
      response_flags: "-",
      connection_security_policy: isDestination
        ? call.isMutualTls
          ? "mutual_tls"
          : "none"
        : "unknown",
      pod: (isDestination ? server : (client ?? server)).name,
      namespace: (isDestination ? server : (client ?? server)).namespace,
    },
  };
}

export function proxySpan(
  call: Call,
  side: "client" | "server",
  ids: { readonly traceId: string; readonly spanId: string; readonly parentSpanId: string },
): SimulatedSpan {
  const self = side === "server" ? call.server : (call.client ?? call.server);
  const host = hostNameOf(call.service);
  return {
    ...ids,
    isServer: side === "server",
    name: `${host}:${call.service.port}/*`,
    startMs: call.atMs,
    endMs: call.atMs + call.durationMs,
    attributes: {
      node_id: `${self.isGateway ? "router" : "sidecar"}~${self.ip}~${self.name}.${self.namespace}~${self.namespace}.svc.cluster.local`,
      component: "proxy",
      "guid:x-request-id": call.requestId,
      "http.url": `http://${call.service.name}:${call.service.port}/api/v1`,
      "http.method": "GET",
      "http.protocol": "HTTP/1.1",
      "http.status_code": String(call.code),
      "peer.address": call.clientIp,
      upstream_cluster:
        side === "server"
          ? `inbound|${call.server.port}||`
          : `outbound|${call.service.port}||${host}`,
      "upstream_cluster.name":
        side === "server"
          ? `inbound|${call.server.port}||`
          : `outbound|${call.service.port}||${host}`,
      response_flags: "-",
      "istio.namespace": self.namespace,
      "istio.cluster_id": clusterName,
      ...(call.code >= 500 ? { error: "true" } : {}),
    },
  };
}

/** A process as Tetragon words it. */
export interface SimulatedProcess {
  readonly pod: SimulatedPod;
  readonly container: string;
  readonly exe: string;
  readonly uid: number;
  readonly pid: number;
}

export const appProcess = (pod: SimulatedPod): SimulatedProcess => ({
  pod,
  container: pod.container,
  exe: pod.exe,
  uid: pod.userId,
  pid: 4_000 + pod.port,
});

export const proxyProcess = (pod: SimulatedPod): SimulatedProcess => ({
  pod,
  container: "istio-proxy",
  exe: "/usr/local/bin/envoy",
  uid: proxyUserId,
  pid: 7_000 + pod.port,
});

export const agentProcess = (pod: SimulatedPod): SimulatedProcess => ({
  ...proxyProcess(pod),
  exe: "/usr/local/bin/pilot-agent",
  pid: 6_000 + pod.port,
});

function processJson(process: SimulatedProcess): Record<string, unknown> {
  const { pod } = process;
  return {
    exec_id: `${pod.host}:${process.pid}:${pod.uid}`,
    pid: process.pid,
    uid: process.uid,
    cwd: "/",
    binary: process.exe,
    arguments: "",
    flags: "execve",
    process_credentials: {
      uid: process.uid,
      gid: process.uid,
      euid: process.uid,
      egid: process.uid,
    },
    pod: {
      namespace: pod.namespace,
      name: pod.name,
      workload: pod.workload,
      workload_kind: "Deployment",
      container: {
        id: `containerd://${containerId(pod, process.container)}`,
        name: process.container,
        image: { name: imageOf(process.container) },
      },
    },
  };
}

export function execEvent(process: SimulatedProcess, atMs: number): SimulatedLog {
  return tetragonLog(process, atMs, { process_exec: { process: processJson(process) } });
}

/** A connect: the socket's own addresses, whether or not the packets are redirected afterwards. */
export function connectEvent(
  process: SimulatedProcess,
  atMs: number,
  sourcePort: number,
  to: { readonly ip: string; readonly port: number },
): SimulatedLog {
  const socket = {
    family: "AF_INET",
    type: "SOCK_STREAM",
    protocol: "IPPROTO_TCP",
    saddr: process.pod.ip,
    sport: sourcePort,
    daddr: to.ip,
    dport: to.port,
    state: "TCP_SYN_SENT",
  };
  return tetragonLog(process, atMs, {
    process_kprobe: {
      process: processJson(process),
      function_name: "tcp_connect",
      args: [{ sock_arg: socket }],
      action: "KPROBE_ACTION_POST",
      policy_name: "connect",
    },
  });
}

function tetragonLog(
  process: SimulatedProcess,
  atMs: number,
  event: Record<string, unknown>,
): SimulatedLog {
  const body = JSON.stringify({ ...event, node_name: process.pod.host, time: iso(atMs) });
  return { timeMs: atMs, attributes: { "log.file.name": "tetragon.log" }, body };
}

/** A closed TCP conversation, or a UDP exchange, in one direction. */
export interface WireFlow {
  readonly fromIp: string;
  readonly fromPort: number;
  readonly toIp: string;
  readonly toPort: number;
  readonly transport: "tcp" | "udp";
  readonly bytes: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** Both records of a conversation: exporters write one per direction. */
export function flowRecords(flow: WireFlow): SimulatedLog[] {
  const reply = {
    ...flow,
    fromIp: flow.toIp,
    fromPort: flow.toPort,
    toIp: flow.fromIp,
    toPort: flow.fromPort,
  };
  return [flowRecord(flow), flowRecord(reply)];
}

function flowRecord(flow: WireFlow): SimulatedLog {
  return {
    timeMs: flow.endMs,
    body: undefined,
    attributes: {
      "source.address": flow.fromIp,
      "source.port": flow.fromPort,
      "destination.address": flow.toIp,
      "destination.port": flow.toPort,
      "network.transport": flow.transport,
      "network.type": "ipv4",
      "flow.io.bytes": flow.bytes,
      "flow.io.packets": 6,
      "flow.type": "netflow_v9",
      "flow.start": flow.startMs * 1_000_000,
      "flow.end": flow.endMs * 1_000_000,
      "flow.sampler_address": "10.0.0.1",
      ...(flow.transport === "tcp" ? { "flow.tcp_flags": 27 } : {}),
    },
  };
}

const containerId = (pod: SimulatedPod, container: string): string =>
  createHash("sha256").update(`${pod.uid}/${container}`).digest("hex");

const imageOf = (container: string): string =>
  container === "istio-proxy"
    ? "docker.io/istio/proxyv2:1.28.0"
    : `registry.example/${container}:1.0`;

/** A pod object as the k8sobjects receiver pulls it. */
export function podObject(pod: SimulatedPod, atMs: number): SimulatedLog {
  const names = pod.hasSidecar ? [pod.container, "istio-proxy"] : [pod.container];
  const containers = names.map((name) => ({
    name,
    image: imageOf(name),
    securityContext:
      name === "istio-proxy"
        ? { runAsUser: proxyUserId, runAsGroup: proxyUserId, privileged: false }
        : {},
    ports: name === pod.container ? [{ containerPort: pod.port }] : [],
  }));
  const body = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod.name,
      namespace: pod.namespace,
      uid: pod.uid,
      labels: { app: pod.workload, "pod-template-hash": pod.name.split("-").at(-2) ?? "" },
      annotations: {},
      ownerReferences: [
        { kind: "ReplicaSet", name: pod.name.split("-").slice(0, -1).join("-"), controller: true },
      ],
    },
    spec: { nodeName: pod.host, serviceAccountName: pod.workload, containers },
    status: {
      phase: "Running",
      podIP: pod.ip,
      podIPs: [{ ip: pod.ip }],
      // The same in each list, as it is of a pod.
      startTime: "2026-01-01T00:00:00Z",
      containerStatuses: names.map((name) => ({
        name,
        containerID: `containerd://${containerId(pod, name)}`,
      })),
    },
  };
  return { timeMs: atMs, attributes: { "k8s.resource.name": "pods" }, body };
}
