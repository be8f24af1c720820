/**
 * The collector's k8s_cluster receiver: how many pods are wanted and there, what state they are in. Known,
 * so that nobody looks for a mistake; its rows of pods have neither addresses nor owners nor containers'
 * settings, so no observation comes of them. Its events on entities, which are log records, neither: their
 * scope has no name, an attribute says what they are.
 */
import type { LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { AttributeSlots } from "../attributes.ts";
import type {
  LogVocabulary,
  MetricPlan,
  MetricVocabulary,
  RecordAt,
  SourceGuide,
} from "../vocabulary.ts";

/** Those of pods and machines the kubelet's statistics share. */
const names =
  /^(?:k8s\.(?:pod|node|container|namespace|deployment|daemonset|statefulset|replicaset|replication_controller|job|cronjob|hpa|resource_quota|service|persistentvolume|persistentvolumeclaim|ingress)|openshift\.(?:appliedclusterquota|clusterquota))\b/;
const scopeEnding = "k8sclusterreceiver";
const eventType = "otel.entity.event.type";

export const guides: readonly SourceGuide[] = [
  {
    id: "k8s-cluster",
    title: "The collector's k8s_cluster receiver",
    switchOn: "Nothing: it is read where it is there, and the engine needs none of it.",
    gives: [],
    cannotTell:
      "Whose an address is, and whose pod is whose: its rows of pods have neither. " +
      "Objects or kube-state-metrics tell both.",
    reference:
      "open-telemetry/opentelemetry-collector-contrib: receiver/k8sclusterreceiver/documentation.md",
  },
];

export class K8sClusterMetrics implements MetricVocabulary {
  plan(name: string): MetricPlan | null {
    return names.test(name) ? { kind: "ignored" } : null;
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
