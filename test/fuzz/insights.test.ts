/** Order and restarts must not show: see the promises at the head of `insights/insights.ts`. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { RuleEvent, RuleMeta } from "../../src/model/insights.ts";
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
