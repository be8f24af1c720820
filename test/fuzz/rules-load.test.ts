/** Whatever stands in a rule file, loading gives diagnostics with a place in it and never throws. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runRuleTests } from "../../src/cli/rule-tests.ts";
import { readRuleFiles, shippedRulesFolder } from "../../src/cli/rules-folder.ts";
import { hasErrors } from "../../src/rules/diagnostics.ts";
import { loadRules } from "../../src/rules/load.ts";

const texts = [
  ...readRuleFiles(shippedRulesFolder),
  ...readRuleFiles(new URL("../fixtures/rules-bad", import.meta.url).pathname),
].map(({ text }) => text);

/** Pieces that mean something to YAML, to CEL or to a template. */
const pieces = [
  "{}[]()&*!|>'\"%@`#,:.?-+/\\<=\n\t\u0000\ufeff".split(""),
  ["{{", "}}", "&&", "||", "&a ", "*a", "<<: ", "? ", "- ", "!!js ", "0x", "1e999", "null", "~"],
  [
    "edge.",
    ".exists(x, ",
    "matches('",
    "has(",
    "rules:",
    "__proto__: ",
    "on: edge\n",
    "duration('",
  ],
].flat();

const edits = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.nat(8),
    insert: fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4, unit: "binary" })),
  }),
  { minLength: 1, maxLength: 4 },
);

test("edited rule files", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.constantFrom(...texts), edits, (original, changes) => {
      let text = original;
      for (const { at, remove, insert } of changes) {
        const start = Math.floor(at * text.length);
        text = text.slice(0, start) + insert + text.slice(start + remove);
      }
      const { rules, diagnostics } = loadRules([{ path: "a.yaml", text }]);
      const lineCount = text.split("\n").length;
      for (const { line, column, message } of diagnostics) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lineCount);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(message).not.toBe("");
      }
      // What loads without an error also runs.
      if (!hasErrors(diagnostics)) runRuleTests(rules);
    }),
    { numRuns: 150 },
  );
});

test("any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      expect(() => loadRules([{ path: "a.yaml", text }])).not.toThrow();
    }),
    { numRuns: 300 },
  );
});
