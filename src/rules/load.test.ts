import { expect, test } from "vitest";
import { parseDuration } from "../model/durations.ts";
import { loadRules } from "./load.ts";

function ruleText(keys: Readonly<Record<string, string>>, more = ""): string {
  const all = {
    id: "a",
    title: "t",
    severity: "low",
    confidence: "low",
    on: "edge",
    when: "edge.port > 0",
    message: "m",
    ...keys,
  };
  const lines = Object.entries(all).map(([key, value]) => `    ${key}: ${value}\n`);
  return `version: 1\n${more}rules:\n  -\n${lines.join("")}`;
}

function load(...texts: string[]) {
  const loaded = loadRules(texts.map((text, index) => ({ path: `${index}.yaml`, text })));
  const said = loaded.diagnostics.map(
    ({ file, line, column, code }) => `${file}:${line}:${column} ${code}`,
  );
  return { ...loaded, said };
}

test("what a rule does not say has its default", () => {
  const { rules, said } = load(ruleText({}));
  expect(said).toEqual([]);
  expect(rules[0]?.meta).toEqual({
    id: "a",
    ruleset: "",
    category: "",
    title: "t",
    severity: "low",
    status: "experimental",
    version: expect.stringMatching(/^[0-9a-f]{16}$/),
    on: "edge",
    lifecycle: "state",
    forUs: 0,
    keepFiringForUs: 900_000_000,
    description: "",
    confirm: "",
    layer: "",
    remediation: "",
    falsePositives: [],
    references: [],
    tags: [],
    needs: [],
    partly: [],
  });
  expect(rules[0]?.reads).toEqual(["port"]);
});

test("the version is that of what the rule does", () => {
  const versionOf = (text: string): string => load(text).rules[0]?.meta.version ?? "";
  const list = (items: string): string =>
    ruleText({ when: "edge.protocol in known" }, `lists: { known: ${items} }\n`);
  const plain = versionOf(ruleText({}));
  expect(versionOf(`# a comment\n${ruleText({ when: "'edge.port > 0'" })}`)).toBe(plain);
  expect(versionOf(ruleText({ when: "edge.port > 1" }))).not.toBe(plain);
  expect(versionOf(ruleText({ severity: "high" }))).not.toBe(plain);
  expect(versionOf(ruleText({ tests: "[]" }))).toBe(plain);
  expect(versionOf(list("[a]"))).not.toBe(versionOf(list("[a, b]")));
});

test("lists and macros of one file are those of every file; reads go through macros", () => {
  const shared = `version: 1
lists: { known: [http] }
macros: { inner: "edge.protocol in known", outer: "inner && edge.dst.mesh == 'yes'" }
`;
  const { rules, lists, said } = load(ruleText({ when: "outer || edge.stale" }), shared);
  expect(said).toEqual([]);
  expect([...lists]).toEqual([["known", ["http"]]]);
  expect(rules[0]?.reads).toEqual(["protocol", "dst.mesh", "stale"]);
});

test("a name of a later file breaks no rule of an earlier one", () => {
  const first = ruleText(
    { when: "known.exists(n, edge.protocol == n) && edge.src.name != 'text'" },
    "lists: { known: [http] }\n",
  );
  const said = (later: string) => {
    const { rules, said: all } = load(first, `version: 1\n${later}`);
    return [rules.length, ...all.filter((one) => !one.includes("UNUSED"))];
  };
  // Neither a field nor a word in a text is a macro.
  expect(said("macros: { protocol: flow.dst_port > 0, text: flow.dst_port > 1 }\n")).toEqual([1]);
  expect(said("lists: { n: [a] }\n")).toEqual([0, "1.yaml:2:10 RULE_REF"]);
  const mine = ruleText({ id: "b", when: "known.exists(known, known == '')" });
  expect(load(first, mine).said).toEqual(["1.yaml:9:11 RULE_CEL_TYPE"]);
});

test("a macro that no rule uses is read at least", () => {
  const macros = (text: string): string => ruleText({}, `macros: { unused: "${text}" }\n`);
  expect(load(macros("edge.port > 0")).said).toEqual(["0.yaml:2:11 UNUSED_MACRO"]);
  expect(load(macros("edge.port >")).said).toEqual([
    "0.yaml:2:11 UNUSED_MACRO",
    "0.yaml:2:31 RULE_CEL_SYNTAX",
  ]);
});

test("macros that double each other are refused, not counted for ever", () => {
  const macros = Array.from({ length: 40 }, (_, i) => `  m${i + 1}: m${i} && m${i}\n`).join("");
  const text = ruleText({ when: "m40" }, `macros:\n  m0: edge.port > 0\n${macros}`);
  expect(load(text).diagnostics.map(({ message }) => message)).toEqual([
    "more than 500 nodes with its macros",
  ]);
});

test.each(["[", "{a: ", "- ", "? "])("nesting without end: %s", (piece) => {
  const { diagnostics } = load(piece.repeat(5_000));
  expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set(["RULE_YAML"]));
  expect(diagnostics.length).toBeLessThanOrEqual(10);
  const rule = ruleText({ tests: piece.repeat(5_000) });
  expect(load(rule).rules).toEqual([]);
});

test("a flood of mistakes is cut, and warnings hide no error", { timeout: 20_000 }, () => {
  const keys = Array.from({ length: 30_000 }, (_, i) => `k${i}: 1\n`).join("");
  const lists = Array.from({ length: 5_000 }, (_, i) => `  l${i}: [a]\n`).join("");
  const { said } = load(`version: 1\nlists:\n${lists}rules: []\n${keys}`);
  expect(said.filter((one) => one.endsWith(" UNUSED_LIST"))).toHaveLength(1_000);
  expect(said.filter((one) => one.endsWith(" RULE_KEY"))).toHaveLength(1_000);
});

test("a second key of the same name is an error at its place", () => {
  expect(load(ruleText({}, "lists: { a: [b], c: [d], a: [e] }\n")).said).toEqual([
    "0.yaml:2:26 RULE_YAML",
  ]);
});

test("a list may have the name of an object's own function", () => {
  const text = ruleText({ when: "edge.protocol in constructor" }, "lists: { constructor: [a] }\n");
  expect(load(text).said).toEqual([]);
});

test("a disabled rule is checked and left out", () => {
  expect(load(ruleText({ enabled: "false" })).rules).toEqual([]);
  expect(load(ruleText({ enabled: "false", when: "edge.prt > 0" })).said).toEqual([
    "0.yaml:9:16 RULE_CEL_TYPE",
  ]);
});

test.each([
  ["1m", ["0.yaml:11:39 WITHIN_TOO_SHORT"]],
  ["2m", []],
])("a window of %s over a number that is scraped", (within, expected) => {
  const count = `{ of: edge.denied, within: ${within}, gte: 3 }`;
  expect(load(ruleText({ count })).said).toEqual(expected);
});

test("one broken file or rule does not silence the others", () => {
  const broken = "rules: [";
  const { rules, said } = load(broken, ruleText({ when: "edge.x" }), ruleText({ id: "b" }), "");
  expect(rules.map(({ meta }) => meta.id)).toEqual(["b"]);
  expect(said).toEqual([
    "0.yaml:1:9 RULE_YAML",
    "1.yaml:9:16 RULE_CEL_TYPE",
    "3.yaml:1:1 RULE_YAML",
  ]);
});

test.each([
  ["plain", "edge.prt > 0", "9:16"],
  ["double quoted", '"\\x65dge.prt > 0"', "9:20"],
  ["single quoted", "'edge.protocol == '''' && edge.prt > 0'", "9:42"],
  ["literal block", "|\n      edge.port > 0\n        && edge.prt > 0", "11:17"],
  [
    "literal block with an indent of its own",
    "|2\n        edge.port > 0 &&\n      edge.prt > 0",
    "11:12",
  ],
  ["kept line ends", "|+\n      edge.prt > 0\n\n", "10:12"],
])("errors have their place in a %s scalar", (_, when, place) => {
  expect(load(ruleText({ when })).said).toEqual([`0.yaml:${place} RULE_CEL_TYPE`]);
});

test.each([
  ["confidence: edge.security", { confidence: "edge.security" }, "RULE_REF"],
  ["subject: edge.port", { subject: "edge.port" }, "RULE_REF"],
  ["key of a double", { key: "[edge.plaintext_share]" }, "RULE_REF"],
  ["an alias", { message: "*x" }, "RULE_YAML"],
  ["a cycle of aliases", { title: "&a [*a]" }, "RULE_YAML"],
  [
    "a rule that is too large",
    { when: Array(200).fill("edge.port > 0").join(" || ") },
    "RULE_CEL_SYNTAX",
  ],
  ["__proto__ as a key", { __proto__x: "1", constructor: "1" }, "RULE_KEY"],
])("refuses %s", (_, keys, code) => {
  const { rules, diagnostics } = load(ruleText(keys));
  expect(rules).toEqual([]);
  expect(diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
});

test.each([
  ["0s", 0],
  ["500ms", 500_000],
  ["1h30m", 5_400_000_000],
  ["7d", 604_800_000_000],
  ["", null],
  ["5", null],
  ["5 m", null],
  ["-5m", null],
  ["1.5h", null],
  ["999999999d", null],
])("duration %s", (text, us) => {
  expect(parseDuration(text)).toBe(us);
});
