/** The guides are one table: every vocabulary has one, and ids tell them apart. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sourceGuides } from "./guides.ts";

const folder = new URL("vocabulary/", import.meta.url);

test("every file that reads a source has guides, and the table has them all", () => {
  const files = readdirSync(folder).filter((name) => !name.endsWith(".test.ts"));
  const texts = files.map((name) => readFileSync(new URL(name, folder), "utf8"));
  const read = texts.filter((text) => /implements (?:Log|Metric|Span)Vocabulary/.test(text));
  expect(read.filter((text) => !text.includes("export const guides"))).toEqual([]);
  const ids = texts.flatMap((text) =>
    [...text.matchAll(/^ {4}id: "([^"]*)",$/gm)].map(([, id]) => id),
  );
  expect(new Set(ids)).toEqual(new Set(sourceGuides.map(({ id }) => id)));
});

test.each(sourceGuides.map((guide) => [guide.id, guide] as const))(
  "%s is complete",
  (id, guide) => {
    expect(id).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    expect(sourceGuides.filter((one) => one.id === id)).toHaveLength(1);
    expect(sourceGuides.filter(({ title }) => title === guide.title)).toHaveLength(1);
    for (const text of [guide.switchOn, guide.cannotTell]) expect(text).toMatch(/^\S.*\.$/);
    expect(guide.reference).toMatch(/^https:\/\/\S+$|^[\w.-]+\/[\w.-]+: \S+$/);
    expect(new Set(guide.gives).size).toBe(guide.gives.length);
  },
);
