/** Times by key: who leaves a full table, and what that makes of those that are not there. */
import { expect, test } from "vitest";
import { usPerMinute } from "../model/time.ts";
import { SeenTimes } from "./seen-times.ts";

const keysMax = 40_000;
const minute = (count: number): number => count * usPerMinute;

test("near is within the reach, of the first or the last time", () => {
  const seen = new SeenTimes(minute(16));
  seen.note("a", minute(100));
  seen.note("a", minute(110));
  expect(seen.isNear("a", minute(84))).toBe(true);
  expect(seen.isNear("a", minute(126))).toBe(true);
  expect(seen.isNear("a", minute(83))).toBe(false);
  expect(seen.isNear("a", minute(127))).toBe(false);
  expect(seen.isNear("b", minute(100))).toBe(false);
  expect(seen.isForgotten("", minute(100))).toBe(false);
});

test("who is seen again and again stays; whose absence proves nothing any more is known", () => {
  const seen = new SeenTimes(minute(16));
  seen.note("often", 0, "busy");
  for (let key = 1; key < keysMax; key++) seen.note(`once-${key}`, minute(1), `owner-${key % 7}`);
  seen.note("often", minute(30), "busy");
  expect(seen.dropped).toBe(0);
  seen.note("new", minute(31), "new");
  expect(seen.dropped).toBe(1);
  expect(seen.isNear("often", minute(31))).toBe(true);
  expect(seen.isForgotten("owner-1", minute(17))).toBe(true);
  expect(seen.isForgotten("owner-1", minute(18))).toBe(false);
  expect(seen.isForgotten("owner-2", minute(17))).toBe(false);
  expect(seen.isForgotten("busy", minute(17))).toBe(false);
});

test("one owner fills its share and is known to lack the rest; nobody else is touched", () => {
  const seen = new SeenTimes(minute(16), 100);
  seen.note("other", minute(1), "other");
  for (let key = 0; key < 200; key++) seen.note(`key-${key}`, minute(1), "flood");
  expect(seen.dropped).toBe(100);
  expect(seen.isForgotten("flood", minute(1))).toBe(true);
  expect(seen.isForgotten("other", minute(1))).toBe(false);
  expect(seen.isNear("other", minute(1))).toBe(true);
});

test("what nobody can ask for any more makes room, and is no loss", () => {
  const seen = new SeenTimes(minute(16), 100);
  for (let key = 0; key < 100; key++) seen.note(`key-${key}`, minute(1), "crawler");
  for (let key = 100; key < 150; key++) seen.note(`key-${key}`, minute(60), "crawler", minute(60));
  expect(seen.dropped).toBe(0);
  expect(seen.isForgotten("crawler", minute(60))).toBe(false);
});
