/** Who is seen by what: sources come, fall silent and go, pods move, processes restart. */
import { expect, test } from "vitest";
import type { EntityChange } from "../src/model/changes.ts";
import { coverageStates } from "../src/model/coverage.ts";
import type {
  Capability,
  Heartbeat,
  PodObject,
  ProcessSeen,
  SourceKind,
} from "../src/model/observations.ts";
import {
  atSecond,
  deployed,
  makeFlow,
  makeSamples,
  makeSeries,
  noPod,
  podSeen,
  proxySource,
} from "./support/graph-observations.ts";
import { GraphWorld, makeBatch, testGraphOptions } from "./support/graph-world.ts";

const sourceOf = (kind: SourceKind, key: string) => ({ kind, key, cluster: "lab", namespace: "" });

function alive(
  second: number,
  kind: SourceKind,
  key: string,
  ...capabilities: Capability[]
): Heartbeat[] {
  return capabilities.map((capability) => ({
    kind: "heartbeat",
    timeUs: atSecond(second),
    nanos: 0,
    source: sourceOf(kind, key),
    trust: "attested",
    capability,
  }));
}

const on = (node: string, ip: string, workload: string, parts: Partial<PodObject> = {}) =>
  deployed(workload, ip, true, { node, hostIp: `10.0.1.${node.slice(-1)}`, ...parts });

const process = (second: number, host: string, podName: string): ProcessSeen => ({
  kind: "process_seen",
  timeUs: atSecond(second),
  nanos: 0,
  source: sourceOf("node_agent", `lab/${host}`),
  trust: "attested",
  event: "exec",
  host,
  agent: "tetragon",
  process: {
    execId: "1",
    pid: 1,
    exe: "/bin/app",
    name: "app",
    command: "app",
    uid: 1000,
    gid: 1000,
    euid: 1000,
    egid: 1000,
    user: "",
    parentExe: "",
    pod: { ...noPod, cluster: "lab", namespace: "shop", pod: podName },
    container: "app",
    containerId: "",
    containerImage: "",
  },
});

/** `name pods meshed: live capabilities; silent: silent ones` of every workload that has a row. */
function seen(world: GraphWorld): string[] {
  world.flush();
  world.commit();
  return world
    .restored()
    .coverage.map(({ name, pods, mesh, live, heard }) => {
      const states = Object.entries(coverageStates(live, heard));
      const of = (state: string) =>
        states.filter(([, is]) => is === state).map(([capability]) => capability);
      const silent = of("silent");
      const rest = silent.length > 0 ? `; silent: ${silent.join(" ")}` : "";
      return `${name} ${pods} ${["outside", "meshed", "unknown"][mesh]}: ${of("live").join(" ")}${rest}`;
    })
    .sort();
}

/** The last that the rules heard of each machine. */
function hosts(world: GraphWorld): Record<string, EntityChange<"host">> {
  const known: Record<string, EntityChange<"host">> = {};
  for (const change of world.changes) {
    if (change.kind === "entity" && change.type === "host") known[change.id] = change;
    if (change.kind === "gone" && change.type === "host") delete known[change.id];
  }
  return known;
}

test("an agent covers the pods of its machine, by the machine's name or address", () => {
  const world = new GraphWorld();
  world.observe(
    podSeen(0, on("node-1", "10.0.0.1", "web")),
    podSeen(0, on("node-2", "10.0.0.2", "api")),
    ...alive(1, "node_agent", "lab/node-1", "processes"),
    ...alive(1, "node_agent", "lab/10.0.1.2", "flows"),
  );
  expect(seen(world)).toEqual(["api 1 meshed: flows objects", "web 1 meshed: processes objects"]);
});

test("an agent covers a pod that it names, and a flow agent on no known machine those it shows", () => {
  const world = new GraphWorld();
  const router = sourceOf("node_agent", "lab/192.0.2.1");
  const name = "late-6d8f5c9b7c-l4q8z";
  const flow = makeFlow(2, { srcIp: "10.0.0.1", dstIp: "203.0.113.7", source: router });
  world.observe(
    podSeen(0, on("node-1", "10.0.0.1", "web")),
    process(1, "elsewhere", name),
    flow,
    ...alive(2, "node_agent", "lab/192.0.2.1", "flows"),
  );
  expect(seen(world)).toEqual(["late 1 unknown: processes", "web 1 meshed: flows objects"]);
  world.restart();
  expect(seen(world)).toEqual(["late 1 unknown: processes", "web 1 meshed: flows objects"]);
});

test("a claimed record covers nobody", () => {
  const world = new GraphWorld();
  world.observe({ ...process(1, "elsewhere", "late-6d8f5c9b7c-l4q8z"), trust: "claimed" });
  expect(seen(world)).toEqual(["late 1 unknown: "]);
});

test("of a workload without a known pod, its proxies' series tell", () => {
  const world = new GraphWorld();
  const series = makeSeries(0, { source: proxySource("api-1") });
  const samples = makeSamples([{ series: 0, timeUs: atSecond(1), value: 5 }]);
  const beat = { ...alive(1, "proxy", "", "proxy_metrics")[0], source: proxySource("api-1") };
  const batch = makeBatch(atSecond(1), [beat as Heartbeat], { series: [series], samples });
  world.push(batch);
  expect(seen(world)).toEqual(["api 0 meshed: proxy_metrics"]);
  world.pass(600);
  expect(seen(world)).toEqual(["api 0 meshed: ; silent: proxy_metrics"]);
  world.restart();
  world.pass(1);
  expect(seen(world)).toEqual(["api 0 meshed: ; silent: proxy_metrics"]);
});

test("what a workload was told of once is silent, never `never`, also after a restart", () => {
  const world = new GraphWorld();
  world.observe(
    podSeen(0, on("node-1", "10.0.0.1", "web")),
    ...alive(1, "node_agent", "lab/node-1", "processes"),
    ...alive(1, "proxy", "lab/shop/web-6d8f5c9b7c-l4q8z", "proxy_logs"),
  );
  world.pass(600);
  world.pass(1);
  const silent = ["web 1 meshed: objects; silent: proxy_logs processes"];
  expect(seen(world)).toEqual(silent);
  // Another pod takes over, of which the first one's proxy cannot tell.
  const next = { name: "web-6d8f5c9b7c-aaaaa", uid: "next" };
  const gone = on("node-1", "10.0.0.1", "web", { deletionUs: atSecond(603) });
  world.observe(podSeen(602, on("node-1", "10.0.0.9", "web", next)), podSeen(604, gone, "deleted"));
  expect(seen(world)).toEqual(silent);
  world.restart();
  expect(seen(world)).toEqual(silent);
  world.observe(...alive(700, "proxy", "lab/shop/web-6d8f5c9b7c-aaaaa", "proxy_logs"));
  expect(seen(world)).toEqual(["web 1 meshed: proxy_logs objects; silent: processes"]);
});

test("a workload whose last pod has ended is in nobody's count", () => {
  const world = new GraphWorld();
  world.observe(podSeen(0, on("node-1", "10.0.0.1", "web")));
  expect(seen(world)).toHaveLength(1);
  const ended = on("node-1", "10.0.0.1", "web", { deletionUs: atSecond(3) });
  world.observe(podSeen(4, ended, "deleted"));
  expect(seen(world)).toEqual([]);
  world.restart();
  expect(seen(world)).toEqual([]);
});

test("any order of arrival and any repetition covers alike", () => {
  const observations = [
    podSeen(0, on("node-1", "10.0.0.1", "web")),
    podSeen(2, on("node-2", "10.0.0.2", "api")),
    process(3, "node-1", "web-6d8f5c9b7c-l4q8z"),
    process(4, "node-2", "api-6d8f5c9b7c-l4q8z"),
    ...alive(5, "proxy", "lab/shop/web-6d8f5c9b7c-l4q8z", "proxy_logs", "spans"),
    ...alive(6, "node_agent", "lab/10.0.1.2", "flows"),
    podSeen(7, on("node-2", "10.0.0.2", "api", { deletionUs: atSecond(7) }), "deleted"),
    podSeen(8, on("node-3", "10.0.0.3", "api", { name: "api-6d8f5c9b7c-bbbbb", uid: "b" })),
  ];
  const orders = [
    observations,
    observations.toReversed(),
    [...observations, ...observations],
    [...observations.slice(4), ...observations.slice(0, 5)],
  ];
  const pictures = orders.map((order) => {
    const world = new GraphWorld();
    for (const one of order) world.observe(one);
    world.pass(1);
    const machines = Object.entries(hosts(world)).map(([id, one]) =>
      JSON.stringify([id, one.entity]),
    );
    return { seen: seen(world), machines: machines.toSorted() };
  });
  expect(pictures[0]?.seen).toEqual([
    "api 1 meshed: objects",
    "web 1 meshed: proxy_logs spans processes objects",
  ]);
  for (const picture of pictures) expect(picture).toEqual(pictures[0]);
});

test("a machine is told with its agents, and again when one falls silent or its pods go", () => {
  const world = new GraphWorld();
  world.observe(
    podSeen(0, on("node-1", "10.0.0.1", "web")),
    podSeen(0, { ...deployed("batch", "10.0.0.3", false), node: "node-1" }),
    ...alive(1, "node_agent", "lab/node-1", "processes", "sockets"),
  );
  world.flush();
  const coverage = { flows: "never", sockets: "live", processes: "live" };
  expect(hosts(world)["lab/node-1"]).toMatchObject({
    judged: true,
    evidence: [],
    entity: { name: "node-1", pods: 2, meshed_pods: 1, agents: ["lab/node-1"], coverage },
  });
  world.pass(600);
  world.pass(1);
  expect(hosts(world)["lab/node-1"]).toMatchObject({
    judged: true,
    evidence: [],
    entity: {
      agents: ["lab/node-1"],
      coverage: { flows: "never", sockets: "silent", processes: "silent" },
    },
  });
  // Nothing was repeated for long: the machine may have gone without a word.
  world.pass(3_600);
  world.pass(1);
  expect(hosts(world)["lab/node-1"]).toMatchObject({ judged: false });
  for (const [workload, ip] of [
    ["web", "10.0.0.1"],
    ["batch", "10.0.0.3"],
  ] as const) {
    const ended = { node: "node-1", deletionUs: atSecond(5_000) };
    world.observe(podSeen(5_001, deployed(workload, ip, workload === "web", ended), "deleted"));
  }
  world.flush();
  expect(hosts(world)).toEqual({});
});

test("sources that report for one workload are bounded, and those that are heard stay", () => {
  const limits = { ...testGraphOptions.limits };
  const world = new GraphWorld({ ...testGraphOptions, limits });
  for (let index = 0; index < 20; index++) {
    const source = proxySource(`api-${index}`);
    const beat = { ...alive(index, "proxy", "", "proxy_metrics")[0], source } as Heartbeat;
    const series = [makeSeries(index, { source })];
    world.push(makeBatch(atSecond(index), [beat], { series }));
  }
  expect(seen(world)).toEqual(["api 0 meshed: proxy_metrics"]);
  expect(JSON.parse(world.restored().coverage[0]?.reporters ?? "")).toHaveLength(16);
  expect(world.counters()["graph_overflow_total coverage"]).toBe(4);
});
