/** Cells from masks: counts, what is missing, limits. */
import { expect, test } from "vitest";
import { coverageText } from "../cli/coverage.ts";
import type { StoredCoverage, StoredWorkload } from "../model/api-coverage.ts";
import { maskOf, type CoverageGroup } from "../model/coverage.ts";
import type { RuleMeta } from "../model/insights.ts";
import { makeRuleMeta } from "../../test/support/rule-meta.ts";
import { bypassCoverage, bypassText, coverageOf, isBypassWhole } from "./coverage.ts";

const rule = (id: string, parts: Partial<RuleMeta> = {}): RuleMeta =>
  makeRuleMeta({
    id,
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
  return { cluster: "c1", namespace, mesh: "yes", live: mask, heard: mask, workloads, ...parts };
};

const workload = (name: string, parts: Partial<StoredWorkload> = {}): StoredWorkload => {
  const none = { mesh: "yes", pods: 1, live: 0, heard: 0 } as const;
  return { cluster: "c1", namespace: "shop", name, ...none, ...parts };
};

const stored: StoredCoverage = {
  feeds: [{ cluster: "c1", capability: "objects", state: "live" }],
  groups: [
    group("shop", 5, ["sockets", "flows"]),
    group("shop", 2, ["sockets"], { heard: maskOf(["sockets", "flows"]) }),
    group("shop", 9, [], { mesh: "no" }),
    group("bank", 3, ["proxy_metrics"]),
  ],
  workloads: [
    workload("a", { live: maskOf(["sockets"]) }),
    workload("b", { live: 127, heard: 127 }),
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

test("of a workload of which nobody says whether it is in the mesh no rule judges anything", () => {
  const one = group("shop", 2, ["sockets", "flows"], { mesh: "unknown" });
  const claimed = group("shop", 7, [], { mesh: "unknown" });
  const unknown = { ...stored, groups: [...stored.groups, one, claimed] };
  const free = rule("of the cluster", { on: "cluster", needs: [["flows"]], partly: [] });
  const coverage = coverageOf(unknown, [rule("one"), free], {});
  expect(coverage).toMatchObject({ workloads: 28, meshed_workloads: 10, unknown_workloads: 2 });
  expect(coverage.rules).toMatchObject([
    { rule: "one", judged: 5, blind: 5, missing: [{}, {}, { missing: ["objects"], workloads: 2 }] },
    { rule: "of the cluster", judged: 7 },
  ]);
  const bypass = bypassCoverage(unknown, [rule("one")]);
  expect(bypass && [bypassText(bypass), isBypassWhole(bypass)]).toEqual([
    "5 of 10 meshed workloads are judged for bypass; missing: flows and sockets (3), flows (2); of 2 more nobody says whether they are in the mesh",
    false,
  ]);
});

test("a cluster whose objects nobody tells is told of, even if it is our own and nothing was heard", () => {
  const nobody = {
    groups: [],
    feeds: [{ cluster: "c2", capability: "objects" as const, state: "live" as const }],
    workloads: [],
  };
  const rules = [
    rule("declared", { on: "cluster", needs: [["objects"]], partly: [] }),
    rule("one"),
    rule("free", { on: "cluster", needs: [["flows"]] }),
  ];
  expect(coverageOf(nobody, rules, {}, { ownCluster: "c1" }).clusters).toEqual([
    {
      cluster: "c1",
      objects: "never",
      rules: [
        { rule: "declared", judgement: "blind", missing: ["objects"] },
        { rule: "one", judgement: "partly", missing: ["objects"] },
      ],
    },
    { cluster: "c2", objects: "live", rules: [] },
  ]);
});

test("the command says first what is not seen and what would show it", () => {
  const workloads = [...stored.workloads, workload("c", { mesh: "unknown", heard: 1 })];
  const groups = [...stored.groups, group("shop", 1, [], { mesh: "unknown", heard: 1 })];
  const feeds = [
    ...stored.feeds,
    { cluster: "c2", capability: "objects" as const, state: "silent" as const },
  ];
  const rules = [rule("two", { needs: [["flows"]] }), rule("one")];
  const coverage = coverageOf({ groups, workloads, feeds }, rules, { namespace: "shop" });
  const lines = coverageText(coverage).split("\n");
  expect(lines[0]).toBe(
    "10 of 20 workloads are in the mesh; of 1 more nobody says whether they are.",
  );
  const all = coverageText({ ...coverage, not_judged: [] });
  expect([all, lines.join("\n")].map((text) => text.includes("--namespace <namespace>"))).toEqual([
    true,
    false,
  ]);
  expect(lines[3]).toMatch(/^MISSING +OF WORKLOADS +RULES BLIND +RULES PARTLY +SOURCES$/);
  expect(lines[4]).toMatch(/^flows +6 +2 +0 +netflow or hubble-flows or obi-flows/);
  expect(lines.slice(5, 7)).toEqual([
    expect.stringMatching(/^objects +1, and all of cluster c2 +2 +0 +k8sobjects$/),
    expect.stringMatching(/^sockets +4 +1 +0 +/),
  ]);
  expect(lines).toContainEqual(
    expect.stringMatching(/^shop +7, 1 unknown .* 5, 2 silent, 1 never /),
  );
  expect(lines).toContainEqual(
    expect.stringMatching(/^one +5 +2 +4 +flows and sockets \(3\), and 2 other sets$/),
  );
  expect(lines).toContainEqual(expect.stringMatching(/^shop\/a +partly +flows +two, one$/));
  expect(lines).toContainEqual(
    expect.stringMatching(/^shop\/c \(in the mesh\?\) +blind +flows and objects +two$/),
  );
});

test("the command has something to say where nobody is known", () => {
  const nobody = { groups: [], feeds: [], workloads: [] };
  expect(coverageText(coverageOf(nobody, [], {}))).toBe(
    "no workload with living pods is known\n\nEvery rule judges every one of them.\n",
  );
  const lines = coverageText(coverageOf(nobody, [rule("one")], {}, { ownCluster: "c1" })).split(
    "\n",
  );
  expect(lines[4]).toMatch(/^objects +0, and all of cluster c1 +0 +1 +k8sobjects$/);
});
