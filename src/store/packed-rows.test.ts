import { expect, test } from "vitest";
import { makeWriteSet } from "../model/rows.ts";
import { packedRow, packWriteSet } from "./packed-rows.ts";

const makeEdge = (id: number) => ({
  id,
  srcId: 1,
  dstId: id,
  transport: id % 2 === 0 ? "tcp" : "udp",
  firstSeenUs: 1_795_246_200_000_001,
  lastSeenUs: -1,
});
const makeAlias = (id: number) => ({ alias: `workload:${id}`, nodeId: id });

test("long lists are packed and come back row by row; what is short or not named stays", () => {
  const set = makeWriteSet(7, 8);
  for (let id = 0; id < 1_000; id++) {
    set.edges.push(makeEdge(id));
    set.nodeAliases.push(makeAlias(id));
    if (id < 3) set.journal.push({ untilUs: id, blob: new Uint8Array([id]) });
  }
  const { rest, lists } = structuredClone(packWriteSet(set, ["edges", "nodeAliases", "journal"]));
  expect(rest).toEqual({ ...set, edges: [], nodeAliases: [] });
  expect([...lists.keys()]).toEqual(["edges", "nodeAliases"]);
  for (const [name, list] of lists) {
    const rows = Array.from({ length: list.count }, (_, index) => packedRow(list, index));
    expect(rows).toEqual(set[name]);
  }
  expect(set.edges.length).toBe(1_000);
});

test("booleans become the numbers that the database keeps", () => {
  const set = makeWriteSet(1, 1);
  const row = (id: number) => ({ id, external: id % 2 === 0 });
  for (let id = 0; id < 64; id++) set.nodes.push(row(id) as never); // two of its fields are enough
  const list = packWriteSet(set, ["nodes"]).lists.get("nodes");
  expect([0, 1].map((index) => list && packedRow(list, index))).toEqual([
    { id: 0, external: 1 },
    { id: 1, external: 0 },
  ]);
});
