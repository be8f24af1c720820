/** From when to when an object listed an item follows from its words, in whatever order they came. */
import { expect, test } from "vitest";
import { Holdings } from "./holdings.ts";

const second = 1_000_000;

/** What the object had at each of these seconds. */
const words: readonly (readonly [atS: number, items: readonly string[]])[] = [
  [10, ["a"]],
  [20, ["a", "b"]],
  [30, ["b"]],
  [40, ["b"]],
  [50, []],
  [60, ["c"]],
];

function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  return items
    .map((item, index) => [((index + 1) * seed * 7_919) % 101, item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}

function spans(holdings: Holdings, slackS = 0): string[] {
  return ["a", "b", "c"].map((item) =>
    Array.from({ length: 8 }, (_, index) => index * 10 + 5)
      .filter((atS) => holdings.isHeld(item, atS * second, slackS * second, slackS * second))
      .join(" "),
  );
}

test("an item is listed from its first word to the first later one without it, in every order", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const holdings = new Holdings();
    for (const [atS, items] of shuffled(words, seed)) holdings.seen(items, atS * second);
    expect(spans(holdings)).toEqual(["15 25", "25 35 45", "65 75"]);
    expect(spans(holdings, 10)).toEqual(["5 15 25 35", "15 25 35 45 55", "55 65 75"]);
  }
});

test("what is stored comes back", () => {
  const holdings = new Holdings();
  for (const [atS, items] of words) holdings.seen(items, atS * second);
  const restored = new Holdings();
  restored.restore(holdings.toStored());
  expect(spans(restored)).toEqual(spans(holdings));
  restored.seen(["a"], 70 * second);
  expect(restored.isHeld("a", 75 * second, 0, 0)).toBe(true);
});

test("an object that changes for ever keeps neither all its words nor all its items", () => {
  const holdings = new Holdings();
  for (let index = 0; index < 10_000; index++) {
    holdings.seen([`item ${index}`, "stays"], index * second);
  }
  const { times, items } = holdings.toStored();
  expect(times.length).toBeLessThanOrEqual(128);
  expect(items.length).toBeLessThan(2_200);
  expect(holdings.isHeld("stays", 9_999 * second, 0, 0)).toBe(true);
  expect(holdings.isHeld("item 9990", 9_995 * second, 0, 0)).toBe(false);
});

test("too many items at once are counted", () => {
  const holdings = new Holdings();
  holdings.seen(
    Array.from({ length: 4_000 }, (_, index) => `item ${index}`),
    second,
  );
  expect(holdings.dropped).toBe(1_000);
});

test("what is unsaid was never listed, and may be said anew", () => {
  const holdings = new Holdings();
  for (const [atS, items] of words) holdings.seen(items, atS * second);
  holdings.unsay();
  expect(spans(holdings)).toEqual(["", "", ""]);
  expect([...holdings.items]).toEqual(["a", "b", "c"]);
  expect(holdings.toStored()).toEqual({ times: [], items: [] });
  holdings.seen(["b"], 20 * second);
  holdings.seen([], 40 * second);
  expect(spans(holdings)).toEqual(["", "25 35", ""]);
});
