/** Compares what a story led to with what it says that it must lead to. */
import {
  arrive,
  asCollector,
  objectsTooLate,
  orders,
  split,
  twice,
  type Arrived,
} from "./story-arrival.ts";
import type { Story } from "./story-file.ts";
import { isExpected, lineOf, tell, type Findings } from "./story-run.ts";
import type { ExpectedBlindness } from "./story-schema.ts";

/** One way in which a story's telemetry may arrive. */
export interface Telling {
  readonly how: string;
  readonly requests: readonly Arrived[];
  readonly restartAt: number;
}

export function inOrder(story: Story): Telling {
  return { how: "in order", requests: arrive(story.steps, orders["in order"]), restartAt: -1 };
}

/** A story of hours is told in fewer ways. */
const longS = 3_600;
const longWays: ReadonlySet<string> = new Set(["in order", "delayed", "restarted in the middle"]);

/** Every way; those of an innocent include objects that come too late to prevent a wrong word. */
export function tellingsOf(story: Story): Telling[] {
  const isFree = story.family === "innocent" && !story.needsObjects;
  const arrivals = isFree ? { ...orders, ...objectsTooLate } : orders;
  const { requests } = inOrder(story);
  const others = {
    "in pieces": split(requests),
    "from a collector": requests.map(asCollector),
    "everything twice": twice(requests),
  };
  const ways = [
    ...Object.entries(arrivals).map(([how, arrival]) => ({
      how,
      requests: arrive(story.steps, arrival),
      restartAt: -1,
    })),
    ...Object.entries(others).map(([how, changed]) => ({ how, requests: changed, restartAt: -1 })),
    { how: "restarted in the middle", requests, restartAt: Math.floor(requests.length / 2) },
  ];
  return story.untilS > longS ? ways.filter(({ how }) => longWays.has(how)) : ways;
}

/** What is wrong, in words; empty when the story comes out as it says. */
export function faultsOf(story: Story, telling: Telling): string[] {
  const { how, requests, restartAt } = telling;
  return compare(story, tell(story, requests, restartAt)).map((fault) => `${how}: ${fault}`);
}

function compare({ expect }: Story, found: Findings): string[] {
  const { insights, silent, quiet } = expect;
  const isMeant = (line: string) => insights.some((insight) => isExpected(insight, line));
  const isJudged = (line: string) => silent?.includes(line.split(" ")[0] ?? "") ?? true;
  return [
    ...insights
      .filter((insight) => !found.accusations.some((line) => isExpected(insight, line)))
      .map((insight) => `missing: ${lineOf(insight)}`),
    ...found.accusations
      .filter((line) => isJudged(line) && !isMeant(line))
      .map((line) => `too much: ${line}`),
    ...found.blindness
      .filter((line) => quiet.includes(line.split(" ")[0] ?? ""))
      .map((line) => `too much: ${line}`),
    ...Object.entries(expect.layers).flatMap(([namespace, layers]) =>
      Object.entries(layers)
        .map(([layer, status]) => `${namespace} ${layer} ${status}`)
        .filter((line) => !found.layers.includes(line))
        .map((line) => `not so: ${line}`),
    ),
    ...expect.unknown
      .filter((blind) => !isSaid(blind, found))
      .map(
        ({ rule, workload, lacks }) => `not said: ${rule} ${workload} lacks ${lacks.join(" and ")}`,
      ),
  ];
}

function isSaid({ rule, workload, lacks }: ExpectedBlindness, found: Findings): boolean {
  const line = `${rule} ${workload}`.trim();
  if (lacks.length === 0 && found.blindness.some((one) => one.startsWith(line))) return true;
  return found.notJudged.some(
    (one) =>
      one.rule === rule &&
      one.workload === workload &&
      lacks.every((capability) => one.missing.includes(capability)),
  );
}
