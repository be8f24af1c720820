/**
 * A first install: what fires is acknowledged or waived by a baseline, with the real program, its command
 * line and its API, and then nothing pages any more.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiInsight, ApiInsightDetail, ApiPage, ApiWaiver } from "../../src/model/api.ts";
import { freePort, getJson, run, startEngine, TempFolder, until } from "../support/program.ts";

const insightsOf = async (web: string): Promise<readonly ApiInsight[]> =>
  (await getJson<ApiPage<ApiInsight>>(`${web}/api/v1/insights?state=firing&limit=1000`)).items;

async function sendMesh(grpc: string): Promise<void> {
  const simulation = new Simulation(3);
  using client = new OtlpClient(grpc, 3);
  for (let second = 12; second > 0; second--) {
    for (const { signal, bytes } of simulation.tick(Date.now() - second * 1_000)) {
      expect((await client.send(signal, bytes)).ok).toBe(true);
    }
  }
}

/** Once nothing new has come for a while. */
async function quiet(web: string): Promise<readonly ApiInsight[]> {
  let before: readonly ApiInsight[] = [];
  for (let rounds = 0; rounds < 4;) {
    await sleep(500);
    const now = await insightsOf(web);
    rounds = now.length >= 3 && now.length === before.length ? rounds + 1 : 0;
    before = now;
  }
  return before;
}

/** Active insights by the state that metrics show. */
async function shown(web: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${web}/metrics`)).text();
  const states: Record<string, number> = {};
  for (const [, state = "", value] of text.matchAll(
    /^mesh_insights_insights\{.*state="(\w+)".*\} (\d+)$/gm,
  )) {
    states[state] = (states[state] ?? 0) + Number(value);
  }
  return states;
}

test("an acknowledgement survives a kill, and a baseline keeps all that is known from paging", async () => {
  using folder = new TempFolder();
  const rules = join(folder.path, "rules");
  mkdirSync(rules);
  const port = await freePort();
  const sets = ["web.reload=true", `rules.paths=[${rules}]`];
  let engine = await startEngine(folder.path, port, sets);
  await using first = engine.program;
  await sendMesh(engine.grpc);
  const found = await quiet(engine.web);
  const { url = "" } = found[0] ?? {};
  const body = JSON.stringify({ by: "jo", note: "on it" });
  const headers = { "content-type": "application/json" };
  const acknowledged = await fetch(`${engine.web}${url}/acknowledge`, {
    method: "POST",
    body,
    headers,
  });
  expect(acknowledged.status).toBe(204);
  await first.kill("SIGKILL");

  engine = await startEngine(folder.path, port, sets);
  await using _second = engine.program;
  const detail = await getJson<ApiInsightDetail>(`${engine.web}${url}`);
  expect(detail).toMatchObject({
    acknowledged: true,
    acknowledgement: { by: "jo", note: "on it" },
  });
  await until(
    () => shown(engine.web),
    ({ acknowledged: count }) => count === 1,
    5_000,
  );

  const out = join(rules, "waivers.yaml");
  const config = ["--config", engine.configPath, "--set", `rules.paths=[${rules}]`];
  const baseline = ["insights", "baseline", "--url", engine.web, "--expires", "30d", ...config];
  const written = await run([...baseline, "--owner", "platform", "--out", out]);
  expect([written.code, written.error]).toEqual([0, expect.stringContaining("waivers for")]);
  const check = await run(["rules", "check", rules]);
  expect([check.code, check.out + check.error]).toEqual([
    0,
    "0 rules in 1 files: 0 errors, 0 warnings\n",
  ]);
  // Somebody may have worked on it by now.
  expect((await run([...baseline, "--out", out])).code).toBe(2);

  expect((await fetch(`${engine.web}/-/reload`, { method: "POST" })).status).toBe(200);
  const states = await until(
    () => shown(engine.web),
    ({ firing = 0, acknowledged: count = 0, suppressed = 0 }) =>
      firing + count === 0 && suppressed >= found.length,
    20_000,
  );
  expect(states["suppressed"]).toBeGreaterThanOrEqual(found.length);
  const { items } = await getJson<ApiPage<ApiWaiver>>(`${engine.web}/api/v1/waivers`);
  expect(items.length).toBeGreaterThan(1);
  expect(new Set(items.map(({ owner, state }) => `${owner} ${state}`))).toEqual(
    new Set(["platform active"]),
  );
  expect(items.reduce((sum, { insights }) => sum + insights, 0)).toBe(states["suppressed"]);
  const listed = await run(["waivers", "--url", engine.web]);
  for (const { id } of items) expect(listed.out).toContain(id);
  // What has come since is news, and a second baseline would be about that alone.
  expect((await run([...baseline, "--out", "-"])).code).toBe(0);

  writeFileSync(out, "version: 1\nwaivers: []\n");
  expect((await fetch(`${engine.web}/-/reload`, { method: "POST" })).status).toBe(200);
  await until(
    () => shown(engine.web),
    ({ firing = 0, acknowledged: count = 0, suppressed = 0 }) =>
      suppressed === 0 && count === 1 && firing + count >= found.length,
    20_000,
  );
}, 120_000);
