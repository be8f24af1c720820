/** `rules diff` on what a real receiver sent of a real cluster's objects, with changes that are known. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { makeRecordingWriter } from "../src/cli/recording.ts";
import { shippedRulesFolder } from "../src/cli/rules-folder.ts";
import { Signal } from "../src/model/stages.ts";
import { runCli } from "./support/cli.ts";
import { bytesToPlain } from "./support/otlp-oracle.ts";
import { TempFolder } from "./support/program.ts";
import { readRecording } from "./support/recordings.ts";

const temp = new TempFolder();
const recording = join(temp.path, "objects.rec");

beforeAll(async () => {
  await using writer = await makeRecordingWriter(recording);
  let receivedUs = 0;
  for (const { signal, body } of readRecording("kubernetes/k8sobjects.bin.gz")) {
    const times = JSON.stringify(bytesToPlain(signal, body)).matchAll(/time_unix_nano":"(\d+)"/g);
    const newestUs = Math.max(...[...times].map(([, nanos]) => Math.floor(Number(nanos) / 1_000)));
    receivedUs = Math.max(receivedUs, newestUs);
    await writer.write({ signal: Signal[signal], receivedUs, body });
  }
  return () => temp[Symbol.dispose]();
});

/** A folder with one rule file. */
function ruleFolder(name: string, text: string): string {
  const folder = join(temp.path, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "a.yaml"), `version: 1\n${text}`);
  return folder;
}

const own = (message: string): string => `rules:
  - id: a-namespace
    title: A namespace
    severity: info
    confidence: high
    on: namespace
    when: namespace.name == 'shop'
    message: "${message}"
`;
const inAYear = new Date(Date.now() + 300 * 86_400_000).toISOString().slice(0, 10);

const diff = (a: string, b: string, ...options: string[]) =>
  runCli(["rules", "diff", a, b, "--recording", recording, ...options]);

test("what differs is told, and nothing else", async () => {
  const a = ruleFolder("a", own("{{ namespace.name }} is there"));
  const b = ruleFolder(
    "b",
    `${own("there is {{ namespace.name }}")}overrides:
  - { rule: injection-disabled, enabled: false, reason: r }
  - { rule: privileged-container-in-mesh, severity: critical, reason: r }
  - { rule: node-without-agent, for: 1s, reason: r }
waivers:
  - { id: open, rules: [mesh-not-strict], where: "true", reason: r, owner: o, expires: ${inAYear} }
`,
  );
  expect(await diff(a, a)).toMatchObject({ code: 0, out: "" });
  const { code, out, error } = await diff(a, b);
  expect(out.replace(/fired_at: none -> \S+/, "fired_at: none -> TIME")).toMatchInlineSnapshot(`
    "~ a-namespace demo/shop (info, firing): there is shop
        message: shop is there -> there is shop
    - injection-disabled demo/shop/db (medium, pending): shop/db runs without the sidecar that is declared for it
    ~ mesh-not-strict (medium, firing): the mesh of demo is PERMISSIVE, since nothing is declared for it: workloads take plaintext unless their namespace says otherwise
        waiver: none -> open
    ~ node-without-agent demo/node-1 (medium, firing): node-1 runs 2 pods of the mesh, and no node agent was ever heard from it: what goes around their proxies is not seen
        state: pending -> firing
        fired_at: none -> TIME
    ~ privileged-container-in-mesh demo/shop/cart (critical, firing): container app of shop/cart is privileged
        severity: high -> critical
    "
  `);
  expect(error).toMatch(/^12 requests evaluated; .+: 1 only in A, 0 only in B, 4 changed\n$/);
  expect(code).toBe(1);
  const other = await diff(b, a, "--json");
  const { only_a, only_b, changed } = JSON.parse(other.out) as Record<string, { rule: string }[]>;
  expect(only_a).toEqual([]);
  expect(only_b?.map(({ rule }) => rule)).toEqual(["injection-disabled"]);
  expect(changed).toContainEqual(
    expect.objectContaining({
      rule: "mesh-not-strict",
      changes: [{ field: "waiver", a: "open", b: "" }],
    }),
  );
});

test("two whole sets are compared without the shipped one between", async () => {
  const mine = ruleFolder("mine", own("m"));
  const beside = await diff(shippedRulesFolder, mine);
  expect(beside.out).toMatch(/^\+ a-namespace \S+\/shop \(info, firing\): m\n$/);
  const alone = await diff(shippedRulesFolder, mine, "--alone");
  expect(alone.out).toContain("- privileged-container-in-mesh ");
  expect(alone.error).toMatch(
    /; (\d+) insights in A, 1 in B: \1 only in A, 1 only in B, 0 changed\n$/,
  );
});

test("what cannot be compared exits with 2 and says why", async () => {
  const twice = ruleFolder("twice", own("m").replace("a-namespace", "clock-skew"));
  const bad = await diff(shippedRulesFolder, twice);
  expect(bad).toMatchObject({ code: 2, out: "" });
  expect(bad.error).toContain(`error: the rule set '${twice}': cannot load the rules:\n`);
  expect(bad.error).toContain("--alone if it is a whole set");
  const missing = await runCli(["rules", "diff", twice, twice, "--alone", "--recording", "/no"]);
  expect(missing).toMatchObject({ code: 2, out: "" });
  expect(missing.error).toContain('"/no": no such file or folder');
  expect((await runCli(["rules", "diff", twice, twice])).code).toBe(2);
});
