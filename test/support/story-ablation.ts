/**
 * What is left of an attack when one of its sources is missing: found all the same, found in part, said
 * to be blind, or nothing of that.
 */
import { arrive, orders } from "./story-arrival.ts";
import type { Story } from "./story-file.ts";
import { isExpected, tell, type Findings } from "./story-run.ts";
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
  return new Map(sourceNames.map((source) => [source, without(story, source)]));
}

function without(story: Story, source: SourceName): Rest | null {
  const steps = story.steps.filter((step) => step.source !== source);
  if (steps.length === story.steps.length) return null;
  const found = tell(story, arrive(steps, orders["in order"]));
  const rests = story.expect.insights.map((insight) => restOf(insight, found));
  const worst = Math.max(...rests.map(({ outcome }) => outcomes.indexOf(outcome)));
  const outcome = outcomes[worst] ?? "SILENT";
  const details = rests.filter((rest) => rest.outcome === outcome).map(({ detail }) => detail);
  return { outcome, detail: [...new Set(details)].join(", ") };
}

function restOf(insight: ExpectedInsight, found: Findings): Rest {
  const { rule, workload } = insight;
  if (found.accusations.some((line) => isExpected(insight, line)))
    return { outcome: "found", detail: "" };
  const ofWorkload = found.accusations.filter((line) => line.split(" ")[1] === workload);
  if (ofWorkload.some((line) => line.startsWith(`${rule} `)))
    return { outcome: "weaker", detail: "" };
  const [other] = ofWorkload;
  if (other !== undefined) return { outcome: "other rule", detail: other.split(" ")[0] ?? "" };
  const cell = found.notJudged.find((one) => one.rule === rule && one.workload === workload);
  if (cell) {
    const outcome = cell.judgement === "partly" ? "partly" : "blind";
    return { outcome, detail: `lacks ${cell.missing.join(" and ")}` };
  }
  const said = found.blindness.find((line) => line.endsWith(` ${workload}`));
  return said === undefined
    ? { outcome: "SILENT", detail: "" }
    : { outcome: "blind", detail: said.split(" ")[0] ?? "" };
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
    "Written by `test/scenarios-ablation.test.ts`. *weaker*: with less confidence or without the peer. *other rule*: the workload is accused of something else. *partly* and *blind*: nothing is found, and the engine says that the rule lacks this telemetry of the workload. **SILENT**: nothing is found and nothing says so, with the reason that the story gives. An empty cell: the story has no such telemetry.",
    "",
    `${rows.length} stories: ${counts.join(", ")}.`,
    "",
    `| story | ${used.join(" | ")} |`,
    `|---|${used.map(() => "---|").join("")}`,
    ...rows.map(
      ([story, cells]) =>
        `| ${[story.name, ...used.map((source) => cellOf(story, cells, source))].join(" | ")} |`,
    ),
    "",
    "## Attacks that are not found with all of their telemetry either",
    "",
    ...pending.map(({ name, about, pending: needs }) => `- \`${name}\`: ${about} (${needs})`),
    "",
  ].join("\n");
}

function cellOf(story: Story, cells: Cells, source: SourceName): string {
  const rest = cells.get(source);
  if (!rest) return "";
  if (rest.outcome === "SILENT") return `**SILENT** (${story.silentWithout[source] ?? "why?"})`;
  return rest.detail === "" ? rest.outcome : `${rest.outcome}: ${rest.detail}`;
}
