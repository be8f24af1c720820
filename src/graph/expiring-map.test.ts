import { expect, test } from "vitest";
import { ExpiringMap } from "./expiring-map.ts";
import { Queue } from "./queue.ts";

test("an entry lives once to twice its time", () => {
  const map = new ExpiringMap<number>(100, 10);
  map.set("a", 1, 5);
  for (const [nowUs, value] of [
    [14, 1],
    [15, 1],
    [24, 1],
    [25, undefined],
  ] as const) {
    map.advance(nowUs);
    expect(map.get("a"), `at ${nowUs}`).toBe(value);
  }
  map.set("b", 2, 30);
  map.set("b", 3, 31);
  expect([map.get("b"), map.dropped]).toEqual([3, 0]);
});

test("when it is full the older half gives way and is counted", () => {
  const map = new ExpiringMap<number>(4, 10);
  for (let key = 0; key < 5; key++) map.set(`${key}`, key, 1);
  const kept = [0, 1, 2, 3, 4].filter((key) => map.get(`${key}`) !== undefined);
  expect([kept, map.dropped]).toEqual([[2, 3, 4], 2]);
});

test("a queue gives back in order, whatever was taken in between", () => {
  const queue = new Queue<number>();
  const taken: (number | undefined)[] = [];
  for (let item = 1; item <= 100; item++) {
    queue.push(item);
    if (item % 3 === 0) taken.push(queue.shift(), queue.shift());
  }
  expect(taken).toEqual(Array.from({ length: 66 }, (_, at) => at + 1));
  expect([queue.size, queue.first, ...queue].slice(0, 4)).toEqual([34, 67, 67, 68]);
  while (queue.size > 0) queue.shift();
  expect([queue.shift(), queue.first]).toEqual([undefined, undefined]);
});
