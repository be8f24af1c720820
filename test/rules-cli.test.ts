/** `rules check` and `rules test` as people run them: what they print and how they exit. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runRulesCheck } from "../src/cli/rules-check.ts";
import { shippedRulesFolder } from "../src/cli/rules-folder.ts";
import { runRulesTest } from "../src/cli/rules-test.ts";
import { makeIo, runCli } from "./support/cli.ts";

const head = `version: 1
rules:
  - id: busy
    title: Busy
    severity: low
    confidence: low
    on: edge
    when: edge.requests > 10
    for: 1m
    keep_firing_for: 1m
    message: "{{ edge.src.name }} is busy"
`;

function makeFolder(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "rules-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "a.yaml"), text);
  return folder;
}

function testRules(tests: string) {
  const folder = makeFolder(`${head}    tests:\n${tests}`);
  const io = makeIo();
  const code = runRulesTest({ folder }, io);
  expect(io.printed.error).toBe("");
  return { code, out: io.printed.out.replaceAll(`${folder}/`, "") };
}

test.each([
  [
    "passes",
    `      - name: a life
        given:
          - { at: 0s, edge: { requests: 11, src: { name: web } } }
          - { at: 5m, edge: { requests: 1, src: { name: web } } }
        expect:
          - { at: 30s, state: pending }
          - { at: 2m, state: firing, message: web is busy, count: 1 }
          - { at: 7m, state: resolved, reason: fixed }
`,
    { code: 0, out: "1 tests of 1 rules: 1 passed, 0 failed\n" },
  ],
  [
    "says what it found instead",
    `      - name: wrong in every way
        given: [ { at: 0s, edge: { requests: 11, src: { name: web } } } ]
        expect:
          - { at: 30s, state: inactive }
          - { at: 30s, state: firing }
          - { at: 2m, state: firing, message: x, reason: y, count: 2 }
`,
    {
      code: 1,
      out: `FAIL a.yaml:13 busy: wrong in every way
     at 30s: expected no insight, found pending: "web is busy"
     at 30s: expected firing, found pending
     at 2m: expected 2 in state firing, found 1
     at 2m: expected the reason "y", found ""
     at 2m: expected the message "x", found "web is busy"
1 tests of 1 rules: 0 passed, 1 failed
`,
    },
  ],
  [
    "a known failure passes as long as it fails",
    `      - name: not yet
        todo: true
        given: [ { at: 0s, edge: { requests: 11 } } ]
        expect: [ { at: 1s, state: firing } ]
      - name: mended
        todo: true
        given: [ { at: 0s, edge: { requests: 11 } } ]
        expect: [ { at: 1s, state: pending } ]
`,
    {
      code: 1,
      out: `FAIL a.yaml:17 busy: mended
     it passes now: remove 'todo'
2 tests of 1 rules: 1 passed, of which 1 known to fail, 1 failed
`,
    },
  ],
  [
    "entities with other keys are other insights, and other types none of the rule's business",
    `      - name: two
        given: [ { at: 0s, edge: { requests: 11, port: 1 } }, { at: 0s, edge: { requests: 11, port: 2 } } ]
        expect: [ { at: 1s, state: pending, count: 2 } ]
      - name: a flow
        given: [ { at: 0s, flow: { bytes: 11 } } ]
        expect: [ { at: 1s, state: inactive } ]
`,
    {
      code: 1,
      out: `FAIL a.yaml:16 busy: a flow
     at 0s: gives 'flow' to a rule on 'edge'
2 tests of 1 rules: 1 passed, 1 failed
`,
    },
  ],
])("rules test %s", (_, tests, expected) => {
  expect(testRules(tests)).toEqual(expected);
});

test("rules check shows the line and exits with 1; rules test refuses to run", () => {
  const folder = makeFolder(head.replace("edge.requests", "edge.reqests"));
  const io = makeIo();
  expect(runRulesCheck({ folder }, io)).toBe(1);
  const diagnostic = `${folder}/a.yaml:8:16 error RULE_CEL_TYPE no field 'reqests' (did you mean 'requests'?)
  8 |     when: edge.reqests > 10
    |                ^
`;
  expect(io.printed).toEqual({
    out: `${diagnostic}0 rules in 1 files: 1 errors, 0 warnings\n`,
    error: "",
  });
  const again = makeIo();
  expect(runRulesTest({ folder }, again)).toBe(1);
  expect(again.printed.error).toBe(`${diagnostic}cannot test the rules: 1 errors in their files\n`);
});

test("--json is one document", () => {
  const folder = makeFolder(`${head}lists: { unused: [a] }\n`);
  const io = makeIo();
  expect(runRulesCheck({ folder, json: true }, io)).toBe(0);
  expect(JSON.parse(io.printed.out)).toEqual({
    files: 1,
    rules: 1,
    diagnostics: [
      {
        code: "UNUSED_LIST",
        severity: "warning",
        file: join(folder, "a.yaml"),
        line: 12,
        column: 10,
        message: "no rule uses the list 'unused'",
        suggestion: "",
      },
    ],
  });
});

const fixtures = `fixtures:
  busy_web:
    edge: { requests: 11, src: { name: web, namespace: shop, labels: { a: "1" } }, port: 80 }
`;

test("tests begin with fixtures, and ask for labels", () => {
  const folder = makeFolder(`${head}    subject: edge.src
    tests:
      - name: fields of the step come after those of the fixture
        given:
          - { at: 0s, fixture: busy_web, edge: { src: { namespace: bank, labels: { b: "2" } } } }
          - { at: 0s, fixture: busy_web, edge: { port: 81, requests: 1 } }
          - { at: 0s, fixture: busy_web, edge: { port: 82 } }
        expect:
          - { at: 2m, state: firing, count: 2, message: web is busy }
          - { at: 2m, state: firing, labels: { severity: low, namespace: bank, workload: web } }
          - { at: 2m, state: firing, labels: { namespace: shop, cluster: "" } }
          - { at: 2m, state: firing, labels: { namespace: mall, workload: web } }
${fixtures}`);
  const io = makeIo();
  expect(runRulesTest({ folder }, io)).toBe(1);
  expect(io.printed.out.replaceAll(`${folder}/`, "")).toBe(
    `FAIL a.yaml:14 busy: fields of the step come after those of the fixture
     at 2m: expected the labels namespace=mall, workload=web, found namespace=bank, workload=web
1 tests of 1 rules: 0 passed, 1 failed
`,
  );
});

test("longer tests stand in files of their own, which no engine loads", async () => {
  const folder = makeFolder(head.replace("low\n", "low\n    status: stable\n"));
  const outside = `version: 1
${fixtures}tests:
  - rule: busy
    name: busy
    given: [ { at: 0s, fixture: busy_web } ]
    expect: [ { at: 2m, state: firing } ]
  - rule: busy
    name: idle
    given: [ { at: 0s, fixture: busy_web, edge: { requests: 1 } } ]
    expect: [ { at: 2m, state: pending } ]
  - rule: plaintext-traffic
    name: a shipped one
    given: [ { at: 0s, fixture: busy_web } ]
    expect: [ { at: 2m, state: inactive } ]
`;
  const file = join(folder, "a_test.yaml");
  writeFileSync(file, outside.replace("pending", "inactive"));
  const check = makeIo();
  expect(runRulesCheck({ folder }, check)).toBe(0);
  expect(check.printed.out).toBe("1 rules in 2 files: 0 errors, 0 warnings\n");
  writeFileSync(file, outside);
  const io = makeIo();
  expect(runRulesTest({ folder }, io)).toBe(1);
  expect(io.printed.out).toContain(`FAIL ${file}:10 busy: idle\n`);
  expect(io.printed.out).toContain("3 tests of 1 rules: 2 passed, 1 failed\n");
  writeFileSync(
    file,
    `${outside.replaceAll("fixture: busy_web", "fixture: busy_wbe")}lists: { a: [b] }\n`,
  );
  const bad = makeIo();
  expect(runRulesCheck({ folder }, bad)).toBe(1);
  expect(bad.printed.out).toContain(
    "a_test.yaml:8:33 error RULE_REF the file has no fixture 'busy_wbe' (did you mean 'busy_web'?)",
  );
  expect(bad.printed.out).toContain(
    "a_test.yaml:18:1 error RULE_KEY 'lists' in a file of tests, which no engine loads",
  );
  const served = await runCli(["validate", "--set", `rules.paths=[${folder}]`]);
  expect(served).toMatchObject({ code: 0, error: "" });
});

test("a folder is checked beside the shipped rules, and tested for itself", () => {
  const folder = makeFolder(`version: 1
overrides:
  - { rule: plaintext-traffic, lists: { plaintext_exempt_namespaces: { add: [monitoring] } }, reason: r }
  - { rule: plaintext-trafic, enabled: false, reason: r }
rules:
  - { id: clock-skew, title: t, severity: low, confidence: low, on: edge, when: "true", message: m }
`);
  const io = makeIo();
  expect(runRulesCheck({ folder }, io)).toBe(1);
  expect(io.printed.out).toContain(
    "no rule 'plaintext-trafic' (did you mean 'plaintext-traffic'?)",
  );
  expect(io.printed.out).toContain("the rule id 'clock-skew' is taken, by ");
  expect(io.printed.out).toContain("0 rules in 1 files: 2 errors, 0 warnings\n");
  const family = makeIo();
  expect(runRulesTest({ folder: join(shippedRulesFolder, "health") }, family)).toBe(0);
  expect(family.printed.out).toMatch(/^\d+ tests of \d+ rules: /);
});

test("a folder that is not there is the user's mistake", () => {
  const io = makeIo();
  expect(() => runRulesCheck({ folder: "/nonexistent" }, io)).toThrow(
    "cannot read rules from '/nonexistent'",
  );
});

test("the guide's example does what the guide says", () => {
  const guide = readFileSync(new URL("../docs/rules.md", import.meta.url), "utf8");
  const example = /```yaml\n(.*?)```/s.exec(guide)?.[1] ?? "";
  const folder = makeFolder(example);
  const io = makeIo();
  expect(runRulesCheck({ folder }, io)).toBe(0);
  expect(runRulesTest({ folder }, io)).toBe(0);
  expect(io.printed.error).toBe("");
  expect(io.printed.out).toContain("2 tests of 1 rules: 2 passed, 0 failed");
});
