/** Shares of namespaces, over clusters, and through the cap on namespaces. */
import { expect, test } from "vitest";
import { prometheusDefaults, PrometheusRegistry } from "../export/prometheus.ts";
import { maskOf, type CoverageGroup } from "../model/coverage.ts";
import type { CounterSample } from "../model/stages.ts";
import { coverageCounters } from "./coverage-counters.ts";

const rules = [
  { id: "a", needs: [["flows"]], partly: [] },
  { id: "b", needs: [["flows", "sockets"]], partly: [["sockets"]] },
  { id: "free", needs: [], partly: [] },
];
const group = (namespace: string, workloads: number, live: readonly string[], meshed = true) => {
  const mask = maskOf(live);
  return { cluster: "c", namespace, meshed, live: mask, heard: mask, workloads };
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
    group("shop", 7, [], false),
    group("outside", 7, [], false),
  );
  expect(valuesOf(samples)).toMatchObject({
    "coverage_ratio shop flows": 0.25,
    "coverage_ratio shop sockets": 0.75,
    "coverage_ratio shop objects": 0,
    "rules_blind shop": 2,
  });
  expect(samples).toHaveLength(8);
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
      'mesh_insights_rules_blind{namespace="_other"} 1',
    ]),
  );
});
