/**
 * How the sources of an innocent day word what they see: Kubernetes objects, Tetragon's events, NetFlow
 * records, Istio's access log, spans and metrics. Times are milliseconds of the clock that stamps them.
 */
import { createHash } from "node:crypto";
import type { SimulatedCounter, SimulatedLog, SimulatedSpan } from "../../src/cli/demo/otlp.ts";

export const dayCluster = "demo";
export const proxyImage = "docker.io/istio/proxyv2:1.28.0";
const iso = (ms: number): string => new Date(ms).toISOString();
/** Kubernetes writes whole seconds. */
const isoSecond = (ms: number): string => iso(Math.floor(ms / 1_000) * 1_000).replace(".000", "");

export interface DayContainer {
  readonly name: string;
  readonly image: string;
  readonly exe: string;
  readonly uid: number;
  readonly kind: "init" | "native" | "main";
  /** How often it was started again: each start has a container id of its own. */
  restarts: number;
}

export interface DayNode {
  readonly name: string;
  readonly ip: string;
  /** What the clocks of its agent and of its flow exporter are off by. */
  readonly agentSkewMs: number;
  readonly flowSkewMs: number;
  /** Addresses for pods, the one that was freed last at the end: it is given out next. */
  readonly freeIps: string[];
}

export interface DayPod {
  readonly namespace: string;
  readonly workload: string;
  readonly ownerKind: "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job";
  readonly ownerName: string;
  readonly name: string;
  readonly uid: string;
  readonly node: DayNode;
  readonly role: "sidecar" | "native" | "plain" | "gateway" | "ambient" | "ztunnel";
  readonly hostNetwork: boolean;
  readonly port: number;
  readonly containers: readonly DayContainer[];
  /** What its proxy's clock is off by. */
  readonly proxySkewMs: number;
  readonly createdMs: number;
  /** False: the proxy's log does not name its node. */
  readonly isNamedInLog: boolean;
  ip: string;
  phase: "Pending" | "Running" | "Succeeded";
  /** When its deletion was asked for, and when it ended; 0 = not yet. */
  deletionMs: number;
  endedMs: number;
}

/** An Envoy of its own. */
export const hasProxy = (pod: DayPod): boolean => isCaptured(pod) || pod.role === "gateway";
/** A proxy beside an application, whose sockets are redirected. */
export const isCaptured = (pod: DayPod): boolean => pod.role === "sidecar" || pod.role === "native";

function containerId(pod: DayPod, { name, restarts }: DayContainer): string {
  return createHash("sha256").update(`${pod.uid}/${name}/${restarts}`).digest("hex");
}

/** As the watch (`event`) or the list (`""`) brings it. */
export function podRecord(
  pod: DayPod,
  atMs: number,
  event: "" | "ADDED" | "MODIFIED" | "DELETED",
): SimulatedLog {
  const spec = (container: DayContainer) => ({
    name: container.name,
    image: container.image,
    securityContext:
      container.name === "istio-proxy"
        ? { runAsUser: 1337, runAsGroup: 1337 }
        : container.name === "istio-init"
          ? { capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] } }
          : { capabilities: { drop: ["ALL"] } },
    ports:
      container.kind === "main" && container.name !== "istio-proxy"
        ? [{ containerPort: pod.port }]
        : [],
    restartPolicy: container.kind === "native" ? "Always" : undefined,
  });
  const inits = pod.containers.filter(({ kind }) => kind !== "main");
  const mains = pod.containers.filter(({ kind }) => kind === "main");
  const body = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod.name,
      namespace: pod.namespace,
      uid: pod.uid,
      labels: { app: pod.workload, ...templateLabels(pod), ...gatewayLabels(pod) },
      annotations: pod.role === "ambient" ? { "ambient.istio.io/redirection": "enabled" } : {},
      ownerReferences: [{ kind: pod.ownerKind, name: pod.ownerName, controller: true }],
      deletionTimestamp: pod.deletionMs > 0 ? isoSecond(pod.deletionMs + 30_000) : undefined,
    },
    spec: {
      nodeName: pod.node.name,
      serviceAccountName: pod.workload,
      hostNetwork: pod.hostNetwork,
      initContainers: inits.map(spec),
      containers: mains.map(spec),
    },
    status: podStatus(pod, inits, mains),
  };
  const written: unknown = JSON.parse(
    JSON.stringify(event === "" ? body : { type: event, object: body }),
  );
  return { timeMs: atMs, attributes: { "k8s.resource.name": "pods" }, body: written };
}

const templateLabels = (pod: DayPod) =>
  pod.ownerKind === "ReplicaSet" ? { "pod-template-hash": pod.ownerName.split("-").at(-1) } : {};
const gatewayLabels = (pod: DayPod) => (pod.role === "gateway" ? { istio: "ingressgateway" } : {});

function podStatus(
  pod: DayPod,
  inits: readonly DayContainer[],
  mains: readonly DayContainer[],
): object {
  if (pod.ip === "") return { phase: pod.phase };
  const ended = { terminated: { exitCode: 0, finishedAt: isoSecond(pod.endedMs) } };
  const statusOf = (container: DayContainer) => ({
    name: container.name,
    restartCount: container.restarts,
    lastState: lastStateOf(pod, container),
    containerID: `containerd://${containerId(pod, container)}`,
    state: pod.phase === "Succeeded" ? ended : {},
  });
  return {
    phase: pod.phase,
    hostIP: pod.node.ip,
    podIP: pod.ip,
    podIPs: [{ ip: pod.ip }],
    startTime: isoSecond(pod.createdMs + 500 + pod.node.agentSkewMs),
    initContainerStatuses: inits.map(statusOf),
    containerStatuses: pod.phase === "Pending" ? [] : mains.map(statusOf),
  };
}

function lastStateOf(pod: DayPod, container: DayContainer): object {
  if (container.restarts === 0) return {};
  const id = containerId(pod, { ...container, restarts: container.restarts - 1 });
  return { terminated: { exitCode: 137, containerID: `containerd://${id}` } };
}

/** `isAnonymous`: the agent does not know the pod yet and has only the container's id. */
function processJson(pod: DayPod, container: DayContainer, exe: string, isAnonymous: boolean) {
  const { uid } = container;
  const id = containerId(pod, container);
  const known = {
    namespace: pod.namespace,
    name: pod.name,
    workload: pod.workload,
    workload_kind: pod.ownerKind === "ReplicaSet" ? "Deployment" : pod.ownerKind,
    container: {
      id: `containerd://${id}`,
      name: container.name,
      image: { name: container.image },
    },
  };
  return {
    exec_id: `${exe}:${pod.uid}:${container.name}:${container.restarts}`,
    pid: 4_000,
    uid,
    binary: exe,
    arguments: "",
    process_credentials: { uid, gid: uid, euid: uid, egid: uid },
    docker: id.slice(0, 31),
    ...(isAnonymous ? {} : { pod: known }),
  };
}

export interface ProcessAt {
  readonly pod: DayPod;
  readonly container: DayContainer;
  readonly exe: string;
  readonly isAnonymous: boolean;
  /** Of a socket in another pod's network namespace, as ztunnel's are. */
  readonly fromIp?: string;
}

export function execRecord(process: ProcessAt, atMs: number): SimulatedLog {
  const { pod, container, exe, isAnonymous } = process;
  const event = { process: processJson(pod, container, exe, isAnonymous) };
  return tetragonRecord(pod, atMs, { process_exec: event });
}

/** A connect with the socket's own addresses, before any redirection. */
export function connectRecord(
  process: ProcessAt,
  atMs: number,
  port: number,
  to: { readonly ip: string; readonly port: number },
  transport: "tcp" | "udp" = "tcp",
): SimulatedLog {
  const { pod, container, exe, isAnonymous } = process;
  const sock_arg = {
    family: "AF_INET",
    type: transport === "udp" ? "SOCK_DGRAM" : "SOCK_STREAM",
    protocol: `IPPROTO_${transport.toUpperCase()}`,
    saddr: process.fromIp ?? pod.ip,
    sport: port,
    daddr: to.ip,
    dport: to.port,
  };
  return tetragonRecord(pod, atMs, {
    process_kprobe: {
      process: processJson(pod, container, exe, isAnonymous),
      function_name: transport === "udp" ? "ip4_datagram_connect" : "tcp_connect",
      args: [{ sock_arg }],
      policy_name: "connect",
    },
  });
}

function tetragonRecord(pod: DayPod, atMs: number, event: object): SimulatedLog {
  const body = JSON.stringify({ ...event, node_name: pod.node.name, time: iso(atMs) });
  return { timeMs: atMs, attributes: { "log.file.name": "tetragon.log" }, body };
}

export interface WireRecord {
  readonly fromIp: string;
  readonly fromPort: number;
  readonly toIp: string;
  readonly toPort: number;
  readonly transport: "tcp" | "udp";
  readonly startMs: number;
  readonly endMs: number;
  /** OR over this record. */
  readonly flags: number;
  readonly bytes: number;
  readonly sampler: string;
}

export function flowRecord(flow: WireRecord): SimulatedLog {
  return {
    timeMs: flow.endMs,
    body: undefined,
    attributes: {
      "source.address": flow.fromIp,
      "source.port": flow.fromPort,
      "destination.address": flow.toIp,
      "destination.port": flow.toPort,
      "network.transport": flow.transport,
      "flow.io.bytes": flow.bytes,
      "flow.io.packets": 6,
      "flow.type": "netflow_v9",
      "flow.start": flow.startMs * 1_000_000,
      "flow.end": flow.endMs * 1_000_000,
      "flow.sampler_address": flow.sampler,
      ...(flow.transport === "tcp" ? { "flow.tcp_flags": flow.flags } : {}),
    },
  };
}

/** What a line of the access log says beside who is at its ends. */
export interface LineFacts {
  readonly atMs: number;
  readonly durationMs: number;
  readonly isHttp: boolean;
  readonly code: number;
  readonly flags: string;
  readonly requestId: string;
  readonly host: string;
  readonly upstreamHost: string;
  /** `outbound|80||cart.shop.svc.cluster.local`, `inbound|8080||`, `PassthroughCluster`. */
  readonly cluster: string;
  readonly upstreamLocal: string;
  readonly downstreamLocal: string;
  readonly downstreamRemote: string;
  readonly serverName: string;
}

export function lineRecord(line: LineFacts): SimulatedLog {
  const head = line.isHttp
    ? `"GET /api HTTP/1.1" ${line.code} ${line.flags} via_upstream - "-" 0 512 ${line.durationMs} 8`
    : `"- - -" 0 ${line.flags} - - "-" 812 4096 ${line.durationMs} -`;
  const middle = line.isHttp ? `"-" "app/1" "${line.requestId}" "${line.host}"` : '"-" "-" "-" "-"';
  const body =
    `[${iso(line.atMs)}] ${head} ${middle} "${line.upstreamHost}" ${line.cluster} ` +
    `${line.upstreamLocal} ${line.downstreamLocal} ${line.downstreamRemote} ${line.serverName} default\n`;
  return { timeMs: line.atMs, attributes: {}, body };
}

export interface CallEnds {
  readonly client: DayPod;
  readonly server: DayPod;
  readonly service: string;
}

export const principalOf = (pod: DayPod): string =>
  pod.role !== "plain"
    ? `spiffe://cluster.local/ns/${pod.namespace}/sa/${pod.workload}`
    : "unknown";

/** A row of Istio's standard metrics; `by` is the pod that was scraped. */
export function counterRow(
  name: string,
  reporter: "source" | "destination",
  { client, server, service }: CallEnds,
  code: string,
  value: number,
): SimulatedCounter {
  const isDestination = reporter === "destination";
  const by = isDestination ? server : client;
  const isHttp = name === "istio_requests_total";
  return {
    name,
    value,
    attributes: {
      reporter,
      source_workload: client.workload,
      source_workload_namespace: client.namespace,
      source_principal: principalOf(client),
      source_cluster: dayCluster,
      destination_workload: server.workload,
      destination_workload_namespace: server.namespace,
      destination_principal: principalOf(server),
      destination_cluster: hasProxy(server) ? dayCluster : "unknown",
      destination_service: `${service}.${server.namespace}.svc.cluster.local`,
      destination_service_name: service,
      destination_service_namespace: server.namespace,
      request_protocol: isHttp ? "http" : "tcp",
      ...(isHttp ? { response_code: code } : {}),
      response_flags: "-",
      connection_security_policy: isDestination ? "mutual_tls" : "unknown",
      pod: by.name,
      namespace: by.namespace,
    },
  };
}

/** That a proxy was scraped, also when nobody called. */
export function buildRow(pod: DayPod): SimulatedCounter {
  const attributes = { component: "proxy", tag: "1.28.0", pod: pod.name, namespace: pod.namespace };
  return { name: "istio_build", value: 1, attributes };
}

export function nodeId(pod: DayPod): string {
  const role = pod.role === "gateway" ? "router" : "sidecar";
  return `${role}~${pod.ip}~${pod.name}.${pod.namespace}~${pod.namespace}.svc.cluster.local`;
}

export function spanRecord(
  ends: CallEnds & { readonly port: number },
  side: "client" | "server",
  ids: Pick<SimulatedSpan, "traceId" | "spanId" | "parentSpanId">,
  times: { readonly startMs: number; readonly endMs: number; readonly requestId: string },
): SimulatedSpan {
  const { client, server, service, port } = ends;
  const self = side === "server" ? server : client;
  const host = `${service}.${server.namespace}.svc.cluster.local`;
  const cluster = side === "server" ? `inbound|${server.port}||` : `outbound|${port}||${host}`;
  return {
    ...ids,
    isServer: side === "server",
    name: `${host}:${port}/*`,
    startMs: times.startMs,
    endMs: times.endMs,
    attributes: {
      node_id: nodeId(self),
      component: "proxy",
      "guid:x-request-id": times.requestId,
      "http.url": `http://${service}:${port}/api`,
      "http.method": "GET",
      "http.protocol": "HTTP/1.1",
      "http.status_code": "200",
      "peer.address": client.ip,
      upstream_cluster: cluster,
      "upstream_cluster.name": cluster,
      response_flags: "-",
      "istio.namespace": self.namespace,
      "istio.cluster_id": dayCluster,
    },
  };
}
