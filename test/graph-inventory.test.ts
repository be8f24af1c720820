/**
 * Pods as an inventory tells of them, in parts: the same in every order and over a restart, ended by the
 * lists that lack them, and never against an object.
 */
import { expect, test } from "vitest";
import { ipToHex } from "../src/lib/ip.ts";
import type { ObjectSeen, Observation, PodFact, PodInventory } from "../src/model/observations.ts";
import { declaredSeen, makeController } from "./support/declared-objects.ts";
import {
  atSecond,
  makeContainer,
  makeFlow,
  makePod,
  podSeen,
} from "./support/graph-observations.ts";
import { GraphWorld } from "./support/graph-world.ts";

const source = { kind: "objects", key: "lab/inventory", cluster: "lab", namespace: "" } as const;

function told(
  second: number,
  name: string,
  facts: readonly PodFact[],
  parts: Partial<PodInventory> = {},
): ObjectSeen {
  const pod = { uid: `uid-${name}`, namespace: "shop", name, teller: "ksm/a", facts };
  return {
    kind: "object_seen",
    event: "listed",
    timeUs: atSecond(second),
    nanos: 0,
    source,
    trust: "attested",
    cluster: "lab",
    form: "inventory",
    object: { type: "pod_inventory", ...pod, ...parts },
  };
}

const web = "web-6d4b75cb9d-x7k2p";
const cart = "cart-6d4b75cb9d-y7k2p";

const info = (ip: string, ownerName = "web-6d4b75cb9d"): PodFact => ({
  of: "pod",
  ip,
  hostIp: "192.0.2.1",
  node: "node-1",
  hostNetwork: false,
  ownerKind: "ReplicaSet",
  ownerName,
});
const container = (name: string, parts: object = {}): PodFact => ({
  of: "container",
  name,
  image: "",
  containerId: `${name}-0123456789ab`,
  init: false,
  restartPolicy: "",
  ...parts,
});

const whole: readonly PodFact[] = [
  info("10.244.1.10"),
  { of: "address", ip: "2001:db8::10" },
  { of: "owner", kind: "ReplicaSet", name: "web-6d4b75cb9d" },
  container("app"),
  container("istio-proxy"),
  container("istio-init", { init: true }),
  { of: "account", name: "web" },
  {
    of: "annotations",
    names: { "traffic.sidecar.istio.io/excludeOutboundPorts": "8443" },
  },
  { of: "start", atUs: atSecond(-100) },
];

function worldOf(...observations: readonly Observation[]): GraphWorld {
  const world = new GraphWorld();
  for (const one of observations) world.observe(one);
  world.flush();
  return world;
}

/** Of the pod's row: what is concluded of it. */
function factsOf(world: GraphWorld, name = web): Record<string, unknown> {
  world.commit();
  const row = world.restored().pods.find((one) => one.name === name);
  if (!row) return {};
  const { facts } = JSON.parse(row.detail) as { facts: Record<string, unknown> }; // by `graph-rows.ts`
  return facts;
}

/** Who an address was then, by the edge of a flow from there. */
function callerAt(world: GraphWorld, second: number, ip = "10.244.1.10"): string {
  const server = makePod({ uid: "s", name: "server-0", ips: ["10.244.1.99"] });
  const flow = makeFlow(second, { srcIp: ip, dstIp: "10.244.1.99", srcPort: 40_000 + second });
  world.observe(podSeen(0, server), flow);
  world.flush();
  const edges = world.changes.flatMap((one) =>
    one.kind === "entity" && one.type === "edge" ? [one.entity.src] : [],
  );
  const last = edges.at(-1);
  return last?.name ?? "";
}

/** The seconds between which the address was given up, by its row; null = it was not. */
function borderOf(world: GraphWorld, ip: string): readonly number[] | null {
  world.commit();
  const row = world.restored().ipOwners.find((one) => one.ip === ipToHex(ip));
  const { endLoUs, endHiUs } = JSON.parse(row?.detail ?? "{}") as {
    endLoUs: number;
    endHiUs: number;
  }; // by `graph-rows.ts`
  return endHiUs === 0 ? null : [endLoUs, endHiUs].map((us) => (us - atSecond(0)) / 1e6);
}

test("its parts come in any order, in pieces and twice", () => {
  const orders = [
    [told(1, web, whole)],
    whole.map((fact) => told(1, web, [fact])),
    whole.map((fact) => told(1, web, [fact])).toReversed(),
    [...whole, ...whole].map((fact) => told(1, web, [fact])),
  ];
  const [first, ...others] = orders.map((order) => {
    const { nodeId: _id, starts, ...facts } = factsOf(worldOf(...order));
    return { ...facts, starts: JSON.stringify(starts).length };
  });
  expect(first).toMatchObject({
    mode: "sidecar",
    ips: ["10.244.1.10", "2001:db8::10"],
    node: "node-1",
    proxy: { container: "istio-proxy", uid: 1337, known: "event" },
    excludedOutboundPorts: ["8443"],
    excludedOutboundRanges: null,
    fromUs: atSecond(-100),
    endUs: 0,
  });
  for (const other of others) expect(other).toEqual(first);
});

test("a pod of which no proxy is shown may be ambient all the same", () => {
  const world = worldOf(told(1, web, [info("10.244.1.10"), container("app")]));
  expect(factsOf(world)).toMatchObject({ mode: "unknown" });
  const names = { "ambient.istio.io/redirection": "enabled" };
  world.observe(told(2, web, [{ of: "annotations", names }]));
  expect(factsOf(world)).toMatchObject({ mode: "ambient" });
});

test("the newest word stands, and of two of one time the same in each order", () => {
  const words = [
    told(2, web, [info("10.244.1.10")]),
    told(2, web, [info("10.244.1.11")]),
    told(1, web, [info("10.244.1.9")]),
  ];
  const results = [words, words.toReversed()].map((order) => factsOf(worldOf(...order))["ips"]);
  expect(results).toEqual([["10.244.1.11"], ["10.244.1.11"]]);
});

test("a pod that complete lists lack has ended between two of them, and comes back", () => {
  const world = worldOf(
    told(0, web, whole),
    told(0, cart, [info("10.244.1.20", "cart-6d4b75cb9d")]),
    told(30, web, whole),
    told(60, cart, [info("10.244.1.20", "cart-6d4b75cb9d")]),
  );
  world.pass(20);
  expect(factsOf(world)).toMatchObject({ endUs: 0 });
  world.pass(60);
  expect(factsOf(world)).toMatchObject({ endUs: atSecond(30) });
  expect(factsOf(world, cart)).toMatchObject({ endUs: 0 });
  expect(callerAt(world, 20)).toBe("web");
  expect(borderOf(world, "10.244.1.10")).toEqual([30, 60]);
  // The list had it after all: it came late.
  world.observe(told(60, web, whole));
  expect(factsOf(world)).toMatchObject({ endUs: 0 });
  expect(borderOf(world, "10.244.1.10")).toBeNull();
});

test("a restart changes none of it", () => {
  const world = worldOf(told(0, web, whole), told(0, cart, whole));
  world.pass(60);
  world.commit();
  world.restart();
  world.observe(told(90, cart, whole));
  world.pass(120);
  expect(factsOf(world)).toMatchObject({ mode: "sidecar", endUs: atSecond(0) });
  expect(factsOf(world, cart)).toMatchObject({ endUs: 0 });
});

test("a finished pod is over when it says so", () => {
  const world = worldOf(told(5, web, [...whole, { of: "end", atUs: atSecond(3) }]));
  expect(factsOf(world)).toMatchObject({ endUs: atSecond(2) });
});

test("an object says all, before and after, and what was concluded of its end does not stand", () => {
  const object = makePod({
    uid: `uid-${web}`,
    namespace: "shop",
    name: web,
    ips: ["10.244.1.10"],
    containers: [makeContainer()],
    labels: { "pod-template-hash": "6d4b75cb9d" },
    ownerKind: "ReplicaSet",
    ownerName: "web-6d4b75cb9d",
  });
  const words = [told(0, web, whole), told(40, cart, whole), podSeen(1, object)];
  for (const order of [words, words.toReversed()]) {
    const world = worldOf(...order);
    world.pass(200);
    expect(factsOf(world)).toMatchObject({ mode: "none", endUs: 0, excludedOutboundPorts: [] });
  }
  const ended = worldOf(told(0, web, whole), told(40, cart, whole));
  ended.pass(200);
  expect(factsOf(ended)).toMatchObject({ endUs: atSecond(0) });
  ended.observe(podSeen(150, object));
  expect(factsOf(ended)).toMatchObject({ mode: "none", endUs: 0 });
});

test("what is only claimed changes nothing", () => {
  const world = worldOf({ ...told(1, web, whole), trust: "claimed" });
  expect(factsOf(world)).toEqual({});
});

test("its ReplicaSet's owner is its workload, whichever is told first", () => {
  const owner = declaredSeen(
    1,
    makeController("shop", "web-6d4b75cb9d", "Rollout", "front"),
    "modified",
  );
  const words = [told(1, web, whole), owner];
  for (const order of [words, words.toReversed()]) {
    expect(callerAt(worldOf(...order), 2)).toBe("front");
  }
});

test("parts and tellers of one pod are bounded", () => {
  const world = worldOf(
    ...Array.from({ length: 300 }, (_, index) =>
      told(1, web, [container(`c${index}`)], { teller: `ksm/${index}` }),
    ),
  );
  world.commit();
  const row = world.restored().pods.find((one) => one.name === web);
  const { inventory } = JSON.parse(row?.detail ?? "{}") as {
    inventory: { parts: object; listedUs: object };
  }; // by `graph-rows.ts`
  expect(Object.keys(inventory.parts)).toHaveLength(160);
  expect(Object.keys(inventory.listedUs)).toHaveLength(4);
});
