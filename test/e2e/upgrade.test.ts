/** The engine on stores that earlier versions left: what was known is known, and nobody is told again. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { ApiGraph, ApiInsight, ApiPage } from "../../src/model/api.ts";
import { oldVersions, placeOldStore, readTables } from "../support/old-stores.ts";
import { OtlpSink } from "../support/otlp-sink.ts";
import { freePort, getJson, startEngine, TempFolder, until } from "../support/program.ts";

test.each(oldVersions)("schema %i", async (version) => {
  using folder = new TempFolder();
  await using sink = new OtlpSink();
  await sink.start();
  const store = join(folder.path, "store/mesh.db");
  mkdirSync(dirname(store), { mode: 0o700 });
  placeOldStore(version, store);
  const before = readTables(store);
  const sets = [
    `exporters.otlp.endpoint=127.0.0.1:${sink.port}`,
    "exporters.otlp.tls.insecure=true",
  ];
  const engine = await startEngine(folder.path, await freePort(), sets);
  await using program = engine.program;

  const { items } = await getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?limit=1000`);
  // An inactive one never fired, and is shown to nobody.
  const known = (before.get("insight") ?? []).filter(({ state }) => state !== "inactive");
  expect(known.length).toBeGreaterThan(10);
  const states = new Map(items.map(({ id, state }) => [id, state]));
  for (const { id, state } of known) {
    // Its telemetry has been silent since: it may be unknown now, and is never resolved by that.
    expect([String(state), "unknown"]).toContain(states.get(String(id)));
  }
  const graph = await getJson<ApiGraph>(`${engine.web}/api/v1/graph?limit=10000`);
  const keys = new Map((before.get("node") ?? []).map(({ id, key }) => [id, String(key)]));
  const pairs = (before.get("edge") ?? [])
    .map((edge) => `${keys.get(edge["src_id"])} ${keys.get(edge["dst_id"])}`)
    // The one that nobody had named when it was stopped has its name by now.
    .filter((pair) => !pair.startsWith("unknown/unidentified "));
  expect(pairs.length).toBeGreaterThan(20);
  const shown = graph.edges.map(({ source, target }) => `${source} ${target}`);
  expect(shown).toEqual(expect.arrayContaining(pairs));
  await until(
    async () => sink.taken.length,
    (count) => count > 0,
    30_000,
  );
  await program.kill("SIGTERM");
  // The store had no sink before: it is told what fires, once.
  const told = sink.taken.map(({ attributes, insightId }) => ({ attributes, insightId }));
  const firing = told.filter(
    ({ attributes }) => attributes["mesh_insights.insight.state"] === "firing",
  );
  expect(firing.length).toBeGreaterThan(0);
  expect(new Set(firing.map(({ insightId }) => insightId)).size).toBe(firing.length);
  const resolved = told.filter(
    ({ attributes }) => attributes["mesh_insights.insight.state"] === "resolved",
  );
  expect(resolved).toEqual([]);
});
