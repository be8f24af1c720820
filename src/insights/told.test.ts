/** What sinks are told of an insight's life, and how often. */
import { expect, test } from "vitest";
import {
  atSecond,
  eventRule,
  InsightWorld,
  lost,
  match,
  miss,
  slowRule,
  source,
  stateRule,
  testRules,
} from "../../test/support/insight-world.ts";
import type { RuleMeta } from "../model/insights.ts";
import { usPerSecond } from "../model/time.ts";
import { outboxDefaults, type OutboxOptions } from "./told.ts";

const hour = 3_600;
const day = 24 * hour;

function makeWorld(
  over: Partial<OutboxOptions> = {},
  rules: readonly RuleMeta[] = testRules,
): InsightWorld {
  const reminderUs = day * usPerSecond;
  return new InsightWorld(
    { outbox: { ...outboxDefaults, isOn: true, reminderUs, ...over } },
    rules,
  );
}

/** Ends the process and starts it again at that second. */
function restartAt(world: InsightWorld, second: number): InsightWorld {
  return world.restart().at(second).commit(second);
}

test("firing, unknown and resolved are told with what they followed; pending is not", () => {
  const world = makeWorld();
  world.at(0, match(slowRule, "e", 0)).commit(0);
  expect(world.recorded()).toEqual([]);
  world
    .at(30)
    .at(40, miss(slowRule, "e", 40, "unjudged"))
    .at(50, match(slowRule, "e", 50));
  world
    .at(60, miss(slowRule, "e", 60))
    .at(120)
    .commit(120);
  expect(world.recorded()).toEqual(["firing@30", "unknown@40", "firing@50", "resolved(fixed)@120"]);
  expect(world.records.map(({ previousState }) => previousState)).toEqual([
    "pending",
    "firing",
    "unknown",
    "firing",
  ]);
});

test("what was pending and came to nothing is told to nobody", () => {
  const world = makeWorld();
  world
    .at(0, match(slowRule, "e", 0))
    .at(10, miss(slowRule, "e", 10))
    .commit(10);
  expect(world.told()).toEqual(["pending", "inactive"]);
  expect(world.records).toEqual([]);
});

test("a reopening that lapses before it fires is told to nobody", () => {
  const world = makeWorld();
  world
    .at(0, match(slowRule, "e", 0))
    .at(30)
    .at(40, miss(slowRule, "e", 40))
    .at(100);
  world
    .at(200, match(slowRule, "e", 200))
    .at(210, miss(slowRule, "e", 210))
    .commit(210);
  expect(world.told()).toEqual([
    "pending",
    "firing",
    "resolved(fixed)",
    "pending",
    "resolved(fixed)",
  ]);
  expect(world.recorded()).toEqual(["firing@30", "resolved(fixed)@100"]);
});

test("an insight archived out of unknown stays unknown to those who are told", () => {
  const world = makeWorld();
  world.at(0, match(stateRule, "e", 0)).at(10, miss(stateRule, "e", 10, "unjudged"));
  world.at(10 + day).commit(10 + day);
  expect(world.recorded()).toEqual(["firing@0", "unknown@10", `unknown(no_data)@${10 + day}`]);
  expect(world.records[2]?.previousState).toBe("unknown");
  expect(world.states()).toEqual(["inactive(no_data)"]);
});

test.each([
  ["entity_gone", lost(stateRule, "e", 5), stateRule],
  ["late_evidence", miss(eventRule, "e", 5, "withdrawn"), eventRule],
] as const)("an insight that ends as %s is told with the reason", (reason, event, rule) => {
  const world = makeWorld();
  world
    .at(0, match(rule, "e", 0))
    .at(5, event)
    .commit(5);
  expect(world.recorded()).toEqual(["firing@0", `resolved(${reason})@5`]);
});

test("an insight whose rule is removed is told as resolved with the words it had", () => {
  const world = makeWorld();
  world.at(0, match(stateRule, "e", 0)).commit(0);
  world.restart([eventRule]).at(1).commit(1);
  expect(world.recorded()).toEqual(["firing@0", "resolved(rule_removed)@1"]);
  const [firing, resolved] = world.records;
  expect(resolved?.rule).toMatchObject({
    id: stateRule.id,
    title: firing?.rule.title,
    category: firing?.rule.category,
  });
});

test("event times: the first evidence of the first time, what made it true again, the last time true", () => {
  const world = makeWorld();
  world.at(12, match(stateRule, "e", 10)).at(20, match(stateRule, "e", 15));
  world.at(30, miss(stateRule, "e", 28)).at(90);
  world.at(100, match(stateRule, "e", 95)).commit(100);
  expect(world.recorded()).toEqual(["firing@12", "resolved(fixed)@90", "firing@100"]);
  expect(world.records.map(({ eventUs }) => eventUs)).toEqual([10, 15, 95].map(atSecond));
});

test("without a sink nothing is written, and when there is one, what fires is told at once", () => {
  const world = makeWorld({ isOn: false });
  world
    .at(0, match(stateRule, "e", 0), match(slowRule, "s", 0))
    .at(10)
    .commit(10);
  expect(world.records).toEqual([]);
  const later = makeWorld();
  for (const [id, row] of world.rows) later.rows.set(id, row);
  later.commit(10).restart().at(20).commit(20);
  expect(later.recorded()).toEqual(["again firing@20"]);
  // A second restart finds nothing that is not told.
  restartAt(later, 25).at(40).commit(40);
  expect(later.recorded()).toEqual(["again firing@20", "firing@30"]);
});

test("without reminders, too, what fires untold is told once", () => {
  const world = makeWorld({ isOn: false });
  world.at(0, match(stateRule, "e", 0)).commit(0);
  const later = makeWorld({ reminderUs: 0 });
  for (const [id, row] of world.rows) later.rows.set(id, row);
  later
    .commit(0)
    .restart()
    .at(1)
    .at(2)
    .at(3 * day)
    .commit(3 * day);
  expect(later.recorded()).toEqual(["again firing@1"]);
});

test("a firing insight is told again every day, and no longer when it is resolved", () => {
  const world = makeWorld();
  world.at(5, match(stateRule, "e", 5));
  for (let at = 0; at <= 60; at++) world.at(5 + at * hour).commit(5 + at * hour);
  expect(world.recorded()).toEqual([
    "firing@5",
    `again firing@${5 + day}`,
    `again firing@${5 + 2 * day}`,
  ]);
  expect(world.records[1]).toMatchObject({ state: "firing", previousState: "firing", reason: "" });
  world
    .at(60 * hour, miss(stateRule, "e", 60 * hour))
    .at(9 * day)
    .commit(9 * day);
  expect(world.recorded().slice(3)).toEqual([`resolved(fixed)@${60 * hour + 65}`]);
});

test("an unknown insight is not told again, and counts anew when it fires again", () => {
  const world = makeWorld();
  world.at(0, match(stateRule, "e", 0)).at(hour, miss(stateRule, "e", hour, "unjudged"));
  world.at(20 * hour, match(stateRule, "e", 20 * hour));
  for (let at = 20; at <= 45; at++) world.at(at * hour);
  world.commit(45 * hour);
  expect(world.recorded()).toEqual([
    "firing@0",
    `unknown@${hour}`,
    `firing@${20 * hour}`,
    `again firing@${44 * hour}`,
  ]);
});

test.each([
  ["shorter than the rest of the day", 20 * hour, 23 * hour, day],
  ["in which a reminder came due", 20 * hour, 26 * hour, 26 * hour],
  ["in which several came due", 20 * hour, 5 * day, 5 * day],
])("an outage %s neither loses nor doubles a reminder", (_name, stoppedAt, startedAt, dueAt) => {
  const world = makeWorld();
  world
    .at(0, match(stateRule, "e", 0))
    .at(stoppedAt)
    .commit(stoppedAt);
  restartAt(world, startedAt);
  for (let at = startedAt; at <= dueAt + 25 * hour; at += hour) world.at(at);
  world.commit(dueAt + 25 * hour);
  expect(world.recorded()).toEqual([
    "firing@0",
    `again firing@${dueAt}`,
    `again firing@${dueAt + day}`,
  ]);
});

test("a clock that jumps days ahead brings one reminder", () => {
  const world = makeWorld();
  world
    .at(0, match(stateRule, "e", 0))
    .at(10 * day)
    .at(10 * day + 1)
    .commit(10 * day + 1);
  expect(world.recorded()).toEqual(["firing@0", `again firing@${10 * day}`]);
});

test("an insight that fires since another became part of it is told so", () => {
  const world = makeWorld();
  const [web, unknownWeb] = ["c1/shop/web", "unknown/10.0.0.5"];
  // The one seen first was resolved; the other, under the name that proves to be the same, fires.
  world.at(1, match(stateRule, "a", 1, { key: [web] }));
  world
    .at(2, miss(stateRule, "a", 2))
    .at(70)
    .commit(70);
  world.at(80, match(stateRule, "b", 80, { key: [unknownWeb] })).commit(80);
  world.at(90, { kind: "renamed", from: unknownWeb, to: web }).commit(90);
  expect(world.recorded()).toEqual([
    "firing@1",
    "resolved(fixed)@62",
    "firing@80",
    "resolved(withdrawn)@90",
    "again firing@90",
  ]);
  const [first, , other, ended, again] = world.records;
  expect(again?.insightId).toBe(first?.insightId);
  expect(other?.insightId).not.toBe(first?.insightId);
  expect(ended?.insightId).toBe(other?.insightId);
});

test("a restart before the commit tells the same once, under the same uid", () => {
  const world = makeWorld();
  const plain = makeWorld()
    .at(1, match(stateRule, "e", 1))
    .commit(1);
  world.commit(0).at(1, match(stateRule, "e", 1)); // killed here
  world
    .restart()
    .at(1, match(stateRule, "e", 1))
    .commit(1);
  expect(world.recorded()).toEqual(["firing@1"]);
  expect(world.records[0]?.uid).toBe(plain.records[0]?.uid);
});

test("transitions beyond the room are counted, and those that fire are told later", () => {
  const world = makeWorld({ charactersMax: 1 });
  const keyOf = (port: string) => ({ key: ["c1/shop/web", port] });
  world.at(0, match(stateRule, "a", 0, keyOf("1")), match(stateRule, "b", 0, keyOf("2")));
  world.at(1, match(stateRule, "c", 1, keyOf("3"))).commit(1);
  expect(world.recorded()).toEqual(["firing@0"]);
  expect(world.samples("insights_dropped_total")["record"]).toBe(2);
  for (const second of [2, 3, 4]) world.at(second).commit(second);
  expect(world.recorded()).toEqual(["firing@0", "again firing@2", "again firing@3"]);
  expect(new Set(world.records.map(({ insightId }) => insightId)).size).toBe(3);
  expect(world.states()).toEqual(["firing", "firing", "firing"]);
});

test("a silent observer's insight is told as unknown", () => {
  const world = makeWorld();
  world
    .at(0, match(stateRule, "e", 0))
    .at(5, source("silent", 5))
    .commit(5);
  expect(world.recorded()).toEqual(["firing@0", "unknown@5"]);
});
