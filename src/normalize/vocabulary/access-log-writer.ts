/**
 * Whose proxy wrote a line, from what is told beside it: the node id, labels, the file it lay in, the
 * resource, and last the proxy's own address in the line.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { PodName, SourceRef } from "../../model/observations.ts";
import { maxNameLength, noPod } from "../names.ts";
import type { Resource } from "../resources.ts";
import type { Workshop } from "../vocabulary.ts";
import { known, type AccessLogField, type NamedTexts } from "./access-log-line.ts";
import { noNodeId, parseNodeId, specialRoute, type NodeId } from "./envoy-names.ts";
import type { LogFile } from "./log-carrier.ts";

/** The resource label in which Envoy's logger puts the node id, unless Istio switched it off. */
const nodeName = "node_name";

/** What a record's resource and node id say, before the line is looked at. */
export interface Home {
  readonly resource: Resource;
  readonly nodeId: string;
  readonly node: NodeId;
  readonly role: string;
  /** The `k8s.pod.ip` of the resource, canonical. */
  readonly resourceIp: string;
  /** The proxy's own address where it is known for certain: its node id's. */
  readonly address: string;
}

export interface Writer {
  readonly pod: PodName;
  readonly source: SourceRef;
  /** Not even the proxy's address is known: such lines prove nobody's liveness. */
  readonly isNobody: boolean;
}

interface Labels {
  readonly pod: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly workload: string;
}

/** Lines of one writer come in runs: what was last found is looked at first. */
export class LineWriters {
  readonly #workshop: Workshop;
  #home: Home | null = null;
  #last: {
    readonly home: Home;
    readonly labels: Labels;
    readonly file: LogFile | null;
    readonly own: string;
    readonly writer: Writer;
  } | null = null;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  home(resource: Resource, named: NamedTexts): Home {
    const nodeId = resource.pairs.get(nodeName) ?? known(named.text("node_id"));
    if (this.#home?.resource === resource && this.#home.nodeId === nodeId) return this.#home;
    const node = nodeId === "" ? noNodeId : parseNodeId(nodeId);
    const resourceIp = canonicalIp(resource.pairs.get("k8s.pod.ip") ?? "");
    const { role, address } = node;
    this.#home = { resource, nodeId, node, role, resourceIp, address };
    return this.#home;
  }

  /** `own`: the proxy's own address as the line shows it, "" = it does not. */
  of(home: Home, named: NamedTexts, file: LogFile | null, own: string): Writer {
    const labels = labelsOf(named);
    const last = this.#last;
    const isSame =
      last?.home === home &&
      last.own === own &&
      isSameFile(last.file, file) &&
      last.labels.pod === labels.pod &&
      last.labels.namespace === labels.namespace &&
      last.labels.cluster === labels.cluster &&
      last.labels.workload === labels.workload;
    if (isSame) return last.writer;
    const pod = this.#pod(home, labels, file, own);
    const { clusters, sources } = this.#workshop;
    const isNobody = pod.pod === "" && pod.address === "";
    const source = isNobody
      ? sources.proxy(clusters.local, "", "")
      : pod.pod === ""
        ? sources.proxy(pod.cluster, "", pod.address)
        : sources.proxy(pod.cluster, pod.namespace, pod.pod);
    const writer = { pod, source, isNobody };
    this.#last = { home, labels, file, own, writer };
    return writer;
  }

  /**
   * A resource with another address than the line's is the pod of an agent that carried it, not the
   * proxy's; the pod of the file that it lay in is the proxy's, whatever its other addresses are.
   */
  #pod(
    { node, resource, resourceIp }: Home,
    labels: Labels,
    file: LogFile | null,
    own: string,
  ): PodName {
    const { pairs } = resource;
    const isCarrier = resourceIp !== "" && own !== "" && resourceIp !== own;
    const carried = (name: string) => (isCarrier ? "" : (pairs.get(name) ?? ""));
    const named: Labels = {
      pod: node.pod || nameIn(labels.pod),
      namespace: node.namespace || nameIn(labels.namespace),
      cluster: clusterIn(labels.cluster) || (pairs.get("k8s.cluster.name") ?? ""),
      workload: nameIn(labels.workload),
    };
    const pod = named.pod || file?.pod || carried("k8s.pod.name");
    const namespace = named.namespace || file?.namespace || carried("k8s.namespace.name");
    return {
      ...noPod,
      cluster: this.#workshop.clusters.nameOf(named.cluster.slice(0, maxNameLength)),
      namespace: namespace.slice(0, 63),
      pod: pod.slice(0, maxNameLength),
      podUid: (file?.podUid || carried("k8s.pod.uid")).slice(0, 64),
      workload: named.workload,
      address: node.address || own || (file === null ? resourceIp : ""),
    };
  }
}

function labelsOf(named: NamedTexts): Labels {
  const text = (field: AccessLogField) => (named.has(field) ? known(named.text(field)) : "");
  return {
    pod: text("pod"),
    namespace: text("namespace"),
    cluster: text("cluster"),
    workload: text("workload"),
  };
}

function isSameFile(one: LogFile | null, other: LogFile | null): boolean {
  if (one === null || other === null) return one === other;
  return one.pod === other.pod && one.namespace === other.namespace && one.podUid === other.podUid;
}

/** A name as Kubernetes allows it; operators may call anything `pod` or `workload`. */
function nameIn(text: string): string {
  return /^[a-z\d][a-z\d.-]{0,252}$/.test(text) ? text : "";
}

/** Not the cluster of Envoy's that was upstream: `outbound|80||…`, `PassthroughCluster`. */
function clusterIn(text: string): string {
  return text.includes("|") || specialRoute(text) !== null ? "" : text;
}
