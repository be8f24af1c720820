/**
 * Metrics of Cilium's Hubble, scraped: who asked whom for TCP connections, and requests that Cilium's own
 * proxy has read. They count flow events, not bytes, between whatever names the configuration chose.
 *
 * Not read: its other numbers. A flow event may be an answer, and none of them says so.
 */
import type {
  EdgePlan,
  MetricPlan,
  MetricVocabulary,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { countsPlan } from "./flow-counts.ts";

const vocabulary = "hubble-metrics";

export const guides: readonly SourceGuide[] = [
  {
    id: "hubble-metrics",
    title: "Hubble: metrics",
    switchOn:
      "Cilium's chart with `hubble.metrics.enabled` holding " +
      "`tcp:labelsContext=source_ip,source_namespace,source_pod,source_workload," +
      "destination_ip,destination_namespace,destination_pod,destination_workload`, and a scrape " +
      "of port 9965 of every machine. `sourceContext` and `destinationContext` do as well, with " +
      "`workload` or `ip`: a pod's name alone may be a workload's.",
    gives: ["workload_flows"],
    cannotTell:
      "Ports, bytes, source ports and times of connections, so that nothing here proves or " +
      "disproves a bypass: that needs Hubble's exported flows. Connections are counted at each " +
      "point that their packets pass.",
    reference: "https://docs.cilium.io/en/stable/observability/metrics/",
  },
];

const names = /^hubble_(\w+?)(?:_total)?$/;

export class HubbleMetrics implements MetricVocabulary {
  readonly #plans: ReadonlyMap<string, EdgePlan>;

  constructor(workshop: Workshop) {
    const opened = countsPlan(
      {
        vocabulary,
        measure: "connections_opened",
        protocol: "",
        counts: (labels) => labels.get("flag") === "SYN",
        isError: () => false,
      },
      workshop,
    );
    const requests = countsPlan(
      {
        vocabulary,
        measure: "requests",
        protocol: "http",
        // The same request at the client's machine is another one's word for it.
        counts: (labels) => labels.get("reporter") !== "client",
        isError: (labels) => /^5\d\d$/.test(labels.get("status") ?? ""),
      },
      workshop,
    );
    this.#plans = new Map([
      ["tcp_flags", opened],
      ["http_requests", requests],
    ]);
  }

  plan(name: string): MetricPlan | null {
    const [, short] = names.exec(name) ?? [];
    if (short === undefined) return null;
    return this.#plans.get(short) ?? { kind: "ignored" };
  }
}
