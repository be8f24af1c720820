/**
 * The collector's k8s_cluster receiver: how many pods are wanted and there, what state they are in. Of the
 * mesh's own programs it tells how many of their pods are available. The rest is known, so that nobody looks
 * for a mistake; its rows of pods have neither addresses nor owners nor containers' settings, so no
 * observation comes of them. Its events on entities, which are log records, neither: their
 * scope has no name, an attribute says what they are.
 */
import type { LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { AttributeSlots } from "../attributes.ts";
import { maxNameLength } from "../names.ts";
import type {
  LogVocabulary,
  MetricPlan,
  MetricVocabulary,
  PointAt,
  RecordAt,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { replicaSample, type ReplicaReading } from "./component-replicas.ts";

const vocabulary = "k8s-cluster";

/** Those of pods and machines the kubelet's statistics share. */
const names =
  /^(?:k8s\.(?:pod|node|container|namespace|deployment|daemonset|statefulset|replicaset|replication_controller|job|cronjob|hpa|resource_quota|service|persistentvolume|persistentvolumeclaim|ingress)|openshift\.(?:appliedclusterquota|clusterquota))\b/;
/** It counts no available pods of a DaemonSet, only ready ones. */
const replicaMetrics: ReadonlyMap<string, ReplicaReading> = new Map([
  ["k8s.deployment.desired", { workload: "deployment", metric: "desired" }],
  ["k8s.deployment.available", { workload: "deployment", metric: "available" }],
  ["k8s.daemonset.desired_scheduled_nodes", { workload: "daemonset", metric: "desired" }],
  ["k8s.daemonset.ready_nodes", { workload: "daemonset", metric: "available" }],
]);
const scopeEnding = "k8sclusterreceiver";
const eventType = "otel.entity.event.type";

export const guides: readonly SourceGuide[] = [
  {
    id: "k8s-cluster",
    title: "The collector's k8s_cluster receiver",
    switchOn:
      "The receiver `k8s_cluster` on one collector, with `k8s.cluster.name` set; the engine uses of it how many " +
      "pods of istiod, ztunnel and Istio's CNI agent are available.",
    gives: [],
    cannotTell:
      "Whose an address is, and whose pod is whose: its rows of pods have neither. " +
      "Objects or kube-state-metrics tell both.",
    reference:
      "open-telemetry/opentelemetry-collector-contrib: receiver/k8sclusterreceiver/documentation.md",
  },
];

export class K8sClusterMetrics implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    const reading = replicaMetrics.get(name);
    if (reading) {
      return { kind: "points", vocabulary, observe: (point) => this.#replicas(point, reading) };
    }
    return names.test(name) ? { kind: "ignored" } : null;
  }

  #replicas({ resource, timeUs, context, value }: PointAt, reading: ReplicaReading): void {
    const { clusters, sources, batch, tally } = this.#workshop;
    const of = (name: string): string => (resource.pairs.get(name) ?? "").slice(0, maxNameLength);
    const name = of(`k8s.${reading.workload}.name`);
    const namespace = of("k8s.namespace.name");
    if (name === "" || namespace === "") return tally.dropped(vocabulary, "missing_field");
    const cluster = clusters.nameOf(of("k8s.cluster.name"));
    // Not alive as an inventory: it lists no pods.
    const source = sources.inventory(cluster);
    const { trust } = context;
    const told = { timeUs, source, trust, cluster, namespace, name, value };
    const sample = replicaSample(reading, told);
    if (sample) batch.add(sample);
  }
}

export class EntityEvents implements LogVocabulary {
  readonly #slots: AttributeSlots;

  constructor(interner: TextInterner) {
    this.#slots = new AttributeSlots([eventType], interner);
  }

  read({ view, index, scope }: RecordAt<LogsView>): boolean {
    if (scope !== "") return scope.endsWith(scopeEnding);
    const { records, bytes, attributes } = view;
    this.#slots.read(bytes, attributes, records.attrStart[index] ?? 0, records.attrEnd[index] ?? 0);
    return this.#slots.has(eventType);
  }
}
