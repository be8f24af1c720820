/** The table of fixtures/vocabulary/README.md names every source, every fixture and every recording. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { sourceGuides } from "../src/normalize/guides.ts";
import { recordingPaths } from "./support/recordings.ts";

const folder = path.join(import.meta.dirname, "fixtures/vocabulary");
const text = readFileSync(path.join(folder, "README.md"), "utf8");
const rows = text
  .slice(text.indexOf("## Every source and form"))
  .split("\n")
  .flatMap((line) => {
    const [, source = "", fixture = "", kind = ""] =
      /^\| (\S+) \| .+ \| `([^`]+)` \| (.+) \|$/.exec(line) ?? [];
    return source === "" ? [] : [{ source, fixture, kind }];
  });

test("the table names every source, and no other", () => {
  const known = sourceGuides.map(({ id }) => id).toSorted();
  expect([...new Set(rows.map(({ source }) => source))].toSorted()).toEqual(known);
});

test("the table names every fixture and every recording, and what it names is there", () => {
  const named = new Set(rows.map(({ fixture }) => path.join(folder, fixture)));
  expect([...named].filter((file) => !existsSync(file))).toEqual([]);
  const fixtures = readdirSync(folder).filter((name) => name !== "README.md");
  const recordings = recordingPaths().map((one) => `../recordings/${one}`);
  const all = [...fixtures, ...recordings].map((one) => path.join(folder, one));
  expect(all.filter((file) => !named.has(file))).toEqual([]);
});

test("what is called recorded is a recording, and built is none", () => {
  for (const { fixture, kind } of rows) {
    const isRecording = fixture.startsWith("../recordings/");
    expect([fixture, /recorded|the same/.test(kind)]).toEqual([fixture, isRecording]);
  }
});
