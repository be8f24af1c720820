/** Counters that a node agent exports every so often, from its points to the edges that rules see. */
import { expect, test } from "vitest";
import { decodeJournal } from "../src/graph/journal.ts";
import type { ObservationBatch } from "../src/model/observations.ts";
import { deployed, podSeen } from "./support/graph-observations.ts";
import { GraphWorld } from "./support/graph-world.ts";
import { NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import { keyValues, metricsRequest, type Attributes } from "./support/otlp-build.ts";

const conversation: Attributes = {
  direction: "request",
  transport: "TCP",
  "src.address": "10.244.1.10",
  "src.port": "40001",
  "dst.address": "198.51.100.66",
  "dst.port": "443",
  "k8s.src.name": "web-6d4b75cb9d-x7k2p",
  "k8s.src.type": "Pod",
  "k8s.src.namespace": "shop",
  "k8s.src.owner.name": "web",
  "k8s.src.owner.type": "Deployment",
};
const reply: Attributes = {
  direction: "response",
  transport: "TCP",
  "src.address": "198.51.100.66",
  "src.port": "443",
  "dst.address": "10.244.1.10",
  "dst.port": "40001",
  "k8s.dst.namespace": "shop",
  "k8s.dst.owner.name": "web",
  "k8s.dst.owner.type": "Deployment",
};

function exportOf(second: number, points: readonly Attributes[], value = 100): ObservationBatch {
  const timeUs = receivedUs + second * 1_000_000;
  const data_points = points.map((attributes) => ({
    attributes: keyValues(attributes),
    start_time_unix_nano: String(BigInt(receivedUs) * 1_000n - 60_000_000_000n),
    time_unix_nano: String(BigInt(timeUs) * 1_000n),
    as_int: String(value + second),
  }));
  const sum = { is_monotonic: true, aggregation_temporality: 2, data_points };
  const resource = { "k8s.node.name": "node-1" };
  const body = metricsRequest({ resource }, [{ name: "obi.network.flow.bytes", sum }]);
  return new NormalizeRun().push("metrics", body, { receivedUs: timeUs });
}

const exports = [0, 30, 60, 90].map((second) => exportOf(second, [conversation, reply]));

test("a conversation is one connection however often, and in whatever order, it is told of", () => {
  const orders = [exports, exports.toReversed(), [...exports, ...exports]];
  const pictures = orders.map((order) => {
    const world = new GraphWorld();
    world.advance(receivedUs + 90_000_000);
    for (const batch of order) world.push(batch);
    world.pass(1);
    const lines = [
      "lab/shop/web -> external/198.51.100.66:443  unknown unknown: 0 requests, 0 errors, 1 connections",
    ];
    expect(world.edgeLines()).toEqual(lines);
    return world.picture();
  });
  expect(pictures[1]).toEqual(pictures[0]);
  expect(pictures[2]).toEqual(pictures[0]);
});

test("an edge remembers the first and the last export that told of it, also over a restart", () => {
  const world = new GraphWorld();
  for (const batch of exports) world.push(batch);
  world.pass(1);
  const seen = () =>
    [...world.edges.values()].map(({ entity }) => [entity.first_seen_age, entity.last_seen_age]);
  world.flush();
  expect(seen()).toEqual([[receivedUs, receivedUs + 90_000_000]]);
  world.commit();
  world.restart();
  expect(seen()).toEqual([[receivedUs, receivedUs + 90_000_000]]);
  world.push(exportOf(120, [conversation]));
  world.flush();
  expect([...world.edges.values()].map(({ entity }) => entity.connections)).toEqual([1]);
});

test("without addresses it is a series of bytes between workloads, in the caller's view", () => {
  const names = (end: "src" | "dst", workload: string): Attributes => ({
    [`k8s.${end}.namespace`]: "shop",
    [`k8s.${end}.owner.name`]: workload,
    [`k8s.${end}.owner.type`]: "Deployment",
  });
  const there = { direction: "request", ...names("src", "web"), ...names("dst", "cart") };
  const back = { direction: "response", ...names("src", "cart"), ...names("dst", "web") };
  const world = new GraphWorld();
  const points = [
    { ...there, "dst.port": "8080" },
    { ...back, "src.port": "8080" },
  ];
  const run = [0, 30].map((second) => exportOf(second, points));
  for (const batch of run) world.push(batch);
  world.flush();
  const [edge] = world.edges.values();
  expect(edge?.entity).toMatchObject({
    src: { name: "web" },
    dst: { name: "cart" },
    port: 8080,
    bytes_sent: 130,
    bytes_received: 130,
    reporters: ["flow"],
  });
});

test("an address without a name is its pod's, also when the pod's object comes later", () => {
  const { "src.port": _port, "dst.address": _address, ...rest } = conversation;
  const batch = exportOf(0, [{ ...rest, "dst.address": "10.244.1.20", "dst.port": "8080" }]);
  const cart = podSeen(0, deployed("cart", "10.244.1.20"));
  const orders = [true, false].map((isObjectFirst) => {
    const world = new GraphWorld();
    if (isObjectFirst) world.observe(cart);
    world.push(batch);
    if (!isObjectFirst) world.observe(cart);
    world.pass(1);
    return world.edgeLines();
  });
  const line =
    "lab/shop/web -> lab/shop/cart:8080  unknown unknown: 0 requests, 0 errors, 1 connections";
  expect(orders).toEqual([[line], [line]]);
});

function scrapeOf(second: number, container: string, destination: string): ObservationBatch {
  const timeUs = receivedUs + second * 1_000_000;
  const attributes = keyValues({
    container_id: `/k8s/shop/web-6d4b75cb9d-x7k2p/${container}`,
    destination,
    actual_destination: destination,
  });
  const point = { attributes, time_unix_nano: String(BigInt(timeUs) * 1_000n), as_double: 3 };
  const sum = { is_monotonic: true, aggregation_temporality: 2, data_points: [point] };
  const metric = { name: "container_net_tcp_successful_connects_total", sum };
  return new NormalizeRun().push("metrics", metricsRequest({}, [metric]), { receivedUs: timeUs });
}

test("a container's connection is its pod's, and one that the proxy took is none", () => {
  const world = new GraphWorld();
  world.push(scrapeOf(0, "istio-proxy", "198.51.100.66:443"));
  world.push(scrapeOf(0, "app", "127.0.0.1:15001"));
  world.pass(1);
  expect(world.edgeLines()).toEqual([
    "lab/shop/web -> external/198.51.100.66:443  unknown unknown: 0 requests, 0 errors, 1 connections",
  ]);
});

test("what an agent says of who talks survives the journal", () => {
  const world = new GraphWorld();
  const batch = scrapeOf(0, "app", "198.51.100.66:443");
  world.push(batch);
  const kept = world.commit().journal.flatMap(({ blob }) => decodeJournal(blob));
  expect(kept).toEqual(batch.observations.filter(({ kind }) => kind === "flow"));
  expect(kept).toMatchObject([{ container: "app", polled: "total", connections: 3 }]);
});
