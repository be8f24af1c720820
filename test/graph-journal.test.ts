/** What the graph's journal costs when it is damaged, and what is not written into it twice. */
import { expect, test } from "vitest";
import { decodeJournal, JournalError } from "../src/graph/journal.ts";
import { Graph } from "../src/graph/graph.ts";
import type { Restored } from "../src/model/rows.ts";
import type { CounterSample } from "../src/model/stages.ts";
import {
  deployed,
  makeFlow,
  makeHalf,
  makeLeg,
  noPeer,
  noPod,
  podSeen,
} from "./support/graph-observations.ts";
import { GraphWorld, testGraphOptions } from "./support/graph-world.ts";

const self = { ...noPod, cluster: "lab", namespace: "shop", pod: "web-6d8f5c9b7c-l4q8z" };
const ids = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
const half = makeHalf(1, { self, ...ids, peer: { ...noPeer, address: "10.0.0.9" }, isError: true });

function worldOf(): GraphWorld {
  const world = new GraphWorld();
  world.observe(
    podSeen(0, deployed("web", "10.0.0.1")),
    half,
    makeLeg(2, { downstreamRemoteIp: "10.0.0.9", downstreamLocalIp: "10.0.0.1" }),
    makeFlow(3, { srcIp: "10.0.0.1", dstIp: "203.0.113.9", dstPort: 443 }),
    makeFlow(4, { srcIp: "10.0.0.1", dstIp: "203.0.113.9", dstPort: 53, transport: "udp" }),
  );
  return world;
}

test("each event is in the journal once, whoever keeps it", () => {
  const { journal } = worldOf().commit();
  const kinds = journal.flatMap(({ blob }) => decodeJournal(blob)).map(({ kind }) => kind);
  expect(kinds.sort()).toEqual(["flow", "flow", "proxy_leg", "span_half"]);
});

test("a half comes out of the journal with all that counting needs", () => {
  const { journal } = worldOf().commit();
  const [out] = journal
    .flatMap(({ blob }) => decodeJournal(blob))
    .filter(({ kind }) => kind === "span_half");
  const { trust: _trust, ...told } = half;
  expect(out).toMatchObject(told);
});

test("damage in a blob of spans is an error of its own, wherever it is", () => {
  const blobs = worldOf()
    .commit()
    .journal.map(({ blob }) => blob);
  for (const good of blobs) {
    for (let at = 0; at < good.length; at++) {
      const bad = Uint8Array.from(good, (byte, index) => (index === at ? byte ^ 0x41 : byte));
      expect(() => decodeJournal(bad)).toThrow(JournalError);
    }
  }
});

test("a damaged blob is counted and costs only what was in it", () => {
  const world = worldOf();
  world.commit();
  const rows = world.restored();
  const damaged = rows.journal.map(({ untilUs, blob }) => ({
    untilUs,
    blob: Uint8Array.from(blob, (byte, index) => (index === blob.length - 1 ? byte ^ 1 : byte)),
  }));
  const start = (journal: Restored["journal"]) => {
    const graph = new Graph(testGraphOptions, { push() {} });
    graph.restore({ ...rows, journal });
    const samples: CounterSample[] = [];
    graph.counters(samples);
    const valueOf = (name: string) => samples.find((sample) => sample.name === name)?.value;
    return [valueOf("journal_damaged_total"), valueOf("graph_edges")];
  };
  const edges = start(rows.journal)[1];
  expect(start(rows.journal)).toEqual([0, edges]);
  expect(start(damaged)).toEqual([rows.journal.length, edges]);
  expect(start([...damaged.slice(0, 1), ...rows.journal.slice(1)])).toEqual([1, edges]);
});
