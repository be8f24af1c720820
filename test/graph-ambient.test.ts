/** Ambient pods and waypoints, from the bytes that ztunnel and Envoy send to the edges that rules see. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Observation, ProxyLeg, Trust } from "../src/model/observations.ts";
import { deployed, podSeen } from "./support/graph-observations.ts";
import { GraphWorld } from "./support/graph-world.ts";
import { NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import { keyValues, logsRequest, metricsRequest, type Attributes } from "./support/otlp-build.ts";

function linesOf(name: string): string[] {
  const url = new URL(`fixtures/vocabulary/${name}`, import.meta.url);
  return readFileSync(url, "utf8").trim().split("\n");
}

const [outbound = "", inbound = "", plain = ""] = linesOf("ztunnel.log");
const [waypoint = "", denied = ""] = linesOf("waypoint.log");

function legsOf(bodies: readonly string[], level: Trust = "attested"): Observation[] {
  const records = bodies.map((body) => ({ body }));
  const { observations } = new NormalizeRun({
    trust: [{ listener: "", client: "", origin: "", level }],
  }).push("logs", logsRequest({}, records));
  return observations.filter((one): one is ProxyLeg => one.kind === "proxy_leg");
}

/** Both orders of arrival, and once more after a restart. */
function worldsOf(observations: readonly Observation[]): GraphWorld[] {
  return [observations, observations.toReversed()].flatMap((order) => {
    const [world, restarted] = [new GraphWorld(), new GraphWorld()];
    for (const one of [world, restarted]) {
      one.advance(receivedUs);
      for (const observation of order) one.observe(observation);
      one.pass(1);
      one.flush();
    }
    restarted.commit();
    restarted.restart();
    return [world, restarted];
  });
}

function edgesOf(world: GraphWorld) {
  return [...world.edges.values()].map(({ entity }) => ({
    ends: [entity.src.name, entity.dst.name].join(" "),
    modes: [entity.src.mode, entity.dst.mode],
    security: entity.security,
    connections: entity.connections,
    requests: entity.requests,
    reporters: entity.reporters,
    denied: entity.denied,
  }));
}

const call = { connections: 1, requests: 0, reporters: ["ztunnel"], denied: 0 };

test("a connection between ambient pods is one connection, told by the ztunnels of both", () => {
  for (const world of worldsOf(legsOf([outbound, inbound]))) {
    const ends = "ambient-web ambient-cart";
    const modes = ["ambient", "ambient"];
    expect(edgesOf(world)).toEqual([{ ...call, ends, modes, security: "mutual_tls" }]);
  }
});

test("plaintext into an ambient pod carries its line as evidence, wherever its caller turns out to be", () => {
  const caller = podSeen(
    0,
    deployed("prometheus", "10.244.1.40", false, { namespace: "monitoring" }),
  );
  for (const world of worldsOf([...legsOf([plain]), caller])) {
    const ends = "prometheus ambient-cart";
    expect(edgesOf(world)).toEqual([
      { ...call, ends, modes: ["none", "ambient"], security: "none" },
    ]);
    const [edge] = world.edges.values();
    expect(edge?.evidence.map(({ fields }) => fields["src"])).toEqual(["10.244.1.40:37222"]);
  }
});

test("a claimed line encrypts nothing and makes no pod ambient", () => {
  for (const world of worldsOf(legsOf([inbound], "claimed"))) {
    expect(edgesOf(world)).toMatchObject([{ security: "unknown", modes: ["unknown", "unknown"] }]);
  }
});

/** ztunnel's counters of plaintext from prometheus to cart at two scrapes. */
function scrapes(counted: Readonly<Record<"opened" | "closed" | "denied", number>>): GraphWorld {
  const world = new GraphWorld();
  const run = new NormalizeRun();
  const labels = {
    reporter: "destination",
    source_workload: "prometheus",
    source_workload_namespace: "monitoring",
    source_principal: "unknown",
    destination_workload: "ambient-cart",
    destination_workload_namespace: "shop",
    connection_security_policy: "unknown",
    request_protocol: "tcp",
    response_flags: "-",
  };
  const denials = { ...labels, response_flags: "DENY" };
  for (const [index, second] of [0, 15].entries()) {
    const metric = (name: string, attributes: Attributes, value: number) => ({
      name: `istio_tcp_connections_${name}_total`,
      sum: {
        is_monotonic: true,
        aggregation_temporality: 2,
        data_points: [
          {
            attributes: keyValues(attributes),
            time_unix_nano: String(BigInt(receivedUs + second * 1_000_000) * 1_000n),
            as_double: index * value,
          },
        ],
      },
    });
    const metrics = [
      metric("opened", labels, counted.opened),
      metric("closed", labels, counted.closed),
      metric("closed", denials, counted.denied),
    ];
    const resource = { "service.name": "ztunnel", "service.instance.id": "10.0.0.1:15020" };
    world.push(run.push("metrics", metricsRequest({ resource }, metrics)));
  }
  world.pass(1);
  world.flush();
  return world;
}

test("plaintext that ztunnel refused is none, although it counts as opened", () => {
  const ends = { ends: "prometheus ambient-cart", modes: ["unknown", "ambient"] };
  const refused = scrapes({ opened: 3, closed: 0, denied: 3 });
  expect(edgesOf(refused)).toMatchObject([{ ...ends, security: "unknown", denied: 3 }]);
  const served = scrapes({ opened: 3, closed: 2, denied: 1 });
  expect(edgesOf(served)).toMatchObject([{ ...ends, security: "none", denied: 1 }]);
  const [edge] = served.edges.values();
  expect(edge?.evidence).toMatchObject([{ fields: { count: 2, reporter: "ztunnel" } }]);
});

test("a waypoint's lines tell of the ends, not of the waypoint", () => {
  const pods = ["ambient-web 10.244.1.66", "ambient-cart 10.244.1.67"].map((pod) => {
    const [name = "", ip = ""] = pod.split(" ");
    return podSeen(0, deployed(name, ip, false));
  });
  for (const world of worldsOf([...pods, ...legsOf([waypoint, denied])])) {
    // The denied request reached no pod: its row names the service alone, and is shadowed.
    const ends = "ambient-web ambient-cart";
    const told = { ends, modes: ["none", "none"], security: "unknown", reporters: ["waypoint"] };
    expect(edgesOf(world)).toEqual([{ ...told, requests: 1, connections: 0, denied: 0 }]);
    for (const { entity } of world.edges.values()) expect(entity.via_waypoint).toBe(true);
  }
});

/** Steps of Fisher and Yates by a small generator of its own. */
function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const all = [...items];
  let state = seed;
  for (let at = all.length - 1; at > 0; at--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const other = (state >>> 8) % (at + 1);
    [all[at], all[other]] = [all[other] as Item, all[at] as Item]; // both are within the list
  }
  return all;
}

test("any order and repetition of all kinds of lines, objects and exports gives the same graph", () => {
  const pods = ["web 10.244.1.10", "cart 10.244.1.67", "prometheus 10.244.1.40"].map((pod) => {
    const [name = "", ip = ""] = pod.split(" ");
    return podSeen(0, deployed(name, ip, name === "web"));
  });
  const point = {
    direction: "request",
    transport: "TCP",
    "src.address": "10.244.1.10",
    "src.port": "40001",
    "dst.address": "10.244.1.67",
    "dst.port": "8080",
  };
  const flows = [0, 30].flatMap((second) => {
    const time_unix_nano = String(BigInt(receivedUs - second * 1_000_000) * 1_000n);
    const data_points = [{ attributes: keyValues(point), time_unix_nano, as_int: "7" }];
    const sum = { is_monotonic: true, aggregation_temporality: 2, data_points };
    const metrics = [{ name: "obi.network.flow.bytes", sum }];
    return new NormalizeRun().push("metrics", metricsRequest({}, metrics)).observations;
  });
  const legs = legsOf([...linesOf("ztunnel.log"), ...linesOf("waypoint.log")]);
  const all = [...pods, ...legs, ...flows.filter(({ kind }) => kind === "flow")];
  const pictureOf = (observations: readonly Observation[]) => {
    const world = new GraphWorld();
    world.advance(receivedUs);
    for (const observation of observations) world.observe(observation);
    world.pass(1);
    return world.picture();
  };
  const expected = pictureOf(all);
  for (let seed = 1; seed <= 100; seed++) {
    const more = shuffled(all, seed).slice(0, 5);
    expect(pictureOf(shuffled([...all, ...more], seed)), `seed ${seed}`).toEqual(expected);
  }
});
