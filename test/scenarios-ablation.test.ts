/**
 * Telemetry lost is not health: of every attack that is found, each source is taken away in turn. The
 * engine must find it all the same or say what it lacks; where it does neither, the story says why.
 */
import { beforeAll, expect, test } from "vitest";
import { ablate, renderAblation, type Cells } from "./support/story-ablation.ts";
import { readStories, type Story } from "./support/story-file.ts";

const attacks = readStories().filter(({ family }) => family === "attack");
const pending = attacks.filter((story) => story.pending !== undefined);
const found = attacks.filter((story) => story.pending === undefined);
const rows: (readonly [Story, Cells])[] = [];

beforeAll(() => {
  for (const story of found) rows.push([story, ablate(story)]);
}, 60_000);

test("what is left of each attack is as in golden/ablation.md; -u writes it", async () => {
  await expect(renderAblation(rows, pending)).toMatchFileSnapshot("golden/ablation.md");
});

test("nothing is silent without a reason, and no reason is left over", () => {
  const odd = rows.flatMap(([{ name, silentWithout }, cells]) =>
    [...cells].flatMap(([source, rest]) => {
      const isSilent = rest?.outcome === "SILENT";
      if (isSilent === (silentWithout[source] !== undefined)) return [];
      return [
        isSilent
          ? `${name}: silent without ${source}`
          : `${name}: no longer silent without ${source}`,
      ];
    }),
  );
  expect(odd).toEqual([]);
});
