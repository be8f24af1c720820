/** Envoy's own counters of connections, in the forms of a scrape and of its stat sink; and what says nothing. */
import { expect, test } from "vitest";
import type { ComponentSample } from "../src/model/observations.ts";
import { compact, NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import { keyValues, metricsRequest, type Attributes } from "./support/otlp-build.ts";
import { readRecording } from "./support/recordings.ts";

const timeNs = String(BigInt(receivedUs) * 1_000n - 5_000_000_000n);
const target = { pod: "web-6d8f5c9b7c-l4q8z", namespace: "shop" };

function push(name: string, attributes: Attributes, more: Attributes = {}, value: object = {}) {
  const point = {
    attributes: keyValues(attributes),
    time_unix_nano: timeNs,
    as_double: 4,
    ...value,
  };
  const sum = { is_monotonic: true, aggregation_temporality: 2, data_points: [point] };
  const run = new NormalizeRun();
  const { observations } = run.push("metrics", metricsRequest({ resource: more }, [{ name, sum }]));
  return { run, samples: observations.filter(isSample) };
}

function isSample(item: { readonly kind: string }): item is ComponentSample {
  return item.kind === "component_sample";
}

test("both counters, by Istio's name of the tag and by Envoy's own", () => {
  const told = {
    kind: "component_sample",
    component: "proxy",
    cluster: "lab",
    namespace: "shop",
    instance: target.pod,
    series: "9080",
    value: 4,
    counts: "total",
  };
  const forms: [string, string, Attributes][] = [
    [
      "envoy_http_downstream_cx_total",
      "http_connections",
      { http_conn_manager_prefix: "inbound_0.0.0.0_9080" },
    ],
    [
      "envoy_http_downstream_cx",
      "http_connections",
      { http_conn_manager_prefix: "inbound_0.0.0.0_9080;" },
    ],
    [
      "envoy_http_downstream_cx_ssl_total",
      "http_tls_connections",
      { envoy_http_conn_manager_prefix: "inbound_[__]_9080" },
    ],
  ];
  for (const [name, metric, tag] of forms) {
    const { samples } = push(name, { ...target, ...tag });
    expect(samples).toMatchObject([{ ...told, metric }]);
  }
  const sink = {
    http_conn_manager_prefix: "inbound_0.0.0.0_9080",
    "envoy.http_conn_manager_prefix": "inbound_0",
  };
  const resource = { "k8s.pod.name": target.pod, "k8s.namespace.name": "shop" };
  const { samples } = push("http.downstream_cx_total", sink, resource, {
    as_double: undefined,
    as_int: "4",
  });
  expect(samples).toMatchObject([{ ...told, metric: "http_connections" }]);
});

test("listeners that take nothing for the application, and the proxy's own ports", () => {
  for (const prefix of [
    "outbound_0.0.0.0_9080",
    "inbound_0.0.0.0_15021",
    "inbound_0.0.0.0_15090",
    "inbound_0.0.0.0_15020",
    "InboundPassthroughCluster",
    "inbound_0",
    "inbound_0.0.0.0_99999",
    "inbound_0.0.0.0_0",
    `inbound_${"1".repeat(100_000)}_80`,
    "admin",
    "stats",
    "",
  ]) {
    const { samples } = push("envoy_http_downstream_cx_total", {
      ...target,
      http_conn_manager_prefix: prefix,
    });
    expect([prefix.slice(0, 30), samples]).toEqual([prefix.slice(0, 30), []]);
  }
});

test("a sink that names nobody is counted and left out: all pods of a workload would be one", () => {
  const tag = { http_conn_manager_prefix: "inbound_0.0.0.0_9080" };
  const { run, samples } = push("http.downstream_cx_total", tag, { "telemetry.sdk.name": "envoy" });
  expect(samples).toEqual([]);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total envoy-stats:missing_field": 1,
  });
  expect(push("envoy_http_downstream_cx_total", { ...tag, pod: "web-1" }).samples).toEqual([]);
});

test("what a real Envoy's sink sends is all known, and names nobody", () => {
  const run = new NormalizeRun();
  for (const { signal, body } of readRecording("envoy/metrics-stat-sink.u32le")) {
    expect(compact(run.push(signal, body).observations)).toEqual([]);
  }
  const unknown = Object.keys(run.counts()).filter((name) => name.startsWith("unrecognized"));
  expect(unknown).toEqual([]);
});

test("metrics of applications that begin alike stay unknown by name", () => {
  for (const name of [
    "http.server.request.duration",
    "http_requests_total",
    "cluster.size",
    "server.uptime.s",
  ]) {
    expect([name, push(name, {}).run.counts()[`unrecognized_metrics_total ${name}`]]).toEqual([
      name,
      1,
    ]);
  }
});
