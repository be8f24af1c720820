/**
 * Virtual addresses as Services and EndpointSlices declare them: which Service an address stands for,
 * and which pods' addresses and ports are behind one of its ports, at a time. A Service's port leads to
 * the slices' ports of the same name. It judges nothing and keeps no history of its own: objects do.
 */
import type { HostPort } from "../lib/ip.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import type { ObjectRecord } from "./objects.ts";
import { endKey } from "./orientation.ts";
import { hostPort } from "./sockets.ts";

export interface VirtualService {
  readonly service: string;
  readonly namespace: string;
}

interface Service {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** Null while only slices of it are known. */
  record: ObjectRecord | null;
  readonly slices: Set<ObjectRecord>;
}

/** A list may be told only this often: so long before its first sighting an endpoint may have been one. */
const beforeUs = 10 * usPerMinute;
/** Connections to an endpoint that has just left, and words that come late. */
const afterUs = usPerMinute;

export class ServiceAddresses {
  readonly #services = new Map<string, Service>();
  /** `cluster|ip` to the Services that have, or had, the address. */
  readonly #byAddress = new Map<string, Set<Service>>();
  /** `cluster|ip` of endpoints to the Services that they are, or were, behind. */
  readonly #byEndpoint = new Map<string, Set<Service>>();
  readonly #changedAddresses = new Set<string>();
  readonly #changedEnds = new Set<string>();

  /** Takes in what the table of objects has taken in; other types are passed over. */
  changed(record: ObjectRecord): void {
    const { object } = record;
    if (object.type === "service") this.#serviceChanged(record, object.name);
    else if (object.type === "endpoint_slice" && object.service !== "") {
      this.#sliceChanged(record, object.service);
    }
  }

  /** Addresses (`cluster|ip`) that may stand for another Service than before. */
  takeChangedAddresses(): readonly string[] {
    return take(this.#changedAddresses);
  }

  /** Virtual addresses behind which this one (`cluster|ip`) is, or was. */
  virtualAddressesOf(endpoint: string): readonly string[] {
    const services = this.#byEndpoint.get(endpoint);
    if (!services) return [];
    return [...services].flatMap(({ cluster, record }) =>
      [...(record?.holdings?.items ?? [])].map((ip) => addressKey(cluster, ip)),
    );
  }

  /** Virtual ends (cluster, address and port as `endKey`) behind which may be others than before. */
  takeChangedEnds(): readonly string[] {
    return take(this.#changedEnds);
  }

  serviceOf(cluster: string, ip: string, atUs: Us): VirtualService | undefined {
    const service = this.#serviceAt(cluster, ip, atUs);
    return service && { service: service.name, namespace: service.namespace };
  }

  /** Endpoints as `ip:port`: those of that time, or else of about that time; of any without a time. */
  endpointsOf(cluster: string, ip: string, port: number, atUs?: Us): readonly string[] {
    if (atUs === undefined) {
      const all = this.#byAddress.get(addressKey(cluster, ip)) ?? [];
      return [...all].flatMap((service) => endpointsEver(service, port));
    }
    const service = this.#serviceAt(cluster, ip, atUs);
    const ends = service ? endpointsAt(service, atUs, portsBehind(service, port)) : [];
    return ends.map((end) => hostPort(end.ip, end.port));
  }

  /**
   * The same as addresses and ports, and also what metrics tell, which do not say which port leads where:
   * enough to name a destination, and not to judge a connection by.
   */
  ends(cluster: string, ip: string, port: number, atUs: Us): readonly HostPort[] {
    const service = this.#serviceAt(cluster, ip, atUs);
    if (!service) return [];
    const isInventory = service.record?.isInventory ?? false;
    return endpointsAt(service, atUs, isInventory ? onlyPort : portsBehind(service, port));
  }

  /** Whether the endpoint may have been behind the virtual end then. */
  isEndpoint(
    cluster: string,
    ip: string,
    port: number,
    endpointIp: string,
    endpointPort: number,
    atUs: Us,
  ): boolean {
    for (const service of this.#byAddress.get(addressKey(cluster, ip)) ?? []) {
      if (!isHeld(service.record, ip, atUs)) continue;
      if (hasEndpoint(service, port, endpointIp, endpointPort, atUs)) return true;
    }
    return false;
  }

  /** Whether the Service and what is behind it have been told. */
  isResolved(cluster: string, namespace: string, name: string): boolean {
    const service = this.#services.get(serviceKey(cluster, namespace, name));
    return service !== undefined && service.record !== null && service.slices.size > 0;
  }

  /** Whether an address and port are those of a Service, by its virtual address or behind it. */
  isOfService(
    cluster: string,
    namespace: string,
    name: string,
    port: number,
    ip: string,
    ipPort: number,
    atUs: Us,
  ): boolean {
    const service = this.#services.get(serviceKey(cluster, namespace, name));
    if (!service) return false;
    if (ipPort === port && isHeld(service.record, ip, atUs)) return true;
    return hasEndpoint(service, port, ip, ipPort, atUs);
  }

  /** The one port of its pods that the Service's port leads to; 0 when none or several are known. */
  targetPort(cluster: string, namespace: string, name: string, port: number): number {
    const service = this.#services.get(serviceKey(cluster, namespace, name));
    const targets = new Set<number>();
    for (const slice of service?.slices ?? []) {
      if (service && !slice.isGone) {
        for (const target of targetPorts(service, slice, port)) targets.add(target);
      }
    }
    const [only = 0] = targets;
    return targets.size === 1 ? only : 0;
  }

  #serviceChanged(record: ObjectRecord, name: string): void {
    const service = this.#service(record, name);
    const addresses = [...(record.holdings?.items ?? [])];
    service.record = record.isForgotten ? null : record;
    for (const ip of addresses) {
      index(this.#byAddress, addressKey(record.cluster, ip), service, !record.isForgotten);
      this.#changedAddresses.add(addressKey(record.cluster, ip));
    }
    this.#endsChange(service, record);
    this.#dropIfEmpty(service);
  }

  #sliceChanged(record: ObjectRecord, name: string): void {
    const service = this.#service(record, name);
    if (record.isForgotten) service.slices.delete(record);
    else service.slices.add(record);
    this.#indexEndpoints(service, record, !record.isForgotten);
    // Another slice may have had the same endpoints.
    if (record.isForgotten) {
      for (const slice of service.slices) this.#indexEndpoints(service, slice, true);
    }
    this.#endsChange(service, service.record);
    this.#dropIfEmpty(service);
  }

  #indexEndpoints(service: Service, slice: ObjectRecord, isThere: boolean): void {
    for (const ip of slice.holdings?.items ?? []) {
      index(this.#byEndpoint, addressKey(slice.cluster, ip), service, isThere);
    }
  }

  #endsChange({ cluster }: Service, record: ObjectRecord | null): void {
    if (record?.object.type !== "service") return;
    for (const ip of record.holdings?.items ?? []) {
      for (const { port } of record.object.ports) {
        this.#changedEnds.add(endKey(cluster, ip, port));
      }
      this.#changedAddresses.add(addressKey(cluster, ip));
    }
  }

  #service({ cluster, object: { namespace } }: ObjectRecord, name: string): Service {
    const key = serviceKey(cluster, namespace, name);
    let service = this.#services.get(key);
    if (!service) {
      service = { cluster, namespace, name, record: null, slices: new Set() };
      this.#services.set(key, service);
    }
    return service;
  }

  #dropIfEmpty({ cluster, namespace, name, record, slices }: Service): void {
    if (!record && slices.size === 0) this.#services.delete(serviceKey(cluster, namespace, name));
  }

  /** Of several that had the address, the one that got it last before that time. */
  #serviceAt(cluster: string, ip: string, atUs: Us): Service | undefined {
    let best: Service | undefined;
    for (const service of this.#byAddress.get(addressKey(cluster, ip)) ?? []) {
      if (!isHeld(service.record, ip, atUs)) continue;
      if (!best || isBetter(service, best, ip, atUs)) best = service;
    }
    return best;
  }
}

function addressKey(cluster: string, ip: string): string {
  return `${cluster}|${ip}`;
}

function serviceKey(cluster: string, namespace: string, name: string): string {
  return `${cluster}/${namespace}/${name}`;
}

function index(
  map: Map<string, Set<Service>>,
  key: string,
  service: Service,
  isThere: boolean,
): void {
  const services = map.get(key) ?? new Set();
  if (isThere) services.add(service);
  else services.delete(service);
  if (services.size > 0) map.set(key, services);
  else map.delete(key);
}

function take(set: Set<string>): readonly string[] {
  if (set.size === 0) return [];
  const all = [...set];
  set.clear();
  return all;
}

function isHeld(record: ObjectRecord | null, ip: string, atUs: Us): boolean {
  return record?.holdings?.isHeld(ip, atUs, beforeUs, afterUs) ?? false;
}

function isBetter(one: Service, other: Service, ip: string, atUs: Us): boolean {
  const [mine, theirs] = [one, other].map(({ record }) => record?.holdings?.firstUs(ip) ?? 0);
  const [isMineOpen, isTheirsOpen] = [(mine ?? 0) <= atUs, (theirs ?? 0) <= atUs];
  if (isMineOpen !== isTheirsOpen) return isMineOpen;
  if (mine !== theirs) return (mine ?? 0) > (theirs ?? 0);
  return serviceKey("", one.namespace, one.name) < serviceKey("", other.namespace, other.name);
}

type PortsOf = (slice: ObjectRecord) => readonly number[];

const portsBehind =
  (service: Service, port: number): PortsOf =>
  (slice) =>
    targetPorts(service, slice, port);

/** Where one port is behind a Service, all of its ports lead there. */
function onlyPort({ object, isInventory }: ObjectRecord): readonly number[] {
  const ports = object.type === "endpoint_slice" && isInventory ? object.ports : [];
  const [only, second] = ports.filter(({ transport }) => transport === "tcp");
  return only && !second ? [only.port] : [];
}

function endpointsAt(service: Service, atUs: Us, portsOf: PortsOf): readonly HostPort[] {
  const certain: HostPort[] = [];
  const possible: HostPort[] = [];
  for (const slice of service.slices) {
    const { holdings } = slice;
    const targets = holdings ? portsOf(slice) : [];
    if (!holdings || targets.length === 0) continue;
    for (const ip of holdings.items) {
      if (!holdings.isHeld(ip, atUs, beforeUs, afterUs)) continue;
      const list = holdings.isHeld(ip, atUs, 0, 0) ? certain : possible;
      for (const target of targets) list.push({ ip, port: target });
    }
  }
  return certain.length > 0 ? certain : possible;
}

function endpointsEver(service: Service, port: number): readonly string[] {
  return [...service.slices].flatMap((slice) =>
    targetPorts(service, slice, port).flatMap((target) =>
      [...(slice.holdings?.items ?? [])].map((ip) => hostPort(ip, target)),
    ),
  );
}

function hasEndpoint(
  service: Service,
  port: number,
  ip: string,
  ipPort: number,
  atUs: Us,
): boolean {
  for (const slice of service.slices) {
    if (!slice.holdings?.isHeld(ip, atUs, beforeUs, afterUs)) continue;
    if (targetPorts(service, slice, port).includes(ipPort)) return true;
  }
  return false;
}

/**
 * A slice's ports that stand behind the Service's: of the same name, and TCP, which alone is captured. Of
 * what metrics tell none, since they name no port of a Service.
 */
function targetPorts(service: Service, slice: ObjectRecord, port: number): readonly number[] {
  const declared = service.record?.object;
  if (declared?.type !== "service" || slice.object.type !== "endpoint_slice") return [];
  if (slice.isInventory) return [];
  const own = declared.ports.find((one) => one.port === port && one.transport === "tcp");
  if (!own) return [];
  return slice.object.ports
    .filter(({ name, transport }) => name === own.name && transport === "tcp")
    .map((target) => target.port || own.targetPort);
}
