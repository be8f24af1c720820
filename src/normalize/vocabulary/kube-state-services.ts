/**
 * Services and what stands behind them, as kube-state-metrics tells: a Service's virtual address in one
 * point, each address and each port of its endpoints in points of their own. Those of one slice that one
 * request has are one observation. Which port of a Service leads to which port behind it no metric tells,
 * and whose a slice is only its name, which Kubernetes' controller makes of the Service's.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { EndpointSliceObject, ServiceObject } from "../../model/objects.ts";
import { portOf } from "../json.ts";
import type { Pairs } from "../resources.ts";
import { named, ownLabel } from "./kube-state-labels.ts";

/** As of a slice that comes as an object. */
const maxEndpoints = 1_000;
const maxPorts = 100;
const sliceSuffix = /^(.+)-[a-z0-9]{5}$/;

/** Null: headless, or it names none. */
export function serviceOf(pairs: Pairs): ServiceObject | null {
  const name = ownLabel(pairs, "service");
  if (name === "") return null;
  const address = canonicalIp(ownLabel(pairs, "cluster_ip"));
  return {
    type: "service",
    ...named(name, ownLabel(pairs, "namespace")),
    clusterIps: address === "" ? [] : [address],
    externalName: ownLabel(pairs, "external_name"),
    selector: {},
    ports: [],
  };
}

type Endpoint = EndpointSliceObject["endpoints"][number];
type Port = EndpointSliceObject["ports"][number];

/** A slice to which the points of one request add. */
export class GrowingSlice {
  readonly object: EndpointSliceObject;
  readonly #endpoints: Endpoint[] = [];
  readonly #ports: Port[] = [];
  readonly #known = new Set<string>();

  constructor(name: string, namespace: string, service: string) {
    this.object = {
      type: "endpoint_slice",
      ...named(name, namespace),
      service,
      ports: this.#ports,
      endpoints: this.#endpoints,
    };
  }

  /** False: it is full. */
  add({ endpoint, port }: SlicePart): boolean {
    return (
      this.#add(this.#endpoints, endpoint, endpoint?.addresses[0] ?? "", maxEndpoints) &&
      this.#add(this.#ports, port, `${port?.transport}/${port?.port}/${port?.name}`, maxPorts)
    );
  }

  #add<Part>(list: Part[], part: Part | null, key: string, most: number): boolean {
    if (part === null || this.#known.has(key)) return true;
    if (list.length >= most) return false;
    this.#known.add(key);
    list.push(part);
    return true;
  }
}

/** What one point says of a slice. */
export interface SlicePart {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly endpoint: Endpoint | null;
  readonly port: Port | null;
}

/** Of `kube_endpoint_…`, whose object has the Service's name. Null: it says nothing. */
export function endpointsPart(pairs: Pairs): SlicePart | null {
  const name = ownLabel(pairs, "endpoint");
  return readPart(pairs, name, name, "ip");
}

/** Of `kube_endpointslice_…`. Null: it says nothing, or its name tells no Service. */
export function slicePart(pairs: Pairs): SlicePart | null {
  const name = ownLabel(pairs, "endpointslice");
  return readPart(pairs, name, sliceSuffix.exec(name)?.[1] ?? "", "address");
}

function readPart(pairs: Pairs, name: string, service: string, address: string): SlicePart | null {
  const endpoint = endpointOf(pairs, address);
  const port = portOfPoint(pairs);
  if (service === "" || (endpoint === null && port === null)) return null;
  return { name, namespace: ownLabel(pairs, "namespace"), service, endpoint, port };
}

function endpointOf(pairs: Pairs, label: string): Endpoint | null {
  const address = canonicalIp(ownLabel(pairs, label));
  if (address === "") return null;
  const isPod = ownLabel(pairs, "targetref_kind") === "Pod";
  return {
    addresses: [address],
    podNamespace: isPod ? ownLabel(pairs, "targetref_namespace") : "",
    podName: isPod ? ownLabel(pairs, "targetref_name") : "",
    podUid: "",
    isReady: ownLabel(pairs, "ready") !== "false",
  };
}

function portOfPoint(pairs: Pairs): Port | null {
  const port = portOf(ownLabel(pairs, "port_number"));
  if (port === 0) return null;
  const protocol = ownLabel(pairs, "port_protocol");
  const transport =
    protocol === "" || protocol === "TCP" ? "tcp" : protocol === "UDP" ? "udp" : "other";
  return { name: ownLabel(pairs, "port_name"), transport, port };
}
