/** `rules explain`: every part of a condition with what it gave, as people and programs read it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readRuleFiles, shippedRulesFolder } from "../src/cli/rules-folder.ts";
import { entityOf } from "../src/cli/written-entities.ts";
import { usPerDay } from "../src/model/time.ts";
import { explainRule, type ExplainedPart } from "../src/rules/explain.ts";
import { loadRules } from "../src/rules/load.ts";
import { runCli } from "./support/cli.ts";
import { TempFolder } from "./support/program.ts";

function tempFolder(): string {
  const temp = new TempFolder();
  onTestFinished(() => temp[Symbol.dispose]());
  return temp.path;
}

/** Explains the rule of a text for an entity in a file. */
async function explain(rule: string, entity: string, ...options: string[]) {
  const [rules, other] = [tempFolder(), tempFolder()];
  writeFileSync(join(rules, "a.yaml"), rule);
  const file = join(other, "entity.yaml");
  writeFileSync(file, entity);
  const { code, out, error } = await runCli(["rules", "explain", "one", file, rules, ...options]);
  return { code, out, error: error.replaceAll(`${other}/`, "") };
}

const rule = `version: 1
lists: { quiet: [a, b] }
macros:
  is_loud: |
    !(edge.dst.name in quiet)
    && edge.requests > params.many
rules:
  - id: one
    title: One
    severity: low
    confidence: high
    on: edge
    params:
      many: { type: int, default: 10 }
      old: { type: duration, default: 1h }
    when: |
      (is_loud || edge.src.labels['app'] == 'x')
      && (edge.first_seen_age > params.old ? edge.port == 1 : edge.port == 2)
      && edge.reporters.exists(r, r.startsWith('s') && r != 'so')
    message: "{{ edge.src.name }} calls {{ edge.dst.name }}"
overrides: []
`;

test("each part stands with its value; what decides nothing is not asked", async () => {
  const entity = `edge:
  { src: { name: web }, dst: { name: cart, namespace: shop }, requests: 11, port: 2,
    reporters: [dst, src, so], first_seen_age: 30m }
`;
  const { code, out, error } = await explain(rule, entity);
  expect(error).toBe("");
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "one: matches

    true   (is_loud || edge.src.labels['app'] == 'x') && (edge.first_seen_age > params.old ? edge.port == 1 : edge.port == 2) && edge.reporters.exists(r, r.startsWith('s') && r != 'so')
    true     is_loud || edge.src.labels['app'] == 'x'
    true       is_loud
    true         !(edge.dst.name in quiet) && edge.requests > params.many
    true           !(edge.dst.name in quiet)
    false            edge.dst.name in quiet
                       edge.dst.name = "cart"
                       quiet = ["a","b"]
    true           edge.requests > params.many
                     edge.requests = 11
                     params.many = 10
    -          edge.src.labels['app'] == 'x'   (not needed)
    true     edge.first_seen_age > params.old ? edge.port == 1 : edge.port == 2
    false      edge.first_seen_age > params.old
                 edge.first_seen_age = "30m"
                 params.old = "1h"
    -          edge.port == 1   (not needed)
    true       edge.port == 2
                 edge.port = 2
    true     edge.reporters.exists(r, r.startsWith('s') && r != 'so')
               edge.reporters = ["dst","src","so"]
    false      r = "dst": r.startsWith('s') && r != 'so'
    false        r.startsWith('s')
                   r = "dst"
    -            r != 'so'   (not needed)
    true       r = "src": r.startsWith('s') && r != 'so'
    true         r.startsWith('s')
                   r = "src"
    true         r != 'so'
                   r = "src"
    -          1 more of edge.reporters   (not needed)

    Names:
      params.many = 10
      params.old = "1h"
      quiet = ["a","b"]
      is_loud: !(edge.dst.name in quiet) && edge.requests > params.many

    message    web calls cart
    severity   low, confidence high
    about      shop/cart
    peer       web
    fires      at once, and until 15m after it held last
    "
  `);
});

test("overrides and waivers count; faults are named, also those that decide nothing", async () => {
  const inAYear = new Date(Date.now() + 300 * usPerDay * 1e-3).toISOString().slice(0, 10);
  const changed = rule.replace(
    "overrides: []",
    `overrides: [ { rule: one, params: { many: 99 }, lists: { quiet: { add: [c] } }, reason: r } ]
waivers: [ { id: w, rules: [one], where: edge.port == 1, owner: o, reason: r, expires: ${inAYear} } ]`,
  );
  const edge = "requests: 100, port: 1, reporters: [src], first_seen_age: 2h";
  const faulty = await explain(changed, `edge: { dst: { name: c }, ${edge} }`);
  expect(faulty.error).toBe("");
  expect(faulty.out).toMatch(
    /^one: does not match, since its condition fails \(missing: no item with this index or key\)\n/,
  );
  expect(faulty.out).toContain("params.many = 99\n");
  expect(faulty.out).toContain('quiet = ["a","b","c"]\n');
  const decided = `edge: { dst: { name: d }, ${edge} }`;
  expect((await explain(changed, decided)).out).toContain("\nwaived by  w\n");
  const json = JSON.parse((await explain(changed, decided, "--json")).out) as Record<
    string,
    unknown
  >;
  expect(json).toMatchObject({ matches: true, waiver: "w", params: { many: 99, old: "1h" } });
});

test("entities that are none are refused with their place", async () => {
  for (const [entity, message] of [
    [
      "edge: { reqests: 1 }",
      "unknown key 'reqests' in 'edge' of the entity (did you mean 'requests'?)",
    ],
    ["flow: { bytes: 1 }", "unknown key 'flow' in the entity"],
    ["[]", "an entity is a map as in tests: { edge: { … } }"],
    ["{", "RULE_YAML"],
  ] as const) {
    const { code, out, error } = await explain(rule, entity);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(error).toContain("error: cannot use the entity:\nentity.yaml:1:");
    expect(error).toContain(message);
  }
  const missing = await runCli(["rules", "explain", "clock-skew", "/no/file"]);
  expect(missing.error).toBe(
    "error: cannot read the entity from '/no/file': no such file or folder\n",
  );
  const unknown = await runCli(["rules", "explain", "clock-skw"]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.error).toContain("there is no rule 'clock-skw' (did you mean 'clock-skew'?)");
});

test("without an entity the rule is told in words, and of a broken set the mistakes", async () => {
  const { out } = await runCli(["rules", "explain", "plaintext-traffic"]);
  for (const part of ["severity", "judged with", "Condition:", "Fix:", "Innocent causes:"]) {
    expect(out).toContain(part);
  }
  const folder = tempFolder();
  writeFileSync(join(folder, "a.yaml"), rule);
  const own = await runCli(["rules", "explain", "one", folder]);
  expect(own).toMatchObject({ code: 0, error: "" });
  expect(own.out).toMatch(/^one: One\n\nseverity  /);
  expect(own.out).toContain('\n  params.old = "1h"\n');
  const json = await runCli(["rules", "explain", "one", folder, "--json"]);
  expect(JSON.parse(json.out)).toMatchObject({
    rule: "one",
    on: "edge",
    lists: { quiet: ["a", "b"] },
  });
  const broken = await explain(rule.replace("edge.port == 1", "edge.prt == 1"), "edge: {}");
  expect(broken.code).toBe(1);
  expect(broken.error).toContain("no field 'prt' (did you mean 'port'?)");
});

/** All parts below one, with it. */
const partsOf = (part: ExplainedPart): readonly ExplainedPart[] => [
  part,
  ...part.parts.flatMap(partsOf),
];

const shipped = loadRules(readRuleFiles(shippedRulesFolder)).rules;

test.each(shipped.map((one) => [one.meta.id, one] as const))(
  "%s: the explanation agrees with the rule, and is written as CEL",
  (_, one) => {
    const { on } = one.meta;
    const nowUs = 2e15;
    for (const { given } of one.tests) {
      for (const step of given) {
        const fields = step[on];
        if (!fields) continue;
        const entity = entityOf(on, fields, nowUs);
        const { condition } = explainRule(one, entity, nowUs);
        const frame = { entity, locals: [], steps: 0, count: "", nowUs, dueUs: Infinity };
        expect(condition.value).toBe(one.when(frame));
        for (const { text } of partsOf(condition)) {
          const plain = text.replace(/'[^']*'/g, "");
          expect(plain.split("(").length).toBe(plain.split(")").length);
        }
      }
    }
  },
);
