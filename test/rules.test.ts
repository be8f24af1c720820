/** The shipped rules: they load without a complaint, and their own tests pass. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runRuleTests } from "../src/cli/rule-tests.ts";
import { runRulesCheck } from "../src/cli/rules-check.ts";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { runRulesTest } from "../src/cli/rules-test.ts";
import { loadRules } from "../src/rules/load.ts";
import { makeIo, runCli } from "./support/cli.ts";
import { TempFolder } from "./support/program.ts";

const shipped = new URL("../rules", import.meta.url).pathname;
const examples = new URL("fixtures/rules-examples", import.meta.url).pathname;

test.each([
  ["shipped rules", shipped],
  ["the worked examples of the format", examples],
])("%s load and pass their tests", (_, dir) => {
  const { rules, diagnostics } = loadRules(readRuleFiles(dir));
  expect(diagnostics).toEqual([]);
  // One rule per file.
  expect(rules).toHaveLength(readRuleFiles(dir).length);
  expect(runRuleTests(rules).filter(({ passed }) => !passed)).toEqual([]);
});

test.each(loadRules(readRuleFiles(shipped)).rules.map((rule) => [rule.meta.id, rule] as const))(
  "%s tells people what they need to know",
  (_, { meta, tests }) => {
    for (const text of [meta.title, meta.description, meta.ruleset]) expect(text).not.toBe("");
    for (const text of [meta.confirm, meta.remediation]) {
      expect(text).toMatch(/^  .*(?:kubectl|istioctl|mesh-insights|curl) /m);
    }
    for (const list of [meta.falsePositives, meta.references, meta.tags]) {
      expect(list.length).toBeGreaterThan(0);
    }
    // The engine needs nobody's telemetry to know itself.
    expect(meta.needs.length > 0).toBe(meta.on !== "engine" && meta.on !== "rule");
    const fires = tests.filter((one) => one.expect.some(({ state }) => state === "firing"));
    const quiet = tests.filter((one) => one.expect.every(({ state }) => state === "inactive"));
    expect(fires.length).toBeGreaterThanOrEqual(1);
    expect(quiet.length).toBeGreaterThanOrEqual(2);
  },
);

test("rules check and rules test succeed on the shipped folder", () => {
  const io = makeIo();
  expect(runRulesCheck({}, io)).toBe(0);
  expect(runRulesTest({ folder: shipped }, io)).toBe(0);
  expect(io.printed.out).toMatch(
    /^(\d+) rules in \1 files: 0 errors, 0 warnings\n\d+ tests of \1 rules/,
  );
});

const pages = new URL("../docs/rules", import.meta.url).pathname;
const pagesIn = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );

/** `UPDATE_GENERATED=1` writes what the test compares. */
test("docs/rules is what the rules say", async () => {
  using temp = new TempFolder();
  const out = process.env["UPDATE_GENERATED"] === "1" ? pages : temp.path;
  expect((await runCli(["rules", "docs", "--out", out])).code).toBe(0);
  expect(pagesIn(pages)).toEqual(pagesIn(out));
});
