/**
 * What Istio's own objects declare for a whole cluster: the mesh's configuration, what the sidecar
 * injector leaves out of the capture of every pod, and whose tokens the whole mesh believes. Only those of
 * Istio's own namespace count, since anybody may name a ConfigMap of his own like that, or excuse his own
 * traffic by a RequestAuthentication. It judges nothing.
 */
import { parseDestination, type DestinationPattern } from "../lib/destination.ts";
import { canonicalIp } from "../lib/ip.ts";
import type { InjectorObject, MeshConfigObject } from "../model/objects.ts";
import type { Us } from "../model/time.ts";
import { addressScope } from "./address-scope.ts";
import type { ObjectRecord } from "./objects.ts";
import type { ServiceAddresses } from "./service-addresses.ts";

interface ClusterSettings {
  /** Where the keys of tokens' issuers are that the whole mesh believes, by the object that says so. */
  readonly issuers: Map<string, readonly DestinationPattern[]>;
  readonly configs: Map<string, MeshConfigObject>;
  readonly injectors: Map<string, InjectorObject>;
}

/** Revisions of one control plane that are believed in one cluster; real ones have two or three. */
const revisionsMax = 32;
const none: readonly never[] = [];

export class MeshSettings {
  readonly #namespaces: readonly string[];
  readonly #proxyDestinations: readonly DestinationPattern[];
  readonly #services: ServiceAddresses;
  readonly #clusters = new Map<string, ClusterSettings>();
  readonly #changedClusters = new Set<string>();
  #dropped = 0;

  /** `namespaces`: where Istio's own objects are; `destinations`: of proxies, as configured. */
  constructor(
    namespaces: readonly string[],
    destinations: readonly string[],
    services: ServiceAddresses,
  ) {
    this.#namespaces = namespaces;
    this.#proxyDestinations = destinations.map(parseDestination).filter((one) => one !== null);
    this.#services = services;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Takes in what the table of objects has taken in; other types are passed over. */
  changed({ object, cluster, isGone }: ObjectRecord): void {
    const { type } = object;
    if (type !== "mesh_config" && type !== "injector" && type !== "request_authentication") return;
    if (!this.#namespaces.includes(object.namespace)) return;
    const key = `${object.namespace}/${object.name}`;
    const { configs, injectors, issuers } = this.#cluster(cluster);
    if (object.type === "mesh_config") this.#put(configs, key, object, isGone);
    else if (object.type === "request_authentication") {
      this.#put(issuers, key, issuersOf(object.hosts), isGone);
    } else {
      this.#put(injectors, key, object, isGone);
      this.#changedClusters.add(cluster);
    }
    if (configs.size + injectors.size + issuers.size === 0) this.#clusters.delete(cluster);
  }

  /** Clusters in which other things may be left out of the capture than before. */
  takeChangedClusters(): readonly string[] {
    if (this.#changedClusters.size === 0) return none;
    const changed = [...this.#changedClusters];
    this.#changedClusters.clear();
    return changed;
  }

  /** One per revision of the control plane; empty while none has been told. */
  configs(cluster: string): readonly MeshConfigObject[] {
    return [...(this.#clusters.get(cluster)?.configs.values() ?? none)];
  }

  /** The injector that may have injected a pod of this revision ("" = unknown): all, if that one is not known. */
  injectorsFor(cluster: string, revision: string): readonly InjectorObject[] {
    const all = [...(this.#clusters.get(cluster)?.injectors.values() ?? none)];
    const own = all.filter((injector) => injector.revision === revision);
    return own.length > 0 ? own : all;
  }

  /**
   * Whether proxies connect there on their own account, by the mesh's configuration (to the control
   * plane, and to providers of telemetry and authorisation) or by the engine's own. By address as a socket or as the wire shows
   * it, or by host name.
   */
  isControlTraffic(cluster: string, destination: string, port: number, atUs: Us): boolean {
    if (this.#isProxyDestination(cluster, destination, port, atUs)) return true;
    for (const issuers of this.#clusters.get(cluster)?.issuers.values() ?? none) {
      if (issuers.some((one) => this.#isPattern(cluster, one, destination, port, atUs)))
        return true;
    }
    for (const config of this.#clusters.get(cluster)?.configs.values() ?? none) {
      const { discoveryHost: host, discoveryPort, providers, rootNamespace } = config;
      for (const one of [{ host, port: discoveryPort }, ...providers]) {
        if (this.#isAt(cluster, one, rootNamespace, destination, port, atUs)) return true;
      }
    }
    return false;
  }

  #isProxyDestination(cluster: string, destination: string, port: number, atUs: Us): boolean {
    return this.#proxyDestinations.some((one) =>
      this.#isPattern(cluster, one, destination, port, atUs),
    );
  }

  #isPattern(
    cluster: string,
    one: DestinationPattern,
    destination: string,
    port: number,
    atUs: Us,
  ): boolean {
    if (one.network) return port === one.port && one.network.contains(destination);
    return this.#isAt(cluster, one, "", destination, port, atUs);
  }

  #isAt(
    cluster: string,
    wanted: { readonly host: string; readonly port: number },
    rootNamespace: string,
    destination: string,
    port: number,
    atUs: Us,
  ): boolean {
    if (wanted.host === "" || wanted.port === 0) return false;
    if (destination === wanted.host) return port === wanted.port;
    const service = serviceOfHost(wanted.host, rootNamespace);
    if (!service || canonicalIp(destination) === "") return false;
    const { namespace, name } = service;
    // While nobody has told what is behind it, any address of the cluster may be.
    if (!this.#services.isResolved(cluster, namespace, name)) {
      return port === wanted.port && addressScope(destination) === "private";
    }
    return this.#services.isOfService(
      cluster,
      namespace,
      name,
      wanted.port,
      destination,
      port,
      atUs,
    );
  }

  #cluster(cluster: string): ClusterSettings {
    let settings = this.#clusters.get(cluster);
    if (!settings) {
      settings = { configs: new Map(), injectors: new Map(), issuers: new Map() };
      this.#clusters.set(cluster, settings);
    }
    return settings;
  }

  #put<Value>(map: Map<string, Value>, key: string, value: Value, isGone: boolean): void {
    if (isGone) map.delete(key);
    else if (map.has(key) || map.size < revisionsMax) map.set(key, value);
    else this.#dropped++;
  }
}

/**
 * Those that are in the cluster: proxies that fetch keys themselves (istiod does so for them unless it is
 * told otherwise) reach them on their own account. A name beyond it tells nothing of an address.
 * https://istio.io/latest/docs/reference/commands/pilot-discovery/ PILOT_JWT_ENABLE_REMOTE_JWKS
 */
function issuersOf(hosts: readonly string[]): readonly DestinationPattern[] {
  return hosts
    .map(parseDestination)
    .filter((one) => one !== null)
    .filter(({ host }) => canonicalIp(host) !== "" || /\.svc(?:\.|$)/.test(host));
}

/** `istiod.istio-system.svc.cluster.local`, `.svc`, or less; null for a host beyond the cluster. */
function serviceOfHost(
  host: string,
  rootNamespace: string,
): { readonly namespace: string; readonly name: string } | null {
  const [name = "", namespace, svc] = host.split(".");
  if (name === "" || canonicalIp(host) !== "") return null;
  if (namespace === undefined) return { namespace: rootNamespace, name };
  return svc === undefined || svc === "svc" ? { namespace, name } : null;
}
