/**
 * How many pods a program of the mesh is to have and how many are available, as the cluster tells. A
 * workload's name alone makes it none of the mesh's: where anybody may make one, it counts for nothing.
 */
import type { ComponentSample } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { lastOf, type ComponentSeries } from "./component-series.ts";

/** Where a cluster's operator puts programs of his own, among them the CNI agent: nobody else may. */
const systemNamespace = "kube-system";

/** What is known of the workload's pods. */
export interface Replicas {
  readonly desired: number;
  readonly available: number;
  /** Up to when both numbers are told. */
  readonly untilUs: Us;
}

export const isReplicas = ({ counts }: Pick<ComponentSample, "counts">): boolean =>
  counts === "replicas";

/** Whether a workload there is the mesh's, if its name says so. */
export function isOfMesh({ namespace }: ComponentSample, meshNamespaces: readonly string[]) {
  return namespace === systemNamespace || meshNamespaces.includes(namespace);
}

/** Null while one of the two numbers has not been told: alone it says nothing. */
export function replicasOf(all: Iterable<ComponentSeries>): Replicas | null {
  const told = new Map([...all].map((series) => [series.metric, lastOf(series)]));
  const [desired, available] = [told.get("desired"), told.get("available")];
  if (!desired || !available) return null;
  return {
    desired: Math.floor(desired.value),
    available: Math.floor(available.value),
    untilUs: Math.min(desired.timeUs, available.timeUs),
  };
}
