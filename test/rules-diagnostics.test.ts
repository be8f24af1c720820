/** Every complaint about broken rule files, with its place, as people see it. */
import { expect, test } from "vitest";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { formatDiagnostic } from "../src/rules/diagnostics.ts";
import { loadRules } from "../src/rules/load.ts";

const folder = new URL("fixtures/rules-bad", import.meta.url).pathname;

test("all diagnostics of all files at once", async () => {
  const files = readRuleFiles(folder).map(({ path, text }) => ({
    path: path.slice(folder.length + 1),
    text,
  }));
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const { diagnostics } = loadRules(files);
  const lines = diagnostics.map((diagnostic) =>
    formatDiagnostic(diagnostic, texts.get(diagnostic.file)),
  );
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("golden/rules-diagnostics.txt");
});
