/**
 * What the parts of the graph know of each other. `identity.ts` answers who an address or a pod was at a
 * time; `facets.ts` keeps edges; `bypass.ts` judges connections; `graph.ts` holds them together. Only
 * the interfaces here cross between them.
 */
import type { GraphChange } from "../model/changes.ts";
import type { NodeEntity } from "../model/entities.ts";
import type {
  Flow,
  PodName,
  ProcessSeen,
  ProxyLeg,
  SocketOpened,
  Transport,
} from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { CaptureHoles } from "./capture-holes.ts";
import type { ContainerStarts } from "./container-starts.ts";

/** The proxy container of a pod; ids default to 1337 where nothing declares them. */
export interface ProxyFacts {
  /** `istio-proxy`, or "" while no source has named it. */
  readonly container: string;
  readonly image: string;
  readonly uid: number;
  readonly gid: number;
  /** Whether an object, or only an event or metric, named it. */
  readonly known: "object" | "event" | "none";
}

/** A destination is captured if its address is in a range or its port is listed. */
export interface IncludedOutbound {
  readonly ranges: readonly string[];
  readonly ports: readonly string[];
}

/** What is known of one pod over its life. */
export interface PodFacts {
  readonly uid: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** The workload's node. */
  readonly nodeId: number;
  readonly ips: readonly string[];
  /** The machine that it runs on; left out while no object has told. */
  readonly node?: string | undefined;
  readonly hostNetwork: boolean;
  /** It has user ids of its own, so the host's, which agents give, say nothing of those inside. */
  readonly hasOwnUserIds?: boolean | undefined;
  /** Its containers see each other's processes; left out while no object has told. */
  readonly sharesProcesses?: boolean | undefined;
  readonly mode: NodeEntity["mode"];
  readonly proxy: ProxyFacts;
  readonly containerNames: readonly string[];
  /** Ids of its containers, over their restarts; left out while no object has told. */
  readonly starts?: ContainerStarts | undefined;
  /** Init containers that end before the proxy starts; left out while no object has told. */
  readonly initContainersBeforeProxy?: readonly string[] | undefined;
  /** Declared capture exclusions; null = unknown (no object seen). */
  readonly excludedOutboundPorts: readonly string[] | null;
  readonly excludedOutboundRanges: readonly string[] | null;
  /** What the mesh's configuration leaves out beside; left out = nothing. */
  readonly meshWideHoles?: readonly CaptureHoles[] | undefined;
  /** What alone is captured, where the pod declares that; null or left out = everything. */
  readonly includedOutbound?: IncludedOutbound | null | undefined;
  readonly fromUs: Us;
  /** Earliest possible end of its life, 0 = lives. */
  readonly endUs: Us;
}

/** Who held an address at a time. `ambiguous`: no accusation may rest on it. */
export type Owner =
  | { readonly kind: "pod"; readonly pod: PodFacts }
  | { readonly kind: "host"; readonly name: string }
  | { readonly kind: "ambiguous" }
  | { readonly kind: "none" };

/** An owner's records are more than his share of a table: the oldest of them were left out. */
export type Overflowed = (owner: string, table: string) => void;

export interface Identity {
  /** `skewUs` widens the borders of ownership by the sender's clock bound. */
  ownerAt(cluster: string, ip: string, atUs: Us, skewUs: Us): Owner;
  /** The pod that a record names (by UID, else namespace and name, else its address) at that time. */
  podOf(name: PodName, atUs: Us): PodFacts | null;
  /** The graph node that an address stands for at a time: a workload, external, or unknown. */
  nodeOfAddress(cluster: string, ip: string, atUs: Us): number;
  /** The node's current facts; the object is replaced, not changed, when they change. */
  node(nodeId: number): NodeEntity;
  /**
   * Real endpoints (`ip:port`) behind a virtual address and port at a time, or at any time that is still
   * known; empty when it is not virtual.
   */
  endpointsOf(cluster: string, ip: string, port: number, atUs?: Us): readonly string[];
  /** Whether the mesh's own configuration of that cluster has been told. */
  knowsMeshConfig(cluster: string): boolean;
  /** Whether proxies connect there on their own account, as that configuration declares; false before. */
  isControlTraffic(cluster: string, destination: string, port: number, atUs: Us): boolean;
  /** Whether the second end may have been behind the first, a virtual one, about that time. */
  isEndpoint(
    cluster: string,
    ip: string,
    port: number,
    endpointIp: string,
    endpointPort: number,
    atUs: Us,
  ): boolean;
}

/** Where the bypass join reports connections that went around a proxy; set semantics by `connection`. */
export interface AroundProxyMarks {
  mark(
    srcNodeId: number,
    dstNodeId: number,
    transport: Transport,
    port: number,
    connection: string,
    atUs: Us,
  ): void;
  unmark(
    srcNodeId: number,
    dstNodeId: number,
    transport: Transport,
    port: number,
    connection: string,
  ): void;
}

/**
 * A part of the graph that joins observations. It gets each observation once (the graph drops repeats),
 * in any order within `lateness`, and appends what it concluded to `out`. What it keeps it journals;
 * `flow` and `leg` say whether they do.
 */
export interface ConnectionJudge {
  flow(observation: Flow, out: GraphChange[]): boolean;
  socket(observation: SocketOpened, out: GraphChange[]): void;
  leg(observation: ProxyLeg, out: GraphChange[]): boolean;
  process(observation: ProcessSeen, out: GraphChange[]): void;
  /** Pods became known, changed or ended: everything that rests on them is judged again, once. */
  podsChanged(pods: readonly PodFacts[], out: GraphChange[]): void;
  /** Drives graces and expiry. `nowUs` is the engine's time and never falls. */
  advance(nowUs: Us, out: GraphChange[]): void;
}
