/**
 * How many pods the mesh's own programs are to have, and how many are available, as metrics about the
 * cluster's objects tell it: kube-state-metrics and the collector's k8s_cluster receiver. They name a
 * workload and no labels, so that the name alone says what it may be; that anybody may take such a name,
 * the graph knows.
 */
import type { ComponentSample } from "../../model/observations.ts";
import { isBadName } from "./kube-state-labels.ts";

/** What one metric says of one kind of workload. */
export interface ReplicaReading {
  readonly workload: "deployment" | "daemonset";
  readonly metric: "desired" | "available";
}

/** Where and when, by whom; the rest of the sample comes of the reading. */
type Told = Pick<
  ComponentSample,
  "timeUs" | "source" | "trust" | "cluster" | "namespace" | "value"
> & { readonly name: string };

/** Null for every workload that is none of the mesh's programs by its name. */
export function replicaSample(
  { workload, metric }: ReplicaReading,
  { name, namespace, cluster, timeUs, source, trust, value }: Told,
): ComponentSample | null {
  const component = programOf(workload, name);
  if (component === null || isBadName(namespace)) return null;
  return {
    kind: "component_sample",
    timeUs,
    nanos: 0,
    source,
    trust,
    cluster,
    namespace,
    component,
    instance: name,
    version: "",
    metric,
    series: "",
    value,
    counts: "replicas",
  };
}

/** Each revision of istiod is a workload of its own. */
function programOf(
  workload: ReplicaReading["workload"],
  name: string,
): ComponentSample["component"] | null {
  if (workload === "deployment") {
    return name === "istiod" || name.startsWith("istiod-") ? "istiod" : null;
  }
  if (name === "istio-cni-node") return "istio-cni";
  return name === "ztunnel" ? "ztunnel" : null;
}
