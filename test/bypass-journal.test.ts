/** The journal: what it gives back, what a restart keeps, and what damage does to it. */
import { assert, integer, nat, property } from "fast-check";
import { expect, test } from "vitest";
import { Bypass } from "../src/graph/bypass.ts";
import { decodeJournal, encodeJournal, JournalError } from "../src/graph/journal.ts";
import type { GraphChange } from "../src/model/changes.ts";
import type { Observation } from "../src/model/observations.ts";
import {
  makeWriteSet,
  type JournalRow,
  type ProcessRow,
  type Restored,
} from "../src/model/rows.ts";
import {
  app,
  connect,
  exec,
  makePod,
  outboundLine,
  outside,
  seconds,
  shell1337,
  wire,
  World,
  type Step,
} from "./scenarios/bypass-world.ts";

const line = outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443]);
const observations: Observation[] = [
  connect(app, 1, 40_001, outside, 443),
  exec({ ...shell1337, command: 'odd "words" \u0000 ü €', uid: -1 }, 1),
  wire(1.1, 40_001, outside, 443),
  line,
  {
    kind: "object_seen",
    timeUs: 1,
    nanos: 999,
    source: line.source,
    trust: "verified",
    event: "added",
    cluster: "c",
    object: { type: "other", resource: "services", uid: "u", namespace: "__proto__", name: "n" },
  },
];

test("it gives back exactly what it was given", () => {
  expect(decodeJournal(encodeJournal(observations))).toEqual(observations);
  expect(decodeJournal(encodeJournal([]))).toEqual([]);
});

test("it stays small: texts are written once", () => {
  const many = Array.from({ length: 1_000 }, (_, i) => connect(app, i, 30_000 + i, outside, 443));
  expect(encodeJournal(many).length).toBeLessThan(JSON.stringify(many).length / 2);
});

test("damage is an error of its own, wherever it is", () => {
  const good = encodeJournal(observations);
  for (let length = 0; length < good.length; length += 7) {
    expect(() => decodeJournal(good.subarray(0, length))).toThrow(JournalError);
  }
  assert(
    property(nat(good.length - 1), integer({ min: 1, max: 255 }), (at, flip) => {
      const bad = Uint8Array.from(good, (byte, index) => (index === at ? byte ^ flip : byte));
      expect(() => decodeJournal(bad)).toThrow(JournalError);
    }),
    { numRuns: 2_000 },
  );
});

/** The rows of a store that has kept everything, after each commit. */
function collect(world: World, journal: JournalRow[], processes: Map<string, ProcessRow>): void {
  const writeSet = makeWriteSet(1, world.nowUs);
  world.bypass.collect(writeSet);
  journal.push(...writeSet.journal);
  for (const row of writeSet.processes) processes.set(row.key, row);
}

function restoredFrom(
  world: World,
  journal: readonly JournalRow[],
  processes: ReadonlyMap<string, ProcessRow>,
): Restored {
  const { seq: _seq, atUs: _atUs, ...tables } = makeWriteSet(0, 0);
  const live = journal.filter((row) => row.untilUs > world.nowUs);
  return {
    ...tables,
    journal: live,
    processes: [...processes.values()],
    lastCommitUs: world.nowUs,
  };
}

/** The same world after its process has died: what was not collected is gone. */
function restart(world: World, rows: Restored): { after: World; said: GraphChange[] } {
  const after = new World({ pods: [...world.town.pods.values()] });
  const fresh = new Bypass(after.town, after.marks);
  const said: GraphChange[] = [];
  fresh.restore(rows, said);
  after.nowUs = world.nowUs;
  after.said.push(...said);
  after.bypass = fresh;
  return { after, said };
}

const story: readonly Step[] = [
  connect(shell1337, 1, 40_001, outside, 443),
  connect(app, 2, 40_002, outside, 443),
  wire(1.1, 40_001, outside, 443),
  wire(2.1, 40_002, outside, 443),
  outboundLine(2, 39_000, [outside, 443], 40_002, [outside, 443]),
];

test("a restart anywhere in the story changes nothing of its end, nor any id", () => {
  const whole = new World();
  for (const step of story) whole.take(step);
  whole.pass(seconds(70));

  for (let cut = 0; cut <= story.length; cut++) {
    const world = new World();
    const journal: JournalRow[] = [];
    const processes = new Map<string, ProcessRow>();
    for (const step of story.slice(0, cut)) {
      world.take(step);
      collect(world, journal, processes);
    }
    const before = world.essence();
    const { after, said } = restart(world, restoredFrom(world, journal, processes));
    expect(after.essence()).toEqual(before);
    expect(said.filter((change) => change.kind === "gone")).toEqual([]);
    for (const step of story.slice(cut)) after.take(step);
    after.pass(seconds(70));
    expect(after.essence()).toEqual(whole.essence());
  }
});

test("a restart says each standing finding once, and no withdrawn one", () => {
  const world = new World();
  const journal: JournalRow[] = [];
  for (const step of story) world.take(step);
  collect(world, journal, new Map());
  const { said } = restart(world, restoredFrom(world, journal, new Map()));
  const flows = said.flatMap((change) =>
    change.kind === "entity" && change.type === "flow" ? [change.entity] : [],
  );
  expect(flows).toMatchObject([{ outcome: "found", rung: "b3", src_port: 40_001 }]);
});

test("what was restored is not written again, and what arrives again is not kept twice", () => {
  const world = new World();
  const journal: JournalRow[] = [];
  const processes = new Map<string, ProcessRow>();
  for (const step of [...story, ...story]) world.take(step);
  collect(world, journal, processes);
  expect(journal.flatMap(({ blob }) => decodeJournal(blob))).toHaveLength(story.length);
  const { after } = restart(world, restoredFrom(world, journal, processes));
  const again = makeWriteSet(2, after.nowUs);
  after.bypass.collect(again);
  expect([again.journal, again.processes]).toEqual([[], []]);
});

test("a process outlives the journal: its row alone says it again, with its count", () => {
  const world = new World();
  const processes = new Map<string, ProcessRow>();
  world.take(exec(shell1337, 1));
  world.take(exec({ ...shell1337, execId: "exec-9" }, 2));
  world.pass(seconds(3_600));
  collect(world, [], processes);
  expect([...processes.values()]).toMatchObject([{ uid: 1337, exe: "/bin/bash", nodeId: 1 }]);
  const { after } = restart(world, restoredFrom(world, [], processes));
  expect(after.intruders()).toEqual(["web /bin/bash 1337:1337 high"]);
  expect(after.essence()).toEqual(world.essence());
});

test("rows that cannot be read are left out", () => {
  const world = new World();
  const processes = new Map<string, ProcessRow>();
  world.take(exec(shell1337, 1));
  collect(world, [], processes);
  const [row] = processes.values();
  if (!row) throw new Error("no row was written");
  for (const detail of [
    "",
    "{",
    "null",
    "[]",
    '{"events":[null,7,{}]}',
    '{"events":[{"kind":"flow"}]}',
  ]) {
    const bad = new Map([[row.key, { ...row, detail }]]);
    expect(restart(world, restoredFrom(world, [], bad)).said).toEqual([]);
  }
});

test("a finding made before the restart is withdrawn by a leg after it", () => {
  const world = new World({ pods: [makePod()] });
  const journal: JournalRow[] = [];
  world.take(connect(app, 1, 40_001, outside, 443));
  world.take(wire(1.1, 40_001, outside, 443));
  collect(world, journal, new Map());
  const id = world.said.find((change) => change.kind === "entity" && change.type === "flow");
  const { after } = restart(world, restoredFrom(world, journal, new Map()));
  after.take(line);
  expect(after.said.at(-1)).toMatchObject({
    id: id?.kind === "entity" ? id.id : "",
    entity: { outcome: "cleared" },
  });
});
