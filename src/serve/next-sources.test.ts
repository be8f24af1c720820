/** What one more source would add, from coverage and guides made for it. */
import { expect, test } from "vitest";
import { maskOf, type CoverageGroup, type Membership } from "../model/coverage.ts";
import type { Capability } from "../model/observations.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import { makeRuleMeta } from "../../test/support/rule-meta.ts";
import { nextSources } from "./next-sources.ts";

const guide = (id: string, ...gives: Capability[]): SourceGuide => ({
  id,
  title: id,
  switchOn: `switch on ${id}.`,
  gives,
  cannotTell: "",
  reference: "",
});
const group = (workloads: number, live: string[], mesh: Membership = "yes"): CoverageGroup => ({
  cluster: "c1",
  namespace: "shop",
  mesh,
  live: maskOf(live),
  heard: maskOf(live),
  workloads,
});

const rules = [
  makeRuleMeta({ id: "wire", needs: [["sockets", "flows"]], partly: [["sockets"]] }),
  makeRuleMeta({ id: "logs", needs: [["flows", "proxy_logs"]] }),
  makeRuleMeta({ id: "free", needs: [] }),
];
const guides = [
  guide("taps", "flows"),
  guide("probes", "sockets"),
  guide("tubes", "flows"),
  guide("names", "workload_flows"),
  guide("logs", "proxy_logs"),
];
const gain = (...groups: CoverageGroup[]): string[] =>
  nextSources(groups, rules, guides).map(
    ({ sources, judged, partly, rules: which }) =>
      `${sources.map(({ id }) => id).join("|")} ${judged}+${partly} ${which.map(({ rule, workloads }) => `${rule}:${workloads}`).join(" ")}`,
  );

test("the greatest gain comes first, and sources that give the same stand together", () => {
  expect(gain(group(5, ["sockets", "proxy_logs"]), group(2, []))).toEqual([
    "taps|tubes 10+0 wire:5 logs:5",
    "probes 0+2 ",
  ]);
});

test("where all is judged, or nobody is in the mesh, nothing is gained", () => {
  expect(gain(group(5, ["sockets", "proxy_logs", "flows"]))).toEqual([]);
  expect(gain(group(5, ["sockets"], "no"))).toEqual([]);
});

test("a proxy that is heard shows that its workload is in the mesh; a node agent does not", () => {
  expect(gain(group(1, ["flows"], "unknown"))).toEqual(["logs 1+0 logs:1"]);
});
