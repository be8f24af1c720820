/** Holds the README and the guides to the program: commands, snippets, links and lists are as it is. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { runRuleTests } from "../src/cli/rule-tests.ts";
import { readRuleFiles, shippedRulesFolder } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { formatDiagnostic } from "../src/rules/diagnostics.ts";
import { loadRules } from "../src/rules/load.ts";
import { runCli } from "./support/cli.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const readme = read("README.md");

const guides = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The fenced blocks of a language in a page. */
function blocks(page: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms");
  return [...read(page).matchAll(fence)].map((match) => match[1] ?? "");
}

const commandLines = guides.flatMap((page) =>
  blocks(page, "sh").flatMap((block) =>
    block
      .split("\n")
      .flatMap((line) => line.replace(/#.*/, "").split(/&&|\|/))
      .map((line) => line.trim())
      .filter((line) => line !== "")
      .map((line) => ({ page, line })),
  ),
);

const npmBuiltIn = new Set(["ci", "install"]);
const isOurs = /^(?:node dist\/main\.js|mesh-insights|npx mesh-insights) /;

test("there are command lines to check", () => {
  expect(commandLines.filter(({ line }) => isOurs.test(line)).length).toBeGreaterThan(2);
  expect(commandLines.filter(({ line }) => line.startsWith("npm ")).length).toBeGreaterThan(2);
});

test.each(commandLines.filter(({ line }) => isOurs.test(line)))(
  "$page: $line",
  async ({ line }) => {
    const words = line.replace(isOurs, "").split(/\s+/);
    const firstOption = words.findIndex((word) => word.startsWith("-"));
    const command = words.slice(0, firstOption < 0 ? words.length : firstOption);
    const { code, out } = await runCli([...command, "--help"]);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: mesh-insights ${command[0] ?? ""}`);
    for (const option of words.filter((word) => word.startsWith("-"))) {
      expect(out).toContain(option.replace(/=.*/, ""));
    }
    for (const path of words.filter((word) => word.startsWith("deploy/"))) {
      expect(existsSync(join(root, path))).toBe(true);
    }
  },
);

test.each(commandLines.filter(({ line }) => line.startsWith("npm ")))(
  "$page: $line",
  ({ line }) => {
    const [, verb = "", script = ""] = line.split(/\s+/);
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const name = verb === "run" ? script : verb;
    expect([...npmBuiltIn, ...Object.keys(scripts)]).toContain(name);
  },
);

const snippets = guides.flatMap((page) => blocks(page, "yaml").map((text) => ({ page, text })));

const isRuleFile = ({ text }: { readonly text: string }): boolean =>
  /^(ruleset|rules|waivers|overrides|fixtures):/m.test(text) && text.includes("version: 1");

test.each(snippets.filter(isRuleFile))(
  "$page: its rules load beside the shipped ones, and their tests pass",
  ({ page, text }) => {
    const shipped = readRuleFiles(shippedRulesFolder);
    const path = /^tests:/m.test(text) ? `${page}_test.yaml` : page;
    const { rules, diagnostics } = loadRules([...shipped, { path, text }]);
    expect(diagnostics.map((one) => formatDiagnostic(one, text))).toEqual([]);
    const results = runRuleTests(rules).filter(({ place }) => place.startsWith(path));
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
    expect(results.length > 0).toBe(text.includes("expect:"));
  },
);

const configurations = [
  { page: "deploy/mesh-insights.yaml", text: read("deploy/mesh-insights.yaml") },
  ...snippets.filter((one) => one.text.includes("version: 1") && !isRuleFile(one)),
];

test.each(configurations)("$page: its configuration is valid", ({ page, text }) => {
  expect(loadConfig([{ path: page, text }], [], {})).toMatchObject({ ok: true });
});

test("the README's collector snippet is part of the shipped file", () => {
  const gateway = withDefaults(read("deploy/collector/gateway.yaml"));
  const shipped: unknown = parse(gateway, { merge: true });
  const ofCollector = snippets.filter(({ text }) => text.includes("otlp_grpc/mesh-insights"));
  expect(ofCollector.map(({ page }) => page)).toContain("README.md");
  for (const snippet of ofCollector) {
    expect(shipped).toMatchObject(parse(snippet.text) as object);
  }
});

/** As a collector reads it when nothing is set in its environment. */
const withDefaults = (text: string): string =>
  text.replaceAll(/\$\{env:[A-Z_]+:-([^}]*)\}/g, (_, value: string) => value);

const links = guides.flatMap((page) =>
  [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map((match) => ({
    page,
    link: match[1] ?? "",
  })),
);

test.each(links)("$page: $link is there", ({ page, link }) => {
  expect(existsSync(join(root, dirname(page), link))).toBe(true);
});

/** `id severity`, as the README's table has them. */
function rulesOfReadme(): string[] {
  const section = /^## What it raises\n(.*?)^## /ms.exec(readme)?.[1] ?? "";
  return [...section.matchAll(/^\| (`.*?) \| (\w+) \|/gm)].flatMap(([, ids = "", severity = ""]) =>
    [...ids.matchAll(/`([^`]+)`/g)].map(([, id]) => `${id} ${severity}`),
  );
}

test("the README lists exactly the shipped rules", () => {
  const { rules } = loadRules(readRuleFiles(shippedRulesFolder));
  const shipped = rules.map(({ meta }) => `${meta.id} ${meta.severity}`);
  expect(rulesOfReadme().toSorted()).toEqual(shipped.toSorted());
});

test("the README lists every command, and each has help with an example", async () => {
  const section = /^## Commands\n(.*?);/ms.exec(readme)?.[1] ?? "";
  const listed = [...section.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
  const names = async (...command: string[]): Promise<string[]> =>
    [...(await runCli([...command, "--help"])).out.matchAll(/^ {2}([a-z-]+)(?: |$)/gm)]
      .map((match) => match[1] ?? "")
      .filter((name) => name !== "help" && !name.startsWith("-"));
  const top = (await names()).filter((name) => name !== "rules");
  const ofRules = (await names("rules")).map((name) => `rules ${name}`);
  const ofInsights = (await names("insights")).map((name) => `insights ${name}`);
  expect(ofInsights).toEqual(["insights baseline"]);
  expect(listed.toSorted()).toEqual([...top, ...ofRules, ...ofInsights].toSorted());
  for (const command of listed) {
    expect((await runCli([...command.split(" "), "--help"])).out).toMatch(/\nExamples?:\n {2}\$ /);
  }
});
