/** Limits of the lifecycle, its numbers for /metrics, and the rows that readers are shown. */
import { expect, test } from "vitest";
import {
  atSecond,
  eventRule,
  InsightWorld,
  match,
  miss,
  slowRule,
  stateRule,
  testRules,
} from "../../test/support/insight-world.ts";

const web = "c1/shop/web";

test("active insights per rule are limited, and those that exist stay", () => {
  const world = new InsightWorld({ activeMax: 2 });
  for (const port of ["1", "2", "3", "4"]) {
    world.at(0, match(eventRule, `f${port}`, 0, { key: [web, port] }));
  }
  expect(world.states()).toEqual(["firing", "firing"]);
  expect(world.samples("insights_overflow_total")[eventRule.id]).toBe(2);
  world.at(1, match(eventRule, "f9", 1, { key: [web, "1"] })).at(60);
  expect(world.states()).toEqual(["firing", "resolved(quiet)"]);
});

test("closed insights per rule are limited", () => {
  const world = new InsightWorld({ closedMax: 2 });
  for (const port of ["1", "2", "3"]) {
    world.at(0, match(eventRule, `f${port}`, 0, { key: [web, port] }));
  }
  world.at(60);
  expect(world.states()).toEqual(["resolved(quiet)", "resolved(quiet)"]);
  expect(world.samples("insights_dropped_total")["closed_insight"]).toBe(1);
  expect(world.commit(60).rows.size, "their rows stay").toBe(3);
});

test.each([
  { name: "of one insight", options: { occurrencesMax: 3 } },
  { name: "of all", options: { occurrencesTotalMax: 3 } },
])("occurrences $name beyond the limit are counted and cannot be withdrawn", ({ options }) => {
  const world = new InsightWorld(options);
  for (const second of [0, 1, 2, 3, 4]) world.at(second, match(eventRule, `f${second}`, second));
  const occurrences = [...world.insights.current()][0]?.occurrences;
  expect([occurrences?.size, occurrences?.total]).toEqual([3, 5]);
  world.at(5, match(eventRule, "f0", 0));
  expect(occurrences?.total, "f0 is known to have been counted").toBe(5);
  for (const id of ["f0", "f1", "f2", "f3", "f4"]) {
    world.at(5, miss(eventRule, id, 5, "withdrawn"));
  }
  expect([occurrences?.total, ...world.states()]).toEqual([2, "firing"]);
  world.at(60).at(61);
  expect(world.states()).toEqual(["resolved(quiet)"]);
});

test("a state rule refuses entities beyond the limit and leaves nothing behind", () => {
  const world = new InsightWorld({ occurrencesTotalMax: 1 });
  world.at(0, match(stateRule, "e", 0), match(stateRule, "f", 0, { key: [web, "2"] }));
  expect(world.states()).toEqual(["firing"]);
  expect(world.samples("insights_dropped_total")["occurrence"]).toBe(1);
});

test("counters are born at 0, gauges follow the states", () => {
  const world = new InsightWorld();
  expect(world.samples("insights_raised_total")).toEqual(
    Object.fromEntries(testRules.map((rule) => [`${rule.id} high`, 0])),
  );
  expect(world.samples("insights_resolved_total")).toMatchObject({
    "state-rule fixed": 0,
    "event-rule quiet": 0,
  });
  world.at(0, match(eventRule, "f1", 0), match(slowRule, "e", 0));
  expect(world.samples("insights")).toEqual({
    "state-rule high  firing": 0,
    "slow-rule high  firing": 0,
    "event-rule high  firing": 0,
    "slow-event-rule high  firing": 0,
    "event-rule high shop firing": 1,
    "slow-rule high shop pending": 1,
  });
  expect(world.samples("insights_oldest_firing_timestamp_seconds")).toEqual({
    "event-rule high": atSecond(0) / 1e6,
  });
  world.at(20, miss(slowRule, "e", 20)).at(60);
  expect(world.samples("insights_raised_total")["event-rule high"]).toBe(1);
  expect(world.samples("insights_resolved_total")["event-rule quiet"]).toBe(1);
});

test("a row holds what readers show", () => {
  const world = new InsightWorld().at(5, match(eventRule, "f1", 2)).commit(5);
  const row = [...world.rows.values()][0];
  expect(row).toMatchObject({
    rule: "event-rule",
    state: "firing",
    cluster: "c1",
    namespace: "shop",
    workload: "web",
    peerPort: 443,
    firstSeenUs: atSecond(2),
    firedUs: atSecond(5),
    resolvedUs: 0,
    occurrences: 1,
    transitions: 1,
  });
  expect(JSON.parse(row?.detail ?? "")).toMatchObject({
    key: [web, "443"],
    tags: ["attack.t1040"],
  });
  expect(world.eventRows.size).toBe(1);
  expect(world.commit(6).rows.size, "nothing changed, nothing written").toBe(1);
});

test("a row of nobody's making is refused with its id", () => {
  const world = new InsightWorld().at(0, match(eventRule, "f1", 0)).commit(0);
  for (const [id, row] of world.rows) world.rows.set(id, { ...row, detail: "{" });
  expect(() => world.restart()).toThrow(/cannot restore insight "[0-9a-f]{32}"/);
});
