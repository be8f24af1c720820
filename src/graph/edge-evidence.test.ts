/** What an edge's insights show, whatever the order in which it came, with restarts between. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  atSecond,
  deployed,
  makeHalf,
  makeLeg,
  makeSamples,
  makeSeries,
  noPeer,
  noPod,
  podSeen,
} from "../../test/support/graph-observations.ts";
import { GraphWorld, makeBatch } from "../../test/support/graph-world.ts";
import type { EdgeSeries, Observation } from "../model/observations.ts";

function told(world: GraphWorld) {
  world.flush();
  return [...world.edges.values()].flatMap(({ evidence }) =>
    evidence.map(({ atUs, source, text, fields }) => ({ atUs, source, text, fields })),
  );
}

function worldOf(series: Partial<EdgeSeries>): GraphWorld {
  const world = new GraphWorld();
  const points = [1, 2].map((second) => ({ series: 0, timeUs: atSecond(second), value: second }));
  const samples = makeSamples(points);
  world.push(makeBatch(atSecond(3), [], { series: [makeSeries(0, series)], samples }));
  return world;
}

test.each([
  ["declared", 0],
  ["unknown", 0],
  ["passthrough", 1],
  ["blackhole", 1],
  ["inbound_passthrough", 1],
] as const)("a row of route %s is %i times evidence", (route, times) => {
  expect(told(worldOf({ route }))).toHaveLength(times);
});

test("it says which way, from where to where, by whom and since when", () => {
  expect(told(worldOf({ route: "passthrough", reporter: "source", port: 443 }))).toEqual([
    {
      atUs: atSecond(1),
      source: "lab/shop/api",
      text: "the caller's proxy knew no such destination and passed it on as it was",
      fields: {
        route: "passthrough",
        src: "shop/web",
        dst: "shop/api",
        port: 443,
        protocol: "http",
        reporters: "source",
        channels: "metrics",
        response_flags: "",
        sources: "lab/shop/api",
      },
    },
  ]);
});

test("an identity that is another account's is evidence, its own is none", () => {
  const identities = ["default", "cart"].map((account) => {
    const world = new GraphWorld();
    world.observe(podSeen(0, deployed("web", "10.0.0.1")), podSeen(0, deployed("api", "10.0.0.2")));
    const peerPrincipal = `spiffe://cluster.local/ns/shop/sa/${account}`;
    const ends = { downstreamRemoteIp: "10.0.0.1", downstreamLocalIp: "10.0.0.2" };
    world.observe(makeLeg(1, { ...ends, peerPrincipal, security: "mutual_tls" }));
    return told(world).map(({ fields }) => fields["src_principal"]);
  });
  expect(identities).toEqual([[], ["spiffe://cluster.local/ns/shop/sa/cart"]]);
});

const pod = (workload: string, address: string) => ({
  ...noPod,
  cluster: "lab",
  namespace: "shop",
  pod: deployed(workload, address).name ?? "",
  address,
});
const web = pod("web", "10.0.0.1");
const api = pod("api", "10.0.0.2");

/** Six calls from web to api of which each side has told, and the pods' objects. */
const calls: readonly Observation[] = [
  podSeen(0, deployed("web", "10.0.0.1")),
  podSeen(0, deployed("api", "10.0.0.2")),
  ...[6, 5, 4, 3, 2, 1].flatMap((second) => {
    const client = { traceId: `t${second}`, spanId: `c${second}`, self: web };
    const server = { traceId: `t${second}`, spanId: `s${second}`, parentSpanId: `c${second}` };
    const route = "passthrough" as const;
    return [
      makeHalf(second, { ...client, side: "client", peer: noPeer, route }),
      makeHalf(second, { ...server, side: "server", self: api, port: 8080, route }),
    ];
  }),
];

test("the example is the first request that went that way", () => {
  const order = fc.shuffledSubarray([...calls], { minLength: calls.length });
  const restarts = fc.array(fc.boolean(), { minLength: calls.length, maxLength: calls.length });
  fc.assert(
    fc.property(order, restarts, (observations, isRestarted) => {
      const world = new GraphWorld();
      for (const [index, observation] of observations.entries()) {
        world.push(makeBatch(atSecond(10 + index), [observation]));
        world.flush();
        if (!isRestarted[index]) continue;
        world.commit();
        world.restart();
      }
      world.pass(1);
      const examples = told(world).flatMap(({ fields }) => fields["trace_id"] ?? []);
      expect([...new Set(examples)]).toEqual(["t1"]);
      expect(world.edges.size).toBe(1);
    }),
    { numRuns: 30 },
  );
});
