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

test("the workload behind an address is that of the event's time", () => {
  const moved = slice(20, "10.0.0.3");
  const later = { ...flow, ...makeFlow(30, { ...flow, srcPort: 40_001 }), timeUs: atSecond(30) };
  const lines = edges([service, slice(0, "10.0.0.2"), web, api, other, moved, flow, later], 99);
  expect(lines).toEqual([
    "lab/shop/web -> lab/shop/api:8080",
    "lab/shop/web -> lab/shop/other:8080",
  ]);
});
