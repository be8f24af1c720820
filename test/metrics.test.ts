/** What the stages report for `/metrics` while a mesh lives, restarts and is blamed: counters only rise. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Simulation } from "../src/cli/demo/simulation.ts";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline } from "../src/engine/pipeline.ts";
import { PrometheusRegistry } from "../src/export/prometheus.ts";
import { usPerMs } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";
import { instruments, type InstrumentName } from "../src/self/instruments.ts";
import {
  atSecond,
  deployed,
  makeLeg,
  makeSamples,
  makeSeries,
  podSeen,
} from "./support/graph-observations.ts";
import { GraphWorld, makeBatch } from "./support/graph-world.ts";

const rules = loadRules(readRuleFiles(fileURLToPath(new URL("../rules", import.meta.url)))).rules;
const loaded = loadConfig([], ["cluster.name=demo"], {});
if (!loaded.ok) throw new Error("the test's settings are valid");
const options = pipelineOptions(loaded.config, rules);
const startMs = 1_795_300_000_000;

/** The counters among what the pipeline reports, with their labels. */
function countersOf(pipeline: Pipeline): Map<string, number> {
  const counters = pipeline
    .counters()
    .filter(({ name }) => instruments[name as InstrumentName].kind === "counter"); // all are declared
  const sums = new Map<string, number>();
  for (const { name, labels, value } of counters) {
    const key = [name, ...Object.values(labels)].join(" ");
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

test("no counter of any stage ever falls or goes away", () => {
  const pipeline = new Pipeline(options, { push() {} });
  const simulation = new Simulation(5);
  let before = countersOf(pipeline);
  let sent = 0;
  for (let second = 0; second < 600; second += second < 30 ? 1 : 15) {
    const atMs = startMs + second * 1_000;
    const requests = second < 30 ? simulation.tick(atMs) : [];
    for (const { signal, bytes } of requests) {
      const hash = String(sent++).padStart(32, "0");
      const receivedUs = atMs * usPerMs;
      pipeline.handle({
        signal,
        hash,
        body: Buffer.from(bytes),
        receivedUs,
        sender: { listener: "grpc", client: "" },
      });
    }
    pipeline.advance(atMs * usPerMs);
    pipeline.collect(second + 1, atMs * usPerMs);
    const now = countersOf(pipeline);
    const fallen = [...before].filter(([key, value]) => (now.get(key) ?? -1) < value);
    expect(fallen, `second ${second}`).toEqual([]);
    before = now;
  }
  const requests = [...before].filter(([key]) => key.startsWith("edge_requests_total "));
  expect(requests.filter(([, value]) => value > 0).length).toBeGreaterThan(3);
});

/** What alerts look at must be there before anything happens. */
test("an engine that has heard nothing reports every kind, security and rule at 0", async () => {
  const registry = new PrometheusRegistry();
  registry.rulesLoaded(
    rules.map(({ meta }) => meta),
    1_700_000_000,
  );
  registry.applySamples(new Pipeline(options, { push() {} }).counters());
  const lines = (await registry.text()).split("\n");
  const kinds = ["edge_sample", "span_half", "flow", "socket_opened", "proxy_leg", "process_seen"];
  const expected = [
    ...kinds.map((kind) => `observations_total{kind="${kind}"} 0`),
    ...["unknown", "mutual_tls", "none", "mixed"].map((one) => `edges{security="${one}"} 0`),
    ...rules.flatMap(({ meta: { id, severity } }) => [
      `insights{rule="${id}",severity="${severity}",namespace="",state="firing"} 0`,
      `insights_raised_total{rule="${id}",severity="${severity}"} 0`,
      `insights_resolved_total{rule="${id}",reason="rule_removed"} 0`,
      `insights_overflow_total{rule="${id}"} 0`,
      `rule_evaluation_errors_total{rule="${id}",reason="missing"} 0`,
      `rule_evaluation_errors_total{rule="${id}",reason="internal"} 0`,
    ]),
  ].map((line) => `mesh_insights_${line}`);
  expect(expected.filter((line) => !lines.includes(line))).toEqual([]);
});

const web = podSeen(0, deployed("web", "10.0.0.1"));
const api = podSeen(0, deployed("api", "10.0.0.2"));
const series = makeSeries(1);

/** So many requests of the one series in all, at that second. */
function scrape(world: GraphWorld, second: number, total: number): void {
  const samples = makeSamples([{ series: 1, timeUs: atSecond(second), value: total }]);
  world.push({ ...makeBatch(atSecond(second), []), series: [series], samples });
  world.flush();
  world.commit();
}

function requestsBetween(world: GraphWorld): number {
  return Object.entries(world.counters())
    .filter(([key]) => key.startsWith("edge_requests_total "))
    .reduce((sum, [, value]) => sum + value, 0);
}

test("requests that a start finds in the store are not counted again, later ones are", () => {
  const world = new GraphWorld();
  world.observe(web, api);
  scrape(world, 10, 100);
  scrape(world, 20, 150);
  expect(requestsBetween(world)).toBe(50);
  world.restart();
  expect(requestsBetween(world)).toBe(0);
  scrape(world, 30, 157);
  expect(requestsBetween(world)).toBe(7);
});

test("requests that move when their caller becomes known are not counted again", () => {
  const world = new GraphWorld();
  world.observe(api, makeLeg(5, { downstreamRemoteIp: "10.0.0.1", downstreamLocalIp: "10.0.0.2" }));
  world.pass(1);
  world.flush();
  world.commit();
  expect(requestsBetween(world)).toBe(1);
  world.observe(web);
  world.pass(1);
  world.flush();
  world.commit();
  expect(world.edgeLines().join()).toContain("web");
  expect(requestsBetween(world)).toBe(1);
});

test("beyond 500 pairs of namespaces the others are one, and no request is lost", () => {
  const world = new GraphWorld();
  const many = Array.from({ length: 600 }, (_, id) =>
    makeSeries(id, { src: { ...series.src, namespace: `n${id}` } }),
  );
  for (const [second, value] of [
    [10, 100],
    [20, 101],
  ] as const) {
    const points = many.map(({ id }) => ({ series: id, timeUs: atSecond(second), value }));
    world.push({ ...makeBatch(atSecond(second), []), series: many, samples: makeSamples(points) });
    world.flush();
    world.commit();
    world.counters();
  }
  const pairs = Object.entries(world.counters()).filter(([key]) => key.startsWith("edge_requests"));
  expect(pairs).toHaveLength(501);
  expect(pairs.filter(([key]) => key.includes("_other"))).toEqual([
    ["edge_requests_total _other _other mutual_tls", 100],
  ]);
  expect(requestsBetween(world)).toBe(600);
});
