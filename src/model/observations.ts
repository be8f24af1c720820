/**
 * Observations: the normalised facts that `normalize/` takes from telemetry and `graph/` concludes from.
 * Foreign names end before this file. Strings are "" and numbers -1 where a source does not say;
 * addresses are canonical text (`lib/ip.ts`). Each kind says what it is about: that is what a later,
 * partitioned deployment partitions by. Only `ObjectSeen` concerns everyone.
 *
 * A batch is what one request yielded. It belongs to the graph after the call; nobody changes it later.
 */
import type { DeclaredObject } from "./objects.ts";
import type { Us } from "./time.ts";

/**
 * How far a sender is believed (detection.md 2): `verified` by mTLS peer, `attested` by a collector
 * pipeline, `claimed` otherwise. Claimed facts may raise, never withdraw, resolve or prove liveness.
 */
export type Trust = "verified" | "attested" | "claimed";

/** The capability a source proves when it is heard (detection.md 6). */
export type Capability =
  | "proxy_metrics"
  | "proxy_logs"
  | "spans"
  /** Conversations of pods, with both addresses and ports. */
  | "flows"
  /** Which container or process talked beyond its pod, and to whom; not by which socket. */
  | "attributed_flows"
  /** Bytes between workloads without the addresses: it lives, and shows no connection to anybody. */
  | "workload_flows"
  | "sockets"
  | "processes"
  /** Files that processes open: those that the agent was told to watch. */
  | "file_accesses"
  | "objects"
  /** Pods with their addresses, owners and containers, by metrics about objects: less than they say. */
  | "inventory"
  /** Of a collector: it handed on requests of this signal. */
  | "relayed_metrics"
  | "relayed_traces"
  | "relayed_logs";

export type SourceKind = "proxy" | "node_agent" | "objects" | "collector";

/** One sender of telemetry: a proxy's pod, a node agent's host, a cluster's object feed. */
export interface SourceRef {
  readonly kind: SourceKind;
  /** Unique within the kind: `cluster/namespace/pod`, `cluster/host`, `cluster`, a collector's name. */
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
}

/** What every observation carries. */
export interface Observed {
  /** Event time; the receive time where the source gives none or an impossible one. */
  readonly timeUs: Us;
  /** The event time's nanoseconds below a microsecond, for display only. */
  readonly nanos: number;
  readonly source: SourceRef;
  readonly trust: Trust;
}

/** A pod as a telemetry record names it; any part may be "". */
export interface PodName {
  readonly cluster: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  /** The workload, where the source names it (Tetragon, Istio metrics). */
  readonly workload: string;
  readonly workloadKind: string;
  /** The pod's own address, where the source names it (Envoy's node id). */
  readonly address: string;
}

/** One end of an edge as a telemetry record names it; any part may be "". */
export interface PeerName {
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  /** Short service name or host (`reviews`, `api.example.com`), and its namespace. */
  readonly service: string;
  readonly serviceNamespace: string;
  readonly principal: string;
  readonly pod: string;
  readonly address: string;
}

export type Transport = "tcp" | "udp" | "icmp" | "other";
export type Reporter =
  | "source"
  | "destination"
  | "waypoint"
  /** The server's ztunnel, and the client's: both tell of the same connection. Readers see one word. */
  | "ztunnel"
  | "ztunnel_source"
  | "client_span"
  | "server_span"
  | "flow";
/** `spans` are the proxies', `sdk` those of the applications behind them. */
export type Channel = "metrics" | "sink" | "logs" | "spans" | "sdk" | "flows";
export type Security = "mutual_tls" | "none" | "unknown";
export type Route = "declared" | "passthrough" | "blackhole" | "inbound_passthrough" | "unknown";

/** What a counter of an edge counts. Bytes are already turned to the caller's view. */
export type Measure =
  | "requests"
  | "connections_opened"
  | "connections_closed"
  | "bytes_sent"
  | "bytes_received"
  | "latency_ms"
  /** Of a gRPC stream that goes on: they show that the edge lives, and count nothing that is shown. */
  | "messages";

/**
 * The definition of one metric series about an edge; pushed once, before its first sample, and again
 * after a restart. Identity: `hash`, canonical over byte order, paths and restarts.
 */
export interface EdgeSeries {
  /** Dense and process-local: the index `EdgeSamples.series` refers to. */
  readonly id: number;
  /** 128 bits as 32 hex digits over resource, scope, name and sorted non-empty attributes. */
  readonly hash: string;
  readonly measure: Measure;
  readonly reporter: Reporter;
  readonly channel: Channel;
  readonly src: PeerName;
  readonly dst: PeerName;
  /** Server port, 0 = not given (Istio's metrics never give it). */
  readonly port: number;
  /** Application protocol: `http`, `grpc`, `tcp`, …; "" = not given. */
  readonly protocol: string;
  readonly transport: Transport;
  readonly security: Security;
  readonly route: Route;
  /** True for response codes 5xx, gRPC errors and connection failures. */
  readonly isError: boolean;
  /** True for a policy denial. */
  readonly isDenied: boolean;
  readonly responseFlags: string;
  /** Its sender's resource (`lib/pairs-text.ts`): two collectors that scrape one proxy may differ in it. */
  readonly resource: string;
  readonly source: SourceRef;
  readonly trust: Trust;
}

/**
 * Samples in columns, `count` valid entries each; no object per point. A gap of a stale series is a
 * sample with `stale` = 1 and no value.
 */
export interface EdgeSamples {
  readonly count: number;
  /** `EdgeSeries.id`. */
  readonly series: Int32Array;
  readonly timeUs: Float64Array;
  /** 0 = no usable start time. */
  readonly startUs: Float64Array;
  /** Running total (cumulative) or increment (delta); for `latency_ms` the sum. */
  readonly value: Float64Array;
  /** Number of observations behind a `latency_ms` sum; 0 for the other measures. */
  readonly valueCount: Float64Array;
  /** 0 cumulative, 1 delta, 2 a gauge that holds a running total. */
  readonly temporality: Uint8Array;
  readonly stale: Uint8Array;
}

/** One half of a call as a span tells it. About: the reporting workload. */
export interface SpanHalf extends Observed {
  readonly kind: "span_half";
  readonly side: "client" | "server";
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** The workload that reported. */
  readonly self: PodName;
  /**
   * `sidecar`, `router` (gateway), `waypoint`; "" for an application's own span, whose `source` stands for
   * its pod: it is always claimed, since an application chooses what it says of itself.
   */
  readonly proxyRole: string;
  /** Who called, where the reporter (a waypoint) stands between the ends and knows; absent = `self` did. */
  readonly caller?: PeerName;
  /** The other end, as far as this half names it. */
  readonly peer: PeerName;
  readonly port: number;
  readonly protocol: string;
  readonly route: Route;
  readonly isError: boolean;
  readonly isDenied: boolean;
  readonly durationUs: number;
  readonly responseFlags: string;
  /** The proxy's request id, "" if none: joins spans and access-log lines of one request. */
  readonly requestId: string;
}

/** One direction of a conversation on the wire, as a node agent saw it. About: the source address. */
export interface Flow extends Observed {
  readonly kind: "flow";
  readonly cluster: string;
  readonly host: string;
  readonly agent: string;
  readonly srcIp: string;
  readonly srcPort: number;
  readonly dstIp: string;
  readonly dstPort: number;
  readonly transport: Transport;
  /** Flow start and end, clamped to the receive time where the agent's clock is worthless. */
  readonly startUs: Us;
  readonly endUs: Us;
  /** True when start and end had to be clamped: they bound nothing but the receive time. */
  readonly clamped: boolean;
  readonly bytes: number;
  readonly packets: number;
  /** OR over the flow of the TCP flags, -1 = not given. */
  readonly tcpFlags: number;
  /** The agent says that the conversation has ended. */
  readonly closed: boolean;
  /**
   * A point of a counter that the agent exports every so often; absent = a record with times of its own.
   * Start and end are those of the export, as `clamped` says too; `bytes` is the running total, or what was
   * added since the export before. Seen first at one export, the conversation was opened between the export
   * before and that one; it ends without a word, when exports go on without it.
   */
  readonly polled?: "total" | "delta";
  /** Which way the agent says the bytes went: with the opener's, or back to it. Absent = not said. */
  readonly direction?: "request" | "response";
  /** The ends as the agent names them; a pod may be "" where it names the workload alone. */
  readonly srcPod?: PodName;
  readonly dstPod?: PodName;
  /**
   * Who talks at the source's end, by an agent that resolves address translation itself: destination and
   * source are then what was really reached by whom. Such a flow may have no source address or ports.
   */
  readonly process?: string;
  readonly container?: string;
  /** Connections from there to there so far, where the agent counts those and no bytes. */
  readonly connections?: number;
}

/** A process, as an agent describes it beside an event. */
export interface ProcessRef {
  readonly execId: string;
  readonly pid: number;
  readonly exe: string;
  readonly name: string;
  /** First word of the command line only; arguments hold secrets and stay out. */
  readonly command: string;
  /** Real ids where the agent gives both, else the ones it gives; -1 = unknown. */
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly user: string;
  readonly parentExe: string;
  readonly pod: PodName;
  readonly container: string;
  readonly containerId: string;
  readonly containerImage: string;
}

/** Of what an agent tells only sometimes. */
interface Selective {
  /**
   * The agent tells of what its own rules match, and of this by chance: that it was heard proves nothing of
   * other processes and sockets, and neither does its silence. Absent = it tells of all.
   */
  readonly selective?: boolean;
}

/** A process was started, has ended or was seen running. About: its pod. */
export interface ProcessSeen extends Observed, Selective {
  readonly kind: "process_seen";
  readonly event: "exec" | "exit" | "seen";
  readonly host: string;
  readonly agent: string;
  readonly process: ProcessRef;
}

/** A process opened (connected) a socket; addresses are the socket's own. About: its pod. */
export interface SocketOpened extends Observed, Selective {
  readonly kind: "socket_opened";
  readonly host: string;
  readonly agent: string;
  readonly process: ProcessRef;
  readonly srcIp: string;
  readonly srcPort: number;
  readonly dstIp: string;
  readonly dstPort: number;
  readonly transport: Transport;
  /** Netfilter mark of the socket, 0 = none, -1 = not given. */
  readonly mark: number;
}

/**
 * One line of a proxy's access log: a connection through the proxy, and one request on it. Legs are per
 * connection, requests per line. About: the proxy's pod.
 */
export interface ProxyLeg extends Observed {
  readonly kind: "proxy_leg";
  /** Outbound: the proxy serves its own pod as a client. Inbound: it serves a caller. */
  readonly side: "outbound" | "inbound" | "unknown";
  /**
   * Absent: a sidecar or gateway. `ztunnel`: the node's proxy on behalf of `pod`, an ambient pod.
   * `waypoint`: a proxy between two ends, neither of which is `pod`.
   */
  readonly writer?: "ztunnel" | "waypoint";
  readonly cluster: string;
  /** The proxy's pod where the line or its resource names it; else only addresses tell. */
  readonly pod: PodName;
  /** The pod at the other end, where the writer knows it by name (ztunnel). */
  readonly peerPod?: PodName;
  /**
   * True where the proxy reached the upstream host through an HBONE tunnel: on the wire that is the host's
   * port 15008, and which port of its own the proxy used no line tells. Absent = no tunnel.
   */
  readonly tunnelled?: boolean;
  /** How the connection was secured, where the writer says so outright (ztunnel). */
  readonly security?: Security;
  /** Hash of what is the same in every variant of the line: start, addresses, request id. */
  readonly lineId: string;
  readonly endUs: Us;
  readonly protocol: string;
  /** A TCP connection's line (written when it closes), not one request's. */
  readonly isConnection: boolean;
  readonly downstreamRemoteIp: string;
  readonly downstreamRemotePort: number;
  readonly downstreamLocalIp: string;
  readonly downstreamLocalPort: number;
  readonly upstreamLocalIp: string;
  readonly upstreamLocalPort: number;
  readonly upstreamHostIp: string;
  readonly upstreamHostPort: number;
  readonly route: Route;
  /** Of the upstream cluster `outbound|9080||reviews.bookinfo.svc.cluster.local`: the named service. */
  readonly service: string;
  readonly serviceNamespace: string;
  readonly servicePort: number;
  readonly serverName: string;
  readonly peerPrincipal: string;
  readonly tlsVersion: string;
  /** Whether the log variant shows TLS fields at all: SNI, peer identity or TLS version. */
  readonly showsTls: boolean;
  readonly responseCode: number;
  readonly responseFlags: string;
  readonly isError: boolean;
  readonly isDenied: boolean;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly requestId: string;
  readonly traceId: string;
  readonly spanId: string;
}

/** A process read a file or another process's memory. About: its pod. */
export interface FileAccess extends Observed {
  readonly kind: "file_access";
  readonly host: string;
  readonly agent: string;
  readonly process: ProcessRef;
  readonly path: string;
  readonly access: "read" | "write" | "memory";
}

/** Bytes that went through an interface of a pod since it started, in one direction or both. About: the pod. */
export interface PodVolume extends Observed {
  readonly kind: "pod_volume";
  readonly pod: PodName;
  /** "" = all together. */
  readonly interface: string;
  /** Running totals; -1 = not of that direction. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/**
 * A number that a program of the mesh itself counts. About: the component. Its `source` names the pod only:
 * nobody waits for it.
 */
export interface ComponentSample extends Observed {
  readonly kind: "component_sample";
  readonly cluster: string;
  readonly namespace: string;
  /** What kind of program it is; `proxy` for a sidecar's own counters. */
  readonly component: "istiod" | "istio-cni" | "ztunnel" | "proxy";
  /**
   * The pod that counts; where no label names it, job and address of the scrape's target. Of `replicas` the
   * workload.
   */
  readonly instance: string;
  /** The program's release; "" where this number does not say. */
  readonly version: string;
  /** The number's name for rules: `xds_rejects`, `connected_proxies`; of times, seconds since 1970. */
  readonly metric: string;
  /** What tells the series of this number in one instance apart; "" = there is one. */
  readonly series: string;
  readonly value: number;
  /**
   * A `total` runs on from the program's start, a `delta` was added since the point before. Of what is so
   * now, instances have an `amount` together, or the `least` of theirs counts. `replicas` is what the cluster
   * tells of a workload, not the program of itself: how many pods are `desired` and `available`.
   */
  readonly counts: "amount" | "least" | "total" | "delta" | "replicas";
}

/** A container as a pod object declares it. Ids are -1 where the object does not set them. */
export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  /** Without the runtime's prefix; "" until the container has started. */
  readonly containerId: string;
  /** The id that it had before its last restart; left out while none is told. */
  readonly formerId?: string;
  /** How often it was started again; left out while it was not. */
  readonly restarts?: number;
  readonly init: boolean;
  /** An init container with restartPolicy Always: a native sidecar. */
  readonly restartable: boolean;
  readonly ephemeral: boolean;
  readonly runAsUser: number;
  readonly runAsGroup: number;
  readonly runAsNonRoot: boolean;
  readonly privileged: boolean;
  readonly allowPrivilegeEscalation: boolean;
  readonly capabilitiesAdd: readonly string[];
  readonly capabilitiesDrop: readonly string[];
  readonly ports: readonly number[];
}

export interface PodObject {
  readonly type: "pod";
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  readonly hostUsers: boolean;
  readonly shareProcessNamespace: boolean;
  readonly node: string;
  /** The machine's own address; left out where the object does not say. */
  readonly hostIp?: string;
  readonly serviceAccount: string;
  readonly automountToken: boolean;
  /** The pod says so itself; left out where its account decides. */
  readonly automountSet?: true;
  readonly ownerKind: string;
  readonly ownerName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly runAsUser: number;
  readonly runAsGroup: number;
  readonly fsGroup: number;
  readonly supplementalGroups: readonly number[];
  readonly containers: readonly ContainerSpec[];
  /** 0 = not yet, or not given. */
  readonly startUs: Us;
  readonly deletionUs: Us;
  readonly finishedUs: Us;
  readonly phase: string;
}

/** One fact of a pod, as an inventory tells it. Names and texts are "" where it does not say. */
export type PodFact =
  | {
      readonly of: "pod";
      readonly ip: string;
      readonly hostIp: string;
      readonly node: string;
      readonly hostNetwork: boolean;
      readonly ownerKind: string;
      readonly ownerName: string;
    }
  | { readonly of: "address"; readonly ip: string }
  /** Its controller. */
  | { readonly of: "owner"; readonly kind: string; readonly name: string }
  | {
      readonly of: "container";
      readonly name: string;
      readonly image: string;
      readonly containerId: string;
      readonly init: boolean;
      readonly restartPolicy: string;
    }
  /** How often a container was started again. */
  | { readonly of: "restarts"; readonly name: string; readonly count: number }
  | { readonly of: "account"; readonly name: string }
  /** Some of its labels and annotations: what is not here may be on the pod all the same. */
  | { readonly of: "labels"; readonly names: Readonly<Record<string, string>> }
  | { readonly of: "annotations"; readonly names: Readonly<Record<string, string>> }
  | { readonly of: "start"; readonly atUs: Us }
  | { readonly of: "end"; readonly atUs: Us };

/** What one list of an inventory says of a pod, or a part of that: others may follow in other requests. */
export interface PodInventory {
  readonly type: "pod_inventory";
  /** "" where it does not say. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Whose list it is: each of several instances has one of its own. */
  readonly teller: string;
  readonly facts: readonly PodFact[];
}

/** Another Kubernetes object, kept as it came, for the vocabularies that follow. */
export interface OtherObject {
  readonly type: "other";
  readonly resource: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * A Kubernetes object as the cluster's object feed told it. Concerns everyone.
 * `listed` items of one list share their event time: what is absent from the next list is gone.
 */
export interface ObjectSeen extends Observed {
  readonly kind: "object_seen";
  readonly event: "listed" | "added" | "modified" | "deleted";
  readonly cluster: string;
  /** Told by metrics about the object; absent = by the object itself. */
  readonly form?: "inventory";
  readonly object: PodObject | PodInventory | DeclaredObject | OtherObject;
}

/** A sign of life: this source delivered telemetry of this capability. */
export interface Heartbeat extends Observed {
  readonly kind: "heartbeat";
  readonly capability: Capability;
}

export type Observation =
  | SpanHalf
  | Flow
  | SocketOpened
  | ProxyLeg
  | ProcessSeen
  | FileAccess
  | PodVolume
  | ComponentSample
  | ObjectSeen
  | Heartbeat;

export interface ObservationBatch {
  readonly receivedUs: Us;
  /** New series definitions; before the samples that use them. */
  readonly series: readonly EdgeSeries[];
  readonly samples: EdgeSamples;
  readonly observations: readonly Observation[];
}
