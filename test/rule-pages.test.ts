/** `rules docs`, and what stands in the committed pages; test/rules.test.ts holds them to the rules. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRuleFiles, shippedRulesFolder } from "../src/cli/rules-folder.ts";
import { loadRules } from "../src/rules/load.ts";
import { runCli } from "./support/cli.ts";
import { TempFolder } from "./support/program.ts";

const committed = join(import.meta.dirname, "../docs/rules");
const pagesIn = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );

test("every rule has a page with all that a person needs, and links that lead somewhere", () => {
  const shipped = readRuleFiles(shippedRulesFolder);
  const { rules } = loadRules(shipped);
  const pages = pagesIn(committed);
  const ids = rules.map(({ meta }) => meta.id);
  expect(Object.keys(pages).toSorted()).toEqual(
    ["README.md", ...ids.map((id) => `${id}.md`)].toSorted(),
  );
  for (const [name, page] of Object.entries(pages)) {
    const titles = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    if (name === "README.md") continue;
    expect(titles).toEqual([
      "What it means and why it matters",
      "How to confirm",
      "Innocent causes",
      "How to fix",
      "How to waive",
      "What it needs",
      "When it fires",
      "Tags",
      "References",
    ]);
    for (const [, link = ""] of page.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      expect([link, existsSync(join(committed, link))]).toEqual([link, true]);
    }
  }
});

test("every page's waiver can be pasted", () => {
  const waivers = Object.entries(pagesIn(committed)).flatMap(([name, page]) => {
    const text = /^```yaml\n(version: 1\nwaivers:\n.+?)^```/ms.exec(page)?.[1];
    return text === undefined ? [] : [{ path: `${name}.yaml`, text }];
  });
  const set = [...readRuleFiles(shippedRulesFolder), ...waivers];
  const loaded = loadRules(set, { todayUs: Date.parse("2026-12-01") * 1_000 });
  expect(loaded.diagnostics).toEqual([]);
  expect(loaded.waivers.map(({ meta }) => meta.rules.join()).toSorted()).toEqual(
    loaded.rules.map(({ meta }) => meta.id).toSorted(),
  );
});

const own = `version: 1
rules:
  - id: own
    title: A <b> of mine | yours
    severity: low
    confidence: low
    on: engine
    params: { most: { type: int, default: 3 } }
    when: engine.shed > params.most
    message: m
    description: What \`<it>\` means for <whom>.
    confirm: |
      Ask:
        kubectl get pods -n <namespace>

        kubectl get services
      Or set:
        engine: { profile: large }
`;

test("a folder of one's own gets pages that need no others; what is gone goes, the rest stays", async () => {
  using temp = new TempFolder();
  using rules = new TempFolder();
  const file = join(rules.path, "mine/a.yaml");
  mkdirSync(join(rules.path, "mine"));
  writeFileSync(file, own);
  const out = join(temp.path, "new/pages");
  const run = (...more: string[]) => runCli(["rules", "docs", rules.path, "--out", out, ...more]);
  expect(await run("--until", "2027-05-01")).toMatchObject({
    code: 0,
    out: `1 pages and an index in ${out}\n`,
  });
  const page = readFileSync(join(out, "own.md"), "utf8");
  expect(page).toMatchInlineSnapshot(`
    "<!-- Made by \`mesh-insights rules docs\` from the rule files: change it there. -->
    # own

    **A &lt;b> of mine &#124; yours**

    |  |  |
    | --- | --- |
    | severity | low |
    | confidence | low |
    | status | experimental: never pages |
    | family | [mine](README.md#mine) |
    | looks at | \`engine\` |
    | one insight for each | engine |

    ## What it means and why it matters

    What \`<it>\` means for &lt;whom>.

    ## How to confirm

    Ask:

    \`\`\`sh
    kubectl get pods -n <namespace>

    kubectl get services
    \`\`\`

    Or set:

    \`\`\`yaml
    engine: { profile: large }
    \`\`\`

    ## How to waive

    Put this into a file of your rules' folder (\`rules.paths\`), with names, reason and owner of your own. \`expires\` is the last day, at most a year ahead; until then the insight is there, and pages nobody.

    \`\`\`yaml
    version: 1
    waivers:
      - id: accept-own
        rules: [own]
        where: "true"
        reason: why this is accepted, and what will end it
        owner: who answers for it
        expires: 2027-05-01
    \`\`\`

    ## What it needs

    Nobody's telemetry: the engine knows this of itself.

    ## When it fires

    It fires at once, and stays until 15m after it held last. \`mesh-insights rules explain own entity.yaml\` shows what each part says of an entity.

    \`\`\`text
    engine.shed > params.most
    \`\`\`

    Tunable, by overrides:

    - \`most\`: \`3\`
    "
  `);
  writeFileSync(join(out, "notes.md"), "mine\n");
  writeFileSync(file, own.replace("id: own", "id: other"));
  expect((await run()).code).toBe(0);
  expect(readdirSync(out).toSorted()).toEqual(["README.md", "notes.md", "other.md"]);
  const inAMonth = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
  expect(readFileSync(join(out, "other.md"), "utf8")).toContain(`expires: ${inAMonth}\n`);
  expect(await run("--until", "soon")).toMatchObject({ code: 2, out: "" });
  writeFileSync(file, own.replace("engine.shed", "engine.shd"));
  const broken = await run();
  expect(broken.code).toBe(1);
  expect(broken.error).toContain("no field 'shd' (did you mean 'shed'?)");
});
