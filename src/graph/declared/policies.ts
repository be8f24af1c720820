/** Who may call whom by declaration: which policies select a workload, and what a namespace denies. */
import type {
  AuthorizationPolicyObject,
  LabelSelector,
  NetworkPolicyObject,
} from "../../model/objects.ts";
import { isWide, selectsAll, type Selected } from "./selectors.ts";

type Labels = Readonly<Record<string, string>>;

/** One attached to a Service or Gateway stands before workloads that are not looked up: maybe. */
export function authorizes(
  policy: Pick<AuthorizationPolicyObject, "selector" | "targetRefs">,
  pods: readonly Labels[],
): Selected {
  return policy.targetRefs.length > 0 ? "maybe" : selectsAll(policy.selector, pods);
}

export function governs(
  policy: { readonly podSelector: LabelSelector },
  pods: readonly Labels[],
): Selected {
  return selectsAll(policy.podSelector, pods);
}

export interface Denied {
  readonly ingress: boolean;
  readonly egress: boolean;
}

/**
 * Whether some policy denies every pod of the namespace all that is not let through by name: by none of
 * its own rules, or only some of them. One that lets everything through denies nothing.
 */
export function deniedByDefault(policies: readonly NetworkPolicyObject[]): Denied {
  const wide = policies.filter(({ podSelector }) => isWide(podSelector));
  return {
    ingress: isClosed(wide.filter(({ isIngress }) => isIngress).map((one) => one.ingressOpen)),
    egress: isClosed(wide.filter(({ isEgress }) => isEgress).map((one) => one.egressOpen)),
  };
}

/** By whether each policy that governs a direction is open in it. */
function isClosed(governing: readonly (true | undefined)[]): boolean {
  return governing.length > 0 && !governing.includes(true);
}
