/**
 * What kube-state-metrics tells in one scrape, in its own words, over three requests as a collector's
 * batches may be split.
 */
import { Signal } from "../../src/model/stages.ts";
import {
  containerId,
  nameOf,
  startMs,
  uidOf,
  type Container,
  type Step,
} from "../scenarios/pipeline-world.ts";
import { keyValues, metricsRequest } from "./otlp-build.ts";
import { podNamed, type Mesh, type StoryPod } from "./story-mesh.ts";
import type { EntryOf } from "./story-schema.ts";

type Labels = Readonly<Record<string, string>>;
interface Series {
  readonly name: string;
  readonly labels: Labels;
  readonly value?: number;
}

/** Of the target, which without `honor_labels` keep their names. */
const ownLabels = { namespace: "monitoring", pod: "kube-state-metrics-5d6f7c8b9d-q2w3e" };

export function inventorySteps(
  mesh: Mesh,
  entry: EntryOf<"kube_state_metrics">,
  atS: number,
): Step[] {
  const ofPods = entry.pods.flatMap((name) => seriesOf(podNamed(mesh, name), entry.annotations));
  const ofServices = entry.services.flatMap((name) => serviceSeries(mesh, name));
  const series = [...ofPods, ...ofServices, ...entry.workloads.flatMap(workloadSeries)].filter(
    ({ name }) => !entry.without.includes(name),
  );
  const parts = [
    series.filter(({ name }) => name === "kube_pod_info"),
    series.filter(({ name }) => name.includes("container")),
    series.filter(({ name }) => name !== "kube_pod_info" && !name.includes("container")),
  ];
  return parts
    .filter((part) => part.length > 0)
    .map((part) => ({ atS, isObject: true, request: requestOf(part, entry, atS) }));
}

function requestOf(
  series: readonly Series[],
  { honor_labels, instance }: EntryOf<"kube_state_metrics">,
  atS: number,
): Step["request"] {
  const time = `${startMs + Math.round(atS * 1_000)}000000`;
  const byName = new Map<string, object[]>();
  for (const { name, labels, value = 1 } of series) {
    const point = {
      attributes: keyValues(honor_labels ? labels : { ...exported(labels), ...ownLabels }),
      time_unix_nano: time,
      as_double: value,
    };
    byName.set(name, [...(byName.get(name) ?? []), point]);
  }
  const resource = {
    "service.name": "kube-state-metrics",
    "service.instance.id": instance,
    "k8s.cluster.name": "demo",
  };
  const scope =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver";
  const request = metricsRequest(
    { resource, scope },
    [...byName].map(([name, data_points]) => ({ name, gauge: { data_points } })),
  );
  return { signal: Signal.metrics, bytes: request };
}

/** Where the target has a label of the same name, the series' own gives way. */
function exported(labels: Labels): Labels {
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [
      name in ownLabels ? `exported_${name}` : name,
      value,
    ]),
  );
}

function seriesOf(pod: StoryPod, hasAnnotations: boolean): Series[] {
  const { namespace, workload, node, ip, otherIps } = pod;
  const own = { namespace, pod: nameOf(pod), uid: uidOf(pod) };
  const owner = `${workload}-6d4b75cb9d`;
  const info = {
    ...own,
    host_ip: "10.0.0.1",
    pod_ip: ip,
    node,
    created_by_kind: "ReplicaSet",
    created_by_name: owner,
    priority_class: "",
    host_network: String(pod.hostNetwork),
  };
  const annotations = Object.fromEntries(
    Object.entries(pod.annotations).map(([name, value]) => [snakeCase(name), value]),
  );
  return [
    { name: "kube_pod_info", labels: info },
    ...[ip, ...otherIps].map((one) => ({
      name: "kube_pod_ips",
      labels: { ...own, ip: one, ip_family: one.includes(":") ? "6" : "4" },
    })),
    {
      name: "kube_pod_owner",
      labels: { ...own, owner_kind: "ReplicaSet", owner_name: owner, owner_is_controller: "true" },
    },
    { name: "kube_pod_service_account", labels: { ...own, service_account: workload } },
    { name: "kube_pod_start_time", labels: own, value: startMs / 1_000 + pod.startS },
    { name: "kube_pod_status_phase", labels: { ...own, phase: "Running" } },
    { name: "kube_pod_annotations", labels: { ...own, ...(hasAnnotations ? annotations : {}) } },
    ...pod.containers.flatMap((container) => containerSeries(pod, own, container)),
  ];
}

/** No metric names a Service's ports. */
function serviceSeries(mesh: Mesh, name: string): Series[] {
  const service = mesh.services.get(name);
  if (!service) throw new Error(`no service "${name}" in the mesh`);
  const { namespace, ip, port, pods } = service;
  const behind = pods.map((pod) => podNamed(mesh, pod));
  const info = { namespace, service: name, uid: `uid-${name}`, cluster_ip: ip, external_name: "" };
  const slice = { namespace, endpointslice: `${name}-x7k2p` };
  const port_number = String(behind[0]?.port ?? port);
  return [
    { name: "kube_service_info", labels: info },
    ...behind.map((pod) => ({
      name: "kube_endpointslice_endpoints",
      labels: { ...slice, address: pod.ip, ready: "true" },
    })),
    {
      name: "kube_endpointslice_ports",
      labels: { ...slice, port_name: "http", port_protocol: "TCP", port_number },
    },
  ];
}

/** Both numbers of a workload, among others of it that say nothing of the mesh. */
function workloadSeries({
  kind,
  namespace,
  name,
  desired,
  available,
}: EntryOf<"kube_state_metrics">["workloads"][number]): Series[] {
  const labels = { namespace, [kind]: name };
  const names =
    kind === "deployment"
      ? ["kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"]
      : [
          "kube_daemonset_status_desired_number_scheduled",
          "kube_daemonset_status_number_available",
        ];
  return [
    { name: `kube_${kind}_created`, labels, value: startMs / 1_000 - 86_400 },
    ...names.map((one, index) => ({ name: one, labels, value: index === 0 ? desired : available })),
  ];
}

function containerSeries(pod: StoryPod, own: Labels, container: Container): Series[] {
  const isInit = container.isInit === true || container.isNative === true;
  const prefix = isInit ? "kube_pod_init_container" : "kube_pod_container";
  const { name, image } = container;
  const restarts = pod.restarts[name] ?? 0;
  const restart_policy = container.isNative === true ? "Always" : "";
  const labels = {
    ...own,
    container: name,
    image,
    image_id: `docker.io/library/${name}@sha256:0f`,
    image_spec: image,
    container_id: `containerd://${containerId(pod, name, restarts)}`,
    ...(isInit ? { restart_policy } : {}),
  };
  return [
    { name: `${prefix}_info`, labels },
    {
      name: `${prefix}_status_restarts_total`,
      labels: { ...own, container: name },
      value: restarts,
    },
  ];
}

/** As kube-state-metrics writes a name of Kubernetes. */
function snakeCase(name: string): string {
  const snake = name.replaceAll(/[^a-zA-Z0-9_]/g, "_").replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2");
  return `annotation_${snake.toLowerCase()}`;
}
