/**
 * Coroot's node agent, scraped: connections that a container opened, by what it dialled and by what was
 * really reached once address translation is resolved. A container beside the proxy whose actual
 * destination lies beyond the pod went around it; a captured one ends at the proxy's own port.
 *
 * Not read: its other numbers; bytes and retransmissions say nothing of who talks to whom that
 * connections do not say.
 */
import { parseHostPort } from "../../lib/ip.ts";
import type { PodName } from "../../model/observations.ts";
import { maxNameLength, noPod } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type {
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { polledFlow } from "./polled-flow.ts";

const vocabulary = "coroot";

const connects = /^container_net_tcp_successful_connects(?:_total)?$/;
const others = /^container_net_(?:tcp_\w+|latency_seconds)$/;

interface Talker {
  readonly pod: PodName;
  readonly container: string;
}

export const guides: readonly SourceGuide[] = [
  {
    id: "coroot",
    title: "Coroot's node agent",
    switchOn:
      "The DaemonSet `coroot-node-agent`, scraped from its `--listen` address with its " +
      "labels kept. Releases that know public networks only where told need " +
      "`--track-public-network=0.0.0.0/0`, or connections to the outside are left out.",
    gives: ["attributed_flows"],
    cannotTell:
      "Source ports and UIDs, and UDP. It names the container that connected, which tells " +
      "an application from its proxy, but not the process within it.",
    reference: "coroot/coroot-node-agent: containers/metrics.go",
  },
];

export class Coroot implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (connects.test(name)) {
      return { kind: "points", vocabulary, observe: (point) => this.#observe(point) };
    }
    return others.test(name) ? { kind: "ignored" } : null;
  }

  /** A container outside Kubernetes is nobody's pod, and a series at zero has not connected yet. */
  #observe(point: PointAt): true {
    const { labels, resource, timeUs, value } = point;
    const { batch, clusters, sources, tally } = this.#workshop;
    const cluster = clusters.nameOf(
      (resource.pairs.get("k8s.cluster.name") ?? "").slice(0, maxNameLength),
    );
    const source = sources.nodeAgent(cluster, hostOf(labels, resource));
    batch.alive(source, "attributed_flows", timeUs);
    const talker = talkerOf(labels, cluster);
    const dst = parseHostPort(labels.get("actual_destination") ?? labels.get("destination") ?? "");
    if (value === 0) return true;
    if (!talker || dst.ip === "") {
      tally.dropped(vocabulary, talker ? "missing_address" : "missing_field");
      return true;
    }
    const host = hostOf(labels, resource);
    const src = { ip: "", port: 0 };
    const pods = { srcPod: talker.pod, dstPod: noPod };
    const ends = { agent: vocabulary, cluster, host, source, transport: "tcp", src, dst } as const;
    const { container } = talker;
    const said = { container, connections: value, direction: "request" } as const;
    batch.add(polledFlow(point, { ...ends, ...pods }, said));
    return true;
  }
}

/** `/k8s/<namespace>/<pod>/<container>`; null for anything else. */
function talkerOf(labels: Pairs, cluster: string): Talker | null {
  const id = (labels.get("container_id") ?? "").slice(0, 1_024);
  const [empty, kind, namespace, pod, container, ...rest] = id.split("/", 7);
  if (empty !== "" || kind !== "k8s" || !namespace || !pod || !container || rest.length > 0) {
    return null;
  }
  return {
    pod: { ...noPod, cluster, namespace: namespace.slice(0, 63), pod: pod.slice(0, maxNameLength) },
    container: container.slice(0, maxNameLength),
  };
}

function hostOf(labels: Pairs, { pairs }: Resource): string {
  const host =
    labels.get("node") ??
    labels.get("node_name") ??
    pairs.get("k8s.node.name") ??
    pairs.get("host.name") ??
    labels.get("machine_id") ??
    pairs.get("service.instance.id") ??
    "";
  return host.slice(0, maxNameLength);
}
