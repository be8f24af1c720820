/** A Kubernetes NetworkPolicy: whom it selects, and whether it lets anything through. */
import type { NetworkPolicyObject } from "../../model/objects.ts";
import { field, listField, textField, textList, type Json } from "../json.ts";
import { readSelector, readSpec, specOf, type ObjectAt } from "./object-metadata.ts";

const maxRules = 10_000;

export function readNetworkPolicy({ object, metadata, tally }: ObjectAt): NetworkPolicyObject {
  const spec = specOf(object);
  const types = textList(spec, "policyTypes", 4);
  const ingress = listField(spec, "ingress", maxRules);
  const egress = listField(spec, "egress", maxRules);
  // Without types a policy governs what comes in, and what goes out only if it has rules for it.
  const isUntyped = types.length === 0;
  return {
    type: "network_policy",
    ...metadata,
    podSelector: readSelector(field(spec, "podSelector")),
    isIngress: isUntyped || types.includes("Ingress"),
    isEgress: isUntyped ? egress.length > 0 : types.includes("Egress"),
    ingressRules: ingress.length,
    egressRules: egress.length,
    ...(ingress.some((rule) => isOpen(rule, "from")) ? { ingressOpen: true } : {}),
    ...(egress.some((rule) => isOpen(rule, "to")) ? { egressOpen: true } : {}),
    ...readSpec(spec, tally),
  };
}

const everywhere: ReadonlySet<string> = new Set(["0.0.0.0/0", "::/0"]);

/** A rule without ports lets every port through, one without peers everybody. */
function isOpen(rule: Json, peersName: "from" | "to"): boolean {
  if (listField(rule, "ports", 1).length > 0) return false;
  const peers = listField(rule, peersName, maxRules);
  return peers.length === 0 || peers.some((peer) => isEverybody(field(peer, "ipBlock")));
}

function isEverybody(block: Json): boolean {
  return everywhere.has(textField(block, "cidr")) && listField(block, "except", 1).length === 0;
}
