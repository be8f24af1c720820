/**
 * Whose metrics a scrape brought: the proxy's pod. Target labels may stand on the point (`pod`,
 * `namespace`; `exported_…` when a federated label had to make room) or on the resource (`k8s.…`).
 * The resource's `service.name` is the scrape job and never a workload.
 */
import type { Pairs, Resource } from "../resources.ts";

export interface ScrapedProxy {
  readonly cluster: string;
  readonly namespace: string;
  /** The pod; where no label names it, job and address of the target. */
  readonly pod: string;
  readonly isZtunnel: boolean;
}

const maxLength = 253;

function first(...texts: readonly (string | undefined)[]): string {
  return (texts.find((text) => text !== undefined) ?? "").slice(0, maxLength);
}

export function scrapedProxy(labels: Pairs, resource: Resource): ScrapedProxy {
  const { pairs } = resource;
  const pod = first(
    labels.get("exported_pod"),
    labels.get("pod"),
    labels.get("pod_name"),
    pairs.get("k8s.pod.name"),
  );
  const namespace = first(
    labels.get("exported_namespace"),
    labels.get("namespace"),
    pairs.get("k8s.namespace.name"),
  );
  const job = pairs.get("service.name") ?? "";
  const instance = pairs.get("service.instance.id");
  return {
    cluster: first(pairs.get("k8s.cluster.name")),
    namespace: pod === "" ? "" : namespace,
    pod: pod || (instance ? first(`${job}/${instance}`) : ""),
    isZtunnel:
      job.includes("ztunnel") ||
      pod.startsWith("ztunnel-") ||
      labels.get("app") === "ztunnel" ||
      pairs.get("k8s.daemonset.name") === "ztunnel",
  };
}
