/**
 * The engine judged as an outsider would: stories go in as request bytes, and the accusations that stand
 * at the end are compared with the truth, whatever the order of arrival.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Evaluator } from "../src/cli/evaluate.ts";
import type { RecordedRequest } from "../src/cli/recording.ts";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import type { InsightRow } from "../src/model/rows.ts";
import { usPerMs, usPerSecond } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";
import { attacks } from "./scenarios/pipeline-attacks.ts";
import { innocents } from "./scenarios/pipeline-innocents.ts";
import { meshObjects, type Case } from "./scenarios/pipeline-stories.ts";
import { startMs, type Step } from "./scenarios/pipeline-world.ts";

const rules = loadRules(readRuleFiles(fileURLToPath(new URL("../rules", import.meta.url)))).rules;
const loaded = loadConfig([], ["cluster.name=demo"], {});
if (!loaded.ok) throw new Error("the test's settings are valid");
const { config } = loaded;

/** When the step of that place, of so many, arrives; in seconds of the story. */
type Arrival = (step: Step, index: number, count: number) => number;

const orders: Readonly<Record<string, Arrival>> = {
  "in order": (step) => step.atS + 1,
  reversed: (_step, index, count) => 25 + (count - index) / 100,
  delayed: (step, index) => step.atS + 1 + ((index * 7_919) % 440) / 10,
  "objects half a minute late": (step) => step.atS + (step.isObject ? 31 : 1),
  "objects nearly a minute late": (step) => step.atS + (step.isObject ? 55 : 1),
};
/** Later than anybody waits. */
const never: Arrival = (step) => (step.isObject ? Infinity : step.atS + 1);
const tooLate: Arrival = (step) => step.atS + (step.isObject ? 90 : 1);

function arrive(steps: readonly Step[], arrival: Arrival): RecordedRequest[] {
  return steps
    .map((step, index) => ({
      receivedUs: startMs * usPerMs + Math.round(arrival(step, index, steps.length) * usPerSecond),
      signal: step.request.signal,
      body: new Uint8Array(step.request.bytes),
    }))
    .filter(({ receivedUs }) => Number.isFinite(receivedUs))
    .toSorted((a, b) => a.receivedUs - b.receivedUs);
}

/** What was taken back, or never got beyond waiting, is no accusation. */
function stands(row: InsightRow): boolean {
  if (row.state === "firing" || row.state === "unknown") return true;
  return row.state === "resolved" && row.reason !== "late_evidence" && row.reason !== "withdrawn";
}

function accusation(row: InsightRow): string {
  const peer = row.peerWorkload ? `${row.peerNamespace}/${row.peerWorkload}` : row.peerAddress;
  const where = peer === "" && row.peerPort === 0 ? "-" : `${peer}:${row.peerPort}`;
  return `${row.rule} ${row.namespace}/${row.workload} ${where} ${row.confidence}`;
}

function judge(story: Case, arrival: Arrival): readonly string[] {
  const evaluator = new Evaluator(config, rules);
  for (const request of arrive([...meshObjects, ...story.steps], arrival)) evaluator.take(request);
  const { refused, insights } = evaluator.finish();
  expect(refused).toEqual([]);
  return insights.filter(stands).map(accusation).sort();
}

/** The accusations by order of arrival. */
function judgeAll(story: Case, arrivals: Readonly<Record<string, Arrival>>) {
  return Object.entries(arrivals).map(([order, arrival]) => [order, judge(story, arrival)]);
}

/** Late objects are no excuse: what was said before they came must be taken back. */
test.each(innocents)("innocent: $name", (story) => {
  const arrivals = { ...orders, "objects too late": tooLate, "objects never": never };
  expect(judgeAll(story, arrivals)).toEqual(Object.keys(arrivals).map((order) => [order, []]));
});

test.each(attacks)("guilty: $name", (story) => {
  const expected = Object.keys(orders).map((order) => [order, story.guilty]);
  expect(judgeAll(story, orders)).toEqual(expected);
});
