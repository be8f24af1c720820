/** Events that name a Service's address: which workload and port they are counted on, in every order. */
import { expect, test } from "vitest";
import type { DeclaredObject } from "../src/model/objects.ts";
import type { Observation, ObjectSeen } from "../src/model/observations.ts";
import { atSecond, deployed, makeFlow, podSeen } from "./support/graph-observations.ts";
import { GraphWorld } from "./support/graph-world.ts";

const vip = "10.96.0.20";
const named = { uid: "u", namespace: "shop", name: "front", labels: {}, annotations: {} };

function declared(second: number, object: DeclaredObject): ObjectSeen {
  return { ...podSeen(second, {}), object };
}

const service = declared(0, {
  ...named,
  type: "service",
  clusterIps: [vip],
  externalName: "",
  selector: {},
  ports: [{ name: "http", transport: "tcp", port: 80, targetPort: 8080, targetPortName: "" }],
});

const slice = (second: number, ...ips: readonly string[]): ObjectSeen =>
  declared(second, {
    ...named,
    type: "endpoint_slice",
    service: "front",
    ports: [{ name: "http", transport: "tcp", port: 8080 }],
    endpoints: ips.map((ip) => ({
      addresses: [ip],
      podNamespace: "",
      podName: "",
      podUid: "",
      isReady: true,
    })),
  });

const web = podSeen(0, deployed("web", "10.0.0.1"));
const api = podSeen(0, deployed("api", "10.0.0.2"));
const other = podSeen(0, deployed("other", "10.0.0.3", true, { uid: "other" }));
const flow = makeFlow(10, { srcIp: "10.0.0.1", srcPort: 40_000, dstIp: vip, dstPort: 80 });

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]),
  );
}

/** Source, destination and port of each edge, with a restart between every two observations in turn. */
function edges(order: readonly Observation[], restartAfter: number): string[] {
  const world = new GraphWorld();
  for (const [index, observation] of order.entries()) {
    world.observe(observation);
    if (index !== restartAfter) continue;
    world.commit();
    world.restart();
  }
  world.pass(1);
  return world.edgeLines().map((line) => line.split(" ").slice(0, 3).join(" "));
}

test.each([
  ["one workload", [service, slice(0, "10.0.0.2"), web, api, flow], "lab/shop/api:8080"],
  [
    "two workloads",
    [service, slice(0, "10.0.0.2", "10.0.0.3"), web, api, other, flow],
    "lab/shop/front:8080",
  ],
  ["no object of the pods", [service, slice(0, "10.0.0.9"), web, flow], "lab/shop/front:8080"],
  ["no slice", [service, web, flow], "lab/shop/front:80"],
] as const)("a flow to a service: %s", (name, observations, expected) => {
  for (const [index, order] of permutations<Observation>(observations).entries()) {
    const restartAfter = index % (2 * observations.length);
    expect([name, edges(order, restartAfter)]).toEqual([name, [`lab/shop/web -> ${expected}`]]);
  }
});

/** The same by metrics about the objects, which name no port of a service. */
function inventory(second: number, { object }: ObjectSeen): ObjectSeen {
  if (object.type !== "service" && object.type !== "endpoint_slice") throw new Error("no service");
  const told = object.type === "service" ? { ...object, ports: [] } : object;
  return { ...declared(second, told), event: "modified", form: "inventory" };
}

const toldService = inventory(0, service);
const sliceOf = (ip: string): ObjectSeen => inventory(1, slice(1, ip));
const ofPort = (name: string, port: number): ObjectSeen => {
  const { object } = slice(1, "10.0.0.2");
  if (object.type !== "endpoint_slice") throw new Error("no slice");
  const ports = [...object.ports, { name, transport: "tcp", port } as const];
  return inventory(1, declared(1, { ...object, ports }));
};

const otherVip = ((): ObjectSeen => {
  const told = inventory(5, service);
  if (told.object.type !== "service") throw new Error("no service");
  return { ...told, object: { ...told.object, clusterIps: ["10.96.0.99"] } };
})();

test.each([
  ["one workload", [toldService, sliceOf("10.0.0.2"), web, api, flow], "lab/shop/api:8080"],
  ["two ports", [toldService, ofPort("admin", 9_090), web, api, flow], "lab/shop/front:80"],
  ["no slice", [toldService, web, flow], "lab/shop/front:80"],
  [
    "objects know better, whenever they were told",
    [
      service,
      inventory(5, service),
      slice(0, "10.0.0.2"),
      inventory(6, slice(6, "10.0.0.3")),
      flow,
    ],
    "lab/shop/front:8080",
  ],
  [
    "what metrics said before the object came was never said",
    [otherVip, service, web, { ...flow, dstIp: "10.96.0.99" }],
    "unknown/10.96.0.99:80",
  ],
] as const)("a flow to a service by metrics: %s", (name, observations, expected) => {
  const all: readonly Observation[] = [...new Set([...observations, web])];
  const orders = permutations(all);
  for (const [index, order] of orders.entries()) {
    if (orders.length > 500 && index % 7 !== 0) continue;
    const restartAfter = index % (2 * all.length);
    expect([name, edges(order, restartAfter)]).toEqual([name, [`lab/shop/web -> ${expected}`]]);
  }
});

test("what metrics tell of no more is gone after half an hour of others", () => {
  const world = new GraphWorld();
  const isGone = (): boolean[] => {
    world.commit();
    const rows = world.restored().objects;
    return rows.map(({ detail }) => (JSON.parse(detail) as { isGone: boolean }).isGone);
  };
  const kept = { ...named, name: "kept", type: "node", addresses: ["192.0.2.1"] } as const;
  const tell = (minute: number): void => {
    const node: ObjectSeen = {
      ...declared(minute * 60, kept),
      event: "modified",
      form: "inventory",
    };
    world.observe(node);
    world.pass(61);
  };
  world.observe(toldService);
  tell(0);
  tell(29);
  world.commit();
  world.restart();
  expect(isGone()).toEqual([false, false]);
  tell(40);
  expect(isGone()).toEqual([true, false]);
  world.observe(inventory(42 * 60, service));
  expect(isGone()).toEqual([false, false]);
  // Silence ends nothing.
  world.pass(3_600);
  expect(isGone()).toEqual([false, false]);
});

test("the workload behind an address is that of the event's time", () => {
  const moved = slice(20, "10.0.0.3");
  const later = { ...flow, ...makeFlow(30, { ...flow, srcPort: 40_001 }), timeUs: atSecond(30) };
  const lines = edges([service, slice(0, "10.0.0.2"), web, api, other, moved, flow, later], 99);
  expect(lines).toEqual([
    "lab/shop/web -> lab/shop/api:8080",
    "lab/shop/web -> lab/shop/other:8080",
  ]);
});
