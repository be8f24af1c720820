/** Sources as the graph writes them, the store keeps them and the API shows them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeWriteSet } from "../src/model/rows.ts";
import { usPerSecond, usToRfc3339 } from "../src/model/time.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { atSecond, graphStartUs, makeLeg, proxySource } from "./support/graph-observations.ts";
import { GraphWorld, makeBatch } from "./support/graph-world.ts";

let folder: string;
let writer: StoreWriter;
let reader: StoreReader;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-insights-sources-"));
  const path = join(folder, "insights.db");
  writer = new StoreWriter({ path, programVersion: "1", nowUs: graphStartUs });
  reader = new StoreReader(path);
});

afterEach(() => {
  reader.close();
  writer.close();
  rmSync(folder, { recursive: true });
});

test("a source is shown with what it told, how often, and how far its clock is off", () => {
  const world = new GraphWorld();
  const source = proxySource("web-1");
  for (const second of [0, 30, 60]) {
    // The sender's clock is ten minutes ahead, and its telemetry takes two seconds to get here.
    const leg = makeLeg(second + 598, { source, lineId: `${second}` });
    world.push(makeBatch(atSecond(second), [leg]));
  }
  world.pass(1);
  writer.commit(world.commit());
  const { items, total, next } = reader.sources({});
  expect([total, next]).toEqual([1, null]);
  expect(items[0]).toMatchObject({
    kind: "proxy",
    key: "lab/shop/web-1",
    cluster: "lab",
    namespace: "shop",
    state: "live",
    expected: false,
    lateness_seconds: 0,
    interval_seconds: 30,
  });
  expect(items[0]?.clock_offset_seconds).toBe(-598);
  expect(items[0]?.capabilities.map(({ capability, silent }) => [capability, silent])).toEqual([
    ["proxy_logs", false],
  ]);
  expect(items[0]?.last_seen).toBe(items[0]?.capabilities[0]?.last_seen);
});

test("what needs attention comes first, and a page says how many there are", () => {
  const set = makeWriteSet(1, graphStartUs);
  const add = (kind: string, key: string, state: string, offsetUs: number | null) =>
    set.sources.push({
      kind,
      key,
      cluster: "lab",
      namespace: kind === "proxy" ? "shop" : "",
      state,
      firstSeenUs: graphStartUs,
      lastSeenUs: atSecond(5),
      detail: JSON.stringify({ heard: {}, lastEventUs: 0, latenessUs: 0, offsetUs }),
    });
  add("proxy", "ended", "gone", null);
  add("proxy", "well", "live", 1);
  add("proxy", "fast", "live", -600 * usPerSecond);
  add("proxy", "dead", "silent", 1);
  add("node_agent", "lab/node-1", "live", 1);
  writer.commit(set);
  const keys = (...filter: Parameters<StoreReader["sources"]>) => {
    const page = reader.sources(...filter);
    return [page.items.map(({ key }) => key), page.total];
  };
  expect(keys()).toEqual([["lab/node-1", "dead", "fast", "well", "ended"], 5]);
  expect(keys({ limit: 2 })).toEqual([["lab/node-1", "dead"], 5]);
  expect(keys({ kind: "proxy", state: "live" })).toEqual([["fast", "well"], 2]);
  expect(keys({ namespace: "other" })).toEqual([[], 0]);
  const [agent] = reader.sources({ kind: "node_agent" }).items;
  expect([agent?.first_seen, agent?.last_seen, agent?.interval_seconds]).toEqual([
    usToRfc3339(graphStartUs),
    usToRfc3339(atSecond(5)),
    0,
  ]);
});
