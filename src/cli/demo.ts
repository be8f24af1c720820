/**
 * `demo`: the engine on a simulated mesh with an attack in it, in a database that is gone afterwards.
 * The telemetry goes through the real receiver, as a collector would send it.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "../app.ts";
import { Secret } from "../lib/secret.ts";
import { parseDuration } from "../model/durations.ts";
import type { ApiInsight, ApiPage } from "../model/api.ts";
import { makeLog } from "../self/log.ts";
import { getJson } from "./api-client.ts";
import { Simulation } from "./demo/simulation.ts";
import { clusterName } from "./demo/world.ts";
import { printable, UserError, type CliIo } from "./io.ts";
import { readConfig, readRules } from "./load.ts";
import { OtlpClient } from "./otlp-client.ts";
import { runApp, toWork } from "./serve.ts";

export interface DemoOptions {
  readonly duration?: string;
  readonly seed: number;
  readonly portBase: number;
}

export async function runDemo(options: DemoOptions, io: CliIo): Promise<number> {
  const durationUs = options.duration === undefined ? null : parseDuration(options.duration);
  if (options.duration !== undefined && durationUs === null) {
    throw new UserError(`cannot run for "${options.duration}": give a time such as 30s or 5m`);
  }
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-demo-"));
  const tokenFile = join(folder, "token");
  const token = new Secret(randomBytes(32).toString("hex"));
  writeFileSync(tokenFile, token.reveal(), { mode: 0o600 });
  const set = [
    `cluster.name=${clusterName}`,
    `web.endpoint=127.0.0.1:${options.portBase}`,
    `receivers.grpc.endpoint=127.0.0.1:${options.portBase + 1}`,
    `receivers.http.endpoint=127.0.0.1:${options.portBase + 2}`,
    `store.path=${join(folder, "store", "mesh-insights.db")}`,
    // Anybody on this machine may look; to change something takes the link that is printed.
    `web.auth={ tokens: [{ name: demo, token_file: ${JSON.stringify(tokenFile)}, scopes: [read, admin] }], anonymous: [read, metrics] }`,
  ];
  const timeout = durationUs === null ? [] : [AbortSignal.timeout(durationUs / 1_000)];
  const signal = AbortSignal.any([io.signal, ...timeout]);
  try {
    const config = readConfig({ config: [], set }, io);
    const work = toWork(config, readRules(config), []);
    const log = makeLog({ level: "warn", format: "text", write: io.error });
    const started = (app: App): void => {
      io.out(welcome(app, app.loginLink(token) ?? app.webUrl));
      void play(app, options.seed, signal, io);
    };
    return await runApp({ work, load: () => work, log, io: { ...io, signal }, started });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Sends a second of the simulated mesh each second, and prints insights as they come. */
async function play(app: App, seed: number, signal: AbortSignal, io: CliIo): Promise<void> {
  const simulation = new Simulation(seed);
  using client = new OtlpClient(app.grpcAddress);
  const shown = new Set<string>();
  const started = Date.now();
  while (!signal.aborted) {
    await Promise.all(
      simulation.tick(Date.now()).map(async ({ signal: kind, bytes }) => client.send(kind, bytes)),
    );
    await printNews(app, shown, started, io).catch(() => {}); // the page may be closing already
    await sleep(1_000, undefined, { signal }).catch(() => {});
  }
}

async function printNews(app: App, shown: Set<string>, started: number, io: CliIo): Promise<void> {
  const target = { url: app.webUrl, token: null };
  const page = await getJson<ApiPage<ApiInsight>>(target, "/api/v1/insights", { state: "firing" });
  for (const insight of page.items) {
    if (shown.has(insight.id)) continue;
    shown.add(insight.id);
    const seconds = ((Date.now() - started) / 1_000).toFixed(1).padStart(6);
    const line = `${insight.severity.padEnd(8)} ${insight.rule.padEnd(36)} ${insight.message}`;
    io.out(`${seconds} s  ${printable(line)}\n`);
  }
}

function welcome(app: App, link: string): string {
  return `A simulated mesh: bookinfo with ordinary traffic, and a tenant whose shell runs under the proxy's UID.

  page      http://${app.webAddress}
  log in    ${link} (works once)
  insights  http://${app.webAddress}/api/v1/insights
  graph     http://${app.webAddress}/api/v1/graph
  metrics   http://${app.webAddress}/metrics
  OTLP      ${app.grpcAddress}

Insights as they come (stop with Ctrl-C):

`;
}
