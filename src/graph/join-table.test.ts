import { expect, test } from "vitest";
import { JoinTable } from "./join-table.ts";

function makeTable(max: number, share: number): { table: JoinTable<number>; gone: string[] } {
  const gone: string[] = [];
  return { table: new JoinTable<number>(max, share, ({ id }) => gone.push(id)), gone };
}

function add(table: JoinTable<number>, id: string, owner: string, atUs = 1, expiresUs = 100): void {
  table.add({ id, owner, value: 0, atUs, expiresUs });
}

test("records leave when their time is over, in order of arrival", () => {
  const { table, gone } = makeTable(10, 1);
  add(table, "a", "w", 1, 50);
  add(table, "b", "w", 1, 60);
  table.expire(49);
  expect(gone).toEqual([]);
  table.expire(50);
  expect([gone, table.size, table.evicted]).toEqual([["a"], 1, 0]);
});

test("above its share an owner loses its own oldest, and its horizon tells up to when", () => {
  const { table, gone } = makeTable(10, 0.3);
  add(table, "other", "quiet");
  for (let i = 0; i < 5; i++) add(table, `f${i}`, "flood", i + 1);
  expect([gone, table.evicted]).toEqual([["f0", "f1"], 2]);
  expect([table.horizonUs("flood"), table.horizonUs("quiet")]).toEqual([2, 0]);
});

test("a full table takes from who has more than a fair share, else the oldest", () => {
  const greedy = makeTable(4, 1);
  for (const id of ["q", "a", "b", "c"]) add(greedy.table, id, id === "q" ? "quiet" : "flood");
  add(greedy.table, "d", "flood");
  expect(greedy.gone).toEqual(["a"]);

  const fair = makeTable(4, 1);
  for (const id of ["q", "r", "s", "t"]) add(fair.table, id, id);
  add(fair.table, "u", "u");
  expect(fair.gone).toEqual(["q"]);
});
