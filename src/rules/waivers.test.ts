import { expect, test } from "vitest";
import { makeEntity } from "../model/entities.ts";
import { usPerDay, usPerMs } from "../model/time.ts";
import { makeFrame } from "./compile.ts";
import { loadRules } from "./load.ts";
import type { WaiverLimits } from "./waivers.ts";

const rules = `version: 1
lists: { accepted: [billing] }
rules:
  - { id: on-edge, title: t, severity: low, confidence: low, on: edge, when: "true", message: m }
  - { id: on-edge-too, title: t, severity: low, confidence: low, on: edge, when: "true", message: m }
  - { id: on-flow, title: t, severity: low, confidence: low, on: flow, when: "true", message: m }
  - { id: is-off, title: t, severity: low, confidence: low, on: edge, when: "true", message: m, enabled: false }
  - { id: is-broken, title: t, severity: low, confidence: low, on: edge, when: "1", message: m }
`;

const todayUs = Date.parse("2026-06-01T13:00:00Z") * usPerMs;

function load(keys: Readonly<Record<string, string>>, limits: WaiverLimits = { todayUs }) {
  const all = {
    id: "w",
    rules: "[on-edge]",
    where: "edge.dst.namespace in accepted",
    reason: "r",
    owner: "o",
    expires: "2026-12-31",
    ...keys,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `    ${key}: ${value}\n`);
  const text = `version: 1\nwaivers:\n  -\n${lines.join("")}`;
  const files = [
    { path: "0.yaml", text: rules },
    { path: "1.yaml", text },
  ];
  const { waivers, diagnostics } = loadRules(files, limits);
  const said = diagnostics
    .filter(({ file }) => file === "1.yaml")
    .map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);
  return { waivers, said };
}

test("a waiver knows its rules, its end and what it accepts", () => {
  const { waivers, said } = load({ rules: "[on-edge, on-edge-too, is-off]", ticket: "SEC-1" });
  expect(said).toEqual([]);
  const [waiver] = waivers;
  expect(waiver?.meta).toEqual({
    id: "w",
    rules: ["on-edge", "on-edge-too", "is-off"],
    where: "edge.dst.namespace in accepted",
    reason: "r",
    owner: "o",
    ticket: "SEC-1",
    endsUs: Date.parse("2027-01-01T00:00:00Z") * usPerMs,
  });
  expect(waiver).toMatchObject({ file: "1.yaml", line: 4 });
  const where = waiver?.where.get("on-edge-too");
  const edge = makeEntity("edge");
  expect(where?.({ ...makeFrame(), entity: edge })).toBe(false);
  const dst = { ...makeEntity("node"), namespace: "billing" };
  expect(where?.({ ...makeFrame(), entity: { ...edge, dst } })).toBe(true);
});

test.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
  ["without an end", { expires: "" }, ["4:5 RULE_WAIVER waiver 'w' has no 'expires'"]],
  ["without a reason", { reason: "" }, ["4:5 RULE_WAIVER waiver 'w' has no 'reason'"]],
  ["without an owner", { owner: "" }, ["4:5 RULE_WAIVER waiver 'w' has no 'owner'"]],
  ["without a condition", { where: "" }, ["4:5 RULE_WAIVER waiver 'w' has no 'where'"]],
  [
    "that ends on no day",
    { expires: "2026-06-31" },
    ["9:14 RULE_WAIVER 'expires' of waiver 'w' is no date: '2026-06-31'"],
  ],
  [
    "that ends at a time",
    { expires: "2026-12-31T10:00:00Z" },
    [
      "9:14 RULE_KEY 'expires' of waiver 'w' must be a date like 2027-01-31, is '2026-12-31T10:00:00Z'",
    ],
  ],
  [
    "that ends after a year",
    { expires: "2027-06-02" },
    ["9:14 RULE_WAIVER waiver 'w' ends more than 365 days from now"],
  ],
  ["of no rule", { rules: "[]" }, ["5:12 RULE_KEY 'rules' of waiver 'w' must not be empty"]],
  [
    "of a rule that is not there",
    { rules: "[on-edge, on-edg]" },
    ["5:22 RULE_REF there is no rule 'on-edg'"],
  ],
  [
    "that fits only some of its rules",
    { rules: "[on-edge, on-flow]" },
    ["6:12 RULE_CEL_TYPE nothing is named 'edge'"],
  ],
  ["that is no bool", { where: "edge.port" }, ["6:12 RULE_CEL_TYPE 'where' must be bool, is int"]],
  [
    "with a field that is not there",
    { where: "edge.dst.namspace == ''" },
    ["6:21 RULE_CEL_TYPE no field 'namspace'"],
  ],
  ["with a rule's param", { where: "params.x > 1" }, ["6:19 RULE_CEL_TYPE no field 'x'"]],
  [
    "with a key that is none",
    { until: "2026-12-31" },
    ["10:5 RULE_KEY unknown key 'until' in waiver 'w'"],
  ],
])("refuses a waiver %s", (_, keys, expected) => {
  const { waivers, said } = load(keys);
  expect(said).toEqual(expected);
  expect(waivers).toEqual([]);
});

test.each([
  ["2026-05-31", ["9:14 WAIVER_ENDS waiver 'w' ended with 2026-05-31"]],
  ["2026-06-01", ["9:14 WAIVER_ENDS waiver 'w' ends with 2026-06-01"]],
  ["2026-06-14", ["9:14 WAIVER_ENDS waiver 'w' ends with 2026-06-14"]],
  ["2026-06-15", []],
  ["2027-06-01", []],
])("a waiver until %s is loaded", (expires, expected) => {
  const { waivers, said } = load({ expires });
  expect(said).toEqual(expected);
  expect(waivers.map(({ meta }) => meta.id)).toEqual(["w"]);
});

test("how far ahead a waiver may end can be set, and is no question without a today", () => {
  const expires = "2026-07-15";
  expect(load({ expires }, { todayUs, waiverMaxUs: 30 * usPerDay }).said).toEqual([
    "9:14 RULE_WAIVER waiver 'w' ends more than 30 days from now",
  ]);
  expect(load({ expires: "2099-01-01" }, {}).said).toEqual([]);
});

test("a second waiver of the same id is an error", () => {
  const one =
    "  - { id: w, rules: [on-flow], where: 'true', reason: r, owner: o, expires: 2026-12-31 }\n";
  const text = `version: 1\nwaivers:\n${one}${one}`;
  const files = [
    { path: "0.yaml", text: rules },
    { path: "1.yaml", text },
  ];
  const { waivers, diagnostics } = loadRules(files, { todayUs });
  expect(waivers).toHaveLength(1);
  expect(diagnostics.filter(({ file }) => file === "1.yaml")).toMatchObject([
    { code: "RULE_REF", line: 4, message: "the waiver id 'w' is taken, by 1.yaml:3" },
  ]);
});
