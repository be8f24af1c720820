import { array, assert, asyncProperty, integer, record, tuple } from "fast-check";
import { expect, test } from "vitest";
import { makeRuleMeta } from "../../test/support/rule-meta.ts";
import type { RuleMeta } from "../model/insights.ts";
import type { CounterSample } from "../model/stages.ts";
import { prometheusDefaults, PrometheusRegistry } from "./prometheus.ts";

type Labels = CounterSample["labels"];
const sample = (name: string, value: number, labels: Labels = {}): CounterSample => ({
  name,
  labels,
  value,
});

/** The lines of one metric without its prefix, comments left out. */
async function linesOf(registry: PrometheusRegistry, name: string): Promise<string[]> {
  return (await registry.text())
    .split("\n")
    .filter((line) => line.startsWith(`mesh_insights_${name}`))
    .map((line) => line.slice("mesh_insights_".length));
}

test("counters rise by the difference between snapshots, and survive a stage's restart", async () => {
  const registry = new PrometheusRegistry();
  for (const [value, expected] of [
    [5, 5],
    [5, 5],
    [12, 12],
    [3, 15],
    [4, 16],
  ] as const) {
    registry.applySamples([sample("observations_total", value, { kind: "flow" })]);
    expect(await linesOf(registry, "observations_total")).toEqual([
      `observations_total{kind="flow"} ${expected}`,
    ]);
  }
  registry.applySamples([]);
  expect(await linesOf(registry, "observations_total")).toHaveLength(1);
});

test("gauges are replaced, and those that are missing vanish", async () => {
  const registry = new PrometheusRegistry();
  registry.applySamples([
    sample("edges", 3, { security: "none" }),
    sample("edges", 4, { security: "mutual_tls" }),
  ]);
  registry.applySamples([sample("edges", 1, { security: "none" })]);
  expect(await linesOf(registry, "edges")).toEqual(['edges{security="none"} 1']);
  registry.applySamples([sample("edges", 9, { security: "mutual_tls" })]);
  expect(await linesOf(registry, "edges")).toEqual(['edges{security="mutual_tls"} 9']);
});

test("above the cap new series are left out and counted; known ones go on", async () => {
  const registry = new PrometheusRegistry({ ...prometheusDefaults, seriesMax: 2 });
  const kinds = (values: readonly number[]): CounterSample[] =>
    values.map((value, at) => sample("observations_total", value, { kind: `k${at}` }));
  registry.applySamples(kinds([1, 1, 1, 1]));
  registry.applySamples(kinds([2, 2, 2]));
  expect(await linesOf(registry, "observations_total")).toEqual([
    'observations_total{kind="k0"} 2',
    'observations_total{kind="k1"} 2',
  ]);
  expect(await linesOf(registry, "exposition_samples")).toEqual([
    "exposition_samples_dropped_total 3",
  ]);
});

test("a gauge that vanished makes room", async () => {
  const registry = new PrometheusRegistry({ ...prometheusDefaults, seriesMax: 1 });
  registry.applySamples([sample("edges", 1, { security: "a" })]);
  registry.applySamples([]);
  registry.applySamples([sample("edges", 1, { security: "b" })]);
  expect(await linesOf(registry, "edges")).toEqual(['edges{security="b"} 1']);
});

test("hostile label values stay one line and one series", async () => {
  const registry = new PrometheusRegistry();
  for (const namespace of ['a"} 1\nforged 1', "__proto__", "x".repeat(5_000), "\u001b[31m\u2028"]) {
    registry.applySamples([sample("workloads", 1, { namespace, mode: "sidecar" })]);
    const lines = await linesOf(registry, "workloads");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.length).toBeLessThan(200);
    // oxlint-disable-next-line no-control-regex -- that there are none is what is asked
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u2028]/);
    expect(await registry.text()).not.toMatch(/^forged/m);
  }
});

test.each([
  ["nonsense", {}, 1, '"nonsense" is not declared'],
  ["toString", {}, 1, '"toString" is not declared'],
  ["store_commit_duration_seconds", {}, 1, /is a histogram/],
  [
    "observations_total",
    { kind: "flow", pod: "p" },
    1,
    /has the labels \[kind\], not \[kind, pod\]/,
  ],
  ["observations_total", { pod: "p" }, 1, /has the labels \[kind\], not \[pod\]/],
  ["graph_nodes", {}, Number.NaN, /is not a number/],
])("our own mistake is told once and costs one sample: %s %j %d", async (...mistake) => {
  const [name, labels, value, fault] = mistake;
  const registry = new PrometheusRegistry();
  const samples = [{ name, labels, value }, sample("observations_total", 3, { kind: "flow" })];
  expect(registry.applySamples(samples)).toEqual([expect.stringMatching(fault)]);
  expect(registry.applySamples(samples)).toEqual([]);
  expect(await linesOf(registry, "observations_total")).toEqual([
    'observations_total{kind="flow"} 3',
  ]);
  expect(await linesOf(registry, "exposition_samples")).toEqual([
    "exposition_samples_dropped_total 2",
  ]);
});

test("samples of the same name and labels count together", async () => {
  const registry = new PrometheusRegistry();
  for (const [first, second, expected] of [
    [5, 0, 5],
    [5, 2, 7],
    [1, 1, 9], // the stages began again
  ] as const) {
    const two = [sample("series_dropped_total", first), sample("series_dropped_total", second)];
    registry.applySamples(two);
    expect(await linesOf(registry, "series_dropped_total")).toEqual([
      `series_dropped_total ${expected}`,
    ]);
  }
});

const rule = (id: string): RuleMeta => makeRuleMeta({ id, severity: "high", status: "stable" });

test("a series that was left out counts from when it is let in", async () => {
  const registry = new PrometheusRegistry({ ...prometheusDefaults, seriesMax: 1 });
  const flows = (value: number): CounterSample =>
    sample("observations_total", value, { kind: "flow" });
  registry.applySamples([sample("edges", 1, { security: "none" }), flows(900)]);
  registry.applySamples([flows(1_000)]);
  registry.applySamples([flows(1_001)]);
  expect(await linesOf(registry, "observations_total")).toEqual([
    'observations_total{kind="flow"} 0',
  ]);
  registry.applySamples([flows(1_001)]);
  registry.applySamples([flows(1_005)]);
  expect(await linesOf(registry, "observations_total")).toEqual([
    'observations_total{kind="flow"} 4',
  ]);
});

test("a sample that is missing for a while counts from 0 when it comes back", async () => {
  const registry = new PrometheusRegistry();
  const names = (value: number): CounterSample[] => [
    sample("unrecognized_metrics_total", value, { name: "x" }),
  ];
  registry.applySamples(names(10));
  registry.applySamples([]); // a new thread, which has not met it yet
  registry.applySamples(names(15));
  expect(await linesOf(registry, "unrecognized_metrics_total")).toEqual([
    'unrecognized_metrics_total{name="x"} 25',
  ]);
  const mistake = sample("graph_nodes", Number.NaN);
  registry.applySamples([mistake]); // what is missing may be ours to blame
  registry.applySamples(names(16));
  expect(await linesOf(registry, "unrecognized_metrics_total")).toEqual([
    'unrecognized_metrics_total{name="x"} 26',
  ]);
});

const requests = (src_namespace: string, value: number): CounterSample =>
  sample("edge_requests_total", value, { src_namespace, dst_namespace: "", security: "none" });
const workloads = (namespace: string, value: number): CounterSample =>
  sample("workloads", value, { namespace, mode: "sidecar" });
const insights = (namespace: string, value: number): CounterSample =>
  sample("insights", value, { rule: "a", severity: "high", namespace, state: "firing" });

test("beyond the most namespaces the others are one, and stay so", async () => {
  const registry = new PrometheusRegistry({ ...prometheusDefaults, namespacesMax: 2 });
  const lines = async (): Promise<string[]> => [
    ...(await linesOf(registry, "workloads")),
    ...(await linesOf(registry, "edge_requests_total")),
    ...(await linesOf(registry, "exposition_namespaces_folded")),
  ];
  const found = [insights("", 0), insights("c", 1)];
  registry.applySamples([...found, workloads("a", 1), requests("a", 1), requests("b", 9)]);
  expect(await lines()).toEqual([
    'workloads{namespace="_other",mode="sidecar"} 1',
    'edge_requests_total{src_namespace="_other",dst_namespace="",security="none"} 1',
    'edge_requests_total{src_namespace="b",dst_namespace="",security="none"} 9',
    "exposition_namespaces_folded 1",
  ]);
  // "b" and "c" are gone, "a" is the only one left, "d" is new.
  registry.applySamples([workloads("a", 2), workloads("d", 3), requests("a", 2), requests("d", 4)]);
  expect(await lines()).toEqual([
    'workloads{namespace="_other",mode="sidecar"} 5',
    'edge_requests_total{src_namespace="_other",dst_namespace="",security="none"} 6',
    'edge_requests_total{src_namespace="b",dst_namespace="",security="none"} 9',
    "exposition_namespaces_folded 2",
  ]);
  registry.applySamples([workloads("d", 3), workloads("b", 1), workloads("c", 2)]);
  expect(await linesOf(registry, "workloads")).toEqual([
    'workloads{namespace="_other",mode="sidecar"} 3',
    'workloads{namespace="b",mode="sidecar"} 1',
    'workloads{namespace="c",mode="sidecar"} 2',
  ]);
});

test("without room for a namespace's series its numbers go to the others' one", async () => {
  const registry = new PrometheusRegistry({ ...prometheusDefaults, seriesMax: 10 });
  const many = Array.from({ length: 20 }, (_, at) => insights(`n${at}`, 2));
  registry.applySamples(many);
  const lines = await linesOf(registry, "insights{");
  expect(lines).toHaveLength(10);
  expect(lines.at(-1)).toBe(
    'insights{rule="a",severity="high",namespace="_other",state="firing"} 22',
  );
  expect(await linesOf(registry, "exposition_samples")).toEqual([
    "exposition_samples_dropped_total 0",
  ]);
});

/** The value of each line. */
async function valuesOf(registry: PrometheusRegistry, name: string): Promise<Map<string, number>> {
  const lines = await linesOf(registry, name);
  return new Map(
    lines.map((line): [string, number] => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

test("whatever is folded, no counter falls, and all together grow by what was counted", async () => {
  const growths = array(
    array(tuple(integer({ min: 0, max: 11 }), integer({ min: 0, max: 100 })), {
      maxLength: 12,
    }),
    { minLength: 1, maxLength: 8 },
  );
  const limits = record({
    namespacesMax: integer({ min: 1, max: 12 }),
    seriesMax: integer({ min: 10, max: 24 }),
  });
  const property = asyncProperty(growths, limits, async (rounds, limit) => {
    const registry = new PrometheusRegistry({ ...prometheusDefaults, ...limit });
    const counted = new Map<number, number>();
    let before = new Map<string, number>();
    for (const round of rounds) {
      for (const [at, by] of round) counted.set(at, (counted.get(at) ?? 0) + by);
      registry.applySamples([...counted].map(([at, value]) => requests(`n${at}`, value)));
      const now = await valuesOf(registry, "edge_requests_total");
      for (const [line, value] of before) expect(now.get(line)).toBeGreaterThanOrEqual(value);
      before = now;
    }
    const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
    expect(sum(before.values())).toBe(sum(counted.values()));
  });
  await assert(property, { numRuns: 60 });
});

test("the configuration's last load, and scrapes", async () => {
  const registry = new PrometheusRegistry();
  registry.configLoaded(1_700_000_000);
  expect(await linesOf(registry, "config_last_reload_")).toEqual([
    "config_last_reload_successful 1",
    "config_last_reload_success_timestamp_seconds 1700000000",
  ]);
  registry.configNotLoaded();
  expect(await linesOf(registry, "config_last_reload_")).toEqual([
    "config_last_reload_successful 0",
    "config_last_reload_success_timestamp_seconds 1700000000",
  ]);
  expect(await linesOf(registry, "scrapes_total")).toEqual(["scrapes_total 3"]);
});

test("a rule's series exist at 0 from its load, and a removed rule is no longer loaded", async () => {
  const registry = new PrometheusRegistry();
  registry.rulesLoaded([rule("a"), rule("b")], 1_700_000_000);
  expect(await linesOf(registry, "insights_raised_total")).toEqual([
    'insights_raised_total{rule="a",severity="high"} 0',
    'insights_raised_total{rule="b",severity="high"} 0',
  ]);
  expect(await linesOf(registry, 'insights_resolved_total{rule="a"')).toEqual([
    'insights_resolved_total{rule="a",reason="quiet"} 0',
    'insights_resolved_total{rule="a",reason="late_evidence"} 0',
    'insights_resolved_total{rule="a",reason="rule_removed"} 0',
  ]);
  expect(await linesOf(registry, 'rule_evaluation_errors_total{rule="a"')).toHaveLength(6);
  registry.rulesLoaded([rule("b")], 1_700_000_001);
  expect(await linesOf(registry, "insights_raised_total")).toHaveLength(2);
  registry.rulesNotLoaded();
  expect(await linesOf(registry, "rule_info")).toEqual([
    'rule_info{rule="b",ruleset="test",severity="high",status="stable",version="1"} 1',
  ]);
  expect(await linesOf(registry, "rules_loaded")).toEqual(["rules_loaded 1"]);
  expect(await linesOf(registry, "rules_last_reload_")).toEqual([
    "rules_last_reload_successful 0",
    "rules_last_reload_success_timestamp_seconds 1700000001",
  ]);
});

test("counters, gauges and histograms are born at 0", async () => {
  const registry = new PrometheusRegistry();
  registry.counter("receiver_accepted_spans_total", { transport: "grpc" });
  registry.gauge("receiver_connections", { transport: "grpc" });
  registry.histogram("receiver_request_duration_seconds", { transport: "grpc", signal: "logs" });
  expect(await linesOf(registry, "receiver_accepted_spans")).toEqual([
    'receiver_accepted_spans_total{transport="grpc"} 0',
  ]);
  expect(await linesOf(registry, "receiver_connections{")).toHaveLength(1);
  expect(await linesOf(registry, "receiver_request_duration_seconds_count")).toEqual([
    'receiver_request_duration_seconds_count{transport="grpc",signal="logs"} 0',
  ]);
  expect(await linesOf(registry, "build_info")).toHaveLength(1);
  expect(await registry.text()).toContain("process_cpu_seconds_total");
});

test("nothing but counters is named like one, whoever declared it", async () => {
  const types = [...(await new PrometheusRegistry().text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  expect(types.length).toBeGreaterThan(80);
  const named = types.map(([, name = "", type = ""]) => [name, name.endsWith("_total"), type]);
  expect(named.filter(([, isTotal, type]) => isTotal !== (type === "counter"))).toEqual([]);
});

test("what is read is what would be scraped", async () => {
  const registry = new PrometheusRegistry();
  registry.counter("scrapes_total", {}).inc(2);
  registry.applySamples([{ name: "observations_total", labels: { kind: "flow" }, value: 3 }]);
  expect(await registry.read("scrapes_total")).toEqual([{ labels: {}, value: 2 }]);
  expect(await registry.read("observations_total")).toEqual([
    { labels: { kind: "flow" }, value: 3 },
  ]);
});
