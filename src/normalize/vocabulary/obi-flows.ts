/**
 * Network flows of OpenTelemetry's eBPF instrumentation and of Beyla, from which it comes: counters of
 * bytes between two ends in one direction, exported every so often, by OTLP or by a Prometheus scrape.
 *
 * What a point can tell hangs on the attributes that were selected. With addresses it is a `Flow`, and
 * never a series: source ports would fill the table of series within minutes, and whose an address was
 * may turn out later. Without them, as by default, it is a series between workloads, if the point says which
 * way it goes: that cannot tell a bypass from what passed through the proxy.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { Flow, PeerName, PodName, SourceRef, Transport } from "../../model/observations.ts";
import { portOf } from "../json.ts";
import { maxNameLength, noPeer, noPod } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type {
  EdgePlan,
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SeriesFacts,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { polledFlow, type FlowEnd } from "./polled-flow.ts";

const vocabulary = "obi-flows";

/** The first word is the vendor's and can be chosen; in Prometheus' names dots are underscores. */
const flowBytes = /^(?:\w{1,32})[._]network[._]flow[._]bytes(?:_total)?$/;
/** Of the same agents, and nothing that the engine uses. */
const others = /^(?:\w{1,32})[._]network[._](?:flow[._]packets|inter[._]zone[._]bytes)(?:_total)?$/;

/** By name, and by IANA's number where an old release wrote that. */
const transports: ReadonlyMap<string, Transport> = new Map([
  ["tcp", "tcp"],
  ["udp", "udp"],
  ["icmp", "icmp"],
  ["icmpv6", "icmp"],
  ["ipv6-icmp", "icmp"],
  ["6", "tcp"],
  ["17", "udp"],
  ["1", "icmp"],
  ["58", "icmp"],
]);

type Side = "src" | "dst";

export const guides: readonly SourceGuide[] = [
  {
    id: "obi-flows",
    title: "OBI or Beyla network flows with addresses",
    switchOn:
      "`network.enable: true` (`OTEL_EBPF_NETWORK_METRICS=true`), " +
      "`attributes.kubernetes.enable: true`, and under " +
      "`attributes.select.obi_network_flow_bytes.include` (`beyla_network_flow_bytes` with " +
      "Beyla) `src.address`, `dst.address`, `src.port`, `dst.port`, `transport` and " +
      "`direction` beside the default `k8s.*` attributes.",
    gives: ["flows", "workload_flows"],
    cannotTell:
      "The process: network flows carry no PID, UID or name, so a flow alone does not tell " +
      "the proxy's connection from the application's. The ports of clients make many series " +
      "at the agent.",
    reference: "https://opentelemetry.io/docs/zero-code/obi/network/config/",
  },
  {
    id: "obi-flows-default",
    title: "OBI or Beyla network flows as they come by default",
    switchOn:
      "`network.enable: true` (`OTEL_EBPF_NETWORK_METRICS=true`) and " +
      "`attributes.kubernetes.enable: true`.",
    gives: ["workload_flows"],
    cannotTell:
      "Any connection: without addresses and ports it is bytes between two workloads, which " +
      "cannot tell a bypass from what passed through the proxy. It draws edges, and no rule " +
      "on flows can judge by it.",
    reference: "https://opentelemetry.io/docs/zero-code/obi/network/",
  },
];

export class ObiFlows implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (others.test(name)) return { kind: "ignored" };
    return flowBytes.test(name) ? this.#plan() : null;
  }

  #plan(): EdgePlan {
    return {
      kind: "edge",
      vocabulary,
      measure: "bytes_sent",
      hasStart: true,
      proves: "workload_flows",
      observe: (point) => this.#observe(point),
      describe: (labels, resource) => this.#describe(labels, resource),
    };
  }

  /** True for what has addresses, and for what has no direction: only series are left. */
  #observe(point: PointAt): boolean {
    const { labels } = point;
    if (transportOf(labels) === "icmp") {
      this.#workshop.tally.dropped(vocabulary, "not_ours_yet"); // nobody's connection
      return true;
    }
    const [src, dst] = [endOf(labels, "src"), endOf(labels, "dst")];
    const isConversation = src.ip !== "" && dst.ip !== "" && src.port > 0 && dst.port > 0;
    if (!isConversation && directionOf(labels, dst.port) === undefined) {
      this.#workshop.tally.dropped(vocabulary, "unoriented");
      return true;
    }
    if (!isConversation && isSettled(labels, "src", src) && isSettled(labels, "dst", dst)) {
      return false;
    }
    this.#flow(point, src, dst, isConversation);
    return true;
  }

  #flow(point: PointAt, src: FlowEnd, dst: FlowEnd, isConversation: boolean): void {
    const { labels, resource, timeUs, value } = point;
    const { batch } = this.#workshop;
    const cluster = this.#cluster(labels, resource);
    const source = this.#source(labels, resource);
    const direction = directionOf(labels, dst.port);
    const ends = {
      agent: "obi",
      cluster,
      host: hostOf(labels, resource),
      source,
      transport: transportOf(labels),
      src,
      dst,
      srcPod: podOf(labels, "src", cluster, src.ip),
      dstPod: podOf(labels, "dst", cluster, dst.ip),
    };
    batch.add(polledFlow(point, ends, { bytes: value, ...(direction ? { direction } : {}) }));
    batch.alive(source, isConversation ? "flows" : "workload_flows", timeUs);
  }

  /** Bytes back to the opener are what it received of the other end. */
  #describe(labels: Pairs, resource: Resource): SeriesFacts {
    const [src, dst] = [endOf(labels, "src"), endOf(labels, "dst")];
    const isReply = directionOf(labels, dst.port) === "response";
    const cluster = this.#cluster(labels, resource);
    const from = peerOf(labels, "src", cluster, src.ip);
    const to = peerOf(labels, "dst", cluster, dst.ip);
    const transport = transportOf(labels);
    return {
      measure: isReply ? "bytes_received" : "bytes_sent",
      reporter: "flow",
      channel: "flows",
      src: isReply ? to : from,
      dst: isReply ? from : to,
      port: portOf(label(labels, "server.port")) || (isReply ? src.port : dst.port),
      protocol: "",
      transport: transport === "other" ? "tcp" : transport,
      security: "unknown",
      route: "unknown",
      isError: false,
      isDenied: false,
      responseFlags: "",
      source: this.#source(labels, resource),
    };
  }

  #cluster(labels: Pairs, resource: Resource): string {
    const named = label(labels, "k8s.cluster.name") || resource.pairs.get("k8s.cluster.name") || "";
    return this.#workshop.clusters.nameOf(named.slice(0, maxNameLength));
  }

  #source(labels: Pairs, resource: Resource): SourceRef {
    return this.#workshop.sources.nodeAgent(
      this.#cluster(labels, resource),
      hostOf(labels, resource),
    );
  }
}

/** By OTLP name; bounded, since the names are this file's own. */
const scrapedNames = new Map<string, string>();

function scrapedName(name: string): string {
  let scraped = scrapedNames.get(name);
  if (scraped === undefined) scrapedNames.set(name, (scraped = name.replaceAll(".", "_")));
  return scraped;
}

/** A label by its OTLP name, or as a scrape spells it. */
function label(labels: Pairs, name: string): string {
  const text = labels.get(name) ?? labels.get(scrapedName(name)) ?? "";
  return text.slice(0, maxNameLength);
}

/** The machine that the agent runs on; what stands last names the agent's process at least. */
function hostOf(labels: Pairs, { pairs }: Resource): string {
  const host =
    pairs.get("k8s.node.name") ??
    pairs.get("host.name") ??
    labels.get("obi.ip") ??
    labels.get("beyla.ip") ??
    labels.get("obi_ip") ??
    labels.get("beyla_ip") ??
    pairs.get("host.id") ??
    pairs.get("service.instance.id") ??
    "";
  return host.slice(0, maxNameLength);
}

function endOf(labels: Pairs, side: Side): FlowEnd {
  const ip = canonicalIp(label(labels, `${side}.address`));
  return { ip, port: portOf(label(labels, `${side}.port`)) };
}

/** What the agent says, else what the server's port tells. */
function directionOf(labels: Pairs, dstPort: number): Flow["direction"] {
  const told = label(labels, "direction");
  if (told === "request" || told === "response") return told;
  const server = portOf(label(labels, "server.port"));
  if (server === 0 || dstPort === 0) return undefined;
  return server === dstPort ? "request" : "response";
}

function transportOf(labels: Pairs): Transport {
  return transports.get(label(labels, "transport").toLowerCase()) ?? "other";
}

/** A pod with its owner; "" for a Service's or a machine's address. */
function podOf(labels: Pairs, side: Side, cluster: string, address: string): PodName {
  const type = label(labels, `k8s.${side}.type`);
  const ownerType = label(labels, `k8s.${side}.owner.type`);
  const isPod = (type === "" || type === "Pod") && !notWorkloads.has(ownerType);
  if (!isPod) return { ...noPod, cluster, address };
  return {
    ...noPod,
    cluster,
    namespace: label(labels, `k8s.${side}.namespace`),
    pod: type === "Pod" ? label(labels, `k8s.${side}.name`) : "",
    workload: label(labels, `k8s.${side}.owner.name`),
    workloadKind: ownerType,
    address,
  };
}

/** Nothing that arrives later can say that it is somebody else. */
function isSettled(labels: Pairs, side: Side, { ip }: FlowEnd): boolean {
  const { workload, service } = peerOf(labels, side, "", ip);
  return workload !== "" || service !== "" || ip === "";
}

/** What the agent calls an owner when there is none: the thing itself. */
const notWorkloads: ReadonlySet<string> = new Set(["Service", "Node"]);

function peerOf(labels: Pairs, side: Side, cluster: string, address: string): PeerName {
  const { namespace, workload, pod } = podOf(labels, side, cluster, address);
  if (workload !== "") return { ...noPeer, cluster, namespace, workload, pod, address };
  const isService = label(labels, `k8s.${side}.owner.type`) === "Service";
  const service = isService ? label(labels, `k8s.${side}.owner.name`) : "";
  const serviceNamespace = isService ? label(labels, `k8s.${side}.namespace`) : "";
  // Beyond the cluster a name is the DNS name, or the address once more.
  const name = label(labels, `${side}.name`);
  const host = service === "" && address === "" && name.includes(".") ? name : service;
  return { ...noPeer, cluster, service: host, serviceNamespace, address };
}
