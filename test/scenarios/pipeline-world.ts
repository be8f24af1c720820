/**
 * What happens in a small mesh, worded as the sources word it: Kubernetes objects, Tetragon's events,
 * NetFlow records, Istio's access log and metrics. One request per step, so that any order of arrival
 * can be tried.
 */
import { createHash } from "node:crypto";
import { encodeCounters, encodeLogs, type OtlpRequest } from "../../src/cli/demo/otlp.ts";

export const startMs = 1_795_300_000_000;
const inCluster = (cluster: string) => ({ "k8s.cluster.name": cluster });
const iso = (ms: number): string => new Date(ms).toISOString();
const msOf = (atS: number): number => startMs + Math.round(atS * 1_000);

export interface Step {
  readonly atS: number;
  readonly isObject: boolean;
  readonly request: OtlpRequest;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly user?: number;
  readonly isInit?: boolean;
  /** An init container that goes on running: a native sidecar. */
  readonly isNative?: boolean;
}

export interface Pod {
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  readonly ip: string;
  /** Its other addresses, of a dual stack. */
  readonly otherIps: readonly string[];
  readonly containers: readonly Container[];
  readonly port: number;
  /** Tells the pods of one workload apart. */
  readonly suffix: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly hostNetwork: boolean;
  /** False: its user ids are not the host's. */
  readonly hostUsers: boolean;
  readonly sharesProcesses: boolean;
  readonly node: string;
  /** When it started and, from its deletion on, when that was; in seconds of the story. */
  readonly startS: number;
  readonly endS: number;
  /** How often its containers were started again, by name. */
  readonly restarts: Readonly<Record<string, number>>;
}

export const appContainer: Container = { name: "app", image: "registry.example/app:1.0" };
export const proxyContainer: Container = {
  name: "istio-proxy",
  image: "docker.io/istio/proxyv2:1.28.0",
  user: 1337,
};
export const initContainer: Container = {
  name: "istio-init",
  image: "docker.io/istio/proxyv2:1.28.0",
  user: 0,
  isInit: true,
};

export function makePod(workload: string, ip: string, changes: Partial<Pod> = {}): Pod {
  return {
    cluster: "demo",
    namespace: "shop",
    workload,
    ip,
    otherIps: [],
    containers: [initContainer, appContainer, proxyContainer],
    port: 8080,
    suffix: "x7k2p",
    labels: {},
    annotations: {},
    hostNetwork: false,
    hostUsers: true,
    sharesProcesses: false,
    node: "node-1",
    startS: -3_600,
    endS: 0,
    restarts: {},
    ...changes,
  };
}

export const nameOf = (pod: Pod): string => `${pod.workload}-6d4b75cb9d-${pod.suffix}`;
export const uidOf = (pod: Pod): string => createHash("md5").update(nameOf(pod)).digest("hex");
/** Each start has an id of its own. */
export const containerId = (pod: Pod, name: string, restarts = 0): string =>
  createHash("sha256")
    .update(`${nameOf(pod)}/${name}${restarts > 0 ? `/${restarts}` : ""}`)
    .digest("hex");

/** The object as the watch or the list brings it; `DELETED` when its story says that it has ended. */
export function object(pod: Pod, atS = 0): Step {
  const spec = (container: Container) => ({
    name: container.name,
    image: container.image,
    securityContext: {
      // As a cluster that thinks of its security has it; Istio's own need theirs.
      ...(container.name.startsWith("istio-") ? {} : { capabilities: { drop: ["ALL"] } }),
      ...(container.user === undefined
        ? {}
        : { runAsUser: container.user, runAsGroup: container.user }),
    },
    ports:
      container === pod.containers.find((one) => !one.isInit) ? [{ containerPort: pod.port }] : [],
    ...(container.isNative === true ? { restartPolicy: "Always" } : {}),
  });
  const id = (name: string, start: number) => `containerd://${containerId(pod, name, start)}`;
  const status = ({ name }: Container) => {
    const restartCount = pod.restarts[name] ?? 0;
    const terminated = { exitCode: 137, containerID: id(name, restartCount - 1) };
    return {
      name,
      restartCount,
      containerID: id(name, restartCount),
      lastState: restartCount > 0 ? { terminated } : {},
    };
  };
  const isInit = (one: Container) => one.isInit === true || one.isNative === true;
  const inits = pod.containers.filter(isInit);
  const others = pod.containers.filter((one) => !isInit(one));
  const isDeleted = pod.endS > 0;
  const body = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: nameOf(pod),
      namespace: pod.namespace,
      uid: uidOf(pod),
      labels: { app: pod.workload, "pod-template-hash": "6d4b75cb9d", ...pod.labels },
      annotations: pod.annotations,
      ownerReferences: [
        { kind: "ReplicaSet", name: `${pod.workload}-6d4b75cb9d`, controller: true },
      ],
      ...(isDeleted ? { deletionTimestamp: iso(msOf(pod.endS)) } : {}),
    },
    spec: {
      nodeName: pod.node,
      serviceAccountName: pod.workload,
      hostNetwork: pod.hostNetwork,
      ...(pod.hostUsers ? {} : { hostUsers: false }),
      ...(pod.sharesProcesses ? { shareProcessNamespace: true } : {}),
      initContainers: inits.map(spec),
      containers: others.map(spec),
    },
    status: {
      phase: "Running",
      hostIP: `10.0.0.${pod.node.slice(-1)}`,
      podIP: pod.ip,
      podIPs: [pod.ip, ...pod.otherIps].map((ip) => ({ ip })),
      startTime: iso(msOf(pod.startS)),
      initContainerStatuses: inits.map(status),
      containerStatuses: others.map(status),
    },
  };
  const attributes = { "k8s.resource.name": "pods" };
  const watched = isDeleted ? { type: "DELETED", object: body } : body;
  const log = { timeMs: msOf(atS), attributes, body: watched };
  return { atS, isObject: true, request: encodeLogs(inCluster(pod.cluster), [log]) };
}

export interface Process {
  readonly pod: Pod;
  readonly container: string;
  /** As the agent writes it; "" = it does not know. */
  readonly containerId: string;
  readonly image: string;
  readonly exe: string;
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
}

export function run(pod: Pod, container: string, exe: string, uid: number): Process {
  const image = pod.containers.find((one) => one.name === container)?.image ?? "";
  const id = `containerd://${containerId(pod, container)}`;
  return { pod, container, containerId: id, image, exe, uid, gid: uid, euid: uid, egid: uid };
}

export const app = (pod: Pod, uid = 1000): Process => run(pod, "app", "/usr/bin/python3", uid);
export const envoy = (pod: Pod): Process => run(pod, "istio-proxy", "/usr/local/bin/envoy", 1337);

function processJson(process: Process): object {
  const { pod, uid, gid, euid, egid } = process;
  return {
    exec_id: `${process.exe}:${process.container}:${nameOf(pod)}`,
    pid: 4_000,
    uid: euid,
    binary: process.exe,
    arguments: "",
    process_credentials: { uid, gid, euid, egid },
    pod: {
      namespace: pod.namespace,
      name: nameOf(pod),
      workload: pod.workload,
      workload_kind: "Deployment",
      container: {
        id: process.containerId,
        name: process.container,
        image: { name: process.image },
      },
    },
  };
}

function tetragon(atS: number, { cluster, node }: Pod, event: object): Step {
  const body = JSON.stringify({ ...event, node_name: node, time: iso(msOf(atS)) });
  const log = { timeMs: msOf(atS), attributes: { "log.file.name": "tetragon.log" }, body };
  return { atS, isObject: false, request: encodeLogs(inCluster(cluster), [log]) };
}

export function exec(process: Process, atS: number): Step {
  return tetragon(atS, process.pod, { process_exec: { process: processJson(process) } });
}

export interface End {
  readonly ip: string;
  readonly port: number;
}

export const at = (ip: string, port: number): End => ({ ip, port });

/** The pod's address of the peer's family. */
function ownAddress(pod: Pod, peer: string): string {
  const isSix = peer.includes(":");
  return [pod.ip, ...pod.otherIps].find((ip) => ip.includes(":") === isSix) ?? pod.ip;
}

/** The socket's own addresses, whether or not its packets are redirected afterwards. */
export function connect(process: Process, atS: number, port: number, to: End, udp = false): Step {
  const sock_arg = {
    family: to.ip.includes(":") ? "AF_INET6" : "AF_INET",
    type: udp ? "SOCK_DGRAM" : "SOCK_STREAM",
    protocol: udp ? "IPPROTO_UDP" : "IPPROTO_TCP",
    saddr: to.ip.startsWith("127.") ? "127.0.0.1" : ownAddress(process.pod, to.ip),
    sport: port,
    daddr: to.ip,
    dport: to.port,
  };
  return tetragon(atS, process.pod, {
    process_kprobe: {
      process: processJson(process),
      function_name: udp ? "ip4_datagram_connect" : "tcp_connect",
      args: [{ sock_arg }],
      policy_name: "connect",
    },
  });
}

/** A file that the process opens, under Tetragon's example policy of file access. */
export function access(process: Process, atS: number, path: string, isWrite: boolean): Step {
  return tetragon(atS, process.pod, {
    process_kprobe: {
      process: processJson(process),
      function_name: "security_file_permission",
      args: [{ file_arg: { path, permission: "-rw-r--r--" } }, { int_arg: isWrite ? 2 : 4 }],
      policy_name: "file-monitoring",
    },
  });
}

interface WireOptions {
  readonly udp?: boolean;
  /** Exporters write both directions; some only one. */
  readonly directions?: "both" | "reply" | "forward";
  readonly sampler?: string;
  readonly seconds?: number;
  /** All of TCP's flags that the record saw, as a number; 27 = opened and closed. */
  readonly flags?: number;
  /** As a collector that stamps it would say. */
  readonly cluster?: string;
}

/** One conversation on the wire. */
export function wire(atS: number, from: End, to: End, options: WireOptions = {}): Step {
  const { directions = "both", cluster } = options;
  const resource: Record<string, string> = cluster === undefined ? {} : inCluster(cluster);
  const records = [];
  if (directions !== "reply") records.push(flowRecord(atS, from, to, options));
  if (directions !== "forward") records.push(flowRecord(atS, to, from, options));
  return { atS, isObject: false, request: encodeLogs(resource, records) };
}

function flowRecord(atS: number, from: End, to: End, options: WireOptions) {
  const endMs = msOf(atS + (options.seconds ?? 0.04));
  return {
    timeMs: endMs,
    body: undefined,
    attributes: {
      "source.address": from.ip,
      "source.port": from.port,
      "destination.address": to.ip,
      "destination.port": to.port,
      "network.transport": options.udp === true ? "udp" : "tcp",
      "flow.io.bytes": 4_000,
      "flow.io.packets": 6,
      "flow.type": "netflow_v9",
      "flow.start": msOf(atS) * 1_000_000,
      "flow.end": endMs * 1_000_000,
      "flow.sampler_address": options.sampler ?? "10.0.0.1",
      ...(options.udp === true ? {} : { "flow.tcp_flags": options.flags ?? 27 }),
    },
  };
}

/** How a line of an access log comes here. */
export type Carry = (line: { readonly text: string; readonly timeMs: number }) => OtlpRequest;

/** As Istio's provider sends it. */
const overOtlp: Carry = ({ text: body, timeMs }) =>
  encodeLogs({}, [{ timeMs, attributes: {}, body: `${body}\n` }]);

function line(atS: number, tail: string, carry: Carry): Step {
  const body =
    `[${iso(msOf(atS))}] "GET /api HTTP/1.1" 200 - via_upstream - "-" 0 512 8 8 "-" "demo/1" ` +
    `"0f1e2d3c-0000-4000-8000-${String(msOf(atS)).slice(-12).padStart(12, "0")}" "cart:80" ${tail}`;
  return { atS, isObject: false, request: carry({ text: body, timeMs: msOf(atS) }) };
}

const text = ({ ip, port }: End): string =>
  ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;

/**
 * What a client's sidecar logs: the application's socket, the service's address, its own socket. `name`:
 * Envoy's cluster, without it the one of cart's service.
 */
export function clientLine(
  atS: number,
  fromApp: End,
  service: End,
  own: End,
  endpoint: End,
  name = `outbound|${service.port}||cart.shop.svc.cluster.local`,
  carry: Carry = overOtlp,
): Step {
  const tail = `"${text(endpoint)}" ${name} ${text(own)} ${text(service)} ${text(fromApp)} - default`;
  return line(atS, tail, carry);
}

/** What a server's sidecar logs; without a server name the caller came in plaintext. */
export function serverLine(
  atS: number,
  from: End,
  endpoint: End,
  isMutualTls: boolean,
  carry: Carry = overOtlp,
): Step {
  const sni = isMutualTls ? "outbound_.80_._.cart.shop.svc.cluster.local" : "-";
  const tail =
    `"${text(endpoint)}" inbound|${endpoint.port}|| 127.0.0.6:39999 ${text(endpoint)} ` +
    `${text(from)} ${sni} default`;
  return line(atS, tail, carry);
}

export interface Row {
  readonly reporter: "source" | "destination" | "waypoint";
  readonly policy: "mutual_tls" | "none" | "unknown";
  /** Null: `unknown`. */
  readonly from: Pod | null;
  /** Null: beyond what the proxy knows. */
  readonly to: Pod | null;
  readonly principals: boolean;
  /** The pod that was scraped. */
  readonly by: Pod;
  readonly more?: Readonly<Record<string, string>>;
  readonly values?: readonly number[];
  readonly counts?: "requests" | "connections";
  /** A label of the collector's own on what it scrapes. */
  readonly collector?: string;
}

/** Scrapes of one series, ten seconds apart. */
export function rows(atS: number, row: Row): readonly Step[] {
  const { from, to, by, principals } = row;
  const idOf = (pod: Pod | null) =>
    pod && principals ? `spiffe://cluster.local/ns/${pod.namespace}/sa/${pod.workload}` : "unknown";
  const attributes = {
    reporter: row.reporter,
    source_workload: from?.workload ?? "unknown",
    source_workload_namespace: from?.namespace ?? "unknown",
    source_principal: idOf(from),
    source_cluster: from ? from.cluster : "unknown",
    destination_workload: to?.workload ?? "unknown",
    destination_workload_namespace: to?.namespace ?? "unknown",
    destination_principal: idOf(to),
    destination_cluster: to?.cluster ?? "unknown",
    destination_service: to ? `${to.workload}.${to.namespace}.svc.cluster.local` : "unknown",
    destination_service_name: to?.workload ?? "unknown",
    destination_service_namespace: to?.namespace ?? "unknown",
    ...(row.counts === "connections"
      ? { request_protocol: "tcp" }
      : { request_protocol: "http", response_code: "200" }),
    response_flags: "-",
    connection_security_policy: row.policy,
    pod: nameOf(by),
    namespace: by.namespace,
    ...row.more,
  };
  const replica = row.collector ? { "collector.replica": row.collector } : {};
  const scraper = { "service.name": "kubernetes-pods", ...replica, ...inCluster(by.cluster) };
  const name =
    row.counts === "connections" ? "istio_tcp_connections_opened_total" : "istio_requests_total";
  return (row.values ?? [3, 7]).map((value, index) => {
    const lateS = index * 10;
    const counter = { name, attributes, value };
    const request = encodeCounters(scraper, [counter], msOf(atS + lateS));
    return { atS: atS + lateS, isObject: false, request };
  });
}

/** Two scrapes of a pod, ten seconds apart: of each metric the values then. */
export function scrapes(
  atS: number,
  by: Pod,
  metrics: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly values: readonly [number, number];
  }[],
): readonly Step[] {
  const target = { pod: nameOf(by), namespace: by.namespace };
  const scraper = { "service.name": "kubernetes-pods", ...inCluster(by.cluster) };
  return [0, 1].map((index) => {
    const counters = metrics.map(({ name, labels, values }) => ({
      name,
      attributes: { ...target, ...labels },
      value: values[index] ?? 0,
    }));
    const scrapeS = atS + 10 * index;
    const request = encodeCounters(scraper, counters, msOf(scrapeS));
    return { atS: scrapeS, isObject: false, request };
  });
}

export const web = makePod("web", "10.244.1.10");
export const cart = makePod("cart", "10.244.1.20");
