/** Metrics about objects: kube-state-metrics, the kubelet's statistics, the k8s_cluster receiver. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { ComponentSample, Observation, ObservationBatch } from "../src/model/observations.ts";
import { NormalizeRun, receivedUs, toLines } from "./support/normalize-run.ts";
import { readSamples, type Sample } from "./support/prometheus-text.ts";
import { keyValues, logsRequest, metricsRequest, type Attributes } from "./support/otlp-build.ts";

const fixture = readFileSync(
  path.join(import.meta.dirname, "fixtures/vocabulary/kube-state-metrics.prom"),
  "utf8",
);

const samples = readSamples(fixture);

const scrapedNs = BigInt(receivedUs) * 1_000n - 5_000_000_000n;
const target = {
  "service.name": "kube-state-metrics",
  "service.instance.id": "10.244.1.90:8080",
  "k8s.cluster.name": "lab",
};

/** One request with these samples, each metric's points together, as the collector's scrape makes them. */
function scrape(
  given: readonly Sample[],
  more: { readonly resource?: Attributes; readonly flags?: number } = {},
): Buffer {
  const points = new Map<string, object[]>();
  for (const { name, labels, value } of given) {
    const point = {
      attributes: keyValues(labels),
      time_unix_nano: String(scrapedNs),
      as_double: value,
      flags: more.flags ?? 0,
    };
    points.set(name, [...(points.get(name) ?? []), point]);
  }
  const metrics = [...points].map(([name, data_points]) => ({ name, gauge: { data_points } }));
  const scope = "otelcol/prometheusreceiver";
  return metricsRequest({ scope, resource: more.resource ?? target }, metrics);
}

function read(
  given: readonly Sample[],
  run = new NormalizeRun(),
  more: Parameters<typeof scrape>[1] = {},
): ObservationBatch {
  return run.push("metrics", scrape(given, more));
}

test("kube-state-metrics", async () => {
  const run = new NormalizeRun();
  const { observations } = read(samples, run);
  await expect(toLines(observations)).toMatchFileSnapshot(
    "golden/normalize/kube-state-metrics.jsonl",
  );
  const counted = Object.keys(run.counts()).filter((name) => /unrecognized/.test(name));
  expect(counted).toEqual([]);
});

test("the same where its labels give way to the target's", () => {
  const own = {
    namespace: "monitoring",
    pod: "kube-state-metrics-0",
    service: "ksm",
    node: "node-9",
    container: "ksm",
    uid: "x",
  };
  const renamed = samples.map(({ labels, ...rest }) => {
    const moved = Object.entries(labels).map(([name, value]) => [
      name in own ? `exported_${name}` : name,
      value,
    ]);
    return { ...rest, labels: { ...own, ...(Object.fromEntries(moved) as Attributes) } };
  }) as readonly Sample[]; // the same texts by other names
  // A pod of an older release has no uid of its own; the target's is not its.
  const plain = samples.filter(({ labels }) => labels["pod"] !== "pending-0");
  const moved = renamed.filter(({ labels }) => labels["exported_pod"] !== "pending-0");
  expect(read(moved).observations).toEqual(read(plain).observations);
});

test("the parts of one pod in several requests are those of one", () => {
  const facts = (observations: readonly Observation[]): unknown[] =>
    observations
      .flatMap((one) =>
        one.kind === "object_seen" && one.object.type === "pod_inventory"
          ? one.object.facts.map((fact) => JSON.stringify([one.object.name, fact]))
          : [],
      )
      .toSorted((a, b) => (a < b ? -1 : 1));
  const pieces = samples.map((sample) => read([sample]).observations).flat();
  expect(facts(pieces)).toEqual(facts(read(samples).observations));
});

test("two scrapes in one request are two lists", () => {
  const run = new NormalizeRun();
  const [info] = samples;
  if (!info) throw new Error("the fixture is empty");
  const point = (secondsAgo: bigint) => ({
    attributes: keyValues(info.labels),
    time_unix_nano: String(scrapedNs - secondsAgo * 1_000_000_000n),
    as_double: 1,
  });
  const gauge = { data_points: [point(30n), point(0n)] };
  const request = metricsRequest({ resource: target }, [{ name: "kube_pod_info", gauge }]);
  const listed = run
    .push("metrics", request)
    .observations.filter(({ kind }) => kind !== "heartbeat");
  expect(listed.map(({ timeUs }) => receivedUs - timeUs)).toEqual([35_000_000, 5_000_000]);
});

test("a stale point tells of nobody, not even that its sender lives", () => {
  expect(read(samples, new NormalizeRun(), { flags: 1 }).observations).toEqual([]);
});

test("what names no pod, or by no name, is counted; nothing is followed into a prototype", () => {
  const sample = (labels: Record<string, string>, name = "kube_pod_info"): Sample => ({
    name,
    labels,
    value: 1,
  });
  const run = new NormalizeRun();
  const odd = [
    sample({}),
    sample({ pod: "web" }),
    sample({ pod: "a/b", namespace: "shop" }),
    sample({ replicaset: "r/s", namespace: "shop" }, "kube_replicaset_owner"),
    sample({ node: "node-1", internal_ip: "no address" }, "kube_node_info"),
  ];
  expect(read(odd, run).observations.filter(({ kind }) => kind === "object_seen")).toEqual([]);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total kube-state-metrics:missing_field": 5,
  });
  const labels = {
    pod: "__proto__",
    namespace: "constructor",
    uid: "__proto__",
    pod_ip: "x".repeat(9_999),
  };
  const [seen] = read([sample(labels)]).observations;
  expect(seen).toMatchObject({ object: { name: "__proto__", facts: [{ ip: "", ownerName: "" }] } });
  expect(
    new NormalizeRun().push("metrics", scrape([sample({}, "kube_constructor")])).observations,
  ).toEqual([]);
});

test("a pod with ten thousand containers and a thousand labels is cut", () => {
  const run = new NormalizeRun();
  const many = Array.from({ length: 1_000 }, (_, index) => [`label_l${index}`, "v".repeat(99)]);
  const pod = { pod: "web", namespace: "shop", uid: "u" };
  const containers = Array.from({ length: 10_000 }, (_, index) => ({
    name: "kube_pod_container_info",
    labels: { ...pod, container: `c${index}` },
    value: 1,
  }));
  const labels = { ...pod, ...(Object.fromEntries(many) as Record<string, string>) };
  const { observations } = read(
    [{ name: "kube_pod_labels", labels, value: 1 }, ...containers],
    run,
  );
  expect(observations).toHaveLength(2);
  expect(JSON.stringify(observations).length).toBeLessThan(32_768);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total kube-state-metrics:capacity": 10_001 - 160,
  });
});

const pod = {
  "k8s.cluster.name": "lab",
  "k8s.namespace.name": "shop",
  "k8s.pod.name": "web-0",
  "k8s.pod.uid": "p-1",
  "k8s.node.name": "node-1",
};

function sums(name: string, points: readonly [Attributes, number][], temporality = 2): object {
  const data_points = points.map(([attributes, value]) => ({
    attributes: keyValues(attributes),
    time_unix_nano: String(scrapedNs),
    as_int: String(value),
  }));
  return { name, sum: { is_monotonic: true, aggregation_temporality: temporality, data_points } };
}

test("the kubelet's count of a pod's bytes", () => {
  const run = new NormalizeRun();
  const scope =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kubeletstatsreceiver";
  const io = sums("k8s.pod.network.io", [
    [{ interface: "eth0", direction: "receive" }, 1_000],
    [{ interface: "eth0", direction: "transmit" }, 400],
    [{ interface: "eth0", direction: "sideways" }, 1],
  ]);
  const errors = sums("k8s.pod.network.errors", [[{ interface: "eth0", direction: "receive" }, 0]]);
  const others = ["k8s.node.cpu.usage", "container.memory.usage", "k8s.volume.available"].map(
    (name) => sums(name, [[{}, 1]]),
  );
  const request = metricsRequest({ scope, resource: pod }, [io, errors, ...others]);
  const { observations } = run.push("metrics", request);
  const common = {
    kind: "pod_volume",
    interface: "eth0",
    pod: { cluster: "lab", namespace: "shop", pod: "web-0", podUid: "p-1" },
    source: { key: "lab/node-1" },
  };
  expect(observations).toMatchObject([
    { ...common, bytesSent: -1, bytesReceived: 1_000 },
    { ...common, bytesSent: 400, bytesReceived: -1 },
  ]);
  run.push(
    "metrics",
    metricsRequest({ resource: pod }, [
      sums("k8s.pod.network.io", [[{ direction: "transmit" }, 5]], 1),
    ]),
  );
  const counts = Object.entries(run.counts()).filter(([name]) =>
    /dropped_items|unrecog/.test(name),
  );
  expect(Object.fromEntries(counts)).toEqual({
    "normalize_dropped_items_total kubelet-stats:missing_field": 1,
    "normalize_dropped_items_total kubelet-stats:not_ours_yet": 1,
  });
});

test("k8s_cluster's metrics and events on entities are known, and nothing is made of them", () => {
  const run = new NormalizeRun();
  const scope =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sclusterreceiver";
  const names = [
    "k8s.pod.phase",
    "k8s.replicaset.desired",
    "k8s.container.restarts",
    "k8s.hpa.max_replicas",
  ];
  const metrics = names.map((name) => sums(name, [[{}, 2]]));
  run.push("metrics", metricsRequest({ scope, resource: pod }, metrics));
  const attributes = { "otel.entity.event.type": "entity_state", "otel.entity.type": "k8s.pod" };
  // As it sends them: the scope has an attribute and no name.
  run.push("logs", logsRequest({}, [{ attributes }]));
  run.push("logs", logsRequest({ scope }, [{ attributes }]));
  const counted = Object.entries(run.counts()).filter(([, count]) => count > 0);
  expect(counted).toEqual([]);
});

const replicasOf = (observations: readonly Observation[]): string[] =>
  observations
    .filter((one): one is ComponentSample => one.kind === "component_sample")
    .map((one) => {
      const { cluster, namespace, component, instance, metric, value, counts } = one;
      return `${cluster} ${namespace}/${instance} ${component} ${metric} ${value} ${counts}`;
    });

test("pods of the mesh's own programs, wanted and available, by kube-state-metrics", () => {
  const of = (name: string, labels: Record<string, string>, value: number): Sample => ({
    name,
    labels: { namespace: "istio-system", ...labels },
    value,
  });
  const given = [
    of("kube_deployment_spec_replicas", { deployment: "istiod" }, 2),
    of("kube_deployment_status_replicas_available", { deployment: "istiod" }, 1),
    of("kube_deployment_status_replicas_ready", { deployment: "istiod" }, 2),
    of("kube_deployment_spec_replicas", { deployment: "istiod-1-28" }, 0),
    of("kube_deployment_spec_replicas", { deployment: "istiodine" }, 7),
    of("kube_deployment_spec_replicas", { deployment: "ztunnel" }, 7),
    of("kube_daemonset_status_desired_number_scheduled", { daemonset: "ztunnel" }, 3),
    of("kube_daemonset_status_number_available", { daemonset: "istio-cni-node" }, 4),
    of("kube_daemonset_status_number_available", { daemonset: "istiod" }, 7),
  ];
  const expected = [
    "lab istio-system/istiod istiod desired 2 replicas",
    "lab istio-system/istiod-1-28 istiod desired 0 replicas",
    "lab istio-system/istiod istiod available 1 replicas",
    "lab istio-system/ztunnel ztunnel desired 3 replicas",
    "lab istio-system/istio-cni-node istio-cni available 4 replicas",
  ];
  expect(replicasOf(read(given).observations)).toEqual(expected);
  // Without `honor_labels` the target's own namespace stands in the way.
  const renamed = given.map(({ labels, ...rest }) => {
    const { namespace = "", ...others } = labels;
    const moved = { ...others, exported_namespace: namespace, namespace: "monitoring" };
    return { ...rest, labels: moved };
  });
  expect(replicasOf(read(renamed).observations)).toEqual(expected);
  const run = new NormalizeRun();
  read([of("kube_deployment_spec_replicas", {}, 1)], run);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total kube-state-metrics:missing_field": 1,
  });
});

test("the same by the k8s_cluster receiver, which is no inventory by that", () => {
  const run = new NormalizeRun();
  const gauge = (name: string, value: number) => ({
    name,
    gauge: { data_points: [{ time_unix_nano: String(scrapedNs), as_int: String(value) }] },
  });
  const push = (attributes: Attributes, ...metrics: readonly object[]) => {
    const common = { "k8s.cluster.name": "lab", "k8s.namespace.name": "istio-system" };
    const resource = { ...common, ...attributes };
    return run.push("metrics", metricsRequest({ resource }, metrics)).observations;
  };
  const desired = gauge("k8s.deployment.desired", 2);
  const told = [
    ...push({ "k8s.deployment.name": "istiod" }, desired, gauge("k8s.deployment.available", 1)),
    ...push({ "k8s.deployment.name": "web" }, desired),
    ...push(
      { "k8s.daemonset.name": "ztunnel" },
      gauge("k8s.daemonset.desired_scheduled_nodes", 3),
      gauge("k8s.daemonset.ready_nodes", 2),
      gauge("k8s.daemonset.current_scheduled_nodes", 3),
    ),
    ...push({}, desired),
  ];
  expect(replicasOf(told)).toEqual([
    "lab istio-system/istiod istiod desired 2 replicas",
    "lab istio-system/istiod istiod available 1 replicas",
    "lab istio-system/ztunnel ztunnel desired 3 replicas",
    "lab istio-system/ztunnel ztunnel available 2 replicas",
  ]);
  expect(told).toHaveLength(4);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total k8s-cluster:missing_field": 1,
  });
});
