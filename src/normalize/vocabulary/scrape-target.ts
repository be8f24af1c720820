/**
 * Whose metrics a scrape brought: the proxy's pod. Target labels may stand on the point (`pod`, `namespace`
 * or what the scrape's configuration calls them; `exported_…` when a federated label had to make room) or
 * on the resource (`k8s.…`), and a path may write dots as underscores. The resource's `service.name` is the
 * scrape job and never a workload; of a federated scrape it is the job that scrapes the other Prometheus.
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

/** Best first: what was renamed is what the scraped program's own target was called. */
const podLabels = [
  "exported_pod",
  "pod",
  "pod_name",
  "kubernetes_pod_name",
  "k8s.pod.name",
  "k8s_pod_name",
] as const;
const namespaceLabels = [
  "exported_namespace",
  "namespace",
  "kubernetes_namespace",
  "k8s.namespace.name",
  "k8s_namespace_name",
] as const;
const clusterLabels = ["k8s.cluster.name", "k8s_cluster_name"] as const;

function first(text: string | undefined): string {
  return (text ?? "").slice(0, maxLength);
}

function firstOf(names: readonly string[], labels: Pairs): string {
  for (const name of names) {
    const text = labels.get(name);
    if (text !== undefined) return first(text);
  }
  return "";
}

export function scrapedProxy(labels: Pairs, resource: Resource): ScrapedProxy {
  const { pairs } = resource;
  const pod = firstOf(podLabels, labels) || first(pairs.get("k8s.pod.name"));
  const namespace = firstOf(namespaceLabels, labels) || first(pairs.get("k8s.namespace.name"));
  const job = labels.get("exported_job") ?? pairs.get("service.name") ?? "";
  const instance = labels.get("exported_instance") ?? pairs.get("service.instance.id");
  return {
    cluster: firstOf(clusterLabels, labels) || first(pairs.get("k8s.cluster.name")),
    namespace: pod === "" ? "" : namespace,
    pod: pod || (instance ? first(`${job}/${instance}`) : ""),
    isZtunnel:
      job.includes("ztunnel") ||
      pod.startsWith("ztunnel-") ||
      labels.get("app") === "ztunnel" ||
      pairs.get("k8s.daemonset.name") === "ztunnel",
  };
}
