/**
 * Microsoft's Retina with its own metrics (`networkobservability_`), scraped: gauges that hold totals. Of
 * the pod-level ones, which pods asked which for TCP connections. In its Hubble mode it speaks as Hubble.
 *
 * Not read: its other numbers. Packets and bytes go both ways between two pods, and no label says which of
 * them are answers; what is counted by machine names nobody.
 */
import type {
  EdgePlan,
  MetricPlan,
  MetricVocabulary,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { countsPlan } from "./flow-counts.ts";

const vocabulary = "retina";

export const guides: readonly SourceGuide[] = [
  {
    id: "retina",
    title: "Retina",
    switchOn:
      "Retina in advanced mode with remote context (`enablePodLevel: true`, " +
      "`remoteContext: true`) and the plugin `packetparser`, its `MetricsConfiguration` with " +
      "`tcp_flag_gauges` and the labels `ip`, `namespace`, `podname` and `workload` for both " +
      "ends, and a scrape of port 10093 of every machine.",
    gives: ["workload_flows"],
    cannotTell:
      "Ports, source ports and times of connections, so that nothing here proves or disproves " +
      "a bypass. With local context the other end is not named. Connections are counted at " +
      "each point that their packets pass.",
    reference: "microsoft/retina: docs/03-Metrics/modes/advanced.md",
  },
];

const prefix = "networkobservability_";

export class Retina implements MetricVocabulary {
  readonly #opened: EdgePlan;

  constructor(workshop: Workshop) {
    this.#opened = countsPlan(
      {
        vocabulary,
        measure: "connections_opened",
        protocol: "",
        counts: (labels) => labels.get("flag") === "SYN",
        isError: () => false,
      },
      workshop,
    );
  }

  plan(name: string): MetricPlan | null {
    if (!name.startsWith(prefix)) return null;
    return name === `${prefix}adv_tcpflags_count` ? this.#opened : { kind: "ignored" };
  }
}
