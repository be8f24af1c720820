/** Shares of namespaces, over clusters, and through the cap on namespaces. */
import { expect, test } from "vitest";
import { prometheusDefaults, PrometheusRegistry } from "../export/prometheus.ts";
import { maskOf, type CoverageGroup, type Membership } from "../model/coverage.ts";
import type { CounterSample } from "../model/stages.ts";
import { coverageCounters } from "./coverage-counters.ts";

const rules = [
  { id: "a", on: "flow", needs: [["flows"]], partly: [] },
  { id: "b", on: "flow", needs: [["flows", "sockets"]], partly: [["sockets"]] },
  { id: "free", on: "flow", needs: [], partly: [] },
  { id: "of clusters", on: "cluster", needs: [["flows"]], partly: [] },
] as const;
const group = (
  namespace: string,
  workloads: number,
  live: readonly string[],
  mesh: Membership = "yes",
): CoverageGroup => {
  const mask = maskOf(live);
  return { cluster: "c", namespace, mesh, live: mask, heard: mask, workloads };
};

function samplesOf(...groups: CoverageGroup[]): CounterSample[] {
  const samples: CounterSample[] = [];
  coverageCounters(samples, groups, rules);
  return samples;
}

const valuesOf = (samples: readonly CounterSample[]): Record<string, number> =>
  Object.fromEntries(
    samples.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
  );

test("shares of the meshed workloads, those of all clusters together", () => {
  const samples = samplesOf(
    group("shop", 1, ["flows"]),
    { ...group("shop", 3, ["sockets"]), cluster: "other" },
    group("shop", 7, [], "no"),
    group("outside", 7, [], "no"),
    group("shop", 2, ["flows", "sockets"], "unknown"),
    group("unknown", 1, ["flows", "sockets"], "unknown"),
  );
  expect(valuesOf(samples)).toMatchObject({
    "coverage_ratio shop flows": 0.25,
    "coverage_ratio shop sockets": 0.75,
    "coverage_ratio shop objects": 0,
    "rules_blind shop": 3,
    "membership_unknown_workloads shop": 2,
    "rules_blind unknown": 2,
    "membership_unknown_workloads unknown": 1,
  });
  expect(samples).toHaveLength(14);
});

test("namespaces without series of their own show the least share and the most blind rules", async () => {
  const registry = new PrometheusRegistry({ ...prometheusDefaults, namespacesMax: 1 });
  registry.applySamples(
    samplesOf(
      group("shop", 1, ["flows", "sockets"]),
      group("bank", 1, ["sockets"]),
      group("data", 1, ["flows", "sockets"]),
    ),
  );
  const lines = (await registry.text()).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'mesh_insights_coverage_ratio{namespace="shop",capability="flows"} 1',
      'mesh_insights_coverage_ratio{namespace="_other",capability="flows"} 0',
      'mesh_insights_coverage_ratio{namespace="_other",capability="sockets"} 1',
      'mesh_insights_rules_blind{namespace="_other"} 2',
    ]),
  );
});
