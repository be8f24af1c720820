/** A Kubernetes Node: which addresses are the machine's own, so that none of them is anybody unknown. */
import { canonicalIp } from "../../lib/ip.ts";
import type { NodeObject } from "../../model/objects.ts";
import { field, listField, textField } from "../json.ts";
import type { ObjectAt } from "./object-metadata.ts";

const maxAddresses = 32;

export function readNode({ object, metadata }: ObjectAt): NodeObject {
  const { uid, namespace, name } = metadata;
  const listed = listField(field(object, "status"), "addresses", maxAddresses);
  const ips = listed.map((item) => canonicalIp(textField(item, "address")));
  const addresses = [...new Set(ips.filter((ip) => ip !== ""))];
  return { type: "node", uid, namespace, name, labels: {}, annotations: {}, addresses };
}
