/**
 * Counters against a reference model: whatever the order, the batches and the repeats in which the
 * points of one `lateness` arrive, the edge counts what a reader of the sorted points would.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { usPerSecond } from "../../src/model/time.ts";
import {
  atSecond,
  graphStartUs,
  makeSamples,
  makeSeries,
  type SamplePoint,
} from "../support/graph-observations.ts";
import { GraphWorld, makeBatch } from "../support/graph-world.ts";

interface Scrape {
  readonly second: number;
  readonly value: number;
}

/** Of a run of scrapes: nothing for the first, then what was added; a fall starts at zero again. */
function addedBy(scrapes: readonly Scrape[]): number {
  const atTime = new Map<number, number>();
  for (const { second, value } of scrapes) {
    atTime.set(second, Math.max(value, atTime.get(second) ?? 0));
  }
  const inOrder = [...atTime].sort(([a], [b]) => a - b);
  let added = 0;
  let last: number | null = null;
  for (const [, value] of inOrder) {
    if (last !== null) added += value >= last ? value - last : value;
    last = value;
  }
  return added;
}

const scrapes = fc.array(
  fc.record({ second: fc.integer({ min: 0, max: 59 }), value: fc.integer({ min: 0, max: 50 }) }),
  { minLength: 1, maxLength: 12 },
);

const arrivals = scrapes.chain((all) =>
  fc.record({
    all: fc.constant(all),
    order: fc
      .shuffledSubarray([...all, ...all], { minLength: all.length })
      .map((some) => [...some, ...all]),
    cuts: fc.integer({ min: 1, max: 5 }),
  }),
);

function toPoint({ second, value }: Scrape): SamplePoint {
  return { series: 0, timeUs: atSecond(second), value };
}

function worldOf(order: readonly Scrape[], size: number, isRestarted = false): GraphWorld {
  const world = new GraphWorld();
  world.push(makeBatch(graphStartUs, [], { series: [makeSeries(0)] }));
  for (let at = 0; at < order.length; at += size) {
    const samples = makeSamples(order.slice(at, at + size).map(toPoint));
    world.push(makeBatch(graphStartUs + at, [], { samples }));
    world.commit();
    if (!isRestarted) continue;
    world.restart();
    world.push(makeBatch(graphStartUs + at, [], { series: [makeSeries(0)] }));
  }
  world.flush();
  return world;
}

function requestsOf(world: GraphWorld): number[] {
  return [...world.edges.values()].map(({ entity }) => entity.requests);
}

test("any order, split and repetition counts the same", () => {
  fc.assert(
    fc.property(arrivals, ({ all, order, cuts }) => {
      expect(requestsOf(worldOf(order, cuts))).toEqual([addedBy(all)]);
    }),
    { numRuns: 400 },
  );
});

test("the times and the security of an edge do not hang on the order either", () => {
  fc.assert(
    fc.property(arrivals, ({ all, order, cuts }) => {
      const inOrder = [...all].sort((a, b) => a.second - b.second || a.value - b.value);
      expect(worldOf(order, cuts).picture()).toEqual(worldOf(inOrder, 1).picture());
    }),
    { numRuns: 200 },
  );
});

test("in order, a restart after every batch counts nothing twice and loses nothing", () => {
  fc.assert(
    fc.property(arrivals, ({ all, cuts }) => {
      const inOrder = [...new Map(all.map((one) => [one.second, one])).values()].sort(
        (a, b) => a.second - b.second,
      );
      expect(requestsOf(worldOf(inOrder, cuts, true))).toEqual([addedBy(inOrder)]);
    }),
    { numRuns: 100 },
  );
});

test("points older than the lateness are left out and counted", () => {
  const world = new GraphWorld();
  const points = [0, 60, 120, 180].map((second) => toPoint({ second, value: second }));
  const late = toPoint({ second: 90, value: 7 });
  const samples = makeSamples([...points, late]);
  world.push(makeBatch(graphStartUs + 200 * usPerSecond, [], { series: [makeSeries(0)], samples }));
  world.flush();
  expect(requestsOf(world)).toEqual([180]);
  expect(world.counters()["late_points_total"]).toBe(1);
});
