/**
 * OpenTelemetry's network collector (kernel collector and reducer): bytes between two ends within the last
 * half minute, with the process that talked. It resolves address translation itself, so where a process of
 * an application has a peer beyond its machine, no proxy was between them. No ports, and no word on which
 * end opened a connection: each direction of a conversation is a row of its own.
 *
 * Not read: its other numbers, of packets, retransmissions, DNS and HTTP.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { PodName, Transport } from "../../model/observations.ts";
import { maxNameLength, noPod } from "../names.ts";
import type { Pairs } from "../resources.ts";
import type {
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { polledFlow } from "./polled-flow.ts";

const vocabulary = "otel-network";

const bytesOf: ReadonlyMap<string, Transport> = new Map([
  ["tcp.bytes", "tcp"],
  ["udp.bytes", "udp"],
]);

/** Known by name, and nothing that the engine uses. */
const others =
  /^(?:tcp\.(?:active|packets|retrans|syn[._]timeouts|new_sockets|resets|rtt\.(?:average|num_measurements))|udp\.(?:active|packets|drops))$/;

/** What it writes where it does not know. */
const placeholders: ReadonlySet<string> = new Set(["(unknown)", "-", "(no agent)"]);

type Side = "source" | "dest";

export const guides: readonly SourceGuide[] = [
  {
    id: "otel-network",
    title: "OpenTelemetry's network collector (kernel collector and reducer)",
    switchOn:
      "`kernel-collector` on every machine, the `k8s-collector`, and the `reducer` with " +
      "`--enable-otlp-grpc-metrics`, `--otlp-grpc-metrics-host` and " +
      "`--otlp-grpc-metrics-port` of the collector. `tcp.bytes` and `udp.bytes` have to " +
      "stay enabled.",
    gives: ["attributed_flows"],
    cannotTell:
      "Ports, and which end opened a connection; UIDs. One reducer speaks for all machines, " +
      "so the silence of a single machine's agent does not show.",
    reference: "open-telemetry/opentelemetry-network: docs/reducer.md",
  },
];

export class OtelNetwork implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (others.test(name)) return { kind: "ignored" };
    const transport = bytesOf.get(name);
    if (!transport) return null;
    const observe = (point: PointAt): true => this.#observe(point, transport);
    return { kind: "points", vocabulary, observe };
  }

  #observe(point: PointAt, transport: Transport): true {
    const { labels, resource, timeUs, value } = point;
    const { batch, clusters, sources, tally } = this.#workshop;
    const named = resource.pairs.get("k8s.cluster.name") ?? text(labels, "source", "environment");
    const cluster = clusters.nameOf(named.slice(0, maxNameLength));
    const [srcPod, dstPod] = [podOf(labels, "source", cluster), podOf(labels, "dest", cluster)];
    const [src, dst] = [srcPod, dstPod].map(({ address: ip }) => ({ ip, port: 0 }));
    const isWhole = isKnown(srcPod) && isKnown(dstPod);
    if (!src || !dst || !isWhole) {
      tally.dropped(vocabulary, "missing_address");
      return true;
    }
    // One reducer speaks for the agents of all machines.
    const instance = resource.pairs.get("service.instance.id") ?? "reducer";
    const host = (resource.pairs.get("k8s.node.name") ?? instance).slice(0, maxNameLength);
    const source = sources.nodeAgent(cluster, host);
    const ends = { agent: vocabulary, cluster, host, source, transport, src, dst, srcPod, dstPod };
    const process = text(labels, "source", "process.name");
    const container = text(labels, "source", "container.name");
    batch.add(polledFlow(point, ends, { bytes: value, process, container }));
    batch.alive(source, "attributed_flows", timeUs);
    return true;
  }
}

function text(labels: Pairs, side: Side, name: string): string {
  const value = labels.get(`${side}.${name}`) ?? "";
  return placeholders.has(value) ? "" : value.slice(0, maxNameLength);
}

/** What is no pod of a cluster has a name too: a host's, or a service's beyond. */
function podOf(labels: Pairs, side: Side, cluster: string): PodName {
  const address = canonicalIp(text(labels, side, "ip"));
  if (text(labels, side, "resolution_type") !== "K8S_CONTAINER")
    return { ...noPod, cluster, address };
  return {
    ...noPod,
    cluster,
    namespace: text(labels, side, "namespace.name"),
    pod: text(labels, side, "pod"),
    workload: text(labels, side, "workload.name"),
    address,
  };
}

function isKnown({ address, pod, workload }: PodName): boolean {
  return address !== "" || pod !== "" || workload !== "";
}
