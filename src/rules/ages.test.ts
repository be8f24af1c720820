import { expect, test } from "vitest";
import type { EntityChange } from "../model/changes.ts";
import { makeEntity } from "../model/entities.ts";
import type { RuleEvent } from "../model/insights.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import { runRuleTests } from "../cli/rule-tests.ts";
import { AgeTimers } from "./ages.ts";
import { Evaluator } from "./evaluator.ts";
import { loadRules } from "./load.ts";

const startUs = 1_767_225_600_000_000;

function rulesWith(when: string, rest = "") {
  const text = `version: 1
rules:
  - id: aged
    title: Aged
    severity: low
    confidence: low
    on: edge
    params:
      limit: { type: duration, default: 10m, description: How long }
    when: "${when}"
    message: m
${rest}`;
  const { rules, diagnostics } = loadRules([{ path: "rules.yaml", text }]);
  expect(diagnostics).toEqual([]);
  return rules;
}

function makeWorld(when: string) {
  const events: RuleEvent[] = [];
  const evaluator = new Evaluator(rulesWith(when), { push: (more) => events.push(...more) });
  const said = (): string[] =>
    events.splice(0).map((event) => {
      if (event.kind !== "match" && event.kind !== "miss") return event.kind;
      return `${event.kind} ${(event.atUs - startUs) / usPerSecond}`;
    });
  return { evaluator, said };
}

function edgeSeen(id: string, seenUs: Us): EntityChange<"edge"> {
  const entity = { ...makeEntity("edge"), last_seen_age: seenUs };
  const common = { id, entity, judged: true, atUs: seenUs, evidence: [], observers: [] };
  return { kind: "entity", type: "edge", ...common };
}

test.each([
  ["edge.last_seen_age > params.limit", "match", 600.000001],
  ["edge.last_seen_age >= duration('10m')", "match", 600],
  ["params.limit < edge.last_seen_age", "match", 600.000001],
  ["edge.last_seen_age > duration('1h') || edge.last_seen_age >= params.limit", "match", 600],
])("%s changes its answer with time alone", (when, kind, atS) => {
  const { evaluator, said } = makeWorld(when);
  evaluator.advance(startUs);
  evaluator.push([edgeSeen("e", startUs)]);
  expect(said()).toEqual(["miss 0"]);
  evaluator.advance(startUs + atS * usPerSecond - 1);
  expect(said()).toEqual([]);
  evaluator.advance(startUs + 11 * usPerMinute);
  expect(said()).toEqual([`${kind} ${atS}`]);
  evaluator.advance(startUs + 30 * usPerMinute);
  expect(said()).toEqual([]);
});

test.each(["edge.last_seen_age < params.limit", "!(edge.last_seen_age >= params.limit)"])(
  "%s ends with time alone",
  (when) => {
    const { evaluator, said } = makeWorld(when);
    evaluator.advance(startUs);
    evaluator.push([edgeSeen("e", startUs)]);
    expect(said()).toEqual(["match 0"]);
    evaluator.advance(startUs + 10 * usPerMinute);
    expect(said()).toEqual(["miss 600"]);
  },
);

test("what is seen again is younger again, and what is gone has no age", () => {
  const { evaluator, said } = makeWorld("edge.last_seen_age > params.limit");
  evaluator.advance(startUs);
  evaluator.push([edgeSeen("e", startUs), edgeSeen("f", startUs)]);
  evaluator.advance(startUs + 9 * usPerMinute);
  evaluator.push([edgeSeen("e", startUs + 9 * usPerMinute)]);
  evaluator.push([{ kind: "gone", type: "edge", id: "f", atUs: startUs + 9 * usPerMinute }]);
  expect(said()).toEqual(["miss 0", "miss 0", "lost"]);
  evaluator.advance(startUs + 15 * usPerMinute);
  expect(said()).toEqual([]);
  evaluator.advance(startUs + 20 * usPerMinute);
  expect(said()).toEqual(["match 1140.000001"]);
});

test("what is told before time has passed is as old as it is then, as after a restart", () => {
  const { evaluator, said } = makeWorld("edge.last_seen_age > params.limit");
  evaluator.at(startUs + 11 * usPerMinute);
  evaluator.push([edgeSeen("old", startUs), edgeSeen("young", startUs + 10 * usPerMinute)]);
  expect(said()).toEqual(["match 0", "miss 600"]);
  evaluator.advance(startUs + 21 * usPerMinute);
  expect(said()).toEqual(["match 1200.000001"]);
});

test("an age that a term before it decides is not waited for", () => {
  const { evaluator } = makeWorld("edge.port == 80 && edge.last_seen_age > params.limit");
  evaluator.advance(startUs);
  evaluator.push([edgeSeen("e", startUs)]);
  expect(evaluator.dueUs).toBe(Infinity);
});

test("at most so many wait, and the others are counted", () => {
  const timers = new AgeTimers(2);
  for (const id of ["a", "b", "c"]) timers.set(edgeSeen(id, startUs), startUs + usPerSecond);
  timers.set(edgeSeen("a", startUs), startUs + 5 * usPerSecond);
  expect(timers.dropped).toBe(1);
  expect(timers.due(startUs + usPerSecond).map(({ id }) => id)).toEqual(["b"]);
  expect(timers.due(startUs + 4 * usPerSecond)).toEqual([]);
  expect(timers.due(startUs + 5 * usPerSecond).map(({ id }) => id)).toEqual(["a"]);
});

test("in a rule's own tests an age is how long ago it was", () => {
  const rules = rulesWith(
    "edge.last_seen_age > params.limit",
    `    for: 5m
    tests:
      - name: silent for long
        given: [ { at: 0s, edge: { last_seen_age: 1m } } ]
        expect:
          - { at: 8m, state: inactive }
          - { at: 10m, state: pending }
          - { at: 15m, state: firing }
`,
  );
  expect(runRuleTests(rules).flatMap(({ problems }) => problems)).toEqual([]);
});
