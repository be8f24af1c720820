/** `rules check`: every problem of the rule files below a folder, for people or as JSON. */
import { systemClock } from "../lib/clock.ts";
import { formatDiagnostic, type Diagnostic } from "../rules/diagnostics.ts";
import { loadRules, type LoadedRules } from "../rules/load.ts";
import type { RuleFileText } from "../rules/source.ts";
import type { CliIo } from "./io.ts";
import { readRuleSet } from "./rules-folder.ts";

export interface RulesCheckOptions {
  /** The shipped rules unless given. */
  readonly folder?: string | undefined;
  readonly json?: boolean;
}

/** 0 = usable, 1 = there are errors. Throws `UserError` when the folder cannot be read. */
export function runRulesCheck(options: RulesCheckOptions, io: CliIo): number {
  const files = readRuleSet(options.folder);
  const loaded = loadRules(files.all, { todayUs: systemClock.nowUs() });
  const { rules, diagnostics } = ofFiles(files.own, loaded);
  const errorCount = diagnostics.filter(({ severity }) => severity === "error").length;
  if (options.json) {
    const report = { files: files.own.length, rules: rules.length, diagnostics };
    io.out(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    // What is wrong is what was asked for, so it goes where answers go.
    io.out(diagnosticsToText(diagnostics, files.own));
    const warningCount = diagnostics.length - errorCount;
    const found = `${errorCount} errors, ${warningCount} warnings`;
    io.out(`${rules.length} rules in ${files.own.length} files: ${found}\n`);
  }
  return errorCount === 0 ? 0 : 1;
}

/** What of a set is these files' own. */
export function ofFiles(
  files: readonly RuleFileText[],
  { rules, diagnostics }: Pick<LoadedRules, "rules" | "diagnostics">,
): Pick<LoadedRules, "rules" | "diagnostics"> {
  const paths = new Set(files.map(({ path }) => path));
  return {
    rules: rules.filter(({ file }) => paths.has(file)),
    diagnostics: diagnostics.filter(({ file }) => paths.has(file)),
  };
}

export function diagnosticsToText(
  diagnostics: readonly Diagnostic[],
  files: readonly RuleFileText[],
): string {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  return diagnostics
    .map((diagnostic) => `${formatDiagnostic(diagnostic, texts.get(diagnostic.file))}\n`)
    .join("");
}
