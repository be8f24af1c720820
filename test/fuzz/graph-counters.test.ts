/**
 * Counters against a reference model: whatever the order, the batches, the repeats and the restarts in
 * which the points of one `lateness` arrive, the edge counts what a reader of the sorted points would.
 * Two writers of one series look like a counter that falls: of two values at one time the greater stands.
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
    { numRuns: 200 },
  );
});

test("the times and the security of an edge do not hang on the order either", () => {
  fc.assert(
    fc.property(arrivals, ({ all, order, cuts }) => {
      const inOrder = [...all].sort((a, b) => a.second - b.second || a.value - b.value);
      expect(worldOf(order, cuts).picture()).toEqual(worldOf(inOrder, 1).picture());
    }),
    { numRuns: 100 },
  );
});

/** What the points of one series are, and how one reader of them in order counts. */
interface Kind {
  readonly name: string;
  readonly temporality: number;
  /** When the counter began, as the point at that second says; 0 = it does not say. */
  readonly startOf: (second: number, before: number, lives: readonly number[]) => number;
  readonly added: (scrapes: readonly Scrape[], lives: readonly number[]) => number;
}

const kinds: readonly Kind[] = [
  { name: "cumulative without a start", temporality: 0, startOf: () => 0, added: addedBy },
  { name: "a gauge of totals", temporality: 2, startOf: () => 0, added: addedBy },
  // Envoy's sink moves the start with each flush, while its counters run on.
  {
    name: "cumulative with a start that moves",
    temporality: 0,
    startOf: (_second, before) => atSecond(before),
    added: (all) => addedBy([{ second: -1, value: 0 }, ...all]),
  },
  {
    name: "cumulative with its process's start",
    temporality: 0,
    // Never at the time of a scrape: that is how a start looks that moves.
    startOf: (second, _before, lives) => atSecond(lifeAt(second, lives) + 0.5),
    added: (all, lives) => {
      const lived = [...new Set([-1, ...lives])].map((life) => [
        { second: life, value: 0 },
        ...all.filter(({ second }) => lifeAt(second, lives) === life),
      ]);
      return lived.reduce((sum, some) => sum + addedBy(some), 0);
    },
  },
  {
    name: "deltas",
    temporality: 1,
    startOf: () => 0,
    added: (all) => all.reduce((sum, { value }) => sum + value, 0),
  },
];

/** The second at which the process began that was scraped then. */
function lifeAt(second: number, lives: readonly number[]): number {
  return Math.max(-1, ...lives.filter((life) => life < second));
}

interface Arriving extends Scrape {
  readonly startUs: number;
  readonly atS: number;
}

/** Scrapes of three minutes that come up to 59 s late, some twice, with restarts between. */
function lateArrivals(kind: Kind) {
  const parts = {
    seconds: fc.uniqueArray(fc.integer({ min: 0, max: 180 }), { minLength: 1, maxLength: 14 }),
    lives: fc.uniqueArray(fc.integer({ min: 0, max: 180 }), { maxLength: 2 }),
    values: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 14, maxLength: 14 }),
    delays: fc.array(fc.integer({ min: 0, max: 59 }), { minLength: 28, maxLength: 28 }),
    repeats: fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }),
    restarts: fc.array(fc.boolean(), { minLength: 28, maxLength: 28 }),
  };
  return fc.record(parts).map(({ seconds, lives, values, delays, repeats, restarts }): Told => {
    const times = seconds.toSorted((a, b) => a - b);
    const all = times.map((second, index) => ({ second, value: values[index] ?? 0 }));
    const arriving = all.flatMap((one, index): Arriving[] => {
      const startUs = kind.startOf(one.second, times[index - 1] ?? -1, lives);
      const comes = (delay: number) => ({ ...one, startUs, atS: one.second + delay });
      const first = comes(delays[index] ?? 0);
      return repeats[index] ? [first, comes(delays[index + 14] ?? 0)] : [first];
    });
    const order = arriving.toSorted((a, b) => a.atS - b.atS);
    return { all, lives, order, restarts };
  });
}

interface Told {
  readonly all: readonly Scrape[];
  readonly lives: readonly number[];
  readonly order: readonly Arriving[];
  readonly restarts: readonly boolean[];
}

/** `security`: of plaintext every point is evidence, of other traffic only sums are asked for. */
function tell(
  { temporality }: Kind,
  security: "none" | "mutual_tls",
  { order, restarts }: Pick<Told, "order" | "restarts">,
): GraphWorld {
  const world = new GraphWorld();
  const series = [makeSeries(0, { security })];
  for (const [index, { second, value, startUs, atS }] of order.entries()) {
    if (restarts[index]) {
      world.commit();
      world.restart();
    }
    const point = { series: 0, timeUs: atSecond(second), value, startUs, temporality };
    world.push(makeBatch(atSecond(atS), [], { series, samples: makeSamples([point]) }));
  }
  world.flush();
  return world;
}

function proofOf(world: GraphWorld): unknown {
  return [...world.edges.values()].map(({ entity, evidence }) => {
    const { requests, security } = entity;
    return { requests, security, evidence };
  });
}

test.each(kinds)("plaintext, $name: disorder and restarts change nothing", (kind) => {
  fc.assert(
    fc.property(lateArrivals(kind), (told) => {
      const world = tell(kind, "none", told);
      expect(requestsOf(world)).toEqual([kind.added(told.all, told.lives)]);
      const order = told.order.toSorted((a, b) => a.second - b.second);
      expect(proofOf(world)).toEqual(proofOf(tell(kind, "none", { order, restarts: [] })));
    }),
    { numRuns: 60 },
  );
});

// Of a counter that runs on without plaintext a restart keeps the newest point alone, while it only rises.
test.each(kinds)("encrypted, $name: disorder and restarts keep the sum", (kind) => {
  fc.assert(
    fc.property(lateArrivals(kind), (told) => {
      const rising = told.all.map(({ value }) => value).toSorted((a, b) => a - b);
      const places = new Map(told.all.map(({ second }, place) => [second, place]));
      const rise = <One extends Scrape>(one: One): One =>
        kind.name === "deltas" ? one : { ...one, value: rising[places.get(one.second) ?? 0] ?? 0 };
      const order = told.order.map(rise);
      const world = tell(kind, "mutual_tls", { ...told, order });
      expect(requestsOf(world)).toEqual([kind.added(told.all.map(rise), told.lives)]);
    }),
    { numRuns: 60 },
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
