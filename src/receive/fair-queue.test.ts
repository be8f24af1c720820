import { expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

test("senders take turns, each in its own order", () => {
  const queue = new FairQueue<string>();
  const [a, b] = [{}, {}];
  for (const item of ["a1", "a2", "a3", "a4"]) queue.add(a, item);
  for (const item of ["b1", "b2"]) queue.add(b, item);
  queue.remove(a, "a3");
  queue.remove(a, "not there");
  const order: string[] = [];
  for (let next = queue.peek(); next; next = queue.peek()) {
    expect(queue.take()).toBe(next);
    order.push(next);
  }
  expect(order).toEqual(["a1", "b1", "a2", "b2", "a4"]);
  expect(queue.take()).toBeUndefined();
});
