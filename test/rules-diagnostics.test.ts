/** Every complaint about broken rule files, with its place, as people see it. */
import { expect, test } from "vitest";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { formatDiagnostic } from "../src/rules/diagnostics.ts";
import { loadRules } from "../src/rules/load.ts";
import { runCli } from "./support/cli.ts";

const folder = new URL("fixtures/rules-bad", import.meta.url).pathname;
const twelve = new URL("fixtures/rules-twelve", import.meta.url).pathname;

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

/** What is wrong in the file, in its order: place, code, and a piece of what is said. */
const mistakes: readonly (readonly [string, string, string])[] = [
  ["5:32", "RULE_CEL_TYPE", "'192.168.0.0/33' is no network"],
  ["10:15", "RULE_KEY", "must be one of info, low, medium, high, critical (did you mean 'high'?)"],
  ["15:15", "RULE_CEL_TYPE", "no field 'secuirty' (did you mean 'security'?)"],
  ["16:5", "RULE_KEY", "unknown key 'keep_firing'"],
  ["17:46", "RULE_TEMPLATE", "a template part is int, wrap it in string()"],
  ["24:80", "RULE_CEL_TYPE", "'b6' is no value of flow.rung"],
  ["25:10", "RULE_KEY", "must be a duration like 15m, is '5 minutes'"],
  ["26:38", "RULE_CEL_SYNTAX", ""],
  ["27:26", "RULE_REF", "there is no tag 'attack.t1048.004'"],
  ["34:31", "RULE_CEL_TYPE", "bad pattern (RE2)"],
  ["38:5", "RULE_WAIVER", "waiver 'known-plaintext' has no 'expires'"],
  ["39:13", "RULE_REF", "no rule 'plain-to-payment' (did you mean 'plain-to-payments'?)"],
];

test("twelve planted mistakes of one file are named at once, each at its place", async () => {
  const { code, out, error } = await runCli(["rules", "check", twelve]);
  expect({ code, error }).toEqual({ code: 1, error: "" });
  const heads = out.split("\n").filter((line) => line.startsWith(twelve));
  expect(heads).toHaveLength(12);
  for (const [at, [place, what, says]] of mistakes.entries()) {
    expect(heads[at]).toMatch(`${twelve}/shop.yaml:${place} error ${what} `);
    expect(heads[at]).toContain(says);
  }
  expect(out).toContain(`
  15 |       && edge.secuirty == 'none'
     |               ^
`);
  expect(out).toMatch(/^0 rules in 1 files: 12 errors, 0 warnings\n$/m);
});

test("the same for scripts: --json", async () => {
  const { code, out } = await runCli(["rules", "check", twelve, "--json"]);
  expect(code).toBe(1);
  const { files, rules, diagnostics } = JSON.parse(out) as {
    files: number;
    rules: number;
    diagnostics: Record<"line" | "column" | "code", string | number>[];
  };
  expect({ files, rules }).toEqual({ files: 1, rules: 0 });
  expect(diagnostics.map((one) => [`${one.line}:${one.column}`, one.code])).toEqual(
    mistakes.map(([place, what]) => [place, what]),
  );
  expect(diagnostics[2]).toEqual({
    code: "RULE_CEL_TYPE",
    severity: "error",
    file: `${twelve}/shop.yaml`,
    line: 15,
    column: 15,
    message: "no field 'secuirty'",
    suggestion: "security",
  });
});
