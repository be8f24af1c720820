/**
 * One world told by nine mixes of sources (`scenarios/mixes.ts`): nobody innocent is accused and no edge
 * made up by any, each finds what its sources can show, and says of the rest what it lacks.
 * `golden/source-mixes.md` is the table; after a wanted change run with `-u` and read the difference.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { mixes, tellMix } from "./scenarios/mixes.ts";
import { arrive, asCollector, orders, twice, type Arrived } from "./support/story-arrival.ts";
import { tell, type Findings } from "./support/story-run.ts";
import { meshSchema } from "./support/story-schema.ts";

const standard = meshSchema.parse(
  parse(readFileSync(new URL("scenarios/mesh.yaml", import.meta.url), "utf8")),
);

/** What happened, and the rules of which any one tells it. */
const facts = [
  {
    what: "process under the proxy's UID",
    workload: "shop/web",
    rules: ["proxy-uid-in-application", "proxy-gid-in-application"],
  },
  {
    what: "connection around the sidecar",
    workload: "shop/web",
    rules: ["egress-around-proxy", "egress-without-proxy-leg", "egress-attributed-to-application"],
  },
  {
    what: "plaintext from outside the mesh",
    workload: "shop/cart",
    rules: ["plaintext-from-outside-mesh", "plaintext-from-unidentified-source"],
  },
] as const;
type Fact = (typeof facts)[number];

/** Who really talked to whom. */
const realEdges: ReadonlySet<string> = new Set([
  "shop/web > shop/cart",
  "legacy/batch > shop/cart",
  "shop/web > 198.51.100.66",
]);

const nameOf = ({ sources }: (typeof mixes)[number]): string => sources.join(", ");

/** `restartAfter`: the share of requests before another process takes over. */
function tellIn(
  mix: (typeof mixes)[number],
  requests: (told: Arrived[]) => Arrived[],
  restartAfter?: number,
): Findings {
  const arrived = requests(arrive(tellMix(mix, standard), orders["in order"]));
  const restartAt = restartAfter === undefined ? -1 : Math.floor(arrived.length * restartAfter);
  return tell({ settings: [], untilS: 90, name: nameOf(mix) }, arrived, restartAt);
}

const asIs = (requests: Arrived[]): Arrived[] => requests;

/** `egress-around-proxy (high)` of each rule that tells the fact. */
function foundOf({ rules, workload }: Fact, { accusations }: Findings): string[] {
  const found = accusations.flatMap((line) => {
    const [rule = "", of = ""] = line.split(" ");
    const isOfFact = of === workload && rules.some((one) => one === rule);
    return isOfFact ? [`${rule} (${/(high|medium|low)/.exec(line)?.[1] ?? ""})`] : [];
  });
  return [...new Set(found)];
}

/** What the engine says that it lacks for the rule, "" where it says that it can judge. */
function lacksOf(rule: string, workload: string, { notJudged }: Findings): string {
  const own = notJudged.find((one) => one.rule === rule && one.workload === workload);
  const ofAll = notJudged.find((one) => one.rule === rule && one.workload === "/");
  return (own ?? ofAll)?.missing.join(" and ") ?? "";
}

function cellOf(fact: Fact, found: Findings): string {
  const by = foundOf(fact, found);
  if (by.length > 0) return `found: ${by.join(", ")}`;
  const lacks = fact.rules.map((rule) => `${rule} lacks ${lacksOf(rule, fact.workload, found)}`);
  return `not to be seen: ${lacks.join("; ")}`;
}

const told = mixes.map((mix) => ({ mix, found: tellIn(mix, asIs) }));

test.each(told.map(({ mix, found }) => [nameOf(mix), found] as const))(
  "%s: nothing is made up, and what is not found is said to be unseen",
  (_, found) => {
    const isTrue = (line: string): boolean =>
      facts.some(({ rules, workload }) =>
        rules.some((rule) => line.startsWith(`${rule} ${workload} `)),
      );
    expect(found.accusations.filter((line) => !isTrue(line))).toEqual([]);
    const named = found.edges.filter((edge) => /^[^/ ]+\/\S+ > (?:[^/ ]+\/\S+|198\S+)$/.test(edge));
    expect(named.filter((edge) => !realEdges.has(edge))).toEqual([]);
    expect(named).toContain("shop/web > shop/cart");
    const unsaid = facts
      .filter((fact) => foundOf(fact, found).length === 0)
      .flatMap(({ rules, workload }) =>
        rules.filter((rule) => lacksOf(rule, workload, found) === ""),
      );
    expect(unsaid).toEqual([]);
  },
);

test.each(told.map(({ mix, found }) => [nameOf(mix), mix, found] as const))(
  "%s: the same from a collector, twice, and through a restart",
  (_, mix, found) => {
    const others = [
      tellIn(mix, (requests) => requests.map(asCollector)),
      tellIn(mix, twice),
      tellIn(mix, asIs, 0.5),
    ];
    for (const { accusations, edges } of others) {
      expect({ accusations, edges }).toEqual({
        accusations: found.accusations,
        edges: found.edges,
      });
    }
  },
);

test("every fact is found by some mix, and what each finds is as in golden/source-mixes.md", async () => {
  for (const fact of facts) {
    expect(told.some(({ found }) => foundOf(fact, found).length > 0)).toBe(true);
  }
  const rows = told.map(({ mix, found }) => [
    nameOf(mix),
    found.edges.filter((edge) => realEdges.has(edge)).join("<br>"),
    ...facts.map((fact) => cellOf(fact, found)),
  ]);
  const header = ["sources", "edges by name", ...facts.map(({ what }) => what)];
  const lines = [header, header.map(() => "---"), ...rows].map(
    (cells) => `| ${cells.join(" | ")} |`,
  );
  const text = `# One world, nine mixes of sources\n\n${lines.join("\n")}\n`;
  await expect(text).toMatchFileSnapshot("golden/source-mixes.md");
});
