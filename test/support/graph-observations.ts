/** Observations by hand for tests of the graph: whole records from the parts that matter. */
import type {
  ContainerSpec,
  EdgeSamples,
  EdgeSeries,
  Flow,
  ObjectSeen,
  PodName,
  PodObject,
  ProxyLeg,
  SourceRef,
  SpanHalf,
} from "../../src/model/observations.ts";
import { usPerSecond, type Us } from "../../src/model/time.ts";

/** A round five-minute bucket of event time. */
export const graphStartUs: Us = 1_795_246_200_000_000;

export function atSecond(seconds: number): Us {
  return graphStartUs + seconds * usPerSecond;
}

export const noPeer = {
  cluster: "",
  namespace: "",
  workload: "",
  service: "",
  serviceNamespace: "",
  principal: "",
  pod: "",
  address: "",
};

export const noPod: PodName = {
  cluster: "",
  namespace: "",
  pod: "",
  podUid: "",
  workload: "",
  workloadKind: "",
  address: "",
};

export function proxySource(pod: string): SourceRef {
  return { kind: "proxy", key: `lab/shop/${pod}`, cluster: "lab", namespace: "shop" };
}

const objects: SourceRef = { kind: "objects", key: "lab", cluster: "lab", namespace: "" };
const agent: SourceRef = { kind: "node_agent", key: "lab/node-1", cluster: "lab", namespace: "" };

export function makeContainer(parts: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    name: "app",
    image: "example/app:1",
    containerId: "",
    init: false,
    restartable: false,
    ephemeral: false,
    runAsUser: -1,
    runAsGroup: -1,
    runAsNonRoot: false,
    privileged: false,
    allowPrivilegeEscalation: false,
    capabilitiesAdd: [],
    capabilitiesDrop: [],
    ports: [],
    ...parts,
  };
}

export function makePod(parts: Partial<PodObject> = {}): PodObject {
  const name = parts.name ?? "web-6d8f5c9b7c-l4q8z";
  return {
    type: "pod",
    uid: `uid-${name}`,
    namespace: "shop",
    name,
    ips: [],
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    hostUsers: true,
    shareProcessNamespace: false,
    node: "node-1",
    serviceAccount: "default",
    automountToken: true,
    ownerKind: "",
    ownerName: "",
    labels: {},
    annotations: {},
    runAsUser: -1,
    runAsGroup: -1,
    fsGroup: -1,
    supplementalGroups: [],
    containers: [makeContainer()],
    startUs: 0,
    deletionUs: 0,
    finishedUs: 0,
    phase: "Running",
    ...parts,
  };
}

export function podSeen(
  second: number,
  parts: Partial<PodObject>,
  event: ObjectSeen["event"] = "modified",
): ObjectSeen {
  return {
    kind: "object_seen",
    timeUs: atSecond(second),
    nanos: 0,
    source: objects,
    trust: "attested",
    event,
    cluster: "lab",
    object: makePod(parts),
  };
}

/** A pod of a Deployment in `shop` with or without a sidecar, at an address. */
export function deployed(
  workload: string,
  ip: string,
  hasSidecar = true,
  parts: Partial<PodObject> = {},
): Partial<PodObject> {
  const app = makeContainer();
  const proxy = makeContainer({ name: "istio-proxy", image: "istio/proxyv2:1.27" });
  return {
    name: `${workload}-6d8f5c9b7c-l4q8z`,
    ownerKind: "ReplicaSet",
    ownerName: `${workload}-6d8f5c9b7c`,
    labels: { "pod-template-hash": "6d8f5c9b7c" },
    ips: [ip],
    containers: hasSidecar ? [app, proxy] : [app],
    startUs: atSecond(-100),
    ...parts,
  };
}

export function makeHalf(second: number, parts: Partial<SpanHalf>): SpanHalf {
  return {
    kind: "span_half",
    timeUs: atSecond(second),
    nanos: 0,
    source: proxySource("any"),
    trust: "attested",
    side: "server",
    traceId: "t1",
    spanId: `s${second}`,
    parentSpanId: "",
    self: noPod,
    proxyRole: "sidecar",
    peer: noPeer,
    port: 0,
    protocol: "http",
    route: "declared",
    isError: false,
    isDenied: false,
    durationUs: 1_000,
    responseFlags: "",
    requestId: "",
    ...parts,
  };
}

export function makeLeg(second: number, parts: Partial<ProxyLeg>): ProxyLeg {
  return {
    kind: "proxy_leg",
    timeUs: atSecond(second),
    nanos: 0,
    source: proxySource("any"),
    trust: "attested",
    side: "inbound",
    cluster: "lab",
    pod: noPod,
    lineId: `line-${second}`,
    endUs: atSecond(second) + 1_000,
    protocol: "http",
    isConnection: false,
    downstreamRemoteIp: "",
    downstreamRemotePort: 40_000,
    downstreamLocalIp: "",
    downstreamLocalPort: 8080,
    upstreamLocalIp: "",
    upstreamLocalPort: 0,
    upstreamHostIp: "",
    upstreamHostPort: 0,
    route: "declared",
    service: "",
    serviceNamespace: "",
    servicePort: 0,
    serverName: "",
    peerPrincipal: "",
    tlsVersion: "",
    showsTls: true,
    responseCode: 200,
    responseFlags: "",
    isError: false,
    isDenied: false,
    bytesSent: 20,
    bytesReceived: 10,
    requestId: "",
    traceId: "",
    spanId: "",
    ...parts,
  };
}

export function makeFlow(second: number, parts: Partial<Flow>): Flow {
  return {
    kind: "flow",
    timeUs: atSecond(second),
    nanos: 0,
    source: agent,
    trust: "attested",
    cluster: "lab",
    host: "node-1",
    agent: "netflow",
    srcIp: "",
    srcPort: 40_000,
    dstIp: "",
    dstPort: 8080,
    transport: "tcp",
    startUs: atSecond(second),
    endUs: atSecond(second + 1),
    clamped: false,
    bytes: 100,
    packets: 2,
    tcpFlags: -1,
    closed: true,
    ...parts,
  };
}

export function makeSeries(id: number, parts: Partial<EdgeSeries> = {}): EdgeSeries {
  return {
    id,
    hash: String(id).padStart(32, "0"),
    measure: "requests",
    reporter: "destination",
    channel: "metrics",
    src: { ...noPeer, cluster: "lab", namespace: "shop", workload: "web" },
    dst: { ...noPeer, cluster: "lab", namespace: "shop", workload: "api" },
    port: 0,
    protocol: "http",
    transport: "tcp",
    security: "mutual_tls",
    route: "declared",
    isError: false,
    isDenied: false,
    responseFlags: "",
    resource: "",
    source: proxySource("api"),
    trust: "attested",
    ...parts,
  };
}

export interface SamplePoint {
  readonly series: number;
  readonly timeUs: Us;
  readonly value: number;
  readonly startUs?: Us;
  /** 0 cumulative, 1 delta, 2 gauge of totals. */
  readonly temporality?: number;
  readonly count?: number;
}

export function makeSamples(points: readonly SamplePoint[]): EdgeSamples {
  return {
    count: points.length,
    series: Int32Array.from(points, (point) => point.series),
    timeUs: Float64Array.from(points, (point) => point.timeUs),
    startUs: Float64Array.from(points, (point) => point.startUs ?? 0),
    value: Float64Array.from(points, (point) => point.value),
    valueCount: Float64Array.from(points, (point) => point.count ?? 0),
    temporality: Uint8Array.from(points, (point) => point.temporality ?? 0),
    stale: new Uint8Array(points.length),
  };
}
