/** A reload is a restart with other rules: what becomes of the insights that there are. */
import { expect, test } from "vitest";
import type { RuleMeta } from "../model/insights.ts";
import { usPerSecond } from "../model/time.ts";
import {
  eventRule,
  InsightWorld,
  match,
  miss,
  slowRule,
  stateRule,
} from "../../test/support/insight-world.ts";

const outbox = { isOn: true, reminderUs: 0, charactersMax: 1_000_000 };

const world = (rule: RuleMeta): InsightWorld => new InsightWorld({ outbox }, [rule]);

const waiting = (rule: RuleMeta, seconds: number): RuleMeta => ({
  ...rule,
  version: "v2",
  forUs: seconds * usPerSecond,
});

const idsOf = ({ insights }: InsightWorld): string[] => [...insights.current()].map(({ id }) => id);

test("another condition is the same rule: its insights go on, under its new version", () => {
  const before = world(stateRule).at(0, match(stateRule, "e", 0));
  const ids = idsOf(before);
  const changed = { ...stateRule, version: "v2", severity: "low" as const };
  const after = before
    .commit(1)
    .restart([changed])
    .at(2, match(changed, "e", 0))
    .commit(2);
  expect(idsOf(after)).toEqual(ids);
  expect(after.recorded()).toEqual(["firing@0"]);
  const [row] = after.rows.values();
  expect(row).toMatchObject({ ruleVersion: "v2", severity: "low", state: "firing" });
  // What the new condition does not hold for ends as ever.
  after
    .at(3, miss(changed, "e", 3))
    .at(70)
    .commit(70);
  expect(after.recorded()).toEqual(["firing@0", "resolved(fixed)@63"]);
});

test("a removed rule ends its insights, and its return goes on with them", () => {
  const after = world(stateRule)
    .at(0, match(stateRule, "e", 0))
    .commit(1)
    .restart([])
    .at(2);
  expect(after.states()).toEqual(["resolved(rule_removed)"]);
  const ids = idsOf(after);
  after
    .commit(3)
    .restart([stateRule])
    .at(4, match(stateRule, "e", 4))
    .commit(4);
  expect(after.states()).toEqual(["firing"]);
  expect(idsOf(after)).toEqual(ids);
  expect(after.recorded()).toEqual(["firing@0", "resolved(rule_removed)@2", "firing@4"]);
});

test("a raised `for` takes back what is not true long enough, and it fires in its time", () => {
  const slower = waiting(stateRule, 100);
  const after = world(stateRule)
    .at(0, match(stateRule, "e", 0))
    .commit(10)
    .restart([slower])
    .at(10);
  expect(after.states()).toEqual(["pending(withdrawn)"]);
  after.at(99);
  expect(after.states()).toEqual(["pending(withdrawn)"]);
  after.at(100).commit(100);
  expect(after.states()).toEqual(["firing"]);
  expect(after.recorded()).toEqual(["firing@0", "resolved(withdrawn)@10", "firing@100"]);
});

test("a raised `for` takes back one whose `for` it has outlasted before", () => {
  const after = world(slowRule)
    .at(0, match(slowRule, "e", 0))
    .at(30)
    .commit(40);
  after.restart([waiting(slowRule, 50)]).at(40);
  expect(after.states()).toEqual(["pending(withdrawn)"]);
  after.at(50);
  expect(after.states()).toEqual(["firing"]);
});

test("a raised `for` leaves what is true long enough", () => {
  const after = world(stateRule)
    .at(0, match(stateRule, "e", 0))
    .commit(100);
  after
    .restart([waiting(stateRule, 100)])
    .at(100)
    .commit(101);
  expect(after.states()).toEqual(["firing"]);
  expect(after.recorded()).toEqual(["firing@0"]);
});

test("a raised `for` ends what is only kept firing, and never comes back to it", () => {
  const after = world(stateRule)
    .at(0, match(stateRule, "e", 0))
    .at(5, miss(stateRule, "e", 5));
  after
    .commit(10)
    .restart([waiting(stateRule, 100)])
    .at(10);
  expect(after.states()).toEqual(["resolved(withdrawn)"]);
  after.at(500).commit(500);
  expect(after.states()).toEqual(["resolved(withdrawn)"]);
  expect(after.recorded()).toEqual(["firing@0", "resolved(withdrawn)@10"]);
});

test("a raised `for` counts for events too", () => {
  const after = world(eventRule)
    .at(0, match(eventRule, "e", 0))
    .commit(10);
  after.restart([waiting(eventRule, 50)]).at(10);
  expect(after.states()).toEqual(["pending(withdrawn)"]);
  after.at(50);
  expect(after.states()).toEqual(["firing"]);
});

test("an outage of ours takes nothing back", () => {
  const after = world(slowRule)
    .at(0, match(slowRule, "e", 0))
    .at(30)
    .commit(31);
  after
    .restart([slowRule])
    .at(31 + 7_200)
    .commit(8_000);
  expect(after.states()).toEqual(["firing"]);
  expect(after.recorded()).toEqual(["firing@30"]);
});

test("a lowered `for` lets it fire at once", () => {
  const after = world(slowRule)
    .at(0, match(slowRule, "e", 0))
    .commit(10);
  after.restart([waiting(slowRule, 5)]).at(10);
  expect(after.states()).toEqual(["firing"]);
});

test("a shorter keep window ends what it has outlasted", () => {
  const after = world(stateRule)
    .at(0, match(stateRule, "e", 0))
    .at(5, miss(stateRule, "e", 5));
  after
    .commit(20)
    .restart([{ ...stateRule, keepFiringForUs: 10 * usPerSecond }])
    .at(20);
  expect(after.states()).toEqual(["resolved(fixed)"]);
});
