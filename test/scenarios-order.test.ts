/**
 * The order property (ARCHITECTURE.md): any permutation, split and repetition of requests, with restarts
 * between, gives the same findings with the same evidence. `STORY_PERMUTATIONS` = how many are tried over
 * all stories; 1000 for a release.
 */
import { expect, test } from "vitest";
import { atRandom } from "./support/story-arrival.ts";
import { readStories } from "./support/story-file.ts";
import { inOrder } from "./support/story-judge.ts";
import { tell } from "./support/story-run.ts";

const permutations = Number(process.env["STORY_PERMUTATIONS"] ?? 50);
const firstSeed = Number(process.env["STORY_SEED"] ?? 1);
const stories = readStories().filter(({ pending }) => pending === undefined);

/** Seeds of one story: every story in turn gets the next one. */
function seedsOf(place: number): number[] {
  const rounds = Math.ceil((permutations - place) / stories.length);
  return Array.from(
    { length: Math.max(0, rounds) },
    (_, round) => firstSeed + place + round * stories.length,
  );
}

/** The stories take turns from where the seed says, so that another seed begins with others. */
const turns = stories
  .map((_, index) => stories[(index + firstSeed - 1) % stories.length])
  .flatMap((story, place) => (story ? [{ name: story.name, story, seeds: seedsOf(place) }] : []))
  .filter(({ seeds }) => seeds.length > 0);

test.each(turns)(
  "$name: any order tells the same, seeds $seeds",
  ({ story, seeds }) => {
    const { requests } = inOrder(story);
    const { accusations, evidence } = tell(story, requests);
    for (const seed of seeds) {
      const permuted = atRandom(story.steps, seed);
      const found = tell(story, permuted.requests, story.isSafeToRestart ? permuted.restartAt : -1);
      expect(found.accusations, `seed ${seed}`).toEqual(accusations);
      expect(found.evidence, `seed ${seed}`).toEqual(evidence);
    }
  },
  120_000,
);
