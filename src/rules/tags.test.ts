import { expect, test } from "vitest";
import { attackAliases } from "./attack-table.ts";
import { loadRules } from "./load.ts";
import { resolveTag } from "./tags.ts";

test.each([
  ["attack.t1040", "Network Sniffing"],
  ["attack.t1036.010", "Masquerade Account Name"],
  ["cis-k8s.5.2.8", "Minimize containers with the NET_RAW capability"],
  ["pci.1.3.2", "Outbound traffic from the cardholder data environment is restricted"],
  ["nist-800-53.sc-7.5", "Deny by Default - Allow by Exception"],
])("%s is %s", (tag, name) => {
  expect(resolveTag(tag)).toEqual({ ok: true, tag, name, isOld: false });
});

test("what ATT&CK 19 revoked is the technique that replaced it", () => {
  expect(resolveTag("attack.t1562.001")).toEqual({
    ok: true,
    tag: "attack.t1685",
    name: "Disable or Modify Tools",
    isOld: true,
  });
  for (const [old, current] of Object.entries(attackAliases)) {
    expect(resolveTag(`attack.${current}`)).toMatchObject({ ok: true, isOld: false });
    expect(resolveTag(`attack.${old}`)).toMatchObject({ tag: `attack.${current}`, isOld: true });
  }
});

test.each([
  ["attack.t1036.100", "attack.t1036.010"],
  ["nist-800-53.sc7", "nist-800-53.sc-7"],
  ["atack.t1040", "attack.t1040"],
  ["attack.constructor", ""],
  ["team.payments", ""],
])("there is no %s", (tag, suggestion) => {
  expect(resolveTag(tag)).toEqual({ ok: false, suggestion });
});

test("a rule's tags are of one version; an old id is a warning, an unknown one an error", () => {
  const load = (tags: string) => {
    const rule = `{ id: a, title: t, severity: low, confidence: low, on: edge, when: "true", message: m, tags: [${tags}] }`;
    const text = `version: 1\nrules:\n  - ${rule}\n`;
    return loadRules([{ path: "a.yaml", text }]);
  };
  const renamed = load("attack.t1562.001, attack.t1685, pci.1.3.2");
  expect(renamed.rules[0]?.meta.tags).toEqual(["attack.t1685", "pci.1.3.2"]);
  expect(renamed.diagnostics).toMatchObject([
    {
      code: "OLD_TAG",
      severity: "warning",
      line: 3,
      column: 99,
      message: "'attack.t1562.001' is 'attack.t1685' now: Disable or Modify Tools",
    },
  ]);
  const unknown = load("pci.1.3.22, T1040");
  expect(unknown.rules).toEqual([]);
  expect(unknown.diagnostics.map(({ code, suggestion }) => [code, suggestion])).toEqual([
    ["RULE_REF", "pci.1.3.2"],
    ["RULE_KEY", ""],
  ]);
});
