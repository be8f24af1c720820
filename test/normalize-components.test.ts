/** What Istio's components count of themselves, from OTLP bytes to samples; and what says nothing. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { ComponentSample } from "../src/model/observations.ts";
import { NormalizeRun, receivedUs, toLines } from "./support/normalize-run.ts";
import { keyValues, metricsRequest, type Attributes } from "./support/otlp-build.ts";
import { readRecording } from "./support/recordings.ts";

interface Metric {
  readonly name: string;
  readonly type: "gauge" | "sum";
  readonly points: readonly { readonly value: number; readonly attributes: Attributes }[];
}

interface Form {
  readonly form: string;
  readonly resource: Attributes;
  readonly metrics: readonly Metric[];
}

const file = path.join(import.meta.dirname, "fixtures/vocabulary/istio-components.json");
const forms = JSON.parse(readFileSync(file, "utf8")) as readonly Form[]; // of this folder
const timeNs = String(BigInt(receivedUs) * 1_000n - 5_000_000_000n);

/** As the Prometheus receiver sends them: doubles, without start times. */
function requestOf(resource: Attributes, metrics: readonly Metric[], temporality = 2): Buffer {
  const request = metrics.map(({ name, type, points }) => {
    const data_points = points.map(({ value, attributes }) => ({
      attributes: keyValues(attributes),
      time_unix_nano: timeNs,
      as_double: value,
    }));
    if (type === "gauge") return { name, gauge: { data_points } };
    const sum = { is_monotonic: true, aggregation_temporality: temporality, data_points };
    return { name, sum };
  });
  return metricsRequest({ resource }, request);
}

test("every component's numbers, under the names that rules know", async () => {
  const run = new NormalizeRun();
  const told = forms.flatMap(({ form, resource, metrics }) => [
    form,
    ...run.push("metrics", requestOf(resource, metrics)).observations,
  ]);
  const golden = path.join(import.meta.dirname, "golden/normalize/istio-components.jsonl");
  await expect(toLines(told)).toMatchFileSnapshot(golden);
  expect(Object.keys(run.counts()).filter((name) => name.startsWith("unrecognized"))).toEqual([]);
});

test("what a real collector makes of istiod's page is read from its recording", () => {
  const run = new NormalizeRun();
  const samples = readRecording("collector/prometheus-istio.bin")
    .flatMap(({ signal, body }) => run.push(signal, body).observations)
    .filter((item): item is ComponentSample => item.kind === "component_sample")
    .filter(({ component }) => component === "istiod");
  const told = new Set(samples.map(({ metric, series, value }) => `${metric} ${series} ${value}`));
  expect([...told].sort()).toEqual([
    "build  1",
    "connected_proxies 1.27.1 12",
    "root_cert_expires_at  2107543211",
    "validation_failures authorizationpolicies invalid_resource 2",
    "xds_rejects cds 1",
  ]);
  expect(new Set(samples.map(({ instance }) => instance))).toEqual(
    new Set(["istiod/127.0.0.1:29090"]),
  );
});

const istiod = { "k8s.pod.name": "istiod-1", "k8s.namespace.name": "istio-system" };

function samplesOf(metric: Metric, resource: Attributes = istiod): ComponentSample[] {
  const { observations } = new NormalizeRun().push("metrics", requestOf(resource, [metric]));
  return observations.filter((item): item is ComponentSample => item.kind === "component_sample");
}

test("numbers that are none say nothing, and what is left may be below zero", () => {
  const of = (name: string, type: Metric["type"], value: number) =>
    samplesOf({ name, type, points: [{ value, attributes: { type: "cds" } }] }).length;
  for (const value of [Number.NaN, Infinity, -1]) {
    expect(of("pilot_total_xds_rejects", "sum", value)).toBe(0);
  }
  expect(of("citadel_server_root_cert_expiry_seconds", "gauge", -1)).toBe(1);
  expect(of("citadel_server_root_cert_expiry_seconds", "gauge", Number.NaN)).toBe(0);
  expect(of("citadel_server_root_cert_expiry_timestamp", "gauge", -1)).toBe(0);
});

test("both forms of a certificate's end are the same moment", () => {
  const [stamp] = samplesOf({
    name: "citadel_server_root_cert_expiry_timestamp",
    type: "gauge",
    points: [{ value: receivedUs / 1e6 + 100, attributes: {} }],
  });
  const [left] = samplesOf({
    name: "citadel_server_root_cert_expiry_seconds",
    type: "gauge",
    points: [{ value: 105, attributes: {} }],
  });
  expect(left?.value).toBe(stamp?.value);
});

test("a program that nobody names is counted and left out; hostile labels are cut", () => {
  const long = "x".repeat(100_000);
  const point = { value: 1, attributes: { type: long } };
  const rejects: Metric = { name: "pilot_total_xds_rejects", type: "sum", points: [point] };
  const run = new NormalizeRun();
  expect(run.push("metrics", requestOf({}, [rejects])).observations).toEqual([]);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total istio-components:missing_field": 1,
  });
  const [sample] = samplesOf(rejects, { ...istiod, "k8s.pod.name": long });
  expect([sample?.series.length, sample?.instance.length]).toEqual([100, 253]);
  const build = { value: 1, attributes: { component: "__proto__", tag: long } };
  expect(samplesOf({ name: "istio_build", type: "gauge", points: [build] })).toEqual([]);
});

test("what was added since the point before says so", () => {
  const points = [{ value: 2, attributes: { type: "cds" } }];
  const metric: Metric = { name: "pilot_total_xds_rejects", type: "sum", points };
  const { observations } = new NormalizeRun().push("metrics", requestOf(istiod, [metric], 1));
  expect(observations).toMatchObject([{ counts: "delta", value: 2 }]);
});
