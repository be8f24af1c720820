/** Order and restarts must not show: see the promises at the head of `insights/insights.ts`. */
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { outboxDefaults } from "../../src/insights/told.ts";
import type { RuleEvent, RuleMeta, Transition } from "../../src/model/insights.ts";
import { usPerSecond } from "../../src/model/time.ts";
import {
  atSecond,
  eventRule,
  InsightWorld,
  lost,
  match,
  miss,
  slowRule,
  stateRule,
} from "../support/insight-world.ts";

const keys = [
  ["c1/shop/web", "443"],
  ["c1/shop/cart", "80"],
];

/** What is said of one entity, in the order in which the graph says it. */
type Story = readonly RuleEvent[];

const second = fc.integer({ min: 0, max: 59 });
const key = fc.constantFrom(...keys);

function stateStory(rule: RuleMeta, entityId: string): fc.Arbitrary<Story> {
  const kinds = fc.constantFrom("match", "judged", "unjudged", "lost");
  return fc
    .tuple(key, fc.array(fc.tuple(kinds, second), { minLength: 1, maxLength: 5 }))
    .map(([itsKey, said]) =>
      said
        .toSorted((a, b) => a[1] - b[1])
        .map(([kind, at]) => {
          if (kind === "match") return match(rule, entityId, at, { key: itsKey });
          if (kind === "lost") return lost(rule, entityId, at);
          return miss(rule, entityId, at, kind === "judged" ? "judged" : "unjudged");
        }),
    );
}

function eventStory(entityId: string): fc.Arbitrary<Story> {
  return fc.tuple(key, second, fc.integer({ min: 0, max: 3 })).map(([itsKey, at, turns]) => {
    const found = match(eventRule, entityId, at, { key: itsKey });
    const cleared = miss(eventRule, entityId, at, "withdrawn");
    return [found, cleared, found, cleared].slice(0, turns + 1);
  });
}

const ids = (prefix: string, count: number): string[] =>
  [...Array(count).keys()].map((index) => `${prefix}${index}`);

const stories: fc.Arbitrary<Story[]> = fc.tuple(
  ...ids("edge", 4).map((id) => stateStory(stateRule, id)),
  ...ids("slow", 3).map((id) => stateStory(slowRule, id)),
  ...ids("flow", 5).map(eventStory),
);

/** Takes the next event of one story after another, as `picks` says; ends when all are told. */
function interleave(all: readonly Story[], picks: readonly number[]): RuleEvent[] {
  const left = all.map((story) => [...story]);
  const told: RuleEvent[] = [];
  for (let turn = 0; left.some((story) => story.length > 0); turn++) {
    const open = left.filter((story) => story.length > 0);
    const story = open[(picks[turn % picks.length] ?? 0) % open.length];
    const event = story?.shift();
    if (event !== undefined) told.push(event);
  }
  return told;
}

const picks = fc.array(fc.nat(100), { minLength: 1, maxLength: 60 });

/** Within the keep windows but after every `for`, and when all windows are over. */
function outcomesOf(events: readonly RuleEvent[]): string[][] {
  const world = new InsightWorld();
  events.forEach((event, index) => world.at(index / 10, event));
  return [40, 10_000].map((at) => world.at(at).outcome());
}

test("any order in which entities are told of leads to the same insights and evidence", () => {
  const property = fc.property(stories, picks, picks, (all, one, other) => {
    expect(outcomesOf(interleave(all, one))).toEqual(outcomesOf(interleave(all, other)));
  });
  fc.assert(property, { numRuns: 500 });
});

test("what is told twice changes nothing", () => {
  const property = fc.property(stories, picks, (all, order) => {
    const events = interleave(all, order);
    const twice = events.flatMap((event) => [event, event]);
    const world = new InsightWorld().at(0, ...events).at(10_000);
    const again = new InsightWorld().at(0, ...twice).at(10_000);
    expect(again.outcome()).toEqual(world.outcome());
    expect(again.told()).toEqual(world.told());
  });
  fc.assert(property, { numRuns: 300 });
});

test("a restart at any point of a timeline does not show", () => {
  const property = fc.property(stories, picks, fc.nat(60), (all, order, restartAt) => {
    const run = (isRestarted: boolean): InsightWorld => {
      const world = new InsightWorld();
      interleave(all, order).forEach((event, index) => {
        world.at(index * 7, event).commit(index * 7);
        if (isRestarted && index % 61 === restartAt) world.restart().at(index * 7);
      });
      return world.at(10_000).commit(10_000);
    };
    const plain = run(false);
    const restarted = run(true);
    expect(restarted.told()).toEqual(plain.told());
    expect(restarted.outcome()).toEqual(plain.outcome());
    expect([...restarted.rows.values()]).toEqual([...plain.rows.values()]);
    expect(restarted.transitions.every(({ atUs }) => atUs <= atSecond(10_000))).toBe(true);
  });
  fc.assert(property, { numRuns: 300 });
});

const outbox = { ...outboxDefaults, isOn: true, reminderUs: 20 * usPerSecond };

/** The two keys prove to be one, in either of two steps, so that insights merge. */
const renames: fc.Arbitrary<Story> = fc.subarray([
  { kind: "renamed", from: "c1/shop/cart", to: "c1/shop/web" },
  { kind: "renamed", from: "80", to: "443" },
]);
const storiesWithRenames = fc.tuple(stories, renames).map(([all, renamed]) => [...all, renamed]);

test("each insight is told in the order of its transitions, once, and a restart does not show", () => {
  const property = fc.property(storiesWithRenames, picks, fc.nat(60), (all, order, restartAt) => {
    const run = (isRestarted: boolean): InsightWorld => {
      const world = new InsightWorld({ outbox });
      interleave(all, order).forEach((event, index) => {
        world.at(index * 7, event).commit(index * 7); // throws when a uid is told twice
        if (isRestarted && index % 61 === restartAt) world.restart().at(index * 7);
      });
      return world.at(10_000).commit(10_000);
    };
    const plain = run(false);
    expect(toldNumbers(plain)).toEqual(numbersToTell(plain));
    expect(run(true).records).toEqual(plain.records);
  });
  fc.assert(property, { numRuns: 300 });
});

test("a kill at any point tells no record twice and none out of order", () => {
  const pauses = fc.array(fc.nat(30), { minLength: 1, maxLength: 20 });
  const property = fc.property(
    storiesWithRenames,
    picks,
    pauses,
    fc.nat(3),
    (all, order, gaps, each) => {
      const world = new InsightWorld({ outbox }).commit(0);
      let atSeconds = 0;
      let uncommitted: RuleEvent[] = [];
      interleave(all, order).forEach((event, index) => {
        atSeconds += gaps[index % gaps.length] ?? 0;
        uncommitted.push(event);
        world.at(atSeconds, event);
        if (index % 5 === each) {
          world.restart().insights.push(uncommitted); // the requests of that time are applied again
          world.at(atSeconds);
        }
        if (index % (each + 2) !== 0) return;
        world.commit(atSeconds);
        uncommitted = [];
      });
      world.at(10_000).commit(10_000);
      for (const numbers of toldNumbers(world).values()) {
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        expect(numbers).not.toContain(-1);
      }
    },
  );
  fc.assert(property, { numRuns: 300 });
});

/** Of each insight the numbers of its transitions that were told, in the order of telling. */
function toldNumbers(world: InsightWorld): Map<string, number[]> {
  const numbers = new Map<string, number[]>();
  for (const { kind, insightId, uid } of world.records) {
    if (kind === "reminder") continue;
    const known = world.transitions.find((one) => uidOf(one) === uid);
    numbers.set(insightId, [...(numbers.get(insightId) ?? []), known?.number ?? -1]);
  }
  return numbers;
}

function numbersToTell(world: InsightWorld): Map<string, number[]> {
  const numbers = new Map<string, number[]>();
  for (const { insightId, number, from, to } of world.transitions) {
    const isTold =
      to === "firing" ||
      to === "unknown" ||
      (to === "resolved" && from !== "pending") ||
      (to === "inactive" && (from === "unknown" || from === "firing"));
    if (isTold) numbers.set(insightId, [...(numbers.get(insightId) ?? []), number]);
  }
  return numbers;
}

const uidOf = ({ insightId, number }: Transition): string =>
  createHash("sha256").update(`${insightId} ${number}`).digest("hex").slice(0, 32);

test("what fires is told again in every span of reminders, whatever the outages", () => {
  const steps = fc.array(fc.tuple(fc.nat(70), fc.boolean()), { minLength: 1, maxLength: 30 });
  const property = fc.property(steps, (all) => {
    const world = new InsightWorld({ outbox }).at(0, match(stateRule, "e", 0)).commit(0);
    let atSeconds = 0;
    let lastToldUs = atSecond(0);
    for (const [pause, isRestarted] of all) {
      atSeconds += pause;
      if (isRestarted) world.restart();
      const before = world.records.length;
      world.at(atSeconds).commit(atSeconds);
      const told = world.records.slice(before);
      expect(told.length).toBe(atSecond(atSeconds) - lastToldUs >= outbox.reminderUs ? 1 : 0);
      lastToldUs = told[0]?.atUs ?? lastToldUs;
    }
  });
  fc.assert(property, { numRuns: 300 });
});
