import { expect, test } from "vitest";
import { RecentGrowth, recentMs, type Readings } from "./recent.ts";

const of = (value: number, kind = "a"): Readings =>
  new Map([["observations_total", [{ labels: { kind }, value }]]]);
const grown = (readings: Readings): number | undefined =>
  readings.get("observations_total")?.[0]?.value;

test("growth is counted from the start, then over the last ten minutes", () => {
  const recent = new RecentGrowth(0);
  expect(grown(recent.growth(of(3)))).toBe(3);
  for (let atMs = 5_000; atMs <= recentMs; atMs += 5_000) recent.sample(atMs, of(atMs / 1_000));
  expect(grown(recent.growth(of(600)))).toBe(600);
  for (let atMs = recentMs; atMs <= 3 * recentMs; atMs += 5_000)
    recent.sample(atMs, of(atMs / 1_000));
  const growth = grown(recent.growth(of(1_800))) ?? 0;
  expect(growth).toBeGreaterThanOrEqual(600);
  expect(growth).toBeLessThanOrEqual(660);
});

test("what rests is not told, whenever it moved", () => {
  const recent = new RecentGrowth(0);
  for (let atMs = 0; atMs <= 3 * recentMs; atMs += 30_000) recent.sample(atMs, of(7));
  expect(recent.growth(of(7)).get("observations_total")).toEqual([]);
});

test("it knows when each last rose", () => {
  const recent = new RecentGrowth(0);
  recent.sample(1_000, of(0));
  recent.sample(6_000, of(2));
  recent.sample(11_000, of(2));
  expect(recent.roseAtMs("observations_total", { kind: "a" })).toBe(6_000);
  expect(recent.roseAtMs("observations_total", { kind: "b" })).toBe(0);
});
