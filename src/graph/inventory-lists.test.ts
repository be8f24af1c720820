/** Complete lists of several instances: what each tells no more is missing, and what another tells is not. */
import { expect, test } from "vitest";
import { InventoryLists } from "./inventory-lists.ts";

const second = 1_000_000;
const minute = 60 * second;

function listsOf(...lists: [teller: string, atS: number, items: string][]): InventoryLists<string> {
  const all = new InventoryLists<string>(minute);
  for (const [teller, atS, items] of lists) {
    for (const item of items) all.add("lab", teller, item, atS * second);
  }
  return all;
}

const at = (lists: InventoryLists<string>, atS: number): string[] =>
  lists
    .missing(atS * second)
    .map(({ item, listedUs, withoutUs }) => `${item} ${listedUs / second} ${withoutUs / second}`);

test("what the next list lacks is missing once no more of that list can come", () => {
  const lists = listsOf(["a", 0, "xy"], ["a", 30, "xy"], ["a", 60, "y"]);
  expect(at(lists, 119)).toEqual([]);
  expect(at(lists, 120)).toEqual(["x 30 60"]);
  expect(at(lists, 240)).toEqual([]);
});

test("the same whatever came first", () => {
  const lists = listsOf(["a", 60, "y"], ["a", 0, "x"], ["a", 30, "y"], ["a", 30, "x"]);
  expect(at(lists, 120)).toEqual(["x 30 60"]);
});

test("an instance tells nothing of what is another's", () => {
  const lists = listsOf(["a", 0, "x"], ["b", 1, "y"], ["a", 400, "x"], ["b", 401, "y"]);
  expect(at(lists, 460)).toEqual([]);
  expect(at(lists, 600)).toEqual([]);
});

test("an instance that was replaced tells no more of what nobody told since", () => {
  const lists = listsOf(["a", 0, "xy"], ["b", 60, "y"]);
  expect(at(lists, 800)).toEqual([]);
  // Alone it may as well be late.
  expect(at(lists, 2_000)).toEqual([]);
  lists.add("lab", "b", "y", 2_000 * second);
  expect(at(lists, 2_000)).toEqual(["x 0 2000", "y 0 2000"]);
  expect(at(lists, 4_000)).toEqual([]);
});

test("after a restart the next list tells what is missing, and the last one does not", () => {
  const lists = new InventoryLists<string>(minute);
  lists.restore("lab", "a", "x", 0);
  lists.restore("lab", "a", "y", 60 * second);
  expect(at(lists, 600)).toEqual([]);
  lists.add("lab", "a", "y", 600 * second);
  expect(at(lists, 660)).toEqual(["x 0 600"]);
});
