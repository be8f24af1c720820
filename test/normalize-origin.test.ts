/**
 * The collector that handed telemetry on: a source of its own, how far the telemetry is believed, and no
 * part of what the telemetry says.
 */
import { expect, test } from "vitest";
import type { ObservationBatch } from "../src/model/observations.ts";
import { NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import { keyValues, logsRequest, metricsRequest, type Attributes } from "./support/otlp-build.ts";

const origin = (name: string): Attributes => ({ "mesh_insights.origin": name });

const requests = {
  attributes: keyValues({ reporter: "source", source_workload: "a", destination_workload: "b" }),
  time_unix_nano: "1795246300000000000",
  as_double: 1,
};
const counters = [
  {
    name: "istio_requests_total",
    sum: { aggregation_temporality: 2, is_monotonic: true, data_points: [requests] },
  },
];

const relayedBy = ({ observations }: ObservationBatch) =>
  observations.flatMap((one) =>
    one.kind === "heartbeat" && one.source.kind === "collector"
      ? [`${one.source.key} ${one.capability} ${one.timeUs === receivedUs}`]
      : [],
  );

test("a request is a sign of life of the collector that it names, also if nobody knows its content", () => {
  const run = new NormalizeRun();
  const unknown = [{ name: "unheard_of", gauge: { data_points: [requests] } }];
  const push = (metrics: readonly object[], resource: Attributes) =>
    relayedBy(run.push("metrics", metricsRequest({ resource }, metrics)));
  expect(push(counters, origin("gateway"))).toEqual(["gateway relayed_metrics true"]);
  expect(push(unknown, origin("gateway"))).toEqual(["gateway relayed_metrics true"]);
  expect(push(counters, {})).toEqual([]);
  expect(push(counters, origin(""))).toEqual([]);
  const logs = logsRequest({ resource: origin("logs") }, [{}, {}]);
  expect(relayedBy(run.push("logs", logs))).toEqual(["logs relayed_logs true"]);
});

test("each resource is believed as its own origin is, and so are signs of life", () => {
  const attested = { listener: "", client: "", origin: "scrape", level: "attested" } as const;
  const run = new NormalizeRun({ trust: [attested] });
  const requestOf = (...origins: readonly string[]) =>
    Buffer.concat(
      origins.map((name) =>
        metricsRequest(
          { resource: { pod: "web-1", namespace: "shop", ...origin(name) } },
          counters,
        ),
      ),
    );
  const { series, observations } = run.push("metrics", requestOf("scrape", "otlp", "scrape"));
  expect(series.map(({ trust }) => trust)).toEqual(["attested", "claimed"]);
  const lives = observations.map(({ kind, source, trust }) => `${kind} ${source.kind} ${trust}`);
  expect(lives.toSorted()).toEqual([
    "heartbeat collector attested",
    "heartbeat collector claimed",
    "heartbeat proxy attested",
    "heartbeat proxy claimed",
  ]);
  const [later] = run.push("metrics", requestOf("otlp")).observations;
  expect(later?.trust).toBe("claimed");
});

test("the way is no identity: a series that comes by another collector is the same series", () => {
  const run = new NormalizeRun();
  const push = (resource: Attributes) =>
    run.push("metrics", metricsRequest({ resource: { job: "x", ...resource } }, counters));
  expect(push({}).series).toHaveLength(1);
  const other = push(origin("one"));
  expect([other.series, [...other.samples.series]]).toEqual([[], [0]]);
  expect(push(origin("two")).series).toEqual([]);
});

test("names of collectors are few, short and printable", () => {
  const run = new NormalizeRun();
  const keys = new Set<string>();
  for (let index = 0; index < 200; index++) {
    const resource = origin(`${index}\u0000\u202e${"é".repeat(1_000)}`);
    for (const line of relayedBy(run.push("metrics", metricsRequest({ resource }, counters)))) {
      keys.add(line.split(" ")[0] ?? "");
    }
  }
  expect(keys.size).toBe(65);
  expect(keys).toContain("_other");
  for (const key of keys) expect(key).toMatch(/^[!-~]{1,100}$/);
});
