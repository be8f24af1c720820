/** What the bypass join can be told: time bounds, what a proxy looks like, caps. No behaviour. */
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";

/** Istio's init containers: one writes the redirect rules, with the CNI plugin the other checks them. */
export const captureContainers: readonly string[] = ["istio-init", "istio-validation"];

export interface BypassOptions {
  /** Disorder that must not change a verdict; also the longest wait for a container's name. */
  readonly latenessUs: Us;
  /** How long a record can match, withdraw or be withdrawn, from its arrival on. */
  readonly retentionUs: Us;
  /** Least closeness of a socket and a flow in time, whatever the sender's learned skew. */
  readonly closenessUs: Us;
  /** How long before its record's time a flow without usable times may have been opened. */
  readonly clampedReachUs: Us;
  /** Executables of the proxy: whole paths, or a last path segment where there is no slash. */
  readonly proxyExecutables: readonly string[];
  /** Names of the proxy's container, for pods whose object has not been seen. */
  readonly proxyContainers: readonly string[];
  /** Names of Istio's own init containers, for pods whose object has not been seen. */
  readonly meshInitContainers: readonly string[];
  /** Texts of which the last path segment of the proxy's image must contain one; none listed = any. */
  readonly proxyImages: readonly string[];
  /** Further addresses of the cluster's name servers. */
  readonly dnsAddresses: readonly string[];
  readonly socketsMax: number;
  readonly flowsMax: number;
  readonly legsMax: number;
  readonly processesMax: number;
  /** The part of each table that one workload may fill. */
  readonly workloadShare: number;
}

export const bypassDefaults: BypassOptions = {
  latenessUs: usPerMinute,
  retentionUs: 16 * usPerMinute,
  closenessUs: 3 * usPerSecond,
  clampedReachUs: 30 * usPerSecond,
  proxyExecutables: ["/usr/local/bin/envoy", "pilot-agent", "ztunnel"],
  proxyContainers: ["istio-proxy"],
  meshInitContainers: captureContainers,
  proxyImages: ["proxyv2", "istio-proxy", "ztunnel"],
  dnsAddresses: ["169.254.20.10"],
  socketsMax: 50_000,
  flowsMax: 50_000,
  legsMax: 50_000,
  processesMax: 20_000,
  workloadShare: 0.2,
};
