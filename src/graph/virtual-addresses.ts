/**
 * Virtual (Service) addresses and the endpoints behind them: as objects declare them through time, and
 * as learned from what proxies log of calls they routed, which is the address the application dialled and
 * the host the proxy chose (it knows what no object of this cluster declares). It resolves no pods.
 */
import type { ProxyLeg } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { ServiceAddresses, type VirtualService } from "./service-addresses.ts";
import { hostPort } from "./sockets.ts";

const addressesMax = 10_000;
const endpointsMax = 256;
const noEndpoints: readonly string[] = [];

export class VirtualAddresses {
  readonly services = new ServiceAddresses();
  readonly #endpoints = new Map<string, string[]>();
  readonly #services = new Map<string, VirtualService>();
  readonly #changed = new Set<string>();
  #dropped = 0;

  get dropped(): number {
    return this.#dropped;
  }

  /** Only believed senders teach it: a forged line must not turn an address into somebody's endpoint. */
  learn(cluster: string, leg: ProxyLeg): void {
    if (leg.trust === "claimed" || leg.side !== "outbound" || leg.service === "") return;
    if (leg.route !== "declared" || leg.downstreamLocalIp === "" || leg.upstreamHostIp === "") {
      return;
    }
    if (leg.downstreamLocalIp === leg.upstreamHostIp) return;
    const address = `${cluster}|${leg.downstreamLocalIp}`;
    this.#learnService(address, { service: leg.service, namespace: leg.serviceNamespace });
    const endpoint = hostPort(leg.upstreamHostIp, leg.upstreamHostPort);
    this.#learnEndpoint(`${address}:${leg.downstreamLocalPort}`, endpoint);
  }

  /** Endpoints (`ip:port`) by objects where they know any (of that time), else by what was logged. */
  endpointsOf(cluster: string, ip: string, port: number, atUs?: Us): readonly string[] {
    const declared = this.services.endpointsOf(cluster, ip, port, atUs);
    if (declared.length > 0) return declared;
    return this.#endpoints.get(`${cluster}|${ip}:${port}`) ?? noEndpoints;
  }

  /** Whether an end may have been behind the virtual one then, by an object or a log. */
  isEndpoint(
    cluster: string,
    ip: string,
    port: number,
    endpointIp: string,
    endpointPort: number,
    atUs: Us,
  ): boolean {
    if (this.services.isEndpoint(cluster, ip, port, endpointIp, endpointPort, atUs)) return true;
    const logged = this.#endpoints.get(`${cluster}|${ip}:${port}`);
    return logged?.includes(hostPort(endpointIp, endpointPort)) ?? false;
  }

  serviceOf(cluster: string, ip: string, atUs: Us): VirtualService | undefined {
    return this.services.serviceOf(cluster, ip, atUs) ?? this.#services.get(`${cluster}|${ip}`);
  }

  /** Addresses (`cluster|ip`) that now stand for a service, or for another. */
  takeChanged(): string[] {
    const changed = [...this.#changed, ...this.services.takeChangedAddresses()];
    this.#changed.clear();
    return changed;
  }

  #learnService(address: string, service: VirtualService): void {
    const known = this.#services.get(address);
    if (known && nameOf(known) <= nameOf(service)) return;
    if (!known && this.#services.size >= addressesMax) {
      this.#dropped++;
      return;
    }
    this.#services.set(address, service);
    this.#changed.add(address);
  }

  #learnEndpoint(key: string, endpoint: string): void {
    const known = this.#endpoints.get(key);
    if (known?.includes(endpoint)) return;
    if (known && known.length < endpointsMax) known.push(endpoint);
    else if (!known && this.#endpoints.size < addressesMax) this.#endpoints.set(key, [endpoint]);
    else this.#dropped++;
  }
}

function nameOf({ namespace, service }: VirtualService): string {
  return `${namespace}/${service}`;
}
