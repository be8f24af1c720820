/** The rows that the graph writes commit by commit: they say at any time what the rules are told. */
import { expect, test } from "vitest";
import type { Observation } from "../src/model/observations.ts";
import type { RollupRow } from "../src/model/rows.ts";
import {
  atSecond,
  deployed,
  makeHalf,
  makeLeg,
  makeSamples,
  makeSeries,
  noPeer,
  noPod,
  podSeen,
} from "./support/graph-observations.ts";
import { GraphWorld, makeBatch } from "./support/graph-world.ts";

const web = podSeen(0, deployed("web", "10.0.0.1"));
const api = podSeen(0, deployed("api", "10.0.0.2"));
const bareLine = (second: number): Observation =>
  makeLeg(second, {
    lineId: `line ${second}`,
    downstreamRemoteIp: "10.0.0.1",
    downstreamLocalIp: "10.0.0.2",
    peerPrincipal: "",
  });

/** Facets as readers see them, and as the rules were told, one line each. */
function storedLines(world: GraphWorld): string[] {
  const rows = world.restored();
  const nodes = new Map(rows.nodes.map((row) => [row.id, row]));
  const edges = new Map(rows.edges.map((row) => [row.id, row]));
  return rows.facets
    .filter((row) => !row.shadowed)
    .map((row) => {
      const edge = edges.get(row.edgeId);
      const [src, dst] = [nodes.get(edge?.srcId ?? 0), nodes.get(edge?.dstId ?? 0)];
      return `${src?.name || src?.address} > ${dst?.name}:${row.port} ${row.security} ${row.requests}`;
    })
    .sort();
}

function toldLines(world: GraphWorld): string[] {
  return [...world.edges.values()]
    .map(({ entity: { src, dst, port, security, requests } }) => {
      return `${src.name || src.address} > ${dst.name}:${port} ${security} ${requests}`;
    })
    .sort();
}

/** Commits after every step, since a row that is not written again shows only then. */
function check(steps: readonly ((world: GraphWorld) => void)[], expected: readonly string[]): void {
  const world = new GraphWorld();
  for (const step of steps) {
    step(world);
    world.flush();
    world.commit();
    expect(storedLines(world)).toEqual(toldLines(world));
  }
  expect(storedLines(world)).toEqual(expected);
}

const observe =
  (...observations: Observation[]) =>
  (world: GraphWorld): void =>
    world.observe(...observations);

function countPlaintext(world: GraphWorld): void {
  const src = { ...noPeer, cluster: "lab" };
  const series = [makeSeries(0, { security: "none", src })];
  const points = [0, 60].map((s) => ({ series: 0, timeUs: atSecond(s), value: s / 20 }));
  world.push(makeBatch(atSecond(61), [], { series, samples: makeSamples(points) }));
}

test("a facet's row follows what other edges tell of the same server", () => {
  const told = ["unidentified > api:0 none 3", "web > api:8080 none 2"];
  const lines = [10, 20, 30].map((second) => observe(bareLine(second)));
  check([observe(web, api), countPlaintext, ...lines.slice(0, 2)], told);
  check([observe(web, api), countPlaintext, ...lines], ["web > api:8080 none 3"]);
  check([...lines, countPlaintext, observe(web), observe(api)], ["web > api:8080 none 3"]);
});

test("a service's row follows what its caller tells of the workloads behind it", () => {
  const webPod = { ...noPod, cluster: "lab", namespace: "shop", address: "10.0.0.1" };
  const self = { ...webPod, pod: "web-6d8f5c9b7c-l4q8z" };
  const service = { ...noPeer, service: "api", serviceNamespace: "shop" };
  const alone = makeHalf(5, { side: "client", spanId: "alone", self, peer: service, port: 80 });
  const line = makeLeg(6, {
    side: "outbound",
    upstreamLocalIp: "10.0.0.1",
    upstreamHostIp: "10.0.0.2",
    upstreamHostPort: 8080,
    service: "api",
    serviceNamespace: "shop",
  });
  check([observe(web, api), observe(alone)], ["web > api:80 unknown 1"]);
  check([observe(web, api), observe(alone), observe(line)], ["web > api:8080 unknown 1"]);
  check([observe(alone), observe(line), observe(api), observe(web)], ["web > api:8080 unknown 1"]);
});

/** Requests in the buckets of five minutes, by bucket. */
function bucketsOf(rows: readonly RollupRow[]): number[] {
  const buckets = new Map<number, number>();
  for (const { widthUs, bucketUs, requests } of rows) {
    if (widthUs === 300_000_000) buckets.set(bucketUs, (buckets.get(bucketUs) ?? 0) + requests);
  }
  return [...buckets.values()];
}

test("under load roll-ups wait for their minute, and neither a bucket's end nor a crash loses any", () => {
  const count = 300;
  const seriesOf = (id: number) =>
    makeSeries(id, { src: { ...noPeer, cluster: "lab", namespace: "shop", workload: `w${id}` } });
  const series = Array.from({ length: count }, (_, id) => seriesOf(id));
  const scrape = (world: GraphWorld, second: number, value: number) => {
    const points = series.map(({ id }) => ({ series: id, timeUs: atSecond(second), value }));
    world.push(makeBatch(atSecond(second), [], { series, samples: makeSamples(points) }));
    return world.commit().rollups;
  };
  const world = new GraphWorld();
  scrape(world, 0, 0);
  const atOnce = [1, 2, 3].map((second) => scrape(world, second, second));
  expect(atOnce.flat().length).toBeLessThan(4 * count);
  world.restart();
  const rows = [...atOnce.flat(), ...scrape(world, 4, 4)];
  // The last of them belongs to the next bucket.
  for (const [second, value] of [
    [200, 6],
    [310, 9],
  ] as const) {
    rows.push(...scrape(world, second, value));
  }
  world.pass(61);
  rows.push(...world.commit().rollups);
  expect(bucketsOf(rows)).toEqual([6 * count, 3 * count]);
  world.pass(61);
  expect(world.commit().rollups).toEqual([]);
});
