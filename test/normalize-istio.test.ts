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
  ];
  for (const [name, expected] of cases) check({ name }, expected);
  for (const name of [
    "up",
    "istio_build",
    "istio_requests_total_total",
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
    [{ connection_security_policy: "unknown", source_principal: "" }, "ztunnel", "none"],
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
    [{}, "lab//"],
  ];
  for (const [given, key] of cases) check(given, { source: { kind: "proxy", key } });
});

test("clusters have one name each", () => {
  check({}, { src: { cluster: "lab" }, dst: { cluster: "lab" } });
  check({ labels: { source_cluster: "prod-1" } }, { src: { cluster: "prod" } });
  check({ labels: { source_cluster: "east" } }, { src: { cluster: "east" } });
});
