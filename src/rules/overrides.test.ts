import { expect, test } from "vitest";
import { makeEntity } from "../model/entities.ts";
import { makeFrame } from "./compile.ts";
import { loadRules } from "./load.ts";

const shipped = `version: 1
lists: { exempt: [kube-system], ports: [15020], networks: [10.0.0.0/8] }
macros: { is_exempt: edge.dst.namespace in exempt }
rules:
  - id: busy
    title: t
    severity: low
    confidence: low
    on: edge
    params: { most: { type: int, default: 10 }, long: { type: duration, default: 5m } }
    when: edge.requests > params.most && !is_exempt && !(edge.port in ports)
    message: m
  - id: exempt-too
    title: t
    severity: low
    confidence: low
    on: edge
    when: is_exempt
    message: m
  - id: far
    title: t
    severity: low
    confidence: low
    on: flow
    enabled: false
    when: networks.exists(n, flow.dst_ip.inCidr(n))
    message: m
`;

function load(...overrides: readonly string[]) {
  const text = `version: 1\noverrides:\n${overrides.map((one) => `  - ${one}\n`).join("")}`;
  const loaded = loadRules([
    { path: "shipped.yaml", text: shipped },
    { path: "mine.yaml", text },
  ]);
  const said = loaded.diagnostics.map(
    ({ file, line, column, code, message }) => `${file}:${line}:${column} ${code} ${message}`,
  );
  const rule = (id: string) => loaded.rules.find(({ meta }) => meta.id === id);
  return { ...loaded, said, rule };
}

const plain = load("{ rule: exempt-too, reason: r }");

function matches(rule: ReturnType<typeof plain.rule>, fields: object): unknown {
  const dst = { ...makeEntity("node"), namespace: "shop" };
  return rule?.when({ ...makeFrame(), entity: { ...makeEntity("edge"), dst, ...fields } });
}

test("without a change all is as it was", () => {
  expect(plain.rules.map(({ meta }) => meta.id)).toEqual(["busy", "exempt-too"]);
  expect(plain.said).toEqual([]);
});

test("severity, times and whether a rule is on", () => {
  const { rules, rule, said } = load(
    "{ rule: busy, severity: critical, for: 1m, keep_firing_for: 2m, reason: r }",
    "{ rule: exempt-too, enabled: false, reason: r }",
    "{ rule: far, enabled: true, reason: r }",
  );
  expect(said).toEqual([]);
  expect(rules.map(({ meta }) => meta.id)).toEqual(["busy", "far"]);
  expect(rule("busy")?.meta).toMatchObject({
    severity: "critical",
    forUs: 60_000_000,
    keepFiringForUs: 120_000_000,
    title: "t",
  });
});

test("a param is what the override says", () => {
  const { rule, said } = load("{ rule: busy, params: { most: 100, long: 1h }, reason: r }");
  expect(said.filter((one) => one.startsWith("mine"))).toEqual([]);
  expect(matches(rule("busy"), { requests: 50 })).toBe(false);
  expect(matches(plain.rule("busy"), { requests: 50 })).toBe(true);
});

test("a list changes for the one rule, also behind a macro", () => {
  const { rule, lists } = load(
    "{ rule: busy, lists: { exempt: { add: [shop], remove: [kube-system] } }, reason: r }",
  );
  const kubeSystem = { dst: { ...makeEntity("node"), namespace: "kube-system" } };
  expect(matches(rule("busy"), { requests: 50 })).toBe(false);
  expect(matches(rule("busy"), { requests: 50, ...kubeSystem })).toBe(true);
  expect(matches(rule("exempt-too"), {})).toBe(false);
  expect(matches(rule("exempt-too"), kubeSystem)).toBe(true);
  expect(lists.get("exempt")).toEqual(["kube-system"]);
});

test("a list changes for every rule that uses it", () => {
  const { rule, lists } = load("{ list: exempt, add: [shop], reason: r }");
  expect(matches(rule("busy"), { requests: 50 })).toBe(false);
  expect(matches(rule("exempt-too"), {})).toBe(true);
  expect(lists.get("exempt")).toEqual(["kube-system", "shop"]);
});

test("a list changes for all and then for one", () => {
  const { rule } = load(
    "{ list: exempt, add: [shop], reason: r }",
    "{ rule: busy, lists: { exempt: { remove: [shop] } }, reason: r }",
  );
  expect(matches(rule("busy"), { requests: 50 })).toBe(true);
  expect(matches(rule("exempt-too"), {})).toBe(true);
});

test.each([
  "{ rule: busy, severity: high, reason: r }",
  "{ rule: busy, for: 1m, reason: r }",
  "{ rule: busy, params: { most: 100 }, reason: r }",
  "{ rule: busy, lists: { exempt: { add: [shop] } }, reason: r }",
  "{ list: exempt, add: [shop], reason: r }",
])("the version of a changed rule is another one: %s", (override) => {
  const { rule } = load(override);
  expect(rule("busy")?.meta.version).not.toBe(plain.rule("busy")?.meta.version);
  const isOfBoth = override.includes("list:");
  expect(rule("exempt-too")?.meta.version === plain.rule("exempt-too")?.meta.version).toBe(
    !isOfBoth,
  );
});

test("the version is that of what changes, not of why", () => {
  const version = (text: string) => load(text).rule("busy")?.meta.version;
  expect(version("{ rule: busy, reason: r }")).toBe(plain.rule("busy")?.meta.version);
  expect(version("{ rule: busy, severity: high, reason: a }")).toBe(
    version("{ reason: b, severity: high, rule: busy }"),
  );
});

test.each<[string, readonly string[], readonly string[]]>([
  [
    "a rule that is not there",
    ["{ rule: bussy, enabled: false, reason: r }"],
    ["3:13 RULE_REF there is no rule 'bussy'"],
  ],
  [
    "a second one of the same rule",
    ["{ rule: busy, severity: high, reason: r }", "{ rule: busy, enabled: false, reason: r }"],
    ["4:13 RULE_REF the override of 'busy' is taken, by mine.yaml:3"],
  ],
  [
    "a second one of the same list",
    ["{ list: exempt, add: [a], reason: r }", "{ list: exempt, add: [b], reason: r }"],
    ["4:13 RULE_REF the override of 'exempt' is taken, by mine.yaml:3"],
  ],
  [
    "no reason",
    ["{ rule: busy, enabled: false }"],
    ["3:5 RULE_KEY the override of 'busy' has no 'reason'"],
  ],
  [
    "another condition",
    ["{ rule: busy, when: 'true', reason: r }"],
    ["3:19 RULE_KEY unknown key 'when' in the override of 'busy'"],
  ],
  [
    "a rule and a list",
    ["{ rule: busy, list: exempt, add: [a], reason: r }"],
    [
      "3:19 RULE_KEY unknown key 'list' in the override of 'busy'",
      "3:33 RULE_KEY unknown key 'add' in the override of 'busy'",
    ],
  ],
  ["neither", ["{ reason: r }"], ["3:5 RULE_KEY an override has no 'rule'"]],
  [
    "a param that is not there",
    ["{ rule: busy, params: { mots: 1 }, reason: r }"],
    ["3:29 RULE_REF rule 'busy' has no param 'mots'"],
  ],
  [
    "a param of another type",
    ["{ rule: busy, params: { most: many, long: [1h] }, reason: r }"],
    [
      "3:35 RULE_KEY the value of 'most' is no int",
      "3:47 RULE_KEY the value of 'long' is no duration",
    ],
  ],
  [
    "a list that is not there",
    ["{ list: exemt, add: [a], reason: r }"],
    ["3:13 RULE_REF there is no list 'exemt'"],
  ],
  [
    "a list that the rule does not use",
    ["{ rule: busy, lists: { networks: { add: [10.0.0.1/32] } }, reason: r }"],
    ["3:28 RULE_REF rule 'busy' uses no list 'networks'"],
  ],
  [
    "numbers to texts",
    ["{ list: exempt, add: [1], reason: r }"],
    ["3:13 RULE_KEY the list 'exempt' would hold both texts and numbers"],
  ],
  [
    "what the rule cannot use",
    ["{ list: networks, add: [10.0.0.0/99], reason: r }"],
    ["3:13 RULE_REF rule 'far' as it is changed: '10.0.0.0/99' is no network like 10.0.0.0/8"],
  ],
  [
    "nothing",
    ["{ list: exempt, add: [kube-system], remove: [shop], reason: r }"],
    [
      "3:13 NO_EFFECT the list 'exempt' has no 'shop'",
      "3:13 NO_EFFECT the list 'exempt' has 'kube-system' already",
    ],
  ],
])("says what is wrong with an override of %s", (_, overrides, expected) => {
  const { said } = load(...overrides);
  const mine = said.filter((one) => one.startsWith("mine.yaml:"));
  expect(mine.map((one) => one.slice("mine.yaml:".length))).toEqual(expected);
  // Whatever it is, the shipped file is not to blame.
  expect(said.filter((one) => one.startsWith("shipped") && !one.includes("UNUSED"))).toEqual([]);
});
