/** Programs of the mesh itself, from what they count to what rules are told, in every order of the scrapes. */
import { expect, test } from "vitest";
import type { EntityChange } from "../src/model/changes.ts";
import type { ComponentSample } from "../src/model/observations.ts";
import { usPerMinute } from "../src/model/time.ts";
import { atSecond, makeSamples, makeSeries, proxySource } from "./support/graph-observations.ts";
import { GraphWorld } from "./support/graph-world.ts";

function sample(second: number, value: number, parts: Partial<ComponentSample> = {}) {
  const instance = parts.instance ?? "istiod-7d5c8b9f6-abcde";
  const made: ComponentSample = {
    kind: "component_sample",
    timeUs: atSecond(second),
    nanos: 0,
    source: proxySource(instance),
    trust: "attested",
    cluster: "lab",
    namespace: "istio-system",
    component: "istiod",
    instance,
    version: "",
    metric: "xds_rejects",
    series: "cds",
    value,
    counts: "total",
    ...parts,
  };
  return made;
}

const build = (second: number, version = "1.29.1", instance = "istiod-7d5c8b9f6-abcde") =>
  sample(second, 1, { metric: "build", series: "", counts: "least", version, instance });

function told(world: GraphWorld): EntityChange<"component">[] {
  const last = new Map<string, EntityChange<"component">>();
  for (const change of world.changes) {
    if (change.kind === "entity" && change.type === "component") last.set(change.id, change);
  }
  return [...last.values()];
}

function only(world: GraphWorld): EntityChange<"component"> {
  world.flush();
  const [one, ...more] = told(world);
  expect(more).toEqual([]);
  if (!one) throw new Error("no component was told");
  return one;
}

function after(...samples: readonly ComponentSample[]): EntityChange<"component"> {
  const world = new GraphWorld();
  for (const one of samples) world.observe(one);
  return only(world);
}

test("a counter is told as what it added lately, and what was there before nobody watched is not new", () => {
  const { entity, judged, evidence } = after(
    build(0),
    sample(0, 7),
    sample(15, 7),
    sample(30, 9),
    sample(45, 1), // it has started again
  );
  expect(entity).toMatchObject({
    kind: "istiod",
    cluster: "lab",
    namespace: "istio-system",
    name: "istiod",
    version: "1.29.1",
  });
  expect([judged, evidence.length]).toEqual([true, 1]);
  expect(after(sample(0, 7), sample(15, 7)).entity.metrics).toEqual({ xds_rejects: 0 });
  expect(after(sample(0, 7), sample(15, 9)).entity.metrics).toEqual({ xds_rejects: 2 });
  expect(after(sample(0, 7), sample(400, 3)).entity.metrics).toEqual({ xds_rejects: 3 });
});

test("a counter that appears with its first event is new as a whole", () => {
  expect(after(build(0), build(15), sample(15, 2)).entity.metrics).toEqual({ xds_rejects: 2 });
  expect(after(build(0), sample(0, 2), sample(15, 2)).entity.metrics).toEqual({ xds_rejects: 0 });
});

test("what was added longer than two buckets ago is told no more", () => {
  const world = new GraphWorld();
  const watch = (fromS: number, toS: number) => {
    for (let second = fromS; second <= toS; second += 15) {
      world.observe(build(second), sample(second, second < 60 ? 1 : 3));
    }
    return only(world).entity.metrics;
  };
  expect(watch(0, 540)).toEqual({ xds_rejects: 2 });
  expect(watch(555, 1_500)).toEqual({ xds_rejects: 0 });
});

test("every order, and a repeat, of the samples of a minute tells the same", () => {
  const samples = [
    build(0),
    sample(0, 4),
    sample(20, 4),
    sample(40, 6),
    sample(40, 1, { instance: "istiod-7d5c8b9f6-fghij" }),
    build(40, "1.28.0", "istiod-7d5c8b9f6-fghij"),
    sample(55, 3, { series: "lds" }),
  ];
  const expected = after(...samples);
  expect(expected.entity).toMatchObject({ version: "1.28.0, 1.29.1", metrics: { xds_rejects: 5 } });
  for (let turn = 0; turn < samples.length; turn++) {
    const turned = [...samples.slice(turn), ...samples.slice(0, turn)];
    for (const order of [turned, turned.toReversed(), [...turned, ...samples]]) {
      expect(after(...order)).toEqual(expected);
    }
  }
});

test("a restart in between changes nothing", () => {
  const samples = [build(0), sample(0, 4), sample(15, 4), build(30), sample(30, 5), sample(45, 6)];
  const expected = after(...samples);
  for (let cut = 1; cut < samples.length; cut++) {
    const world = new GraphWorld();
    for (const one of samples.slice(0, cut)) world.observe(one);
    world.commit();
    world.restart();
    for (const one of samples.slice(cut)) world.observe(one);
    world.flush();
    expect(told(world).at(-1)).toEqual(expected);
  }
});

test("instances count together, or the least of them counts; of those that are gone nothing", () => {
  const state = (second: number, metric: string, value: number, instance: string) =>
    sample(second, value, {
      metric,
      series: "",
      instance,
      component: "istio-cni",
      counts: metric === "cni_ready" ? "least" : "amount",
    });
  const [one, two] = ["istio-cni-node-x7k2p", "istio-cni-node-b4c5d"];
  const before = [
    state(0, "cni_ready", 1, one),
    state(0, "cni_ready", 0, two),
    state(0, "active", 4, one),
    state(0, "active", 3, two),
  ];
  const { name, metrics } = after(...before).entity;
  expect([name, metrics]).toEqual(["istio-cni-node", { active: 7, cni_ready: 0 }]);
  const later = [state(700, "cni_ready", 1, one), state(700, "active", 4, one)];
  expect(after(...before, ...later).entity.metrics).toEqual({ active: 4, cni_ready: 1 });
});

test("a certificate's end is told in whole hours, the nearest of all", () => {
  const nowS = atSecond(0) / 1e6;
  const ends = (metric: string, inS: number, instance: string) =>
    sample(0, nowS + inS, { metric, series: "", counts: "least", instance });
  const [one, two] = ["istiod-7d5c8b9f6-abcde", "istiod-7d5c8b9f6-fghij"];
  const { entity, evidence } = after(
    ends("root_cert_expires_at", 10 * 86_400, one),
    ends("root_cert_expires_at", 9 * 86_400 + 10, two),
    ends("cert_chain_expires_at", -30, one),
  );
  expect(entity.metrics).toEqual({
    cert_chain_expiry_seconds: -3_600,
    cert_expiry_seconds: -3_600,
    root_cert_expiry_seconds: 9 * 86_400,
  });
  expect(evidence.map(({ text }) => text)).toHaveLength(3);
});

test("of a component that is silent nobody can tell, and after a day it is none of the mesh's", () => {
  const world = new GraphWorld();
  world.observe(build(0), sample(0, 1));
  expect(only(world).judged).toBe(true);
  for (let minute = 0; minute < 12; minute++) world.pass(60);
  expect(only(world).judged).toBe(false);
  world.advance(atSecond(0) + 25 * 60 * usPerMinute);
  world.flush();
  expect(world.changes.filter(({ kind }) => kind === "gone")).toMatchObject([
    { type: "component" },
  ]);
});

test("what is only claimed counts nowhere", () => {
  const world = new GraphWorld();
  world.observe(build(0), sample(0, 1));
  world.observe(sample(15, 9, { trust: "claimed" }), { ...build(15, "9.9"), trust: "claimed" });
  expect(only(world).entity).toMatchObject({ version: "1.29.1", metrics: { xds_rejects: 0 } });
});

test("components and their series are bounded, and what has no room is counted", () => {
  const world = new GraphWorld();
  for (let number = 0; number < 2_500; number++) {
    world.observe(sample(0, 1, { namespace: `ns-${number}` }));
  }
  world.flush();
  expect(told(world)).toHaveLength(2_000);
  expect(world.counters()["graph_overflow_total components"]).toBe(500);
});

const web = "web-6d8f5c9b7c-l4q8z";
const taken = (second: number, all: number, tls: number | null, port = "8080") => {
  const parts = { component: "proxy", namespace: "shop", instance: web, series: port } as const;
  const connections = sample(second, all, { ...parts, metric: "http_connections" });
  if (tls === null) return [connections];
  return [connections, sample(second, tls, { ...parts, metric: "http_tls_connections" })];
};

test("a sidecar's connections less those with TLS are plaintext, per listener", () => {
  const samples = [
    ...taken(0, 10, 10),
    ...taken(0, 5, 0, "9000"),
    ...taken(15, 14, 11),
    ...taken(15, 5, 0, "9000"),
  ];
  const { entity, evidence } = after(...samples);
  expect(entity).toMatchObject({ kind: "proxy", namespace: "shop", name: "web" });
  expect(entity.metrics).toEqual({ plaintext_connections: 3 });
  expect(evidence.map(({ text }) => text)).toEqual([
    `${web} took connections without TLS on port 8080 in the ten minutes up to 2026-11-21T07:35Z`,
  ]);
});

test("a sidecar is not told of without plaintext, with one counter alone, or beside Istio's metrics", () => {
  const nothing = (...samples: readonly ComponentSample[]) => {
    const world = new GraphWorld();
    for (const one of samples) world.observe(one);
    world.flush();
    expect(told(world)).toEqual([]);
  };
  nothing(...taken(0, 10, 10), ...taken(15, 14, 14));
  nothing(...taken(0, 10, null), ...taken(15, 14, null));
  nothing(...taken(0, 10, 9), ...taken(15, 14, 13));
  const world = new GraphWorld();
  const series = [makeSeries(0, { source: { ...proxySource(web), key: `lab/shop/${web}` } })];
  const samples = makeSamples([{ series: 0, timeUs: atSecond(0), value: 1 }]);
  world.push({ receivedUs: atSecond(0), series, samples, observations: [] });
  world.observe(...taken(0, 10, 10));
  // What Istio's metrics told before is known after a restart as well.
  world.commit();
  world.restart();
  world.observe(...taken(15, 14, 11));
  world.flush();
  expect(told(world)).toEqual([]);
});

const replicas = (
  second: number,
  desired: number | null,
  available: number | null,
  parts: Partial<ComponentSample> = {},
) => {
  const common = { instance: "istiod-1-28", series: "", counts: "replicas", ...parts } as const;
  return [
    ...(desired === null ? [] : [sample(second, desired, { ...common, metric: "desired" })]),
    ...(available === null ? [] : [sample(second, available, { ...common, metric: "available" })]),
  ];
};

test("how many pods are wanted and available is told of a workload, whatever came first", () => {
  const samples = [...replicas(0, 2, 2), ...replicas(30, 3, 2), ...replicas(50, 3, 1)];
  const { entity, judged, evidence } = after(...samples);
  expect(entity).toMatchObject({ kind: "istiod", namespace: "istio-system", name: "istiod-1-28" });
  expect([entity.desired, entity.available, judged]).toEqual([3, 1, true]);
  expect(evidence).toMatchObject([
    {
      vantage: "object",
      text: "1 of 3 pods of istiod-1-28 are available in the five minutes up to 2026-11-21T07:35Z",
    },
  ]);
  expect(after(...samples.toReversed(), ...samples)).toEqual(after(...samples));
  expect(after(...replicas(0, 2, 2), ...replicas(30, 0, 0)).evidence).toEqual([]);
});

test("of one number alone, or of a workload where anybody may make one, nothing is told", () => {
  const world = new GraphWorld();
  world.observe(...replicas(0, 2, null), ...replicas(0, null, 0, { instance: "istiod" }));
  world.observe(...replicas(0, 2, 0, { namespace: "shop" }));
  world.observe(...replicas(0, 2, 0, { instance: "ztunnel", trust: "claimed" }));
  world.flush();
  expect(told(world)).toEqual([]);
  const agents = { namespace: "kube-system", instance: "istio-cni-node", component: "istio-cni" };
  world.observe(...replicas(15, 2, 1, agents as Partial<ComponentSample>)); // one of its kinds
  expect(only(world).entity).toMatchObject({ kind: "istio-cni", desired: 2, available: 1 });
});

test("the cluster's silence hides nothing of what the program tells, nor the other way round", () => {
  const world = new GraphWorld();
  const judgedOf = () => {
    world.flush();
    return told(world).map(({ entity, judged }) => `${entity.desired} ${judged}`);
  };
  const workload = { instance: "istiod" };
  world.observe(build(0), sample(0, 1), ...replicas(0, 2, 1, workload));
  expect(judgedOf()).toEqual(["0 true", "2 true"]);
  for (let second = 60; second <= 1_500; second += 60) {
    world.pass(60);
    world.observe(build(second), sample(second, 1));
  }
  expect(judgedOf()).toEqual(["0 true", "2 false"]);
  for (let second = 1_560; second <= 3_000; second += 60) {
    world.pass(60);
    world.observe(...replicas(second, 2, 1, workload));
  }
  expect(judgedOf()).toEqual(["0 false", "2 true"]);
  // One number that goes on alone tells nothing of the other.
  for (let second = 3_060; second <= 4_500; second += 60) {
    world.pass(60);
    world.observe(...replicas(second, 2, null, workload));
  }
  expect(judgedOf()).toEqual(["0 false", "2 false"]);
});
