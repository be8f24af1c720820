/** Cells from masks: counts, what is missing, limits. */
import { expect, test } from "vitest";
import { coverageText } from "../cli/coverage.ts";
import type { StoredCoverage } from "../model/api-coverage.ts";
import { maskOf, type CoverageGroup } from "../model/coverage.ts";
import type { RuleMeta } from "../model/insights.ts";
import { bypassCoverage, bypassText, coverageOf } from "./coverage.ts";

const rule = (id: string, parts: Partial<RuleMeta> = {}): RuleMeta => ({
  id,
  ruleset: "test",
  category: "capture",
  title: id,
  severity: "critical",
  status: "test",
  version: "1",
  on: "flow",
  lifecycle: "event",
  forUs: 0,
  keepFiringForUs: 0,
  description: "",
  remediation: "",
  falsePositives: [],
  references: [],
  tags: [],
  needs: [
    ["sockets", "flows"],
    ["sockets", "proxy_logs"],
  ],
  partly: [["sockets"]],
  ...parts,
});

const group = (
  namespace: string,
  workloads: number,
  live: readonly string[],
  parts: Partial<CoverageGroup> = {},
): CoverageGroup => {
  const mask = maskOf(live);
  return { cluster: "c1", namespace, meshed: true, live: mask, heard: mask, workloads, ...parts };
};

const stored: StoredCoverage = {
  groups: [
    group("shop", 5, ["sockets", "flows"]),
    group("shop", 2, ["sockets"], { heard: maskOf(["sockets", "flows"]) }),
    group("shop", 9, [], { meshed: false }),
    group("bank", 3, ["proxy_metrics"]),
  ],
  workloads: [
    { cluster: "c1", namespace: "shop", name: "a", pods: 1, live: maskOf(["sockets"]), heard: 0 },
    { cluster: "c1", namespace: "shop", name: "b", pods: 2, live: 127, heard: 127 },
  ],
};

test("rules are judged, partly, or blind, with the set that lacks least", () => {
  const coverage = coverageOf(stored, [rule("one"), rule("free", { needs: [] })], {});
  expect(coverage).toMatchObject({ workloads: 19, meshed_workloads: 10, truncated: false });
  expect(coverage.capabilities["flows"]).toEqual({ live: 5, silent: 2, never: 3 });
  expect(coverage.rules).toEqual([
    {
      rule: "one",
      judged: 5,
      partly: 2,
      blind: 3,
      missing: [
        { judgement: "blind", missing: ["flows", "sockets"], workloads: 3 },
        { judgement: "partly", missing: ["flows"], workloads: 2 },
      ],
    },
  ]);
  expect(coverage.namespaces.map(({ namespace }) => namespace)).toEqual(["shop", "bank"]);
  expect(coverage.not_judged).toEqual([
    expect.objectContaining({
      name: "a",
      rules: [{ rule: "one", judgement: "partly", missing: ["flows"] }],
    }),
  ]);
});

test("a limit cuts namespaces and not the totals; a rule may be asked for alone", () => {
  const coverage = coverageOf(stored, [rule("one"), rule("two")], { limit: 1, rule: "two" });
  expect(coverage).toMatchObject({ truncated: true, meshed_workloads: 10 });
  expect(coverage.namespaces).toHaveLength(1);
  expect(coverage.rules.map((one) => one.rule)).toEqual(["two"]);
});

test("judged for bypass: by all of the gravest rules on connections that watch the capture", () => {
  const rules = [
    rule("gravest"),
    rule("lesser", { severity: "high", needs: [["flows"]] }),
    rule("else", { category: "encryption", needs: [["objects"]] }),
  ];
  const bypass = bypassCoverage(stored, rules);
  expect(bypass && bypassText(bypass)).toBe(
    "5 of 10 meshed workloads are judged for bypass; missing: flows and sockets (3), flows (2)",
  );
  expect(bypassCoverage(stored, [])).toBeNull();
});

test("the command's tables say who is missing what", () => {
  const lines = coverageText(coverageOf(stored, [rule("one")], { namespace: "shop" })).split("\n");
  expect(lines[0]).toBe("10 of 19 workloads are in the mesh. Of these are seen:");
  expect(lines).toContainEqual(expect.stringMatching(/^shop +7 .* 5, 2 silent /));
  expect(lines).toContainEqual(
    expect.stringMatching(/^one +5 +2 +3 +flows and sockets \(3\), and 1 other sets$/),
  );
  expect(lines).toContainEqual(expect.stringMatching(/^shop\/a +one +partly +flows$/));
  const nobody = { groups: [], workloads: [] };
  expect(coverageText(coverageOf(nobody, [], {}))).toBe("no workload with living pods is known\n");
});
