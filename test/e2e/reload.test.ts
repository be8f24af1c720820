/** Reload of a running engine: what changes, what stays, and what a fault does not break. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { clusterName } from "../../src/cli/demo/world.ts";
import { OtlpClient, type SendResult } from "../../src/cli/otlp-client.ts";
import type { ApiInsight, ApiPage } from "../../src/model/api.ts";
import type { ApiStatus } from "../../src/model/api-status.ts";
import {
  freePort,
  getJson,
  startEngine,
  TempFolder,
  until,
  type Engine,
} from "../support/program.ts";

const customRule = `
version: 1
rules:
  - id: any-traffic-to-ratings
    title: Traffic to ratings
    severity: info
    confidence: high
    on: edge
    when: edge.dst.name.startsWith("ratings")
    message: "{{ edge.src.name }} calls ratings"
`;

const sets = [`cluster.name=${clusterName}`, "web.reload=true", "telemetry.log_level=info"];

let folder: TempFolder;
let port: number;
let engine: Engine;
let rules: string;
let shippedRules: number;
let load: AsyncDisposable & { readonly results: SendResult[] };

beforeAll(async () => {
  folder = new TempFolder();
  rules = join(folder.path, "rules");
  mkdirSync(rules);
  port = await freePort();
  engine = await startEngine(folder.path, port, sets);
  shippedRules = await metric("rules_loaded");
  load = startLoad(engine.grpc);
});

afterAll(async () => {
  await load[Symbol.asyncDispose]();
  await engine.program[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A second of the simulated mesh about every tenth of a second, until disposed; one try per request. */
function startLoad(address: string): typeof load {
  const client = new OtlpClient(address, 1);
  const simulation = new Simulation(11);
  const stop = new AbortController();
  const results: SendResult[] = [];
  const done = (async () => {
    while (!stop.signal.aborted) {
      for (const { signal, bytes } of simulation.tick(Date.now())) {
        results.push(await client.send(signal, bytes));
      }
      await sleep(100);
    }
  })();
  return {
    results,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
      client[Symbol.dispose]();
    },
  };
}

/** The configuration of the start with something added. */
function configure(more: string): void {
  const first = original();
  writeFileSync(engine.configPath, `${first}${more}\n`);
}

let firstText = "";
function original(): string {
  firstText ||= readFileSync(engine.configPath, "utf8");
  return firstText;
}

async function firing(rule: string): Promise<ApiInsight[]> {
  const query = `state=firing&rule=${rule}`;
  return (await getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?${query}`)).items;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${engine.web}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`mesh_insights_${name} `));
  return Number(line?.split(" ").at(-1));
}

const reload = async (): Promise<Response> =>
  fetch(`${engine.web}/-/reload`, { method: "POST", signal: AbortSignal.timeout(20_000) });

test("a rule that is added fires, insights keep their identity and nobody is refused", async () => {
  const before = await until(
    () => firing("proxy-uid-in-application"),
    (all) => all.length > 0,
    20_000,
  );
  writeFileSync(join(rules, "custom.yaml"), customRule);
  configure(`rules: { paths: ["${rules}"] }`);
  const answer = await reload();
  expect([answer.status, await answer.text()]).toEqual([200, "reloaded\n"]);
  await until(
    () => firing("any-traffic-to-ratings"),
    (all) => all.length > 0,
    20_000,
  );
  const after = await firing("proxy-uid-in-application");
  expect(after.map(({ id, fired_at }) => ({ id, fired_at }))).toEqual(
    before.map(({ id, fired_at }) => ({ id, fired_at })),
  );
  expect(await metric("rules_loaded")).toBe(shippedRules + 1);
  expect(load.results.filter(({ ok }) => !ok)).toEqual([]);
});

test("a fault keeps the old configuration and names its place", async () => {
  configure(`rules: { paths: ["${rules}"], disabeld: [] }`);
  expect((await reload()).status).toBe(500);
  expect(await metric("config_last_reload_successful")).toBe(0);
  expect(engine.program.output).toContain('did you mean \\"disabled\\"?');
  expect(await firing("any-traffic-to-ratings")).not.toEqual([]);
  expect(await metric("rules_loaded")).toBe(shippedRules + 1);
});

test("a broken rule file keeps the rules from before, and the status API names every error", async () => {
  configure(`rules: { paths: ["${rules}"] }`);
  const file = join(rules, "custom.yaml");
  writeFileSync(file, customRule.replace("severity: info", "severity: inof"));
  expect((await reload()).status).toBe(500);
  expect(await metric("rules_last_reload_successful")).toBe(0);
  expect(await metric("rules_loaded")).toBe(shippedRules + 1);
  expect(await firing("any-traffic-to-ratings")).not.toEqual([]);
  const status = await getJson<ApiStatus>(`${engine.web}/api/v1/status`);
  expect(status.rule_errors).toMatchObject([
    { code: "RULE_KEY", file, line: 6, column: 15, suggestion: "info" },
  ]);
  expect(status.problems).toContainEqual(
    expect.objectContaining({
      code: "reload-failed",
      evidence: expect.objectContaining({ first: expect.stringContaining(`${file}:6:15`) }),
    }),
  );
  writeFileSync(file, customRule);
  expect((await reload()).status).toBe(200);
  expect(await metric("rules_last_reload_successful")).toBe(1);
  const mended = await getJson<ApiStatus>(`${engine.web}/api/v1/status`);
  expect(mended.rule_errors).toEqual([]);
});

test("SIGHUP does the same: a rule that is gone closes its insights, and says so", async () => {
  writeFileSync(engine.configPath, original());
  engine.program.child.kill("SIGHUP");
  await until(
    () => metric("rules_loaded"),
    (loaded) => loaded === shippedRules,
    20_000,
  );
  await until(
    () => firing("any-traffic-to-ratings"),
    (all) => all.length === 0,
    20_000,
  );
  const query = "rule=any-traffic-to-ratings&state=resolved";
  const closed = await getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?${query}`);
  expect(new Set(closed.items.map(({ reason }) => reason))).toEqual(new Set(["rule_removed"]));
  expect(await metric("config_last_reload_successful")).toBe(1);
});

test("what cannot change while it runs is named", async () => {
  configure("metrics: { series: 1000 }");
  expect((await reload()).status).toBe(200);
  expect(engine.program.output).toContain('keys="metrics"');
});

test("a browser's page cannot reload, and nobody can where it is off", async () => {
  const headers = { origin: "http://evil.example" };
  const answer = await fetch(`${engine.web}/-/reload`, { method: "POST", headers });
  expect(answer.status).toBe(403);
  const get = await fetch(`${engine.web}/-/reload`);
  expect(get.status).toBe(404);
});

test("under one reload after another every request is answered OK", async () => {
  const enough = load.results.length + 10;
  while (load.results.length < enough) expect((await reload()).status).toBe(200);
  expect(load.results.filter(({ ok }) => !ok)).toEqual([]);
});

test("a rule file that breaks before a restart stops nobody and closes nothing", async () => {
  configure(`rules: { paths: ["${rules}"] }`);
  expect((await reload()).status).toBe(200);
  await until(
    () => firing("any-traffic-to-ratings"),
    (all) => all.length > 0,
    20_000,
  );
  writeFileSync(join(rules, "custom.yaml"), "rules: [");
  await engine.program.kill("SIGTERM");
  engine = await startEngine(folder.path, port, [...sets, `rules.paths=[${rules}]`]);
  expect(await metric("rules_last_reload_successful")).toBe(0);
  expect(await metric("rules_loaded")).toBe(shippedRules + 1);
  expect(await firing("any-traffic-to-ratings")).not.toEqual([]);
  expect(engine.program.output).toContain("those of the last run are used");
});
