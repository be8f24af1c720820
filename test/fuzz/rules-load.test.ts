/** Whatever stands in a rule file, loading gives diagnostics with a place in it and never throws. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runRuleTests } from "../../src/cli/rule-tests.ts";
import { readRuleFiles, shippedRulesFolder } from "../../src/cli/rules-folder.ts";
import { hasErrors } from "../../src/rules/diagnostics.ts";
import { loadRules } from "../../src/rules/load.ts";

/** What users write beside the rules of others. */
const ofUsers = [
  `version: 1
overrides:
  - { rule: busy, severity: high, for: 1m, params: { most: 3 }, lists: { quiet: { add: [b], remove: [a] } }, reason: r }
  - { list: ports, add: [81], reason: r }
waivers:
  - { id: w, rules: [busy], where: "edge.dst.namespace in quiet", reason: r, owner: o, expires: 2027-01-31 }
`,
  `version: 1
fixtures: { web: { edge: { requests: 5, src: { name: web, labels: { a: b } } } } }
tests:
  - rule: busy
    name: n
    given: [ { at: 0s, fixture: web, edge: { port: 81, src: { labels: { c: d } } } } ]
    expect: [ { at: 1m, state: firing, labels: { workload: web } } ]
`,
];
const base = `version: 1
lists: { quiet: [a], ports: [80] }
rules:
  - id: busy
    title: t
    severity: low
    confidence: low
    on: edge
    params: { most: { type: int, default: 2 } }
    when: edge.requests > params.most && edge.port in ports && !(edge.dst.namespace in quiet)
    message: m
`;

const texts = [
  ...readRuleFiles(shippedRulesFolder),
  ...readRuleFiles(new URL("../fixtures/rules-bad", import.meta.url).pathname),
].map(({ text }) => text);
const anyText = fc.oneof(fc.constantFrom(...texts), fc.constantFrom(...ofUsers));

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
    fc.property(anyText, edits, (original, changes) => {
      let text = original;
      for (const { at, remove, insert } of changes) {
        const start = Math.floor(at * text.length);
        text = text.slice(0, start) + insert + text.slice(start + remove);
      }
      const path = original.includes("fixtures:") ? "a_test.yaml" : "a.yaml";
      const files = [
        { path: "base.yaml", text: base },
        { path, text },
      ];
      const { rules, diagnostics } = loadRules(files, { todayUs: 1_780_000_000_000_000 });
      const lineCount = text.split("\n").length;
      // Nothing that a user writes makes the files of others wrong.
      const errors = diagnostics.filter(({ severity }) => severity === "error");
      expect(errors.filter(({ file }) => file !== path)).toEqual([]);
      for (const { line, column, message } of diagnostics) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lineCount);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(message).not.toBe("");
      }
      // What loads without an error also runs.
      if (!hasErrors(diagnostics)) runRuleTests(rules);
    }),
    { numRuns: 200 },
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
