/**
 * The order invariant over everything at once: objects, reused addresses, pairs of spans, lines in two
 * variants, flows and counters, in any order, split and repeated, give one picture.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Observation } from "../../src/model/observations.ts";
import {
  atSecond,
  deployed,
  makeFlow,
  makeHalf,
  makeLeg,
  makeSamples,
  makeSeries,
  noPeer,
  noPod,
  podSeen,
} from "../support/graph-observations.ts";
import { GraphWorld, makeBatch } from "../support/graph-world.ts";

type Piece =
  | Observation
  | { readonly kind: "sample"; readonly second: number; readonly value: number };

const webPod = {
  ...noPod,
  cluster: "lab",
  namespace: "shop",
  pod: "web-6d8f5c9b7c-l4q8z",
  address: "10.0.0.1",
};
const apiPod = { ...webPod, pod: "api-6d8f5c9b7c-l4q8z", address: "10.0.0.2" };
const oddPod = { ...webPod, pod: "odd-name-x7k2p", address: "10.0.0.3" };
const apiService = { ...noPeer, service: "api", serviceNamespace: "shop" };

/** A line as text, which names addresses only, and as labels, which name the pod and the peer. */
function variants(second: number): Observation[] {
  const text = makeLeg(second, {
    downstreamRemoteIp: "10.0.0.1",
    downstreamLocalIp: "10.0.0.2",
    traceId: "t1",
    spanId: `server ${second}`,
  });
  return [text, { ...text, pod: apiPod, peerPrincipal: "spiffe://cluster.local/ns/shop/sa/web" }];
}

function call(second: number): Observation[] {
  const client = { side: "client", spanId: `client ${second}`, self: webPod } as const;
  const server = { spanId: `server ${second}`, parentSpanId: client.spanId, self: apiPod } as const;
  const outbound = makeLeg(second, {
    side: "outbound",
    lineId: `out ${second}`,
    upstreamLocalIp: "10.0.0.1",
    upstreamHostIp: "10.0.0.2",
    upstreamHostPort: 8080,
    downstreamLocalIp: "10.96.0.7",
    service: "api",
    serviceNamespace: "shop",
    traceId: "t1",
    spanId: client.spanId,
  });
  return [
    makeHalf(second, { ...client, peer: apiService, port: 80 }),
    makeHalf(second, { ...server, peer: { ...noPeer, address: "10.0.0.1" }, port: 8080 }),
    outbound,
  ];
}

const pieces: readonly Piece[] = [
  podSeen(0, deployed("web", "10.0.0.1")),
  podSeen(31, { ...deployed("web", "10.0.0.1"), deletionUs: atSecond(30) }, "deleted"),
  podSeen(35, deployed("next", "10.0.0.1", false, { startUs: atSecond(33) })),
  podSeen(1, deployed("api", "10.0.0.2")),
  podSeen(2, { name: oddPod.pod, ownerKind: "Rollout", ownerName: "odd", ips: ["10.0.0.3"] }),
  ...[3, 5, 7].flatMap(call),
  ...[4, 6, 40].flatMap(variants),
  makeHalf(8, { self: oddPod, peer: { ...noPeer, address: "10.0.0.1" }, port: 9000 }),
  makeHalf(9, { side: "client", spanId: "alone", self: webPod, peer: apiService, port: 80 }),
  makeHalf(10, { side: "client", spanId: "blind", self: webPod, route: "passthrough" }),
  makeFlow(11, { srcIp: "10.0.0.1", dstIp: "203.0.113.5", dstPort: 443 }),
  makeFlow(45, { srcIp: "10.0.0.1", dstIp: "203.0.113.5", dstPort: 443 }),
  makeFlow(12, { srcIp: "10.0.0.2", srcPort: 8080, dstIp: "10.0.0.1", dstPort: 40_000 }),
  ...[0, 15, 30, 45].map((second) => ({
    kind: "sample" as const,
    second,
    value: (second * 7) % 40,
  })),
];

function feed(order: readonly Piece[], size: number, restartAt = -1): GraphWorld {
  const world = new GraphWorld();
  const series = [makeSeries(0, { security: "none", src: { ...noPeer, cluster: "lab" } })];
  world.push(makeBatch(atSecond(50), [], { series }));
  for (let at = 0; at < order.length; at += size) {
    const part = order.slice(at, at + size);
    const observations = part.filter((piece) => piece.kind !== "sample");
    const points = part
      .filter((piece) => piece.kind === "sample")
      .map(({ second, value }) => ({ series: 0, timeUs: atSecond(second), value }));
    world.push(makeBatch(atSecond(50), observations, { samples: makeSamples(points) }));
    if (at <= restartAt && restartAt < at + size) {
      world.commit();
      world.restart();
      world.push(makeBatch(atSecond(50), [], { series }));
    }
  }
  world.advance(atSecond(51));
  return world;
}

const shuffles = fc.record({
  order: fc
    .shuffledSubarray([...pieces], { minLength: pieces.length })
    .chain((all) =>
      fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((more) => [...all, ...more]),
    ),
  size: fc.integer({ min: 1, max: 9 }),
  restartAt: fc.integer({ min: 0, max: pieces.length }),
});

test("any order, split and repetition gives the same picture", () => {
  const expected = feed(pieces, 1).picture();
  fc.assert(
    fc.property(shuffles, ({ order, size }) => {
      expect(feed(order, size).picture()).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});

test("the picture is the one that was made", () => {
  expect(feed(pieces, 1).edgeLines()).toMatchSnapshot();
});

test("a restart on the way changes nothing, but for counters in disorder across it", () => {
  const events = pieces.filter((piece) => piece.kind !== "sample");
  const expected = feed(events, 1).picture();
  fc.assert(
    fc.property(shuffles, ({ order, size, restartAt }) => {
      const some = order.filter((piece) => piece.kind !== "sample");
      expect(feed(some, size, restartAt).picture()).toEqual(expected);
    }),
    { numRuns: 80 },
  );
});
