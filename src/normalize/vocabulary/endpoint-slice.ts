/** A Kubernetes EndpointSlice: the addresses and ports that stand behind a Service. */
import { canonicalIp } from "../../lib/ip.ts";
import type { EndpointSliceObject } from "../../model/objects.ts";
import { field, type Json, portOf, textField, textList } from "../json.ts";
import { boundedList, type ObjectAt } from "./object-metadata.ts";
import { transportOf } from "./object-ports.ts";

/** Kubernetes' own maximum; a slice has 100 unless somebody changed that. */
const maxEndpoints = 1_000;
const maxPorts = 100;
/** A slice has one address family and one address per endpoint; more are let in, but not many. */
const maxAddresses = 8;
const serviceLabel = "kubernetes.io/service-name";

export function readEndpointSlice({ object, metadata, tally }: ObjectAt): EndpointSliceObject {
  return {
    type: "endpoint_slice",
    ...metadata,
    service: metadata.labels[serviceLabel] ?? "",
    ports: boundedList(object, "ports", maxPorts, tally).map((port) => ({
      name: textField(port, "name"),
      transport: transportOf(port),
      port: portOf(field(port, "port")),
    })),
    endpoints: boundedList(object, "endpoints", maxEndpoints, tally)
      .map(readEndpoint)
      .filter(({ addresses }) => addresses.length > 0),
  };
}

function readEndpoint(value: Json): EndpointSliceObject["endpoints"][number] {
  const target = field(value, "targetRef");
  const isPod = textField(target, "kind") === "Pod";
  const addresses = textList(value, "addresses", maxAddresses).map(canonicalIp);
  const ready = field(field(value, "conditions"), "ready");
  return {
    addresses: addresses.filter((ip) => ip !== ""),
    podNamespace: isPod ? textField(target, "namespace") : "",
    podName: isPod ? textField(target, "name") : "",
    podUid: isPod ? textField(target, "uid") : "",
    // Unset means unknown, which Kubernetes asks consumers to take for ready.
    isReady: ready !== false && ready !== "false",
  };
}
