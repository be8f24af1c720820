import { expect, test } from "vitest";
import { Admission, type Hold } from "./admission.ts";

function makeAdmission(maxBytes: number) {
  let used = 0;
  const evicted: string[] = [];
  const admission = new Admission(maxBytes, (bytes) => (used = bytes));
  const connections = new Map<string, object>();
  return {
    admission,
    evicted,
    used: () => used,
    hold: (connection: string, name: string): Hold => {
      const owner = connections.get(connection) ?? {};
      connections.set(connection, owner);
      return admission.hold(owner, { evicted: () => evicted.push(name) });
    },
  };
}

test("the greediest connection loses its largest request, not the one who asks", () => {
  const { hold, evicted, used } = makeAdmission(100);
  expect(hold("greedy", "a").resize(30)).toBe(true);
  expect(hold("greedy", "b").resize(40)).toBe(true);
  expect(hold("modest", "c").resize(20)).toBe(true);
  expect(hold("modest", "d").resize(20)).toBe(true);
  expect(evicted).toEqual(["b"]);
  expect(used()).toBe(70);
});

test("who asks may be the greediest", () => {
  const { hold, evicted, used } = makeAdmission(100);
  hold("other", "a").resize(40);
  const mine = hold("me", "b");
  expect(mine.resize(60)).toBe(true);
  expect(mine.resize(61)).toBe(false);
  expect(evicted).toEqual(["b"]);
  expect(used()).toBe(40);
  expect(mine.resize(1)).toBe(false);
});

test("what is pinned stays, and is given back when it is released", () => {
  const { admission, hold, evicted, used } = makeAdmission(100);
  const pinned = hold("a", "pinned");
  pinned.resize(80);
  admission.pin(pinned);
  expect(admission.canPin(20)).toBe(true);
  expect(admission.canPin(21)).toBe(false);
  expect(hold("b", "asks").resize(30)).toBe(false);
  expect(evicted).toEqual([]);
  pinned.release();
  pinned.release();
  expect(used()).toBe(0);
  expect(admission.canPin(100)).toBe(true);
});

test("shrinking needs no room", () => {
  const { hold, used } = makeAdmission(10);
  const one = hold("a", "one");
  one.resize(10);
  expect(one.resize(3)).toBe(true);
  expect(used()).toBe(3);
});
