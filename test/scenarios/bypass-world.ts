/**
 * A small world for the bypass join: who holds which address when, and the observations that sources
 * would make of what happens in it. `Town` is a real, if small, `Identity`.
 */
import type { ContainerStarts } from "../../src/graph/container-starts.ts";
import type { AroundProxyMarks, Identity, Owner, PodFacts } from "../../src/graph/contracts.ts";
import { Bypass } from "../../src/graph/bypass.ts";
import { bypassDefaults, type BypassOptions } from "../../src/graph/bypass-options.ts";
import type { EntityChange, GraphChange } from "../../src/model/changes.ts";
import { makeEntity, type NodeEntity } from "../../src/model/entities.ts";
import type {
  Flow,
  Observation,
  PodName,
  ProcessRef,
  ProcessSeen,
  ProxyLeg,
  SocketOpened,
  SourceRef,
} from "../../src/model/observations.ts";
import type { Us } from "../../src/model/time.ts";
import { hostPort } from "../../src/graph/sockets.ts";

export const t0 = 1_795_000_000_000_000;
export const seconds = (count: number): Us => Math.round(count * 1_000_000);

export const web = { ip: "10.1.0.51", name: "web-1", uid: "uid-web-1" };
export const outside = "203.0.113.5";
export const service = { ip: "10.96.0.20", port: 80, endpoint: "10.1.0.60", target: 8080 };

const agent: SourceRef = { kind: "node_agent", key: "c/host-1", cluster: "c", namespace: "" };
const exporter: SourceRef = { kind: "node_agent", key: "c/flows-1", cluster: "c", namespace: "" };
const proxyLog: SourceRef = { kind: "proxy", key: "c/shop/web-1", cluster: "c", namespace: "shop" };

/** An object told that this is the proxy's container. */
export function startsOf(id: string): ContainerStarts {
  return { ids: [{ id, name: "istio-proxy" }], counts: {}, toldUs: t0 };
}

export function makePod(change: Partial<PodFacts> = {}): PodFacts {
  return {
    uid: web.uid,
    cluster: "c",
    namespace: "shop",
    name: web.name,
    nodeId: 1,
    ips: [web.ip],
    hostNetwork: false,
    mode: "sidecar",
    proxy: {
      container: "istio-proxy",
      image: "docker.io/istio/proxyv2:1.27",
      uid: 1337,
      gid: 1337,
      known: "object",
    },
    containerNames: ["app", "istio-proxy"],
    excludedOutboundPorts: [],
    excludedOutboundRanges: [],
    fromUs: t0 - seconds(3_600),
    endUs: 0,
    ...change,
  };
}

/** Pods by lifetime; an address inside a widened border, or held by two, is ambiguous. */
export class Town implements Identity {
  readonly pods = new Map<string, PodFacts>();
  readonly hosts = new Map<string, string>();
  readonly endpoints = new Map<string, readonly string[]>();
  /** What the mesh's configuration says proxies connect to; null while it has not told. */
  controlTraffic: readonly string[] | null = null;
  readonly #addresses = new Map<number, string>();

  ownerAt(cluster: string, ip: string, atUs: Us, skewUs: Us): Owner {
    const host = this.hosts.get(ip);
    if (host !== undefined) return { kind: "host", name: host };
    const near: PodFacts[] = [];
    for (const pod of this.pods.values()) {
      const end = pod.endUs === 0 ? Infinity : pod.endUs;
      const isThere = atUs >= pod.fromUs - skewUs && atUs <= end + skewUs;
      if (pod.cluster === cluster && pod.ips.includes(ip) && isThere) near.push(pod);
    }
    if (near.length > 1) return { kind: "ambiguous" };
    return near[0] ? { kind: "pod", pod: near[0] } : { kind: "none" };
  }

  podOf(name: PodName, atUs: Us): PodFacts | null {
    for (const pod of this.pods.values()) {
      if (name.podUid !== "" && pod.uid === name.podUid) return pod;
      if (name.podUid === "" && name.pod !== "" && pod.name === name.pod) return pod;
    }
    if (name.pod !== "" || name.podUid !== "" || name.address === "") return null;
    const owner = this.ownerAt(name.cluster, name.address, atUs, 0);
    return owner.kind === "pod" ? owner.pod : null;
  }

  nodeOfAddress(_cluster: string, ip: string, _atUs: Us): number {
    for (const pod of this.pods.values()) if (pod.ips.includes(ip)) return pod.nodeId;
    // A number of the address itself, so that worlds in different orders can be compared.
    let id = 100;
    for (const char of ip) id = (id * 31 + char.charCodeAt(0)) % 1_000_003;
    this.#addresses.set(id, ip);
    return id;
  }

  node(nodeId: number): NodeEntity {
    const node = makeEntity("node");
    node.cluster = "c";
    const pod = [...this.pods.values()].find((one) => one.nodeId === nodeId);
    if (pod) {
      node.namespace = pod.namespace;
      node.name = pod.name.replace(/-\d+$/, "");
      node.mode = pod.mode;
      node.mesh = pod.mode === "sidecar" ? "yes" : "no";
      node.resolved = "object";
      return node;
    }
    node.address = this.#addresses.get(nodeId) ?? "";
    node.external = !node.address.startsWith("10.");
    return node;
  }

  endpointsOf(_cluster: string, ip: string, port: number): readonly string[] {
    return this.endpoints.get(`${ip}:${port}`) ?? [];
  }

  knowsMeshConfig(): boolean {
    return this.controlTraffic !== null;
  }

  isControlTraffic(_cluster: string, ip: string, port: number): boolean {
    return this.controlTraffic?.includes(`${ip}:${port}`) ?? false;
  }

  isEndpoint(cluster: string, ip: string, port: number, to: string, toPort: number): boolean {
    return this.endpointsOf(cluster, ip, port).includes(hostPort(to, toPort));
  }
}

export class MarkList implements AroundProxyMarks {
  readonly marked = new Set<string>();

  mark(srcId: number, dstId: number, transport: string, port: number, connection: string): void {
    this.marked.add(`${srcId} ${dstId} ${transport} ${port} ${connection}`);
  }

  unmark(srcId: number, dstId: number, transport: string, port: number, connection: string): void {
    this.marked.delete(`${srcId} ${dstId} ${transport} ${port} ${connection}`);
  }
}

/** A pod becomes known, or known otherwise. */
export interface PodStep {
  readonly kind: "pod";
  readonly pod: PodFacts;
}

export type Step = Observation | PodStep;

export interface WorldSetup {
  readonly pods?: readonly PodFacts[];
  readonly hosts?: readonly string[];
  readonly endpoints?: Readonly<Record<string, readonly string[]>>;
  readonly options?: Partial<BypassOptions>;
}

/** A join with its surroundings, and what it has said so far. */
export class World {
  readonly town = new Town();
  readonly marks = new MarkList();
  bypass: Bypass;
  readonly said: GraphChange[] = [];
  nowUs: Us = t0 + seconds(10);

  constructor(setup: WorldSetup = {}) {
    for (const pod of setup.pods ?? [makePod()]) this.town.pods.set(pod.uid, pod);
    for (const ip of setup.hosts ?? []) this.town.hosts.set(ip, "host-1");
    for (const [ip, list] of Object.entries(setup.endpoints ?? {})) {
      this.town.endpoints.set(ip, list);
    }
    this.bypass = new Bypass(this.town, this.marks, { ...bypassDefaults, ...setup.options });
    this.bypass.advance(this.nowUs, this.said);
  }

  take(step: Step): void {
    if (step.kind === "pod") {
      this.town.pods.set(step.pod.uid, step.pod);
      this.bypass.podsChanged([step.pod], this.said);
    } else if (step.kind === "flow") this.bypass.flow(step, this.said);
    else if (step.kind === "socket_opened") this.bypass.socket(step, this.said);
    else if (step.kind === "proxy_leg") this.bypass.leg(step, this.said);
    else if (step.kind === "process_seen") this.bypass.process(step, this.said);
  }

  pass(us: Us): void {
    this.nowUs += us;
    this.bypass.advance(this.nowUs, this.said);
  }

  /** The last word on each connection that still stands, as one line each. */
  findings(): string[] {
    return this.#last("flow")
      .filter(({ entity }) => entity.outcome !== "cleared")
      .map(({ entity: e }) => {
        const rung = e.outcome === "found" ? e.rung : `${e.outcome} (${e.reason})`;
        const hole = e.excluded_by === "none" ? "" : ` hole:${e.excluded_by}`;
        return `${e.src.name} ${rung} ${e.dst_ip}:${e.dst_port} ${e.confidence}${hole}`;
      })
      .sort();
  }

  /** The last word on each process that holds the proxy's ids outside the proxy's container. */
  intruders(): string[] {
    return this.#last("process")
      .filter(({ entity: e }) => e.pod.mode === "sidecar" && !e.in_proxy_container)
      .filter(({ entity: e }) => e.uid === e.proxy_uid || e.gid === e.proxy_gid)
      .map(({ entity: e }) => `${e.pod.name} ${e.exe} ${e.uid}:${e.gid} ${e.confidence}`)
      .sort();
  }

  /** Everything that must not depend on the order of arrival. */
  essence(): string[] {
    const flows = this.#last("flow")
      .filter(({ entity }) => entity.outcome === "found")
      .map(({ id, entity: e, evidence }) => [
        id,
        e.rung,
        e.outcome,
        e.confidence,
        e.reason,
        e.dst_ip,
        ...evidence.map((x) => x.hash),
      ]);
    const processes = this.#last("process").map(({ id, entity: e, evidence }) => [
      id,
      e.in_proxy_container,
      e.confidence,
      e.pod.mode,
      ...evidence.map((x) => x.hash),
    ]);
    return [...flows, ...processes, ...[...this.marks.marked].map((mark) => [mark])]
      .map((parts) => parts.join(" "))
      .sort();
  }

  #last<T extends "flow" | "process">(type: T): EntityChange<T>[] {
    const last = new Map<string, EntityChange<T>>();
    for (const change of this.said) {
      if (change.kind === "gone") last.delete(change.id);
      if (change.kind !== "entity" || change.type !== type) continue;
      last.set(change.id, change as EntityChange<T>); // of that type: just compared
    }
    return [...last.values()];
  }
}

const podName: PodName = {
  cluster: "c",
  namespace: "shop",
  pod: web.name,
  podUid: web.uid,
  workload: "web",
  workloadKind: "Deployment",
  address: "",
};

export function makeProcess(change: Partial<ProcessRef> = {}): ProcessRef {
  return {
    execId: "exec-1",
    pid: 4242,
    exe: "/usr/bin/python3",
    name: "python3",
    command: "python3",
    uid: 1000,
    gid: 1000,
    euid: -1,
    egid: -1,
    user: "",
    parentExe: "/bin/sh",
    pod: podName,
    container: "app",
    containerId: "",
    containerImage: "shop/web:1",
    ...change,
  };
}

export const app = makeProcess();
export const shell1337 = makeProcess({
  execId: "exec-2",
  exe: "/bin/bash",
  name: "bash",
  uid: 1337,
  gid: 1337,
});
export const envoy = makeProcess({
  execId: "exec-3",
  pid: 7,
  exe: "/usr/local/bin/envoy",
  name: "wrk:worker_0",
  uid: 1337,
  gid: 1337,
  container: "istio-proxy",
  containerImage: "docker.io/istio/proxyv2:1.27",
});
export const pilotAgent = makeProcess({
  ...envoy,
  execId: "exec-4",
  exe: "/usr/local/bin/pilot-agent",
  name: "pilot-agent",
});

export function exec(
  process: ProcessRef,
  atS: number,
  change: Partial<ProcessSeen> = {},
): ProcessSeen {
  return {
    kind: "process_seen",
    timeUs: t0 + seconds(atS),
    nanos: 0,
    source: agent,
    trust: "attested",
    event: "exec",
    host: "host-1",
    agent: "tetragon",
    process,
    ...change,
  };
}

export function connect(
  process: ProcessRef,
  atS: number,
  srcPort: number,
  dstIp: string,
  dstPort: number,
  change: Partial<SocketOpened> = {},
): SocketOpened {
  return {
    kind: "socket_opened",
    timeUs: t0 + seconds(atS),
    nanos: 0,
    source: agent,
    trust: "attested",
    host: "host-1",
    agent: "tetragon",
    process,
    srcIp: web.ip,
    srcPort,
    dstIp,
    dstPort,
    transport: "tcp",
    mark: -1,
    ...change,
  };
}

export function wire(
  atS: number,
  srcPort: number,
  dstIp: string,
  dstPort: number,
  change: Partial<Flow> = {},
): Flow {
  const startUs = t0 + seconds(atS);
  return {
    kind: "flow",
    timeUs: startUs + seconds(1),
    nanos: 0,
    source: exporter,
    trust: "attested",
    cluster: "c",
    host: "host-1",
    agent: "softflowd",
    srcIp: web.ip,
    srcPort,
    dstIp,
    dstPort,
    transport: "tcp",
    startUs,
    endUs: startUs + seconds(1),
    clamped: false,
    bytes: 1_200,
    packets: 10,
    tcpFlags: 27,
    closed: true,
    ...change,
  };
}

/** The other direction's record of the same conversation. */
export function reply(flow: Flow): Flow {
  return {
    ...flow,
    srcIp: flow.dstIp,
    srcPort: flow.dstPort,
    dstIp: flow.srcIp,
    dstPort: flow.srcPort,
  };
}

/** An outbound line: the application's socket as the proxy accepted it, and the proxy's own. */
export function outboundLine(
  atS: number,
  appPort: number,
  dst: readonly [string, number],
  ownPort: number,
  host: readonly [string, number],
  change: Partial<ProxyLeg> = {},
): ProxyLeg {
  return {
    kind: "proxy_leg",
    timeUs: t0 + seconds(atS),
    nanos: 0,
    source: proxyLog,
    trust: "attested",
    side: "outbound",
    cluster: "c",
    pod: podName,
    lineId: `line-${atS}-${appPort}-${ownPort}`,
    endUs: t0 + seconds(atS + 0.2),
    protocol: "http",
    isConnection: false,
    downstreamRemoteIp: web.ip,
    downstreamRemotePort: appPort,
    downstreamLocalIp: dst[0],
    downstreamLocalPort: dst[1],
    upstreamLocalIp: web.ip,
    upstreamLocalPort: ownPort,
    upstreamHostIp: host[0],
    upstreamHostPort: host[1],
    route: "passthrough",
    service: "",
    serviceNamespace: "",
    servicePort: 0,
    serverName: "",
    peerPrincipal: "",
    tlsVersion: "",
    showsTls: false,
    responseCode: 200,
    responseFlags: "",
    isError: false,
    isDenied: false,
    bytesSent: 0,
    bytesReceived: 0,
    requestId: "",
    traceId: "",
    spanId: "",
    ...change,
  };
}
