import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { makeRuleMeta } from "../../test/support/rule-meta.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import type { Capability } from "../model/observations.ts";
import { sourceGuides } from "../normalize/guides.ts";
import { loadRules } from "../rules/load.ts";
import { readRuleFiles, shippedRulesFolder } from "./rules-folder.ts";
import { sourcesPage } from "./sources-page.ts";

/** `UPDATE_GENERATED=1` writes what the test compares. */
test("docs/sources.md is what the vocabularies and the rules say", () => {
  const url = new URL("../../docs/sources.md", import.meta.url);
  const rules = loadRules(readRuleFiles(shippedRulesFolder)).rules.map(({ meta }) => meta);
  const page = sourcesPage(sourceGuides, rules);
  if (process.env["UPDATE_GENERATED"] === "1") writeFileSync(url, page);
  expect(readFileSync(url, "utf8")).toBe(page);
});

const guide = (id: string, ...gives: Capability[]): SourceGuide => ({
  id,
  title: id,
  switchOn: "Nothing.",
  gives,
  cannotTell: "All.",
  reference: "a/b: c",
});
const guides = [
  guide("taps", "flows"),
  guide("tubes", "flows"),
  guide("procs", "processes"),
  guide("probes", "processes", "sockets"),
  guide("lists", "objects"),
  guide("names"),
];
const rowOf = (needs: string[][], partly: string[][] = []): string =>
  sourcesPage(guides, [makeRuleMeta({ id: "one", on: "cluster", needs, partly })])
    .split("\n")
    .find((line) => line.startsWith("| `one`")) ?? "";

test("the least sets of sources are told as choices, without what follows from the rest", () => {
  expect(rowOf([["sockets", "flows", "processes"]], [["sockets"]])).toBe(
    "| `one` | `taps` or `tubes` **+** `probes` | `probes` |",
  );
  expect(
    rowOf([
      ["processes", "objects"],
      ["sockets", "objects"],
    ]),
  ).toBe("| `one` | `procs` or `probes` **+** `lists` |  |");
  expect(rowOf([["sockets"], ["processes"]])).toBe("| `one` | `procs` or `probes` |  |");
  expect(rowOf([["flows"], ["processes"], ["objects"]])).toBe("| `one` | any source |  |");
});

test("a source is told alone, with what it takes besides, and what is blind without it", () => {
  const rule = makeRuleMeta({ id: "one", needs: [["sockets", "flows"]], partly: [["sockets"]] });
  const section = (id: string): string =>
    sourcesPage(guides, [rule])
      .split("\n## ")
      .find((text) => text.startsWith(`${id}\n`)) ?? "";
  expect(section("taps")).toContain("- Alone it makes no rule judge.\n");
  expect(section("taps")).toContain("- Together with `sockets` and `objects`: `one`.\n");
  expect(section("taps")).toContain(
    "- Without it, or another source of `flows` ([tubes](#tubes)), judged only in part: `one`.\n",
  );
  expect(section("probes")).toContain("- Without it, blind: `one`.\n");
  expect(section("names")).toContain("- No rule judges by it.\n");
});
