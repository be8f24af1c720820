/** Reads rule files from folders: the loader itself takes texts, so that it can run anywhere. */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RuleFileText } from "../rules/source.ts";
import { RulesError, type Diagnostic } from "../rules/diagnostics.ts";
import { isTestFile } from "../rules/draft.ts";
import { fileTrouble, UserError } from "./io.ts";

/** Beside `src/` and `dist/` alike. */
export const shippedRulesFolder = join(import.meta.dirname, "../../rules");

/** A rule file is written by hand: more than this is something else. */
const fileMaxBytes = 1024 * 1024;

/**
 * Every `.yaml` and `.yml` below a folder in the order of their paths, or the one file that is named.
 * Hidden names are left out: Kubernetes keeps the old and new contents of a mounted ConfigMap in such.
 */
export function readRuleFiles(path: string): readonly RuleFileText[] {
  try {
    const paths = statSync(path).isDirectory() ? pathsBelow(path) : [path];
    return paths.map(readRuleFile);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw unreadable(path, `cannot read rules from '${path}': ${fileTrouble(cause)}`);
  }
}

/** Those that an engine loads: files of tests are for `rules check` and `rules test`. */
export function readEngineRuleFiles(path: string): readonly RuleFileText[] {
  return readRuleFiles(path).filter((file) => !isTestFile(file.path));
}

/** What a command is about, and the files that it is loaded beside. */
export interface RuleSetFiles {
  readonly own: readonly RuleFileText[];
  readonly all: readonly RuleFileText[];
}

/**
 * A folder as `serve` would load it: beside the shipped rules, which its overrides and waivers are about.
 * Without a folder, or with one of theirs, the shipped rules are what it is about.
 */
export function readRuleSet(folder = shippedRulesFolder): RuleSetFiles {
  const own = readRuleFiles(folder);
  const paths = new Set(own.map(({ path }) => realpathSync(path)));
  const beside = readRuleFiles(shippedRulesFolder);
  const others = beside.filter(({ path }) => !paths.has(realpathSync(path)));
  return { own, all: [...others, ...own] };
}

/** For a person, and as what is wrong with the file. */
function unreadable(file: string, message: string): UserError {
  const place = { file, line: 1, column: 1, suggestion: "" };
  const error: Diagnostic = { code: "RULE_YAML", severity: "error", ...place, message };
  return new UserError(message, undefined, { cause: new RulesError([error]) });
}

function pathsBelow(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .toSorted()
    .flatMap((name) => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return pathsBelow(path);
      return /\.ya?ml$/.test(name) ? [path] : [];
    });
}

function readRuleFile(path: string): RuleFileText {
  const { size } = statSync(path);
  if (size > fileMaxBytes) {
    const message = `cannot read '${path}': a rule file has at most ${fileMaxBytes} bytes`;
    throw unreadable(path, message);
  }
  return { path, text: readFileSync(path, "utf8") };
}
