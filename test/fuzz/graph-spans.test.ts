/**
 * Groups of span halves against a plain model that places each half alone: random calls, some with
 * several servers or only one half, in any order, split and repetition, with commits and restarts.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { PeerName, SpanHalf } from "../../src/model/observations.ts";
import {
  atSecond,
  deployed,
  makeHalf,
  noPeer,
  noPod,
  podSeen,
  proxySource,
} from "../support/graph-observations.ts";
import { GraphWorld, makeBatch } from "../support/graph-world.ts";
import { keyOf, spanColumns, type SpanColumn } from "../support/span-model.ts";

const workloads = ["web", "api", "cart"];
const addressOf = (index: number) => `10.0.0.${index + 1}`;
const pods = workloads.map((workload, index) => ({
  ...noPod,
  cluster: "lab",
  namespace: "shop",
  pod: deployed(workload, "").name ?? "",
  address: addressOf(index),
}));
const sources = workloads.map(proxySource);
const peers: readonly PeerName[] = [
  noPeer,
  { ...noPeer, service: "api", serviceNamespace: "shop" },
  ...workloads.map((_, index) => ({ ...noPeer, address: addressOf(index) })),
];
const objects = workloads.map((workload, index) =>
  podSeen(0, deployed(workload, addressOf(index))),
);

function nodeOf({ pod, address, service }: Partial<PeerName>): string {
  const at = pods.findIndex((one) => one.pod === pod || one.address === address);
  if (at >= 0) return `lab/shop/${workloads[at]}`;
  return service ? `lab/shop/service/${service}` : "unknown/unidentified";
}

const halves = fc
  .uniqueArray(
    fc.record({
      side: fc.constantFrom("client" as const, "server" as const),
      traceId: fc.constantFrom("t1", "t2"),
      spanId: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      parentSpanId: fc.constantFrom("", "a", "b", "c"),
      pod: fc.nat(workloads.length - 1),
      peer: fc.nat(peers.length - 1),
      port: fc.constantFrom(0, 80, 8080),
      timeUs: fc.integer({ min: atSecond(1), max: atSecond(4) }),
      durationUs: fc.nat(5_000),
      isError: fc.boolean(),
      isDenied: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 24,
      selector: ({ traceId, spanId, side }) => `${traceId}/${spanId}/${side}`,
    },
  )
  .map((all) =>
    all.map(({ pod, peer, ...rest }) =>
      makeHalf(0, {
        ...rest,
        self: pods[pod] ?? noPod,
        source: sources[pod] ?? proxySource("none"),
        peer: rest.side === "client" || peer > 1 ? (peers[peer] ?? noPeer) : noPeer,
      }),
    ),
  );

const runs = halves.chain((all) =>
  fc.record({
    all: fc.constant(all),
    order: fc
      .shuffledSubarray(all, { minLength: all.length })
      .chain((order) => fc.subarray(all).map((again) => [...order, ...again])),
    size: fc.integer({ min: 1, max: 6 }),
    // After each batch: nothing, the halves so far are counted, or committed, or it starts anew.
    steps: fc.array(fc.constantFrom("", "flush", "commit", "restart"), { maxLength: 24 }),
    areObjectsFirst: fc.boolean(),
  }),
);

function columnsOf(world: GraphWorld): SpanColumn[] {
  const { columns } = world.picture() as { columns: SpanColumn[] };
  // A column whose halves have all moved on stays as an empty row.
  return columns
    .filter(({ requests }) => requests > 0)
    .map((column) => ({
      facet: column.facet,
      reporter: column.reporter,
      requests: column.requests,
      errors: column.errors,
      denied: column.denied,
      latencySumMs: column.latencySumMs,
      latencyCount: column.latencyCount,
      firstSeenUs: column.firstSeenUs,
      lastSeenUs: column.lastSeenUs,
    }))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function rounded(columns: readonly SpanColumn[]): SpanColumn[] {
  return columns.map((column) => ({
    ...column,
    latencySumMs: Math.round(column.latencySumMs * 1e3),
  }));
}

function step(world: GraphWorld, name: string): void {
  if (name === "flush") world.flush();
  if (name === "commit" || name === "restart") world.commit();
  if (name === "restart") world.restart();
}

test("groups hold what the halves hold one by one", () => {
  fc.assert(
    fc.property(runs, ({ all, order, size, steps, areObjectsFirst }) => {
      const world = new GraphWorld();
      const push = (observations: readonly (SpanHalf | (typeof objects)[number])[]) =>
        world.push(makeBatch(atSecond(5), observations));
      if (areObjectsFirst) push(objects);
      for (let at = 0; at < order.length; at += size) {
        push(order.slice(at, at + size));
        step(world, steps[at / size] ?? "");
      }
      if (!areObjectsFirst) push(objects);
      const expected = rounded(spanColumns(all, nodeOf));
      expect(rounded(columnsOf(world))).toEqual(expected);
      world.restart();
      expect(rounded(columnsOf(world))).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});
