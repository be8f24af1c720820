/** The graph's rows in the real store: what readers are shown of a workload, and what is forgotten. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Graph } from "../src/graph/graph.ts";
import { forget, makeWriteSet } from "../src/model/rows.ts";
import type { CounterSample } from "../src/model/stages.ts";
import { usPerDay } from "../src/model/time.ts";
import { historyKeptUs } from "../src/store/prune.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import {
  atSecond,
  deployed,
  makeContainer,
  makeLeg,
  noPod,
  podSeen,
  proxySource,
} from "./support/graph-observations.ts";
import { GraphWorld, testGraphOptions } from "./support/graph-world.ts";
import { baseUs, makeFullWriteSet } from "./support/write-sets.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function openStore(): { path: string; writer: StoreWriter } {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-"));
  folders.push(folder);
  const path = join(folder, "insights.db");
  return { path, writer: new StoreWriter({ path, programVersion: "test", nowUs: baseUs }) };
}

test("a workload shows what its pods declare and which telemetry of them arrives", () => {
  const { path, writer } = openStore();
  const world = new GraphWorld();
  const pod = deployed("web", "10.0.0.1");
  const name = podSeen(0, pod).object.name;
  const line = makeLeg(1, {
    downstreamRemoteIp: "10.0.0.9",
    downstreamLocalIp: "10.0.0.1",
    source: proxySource(name),
  });
  world.observe(podSeen(0, { ...pod, runAsUser: 1001, hostPid: true }), line);
  world.pass(1);
  writer.commit(world.commit());
  const reader = new StoreReader(path);
  const shown = reader.workload("lab", "shop", "web");
  expect(shown?.declared).toMatchObject({ pods: 1, run_as_user: 1001, host_pid: true });
  expect(shown?.declared["proxy"]).toMatchObject({ container: "istio-proxy", uid: 1001 });
  expect(shown?.declared["name"]).toBe("web");
  expect(shown?.coverage).toMatchObject({ proxy_logs: "live", objects: "live", flows: "never" });

  // Ten minutes later nobody has spoken any more; half a second is enough to notice.
  world.pass(600);
  world.pass(1);
  writer.commit(world.commit());
  expect(reader.workload("lab", "shop", "web")?.coverage).toMatchObject({
    proxy_logs: "silent",
    flows: "never",
  });
  reader.close();
  writer.close();
});

test("a declaration too large for a row is left out, and the rest is shown", () => {
  const world = new GraphWorld();
  const containers = Array.from({ length: 400 }, (_, at) =>
    makeContainer({ name: `container-${at}`, image: "image".repeat(20) }),
  );
  world.observe(podSeen(0, { ...deployed("web", "10.0.0.1"), containers }));
  const { nodes, coverage } = world.commit();
  const [row] = nodes;
  expect(coverage).toMatchObject([{ name: "web", pods: 1 }]);
  expect(row?.detail.length).toBeLessThan(5_000);
});

test("a pod whose UID becomes known, and a source that gave way, leave no row behind", () => {
  const limits = { ...testGraphOptions.limits, sourcesMax: 2 };
  const world = new GraphWorld({ ...testGraphOptions, limits });
  const uids = () => world.restored().pods.map(({ uid }) => uid);
  const { name, uid } = podSeen(0, deployed("web", "10.0.0.1")).object;
  const pod = { ...noPod, cluster: "lab", namespace: "shop", pod: name };
  const line = (second: number, source: string) =>
    makeLeg(second, { pod, lineId: source, source: proxySource(source) });
  world.observe(line(1, "one"));
  world.commit();
  expect(uids()).toEqual([`lab/shop/${name}`]);
  world.observe(podSeen(2, deployed("web", "10.0.0.1")));
  world.commit();
  expect(uids()).toEqual([uid]);
  world.pass(8_000);
  world.observe(line(9_000, "two"), line(9_000, "three"));
  world.commit();
  const keys = world.restored().sources.map(({ key }) => key);
  expect(keys).toEqual(["lab/shop/two", "lab/shop/three"]);
});

test("rows that a stage gives up are removed before what it writes", () => {
  const { writer } = openStore();
  writer.commit(makeFullWriteSet(1));
  const { sources, pods, series, processes } = writer.load();
  const set = makeWriteSet(2, baseUs);
  for (const { kind, key } of sources) forget(set, "sources", `${kind}|${key}`);
  for (const { uid } of pods) forget(set, "pods", uid);
  for (const { id } of series) forget(set, "series", id);
  for (const { key } of processes) forget(set, "processes", key);
  set.processes.push(...processes);
  writer.commit(set);
  const left = writer.load();
  expect([left.sources, left.pods, left.series].flat()).toEqual([]);
  expect(left.processes).toEqual(processes);
  writer.close();
});

test("what has merged away is forgotten with its history, and a restart goes on without it", () => {
  const { writer } = openStore();
  const world = new GraphWorld();
  const line = makeLeg(1, { downstreamRemoteIp: "10.0.0.1", downstreamLocalIp: "10.0.0.2" });
  world.observe(line);
  world.pass(1);
  writer.commit(world.commit());
  // The addresses turn out to be two workloads': the first facet goes, its nodes retire.
  world.observe(podSeen(0, deployed("web", "10.0.0.1")), podSeen(0, deployed("api", "10.0.0.2")));
  world.pass(1);
  writer.commit(world.commit());
  const facets = () => writer.load().facets.map(({ shadowed }) => shadowed);
  expect(facets()).toEqual([true, false]);
  writer.prune(atSecond(2) + historyKeptUs - usPerDay);
  expect(facets()).toEqual([true, false]);
  writer.prune(atSecond(60) + historyKeptUs);
  expect(facets()).toEqual([false]);
  const left = writer.load();
  expect(left.edges).toHaveLength(1);
  expect(left.facetColumns.map(({ facetId }) => facetId)).toEqual([left.facets[0]?.id]);
  const next = new Graph(testGraphOptions, { push() {} });
  next.restore(left);
  next.flushChanges();
  const samples: CounterSample[] = [];
  next.counters(samples);
  expect(samples.find((sample) => sample.name === "graph_edges")?.value).toBe(1);
  writer.close();
});
