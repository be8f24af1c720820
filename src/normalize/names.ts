/** Names of pods, peers and clusters as observations carry them. */
import type { PeerName, PodName } from "../model/observations.ts";

/** Of names in Kubernetes, whose longest are DNS subdomains; what is longer is cut. */
export const maxNameLength = 253;

/** To be spread under what a source names, so that every part is there. */
export const noPod: PodName = {
  cluster: "",
  namespace: "",
  pod: "",
  podUid: "",
  workload: "",
  workloadKind: "",
  address: "",
};

export const noPeer: PeerName = {
  cluster: "",
  namespace: "",
  workload: "",
  service: "",
  serviceNamespace: "",
  principal: "",
  pod: "",
  address: "",
};

/** The many names of one cluster made one. A name that nobody configured is a remote cluster's own. */
export class ClusterNames {
  /** The cluster whose telemetry this engine receives: where a source names none. */
  readonly local: string;
  readonly #aliases: ReadonlyMap<string, string>;

  constructor(local: string, aliases: Readonly<Record<string, string>>) {
    this.local = local;
    this.#aliases = new Map(Object.entries(aliases));
  }

  nameOf(foreign: string): string {
    return foreign === "" ? this.local : (this.#aliases.get(foreign) ?? foreign);
  }
}

export interface ServiceName {
  readonly service: string;
  readonly namespace: string;
}

export const noService: ServiceName = { service: "", namespace: "" };

/** `reviews.bookinfo.svc.cluster.local` in its parts; any other host stays whole, without namespace. */
export function hostToService(host: string): ServiceName {
  const labels = host.split(".", 4);
  if (labels[2] === "svc" && labels[0] && labels[1]) {
    return { service: labels[0], namespace: labels[1] };
  }
  return { service: host, namespace: "" };
}

/** A host without its port: `reviews:9080`, `[2001:db8::1]:80`. */
export function withoutPort(host: string): string {
  return /^[^:]+:\d+$/.test(host) ? host.slice(0, host.indexOf(":")) : host.replace(/\]:\d+$/, "]");
}
