import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeIo } from "../../test/support/cli.ts";
import { TempFolder } from "../../test/support/program.ts";
import { readConfig, readRules } from "./load.ts";
import { keepRules, readRulesToStart } from "./start-rules.ts";

const rule = (id: string, when: string): string =>
  `  - { id: ${id}, title: t, severity: low, confidence: low, on: edge, when: "${when}", message: m }\n`;
const good = `version: 1\nlists: { mine: [a] }\nrules:\n${rule("my-own", "edge.port > 0")}`;
const other = `version: 1\nrules:\n${rule("my-other", "edge.protocol in mine")}${rule("my-third", "true")}`;

function makeWorld() {
  const folder = new TempFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const rules = join(folder.path, "rules");
  mkdirSync(rules);
  const store = join(folder.path, "mesh.db");
  const configWith = (...set: readonly string[]) => {
    const all = [`rules.paths=[${rules}]`, `store.path=${store}`, ...set];
    return readConfig({ config: [], set: all }, makeIo());
  };
  const write = (name: string, text: string): void => writeFileSync(join(rules, name), text);
  return { rules, store, configWith, write, config: configWith() };
}

const idsOf = (start: ReturnType<typeof readRulesToStart>) =>
  start.set.metas.map(({ id }) => id).filter((id) => id.startsWith("my-"));

test("without a fault the files are used as they are", () => {
  const { config, write } = makeWorld();
  write("a.yaml", good);
  const start = readRulesToStart(config);
  expect(start).toMatchObject({ errors: [], trouble: "" });
  expect(idsOf(start)).toEqual(["my-own"]);
});

test("a file that breaks between two runs changes nothing; what is wrong is told", () => {
  const { config, write, rules } = makeWorld();
  write("a.yaml", good);
  const before = readRules(config);
  keepRules(config, before.files);
  write("a.yaml", good.replace("edge.port", "edge.prt"));
  const start = readRulesToStart(config);
  expect(start.set.metas).toEqual(before.metas);
  expect(start.errors).toMatchObject([
    { code: "RULE_CEL_TYPE", file: join(rules, "a.yaml"), line: 4, column: 83 },
  ]);
  expect(start.trouble).toMatch(/did you mean 'port'\?(.|\n)*those of the last run are used$/);
});

test("at the first start a broken file is left out, and so is what needs it", () => {
  const { config, write } = makeWorld();
  write("a.yaml", `${good}oops: 1\n`);
  write("b.yaml", other);
  write("c.yaml", `version: 1\nrules:\n${rule("my-last", "true")}`);
  const start = readRulesToStart(config);
  expect(idsOf(start)).toEqual(["my-last"]);
  expect(start.set.metas.length).toBeGreaterThan(30);
  expect(start.errors.map(({ line }) => line)).toEqual([5]);
  expect(start.trouble).toContain("files with errors are left out");
});

test("rules that cannot even be read stop the first start alone", () => {
  const { config, write, rules } = makeWorld();
  write("a.yaml", good);
  const before = readRules(config);
  rmSync(rules, { recursive: true });
  expect(() => readRulesToStart(config)).toThrow(`cannot read rules from '${rules}'`);
  keepRules(config, before.files);
  const start = readRulesToStart(config);
  expect(start.set.metas).toEqual(before.metas);
  expect(start.errors).toMatchObject([
    { file: rules, message: expect.stringContaining("no such") },
  ]);
});

test.each(["", "{", "[]", '{"files":[{"path":1}]}', '{"files":[{"path":"a","text":"rules: ["}]}'])(
  "kept rules that are none are as good as no kept rules: %s",
  (kept) => {
    const { config, store, write } = makeWorld();
    write("a.yaml", "rules: [");
    write("c.yaml", `version: 1\nrules:\n${rule("my-last", "true")}`);
    writeFileSync(`${store}.rules.json`, kept);
    expect(idsOf(readRulesToStart(config))).toEqual(["my-last"]);
  },
);

test("what the configuration itself says wrong is mended before the start", () => {
  const { configWith } = makeWorld();
  expect(() => readRulesToStart(configWith("rules.disabled=[my-own]"))).toThrow("no such rule");
  expect(() => readRulesToStart(configWith("rules.params.my-own.most=1"))).toThrow(
    "there is no rule 'my-own'",
  );
  expect(() => readRulesToStart(configWith("rules.paths=[/nonexistent]"))).toThrow("/nonexistent");
});
