/**
 * From bytes to observations, one golden file per vocabulary: one line each, without what says nothing.
 * After a wanted change: run with `-u` and read the difference.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { ObservationBatch } from "../src/model/observations.ts";
import { NormalizeRun, toLines } from "./support/normalize-run.ts";
import {
  keyValues,
  logsRequest,
  metricsRequest,
  type Attributes,
  type LogRecord,
} from "./support/otlp-build.ts";
import { readRecording } from "./support/recordings.ts";

const folder = path.join(import.meta.dirname, "fixtures/vocabulary");
const observedNs = 1_795_246_290_123_456_789n;

function fixtureLines(name: string): string[] {
  return readFileSync(path.join(folder, name), "utf8").trim().split("\n");
}

/** Series without their resource, which stands in the fixture, observations, and each series' first sample. */
function told(batches: readonly ObservationBatch[]): unknown[] {
  return batches.flatMap((batch) => [
    ...batch.series.map(({ resource: _resource, ...series }) => series),
    ...firstSamples(batch),
    ...batch.observations,
  ]);
}

function firstSamples({ series, samples }: ObservationBatch): unknown[] {
  return series.map(({ id }) => {
    const at = samples.series.indexOf(id);
    const { timeUs, value, valueCount, temporality, stale } = samples;
    return {
      series: id,
      timeUs: timeUs[at],
      value: value[at],
      valueCount: valueCount[at],
      temporality: temporality[at],
      stale: stale[at],
    };
  });
}

function recorded(recording: string, requests: number): ObservationBatch[] {
  const run = new NormalizeRun();
  return readRecording(recording)
    .slice(0, requests)
    .map(({ signal, body }) => run.push(signal, body));
}

function built(scope: string, records: readonly LogRecord[]): ObservationBatch[] {
  return [new NormalizeRun().push("logs", logsRequest({ scope }, records))];
}

/** Metrics of a fixture: names, temporality and points with their attributes. */
interface MetricFixture {
  readonly scope: string;
  readonly resource: Attributes;
  readonly metrics: readonly {
    readonly name: string;
    readonly temporality: "cumulative" | "delta" | "gauge";
    readonly points: readonly { readonly value: number; readonly attributes: Attributes }[];
  }[];
}

/** Two exports half a minute apart; the second has counted further. */
function exported(name: string): ObservationBatch[] {
  const run = new NormalizeRun();
  const fixture = JSON.parse(fixtureLines(name).join("\n")) as MetricFixture; // of this folder
  const { scope, resource, metrics } = fixture;
  return [0n, 30_000_000_000n].map((laterNs, index) => {
    const request = metrics.map(({ name: metric, temporality, points }) => {
      const data_points = points.map(({ value, attributes }) => ({
        attributes: keyValues(attributes),
        start_time_unix_nano: String(observedNs - 60_000_000_000n),
        time_unix_nano: String(observedNs - 30_000_000_000n + laterNs),
        as_int: String(value * (temporality === "delta" ? 1 : 1 + index)),
      }));
      if (temporality === "gauge") return { name: metric, gauge: { data_points } };
      const aggregation_temporality = temporality === "delta" ? 1 : 2;
      return { name: metric, sum: { is_monotonic: true, aggregation_temporality, data_points } };
    });
    return run.push("metrics", metricsRequest({ scope, resource }, request));
  });
}

async function check(name: string, batches: readonly ObservationBatch[]): Promise<void> {
  const golden = path.join(import.meta.dirname, `golden/normalize/${name}.jsonl`);
  await expect(toLines(told(batches))).toMatchFileSnapshot(golden);
}

test("istio-metrics", () => check("istio-metrics", recorded("collector/prometheus-istio.bin", 6)));
test("envoy-spans", () => check("envoy-spans", recorded("envoy/traces.u32le", 4)));
test("envoy-access-log: Istio's default text", () =>
  check("access-log-default", recorded("envoy/logs-istio-default.u32le", 2)));
test("envoy-access-log: labels", () =>
  check("access-log-labelled", recorded("envoy/logs-labelled.u32le", 2)));
test("envoy-access-log: lines and JSON of files", () =>
  check("access-log-file", recorded("collector/filelog-istio.bin", 4)));
test("envoy-access-log: a waypoint's", () =>
  check(
    "access-log-waypoint",
    built(
      "",
      fixtureLines("waypoint.log").map((body) => ({ body: `${body}\n` })),
    ),
  ));
test("netflow", () => check("netflow", recorded("collector/netflow.bin", 4)));

test("obi-flows", () => check("obi-flows", exported("obi-flows.json")));
test("otel-network", () => check("otel-network", exported("otel-network.json")));
test("coroot", () => check("coroot", exported("coroot.json")));
test("hubble-metrics", () => check("hubble-metrics", exported("hubble-metrics.json")));
test("retina", () => check("retina", exported("retina.json")));
test("caretta", () => check("caretta", exported("caretta.json")));

const tetragonLines = fixtureLines("tetragon.jsonl");

test("tetragon", () =>
  check(
    "tetragon",
    built(
      "",
      tetragonLines.map((body) => ({ body, observedNs })),
    ),
  ));

test("tetragon: the same from text, from a parsed body and from attributes", () => {
  const parsed = tetragonLines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const asText = built(
    "",
    tetragonLines.map((body) => ({ body })),
  );
  const asBody = built(
    "",
    parsed.map((body) => ({ body })),
  );
  const asAttributes = built(
    "",
    parsed.map((attributes) => ({ attributes })),
  );
  expect(asBody[0]?.observations).toEqual(asText[0]?.observations);
  expect(asAttributes[0]?.observations).toEqual(asText[0]?.observations);
});

const ztunnelText = fixtureLines("ztunnel.log");
const ztunnelJson = fixtureLines("ztunnel.jsonl");

test("ztunnel-log", () =>
  check(
    "ztunnel-log",
    built(
      "",
      [...ztunnelText, ...ztunnelJson].map((body) => ({ body, observedNs })),
    ),
  ));

test("ztunnel-log: the same from text, from JSON, from a parsed body and from attributes", () => {
  const parsed = ztunnelJson.slice(0, 1).map((line) => JSON.parse(line) as Record<string, unknown>);
  const [text] = built("", [{ body: ztunnelText[0] ?? "" }]);
  const [json] = built("", [{ body: ztunnelJson[0] ?? "" }]);
  const [asBody] = built(
    "",
    parsed.map((body) => ({ body })),
  );
  const [asAttributes] = built(
    "",
    parsed.map((attributes) => ({ attributes })),
  );
  expect(text?.observations.map(({ kind }) => kind)).toEqual(["proxy_leg", "heartbeat"]);
  for (const batch of [json, asBody, asAttributes]) {
    expect(batch?.observations).toEqual(text?.observations);
  }
});

const scope =
  "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sobjectsreceiver";
const pod = JSON.parse(fixtureLines("k8s-pod.json").join("\n")) as Record<string, unknown>;
const pods = { "k8s.resource.name": "pods" };
const watched = { ...pods, "event.domain": "k8s", "event.name": "productpage-v1-75b8c6d9f4-w2n6k" };
const service = {
  kind: "Service",
  metadata: { name: "reviews", namespace: "bookinfo", uid: "u-1" },
};

test("k8sobjects", () =>
  check(
    "k8sobjects",
    built(scope, [
      { body: pod, attributes: pods, observedNs },
      { body: { type: "DELETED", object: pod }, attributes: watched, observedNs },
      { body: pod, attributes: { ...watched, "event.type": "ADDED" }, observedNs },
      { attributes: { ...pods, "event.type": "PullEnd" }, observedNs },
      { body: service, attributes: { "k8s.resource.name": "services" }, observedNs },
    ]),
  ));
