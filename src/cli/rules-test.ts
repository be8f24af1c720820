/** `rules test`: the tests inside the rule files below a folder. */
import { hasErrors } from "../rules/diagnostics.ts";
import { loadRules, type CompiledRule } from "../rules/load.ts";
import type { RuleFileText } from "../rules/source.ts";
import type { CliIo } from "./io.ts";
import { runRuleTests, type RuleTestResult } from "./rule-tests.ts";
import { diagnosticsToText, ofFiles } from "./rules-check.ts";
import { readRuleSet } from "./rules-folder.ts";

export interface RulesTestOptions {
  /** The shipped rules unless given. */
  readonly folder?: string | undefined;
  readonly json?: boolean;
}

/** 0 = all pass, 1 = the files have errors or a test failed. */
export function runRulesTest(options: RulesTestOptions, io: CliIo): number {
  const files = readRuleSet(options.folder);
  const loaded = loadRules(files.all);
  const { rules, diagnostics } = ofFiles(files.own, loaded);
  if (hasErrors(diagnostics)) {
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    io.error(diagnosticsToText(errors, files.own));
    io.error(`cannot test the rules: ${errors.length} errors in their files\n`);
    return 1;
  }
  const results = runRuleTests(testsOf(files.own, loaded.rules));
  const failed = results.filter(({ passed }) => !passed);
  if (options.json) io.out(`${JSON.stringify({ rules: rules.length, results }, null, 2)}\n`);
  else printResults(results, failed, rules.length, io);
  return failed.length === 0 ? 0 : 1;
}

/** Rules with those of their tests that stand in these files. */
function testsOf(
  files: readonly RuleFileText[],
  rules: readonly CompiledRule[],
): readonly CompiledRule[] {
  const paths = new Set(files.map(({ path }) => path));
  return rules.map((rule) => ({
    ...rule,
    tests: rule.tests.filter(({ file }) => paths.has(file)),
  }));
}

function printResults(
  results: readonly RuleTestResult[],
  failed: readonly RuleTestResult[],
  ruleCount: number,
  io: CliIo,
): void {
  for (const { place, rule, test, problems } of failed) {
    io.out(`FAIL ${place} ${rule}: ${test}\n`);
    for (const problem of problems) io.out(`     ${problem}\n`);
  }
  const todoCount = results.filter(({ isTodo, passed }) => isTodo && passed).length;
  const todo = todoCount === 0 ? "" : `, of which ${todoCount} known to fail`;
  const passed = results.length - failed.length;
  io.out(`${results.length} tests of ${ruleCount} rules: ${passed} passed${todo}, `);
  io.out(`${failed.length} failed\n`);
}
