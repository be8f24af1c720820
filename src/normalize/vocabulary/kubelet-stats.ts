/**
 * The kubelet's own statistics, by the collector's kubeletstats receiver: how many bytes each pod has sent
 * and received, whoever in it and to whomever. It knows neither peers nor processes nor user ids.
 *
 * Not read: processor, memory and disks.
 */
import { maxNameLength, noPod } from "../names.ts";
import type {
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";

const vocabulary = "kubelet-stats";

const volume = "k8s.pod.network.io";
const others =
  /^(?:k8s\.(?:pod|node|container|volume)|container\.(?:cpu|memory|filesystem|uptime))\b/;

export const guides: readonly SourceGuide[] = [
  {
    id: "kubelet-stats",
    title: "The kubelet's statistics, by the collector's kubeletstats receiver",
    switchOn:
      "The receiver `kubeletstats` with the metric group `pod`, on every machine, with `k8s.cluster.name` set.",
    gives: [],
    cannotTell:
      "To whom the bytes of a pod went and which process sent them: they are a sum to hold against the " +
      "proxy's, and no rule holds them against it yet. It tells nothing of users.",
    reference:
      "open-telemetry/opentelemetry-collector-contrib: receiver/kubeletstatsreceiver/documentation.md",
  },
];

export class KubeletStats implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (name === volume) {
      return { kind: "points", vocabulary, observe: (point) => this.#observe(point) };
    }
    return others.test(name) ? { kind: "ignored" } : null;
  }

  /** The counter of one direction of one interface; where they are added up in between, of all. */
  #observe({ labels, resource, timeUs, context, value, isDelta }: PointAt): void {
    const { clusters, sources, batch, tally } = this.#workshop;
    // Increments, where a processor made them: their sum begins nowhere.
    if (isDelta) return tally.dropped(vocabulary, "not_ours_yet");
    const of = (name: string): string => (resource.pairs.get(name) ?? "").slice(0, maxNameLength);
    const [namespace, pod, podUid] = [
      of("k8s.namespace.name"),
      of("k8s.pod.name"),
      of("k8s.pod.uid"),
    ];
    const direction = labels.get("direction");
    const isKnown = direction === "transmit" || direction === "receive";
    if (namespace === "" || pod === "" || !isKnown) {
      return tally.dropped(vocabulary, "missing_field");
    }
    const cluster = clusters.nameOf(of("k8s.cluster.name"));
    batch.add({
      kind: "pod_volume",
      timeUs,
      nanos: 0,
      source: sources.nodeAgent(cluster, of("k8s.node.name")),
      trust: context.trust,
      pod: { ...noPod, cluster, namespace, pod, podUid },
      interface: (labels.get("interface") ?? "").slice(0, maxNameLength),
      bytesSent: direction === "transmit" ? value : -1,
      bytesReceived: direction === "receive" ? value : -1,
    });
  }
}
