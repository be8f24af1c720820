/** Copies of the store that are taken while it is written, and what becomes of those that fail. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeWriteSet } from "../src/model/rows.ts";
import { backUpStore } from "../src/store/backup.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { runCli } from "./support/cli.ts";
import { TempFolder } from "./support/program.ts";
import { baseUs, makeNodeRow } from "./support/write-sets.ts";

let folder: TempFolder;
let from: string;
let to: string;
let writer: StoreWriter;
let seq: number;

beforeEach(() => {
  folder = new TempFolder();
  from = join(folder.path, "store", "mesh.db");
  to = join(folder.path, "copy.db");
  writer = new StoreWriter({ path: from, programVersion: "1", nowUs: baseUs });
  seq = 0;
});

afterEach(() => {
  writer.close();
  folder[Symbol.dispose]();
});

/** One commit of nodes whose names say which commit they are from. */
function commit(nodes: number): void {
  const set = makeWriteSet(++seq, baseUs + seq);
  for (let at = 0; at < nodes; at++) {
    const id = seq * 10_000 + at;
    const detail = JSON.stringify({ pad: "x".repeat(500) });
    set.nodes.push(makeNodeRow(id, { name: `c${seq}-${at}`, detail }));
  }
  writer.commit(set);
}

const options = (over: { signal?: AbortSignal; progress?: (share: number) => void } = {}) => ({
  from,
  to,
  progress: () => {},
  signal: new AbortController().signal,
  ...over,
});

function namesIn(path: string): string[] {
  const reader = new StoreReader(path);
  try {
    return reader.graph({ limit: 10_000 }).nodes.map(({ name }) => name);
  } finally {
    reader.close();
  }
}

test("a copy under writes holds one committed state, whole and private", async () => {
  for (let n = 0; n < 40; n++) commit(1_000);
  commit(3);
  const state = { isDone: false };
  let steps = 0;
  const copying = backUpStore(options({ progress: () => void steps++ })).finally(() => {
    state.isDone = true;
  });
  const before = seq;
  while (!state.isDone) {
    commit(5);
    await nextTurn();
  }
  expect(await copying).toBe(statSync(to).size);
  expect(steps).toBeGreaterThan(1);
  expect(seq - before).toBeGreaterThan(steps);
  const names = namesIn(to);
  const last = Math.max(...names.map((name) => Number(/^c(\d+)-/.exec(name)?.[1])));
  // All of the commits up to the last one it has, and nothing of those after.
  for (let n = before; n <= last; n++) {
    expect(names.filter((name) => name.startsWith(`c${n}-`))).toHaveLength(n === before ? 3 : 5);
  }
  expect(statSync(to).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder.path).toSorted()).toEqual(["copy.db", "store"]);
});

test("an existing file is left as it is", async () => {
  writeFileSync(to, "mine");
  await expect(backUpStore(options())).rejects.toThrow(
    `cannot back up the store "${from}" to "${to}": the file exists; choose another name`,
  );
  expect(readFileSync(to, "utf8")).toBe("mine");
});

test("a copy that is stopped leaves nothing behind", async () => {
  for (let n = 0; n < 40; n++) commit(1_000);
  const stop = new AbortController();
  const progress = (): void => stop.abort();
  await expect(backUpStore(options({ signal: stop.signal, progress }))).rejects.toThrow(/stopped/);
  expect(readdirSync(folder.path)).toEqual(["store"]);
});

test("a half copy of a killed process is written over", async () => {
  commit(3);
  writeFileSync(`${to}.new`, "half");
  await backUpStore(options());
  expect(namesIn(to)).toHaveLength(3);
});

test.each([
  ["no store", "nothing.db", "copy.db", /start the engine first/],
  ["no folder", "store/mesh.db", "none/copy.db", /ENOENT|no such/],
])("%s", async (_what, source, target, says) => {
  const args = ["--store", join(folder.path, source), join(folder.path, target)];
  const { code, out, error } = await runCli(["backup", ...args]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(error).toMatch(/^error: cannot [^\n]+\n$/);
  expect(error).toMatch(says);
});

test("the command says what it wrote, and takes the store from the configuration", async () => {
  commit(3);
  const { code, out } = await runCli(["backup", "--set", `store.path=${from}`, to]);
  expect({ code, out }).toEqual({ code: 0, out: `${to}: ${statSync(to).size} bytes, checked\n` });
  mkdirSync(join(folder.path, "x"));
  const again = await runCli(["backup", "--set", `store.path=${from}`, join(folder.path, "x")]);
  expect(again.code).toBe(1);
  expect(again.error).toContain("the file exists");
});
