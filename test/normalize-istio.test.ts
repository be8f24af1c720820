/** Istio's labels to the facts of a series: one case per trap of the reporters, peers and routes. */
import { expect, test } from "vitest";
import type { EdgeSeries } from "../src/model/observations.ts";
import { compact, NormalizeRun } from "./support/normalize-run.ts";
import { keyValues, metricsRequest, type Attributes } from "./support/otlp-build.ts";

const timeNs = "1795246300000000000";

interface Given {
  readonly name?: string;
  readonly labels?: Attributes;
  readonly resource?: Attributes;
}

/** An ordinary row of a destination's proxy, to vary. */
const ordinary: Attributes = {
  reporter: "destination",
  source_workload: "productpage-v1",
  source_workload_namespace: "bookinfo",
  source_principal: "spiffe://cluster.local/ns/bookinfo/sa/productpage",
  source_cluster: "Kubernetes",
  destination_workload: "reviews-v1",
  destination_workload_namespace: "bookinfo",
  destination_service: "reviews.bookinfo.svc.cluster.local",
  destination_service_name: "reviews",
  destination_service_namespace: "bookinfo",
  request_protocol: "http",
  response_code: "200",
  response_flags: "-",
  connection_security_policy: "mutual_tls",
};

function seriesOf({
  name = "istio_requests_total",
  labels = {},
  resource = {},
}: Given): EdgeSeries[] {
  const point = {
    attributes: keyValues({ ...ordinary, ...labels }),
    time_unix_nano: timeNs,
    as_double: 1,
  };
  const sum = { data_points: [point], aggregation_temporality: 2, is_monotonic: true };
  const body = metricsRequest({ resource }, [{ name, sum }]);
  return [
    ...new NormalizeRun({ clusterAliases: { "prod-1": "prod" } }).push("metrics", body).series,
  ];
}

function check(given: Given, expected: object): void {
  const [series] = seriesOf(given);
  expect(series).toMatchObject(expected);
}

test("metric names, with and without their endings", () => {
  const cases: [string, object][] = [
    ["istio_requests_total", { measure: "requests", channel: "metrics" }],
    ["istio_requests", { measure: "requests" }],
    ["istiocustom.istio_requests_total", { measure: "requests", channel: "sink" }],
    ["istio_tcp_sent_bytes_total", { measure: "bytes_received" }],
    ["istio_tcp_sent_bytes", { measure: "bytes_received" }],
    ["istio_tcp_received_bytes_total", { measure: "bytes_sent" }],
    ["istio_tcp_connections_opened_total", { measure: "connections_opened" }],
    ["istio_tcp_connections_closed", { measure: "connections_closed" }],
    ["istio_request_messages_total", { measure: "messages" }],
    ["istio_response_messages", { measure: "messages" }],
    ["istio_request_bytes_sum", { measure: "bytes_sent" }],
  ];
  for (const [name, expected] of cases) check({ name }, expected);
  for (const name of [
    "up",
    "istio_build",
    "istio_requests_total_total",
    "istio_request_bytes_count",
    "istio_request_duration_milliseconds_sum",
    "istio_request_duration_milliseconds_bucket",
    "istio_tcp_connections_failed_total",
    "xistiocustom.istio_requests_total",
    `${"x".repeat(200)}.istiocustom.istio_requests_total`,
    "constructor",
    "__proto__",
  ]) {
    expect([name, seriesOf({ name })]).toEqual([name, []]);
  }
});

test("who reports, and whether that can know the security", () => {
  const cases: [Attributes, string, string][] = [
    [{}, "destination", "mutual_tls"],
    [{ connection_security_policy: "none" }, "destination", "none"],
    [{ reporter: "source", connection_security_policy: "unknown" }, "source", "unknown"],
    [{ reporter: "source", connection_security_policy: "none" }, "source", "unknown"],
    [{ reporter: "waypoint" }, "waypoint", "mutual_tls"],
    [{ reporter: "waypoint", connection_security_policy: "none" }, "waypoint", "none"],
    [{ connection_security_policy: "" }, "destination", "unknown"],
    [{ reporter: "source" }, "ztunnel_source", "mutual_tls"],
    [{ connection_security_policy: "unknown" }, "ztunnel", "unknown"],
    [{ connection_security_policy: "unknown", source_principal: "unknown" }, "ztunnel", "none"],
    [{ connection_security_policy: "unknown", source_principal: "" }, "ztunnel", "unknown"],
    [{ reporter: "", connection_security_policy: "none" }, "source", "unknown"],
  ];
  for (const [labels, reporter, security] of cases) check({ labels }, { reporter, security });
  const ztunnel = { "service.name": "ztunnel" };
  const passed = { reporter: "source", connection_security_policy: "unknown" };
  const told = { reporter: "ztunnel_source", security: "unknown" };
  check({ labels: passed, resource: ztunnel }, told);
  const nameless = { ...passed, source_principal: "unknown" };
  check({ labels: nameless, resource: ztunnel }, told);
  check({ labels: { ...nameless, pod: "ztunnel-x7k2p" } }, told);
});

test("a pod that is named or labelled like ztunnel hides no plaintext of its sidecar", () => {
  const plain = { connection_security_policy: "none", source_principal: "unknown" };
  const told = { reporter: "destination", security: "none" };
  check({ labels: { ...plain, app: "ztunnel" } }, told);
  check({ labels: { ...plain, pod: "ztunnel-x7k2p", namespace: "shop" } }, told);
  check({ labels: plain, resource: { "k8s.daemonset.name": "ztunnel" } }, told);
});

test("the sink's rows accuse nobody where nothing names their sender", () => {
  const name = "istiocustom.istio_requests_total";
  const labels = { connection_security_policy: "none" };
  const sdk = { "telemetry.sdk.name": "envoy", "telemetry.sdk.language": "cpp" };
  const channel = "sink";
  check({ name, labels, resource: sdk }, { channel, security: "unknown", reporter: "destination" });
  const named = { ...sdk, "k8s.pod.name": "reviews-1", "k8s.namespace.name": "bookinfo" };
  check({ name, labels, resource: named }, { channel, security: "none" });
  check({ name: `edge.${name}`, resource: named }, { channel, security: "mutual_tls" });
});

test("empty labels, as the sink keeps them, are missing ones", () => {
  const name = "istiocustom.istio_requests_total";
  const [kept] = seriesOf({ name, labels: { source_version: "", response_flags: "" } });
  const [left] = seriesOf({ name, labels: { response_flags: "" } });
  expect(kept).toEqual(left);
});

test("a metric whose type was lost on the way is known by its name", () => {
  const point = { attributes: keyValues(ordinary), time_unix_nano: timeNs, as_double: 7 };
  const histogram = { data_points: [{ ...point, as_double: undefined, sum: 7, count: "2" }] };
  const run = new NormalizeRun();
  const { series, samples } = run.push(
    "metrics",
    metricsRequest({}, [
      { name: "istio_requests_total", gauge: { data_points: [point] } },
      { name: "istio_requests", sum: { data_points: [{ ...point, as_int: "7" }] } },
      { name: "istio_request_bytes", histogram: { ...histogram, aggregation_temporality: 2 } },
      {
        name: "istio_request_duration_milliseconds",
        exponential_histogram: { ...histogram, aggregation_temporality: 1 },
      },
    ]),
  );
  expect(series.map(({ measure }) => measure)).toEqual([
    "requests",
    "requests",
    "bytes_sent",
    "latency_ms",
  ]);
  expect([...samples.value]).toEqual([7, 7, 7, 7]);
  expect([...samples.valueCount]).toEqual([0, 0, 0, 2]);
  // A gauge, and a sum that does not say, hold a running total: only a falling value is a reset.
  expect([...samples.temporality]).toEqual([2, 2, 0, 1]);
});

test("what stands for an unknown peer or route is no service", () => {
  const special = (name: string) => ({
    destination_service_name: name,
    destination_service: "reviews:9080",
    destination_workload: "unknown",
    destination_workload_namespace: "unknown",
    destination_service_namespace: "unknown",
  });
  const cases: [Attributes, string, object][] = [
    [special("PassthroughCluster"), "passthrough", {}],
    [special("BlackHoleCluster"), "blackhole", {}],
    [special("InboundPassthroughClusterIpv4"), "inbound_passthrough", {}],
    [special("unknown"), "declared", { service: "reviews" }],
    [special("reviews:9080"), "declared", { service: "reviews" }],
    [special("api.example.com"), "declared", { service: "api.example.com" }],
    [{ ...special("unknown"), destination_service: "unknown" }, "unknown", {}],
    [
      { ...special(""), destination_service: "a.b.svc.cluster.local" },
      "declared",
      { service: "a", serviceNamespace: "b" },
    ],
  ];
  for (const [labels, route, dst] of cases) {
    const [series] = seriesOf({ labels });
    expect([series?.route, compact(series?.dst)]).toEqual([route, dst]);
  }
});

test("errors and denials", () => {
  const cases: [Attributes, boolean, boolean][] = [
    [{}, false, false],
    [{ response_code: "404" }, false, false],
    [{ response_code: "503", response_flags: "UH" }, true, false],
    [{ response_code: "403" }, false, true],
    [{ response_code: "0", response_flags: "UF,URX" }, true, false],
    [{ response_code: "0", response_flags: "DC" }, false, false],
    [{ response_code: "", response_flags: "DENY" }, false, true],
    [{ response_code: "403", response_flags: "UAEX" }, false, true],
    [{ request_protocol: "grpc", grpc_response_status: "14" }, true, false],
    [{ request_protocol: "grpc", grpc_response_status: "5" }, false, false],
    [{ request_protocol: "grpc", grpc_response_status: "7" }, false, true],
  ];
  for (const [labels, isError, isDenied] of cases) check({ labels }, { isError, isDenied });
});

test("the source is the scraped pod, never the scrape job's workload", () => {
  const cases: [Given, string][] = [
    [{ labels: { pod: "a-1", namespace: "ns" } }, "lab/ns/a-1"],
    [
      {
        labels: { pod: "prom-0", exported_pod: "a-1", namespace: "mon", exported_namespace: "ns" },
      },
      "lab/ns/a-1",
    ],
    [
      { resource: { "k8s.pod.name": "a-1", "k8s.namespace.name": "ns", "service.name": "job" } },
      "lab/ns/a-1",
    ],
    [{ resource: { "k8s.pod.name": "a-1", "k8s.cluster.name": "prod-1" } }, "prod//a-1"],
    [
      { resource: { "service.name": "job", "service.instance.id": "10.0.0.1:15020" } },
      "lab//job/10.0.0.1:15020",
    ],
    [
      {
        labels: { exported_job: "istio", exported_instance: "10.0.0.1:15020" },
        resource: { "service.name": "federate", "service.instance.id": "10.9.9.9:9090" },
      },
      "lab//istio/10.0.0.1:15020",
    ],
    [{ labels: { kubernetes_pod_name: "a-1", kubernetes_namespace: "ns" } }, "lab/ns/a-1"],
    [{ labels: { k8s_pod_name: "a-1", k8s_namespace_name: "ns" } }, "lab/ns/a-1"],
    [{ labels: { "k8s.pod.name": "a-1", k8s_cluster_name: "prod-1" } }, "prod//a-1"],
    [{}, "lab//"],
  ];
  for (const [given, key] of cases) check(given, { source: { kind: "proxy", key } });
});

test("clusters have one name each", () => {
  check({}, { src: { cluster: "lab" }, dst: { cluster: "lab" } });
  check({ labels: { source_cluster: "prod-1" } }, { src: { cluster: "prod" } });
  check({ labels: { source_cluster: "east" } }, { src: { cluster: "east" } });
});
