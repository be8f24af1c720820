/**
 * Telemetry lost is not health: of every attack that is found, sources are taken away. The engine must find
 * it all the same or say what it lacks, and where it says that it lacks something it must not find it.
 */
import { beforeAll, expect, test } from "vitest";
import { ablate, coverageFaults, renderAblation, type Cells } from "./support/story-ablation.ts";
import { readStories, type Story } from "./support/story-file.ts";

const attacks = readStories().filter(({ family }) => family === "attack");
const pending = attacks.filter((story) => story.pending !== undefined);
const found = attacks.filter((story) => story.pending === undefined);
const rows: (readonly [Story, Cells])[] = [];

beforeAll(() => {
  for (const story of found) rows.push([story, ablate(story)]);
}, 600_000);

test("what is left of each attack is as in golden/ablation.md; -u writes it", async () => {
  await expect(renderAblation(rows, pending)).toMatchFileSnapshot("golden/ablation.md");
});

test("without a source an attack is found, or it is said what is missing", () => {
  const silent = rows.flatMap(([{ name }, cells]) =>
    [...cells].flatMap(([source, rest]) =>
      rest?.outcome === "SILENT" ? [`${name}: silent without ${source}`] : [],
    ),
  );
  expect(silent).toEqual([]);
});

test.each(found)(
  "with any of its sources: $about",
  (story) => {
    expect(coverageFaults(story)).toEqual([]);
  },
  300_000,
);
