import { expect, test } from "vitest";
import { nodeKey } from "../model/keys.ts";
import type { RuleEvent, RuleMeta } from "../model/insights.ts";
import { usPerSecond } from "../model/time.ts";
import {
  atSecond,
  eventRule,
  evidenceOf,
  InsightWorld,
  lost,
  match,
  miss,
  ruleMeta,
  slowEventRule,
  slowRule,
  source,
  stateRule,
  testRules,
} from "../../test/support/insight-world.ts";
import { fingerprintOf, insightId } from "./insight.ts";

const hour = 3_600;
const day = 24 * hour;

type Row = [second: number, ...events: RuleEvent[]];

/** The timeline, and what was told in its course. */
interface Timeline {
  name: string;
  rows: Row[];
  /** `state(reason)@second`, in order. */
  told: string[];
}

const timelines: Timeline[] = [
  {
    name: "a state turns false and stays so",
    rows: [[0, match(stateRule, "e", 0)], [10, miss(stateRule, "e", 10)], [69], [70]],
    told: ["firing@0", "resolved(fixed)@70"],
  },
  {
    name: "true again within the keep window tells nobody",
    rows: [
      [0, match(stateRule, "e", 0)],
      [10, miss(stateRule, "e", 10)],
      [69, match(stateRule, "e", 69)],
      [500],
    ],
    told: ["firing@0"],
  },
  {
    name: "two entities: false only when both are",
    rows: [
      [0, match(stateRule, "e", 0), match(stateRule, "f", 0)],
      [10, miss(stateRule, "e", 10)],
      [200, miss(stateRule, "f", 200)],
      [259],
      [260],
    ],
    told: ["firing@0", "resolved(fixed)@260"],
  },
  {
    name: "for: fires after 30 s without a break",
    rows: [
      [0, match(slowRule, "e", 0)],
      [20, miss(slowRule, "e", 20)],
      [25, match(slowRule, "e", 25)],
      [54],
      [55],
    ],
    told: ["pending@0", "inactive@20", "pending@25", "firing@55"],
  },
  {
    name: "for does not count what nobody can judge",
    rows: [
      [0, match(slowRule, "e", 0)],
      [20, miss(slowRule, "e", 20, "unjudged")],
      [100, match(slowRule, "e", 100)],
      [129],
      [130],
    ],
    told: ["pending@0", "firing@130"],
  },
  {
    name: "not judged is unknown, and matched again fires",
    rows: [
      [0, match(stateRule, "e", 0)],
      [10, miss(stateRule, "e", 10, "unjudged")],
      [500, match(stateRule, "e", 500)],
    ],
    told: ["firing@0", "unknown@10", "firing@500"],
  },
  {
    name: "from unknown, judged false goes through the keep window",
    rows: [
      [0, match(stateRule, "e", 0)],
      [10, miss(stateRule, "e", 10, "unjudged")],
      [500, miss(stateRule, "e", 500)],
      [559],
      [560],
    ],
    told: ["firing@0", "unknown@10", "firing@500", "resolved(fixed)@560"],
  },
  {
    name: "told again without news while nobody can tell is unknown",
    rows: [
      [0, match(stateRule, "e", 0)],
      [10, match(stateRule, "e", 0, { judged: false })],
      [20, match(stateRule, "e", 20, { judged: false })],
    ],
    told: ["firing@0", "unknown@10", "firing@20"],
  },
  {
    name: "all observers of a state silent, then back",
    rows: [
      [0, match(stateRule, "e", 0)],
      [10, source("silent", 10)],
      [20, source("live", 20)],
    ],
    told: ["firing@0", "unknown@10", "firing@20"],
  },
  {
    name: "unknown for a day is archived, not resolved",
    rows: [[0, match(stateRule, "e", 0)], [10, source("silent", 10)], [9 + day], [10 + day]],
    told: ["firing@0", "unknown@10", "inactive(no_data)@86410"],
  },
  {
    name: "a lost entity ends its insight at once, also out of unknown",
    rows: [
      [0, match(stateRule, "e", 0)],
      [5, miss(stateRule, "e", 5, "unjudged")],
      [10, lost(stateRule, "e", 10)],
    ],
    told: ["firing@0", "unknown@5", "resolved(entity_gone)@10"],
  },
  {
    name: "an event goes quiet",
    rows: [[0, match(eventRule, "f1", 0)], [30, match(eventRule, "f2", 30)], [89], [90]],
    told: ["firing@0", "resolved(quiet)@90"],
  },
  {
    name: "no miss and no lost entity ends an event",
    rows: [
      [0, match(eventRule, "f1", 0)],
      [1, miss(eventRule, "f1", 1), lost(eventRule, "f1", 1)],
      [59],
    ],
    told: ["firing@0"],
  },
  {
    name: "an event told again is no news",
    rows: [[0, match(eventRule, "f1", 0)], [50, match(eventRule, "f1", 0)], [60]],
    told: ["firing@0", "resolved(quiet)@60"],
  },
  {
    name: "a source that was silent within the window leaves it unknown until a whole window was heard",
    rows: [
      [0, match(eventRule, "f1", 0)],
      [20, source("silent", 20)],
      [40, source("live", 40)],
      [60],
      [99],
      [100],
    ],
    told: ["firing@0", "unknown@60", "resolved(quiet)@100"],
  },
  {
    name: "a source still silent keeps it unknown; a new event fires",
    rows: [
      [0, match(eventRule, "f1", 0)],
      [20, source("silent", 20)],
      [1_000],
      [1_001, match(eventRule, "f2", 1_001)],
    ],
    told: ["firing@0", "unknown@60", "firing@1001"],
  },
  {
    name: "a source that is gone is not missed",
    rows: [[0, match(eventRule, "f1", 0)], [20, source("gone", 20)], [60]],
    told: ["firing@0", "resolved(quiet)@60"],
  },
  {
    name: "a withdrawal takes back only its own occurrence",
    rows: [
      [0, match(eventRule, "f1", 0)],
      [10, match(eventRule, "f2", 10)],
      [20, miss(eventRule, "f2", 20, "withdrawn")],
      [59],
      [60],
    ],
    told: ["firing@0", "resolved(quiet)@60"],
  },
  {
    name: "the last withdrawal ends it at once",
    rows: [
      [0, match(eventRule, "f1", 0)],
      [10, miss(eventRule, "f1", 10, "withdrawn")],
    ],
    told: ["firing@0", "resolved(late_evidence)@10"],
  },
  {
    name: "withdrawn before it fired",
    rows: [
      [0, match(slowEventRule, "f1", 0)],
      [10, miss(slowEventRule, "f1", 10, "withdrawn")],
      [90],
    ],
    told: ["pending@0", "inactive(withdrawn)@10"],
  },
  {
    name: "judged again after a withdrawal",
    rows: [
      [0, match(eventRule, "f1", 0)],
      [10, miss(eventRule, "f1", 10, "withdrawn")],
      [20, match(eventRule, "f1", 0)],
    ],
    told: ["firing@0", "resolved(late_evidence)@10", "firing@20"],
  },
  {
    name: "an entity with another key leaves the insight it fed",
    rows: [
      [0, match(stateRule, "e", 0)],
      [10, match(stateRule, "e", 10, { key: ["c1/shop/cart", "443"] })],
      [70],
    ],
    told: ["firing@0", "firing@10", "resolved(fixed)@70"],
  },
];

test.each(timelines)("$name", ({ rows, told }) => {
  const world = new InsightWorld();
  for (const [second, ...events] of rows) world.at(second, ...events);
  expect(world.toldAt()).toEqual(told);
});

test.each(timelines)("restarted after every step: $name", ({ rows, told }) => {
  const world = new InsightWorld();
  for (const [second, ...events] of rows) {
    world
      .at(second, ...events)
      .commit(second)
      .restart()
      .at(second);
  }
  expect(world.toldAt()).toEqual(told);
});

test("deadlines fall on their own time, however rarely the clock is read", () => {
  const world = new InsightWorld();
  world
    .at(0, match(slowRule, "e", 0))
    .at(29)
    .at(10_000);
  world.at(10_000, miss(slowRule, "e", 10_000)).at(90_000);
  const fired = world.transitions.find(({ to }) => to === "firing");
  const resolved = world.transitions.find(({ to }) => to === "resolved");
  expect([fired?.atUs, resolved?.atUs]).toEqual([atSecond(30), atSecond(10_060)]);
});

function idsAndReopens(world: InsightWorld): [string, number, number][] {
  return [...world.rows.values()].map(({ id, episode, reopenCount }) => [id, episode, reopenCount]);
}

test("within a day the same episode reopens; later it is another", () => {
  const world = new InsightWorld();
  world
    .at(0, match(eventRule, "f1", 0))
    .at(60)
    .at(59 + day, match(eventRule, "f2", 59 + day));
  expect(world.told()).toEqual(["firing", "resolved(quiet)", "firing"]);
  const fingerprint = fingerprintOf(eventRule.id, ["c1/shop/web", "443"]);
  expect(idsAndReopens(world.commit(59 + day))).toEqual([[insightId(fingerprint, 1), 1, 1]]);

  world.at(59 + day + 60).at(59 + day + 60 + day + 1, match(eventRule, "f3", 3 * day));
  expect(idsAndReopens(world.commit(3 * day))).toEqual([
    [insightId(fingerprint, 1), 1, 1],
    [insightId(fingerprint, 2), 2, 0],
  ]);
});

test("the fingerprint is of rule and key values alone", () => {
  expect(fingerprintOf("r", ["a", "b"])).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprintOf("r", ["a", "b"])).not.toBe(fingerprintOf("r", ["ab"]));
  expect(fingerprintOf("r", ["a", "b"])).not.toBe(fingerprintOf("ra", ["b"]));
});

test("an episode is not given twice, restarted or not", () => {
  const world = new InsightWorld();
  for (const start of [0, 2 * day, 4 * day]) {
    world.at(start, match(eventRule, `f${start}`, start)).at(start + 60);
    world.commit(start + 60).restart();
  }
  expect([...world.rows.values()].map((row) => row.episode)).toEqual([1, 2, 3]);
});

test("an outage of ours stretches every window", () => {
  const patient = ruleMeta("patient", { forUs: 900 * usPerSecond });
  const rules = [...testRules, patient];
  const world = new InsightWorld({}, rules);
  world.at(0, match(eventRule, "f1", 0), match(patient, "e", 0));
  world.at(10, match(stateRule, "e", 10), miss(stateRule, "e", 10)).commit(20);
  const toldBefore = ["firing", "pending", "firing"];
  world.restart(rules).at(20 + hour);
  expect(world.told()).toEqual(toldBefore);
  world.at(59 + hour);
  expect(world.told()).toEqual(toldBefore);
  world.at(60 + hour).at(70 + hour);
  expect(world.told().slice(3)).toEqual(["resolved(quiet)", "resolved(fixed)"]);
  // Ten minutes of the outage count toward `for`: 15 minutes are over 50 minutes late.
  world.at(65 * 60 - 1);
  expect(world.told()).toHaveLength(5);
  world.at(65 * 60);
  expect(world.told().slice(5)).toEqual(["firing"]);
});

test("what the graph tells again at a restart raises nothing", () => {
  const world = new InsightWorld();
  const events = [match(eventRule, "f1", 0), match(stateRule, "e", 0)];
  world
    .at(0, ...events)
    .at(60)
    .commit(61)
    .restart();
  world.insights.push(events);
  world.at(62);
  expect(world.told()).toEqual(["firing", "firing", "resolved(quiet)"]);
  const written = [...world.commit(63).rows.values()];
  world.at(63, ...events).commit(64);
  const isSame = [...world.rows.values()].map((row, index) => row === written[index]);
  expect(isSame, "and writes nothing").toEqual([true, true]);
});

test("while the graph restores itself, that nobody can tell is no news", () => {
  const world = new InsightWorld();
  world.at(0, match(stateRule, "e", 0), match(stateRule, "f", 0, { key: ["k"] })).commit(1);
  world
    .restart()
    .insights.push([
      match(stateRule, "e", 0, { judged: false }),
      miss(stateRule, "f", 0, "unjudged"),
    ]);
  world.at(1);
  expect(world.told()).toEqual(["firing", "firing"]);
  world.at(2, miss(stateRule, "f", 2, "unjudged"));
  expect(world.told()).toEqual(["firing", "firing", "unknown"]);
});

test("a removed rule resolves its insights, after a restart with the first advance", () => {
  const without = testRules.filter((rule) => rule !== stateRule);
  const world = new InsightWorld();
  world.at(0, match(stateRule, "e", 0)).commit(1);
  world.restart(without);
  expect(world.told()).toEqual(["firing"]);
  world.at(2);
  expect(world.told()).toEqual(["firing", "resolved(rule_removed)"]);
  expect(world.transitions.at(-1)?.rule.id).toBe(stateRule.id);

  const running = new InsightWorld().at(0, match(stateRule, "e", 0));
  running.insights.setRules(without);
  expect(running.told()).toEqual(["firing", "resolved(rule_removed)"]);
});

test("a rule with a new text keeps its insights", () => {
  const changed: RuleMeta = { ...stateRule, version: "2", severity: "low" };
  const world = new InsightWorld().at(0, match(stateRule, "e", 0));
  world.insights.setRules([changed, ...testRules.slice(1)]);
  world.commit(1);
  expect([...world.rows.values()].map((row) => row.severity)).toEqual(["low"]);
  expect(world.told()).toEqual(["firing"]);
});

test("rules that come late in a restart close nothing before the first advance", () => {
  const world = new InsightWorld()
    .at(0, match(stateRule, "e", 0))
    .commit(1)
    .restart();
  world.insights.setRules([]);
  expect(world.told()).toEqual(["firing"]);
});

test("a reopening that lapses leaves the insight closed as it was", () => {
  const world = new InsightWorld().at(0, match(slowRule, "e", 0)).at(30);
  world.at(40, miss(slowRule, "e", 40)).at(100);
  world
    .at(200, match(slowRule, "e", 200))
    .at(210, miss(slowRule, "e", 210))
    .commit(210);
  expect(world.told().slice(2)).toEqual(["resolved(fixed)", "pending", "resolved(fixed)"]);
  expect([...world.rows.values()][0]).toMatchObject({ resolvedUs: atSecond(100), reason: "fixed" });
  expect(world.samples("insights_resolved_total")["slow-rule fixed"]).toBe(1);
});

test("flapping is flagged at the fourth transition within an hour and cleared after two quiet ones", () => {
  const world = new InsightWorld();
  const isFlapping = (): boolean[] => [...world.insights.current()].map((one) => one.isFlapping);
  for (const start of [0, 100]) {
    world.at(start, match(eventRule, `f${start}`, start)).at(start + 50);
    expect(isFlapping()).toEqual([false]);
    world.at(start + 60);
  }
  expect(isFlapping()).toEqual([true]);
  world
    .commit(200)
    .restart()
    .at(160 + 2 * hour - 1);
  expect(isFlapping()).toEqual([true]);
  world.at(200 + 2 * hour);
  expect(isFlapping()).toEqual([false]);
});

const web = "c1/shop/web";
const unknownWeb = "unknown/10.0.0.5";

test("a renamed node re-keys in silence and keeps the insight's id", () => {
  const world = new InsightWorld();
  world.at(0, match(eventRule, "f1", 0, { key: [unknownWeb, "443"] })).commit(0);
  const [id] = world.rows.keys();
  world.at(1, { kind: "renamed", from: unknownWeb, to: web }).commit(1);
  expect(world.told()).toEqual(["firing"]);
  expect([...world.rows.keys()]).toEqual([id]);
  expect([...world.rows.values()][0]?.fingerprint).toBe(fingerprintOf(eventRule.id, [web, "443"]));
  world.at(2, match(eventRule, "f2", 2, { key: [web, "443"] }));
  expect(world.told(), "the next match finds it").toEqual(["firing"]);
  world.at(3, match(eventRule, "f3", 3, { key: [unknownWeb, "443"] })).commit(3);
  expect(world.rows.size, "the old key is free, and its id is not reused").toBe(2);
});

test("an id is not given again, however the node was renamed and whatever was forgotten", () => {
  const world = new InsightWorld({ episodesMax: 1 });
  for (const turn of [0, 1, 2]) {
    const key = [unknownWeb, "443"];
    world.at(turn, match(eventRule, `f${turn}`, turn, { key }));
    world.at(turn, { kind: "renamed", from: unknownWeb, to: `c1/shop/web${turn}` }).commit(turn);
  }
  expect(world.rows.size).toBe(3);

  const later = new InsightWorld();
  later.at(0, match(eventRule, "f1", 0, { key: [unknownWeb] }));
  later.at(1, { kind: "renamed", from: unknownWeb, to: web }).at(60).commit(60);
  later
    .at(3 * day)
    .commit(3 * day)
    .restart()
    .at(3 * day);
  later.at(3 * day, match(eventRule, "f2", 3 * day, { key: [unknownWeb] })).commit(3 * day);
  expect(later.rows.size).toBe(2);
});

test("insights of two nodes that prove to be one merge: first seen wins, occurrences unite", () => {
  const world = new InsightWorld();
  world.at(1, match(eventRule, "f1", 1, { key: [web, "443"] }));
  world.at(2, match(eventRule, "f2", 0, { key: [unknownWeb, "443"] })).commit(2);
  world.at(3, { kind: "renamed", from: unknownWeb, to: web }).commit(3);
  const open = [...world.insights.current()];
  expect(open.map((one) => [one.key, one.firstSeenUs, one.occurrences.total])).toEqual([
    [[web, "443"], atSecond(0), 2],
  ]);
  expect([...world.rows.values()].map((row) => row.state).sort()).toEqual(["firing", "inactive"]);
  expect(world.told()).toEqual(["firing", "firing", "inactive(withdrawn)"]);
  world.at(4, miss(eventRule, "f1", 4, "withdrawn"), miss(eventRule, "f2", 4, "withdrawn"));
  expect(world.told().slice(3)).toEqual(["resolved(late_evidence)"]);
  expect(world.commit(4).restart().states()).toEqual(["resolved(late_evidence)"]);
});

test("evidence is the first 20 of all by event time, without that of what was withdrawn", () => {
  const world = new InsightWorld();
  for (let second = 29; second >= 0; second--) world.at(40, match(eventRule, `f${second}`, second));
  for (const second of [3, 7]) world.at(41, miss(eventRule, `f${second}`, 41, "withdrawn"));
  world.commit(41).restart();
  const texts = [...world.insights.current()][0]?.occurrences.evidence.map(({ text }) => text);
  const expected = [...Array(22).keys()].filter((second) => second !== 3 && second !== 7);
  expect(texts).toEqual(expected.map((second) => `f${second}`));
});

test("an insight goes on under the key of what its entity proved to be", () => {
  const world = new InsightWorld();
  const [portless, known] = [
    ["a", "b", "0"],
    ["a", "b", "9080"],
  ];
  world.at(1, match(stateRule, "e0", 1, { key: portless }));
  const [before] = [...world.insights.current()].map(({ id }) => id);
  world.at(2, match(stateRule, "e1", 2, { key: known, replaces: ["e0"] }));
  world.at(2, lost(stateRule, "e0", 2));
  const after = [...world.insights.current()];
  expect(after.map(({ id, key, state }) => [id, key, state])).toEqual([[before, known, "firing"]]);
  expect(world.told()).toHaveLength(1);
});

test("what an entity says later replaces what it said before", () => {
  const world = new InsightWorld();
  const [six, two, four] = [evidenceOf("six", 4), evidenceOf("two", 2), evidenceOf("four", 4)];
  world.at(1, match(stateRule, "e1", 4, { evidence: [six] }));
  world.at(2, match(stateRule, "e1", 4, { evidence: [two, four] }));
  expect([...world.insights.current()][0]?.occurrences.evidence).toEqual([two, four]);
});

test("evidence of an event that can no longer be withdrawn stays", () => {
  const exec = evidenceOf("exec", 0);
  const world = new InsightWorld({ occurrencesMax: 1 });
  for (const id of ["f1", "f2"]) world.at(1, match(eventRule, id, 1, { evidence: [exec] }));
  world.at(2, miss(eventRule, "f2", 2, "withdrawn"));
  expect([...world.insights.current()][0]?.occurrences.evidence).toEqual([exec]);
});

test("evidence that two events share stays while one of them stands", () => {
  const exec = evidenceOf("exec", 0);
  const world = new InsightWorld();
  for (const id of ["f1", "f2"]) world.at(1, match(eventRule, id, 1, { evidence: [exec] }));
  world.at(2, miss(eventRule, "f1", 2, "withdrawn"));
  expect([...world.insights.current()][0]?.occurrences.evidence).toEqual([exec]);
});

test("confidence is the strongest of what stands", () => {
  const world = new InsightWorld();
  const confidence = (): string[] => [...world.insights.current()].map((one) => one.confidence);
  world.at(0, match(eventRule, "f1", 0, { confidence: "low" })).at(1, match(eventRule, "f2", 1));
  expect(confidence()).toEqual(["high"]);
  world.at(2, miss(eventRule, "f2", 2, "withdrawn"));
  expect(confidence()).toEqual(["low"]);
});

test("the place of a renamed subject follows its key", () => {
  const node = { cluster: "", namespace: "", name: "", kind: "", address: "10.0.0.5" };
  const subject = { ...match(eventRule, "f1", 0).subject!, ...node, resolved: "none" as const }; // the helper always has one
  expect(nodeKey(subject)).toBe(unknownWeb);
  const world = new InsightWorld();
  world.at(0, match(eventRule, "f1", 0, { subject, key: [unknownWeb] }));
  world.at(1, { kind: "renamed", from: unknownWeb, to: web }).commit(1);
  expect([...world.rows.values()][0]).toMatchObject({ namespace: "shop", workload: "web" });
});
