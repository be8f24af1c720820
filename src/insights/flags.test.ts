import { expect, test } from "vitest";
import {
  atSecond,
  eventRule,
  InsightWorld,
  match,
  miss,
  slowRule,
  source,
  stateRule,
} from "../../test/support/insight-world.ts";
import type { Acknowledgement } from "../model/insights.ts";

const day = 24 * 3_600;
const outbox = { isOn: true, reminderUs: 0, charactersMax: 1_000_000 };

const jo = (second: number, until = 0): Acknowledgement => ({
  by: "jo",
  atUs: atSecond(second),
  untilUs: until === 0 ? 0 : atSecond(until),
  note: "on it",
});

const idOf = (world: InsightWorld): string => [...world.insights.current()][0]?.id ?? "";

/** Firing since 0. */
const firing = (): InsightWorld => new InsightWorld({ outbox }).at(0, match(stateRule, "e", 0));

const gauges = (world: InsightWorld): string[] =>
  Object.entries(world.samples("insights"))
    .filter(([, value]) => value > 0)
    .map(([labels, value]) => `${labels}: ${value}`);

test("what is acknowledged fires on and pages nobody; taken back it pages again", () => {
  const world = firing();
  world.at(10);
  expect(world.insights.acknowledge(idOf(world), jo(10))).toBe("");
  expect(gauges(world)).toEqual(["state-rule high shop acknowledged: 1"]);
  expect(world.samples("insights_oldest_firing_timestamp_seconds")).toEqual({});
  world.at(20);
  expect(world.insights.acknowledge(idOf(world), null)).toBe("");
  expect(gauges(world)).toEqual(["state-rule high shop firing: 1"]);
  world.commit(20);
  expect(world.recorded()).toEqual(["firing@0", "update firing@10", "update firing@20"]);
  expect(world.records.map(({ acknowledgedBy }) => acknowledgedBy)).toEqual(["", "jo", ""]);
  expect(world.told()).toEqual(["firing"]);
});

test("taking back what nobody has said tells nobody", () => {
  const world = firing();
  expect(world.insights.acknowledge(idOf(world), null)).toBe("");
  world.commit(1);
  expect(world.recorded()).toEqual(["firing@0"]);
});

test("only what is active can be acknowledged", () => {
  const world = firing();
  expect(world.insights.acknowledge("nobody", jo(0))).toBe("no_such_insight");
  world.at(1, miss(stateRule, "e", 1)).at(100);
  expect(world.states()).toEqual(["resolved(fixed)"]);
  expect(world.insights.acknowledge(idOf(world), jo(100))).toBe("not_active");
});

test("an acknowledgement with an end is over at that moment, and people hear of it", () => {
  const world = firing();
  world.insights.acknowledge(idOf(world), jo(0, 50));
  world.at(49);
  expect(gauges(world)).toEqual(["state-rule high shop acknowledged: 1"]);
  world.at(80).commit(80);
  expect(gauges(world)).toEqual(["state-rule high shop firing: 1"]);
  expect(world.recorded()).toEqual(["firing@0", "update firing@0", "update firing@50"]);
});

test("a pending one can be acknowledged, and is told when it fires", () => {
  const world = new InsightWorld({ outbox }).at(0, match(slowRule, "e", 0));
  world.insights.acknowledge(idOf(world), jo(0));
  expect(gauges(world)).toEqual(["slow-rule high shop pending: 1"]);
  world.at(40).commit(40);
  expect(gauges(world)).toEqual(["slow-rule high shop acknowledged: 1"]);
  expect(world.recorded()).toEqual(["firing@30"]);
  expect(world.records[0]?.acknowledgedBy).toBe("jo");
});

test("what nobody can judge is unknown, acknowledged or not", () => {
  const world = firing();
  world.insights.acknowledge(idOf(world), jo(0));
  world.at(10, source("silent", 10));
  expect(gauges(world)).toEqual(["state-rule high shop unknown: 1"]);
});

test("it survives a restart, and so does its end", () => {
  const world = firing();
  world.insights.acknowledge(idOf(world), jo(0, 500));
  world.commit(1).restart().at(400);
  expect(gauges(world)).toEqual(["state-rule high shop acknowledged: 1"]);
  world.restart().at(600).commit(600);
  expect(gauges(world)).toEqual(["state-rule high shop firing: 1"]);
  expect(world.recorded().at(-1)).toBe("update firing@500");
});

test("fires again in the same episode: still acknowledged; in a new one it is not", () => {
  const world = firing();
  world.insights.acknowledge(idOf(world), jo(0));
  world.at(1, miss(stateRule, "e", 1)).at(100, match(stateRule, "e", 100));
  expect(gauges(world)).toEqual(["state-rule high shop acknowledged: 1"]);
  world.at(101, miss(stateRule, "e", 101)).at(3 * day, match(stateRule, "e", 3 * day));
  expect(gauges(world)).toEqual(["state-rule high shop firing: 1"]);
});

test("of two that prove to be one, the livelier one's word counts", () => {
  for (const acknowledged of ["a", "b"]) {
    const world = new InsightWorld().at(
      0,
      match(eventRule, "a", 0, { key: ["old"] }),
      match(eventRule, "b", 1, { key: ["new"] }),
    );
    const ids = new Map([...world.insights.current()].map(({ id, key }) => [key[0], id]));
    world.insights.acknowledge(ids.get(acknowledged === "a" ? "old" : "new") ?? "", jo(0));
    world.at(5, { kind: "renamed", from: "old", to: "new" });
    // Both fire: that of the one first seen stays.
    expect(gauges(world)).toEqual([
      `event-rule high shop ${acknowledged === "a" ? "acknowledged" : "firing"}: 1`,
    ]);
  }
});
