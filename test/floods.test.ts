/**
 * No flood blinds others: one workload fills one table after another, another one goes around its proxy
 * meanwhile. The attack is found each time, and it is told whose share is full.
 */
import { expect, test } from "vitest";
import type { Observation } from "../src/model/observations.ts";
import { connect, envoy, exec, makeProcess, shell1337 } from "./scenarios/bypass-world.ts";
import {
  atSecond,
  deployed,
  makeFlow,
  makeHalf,
  makeLeg,
  makeSamples,
  makeSeries,
  noPeer,
  noPod,
  podSeen,
  proxySource,
} from "./support/graph-observations.ts";
import { GraphWorld, makeBatch, testGraphOptions } from "./support/graph-world.ts";

const outside = "203.0.113.5";
const noisyIp = "10.0.0.1";
const thiefIp = "10.0.0.2";
const podOf = (workload: string, address: string) => ({
  ...noPod,
  cluster: "lab",
  namespace: "shop",
  pod: deployed(workload, address).name ?? "",
});
const noisy = podOf("noisy", noisyIp);
const thief = podOf("thief", thiefIp);
const pods = [podSeen(0, deployed("noisy", noisyIp)), podSeen(0, deployed("thief", thiefIp))];

const options = {
  ...testGraphOptions,
  bypass: {
    ...testGraphOptions.bypass,
    processesMax: 100,
    socketsMax: 100,
    flowsMax: 100,
    legsMax: 100,
  },
  limits: {
    ...testGraphOptions.limits,
    facetsPerNodeMax: 20,
    externalPeersMax: 30,
    unknownPeersMax: 30,
    seriesMax: 100,
    placementsMax: 100,
    placementsPerSourceMax: 20,
  },
};

const times = <Item>(make: (index: number) => Item): Item[] =>
  Array.from({ length: 150 }, (_, index) => make(index));

/** What fills the noisy workload's share of which table. */
const floods: readonly (readonly [string, string, readonly Observation[]])[] = [
  [
    "processes",
    "processes",
    times((index) => {
      const exe = `/tmp/${index}`;
      return exec(makeProcess({ pod: noisy, exe }), 0, { timeUs: atSecond(3) });
    }),
  ],
  [
    "sockets",
    "sockets",
    times((index) => {
      const process = makeProcess({ pod: noisy });
      const from = { srcIp: noisyIp, timeUs: atSecond(3) };
      return connect(process, 0, 20_000 + index, "198.51.100.7", 443, from);
    }),
  ],
  ["flows", "flows", times((index) => flowTo("198.51.100.7", { srcPort: 20_000 + index }))],
  [
    "legs",
    "legs",
    times((index) =>
      makeLeg(3, {
        side: "outbound",
        pod: noisy,
        source: proxySource(noisy.pod),
        lineId: `noise ${index}`,
        isConnection: true,
        upstreamLocalIp: noisyIp,
        upstreamLocalPort: 20_000 + index,
        upstreamHostIp: "198.51.100.7",
        upstreamHostPort: 443,
      }),
    ),
  ],
  ["edges", "edges", times((index) => flowTo("198.51.100.7", { dstPort: 1 + index }))],
  ["external peers", "edges", times((index) => flowTo(`198.51.100.${index}`))],
  ["unknown peers", "edges", times((index) => flowTo(`10.9.9.${index}`))],
  [
    "span halves",
    "edges",
    times((index) =>
      makeHalf(3, {
        side: "client",
        self: noisy,
        source: proxySource(noisy.pod),
        traceId: `t${index}`,
        spanId: `s${index}`,
        peer: { ...noPeer, address: `10.9.9.${index}` },
      }),
    ),
  ],
];

function flowTo(dstIp: string, parts: Parameters<typeof makeFlow>[1] = {}) {
  return makeFlow(3, { srcIp: noisyIp, dstIp, dstPort: 443, ...parts });
}

/** The first record of the attack is there before the noise, the last comes after it. */
function attackAmid(flood: (world: GraphWorld) => void): GraphWorld {
  const world = new GraphWorld(options);
  world.observe(...pods);
  const shell = { ...shell1337, pod: thief };
  const from = { srcIp: thiefIp, timeUs: atSecond(2) };
  world.observe(exec(shell, 0, { timeUs: atSecond(1) }));
  world.observe(connect(shell, 0, 40_001, outside, 443, from));
  flood(world);
  world.observe(makeFlow(2, { srcIp: thiefIp, srcPort: 40_001, dstIp: outside, dstPort: 443 }));
  world.pass(1);
  world.flush();
  return world;
}

function found(world: GraphWorld): string[] {
  const lines = world.changes.flatMap((change) => {
    if (change.kind !== "entity") return [];
    if (change.type === "flow" && change.entity.outcome === "found") {
      const { src, dst_ip, dst_port, rung } = change.entity;
      return [`${src.name} ${rung} ${dst_ip}:${dst_port}`];
    }
    if (change.type !== "process" || change.entity.uid !== 1337) return [];
    return [`${change.entity.pod.name} ${change.entity.exe}`];
  });
  return [...new Set(lines)].sort();
}

function overCapacity(world: GraphWorld): string[] {
  const last = new Map<string, readonly string[]>();
  for (const change of world.changes) {
    if (change.kind !== "entity" || change.type !== "workload") continue;
    last.set(change.entity.self.name, change.entity.over_capacity);
  }
  return [...last].flatMap(([name, tables]) => tables.map((table) => `${name} ${table}`));
}

test.each(floods)(
  "%s: the attack beside it is found, and it is told who floods",
  (_, table, all) => {
    const world = attackAmid((one) => one.observe(...all));
    expect(found(world)).toContain("thief b3 203.0.113.5:443");
    expect(found(world).filter((line) => line.startsWith("noisy"))).toEqual([]);
    expect(overCapacity(world).filter((line) => line.startsWith("thief"))).toEqual([]);
    expect(overCapacity(world)).toContain(`noisy ${table}`);
  },
);

test("series: another proxy's plaintext is counted, and it is told whose series are too many", () => {
  const series = times((index) =>
    makeSeries(index, {
      source: proxySource(noisy.pod),
      dst: { ...noPeer, cluster: "lab", namespace: "shop", workload: "noisy" },
    }),
  );
  const plain = makeSeries(1_000, {
    source: proxySource(thief.pod),
    security: "none",
    dst: { ...noPeer, cluster: "lab", namespace: "shop", workload: "thief" },
  });
  const world = attackAmid((one) => one.push(makeBatch(atSecond(4), [], { series })));
  const points = [1, 2].map((value) => ({ series: 1_000, timeUs: atSecond(value), value }));
  const samples = makeSamples(points);
  world.push(makeBatch(atSecond(5), [], { series: [plain], samples }));
  world.flush();
  const plaintext = [...world.edges.values()].filter(({ entity }) => entity.security === "none");
  expect(plaintext.map(({ entity }) => entity.dst.name)).toEqual(["thief"]);
  expect(overCapacity(world)).toEqual(["noisy series"]);
});

test("what is over for a quarter of an hour is told no more", () => {
  const [, , flows = []] = floods.find(([name]) => name === "flows") ?? [];
  const world = attackAmid((one) => one.observe(...flows));
  expect(overCapacity(world)).not.toEqual([]);
  world.pass(16 * 60);
  world.flush();
  expect(overCapacity(world)).toEqual([]);
});

test("ordinary processes neither crowd out the one that was told of nor stay with it", () => {
  const [, , ordinary = []] = floods.find(([name]) => name === "processes") ?? [];
  const world = new GraphWorld(options);
  world.observe(...pods, exec({ ...shell1337, pod: noisy }, 0, { timeUs: atSecond(1) }));
  world.flush();
  world.observe(...ordinary, ...ordinary);
  expect(world.commit().forgotten ?? []).toEqual([]);
  expect(world.counters()["join_entries processes"]).toBeGreaterThan(1);
  world.pass(2 * 3_600);
  expect(world.counters()["join_entries processes"]).toBe(1);
  expect(found(world)).toEqual(["noisy /bin/bash"]);
});

test("a pod's own proxy stays no longer than its ordinary processes", () => {
  const world = new GraphWorld(options);
  const at = { timeUs: atSecond(1) };
  world.observe(...pods, exec({ ...envoy, containerId: "", pod: noisy }, 0, at));
  world.observe(exec({ ...shell1337, pod: noisy }, 0, at));
  expect(world.counters()["join_entries processes"]).toBe(2);
  world.pass(2 * 3_600);
  expect(world.counters()["join_entries processes"]).toBe(1);
});
