/** A Kubernetes NetworkPolicy: whom it selects, and whether it lets anything through. */
import type { NetworkPolicyObject } from "../../model/objects.ts";
import { field, listField, textList } from "../json.ts";
import { readSelector, readSpec, specOf, type ObjectAt } from "./object-metadata.ts";

const maxRules = 10_000;

export function readNetworkPolicy({ object, metadata, tally }: ObjectAt): NetworkPolicyObject {
  const spec = specOf(object);
  const types = textList(spec, "policyTypes", 4);
  const egressRules = listField(spec, "egress", maxRules).length;
  // Without types a policy governs what comes in, and what goes out only if it has rules for it.
  const isUntyped = types.length === 0;
  return {
    type: "network_policy",
    ...metadata,
    podSelector: readSelector(field(spec, "podSelector")),
    isIngress: isUntyped || types.includes("Ingress"),
    isEgress: isUntyped ? egressRules > 0 : types.includes("Egress"),
    ingressRules: listField(spec, "ingress", maxRules).length,
    egressRules,
    ...readSpec(spec, tally),
  };
}
