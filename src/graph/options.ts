/**
 * What the graph is told by the configuration, with the defaults of the standard profile. Times are
 * microseconds. Every table that telemetry can fill has its maximum here.
 */
import { usPerDay, usPerMinute, usPerMs, usPerSecond, type Us } from "../model/time.ts";
import type { ExpectedSource } from "./expected-sources.ts";
import { bypassDefaults, type BypassOptions } from "./bypass-options.ts";

export interface IdentityOptions {
  /** The name of the cluster wherever telemetry does not give one. */
  readonly cluster: string;
  /** Other names of clusters, to the name used here. */
  readonly clusterAliases: Readonly<Record<string, string>>;
  /** Networks whose unresolved addresses are `unknown` rather than external, beside private ones. */
  readonly clusterCidrs: readonly string[];
  /** Networks that are external although they are private. */
  readonly externalCidrs: readonly string[];
  /** Whose identities are ours; [] = what the mesh's own configuration says. */
  readonly trustDomains: readonly string[];
  /** Where proxies connect to on their own account, as `parseDestination` reads it. */
  readonly proxyDestinations: readonly string[];
  readonly proxyContainers: readonly string[];
  /** Where the ConfigMaps of the control plane are; those of other namespaces are anybody's. */
  readonly meshNamespaces: readonly string[];
}

export interface GraphLimits {
  readonly nodesMax: number;
  readonly externalPeersMax: number;
  readonly unknownPeersMax: number;
  readonly podsMax: number;
  readonly addressesMax: number;
  readonly facetsMax: number;
  /** Facets one source workload may have: a scanner must not fill the graph. */
  readonly facetsPerNodeMax: number;
  readonly seriesMax: number;
  readonly sourcesMax: number;
  /** Services, endpoint slices, policies and the like, also of one namespace. */
  readonly objectsMax: number;
  readonly objectsPerNamespaceMax: number;
  /** Programs of the mesh itself, and what they count in all their instances. */
  readonly componentsMax: number;
  readonly componentSeriesMax: number;
  /** Remembered span halves, log lines and flows that may still move to another facet. */
  readonly placementsMax: number;
  readonly placementsPerSourceMax: number;
}

export interface GraphOptions {
  readonly identity: IdentityOptions;
  readonly bypass: BypassOptions;
  readonly limits: GraphLimits;
  /** Sources whose silence is told even if they were never heard. */
  readonly expectedSources: readonly ExpectedSource[];
  /** Disorder that changes nothing about the result. */
  readonly latenessUs: Us;
  /** How long an observation waits for the object that says whose an address was. */
  readonly unresolvedTtlUs: Us;
  /** A changed edge is told to the rules at most this often. */
  readonly coalesceUs: Us;
  /** How long ended owners of an address are remembered. */
  readonly ownerTtlUs: Us;
}

export const identityDefaults: IdentityOptions = {
  cluster: "default",
  clusterAliases: { Kubernetes: "default" },
  clusterCidrs: [],
  externalCidrs: [],
  trustDomains: [],
  proxyDestinations: [],
  proxyContainers: ["istio-proxy"],
  meshNamespaces: ["istio-system"],
};

export const graphDefaults: GraphOptions = {
  identity: identityDefaults,
  bypass: bypassDefaults,
  expectedSources: [],
  limits: {
    nodesMax: 10_000,
    externalPeersMax: 2_000,
    unknownPeersMax: 2_000,
    podsMax: 20_000,
    addressesMax: 50_000,
    facetsMax: 20_000,
    facetsPerNodeMax: 2_000,
    seriesMax: 200_000,
    sourcesMax: 20_000,
    objectsMax: 20_000,
    objectsPerNamespaceMax: 4_000,
    componentsMax: 2_000,
    componentSeriesMax: 50_000,
    placementsMax: 100_000,
    placementsPerSourceMax: 20_000,
  },
  latenessUs: usPerMinute,
  unresolvedTtlUs: 10 * usPerMinute,
  coalesceUs: 250 * usPerMs,
  ownerTtlUs: usPerDay,
};

/** Widens a border drawn from object times, which are whole seconds. */
export const objectBorderUs = usPerSecond;
