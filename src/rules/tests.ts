/**
 * Tests of rules as they are written: inside a rule, or in a file of tests beside it. Puts the fixtures
 * of their file in their places, so that whoever runs a test sees whole entities.
 */
import { isMap, isScalar, isSeq, type YAMLMap } from "yaml";
import { nearest } from "../lib/nearest.ts";
import { entriesOf, mapsOf, type Draft } from "./draft.ts";
import { outsideTestKeys } from "./file-keys.ts";
import { entityTypes } from "./keys.ts";
import type { RuleTest, TestGiven } from "./rule.ts";
import { textOf } from "./source.ts";
import { validateKeys, type Report } from "./validate.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Fields by entity type. */
type Fixture = Partial<Readonly<Record<string, Fields>>>;
export type Fixtures = ReadonlyMap<string, Fixture>;

/** Those of one file, whose shapes were validated; no other file knows them. */
export function fixturesOf({ map, report }: Draft): Fixtures {
  const entries = entriesOf(map.get("fixtures", true)).flatMap(({ name, value }) =>
    isMap(value) ? [[name, value.toJS(report.source.document) as Fixture] as const] : [],
  );
  return new Map(entries);
}

/** The tests inside a rule. Of a rule whose shape is wrong they mean nothing, and it is not used. */
export function insideTests(
  rule: YAMLMap,
  fixtures: Fixtures,
  report: Report,
): readonly RuleTest[] {
  const list = rule.get("tests", true);
  const maps = isSeq(list) ? list.items.filter((item) => isMap(item)) : [];
  return maps.map((map) => readTest(map, fixtures, report));
}

/** Those of files of tests, by the ids of their rules. */
export type OutsideTests = ReadonlyMap<string, readonly RuleTest[]>;

export function collectTests(drafts: readonly Draft[], ids: ReadonlySet<string>): OutsideTests {
  const tests = new Map<string, RuleTest[]>();
  for (const draft of drafts) {
    const { report } = draft;
    const fixtures = fixturesOf(draft);
    for (const map of mapsOf(draft, "tests", "a test")) {
      const errorsBefore = report.errorCount;
      validateKeys(map, outsideTestKeys, "a test", report);
      const test = readTest(map, fixtures, report);
      const rule = map.get("rule", true);
      const id = textOf(rule);
      if (id === undefined || !isScalar(rule)) continue;
      if (!ids.has(id)) {
        const at = report.source.startOf(rule);
        report.error("RULE_REF", at, `there is no rule '${id}'`, nearest(id, ids));
      } else if (report.errorCount === errorsBefore) {
        tests.set(id, [...(tests.get(id) ?? []), test]);
      }
    }
  }
  return tests;
}

function readTest(map: YAMLMap, fixtures: Fixtures, report: Report): RuleTest {
  const { source } = report;
  reportUnknownFixtures(map, fixtures, report);
  const test = map.toJS(source.document) as RuleTest; // used only where the table has accepted it
  const given = Array.isArray(test.given)
    ? test.given.map((one) => withFixture(one, fixtures))
    : [];
  return { ...test, given, file: source.path, line: source.startOf(map).line };
}

function reportUnknownFixtures(map: YAMLMap, fixtures: Fixtures, report: Report): void {
  const given = map.get("given", true);
  for (const step of isSeq(given) ? given.items : []) {
    const scalar = isMap(step) ? step.get("fixture", true) : undefined;
    const name = textOf(scalar);
    if (name === undefined || !isScalar(scalar) || fixtures.has(name)) continue;
    const at = report.source.startOf(scalar);
    report.error(
      "RULE_REF",
      at,
      `the file has no fixture '${name}'`,
      nearest(name, fixtures.keys()),
    );
  }
}

/** The step with its fixture's entities, and its own fields merged onto theirs. */
function withFixture(
  given: TestGiven & { readonly fixture?: string },
  fixtures: Fixtures,
): TestGiven {
  const fixture = fixtures.get(given.fixture ?? "");
  if (!fixture) return given;
  const { fixture: _, ...step } = given;
  const merged: Record<string, unknown> = { ...step };
  for (const type of entityTypes) {
    const fields = fixture[type];
    if (fields) merged[type] = deepMerge(fields, step[type] ?? {});
  }
  return merged as TestGiven; // a step with entities, as before
}

/** Records and maps key by key; lists and values as the second one has them. */
function deepMerge(below: Fields, above: Fields): Fields {
  const merged: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const old = merged[name];
    merged[name] = isFields(old) && isFields(value) ? deepMerge(old, value) : value;
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A stable rule shows at least once that it fires and once that it stays quiet. */
export function warnAboutTests(
  map: YAMLMap,
  id: string,
  tests: readonly RuleTest[],
  report: Report,
): void {
  const sure = tests.filter((test) => test.todo !== true);
  const fires = sure.some((test) => test.expect.some(({ state }) => state === "firing"));
  const isQuiet = sure.some((test) => test.expect.every(({ state }) => state === "inactive"));
  if (fires && isQuiet) return;
  const message = `rule '${id}' is stable and has no test that ${fires ? "stays quiet" : "fires"}`;
  report.warning("NO_TESTS", report.source.startOf(map), message);
}
