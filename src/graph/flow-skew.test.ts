import { expect, test } from "vitest";
import { FlowSkew } from "./flow-skew.ts";

const second = 1_000_000;

test("two seconds until three flows have matched, then the largest difference and a bit", () => {
  const skew = new FlowSkew();
  const learn = (flow: string, differenceUs: number): boolean =>
    skew.learn("agent", flow, differenceUs, 0);
  expect([learn("a", 0.1 * second), learn("b", 0.35 * second)]).toEqual([false, false]);
  expect(skew.boundUs("agent")).toBe(2 * second);
  expect(learn("c", 0.05 * second)).toBe(true);
  expect(skew.boundUs("agent")).toBe(0.6 * second);
  expect(skew.boundUs("another")).toBe(2 * second);
});

test("a nearer socket that comes late corrects the difference", () => {
  const skew = new FlowSkew();
  for (const flow of ["a", "b", "c"]) skew.learn("agent", flow, 9 * second, 0);
  expect(skew.boundUs("agent")).toBe(9.2 * second);
  for (const flow of ["a", "b", "c"]) skew.learn("agent", flow, 0, 0);
  expect(skew.boundUs("agent")).toBe(0.2 * second);
});

test("what matched more than an hour before a flow that can still be judged is forgotten", () => {
  const skew = new FlowSkew();
  skew.learn("agent", "old", 9 * second, 0);
  for (const flow of ["a", "b", "c"]) skew.learn("agent", flow, 0, 3_700 * second);
  expect(skew.boundUs("agent")).toBe(9.2 * second);
  skew.learn("agent", "d", 0, 4_600 * second);
  expect(skew.boundUs("agent")).toBe(0.2 * second);
});
