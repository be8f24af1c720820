import { expect, test } from "vitest";
import { makePod } from "../../test/support/graph-observations.ts";
import { usPerHour } from "../model/time.ts";
import { addContradiction, contradictionOf, standing } from "./contradictions.ts";

const pod = makePod({ uid: "u1", node: "node-1", serviceAccount: "web" });

test("what no pod ever changes contradicts, in the same words whoever came first", () => {
  const forged = { ...pod, node: "node-9", containers: [], hostUsers: false };
  const text = contradictionOf(pod, forged);
  expect(text).toBe("user ids of the host no or yes; machine node-1 or node-9");
  expect(contradictionOf(forged, pod)).toBe(text);
});

test("what changes while a pod lives, is not told yet, or is another pod's contradicts nothing", () => {
  expect(contradictionOf(pod, { ...pod, ips: ["10.9.9.9"], labels: { a: "b" } })).toBe("");
  expect(contradictionOf(pod, { ...pod, node: "", serviceAccount: "" })).toBe("");
  expect(contradictionOf(pod, { ...pod, uid: "u2", node: "node-9" })).toBe("");
});

test("of one source twenty are kept, each for an hour after it was last told", () => {
  const one = (index: number, atUs: number) => ({ about: `c/n/p-${index}`, text: "x", atUs });
  let known = standing([], 0);
  for (let index = 0; index < 30; index++) known = addContradiction(known, one(index, index));
  expect(known).toHaveLength(20);
  known = addContradiction(known, one(3, usPerHour));
  expect(known).toHaveLength(20);
  expect(standing(known, usPerHour + 100).map(({ about }) => about)).toEqual(["c/n/p-3"]);
  expect(standing(known, 5)).toBe(known);
});
