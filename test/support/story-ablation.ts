/**
 * What is left of an attack when one of its sources is missing: found all the same, found in part, said
 * to be blind, or nothing of that.
 */
import { arrive, orders } from "./story-arrival.ts";
import type { Story } from "./story-file.ts";
import { isExpected, tell, type Findings, type NotJudged } from "./story-run.ts";
import { sourceNames, type ExpectedInsight, type SourceName } from "./story-schema.ts";

/** From best to worst. */
const outcomes = ["found", "weaker", "other rule", "partly", "blind", "SILENT"] as const;
type Outcome = (typeof outcomes)[number];

interface Rest {
  readonly outcome: Outcome;
  /** What the engine says that it lacks, or which rule names the workload instead. */
  readonly detail: string;
}

/** Without which source; null: the story has none of that. */
export type Cells = ReadonlyMap<SourceName, Rest | null>;

export function ablate(story: Story): Cells {
  const whole = toldBy(story, new Set(sourceNames));
  const has = new Set(story.steps.map(({ source }) => source));
  return new Map(
    sourceNames.map((source) => {
      const others = new Set(sourceNames.filter((one) => one !== source));
      return [source, has.has(source) ? restWith(story, others, whole) : null];
    }),
  );
}

/**
 * What the engine's word on its coverage has to answer for, whichever of the story's sources there are: a
 * line for each set of them with which an attack goes unsaid, or is found where the engine calls itself blind.
 */
export function coverageFaults(story: Story): string[] {
  const whole = toldBy(story, new Set(sourceNames));
  const has = [...new Set(story.steps.map(({ source }) => source))];
  return subsetsOf(has).flatMap((sources) => {
    const found = toldBy(story, sources);
    const names = [...sources].join(", ") || "nothing";
    return story.expect.insights.flatMap((insight) => {
      const { outcome } = restOf(insight, found, whole);
      if (outcome === "SILENT") return [`${insight.rule}: silent with ${names}`];
      const isBlind = outcome === "found" && isCalledBlind(insight, found);
      return isBlind ? [`${insight.rule}: found, and called blind, with ${names}`] : [];
    });
  });
}

function subsetsOf<Item>(items: readonly Item[]): ReadonlySet<Item>[] {
  return Array.from(
    { length: 2 ** items.length },
    (_, bits) => new Set(items.filter((_item, place) => (bits >> place) & 1)),
  );
}

const told = new WeakMap<Story, Map<string, Findings>>();

/** Told once: both questions ask for the same sets. */
function toldBy(story: Story, sources: ReadonlySet<SourceName>): Findings {
  const known = told.get(story) ?? new Map<string, Findings>();
  told.set(story, known);
  const steps = story.steps.filter(({ source }) => sources.has(source));
  const key = [...new Set(steps.map(({ source }) => source))].toSorted().join();
  const findings = known.get(key) ?? tell(story, arrive(steps, orders["in order"]));
  known.set(key, findings);
  return findings;
}

/** Of both ends: what a caller is accused of, its server's proxy may have told. */
function isCalledBlind({ rule, workload, peer }: ExpectedInsight, found: Findings): boolean {
  return [workload, peer].every((one) =>
    found.neverJudged.some(
      (cell) => cell.rule === rule && cell.workload === one && cell.judgement === "blind",
    ),
  );
}

function restWith(story: Story, sources: ReadonlySet<SourceName>, whole: Findings): Rest {
  const found = toldBy(story, sources);
  const rests = story.expect.insights.map((insight) => restOf(insight, found, whole));
  const worst = Math.max(...rests.map(({ outcome }) => outcomes.indexOf(outcome)));
  const outcome = outcomes[worst] ?? "SILENT";
  const details = rests.filter((rest) => rest.outcome === outcome).map(({ detail }) => detail);
  return { outcome, detail: [...new Set(details)].join(", ") };
}

/** Only what is not said of the whole story is said because of what is missing. */
function restOf(insight: ExpectedInsight, found: Findings, whole: Findings): Rest {
  const { rule, workload } = insight;
  if (found.accusations.some((line) => isExpected(insight, line)))
    return { outcome: "found", detail: "" };
  const ofWorkload = found.accusations.filter((line) => line.split(" ")[1] === workload);
  if (ofWorkload.some((line) => line.startsWith(`${rule} `)))
    return { outcome: "weaker", detail: "" };
  const [other] = ofWorkload;
  if (other !== undefined) return { outcome: "other rule", detail: other.split(" ")[0] ?? "" };
  // What a caller is accused of, its server's proxy may have to tell.
  const cell = lackOf(rule, workload, found, whole) ?? lackOf(rule, insight.peer, found, whole);
  if (cell) {
    const outcome = cell.judgement === "partly" ? "partly" : "blind";
    return { outcome, detail: `lacks ${cell.missing.join(" and ")}` };
  }
  const said = found.blindness.find(
    (line) => line.endsWith(` ${workload}`) && !whole.blindness.includes(line),
  );
  if (said !== undefined) return { outcome: "blind", detail: said.split(" ")[0] ?? "" };
  const ofAll = lackOf(rule, "/", found, whole);
  if (!ofAll) return { outcome: "SILENT", detail: "" };
  const outcome = ofAll.judgement === "partly" ? "partly" : "blind";
  return { outcome, detail: `the cluster lacks ${ofAll.missing.join(" and ")}` };
}

/** What the rule lacks of the workload that it had before, or what it sees less for. */
function lackOf(
  rule: string,
  workload: string,
  found: Findings,
  whole: Findings,
): NotJudged | undefined {
  const isOf = (one: NotJudged): boolean => one.rule === rule && one.workload === workload;
  const before = whole.neverJudged.find(isOf);
  const now = found.neverJudged.find(isOf);
  if (!now || !before) return now;
  const isLess = before.judgement === "partly" && now.judgement === "blind";
  const lacksMore = now.missing.some((capability) => !before.missing.includes(capability));
  return isLess || lacksMore ? now : undefined;
}

/** The table as it is committed; `pending` stories are named below it. */
export function renderAblation(
  rows: readonly (readonly [Story, Cells])[],
  pending: readonly Story[],
): string {
  const used = sourceNames.filter((source) => rows.some(([, cells]) => cells.get(source) !== null));
  const counts = outcomes.map((outcome) => {
    const count = rows.flatMap(([, cells]) =>
      [...cells.values()].filter((rest) => rest?.outcome === outcome),
    );
    return `${count.length} ${outcome}`;
  });
  return [
    "# What is left of each attack when one of its sources is missing",
    "",
    "Written by `test/scenarios-ablation.test.ts`. *weaker*: with less confidence or without the peer. *other rule*: the workload is accused of something else. *partly* and *blind*: nothing is found, and the engine says what the rule lacks of the workload (or of the cluster), or a rule on coverage says so; none of it is said with all sources. **SILENT**: nothing is found and nothing says so, which fails the test. An empty cell: the story has no such telemetry.",
    "",
    `${rows.length} stories: ${counts.join(", ")}.`,
    "",
    `| story | ${used.join(" | ")} |`,
    `|---|${used.map(() => "---|").join("")}`,
    ...rows.map(
      ([story, cells]) =>
        `| ${[story.name, ...used.map((source) => cellOf(cells, source))].join(" | ")} |`,
    ),
    "",
    "## Attacks that are not found with all of their telemetry either",
    "",
    ...pending.map(({ name, about, pending: needs }) => `- \`${name}\`: ${about} (${needs})`),
    "",
  ].join("\n");
}

function cellOf(cells: Cells, source: SourceName): string {
  const rest = cells.get(source);
  if (!rest) return "";
  if (rest.outcome === "SILENT") return "**SILENT**";
  return rest.detail === "" ? rest.outcome : `${rest.outcome}: ${rest.detail}`;
}
