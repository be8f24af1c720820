/**
 * The engine judged as an outsider would: stories go in as request bytes, and the accusations that stand
 * at the end are compared with the truth, whatever the order of arrival. The stories are data, in
 * `scenarios/stories`; the README there says how to write one.
 */
import { expect, test } from "vitest";
import { readStories } from "./support/story-file.ts";
import { faultsOf, inOrder, tellingsOf } from "./support/story-judge.ts";

const stories = readStories();
const told = stories.filter(({ pending }) => pending === undefined);
const pending = stories.filter((story) => story.pending !== undefined);

test.each(told)("$family: $about", (story) => {
  expect(tellingsOf(story).flatMap((telling) => faultsOf(story, telling))).toEqual([]);
});

/** When such a story comes out, its `pending` must go, so that it stays so. */
test.each(pending)("not yet ($pending): $about", (story) => {
  const first = faultsOf(story, inOrder(story));
  const faults =
    first.length > 0 ? first : tellingsOf(story).flatMap((telling) => faultsOf(story, telling));
  expect(faults, "it comes out as it says: remove `pending` from the story").not.toEqual([]);
});

test("the guilty of a story are named in it, and an innocent story names nobody", () => {
  const odd = stories.filter(({ family, expect: { insights, unknown } }) => {
    if (family === "attack") return insights.length === 0;
    return family === "innocent" ? insights.length > 0 : unknown.length === 0;
  });
  expect(odd.map(({ name }) => name)).toEqual([]);
});
