/** `rules docs`: writes one page for each rule of a folder, and an index. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { usPerDay, usPerMs } from "../model/time.ts";
import { sourceGuides } from "../normalize/guides.ts";
import { hasErrors } from "../rules/diagnostics.ts";
import { dayPattern } from "../rules/file-keys.ts";
import { loadRules } from "../rules/load.ts";
import { fileTrouble, UserError, type CliIo } from "./io.ts";
import { pageMark, rulePages, type Page } from "./rule-pages.ts";
import { diagnosticsToText, ofFiles } from "./rules-check.ts";
import { readRuleSet } from "./rules-folder.ts";

export interface RulesDocsOptions {
  /** The shipped rules unless given. */
  readonly folder?: string | undefined;
  /** Made if it is not there. */
  readonly out: string;
  /** Last day of the waivers that the pages offer; 30 days ahead unless given. */
  readonly until?: string | undefined;
}

/** Of the pages that are committed, which must not change with the day. */
const shippedUntil = "2027-01-31";
const daysAhead = 30;

/** 0 = written, 1 = the files have errors. Throws `UserError` for a folder that cannot be read or written. */
export function runRulesDocs(options: RulesDocsOptions, io: CliIo): number {
  const { folder, out } = options;
  const until = untilOf(options);
  const files = readRuleSet(folder);
  const loaded = ofFiles(files.own, loadRules(files.all));
  if (hasErrors(loaded.diagnostics)) {
    const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
    io.error(diagnosticsToText(errors, files.own));
    io.error(`cannot write pages: ${errors.length} errors in the rule files\n`);
    return 1;
  }
  const pages = rulePages(loaded.rules, {
    guides: sourceGuides,
    areGuidesAbove: folder === undefined,
    until,
  });
  try {
    writePages(pages, out);
  } catch (cause) {
    throw new UserError(`cannot write pages to '${out}': ${fileTrouble(cause)}`);
  }
  io.out(`${loaded.rules.length} pages and an index in ${out}\n`);
  return 0;
}

function untilOf({ folder, until }: RulesDocsOptions): string {
  if (until === undefined) {
    if (folder === undefined) return shippedUntil;
    const us = systemClock.nowUs() + daysAhead * usPerDay;
    return new Date(us / usPerMs).toISOString().slice(0, 10);
  }
  if (new RegExp(dayPattern).test(until)) return until;
  throw new UserError(`cannot use --until '${until}': give a day, as in ${shippedUntil}`);
}

/** Pages of rules that are gone go too; what somebody else put there stays. */
function writePages(pages: readonly Page[], out: string): void {
  mkdirSync(out, { recursive: true });
  const names = new Set(pages.map(({ name }) => name));
  for (const name of readdirSync(out)) {
    if (!name.endsWith(".md") || names.has(name)) continue;
    const path = join(out, name);
    if (readFileSync(path, "utf8").startsWith(pageMark)) rmSync(path);
  }
  for (const { name, text } of pages) writeFileSync(join(out, name), text);
}
