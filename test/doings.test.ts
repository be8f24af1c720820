/** Whom pods reach and which files: who is told of, of what, and in any order. */
import { assert, property, shuffledSubarray } from "fast-check";
import { expect, test } from "vitest";
import { pathClass } from "../src/graph/accesses.ts";
import { bypassDefaults } from "../src/graph/bypass-options.ts";
import { Doings } from "../src/graph/doings.ts";
import type { AnyEntityChange, GraphChange } from "../src/model/changes.ts";
import type { FileAccess, Observation } from "../src/model/observations.ts";
import type { CounterSample } from "../src/model/stages.ts";
import {
  app,
  connect,
  envoy,
  exec,
  makePod,
  makeProcess,
  outboundLine,
  pilotAgent,
  seconds,
  t0,
  Town,
} from "./scenarios/bypass-world.ts";

function read(process = app, atS = 1, path = "/etc/passwd"): FileAccess {
  const { event: _, ...seen } = exec(process, atS);
  return { ...seen, kind: "file_access", path, access: "read" };
}

class World {
  readonly town = new Town();
  readonly doings = new Doings(this.town, bypassDefaults, (owner) => this.full.push(owner));
  readonly out: GraphChange[] = [];
  readonly full: string[] = [];
  #nowUs = t0 + seconds(10);

  constructor(pod: ReturnType<typeof makePod> | null = makePod()) {
    if (pod) this.town.pods.set(pod.uid, pod);
  }

  see(...observations: readonly Observation[]): this {
    for (const one of observations) this.doings.see(one, this.#nowUs, this.out);
    return this;
  }

  pod(pod = makePod()): this {
    this.town.pods.set(pod.uid, pod);
    this.doings.podsChanged([pod]);
    return this.pass(0);
  }

  pass(byS: number): this {
    this.#nowUs += seconds(byS);
    this.doings.advance(this.#nowUs, this.out);
    return this;
  }

  /** The last word on each. */
  told(): string[] {
    const last = new Map<string, string>();
    for (const change of this.out)
      if (change.kind === "entity") last.set(change.id, lineOf(change));
    return [...last.values()].toSorted();
  }
}

function lineOf({ type, entity, evidence, atUs }: AnyEntityChange): string {
  const when = `${(atUs - t0) / seconds(1)}s ${evidence[0]?.text.split(" ")[0]}`;
  if (type === "access") return `${entity.process.exe} ${entity.path} ${when}`;
  if (type !== "flow") return type;
  const { process, vantage, dst_ip, dst_port, outcome, confidence, dst } = entity;
  const to = `${dst.name === "" ? "" : `${dst.name} `}${dst_ip}:${dst_port}`;
  return `${process === "" ? vantage : process} ${to} ${outcome} ${confidence} ${when}`;
}

test("the first of five minutes is told, whichever came first, and again in the next", () => {
  const sockets = [5, 3, 100, 301].map((atS) => connect(app, atS, 40_000 + atS, "10.1.0.9", 2_049));
  assert(
    property(shuffledSubarray(sockets, { minLength: 4 }), (order) => {
      expect(new World().see(...order, ...order).told()).toEqual([
        "/usr/bin/python3 10.1.0.9:2049 unknown high 301s /usr/bin/python3",
        "/usr/bin/python3 10.1.0.9:2049 unknown high 3s /usr/bin/python3",
      ]);
    }),
  );
});

test("who is in no application's container is nobody's contact", () => {
  const world = new World().see(
    connect(envoy, 1, 40_001, "10.1.0.9", 80),
    connect(pilotAgent, 1, 40_002, "10.1.0.9", 15_012),
    connect(app, 1, 40_003, "10.1.0.51", 8_080),
    connect(app, 1, 40_004, "10.1.0.53", 53, { transport: "udp" }),
    connect(app, 1, 40_005, "10.1.0.9", 0, { transport: "icmp" }),
  );
  expect(world.told()).toEqual([]);
});

test("loopback counts where a proxy is, and leads to the pod itself", () => {
  const socket = connect(app, 1, 40_001, "127.0.0.1", 15_000, { srcIp: "127.0.0.1" });
  expect(new World().see(socket).told()).toEqual([
    "/usr/bin/python3 web 127.0.0.1:15000 unknown high 1s /usr/bin/python3",
  ]);
  expect(new World(makePod({ mode: "none" })).see(socket).told()).toEqual([]);
});

test("a pod of which nobody says whether it has a proxy waits for who does", () => {
  const socket = connect(app, 1, 40_001, "10.1.0.9", 80);
  const unknown = makePod({ mode: "unknown" });
  const world = new World(unknown).see(socket).pass(600);
  expect(world.told()).toEqual([]);
  expect(new World(unknown).see(socket).pod().told()).toHaveLength(1);
  expect(new World(null).see(socket).pod().told()).toHaveLength(1);
});

test("a container that nobody names is waited for, and may turn out to be the proxy's", () => {
  const nameless = makeProcess({ container: "", containerId: "abc", containerImage: "" });
  const world = new World().see(connect(nameless, 1, 40_001, "10.1.0.9", 80));
  expect(world.told()).toEqual([]);
  expect(world.pass(60).told()).toEqual([
    "/usr/bin/python3 10.1.0.9:80 unknown medium 1s /usr/bin/python3",
  ]);
  const agent = makeProcess({ ...pilotAgent, container: "", containerId: "abc" });
  expect(
    new World()
      .see(connect(agent, 1, 40_001, "10.1.0.9", 80))
      .pass(60)
      .told(),
  ).toEqual([]);
});

test("behind a virtual address is whoever objects say, also when they say it later", () => {
  const socket = connect(app, 1, 40_001, "10.96.0.20", 80);
  const world = new World().see(socket);
  world.town.endpoints.set("10.96.0.20:80", ["10.1.0.60:8080"]);
  const line = outboundLine(2, 40_001, ["10.96.0.20", 80], 50_001, ["10.1.0.60", 8_080]);
  world.see(line).pass(1);
  expect(world.told()).toContain(
    "/usr/bin/python3 10.1.0.60:8080 unknown high 1s /usr/bin/python3",
  );
});

test("an application's calls by its proxy's log; a gateway's are others'", () => {
  const line = outboundLine(2, 40_001, ["10.96.0.20", 80], 50_001, ["10.1.0.60", 8_080]);
  expect(new World().see(line).told()).toEqual(["proxy 10.1.0.60:8080 unknown high 2s the"]);
  expect(new World(makePod({ mode: "gateway" })).see(line).told()).toEqual([]);
});

test("a flood of one workload is his own loss, and counted", () => {
  const world = new World();
  world.town.pods.set("b", makePod({ uid: "b", name: "batch-1", nodeId: 2, ips: ["10.1.0.52"] }));
  const batch = makeProcess({
    pod: { ...app.pod, pod: "batch-1", podUid: "b", workload: "batch" },
  });
  world.see(connect(batch, 1, 40_001, "10.1.0.9", 80, { srcIp: "10.1.0.52" }));
  for (let port = 1; port <= 12_000; port++) world.see(connect(app, 1, 40_001, "10.1.0.9", port));
  expect(new Set(world.full)).toEqual(new Set(["workload 1"]));
  const samples: CounterSample[] = [];
  world.doings.counters(samples);
  const [size, lost] = samples.filter(({ labels }) => labels["table"] === "contacts");
  expect(size?.value).toBeLessThanOrEqual(10_001);
  expect(lost?.value).toBeGreaterThanOrEqual(2_000);
  // Batch's is there still: the same is no news.
  const before = world.out.length;
  world.see(connect(batch, 1, 40_001, "10.1.0.9", 80, { srcIp: "10.1.0.52" }));
  expect(world.out).toHaveLength(before);
});

test("files are told by the class of their path, and by who reads them", () => {
  const token = "/var/run/secrets/tokens/..2026_11_21_22_00_00.123/istio-token";
  const other = token.replace("22_00", "23_00");
  const world = new World().see(read(app, 2, other), read(app, 1, token), read(envoy, 1, token));
  expect(world.told()).toEqual([
    "/usr/bin/python3 /var/run/secrets/tokens/istio-token 1s /usr/bin/python3",
    "/usr/local/bin/envoy /var/run/secrets/tokens/istio-token 1s /usr/local/bin/envoy",
  ]);
  const changes = world.out.flatMap((one) => (one.kind === "entity" ? [one] : []));
  const isProxy = changes.map((one) => one.type === "access" && one.entity.process.is_proxy);
  expect(isProxy).toEqual([false, false, true]);
});

test("what a pod shares is known from its object, also when it comes later", () => {
  const world = new World().see(read(app, 1, "/proc/17/environ"));
  const shares = (): boolean[] =>
    world.out.flatMap((one) =>
      one.kind === "entity" && one.type === "access" ? [one.entity.shares_processes] : [],
    );
  expect(shares()).toEqual([false]);
  world.pod(makePod({ sharesProcesses: true }));
  expect(shares()).toEqual([false, true]);
});

test.each([
  ["/proc/17/environ", "/proc/<pid>/environ"],
  ["/proc/17/task/18/mem", "/proc/<pid>/mem"],
  ["/proc/17/root/etc/passwd", "/proc/<pid>/root/etc/passwd"],
  ["/proc/meminfo", "/proc/meminfo"],
  ["/var/run/secrets/tokens/..data/istio-token", "/var/run/secrets/tokens/istio-token"],
  ["/data/2026_11_21/file", "/data/2026_11_21/file"],
])("the class of %s is %s", (path, expected) => {
  expect(pathClass(path)).toBe(expected);
});
