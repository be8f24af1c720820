/** A Kubernetes Service: its virtual addresses and which port of theirs leads to which of its pods'. */
import { canonicalIp } from "../../lib/ip.ts";
import type { ServiceObject } from "../../model/objects.ts";
import { field, intOf, type Json, portOf, textField, textList, textMap } from "../json.ts";
import { boundedList, specOf, type ObjectAt } from "./object-metadata.ts";
import { transportOf } from "./object-ports.ts";

const maxPorts = 256;

export function readService({ object, metadata, tally }: ObjectAt): ServiceObject {
  const spec = specOf(object);
  const ips = [textField(spec, "clusterIP"), ...textList(spec, "clusterIPs", 4)];
  return {
    type: "service",
    ...metadata,
    clusterIps: [...new Set(ips.map(canonicalIp).filter((ip) => ip !== ""))],
    externalName: textField(spec, "externalName"),
    selector: textMap(spec, "selector", 64, 512),
    ports: boundedList(spec, "ports", maxPorts, tally)
      .map(readPort)
      .filter(({ port }) => port > 0),
  };
}

function readPort(value: Json): ServiceObject["ports"][number] {
  const port = portOf(field(value, "port"));
  const target = field(value, "targetPort");
  // Left out it is the port itself; a text that is no number is the name of a container's port.
  const isNamed = typeof target === "string" && intOf(target) < 0 && target !== "";
  return {
    name: textField(value, "name"),
    transport: transportOf(value),
    port,
    targetPort: isNamed ? 0 : portOf(target) || port,
    targetPortName: isNamed ? textField(value, "targetPort") : "",
  };
}
