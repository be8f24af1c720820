/**
 * Virtual (Service) addresses and the endpoints behind them, learned from what proxies log of calls they
 * routed: the address the application dialled and the host the proxy chose. It resolves no pods.
 */
import type { ProxyLeg } from "../model/observations.ts";

export interface VirtualService {
  readonly service: string;
  readonly namespace: string;
}

const addressesMax = 10_000;
const endpointsMax = 256;
const noEndpoints: readonly string[] = [];

export class VirtualAddresses {
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
    const endpoint = `${leg.upstreamHostIp}:${leg.upstreamHostPort}`;
    this.#learnEndpoint(`${address}:${leg.downstreamLocalPort}`, endpoint);
  }

  endpointsOf(cluster: string, ip: string, port: number): readonly string[] {
    return this.#endpoints.get(`${cluster}|${ip}:${port}`) ?? noEndpoints;
  }

  serviceOf(cluster: string, ip: string): VirtualService | undefined {
    return this.#services.get(`${cluster}|${ip}`);
  }

  /** Addresses (`cluster|ip`) that now stand for a service, or for another. */
  takeChanged(): string[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
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
