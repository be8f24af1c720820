import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileWatch } from "./file-watch.ts";

let folder: string;
let watch: FileWatch;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-insights-watch-"));
  watch = new FileWatch(3_600_000); // the tests look themselves
});

afterEach(() => {
  watch[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** What is in use, and what was told. */
function follow(...paths: readonly string[]) {
  const told: string[] = [];
  const end = watch.add({
    paths,
    use: (texts) => {
      const text = texts.join("+");
      if (text.includes("bad") || text === "")
        throw new Error(`${text.length} characters are no good`);
      told.push(`use ${text}`);
    },
    changed: () => told.push("changed"),
    kept: (why) => told.push(`kept: ${why}`),
  });
  return { told, end };
}

const at = (name: string): string => join(folder, name);

test("what has changed is used, once, and what has not is left alone", async () => {
  writeFileSync(at("a"), "1");
  const { told } = follow(at("a"));
  await watch.check();
  writeFileSync(at("a"), "1"); // another time of change, the same content
  await watch.check();
  expect(told).toEqual(["use 1"]);
  writeFileSync(at("a"), "2");
  await watch.check();
  await watch.check();
  expect(told).toEqual(["use 1", "use 2", "changed"]);
});

test("what cannot be used is told of once, and the old stays until it is good again", async () => {
  writeFileSync(at("cert"), "1");
  writeFileSync(at("key"), "1");
  const { told } = follow(at("cert"), at("key"));
  writeFileSync(at("key"), "bad");
  await watch.check();
  await watch.check();
  rmSync(at("key"));
  await watch.check();
  await watch.check();
  expect(told).toEqual([
    "use 1+1",
    "kept: 5 characters are no good",
    expect.stringMatching(/^kept: ENOENT/),
  ]);
  writeFileSync(at("key"), "1");
  await watch.check();
  expect(told).toHaveLength(3); // as it was: nothing has changed
  writeFileSync(at("key"), "bad");
  await watch.check();
  expect(told).toHaveLength(4); // bad again is news again
  writeFileSync(at("cert"), "2");
  writeFileSync(at("key"), "2");
  await watch.check();
  expect(told.slice(4)).toEqual(["use 2+2", "changed"]);
});

test("a folder that is swapped by a symbolic link is a change, as Kubernetes mounts secrets", async () => {
  const swap = (name: string): void => {
    mkdirSync(at(name));
    for (const file of ["cert", "key"]) writeFileSync(join(folder, name, file), name);
    symlinkSync(name, at("..data_tmp"));
    renameSync(at("..data_tmp"), at("..data"));
  };
  swap("..1");
  for (const file of ["cert", "key"]) symlinkSync(join("..data", file), at(file));
  const { told } = follow(at("cert"), at("key"));
  swap("..2");
  await watch.check();
  expect(told).toEqual(["use ..1+..1", "use ..2+..2", "changed"]);
});

test("an emptied file is told of, as half of a file that is being written is", async () => {
  writeFileSync(at("a"), "1");
  const { told } = follow(at("a"));
  writeFileSync(at("a"), "");
  await watch.check();
  expect(told).toEqual(["use 1", "kept: 0 characters are no good"]);
});

test("what is no good at the start is thrown, and what is given up is not read any more", async () => {
  writeFileSync(at("a"), "bad");
  expect(() => follow(at("a"))).toThrow("3 characters are no good");
  expect(() => follow(at("b"))).toThrow("ENOENT");
  writeFileSync(at("a"), "1");
  const { told, end } = follow(at("a"));
  end();
  writeFileSync(at("a"), "2");
  await watch.check();
  expect(told).toEqual(["use 1"]);
});
