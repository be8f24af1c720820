/** The bypass join as a whole: each scenario in its own order and in fifty others. */
import { expect, test } from "vitest";
import { attacks, innocents, undecided, type BypassCase } from "./scenarios/bypass-cases.ts";
import { talkerCases } from "./scenarios/talker-cases.ts";
import { unloggedAttacks, unloggedInnocents } from "./scenarios/unlogged-cases.ts";
import { wireAttacks, wireInnocents } from "./scenarios/wire-cases.ts";
import {
  app,
  connect,
  makePod,
  outboundLine,
  outside,
  seconds,
  shell1337,
  startsOf,
  wire,
  World,
  type Step,
} from "./scenarios/bypass-world.ts";

const orders = 50;

function run(scenario: BypassCase, steps: readonly Step[]): World {
  const world = new World(scenario.setup);
  for (const step of steps) {
    world.take(step);
    world.pass(seconds(0.1));
  }
  world.pass(seconds(70));
  world.pass(seconds(70));
  return world;
}

/** Always the same shuffles: mulberry32. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a pod becomes keeps its order: later objects replace earlier ones by their own times. */
function shuffled(steps: readonly Step[], random: () => number): Step[] {
  const repeated = steps.flatMap((step) =>
    step.kind !== "pod" && random() < 0.3 ? [step, step] : [step],
  );
  return repeated
    .map((step) => ({ step, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ step }) => step);
}

test.each([
  ...attacks,
  ...innocents,
  ...undecided,
  ...wireAttacks,
  ...wireInnocents,
  ...unloggedAttacks,
  ...unloggedInnocents,
  ...talkerCases,
])("$name", (scenario) => {
  const straight = run(scenario, scenario.steps);
  expect(straight.findings()).toEqual(scenario.findings ?? []);
  expect(straight.intruders()).toEqual(scenario.intruders ?? []);

  const random = makeRandom(scenario.steps.length);
  for (let order = 0; order < orders; order++) {
    const world = run(scenario, shuffled(scenario.steps, random));
    expect(world.essence()).toEqual(straight.essence());
  }
});

test("a B2 grows into a B3 under the same id, with the socket as part of its evidence", () => {
  const world = new World();
  world.take(connect(shell1337, 1, 40_001, outside, 443));
  world.take(wire(1.1, 40_001, outside, 443));
  const flows = world.said.flatMap((change) =>
    change.kind === "entity" && change.type === "flow" ? [change] : [],
  );
  expect(flows.map(({ entity }) => entity.rung)).toEqual(["b2", "b3"]);
  expect(new Set(flows.map(({ id }) => id)).size).toBe(1);
  expect(flows[1]?.evidence.map((item) => item.hash)).toContain(flows[0]?.evidence[0]?.hash);
  expect(flows[1]?.entity).toMatchObject({ vantage: "wire", oriented: "observed", uid: 1337 });
  expect(world.marks.marked.size).toBe(1);
});

test("a late leg withdraws a B3, its mark too, and only for as long as records are kept", () => {
  const steps = [connect(app, 1, 40_001, outside, 443), wire(1.1, 40_001, outside, 443)];
  const line = outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443]);

  const soon = new World();
  for (const step of steps) soon.take(step);
  soon.pass(seconds(14 * 60));
  expect(soon.marks.marked.size).toBe(1);
  soon.take(line);
  expect(soon.findings()).toEqual([]);
  expect(soon.said.at(-1)).toMatchObject({
    entity: { outcome: "cleared", rung: "none", reason: "proxy_leg" },
  });
  expect(soon.marks.marked.size).toBe(0);

  const late = new World();
  for (const step of steps) late.take(step);
  late.pass(seconds(17 * 60));
  const before = late.said.length;
  late.take(line);
  late.take(wire(1.1, 40_001, outside, 443));
  late.pass(seconds(17 * 60));
  expect(late.said.length).toBe(before);
  expect(late.findings()).toHaveLength(1);
});

test("an attested leg withdraws what a claimed one only disputed", () => {
  const world = new World();
  const line = outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443]);
  world.take(connect(app, 1, 40_001, outside, 443));
  world.take(wire(1.1, 40_001, outside, 443));
  world.take({ ...line, trust: "claimed" });
  expect(world.said.at(-1)).toMatchObject({
    entity: { outcome: "found", reason: "disputed", confidence: "medium" },
  });
  world.take(line);
  expect(world.findings()).toEqual([]);
});

test("nobody named the container: the verdict waits for a minute, no longer", () => {
  const world = new World();
  const nameless = { ...shell1337, container: "" };
  world.take(connect(nameless, 9, 40_001, outside, 443));
  world.pass(seconds(55));
  expect([...world.findings(), ...world.intruders()]).toEqual([]);
  world.pass(seconds(6));
  expect(world.findings()).toEqual(["web b2 203.0.113.5:443 medium"]);
  expect(world.intruders()).toEqual(["web /bin/bash 1337:1337 medium"]);
});

test("the object that names the container hours later still takes a process back", () => {
  const unknown = makePod({ proxy: { ...makePod().proxy, container: "", known: "none" } });
  const world = new World({ pods: [unknown] });
  const id = "0123456789abcdef";
  world.take(connect({ ...shell1337, container: "", containerId: id }, 1, 40_001, outside, 443));
  world.pass(seconds(61));
  expect(world.intruders()).toHaveLength(1);
  world.pass(seconds(7_200));
  world.take({ kind: "pod", pod: makePod({ starts: startsOf(id) }) });
  expect(world.intruders()).toEqual([]);
});

test("endpoints that are learned late find the flow", () => {
  const world = new World();
  world.take(connect(app, 1, 40_001, "10.96.0.20", 80));
  world.take(wire(1.1, 40_001, "10.1.0.60", 8080));
  expect(world.findings()).toEqual([]);
  world.town.endpoints.set("10.96.0.20:80", ["10.1.0.60:8080"]);
  world.take(outboundLine(5, 39_001, ["10.96.0.20", 80], 39_002, ["10.1.0.60", 8080]));
  world.pass(seconds(1));
  expect(world.findings()).toEqual(["web b3 10.1.0.60:8080 high"]);
});

test("a flow agent's clock is learned from what matches, and counts for the earlier flows too", () => {
  const world = new World();
  const off = (port: number): Step[] => [
    connect(app, 1, port, outside, 443),
    wire(5.5, port, outside, 443),
  ];
  for (const step of [...off(40_001), ...off(40_002)]) world.take(step);
  world.pass(seconds(1));
  expect(world.findings()).toEqual([]);
  for (const step of off(40_003)) world.take(step);
  world.pass(seconds(1));
  expect(world.findings()).toHaveLength(3);
});

test("one workload's flood costs only its own verdicts", () => {
  const other = makePod({ uid: "uid-other-1", name: "other-1", nodeId: 2, ips: ["10.1.0.52"] });
  const options = { socketsMax: 100, flowsMax: 1_000, legsMax: 100 };
  const world = new World({ pods: [makePod(), other], options });
  const otherApp = { ...app, pod: { ...app.pod, pod: "other-1", podUid: "uid-other-1" } };
  world.take(connect(otherApp, 1, 40_001, outside, 443, { srcIp: "10.1.0.52" }));
  for (let port = 41_000; port < 41_200; port++) {
    world.take(connect(app, 1 + port / 1e6, port, "198.51.100.7", 443));
  }
  world.take(wire(1, 41_199, "198.51.100.7", 443));
  world.take(wire(1, 40_001, outside, 443, { srcIp: "10.1.0.52" }));
  expect(world.findings()).toEqual([
    "other b3 203.0.113.5:443 high",
    "web unknown (capacity) 198.51.100.7:443 unknown",
  ]);
});

test("an object that makes it an init container before the proxy takes everything back", () => {
  const world = new World({ pods: [makePod({ proxy: { ...makePod().proxy, known: "none" } })] });
  world.take(connect({ ...shell1337, container: "prepare" }, 1, 40_001, outside, 443));
  expect([world.findings().length, world.intruders().length]).toEqual([1, 1]);
  world.take({ kind: "pod", pod: makePod({ initContainersBeforeProxy: ["prepare"] }) });
  expect([...world.findings(), ...world.intruders()]).toEqual([]);
  // By facts that no rule matches: insights about events do not hear of what is gone.
  const processes = world.said.filter((change) => "type" in change && change.type === "process");
  expect(processes.at(-1)).toMatchObject({ kind: "entity", entity: { in_proxy_container: true } });
});
