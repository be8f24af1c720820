/**
 * kube-state-metrics, scraped: what the cluster holds, each fact of a pod in a series of its own. The
 * facts of one pod that one request has are one observation; the graph joins those of several. All series
 * of a scrape have one time: a scrape is a list.
 *
 * Scraped without `honor_labels`, its labels give way to the scrape target's own and are called `exported_…`.
 * Names of labels and annotations come in snake case, and only those that its operator allows: what is
 * absent says nothing. A stale point is no sign of a pod's end, since those of all pods come when
 * kube-state-metrics itself is replaced; that the next scrape lacks the pod is one.
 *
 * Services and endpoints are second to their objects, where these are told as well (kube-state-services.ts).
 *
 * Not read: labels of namespaces, since one that is not allowed cannot be told from one that is not there;
 * counts of a network policy's rules, since whom it selects is not told; all that is about consumption.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { ControllerObject, DeclaredObject, NodeObject } from "../../model/objects.ts";
import type { ObjectSeen, PodFact, PodInventory } from "../../model/observations.ts";
import type { Us } from "../../model/time.ts";
import { maxNameLength } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type {
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { replicaSample, type ReplicaReading } from "./component-replicas.ts";
import { bareContainerId } from "./container-id.ts";
import { isBadName, named, ownLabel } from "./kube-state-labels.ts";
import {
  endpointsPart,
  GrowingSlice,
  serviceOf,
  slicePart,
  type SlicePart,
} from "./kube-state-services.ts";

const vocabulary = "kube-state-metrics";

const maxImageLength = 512;
const maxValueLength = 4_096;
/** Of one pod in one request; a real one has a dozen. */
const maxFacts = 160;

export const guides: readonly SourceGuide[] = [
  {
    id: "kube-state-metrics",
    title: "kube-state-metrics, scraped",
    switchOn:
      "The collector's `prometheus` receiver with kube-state-metrics as a target, with or without " +
      "`honor_labels`. Allow the mesh's annotations by `--metric-annotations-allowlist=" +
      "pods=[traffic.sidecar.istio.io/excludeOutboundPorts,traffic.sidecar.istio.io/excludeOutboundIPRanges," +
      "traffic.sidecar.istio.io/includeOutboundIPRanges,ambient.istio.io/redirection]`.",
    gives: ["inventory"],
    cannotTell:
      "User ids and privileges of containers, so that the proxy is taken to run under 1337; what is not " +
      "allowed of labels and annotations, so that a pod without a proxy's container may be ambient, and " +
      "what its annotations leave out of the capture may be unknown; which port of a Service leads where, so " +
      "that its virtual address is named, and no connection judged by it; policies. A pod that lived between " +
      "two scrapes is never told of.",
    reference: "kubernetes/kube-state-metrics: docs/metrics/workload/pod-metrics.md",
  },
];

/** The mesh's own words, as Kubernetes spells them. */
const annotations = namesInSnakeCase("annotation", [
  "traffic.sidecar.istio.io/excludeOutboundPorts",
  "traffic.sidecar.istio.io/excludeOutboundIPRanges",
  "traffic.sidecar.istio.io/includeOutboundPorts",
  "traffic.sidecar.istio.io/includeOutboundIPRanges",
  "ambient.istio.io/redirection",
]);
const labels = namesInSnakeCase("label", [
  "gateway.istio.io/managed",
  "istio",
  "pod-template-hash",
]);

type FactOf = (labels: Pairs, value: number) => PodFact | null;

/** Of one pod, by the metric's name. */
const podMetrics: Readonly<Record<string, FactOf>> = {
  kube_pod_info: podFact,
  kube_pod_ips: (pairs) => addressFact(pairs),
  kube_pod_owner: ownerFact,
  kube_pod_container_info: (pairs) => containerFact(pairs, false),
  kube_pod_init_container_info: (pairs) => containerFact(pairs, true),
  kube_pod_container_status_restarts_total: restartsFact,
  kube_pod_init_container_status_restarts_total: restartsFact,
  kube_pod_labels: (pairs) => ({ of: "labels", names: known(pairs, labels) }),
  kube_pod_annotations: (pairs) => ({ of: "annotations", names: known(pairs, annotations) }),
  kube_pod_service_account: (pairs) => ({
    of: "account",
    name: ownLabel(pairs, "service_account"),
  }),
  kube_pod_start_time: (_pairs, value) => ({ of: "start", atUs: secondsToUs(value) }),
  kube_pod_completion_time: (_pairs, value) => ({ of: "end", atUs: secondsToUs(value) }),
};

type ObjectOf = (labels: Pairs) => DeclaredObject | null;

/** Of other objects, each of which one series tells whole. */
const objectMetrics: Readonly<Record<string, ObjectOf>> = {
  kube_replicaset_owner: (pairs) => controller(pairs, "replica_set", ownLabel(pairs, "replicaset")),
  kube_job_owner: (pairs) => controller(pairs, "job", ownLabel(pairs, "job_name")),
  kube_node_info: node,
  kube_service_info: serviceOf,
};

type PartOf = (labels: Pairs) => SlicePart | null;

/** Of endpoints, of which every address and every port has a series. */
const sliceMetrics: Readonly<Record<string, PartOf>> = {
  kube_endpoint_address: endpointsPart,
  kube_endpoint_ports: endpointsPart,
  kube_endpointslice_endpoints: slicePart,
  kube_endpointslice_ports: slicePart,
};

/** Of workloads, of which the mesh's own programs count. */
const replicaMetrics: ReadonlyMap<string, ReplicaReading> = new Map([
  ["kube_deployment_spec_replicas", { workload: "deployment", metric: "desired" }],
  ["kube_deployment_status_replicas_available", { workload: "deployment", metric: "available" }],
  ["kube_daemonset_status_desired_number_scheduled", { workload: "daemonset", metric: "desired" }],
  ["kube_daemonset_status_number_available", { workload: "daemonset", metric: "available" }],
]);

export class KubeStateMetrics implements MetricVocabulary {
  readonly #workshop: Workshop;
  /** Facts of the pods of the request at hand, by teller, time and pod. */
  readonly #pods = new Map<string, PodFact[]>();
  readonly #slices = new Map<string, GrowingSlice>();
  #context: PointAt["context"] | null = null;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    const factOf = Object.hasOwn(podMetrics, name) ? podMetrics[name] : undefined;
    if (factOf) {
      return { kind: "points", vocabulary, observe: (point) => this.#pod(point, factOf) };
    }
    const objectOf = Object.hasOwn(objectMetrics, name) ? objectMetrics[name] : undefined;
    if (objectOf) {
      return { kind: "points", vocabulary, observe: (point) => this.#object(point, objectOf) };
    }
    const partOf = Object.hasOwn(sliceMetrics, name) ? sliceMetrics[name] : undefined;
    if (partOf) {
      return { kind: "points", vocabulary, observe: (point) => this.#slice(point, partOf) };
    }
    const reading = replicaMetrics.get(name);
    if (reading) {
      return { kind: "points", vocabulary, observe: (point) => this.#replicas(point, reading) };
    }
    return name.startsWith("kube_") ? { kind: "ignored" } : null;
  }

  #replicas(point: PointAt, reading: ReplicaReading): void {
    const { labels: pairs, value } = point;
    const name = ownLabel(pairs, reading.workload);
    const namespace = ownLabel(pairs, "namespace");
    if (name === "" || namespace === "") {
      return this.#workshop.tally.dropped(vocabulary, "missing_field");
    }
    const sample = replicaSample(reading, { ...this.#told(point), name, namespace, value });
    if (sample) this.#workshop.batch.add(sample);
  }

  #pod(point: PointAt, factOf: FactOf): void {
    const pairs = point.labels;
    const [namespace, name, uid] = ["namespace", "pod", "uid"].map((part) => ownLabel(pairs, part));
    if (!namespace || !name || isBadName(namespace) || isBadName(name)) {
      return this.#workshop.tally.dropped(vocabulary, "missing_field");
    }
    const told = this.#told(point);
    const fact = factOf(pairs, point.value);
    if (!fact) return;
    this.#begin(point);
    const teller = tellerOf(point.resource, pairs);
    const key = `${told.cluster}|${teller}|${told.timeUs}|${uid}|${namespace}/${name}`;
    const facts = this.#pods.get(key);
    if (facts) {
      if (facts.length < maxFacts) facts.push(fact);
      else this.#workshop.tally.dropped(vocabulary, "capacity");
      return;
    }
    const first = [fact];
    this.#pods.set(key, first);
    const object: PodInventory = {
      type: "pod_inventory",
      uid: uid ?? "",
      namespace,
      name,
      teller,
      facts: first,
    };
    this.#workshop.batch.add({ ...told, event: "listed", object });
  }

  /** What is put together is put together within a request. */
  #begin({ context }: PointAt): void {
    if (context === this.#context) return;
    this.#context = context;
    this.#pods.clear();
    this.#slices.clear();
  }

  #slice(point: PointAt, partOf: PartOf): void {
    const { tally, batch } = this.#workshop;
    const part = partOf(point.labels);
    if (!part || !part.namespace || isBadName(part.namespace) || isBadName(part.name)) {
      return tally.dropped(vocabulary, "missing_field");
    }
    const told = this.#told(point);
    this.#begin(point);
    const { namespace, name, service } = part;
    const key = `${told.cluster}|${told.timeUs}|${namespace}/${name}`;
    const before = this.#slices.get(key);
    const slice = before ?? new GrowingSlice(name, namespace, service);
    if (!slice.add(part)) tally.dropped(vocabulary, "capacity");
    if (before) return;
    this.#slices.set(key, slice);
    batch.add({ ...told, event: "modified", object: slice.object });
  }

  #object(point: PointAt, objectOf: ObjectOf): void {
    const object = objectOf(point.labels);
    if (!object || isBadName(object.name) || isBadName(object.namespace)) {
      return this.#workshop.tally.dropped(vocabulary, "missing_field");
    }
    // Each of several instances may have a part of the objects: what one lacks may be another's.
    this.#workshop.batch.add({ ...this.#told(point), event: "modified", object });
  }

  #told({
    resource,
    labels: pairs,
    timeUs,
    context,
  }: PointAt): Omit<ObjectSeen, "event" | "object"> {
    const { clusters, sources, batch } = this.#workshop;
    const given = resource.pairs.get("k8s.cluster.name") ?? pairs.get("cluster") ?? "";
    const cluster = clusters.nameOf(given.slice(0, maxNameLength));
    const source = sources.inventory(cluster);
    batch.alive(source, "inventory", timeUs);
    const { trust } = context;
    return { kind: "object_seen", timeUs, nanos: 0, source, trust, cluster, form: "inventory" };
  }
}

/** One instance of kube-state-metrics; several share the pods of a large cluster. */
function tellerOf({ pairs }: Resource, labelsOf: Pairs): string {
  const instance = pairs.get("service.instance.id") ?? labelsOf.get("instance") ?? "";
  return `${pairs.get("service.name") ?? ""}/${instance}`.slice(0, maxNameLength);
}

function podFact(pairs: Pairs): PodFact {
  const hostNetwork = ownLabel(pairs, "host_network");
  const [ip, hostIp] = [
    canonicalIp(ownLabel(pairs, "pod_ip")),
    canonicalIp(ownLabel(pairs, "host_ip")),
  ];
  return {
    of: "pod",
    ip,
    hostIp,
    node: ownLabel(pairs, "node"),
    // Older releases do not say: there, the machine's own address tells.
    hostNetwork: hostNetwork === "" ? ip !== "" && ip === hostIp : hostNetwork === "true",
    ownerKind: ownLabel(pairs, "created_by_kind"),
    ownerName: ownLabel(pairs, "created_by_name"),
  };
}

function addressFact(pairs: Pairs): PodFact | null {
  const ip = canonicalIp(ownLabel(pairs, "ip"));
  return ip === "" ? null : { of: "address", ip };
}

/** Who only keeps the pod from being collected is not its owner. */
function ownerFact(pairs: Pairs): PodFact | null {
  if (ownLabel(pairs, "owner_is_controller") === "false") return null;
  return { of: "owner", kind: ownLabel(pairs, "owner_kind"), name: ownLabel(pairs, "owner_name") };
}

function containerFact(pairs: Pairs, init: boolean): PodFact | null {
  const name = ownLabel(pairs, "container");
  if (name === "") return null;
  const image =
    ownLabel(pairs, "image_spec", maxImageLength) || ownLabel(pairs, "image", maxImageLength);
  return {
    of: "container",
    name,
    // Some runtimes know the image that runs by its digest alone.
    image: image.startsWith("sha256:") ? "" : image,
    containerId: bareContainerId(ownLabel(pairs, "container_id")),
    init,
    restartPolicy: ownLabel(pairs, "restart_policy"),
  };
}

function restartsFact(pairs: Pairs, value: number): PodFact | null {
  const name = ownLabel(pairs, "container");
  return name === "" ? null : { of: "restarts", name, count: Math.floor(value) };
}

function controller(
  pairs: Pairs,
  type: ControllerObject["type"],
  name: string,
): ControllerObject | null {
  if (name === "" || ownLabel(pairs, "owner_is_controller") === "false") return null;
  const [ownerKind, ownerName] = [ownLabel(pairs, "owner_kind"), ownLabel(pairs, "owner_name")];
  return { type, ...named(name, ownLabel(pairs, "namespace")), ownerKind, ownerName };
}

function node(pairs: Pairs): NodeObject | null {
  const name = ownLabel(pairs, "node");
  const address = canonicalIp(ownLabel(pairs, "internal_ip"));
  if (name === "" || address === "") return null;
  return { type: "node", ...named(name, ""), addresses: [address] };
}

/** Kubernetes' names by the label that kube-state-metrics makes of each. */
function namesInSnakeCase(prefix: string, names: readonly string[]): ReadonlyMap<string, string> {
  const snake = (name: string): string =>
    name
      .replace(/[^a-zA-Z0-9_]/g, "_")
      .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
      .toLowerCase();
  return new Map(names.map((name) => [`${prefix}_${snake(name)}`, name]));
}

function known(pairs: Pairs, names: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [label, name] of names) {
    const value = pairs.get(label);
    if (value !== undefined) found[name] = value.slice(0, maxValueLength);
  }
  return found;
}

function secondsToUs(seconds: number): Us {
  return Math.round(Math.min(seconds, 1e11) * 1e6);
}
