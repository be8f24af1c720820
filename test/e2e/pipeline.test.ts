/**
 * The whole way with real parts and the shipped files as they are: a simulated mesh, a collector, the
 * engine, Prometheus, Alertmanager, a pager; and the insight back through the collector as an OTLP log.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { Disposer } from "../../src/lib/disposer.ts";
import { startCollector, type Collector } from "../support/collector.ts";
import { readInsights, type WrittenLog } from "../support/insights-file.ts";
import { KubernetesApi } from "../support/kubernetes-api.ts";
import { MeshSources } from "../support/mesh-sources.ts";
import {
  queryPrometheus,
  startAlertmanager,
  startPrometheus,
  Webhooks,
  type Served,
} from "../support/monitoring.ts";
import { toolsOrSkip, type Tools } from "../support/peers.ts";
import { freePort, TempFolder, until } from "../support/program.ts";
import { askStore, startShippedEngine, type ShippedEngine } from "../support/shipped-engine.ts";

interface World {
  readonly mesh: MeshSources;
  readonly collector: Collector;
  readonly engine: ShippedEngine;
  readonly prometheus: Served;
  readonly webhooks: Webhooks;
}

/** Everything from the mesh to the pager, quiet and warm: every source was heard, no alert is about. */
async function startWorld(tools: Tools, parts: Disposer): Promise<World> {
  const temp = new TempFolder();
  parts.defer(() => temp[Symbol.dispose]());
  const folder = temp.path;
  const ports = { engine: await freePort(), collector: await freePort(), watch: await freePort() };
  const webhooks = parts.use(new Webhooks());
  await webhooks.start();
  const alertmanager = `127.0.0.1:${ports.watch + 1}`;
  parts.use(await startAlertmanager(tools, folder, ports.watch + 1));
  const insights = `127.0.0.1:${ports.collector + 1}`;
  const engine = await startShippedEngine(folder, ports.engine, insights);
  parts.use(engine.program);
  const target = `127.0.0.1:${ports.engine}`;
  const prometheus = parts.use(
    await startPrometheus({ tools, folder, port: ports.watch, target, alertmanager }),
  );
  const otlp = `127.0.0.1:${ports.collector}`;
  const mesh = parts.use(new MeshSources(otlp, join(folder, "tetragon.log")));
  await mesh.serveMetrics();
  const kubernetes = parts.use(new KubernetesApi(mesh.discovered));
  const kubeconfig = await kubernetes.start(folder);
  const collector = parts.use(
    await startCollector({
      tools,
      folder,
      port: ports.collector,
      engine: engine.grpc,
      kubeconfig,
      clusterName: "demo",
    }),
  );
  mesh.start();
  const world = { mesh, collector, engine, prometheus, webhooks };
  await becomeWarm(world);
  return world;
}

async function becomeWarm({ mesh, engine, prometheus }: World): Promise<void> {
  const proxies = mesh.endpoints.filter(({ isProxy }) => isProxy).map(({ pod }) => pod.name);
  const select = "SELECT kind || ' ' || key AS name FROM source";
  await until(
    async () => askStore<{ name: string }>(engine.storePath, select).map(({ name }) => name),
    (names) =>
      ["node_agent", "objects", ...proxies].every((part) =>
        names.some((name) => name.includes(part)),
      ),
    30_000,
  );
  const scraped = async (): Promise<number> =>
    queryPrometheus(prometheus.url, "min(count_over_time(mesh_insights_rules_loaded[1m]))");
  await until(scraped, (scrapes) => scrapes >= 3, 20_000);
}

const insight = { rule: "proxy-uid-in-application", namespace: "tenant-a" };

test("an attack is paged within seconds, and its insight comes back as an OTLP log", async (context) => {
  const tools = toolsOrSkip(context, "collector", "prometheus", "alertmanager");
  await using parts = new Disposer();
  const world = await startWorld(tools, parts);
  const { mesh, webhooks, collector } = world;
  expect(webhooks.calls).toEqual([]);

  mesh.attack();
  const labels = { alertname: "MeshInsightCritical", severity: "critical", ...insight };
  const page = await until(
    async () => webhooks.find("/page", labels),
    (found) => found !== null,
    60_000,
  );
  const delayMs = (page?.atMs ?? Number.NaN) - mesh.attackedMs;
  console.info(`from the attack's telemetry to the webhook: ${(delayMs / 1_000).toFixed(1)} s`);
  expect(delayMs).toBeLessThan(60_000);
  expect(page?.alert).toMatchObject({
    status: "firing",
    annotations: { summary: "proxy-uid-in-application in tenant-a" },
  });

  const isOurs = ({ attributes }: WrittenLog): boolean =>
    attributes["security_rule.uuid"] === insight.rule;
  const logs = await until(
    async () => readInsights(collector.insightsFile),
    (written) => written.some(isOurs) && written.some(isEgress),
    20_000,
  );
  expect(logs.filter(isOurs)).toEqual([expectedRecord(mesh.attackedMs)]);
  expect(logs.find(isEgress)?.attributes).toMatchObject(egressPeer);
  await expectNoLoop(world);
  await expectOnlyProxiesScraped(world);
});

const isEgress = ({ attributes }: WrittenLog): boolean =>
  attributes["security_rule.uuid"] === "egress-around-proxy" &&
  attributes["destination.address"] === "198.51.100.66";

/** The other end, of an insight that has one. */
const egressPeer = {
  "k8s.namespace.name": "tenant-a",
  "service.name": "notebook",
  "destination.address": "198.51.100.66",
  "destination.port": 443,
};

const text: unknown = expect.stringMatching(/./);
const time: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z$/);

/** All of the record that a process under the proxy's UID makes. */
function expectedRecord(attackedMs: number): object {
  const pod: unknown = expect.stringMatching(/^notebook-/);
  const withinSeconds: unknown = expect.toSatisfy(
    (timeMs: number) => Math.abs(timeMs - attackedMs) < 5_000,
  );
  const evidence = {
    "mesh_insights.evidence.texts": [text],
    "mesh_insights.evidence.exe": "/bin/bash",
    "mesh_insights.evidence.pid": 31_337,
    "mesh_insights.evidence.uid": 1337,
    "mesh_insights.evidence.gid": 1337,
    "mesh_insights.evidence.pod": pod,
    "mesh_insights.evidence.container": "notebook",
    "mesh_insights.evidence.agent": "tetragon",
  };
  const attributes = {
    "log.record.uid": expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
    "security_rule.uuid": insight.rule,
    "security_rule.name": text,
    "security_rule.category": "capture",
    "security_rule.description": text,
    "security_rule.ruleset.name": "mesh-baseline",
    "security_rule.version": expect.stringMatching(/^[0-9a-f]{16}$/) as unknown,
    "security_rule.reference": expect.stringMatching(/^https:/) as unknown,
    "mesh_insights.insight.id": expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
    "mesh_insights.insight.state": "firing",
    "mesh_insights.insight.previous_state": "inactive",
    "mesh_insights.insight.severity": "critical",
    "mesh_insights.insight.confidence": "high",
    "mesh_insights.insight.first_seen": time,
    "mesh_insights.insight.last_seen": time,
    "mesh_insights.insight.occurrences": expect.any(Number) as unknown,
    "mesh_insights.insight.reopen_count": 0,
    "mesh_insights.insight.flapping": false,
    "mesh_insights.insight.tags": expect.arrayContaining(["attack.t1036.010"]) as unknown,
    "mesh_insights.insight.attack.technique.id": expect.arrayContaining(["T1036.010"]) as unknown,
    "k8s.namespace.name": insight.namespace,
    "k8s.deployment.name": "notebook",
    "k8s.pod.name": pod,
    "k8s.container.name": "notebook",
    "service.name": "notebook",
    "process.pid": 31_337,
    "process.executable.path": "/bin/bash",
    "process.user.id": 1337,
    ...evidence,
  };
  const resource = { "service.name": "mesh-insights", "k8s.cluster.name": "demo" };
  return {
    eventName: "mesh_insights.insight",
    severityNumber: 18,
    severityText: "critical",
    body: expect.stringContaining("/bin/bash runs under the proxy's UID 1337") as unknown,
    timeMs: withinSeconds,
    scope: "mesh-insights/rules",
    schemaUrl: "https://opentelemetry.io/schemas/1.44.0",
    resource: expect.objectContaining(resource) as unknown,
    attributes: expect.objectContaining(attributes) as unknown,
  };
}

/** What came back was written once and not sent to the engine again. */
async function expectNoLoop({ engine, collector }: World): Promise<void> {
  const metrics = await (await fetch(`${engine.web}/metrics`)).text();
  const received = "otelcol_receiver_accepted_log_records";
  const returned = await collector.metric(received, 'receiver="otlp/insights"');
  expect(returned).toBeGreaterThanOrEqual(2);
  expect(metrics).not.toMatch(/unrecognized_records_total\{.*mesh-insights/);
  const uids = readInsights(collector.insightsFile).map((log) => log.attributes["log.record.uid"]);
  expect(new Set(uids).size).toBe(uids.length);
}

/** The gateway's relabel rules: each proxy, nothing else, and of a proxy only Istio's own series. */
async function expectOnlyProxiesScraped({ mesh, engine }: World): Promise<void> {
  const scraped = mesh.endpoints.filter(({ scrapes }) => scrapes > 0);
  const proxies = mesh.endpoints.filter(({ isProxy }) => isProxy);
  expect(scraped.map(({ pod }) => pod.name)).toEqual(proxies.map(({ pod }) => pod.name));
  const metrics = await (await fetch(`${engine.web}/metrics`)).text();
  expect(metrics).not.toMatch(/^mesh_insights_unrecognized_metrics_total\{/m);
}
