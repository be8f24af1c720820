/** A rule file whose YAML could be read, and the parts that all files of a set put together. */
import { isMap, isNode, isScalar, isSeq, type Scalar, type YAMLMap } from "yaml";
import type { Diagnostic } from "./diagnostics.ts";
import { fileKeys } from "./file-keys.ts";
import { Source, textOf, type Position, type RuleFileText } from "./source.ts";
import { Report, validateKeys } from "./validate.ts";

export interface Draft {
  readonly map: YAMLMap;
  readonly report: Report;
}

/** Each of their items is validated with its own name in the messages. */
const validatedLater = ["rules", "overrides", "tests", "waivers"];
const ofTestFiles = ["version", "fixtures", "tests"];

/** Null when the YAML itself is broken: its rules are unknown then, and the other files go on. */
export function readDraft(
  file: RuleFileText,
  diagnostics: Diagnostic[],
  order: number,
): Draft | null {
  const source = new Source(file);
  const yamlErrors = source.yamlErrors();
  diagnostics.push(...yamlErrors);
  if (yamlErrors.length > 0) return null;
  const report = new Report(source, diagnostics, order);
  const map = source.document.contents;
  if (!isMap(map)) {
    report.error("RULE_YAML", source.at(0), "a rule file is a map with 'version' and 'rules'");
    return null;
  }
  validateKeys(map, fileKeys, "the file", report, validatedLater);
  checkPlace(map, report);
  return { map, report };
}

/** Whether a file holds only tests, which an engine does not load. */
export function isTestFile(path: string): boolean {
  return /_test\.ya?ml$/.test(path);
}

/** A rule in a file of tests would be checked, and never run. */
function checkPlace(map: YAMLMap, report: Report): void {
  const isOfTests = isTestFile(report.source.path);
  for (const { key } of map.items) {
    const name = textOf(key) ?? "";
    const at = report.source.startOf(isScalar(key) ? key : null);
    if (isOfTests && Object.hasOwn(fileKeys, name) && !ofTestFiles.includes(name)) {
      report.error("RULE_KEY", at, `'${name}' in a file of tests, which no engine loads`);
    }
    if (!isOfTests && name === "tests") {
      const message = "tests stand inside of their rule, or in a file named *_test.yaml";
      report.error("RULE_KEY", at, message);
    }
  }
}

/** The maps of a file's list, with a complaint about everything else in it. */
export function mapsOf({ map, report }: Draft, key: string, what: string): readonly YAMLMap[] {
  const list = map.get(key, true);
  if (list === undefined || (isScalar(list) && list.value === null)) return [];
  if (!isSeq(list)) {
    const at = report.source.startOf(isNode(list) ? list : null);
    report.error("RULE_KEY", at, `'${key}' of the file must be a list`);
    return [];
  }
  return list.items.filter((item): item is YAMLMap => {
    if (isMap(item)) return true;
    const at = report.source.startOf(isNode(item) ? item : list);
    report.error("RULE_KEY", at, `${what} must be a map`);
    return false;
  });
}

export interface Entry {
  readonly key: Scalar;
  readonly name: string;
  readonly value: unknown;
}

/** The pairs of a map whose keys are texts; none of anything else. */
export function entriesOf(node: unknown): readonly Entry[] {
  if (!isMap(node)) return [];
  return node.items.flatMap(({ key, value }) => {
    const name = textOf(key);
    return isScalar(key) && name !== undefined ? [{ key, name, value }] : [];
  });
}

/** Ids that are taken, with the place of the first of each. */
export type Places = Map<string, string>;

/** False, with a complaint that names the first one, when the id or name is taken. */
export function isFirst(
  id: string,
  what: string,
  at: Position,
  report: Report,
  places: Places,
): boolean {
  const first = places.get(id);
  if (first !== undefined) {
    report.error("RULE_REF", at, `${what} is taken, by ${first}`);
    return false;
  }
  places.set(id, `${report.source.path}:${at.line}`);
  return true;
}
