/**
 * Which rules an engine starts with when their files have errors: a broken file must not stop the
 * receiver. Those that it ran with last, which stand beside the store, so that a restart changes no
 * insight; where there are none, the files that are without error.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { RulesError, type Diagnostic } from "../rules/diagnostics.ts";
import type { RuleFile } from "../threads/engine-messages.ts";
import { configRulesPath } from "./config-rules.ts";
import { UserError } from "./io.ts";
import { readAllRuleFiles, readRules, useRules, type LoadedRuleSet } from "./load.ts";

export interface StartRules {
  readonly set: LoadedRuleSet;
  /** Why the files as they are now cannot be used; [] = the set is made of them. */
  readonly errors: readonly Diagnostic[];
  /** The same for a person, and what is used instead; "" = nothing is wrong. */
  readonly trouble: string;
}

/** Throws a `UserError` for what only the configuration is to blame for. */
export function readRulesToStart(config: Config): StartRules {
  try {
    return { set: readRules(config), errors: [], trouble: "" };
  } catch (error) {
    if (!(error instanceof UserError) || !(error.cause instanceof RulesError)) throw error;
    const { errors } = error.cause;
    if (errors.every(({ file }) => file === configRulesPath)) throw error;
    const last = lastRules(config);
    const set = last ?? usableRules(config, errors);
    const instead = last ? "those of the last run are used" : "files with errors are left out";
    return { set, errors, trouble: `${error.message}\n${instead}` };
  }
}

function lastRules(config: Config): LoadedRuleSet | null {
  const files = readKept(keptPath(config));
  return files === null ? null : tryRules(config, files).set;
}

/** Whatever needs a file that is left out has an error then, and is left out next. */
function usableRules(config: Config, errors: readonly Diagnostic[]): LoadedRuleSet {
  let files = readAllRuleFiles(config);
  let faults = errors;
  for (;;) {
    const broken = new Set(faults.map(({ file }) => file));
    files = files.filter(({ path }) => !broken.has(path));
    const tried = tryRules(config, files);
    if (tried.set) return tried.set;
    faults = tried.errors;
  }
}

type Tried =
  | { readonly set: LoadedRuleSet; readonly errors: readonly Diagnostic[] }
  | { readonly set: null; readonly errors: readonly Diagnostic[] };

function tryRules(config: Config, files: readonly RuleFile[]): Tried {
  try {
    return { set: useRules(config, files), errors: [] };
  } catch (error) {
    if (!(error instanceof UserError) || !(error.cause instanceof RulesError)) throw error;
    return { set: null, errors: error.cause.errors };
  }
}

/** Keeps files that an engine runs with for a start when others cannot be used. Throws as the disk does. */
export function keepRules(config: Config, files: readonly RuleFile[]): void {
  const path = keptPath(config);
  writeFileSync(`${path}.new`, JSON.stringify({ version: 1, files }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function keptPath(config: Config): string {
  return `${config.store.path}.rules.json`;
}

/** Null when there are none, or nothing that can be read as such. */
function readKept(path: string): readonly RuleFile[] | null {
  try {
    const kept = JSON.parse(readFileSync(path, "utf8")) as { files?: unknown };
    return Array.isArray(kept.files) && kept.files.every(isRuleFile) ? kept.files : null;
  } catch {
    return null;
  }
}

function isRuleFile(value: unknown): value is RuleFile {
  const file = value as Partial<RuleFile> | null;
  return typeof file?.path === "string" && typeof file.text === "string";
}
