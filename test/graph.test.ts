/** The graph from observations to what the rules are told: identity, edges, security, sources. */
import { expect, test } from "vitest";
import type { EdgeEntity } from "../src/model/entities.ts";
import type { Observation } from "../src/model/observations.ts";
import { usPerMinute } from "../src/model/time.ts";
import {
  atSecond,
  deployed,
  graphStartUs,
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
import { GraphWorld, makeBatch } from "./support/graph-world.ts";

/** Every order of up to five observations. */
function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]),
  );
}

function check(observations: readonly Observation[], expected: readonly string[]): void {
  for (const order of permutations(observations)) {
    const world = new GraphWorld();
    for (const observation of order) world.observe(observation);
    world.pass(1);
    expect(world.edgeLines()).toEqual(expected);
  }
}

const web = podSeen(0, deployed("web", "10.0.0.1"));
const api = podSeen(0, deployed("api", "10.0.0.2"));
const webToApi = makeLeg(10, {
  downstreamRemoteIp: "10.0.0.1",
  downstreamLocalIp: "10.0.0.2",
  peerPrincipal: "spiffe://cluster.local/ns/shop/sa/web",
});

test("an event moves to the workloads when their objects arrive, in whatever order", () => {
  const line = (src: string, dst: string) => [
    `${src} -> ${dst}:8080 http declared mutual_tls: 1 requests, 0 errors, 0 connections`,
  ];
  check([webToApi], line("unknown/10.0.0.1", "unknown/10.0.0.2"));
  check([webToApi, api], line("unknown/10.0.0.1", "lab/shop/api"));
  check([webToApi, api, web], line("lab/shop/web", "lab/shop/api"));
});

test("an address is its owner's at the time of the event", () => {
  const ended = { ...deployed("web", "10.0.0.1"), deletionUs: atSecond(20) };
  const next = deployed("next", "10.0.0.1", true, { startUs: atSecond(25) });
  check(
    [
      podSeen(22, ended, "deleted"),
      podSeen(30, next),
      webToApi,
      { ...webToApi, timeUs: atSecond(40), lineId: "later" },
    ],
    [
      "lab/shop/next -> unknown/10.0.0.2:8080 http declared mutual_tls: 1 requests, 0 errors, 0 connections",
      "lab/shop/web -> unknown/10.0.0.2:8080 http declared mutual_tls: 1 requests, 0 errors, 0 connections",
    ],
  );
});

test("a pod on the host's network never stands for its machine's address", () => {
  const onHost = { ...deployed("agent", "10.0.0.1", false), hostNetwork: true };
  check(
    [podSeen(0, onHost), webToApi],
    [
      "lab//node-1 -> unknown/10.0.0.2:8080 http declared mutual_tls: 1 requests, 0 errors, 0 connections",
    ],
  );
});

test("a workload that was inferred from a pod's name merges into the one its object names", () => {
  const self = { ...noPod, cluster: "lab", namespace: "shop", pod: "odd-name-x7k2p" };
  const half = makeHalf(5, { self, peer: { ...noPeer, address: "10.0.0.9" }, port: 80 });
  const object = podSeen(0, { name: "odd-name-x7k2p", ownerKind: "Rollout", ownerName: "odd" });
  check(
    [half, object],
    [
      "unknown/10.0.0.9 -> lab/shop/odd:80 http declared unknown: 1 requests, 0 errors, 0 connections",
    ],
  );
});

test("a pair of halves is one call; the caller's service name only shadows", () => {
  const webPod = { ...noPod, cluster: "lab", namespace: "shop", pod: "web-6d8f5c9b7c-l4q8z" };
  const apiPod = { ...noPod, cluster: "lab", namespace: "shop", pod: "api-6d8f5c9b7c-l4q8z" };
  const peer = { ...noPeer, service: "api", serviceNamespace: "shop" };
  const client = makeHalf(1, { side: "client", spanId: "a", self: webPod, peer, port: 80 });
  const server = makeHalf(2, { spanId: "b", parentSpanId: "a", self: apiPod, port: 8080 });
  const unpaired = { ...client, spanId: "c", timeUs: atSecond(3) };
  check(
    [client, server, unpaired],
    [
      "lab/shop/web -> lab/shop/api:8080 http declared unknown: 1 requests, 0 errors, 0 connections",
    ],
  );
  check(
    [unpaired],
    [
      "lab/shop/web -> lab/shop/service/api:80 http declared unknown: 1 requests, 0 errors, 0 connections",
    ].map((line) => line.replace("service/", "")),
  );
});

test("columns are never summed: the server's proxy is believed before the client's and the wire", () => {
  const outbound = makeLeg(10, {
    side: "outbound",
    lineId: "out",
    upstreamLocalIp: "10.0.0.1",
    upstreamHostIp: "10.0.0.2",
    upstreamHostPort: 8080,
  });
  const flow = makeFlow(10, { srcIp: "10.0.0.1", dstIp: "10.0.0.2" });
  const world = new GraphWorld();
  world.observe(web, api, webToApi, outbound, flow);
  world.pass(1);
  const [edge] = [...world.edges.values()].map(({ entity }) => entity);
  expect(world.edges.size).toBe(1);
  expect(edge).toMatchObject({
    requests: 1,
    bytes_sent: 10,
    bytes_received: 20,
    reporters: ["destination", "flow", "source"],
    channels: ["flows", "logs"],
  });
});

test("metrics without a port join the only facet that can be theirs", () => {
  const count = (ports: number[]) => {
    const world = new GraphWorld();
    world.observe(web, api);
    for (const port of ports) {
      world.observe({ ...webToApi, downstreamLocalPort: port, lineId: `line ${port}` });
    }
    const samples = makeSamples([0, 15].map((s) => ({ series: 0, timeUs: atSecond(s), value: s })));
    world.push(makeBatch(atSecond(20), [], { series: [makeSeries(0)], samples }));
    world.pass(1);
    return [...world.edges.values()].map(({ entity }) => `${entity.port}: ${entity.requests}`);
  };
  expect(count([8080])).toEqual(["8080: 15"]);
  expect(count([8080, 9090]).sort()).toEqual(["0: 15", "8080: 1", "9090: 1"]);
});

/** Requests of `api` per minute, by how they were secured. */
function secured(minutes: readonly (readonly [tls: number, none: number])[]): GraphWorld {
  const world = new GraphWorld();
  const series = [makeSeries(0), makeSeries(1, { security: "none" })];
  let totals = [0, 0];
  const points = [
    { series: 0, value: 0 },
    { series: 1, value: 0 },
  ].map((point) => ({
    ...point,
    timeUs: graphStartUs,
  }));
  for (const [minute, [tls, none]] of minutes.entries()) {
    totals = [(totals[0] ?? 0) + tls, (totals[1] ?? 0) + none];
    const timeUs = graphStartUs + (minute + 1) * usPerMinute;
    points.push({ series: 0, timeUs, value: totals[0] ?? 0 });
    points.push({ series: 1, timeUs, value: totals[1] ?? 0 });
  }
  const endUs = graphStartUs + minutes.length * usPerMinute;
  world.push(makeBatch(endUs, [], { series, samples: makeSamples(points) }));
  world.pass(1);
  return world;
}

function onlyEdge(world: GraphWorld): EdgeEntity {
  const [edge] = [...world.edges.values()];
  if (!edge) throw new Error("no edge");
  return edge.entity;
}

test("security is that of the last two buckets of five minutes", () => {
  const steady = Array.from({ length: 4 }, () => [10, 0] as const);
  expect(onlyEdge(secured(steady))).toMatchObject({ security: "mutual_tls", plaintext_share: 0 });
  expect(onlyEdge(secured([...steady, [0, 10]]))).toMatchObject({
    security: "mixed",
    plaintext_share: 0.2,
  });
  const recovered = [[0, 10] as const, ...Array.from({ length: 12 }, () => [10, 0] as const)];
  expect(onlyEdge(secured(recovered)).security).toBe("mutual_tls");
  const pause = Array.from({ length: 15 }, () => [0, 0] as const);
  expect(onlyEdge(secured([[0, 10], ...pause])).security).toBe("none");
  expect(onlyEdge(secured([[0, 10], ...pause, [10, 0]])).security).toBe("mutual_tls");
  expect(onlyEdge(secured([[0, 3]]))).toMatchObject({ security: "none", plaintext_share: 1 });
  expect(onlyEdge(secured([[0, 0]])).security).toBe("unknown");
});

test("plaintext carries the samples it was seen in as evidence, the first twenty", () => {
  const world = secured(Array.from({ length: 30 }, () => [0, 1] as const));
  const [change] = [...world.edges.values()];
  expect(change?.evidence).toHaveLength(20);
  expect(change?.evidence[0]).toMatchObject({
    atUs: graphStartUs + usPerMinute,
    source: "lab/shop/api",
    fields: { reporter: "destination", security: "none", count: 1 },
  });
});

test("a client's proxy says nothing of security, whatever its rows hold", () => {
  const world = new GraphWorld();
  const series = [makeSeries(0, { reporter: "source", security: "none" })];
  const samples = makeSamples([0, 15].map((s) => ({ series: 0, timeUs: atSecond(s), value: s })));
  world.push(makeBatch(atSecond(15), [], { series, samples }));
  world.pass(1);
  expect(onlyEdge(world)).toMatchObject({ security: "unknown", requests: 15 });
});

test("a node is in the mesh by its proxy or its identity, and out of it only by its object", () => {
  const meshOf = (...observations: Observation[]) => {
    const world = new GraphWorld();
    world.observe(...observations);
    world.pass(1);
    const { src, dst } = onlyEdge(world);
    return `${src.mesh} ${src.mode}, ${dst.mesh} ${dst.mode}`;
  };
  const bare = { ...webToApi, peerPrincipal: "" };
  expect(meshOf(bare)).toBe("unknown unknown, unknown unknown");
  expect(meshOf(web, api, bare)).toBe("yes sidecar, yes sidecar");
  expect(meshOf(podSeen(0, deployed("web", "10.0.0.1", false)), api, bare)).toBe(
    "no none, yes sidecar",
  );
});

test("edges are told at most every 250 ms, and again when their only source falls silent", () => {
  const world = new GraphWorld();
  const told = () => world.changes.filter((change) => change.kind === "entity").length;
  const leg = (id: number) => ({ ...webToApi, lineId: `${id}`, source: proxySource("api") });
  world.observe(leg(1));
  world.pass(1);
  const before = told();
  for (let id = 2; id < 50; id++) world.observe(leg(id));
  expect(told()).toBe(before);
  world.pass(1);
  expect([...world.edges.values()].map(({ judged }) => judged)).toEqual([true]);
  world.pass(300);
  expect([...world.edges.values()].map(({ judged }) => judged)).toEqual([false]);
  const states = world.changes.flatMap((change) => (change.kind === "source" ? change.state : []));
  expect(states).toEqual(["live", "silent"]);
  world.observe({ ...leg(99), timeUs: world.nowUs });
  world.pass(1);
  expect([...world.edges.values()].map(({ judged }) => judged)).toEqual([true]);
});

test("a flood of one workload leaves room for the others, and is counted", () => {
  const world = new GraphWorld();
  world.observe(web, api);
  const scan = Array.from({ length: 3_000 }, (_, port) =>
    makeFlow(5, { srcIp: "10.0.0.1", dstIp: "203.0.113.9", dstPort: port + 1 }),
  );
  world.observe(...scan, { ...webToApi, downstreamRemoteIp: "10.0.0.2" });
  world.pass(1);
  expect(world.edges.size).toBe(2_001);
  expect(world.counters()["graph_overflow_total facets"]).toBe(1_000);
});

test("hostile values end in counters, not in exceptions", () => {
  const world = new GraphWorld();
  const points = [Number.NaN, -5, Infinity, 3].map((value, at) => ({
    series: 0,
    timeUs: atSecond(at),
    value,
  }));
  const samples = makeSamples([...points, { series: 99, timeUs: 1, value: 1 }]);
  world.push(makeBatch(atSecond(9), [], { series: [makeSeries(0)], samples }));
  const name = "__proto__";
  world.observe(
    podSeen(0, { ...deployed(name, "10.0.0.1"), namespace: name, uid: name }),
    makeHalf(1, {
      self: { ...noPod, namespace: name, pod: name },
      peer: { ...noPeer, service: name },
    }),
    makeLeg(1, { downstreamRemoteIp: "not an address", downstreamLocalIp: "::1" }),
  );
  world.pass(1);
  world.commit();
  world.restart();
  expect(world.edges.size).toBeGreaterThan(0);
});

/** `api` has counted five plaintext requests of nobody between second 0 and 60, and three lines say whose. */
function unnamedPlaintext(lineSeconds: readonly number[]): GraphWorld {
  const world = new GraphWorld();
  world.observe(web, api);
  const src = { ...noPeer, cluster: "lab" };
  const series = [makeSeries(0, { security: "none", src })];
  const points = [0, 60].map((s) => ({ series: 0, timeUs: atSecond(s), value: s / 20 }));
  world.push(makeBatch(atSecond(61), [], { series, samples: makeSamples(points) }));
  for (const second of lineSeconds) {
    const lineId = `line ${second}`;
    world.observe({ ...webToApi, timeUs: atSecond(second), lineId, peerPrincipal: "" });
  }
  world.pass(1);
  return world;
}

test("a line without TLS tells whose plaintext a server's counter has seen", () => {
  const securityOf = (seconds: readonly number[]) =>
    [...unnamedPlaintext(seconds).edges.values()]
      .map(({ entity }) => `${entity.src.name} ${entity.security}`)
      .sort();
  expect(securityOf([])).toEqual(["unidentified none"]);
  expect(securityOf([10])).toEqual(["unidentified none", "web none"]);
  expect(securityOf([10, 20, 30])).toEqual(["web none"]);
  expect(securityOf([70, 80, 90])).toEqual(["unidentified none", "web unknown"]);
});

test("a restart keeps security, evidence, sources and who is who", () => {
  const world = unnamedPlaintext([10, 20, 30]);
  world.observe(makeFlow(70, { srcIp: "10.0.0.1", dstIp: "203.0.113.9", dstPort: 443 }));
  world.pass(1);
  const before = world.picture();
  world.restart();
  expect(world.picture()).toEqual(before);
  world.observe({ ...webToApi, lineId: "after", timeUs: atSecond(75) });
  world.pass(1);
  expect(world.edgeLines()).toEqual([
    "lab/shop/web -> external/203.0.113.9:443  unknown unknown: 0 requests, 0 errors, 1 connections",
    "lab/shop/web -> lab/shop/api:8080 http declared mixed: 4 requests, 0 errors, 0 connections",
  ]);
});

test("a commit carries each change once, and history says what was added", () => {
  const world = new GraphWorld();
  world.observe(web, api, webToApi);
  const first = world.commit();
  expect(first.edgeEvents.map(({ kind, value }) => `${kind} ${value}`)).toEqual([
    "appeared ",
    "security mutual_tls",
  ]);
  expect(first.rollups.map(({ requests }) => requests)).toEqual([1, 1]);
  const second = world.commit();
  const rows = Object.values(second).filter((value) => Array.isArray(value) && value.length > 0);
  expect(rows).toEqual([]);
  world.observe({ ...webToApi, lineId: "another", timeUs: atSecond(20) });
  const third = world.commit();
  expect(third.rollups.map(({ requests, widthUs }) => [requests, widthUs / usPerMinute])).toEqual([
    [1, 5],
    [1, 60],
  ]);
  expect(third.facets.map(({ requests, security }) => [requests, security])).toEqual([
    [2, "mutual_tls"],
  ]);
});

test("a claim neither ends a pod, nor takes its proxy, nor makes plaintext look encrypted", () => {
  const forged = (seen: Observation): Observation => ({ ...seen, trust: "claimed" });
  const world = new GraphWorld();
  world.observe(web, api, webToApi);
  world.observe(
    forged(podSeen(5, deployed("api", "10.0.0.2", false))),
    forged(podSeen(6, deployed("web", "10.0.0.1"), "deleted")),
    forged({ ...webToApi, lineId: "forged", timeUs: atSecond(12) }),
  );
  world.pass(1);
  expect(world.edgeLines()).toEqual([
    "lab/shop/web -> lab/shop/api:8080 http declared mutual_tls: 2 requests, 0 errors, 0 connections",
  ]);
  expect(onlyEdge(world).dst).toMatchObject({ mesh: "yes", mode: "sidecar" });
  const series = [makeSeries(0, { trust: "claimed" }), makeSeries(1, { security: "none" })];
  const points = [0, 1].flatMap((id) =>
    [0, 15].map((s) => ({ series: id, timeUs: atSecond(s), value: s })),
  );
  const other = new GraphWorld();
  other.push(makeBatch(atSecond(15), [], { series, samples: makeSamples(points) }));
  other.pass(1);
  expect(onlyEdge(other)).toMatchObject({ security: "none", plaintext_share: 1 });
});

test("the source of a pod that has ended is gone, not silent", () => {
  const world = new GraphWorld();
  const pod = deployed("web", "10.0.0.1");
  const name = pod.name ?? "";
  world.observe(podSeen(0, pod), { ...webToApi, source: proxySource(name) });
  world.pass(1);
  world.observe(podSeen(20, { ...pod, deletionUs: atSecond(19) }, "deleted"));
  world.pass(600);
  const states = world.changes.flatMap((change) =>
    change.kind === "source" && change.observer.kind === "proxy" ? [change.state] : [],
  );
  expect(states).toEqual(["live", "gone"]);
});

test("delta counters add up, repeats of them do not", () => {
  const world = new GraphWorld();
  const point = (second: number, value: number) => ({
    series: 0,
    timeUs: atSecond(second),
    startUs: atSecond(second - 10),
    value,
    temporality: 1,
  });
  const samples = makeSamples([point(10, 3), point(30, 4), point(20, 5), point(20, 5)]);
  world.push(makeBatch(atSecond(31), [], { series: [makeSeries(0)], samples }));
  world.pass(1);
  expect(onlyEdge(world).requests).toBe(12);
});

test("a late point of one series leaves the times that the others of its column told", () => {
  const at = (series: number, second: number, value: number) => ({
    series,
    timeUs: atSecond(second),
    value,
  });
  const world = new GraphWorld();
  const series = [makeSeries(0), makeSeries(1, { isError: true })];
  // The last of them to move is the second one.
  const points = [at(0, 0, 0), at(1, 0, 0), at(0, 40, 9), at(1, 50, 5)];
  world.push(makeBatch(atSecond(51), [], { series, samples: makeSamples(points) }));
  world.push(makeBatch(atSecond(52), [], { samples: makeSamples([at(0, 20, 4)]) }));
  world.pass(1);
  const { requests, first_seen_age, last_seen_age } = onlyEdge(world);
  expect([requests, first_seen_age, last_seen_age]).toEqual([14, atSecond(0), atSecond(50)]);
});
