/** The shipped files in the hands of the programs they are for: Prometheus', Alertmanager's, a collector. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeCounters, encodeLogs } from "../../src/cli/demo/otlp.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import { Signal } from "../../src/model/stages.ts";
import { startCollector } from "../support/collector.ts";
import { startReceiver, type TestReceiver } from "../support/grpc-receiver.ts";
import { KubernetesApi } from "../support/kubernetes-api.ts";
import { MeshSources } from "../support/mesh-sources.ts";
import { alertmanagerConfig, deployFolder, startAlertmanager } from "../support/monitoring.ts";
import { bytesToPlain, type SignalName } from "../support/otlp-oracle.ts";
import { runToEnd, toolsOrSkip, type Ended } from "../support/peers.ts";
import { freePort, getJson, TempFolder, until } from "../support/program.ts";
import { startShippedEngine } from "../support/shipped-engine.ts";

const check = (path: string, args: readonly string[], input = ""): Promise<Ended> =>
  runToEnd(path, args, { cwd: join(deployFolder, "prometheus"), input });

test.for([
  { name: "the alert rules are sound", args: ["check", "rules", "rules.yaml"] },
  {
    name: "each alert fires when it must and only then",
    args: ["test", "rules", "rules.test.yaml"],
  },
  { name: "the Prometheus configuration is sound", args: ["check", "config", "scrape.yaml"] },
])("promtool: $name", async ({ args }, context) => {
  const { promtool } = toolsOrSkip(context, "promtool");
  expect(await check(promtool, args)).toMatchObject({ code: 0 });
});

test("promtool: what a running engine publishes follows Prometheus' conventions", async (context) => {
  const { promtool } = toolsOrSkip(context, "promtool");
  using folder = new TempFolder();
  const port = await freePort();
  const engine = await startShippedEngine(folder.path, port, "127.0.0.1:1");
  await using _program = engine.program;
  const text = await (await fetch(`${engine.web}/metrics`)).text();
  expect(text).toContain("mesh_insights_insights{");
  expect(await check(promtool, ["check", "metrics"], text)).toEqual({ code: 0, output: "" });
});

test("amtool: the Alertmanager example is sound", async (context) => {
  const { amtool } = toolsOrSkip(context, "amtool");
  expect(await check(amtool, ["check-config", alertmanagerConfig])).toMatchObject({ code: 0 });
});

test.for([
  { alert: "MeshInsightCritical", severity: "critical", receiver: "page" },
  { alert: "MeshInsightsEngineBlind", severity: "critical", receiver: "page" },
  { alert: "MeshInsightHigh", severity: "warning", receiver: "team" },
  { alert: "MeshInsightsSinkDown", severity: "warning", receiver: "team" },
])("amtool: $alert goes to $receiver", async ({ alert, severity, receiver }, context) => {
  const { amtool } = toolsOrSkip(context, "amtool");
  const config = `--config.file=${alertmanagerConfig}`;
  const verify = ["config", "routes", "test", config, `--verify.receivers=${receiver}`];
  const labels = [`alertname=${alert}`, `severity=${severity}`, "namespace=shop"];
  const { code } = await check(amtool, [...verify, ...labels]);
  expect(code).toBe(0);
});

interface Muted {
  readonly labels: Readonly<Record<string, string>>;
  readonly status: { readonly state: string };
}

test("Alertmanager mutes what a sharper alert says, and never an insight for the engine's sake", async (context) => {
  const tools = toolsOrSkip(context, "alertmanager");
  using folder = new TempFolder();
  await using alertmanager = await startAlertmanager(tools, folder.path, await freePort());
  const alerts = [
    {
      alertname: "MeshInsightCritical",
      rule: "strict-declared-plaintext-observed",
      namespace: "a",
    },
    { alertname: "MeshInsightHigh", rule: "plaintext-traffic", namespace: "a" },
    { alertname: "MeshInsightHigh", rule: "plaintext-traffic", namespace: "b" },
    { alertname: "MeshInsightsEngineBlind", instance: "x" },
    { alertname: "MeshInsightsSourceMissing", instance: "x" },
    { alertname: "MeshInsightsSourceMissing", instance: "y" },
    { alertname: "MeshInsightsCommitsFailing", instance: "x" },
    { alertname: "MeshInsightsReceiverRefusing", instance: "x" },
  ].map((labels) => ({ labels: { severity: "warning", ...labels } }));
  const posted = await fetch(`${alertmanager.url}/api/v2/alerts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(alerts),
  });
  expect(posted.status).toBe(200);
  const list = await until(
    async () => getJson<Muted[]>(`${alertmanager.url}/api/v2/alerts`),
    (all) =>
      all.length === alerts.length && all.every(({ status }) => status.state !== "unprocessed"),
    10_000,
  );
  const muted = list.filter(({ status }) => status.state === "suppressed");
  expect(
    muted
      .map(({ labels }) => `${labels["alertname"]} ${labels["namespace"] ?? labels["instance"]}`)
      .toSorted(),
  ).toEqual(["MeshInsightHigh a", "MeshInsightsReceiverRefusing x", "MeshInsightsSourceMissing x"]);
});

const signalNames: Readonly<Record<Signal, SignalName>> = {
  [Signal.traces]: "traces",
  [Signal.metrics]: "metrics",
  [Signal.logs]: "logs",
};

/** `signal origin cluster` of each resource that a receiver got. */
function stampsOf({ handler }: TestReceiver): Set<string> {
  const stamps = handler.requests.flatMap(({ signal, body }) => {
    const name = signalNames[signal];
    const request = bytesToPlain(name, Buffer.from(body)) as unknown as OtlpRequestPlain;
    const groups =
      request.resource_spans ?? request.resource_metrics ?? request.resource_logs ?? [];
    return groups.map(({ resource }) => {
      const value = (key: string): string =>
        resource.attributes.find((one) => one.key === key)?.value.string_value ?? "";
      return `${name} ${value("mesh_insights.origin")} ${value("k8s.cluster.name")}`;
    });
  });
  return new Set(stamps);
}

/** As much of a request as the stamps are in. */
type OtlpRequestPlain = Partial<
  Record<
    "resource_spans" | "resource_metrics" | "resource_logs",
    { resource: { attributes: { key: string; value: { string_value?: string } }[] } }[]
  >
>;

test("the gateway says of everything by which way it came, whatever a sender claims", async (context) => {
  const tools = toolsOrSkip(context, "collector");
  using folder = new TempFolder();
  await using engine = await startReceiver();
  const port = await freePort();
  await using mesh = new MeshSources(`127.0.0.1:${port}`, join(folder.path, "tetragon.log"));
  await mesh.serveMetrics();
  await using kubernetes = new KubernetesApi(mesh.discovered);
  await using _collector = await startCollector({
    tools,
    folder: folder.path,
    port,
    engine: `127.0.0.1:${engine.port}`,
    kubeconfig: await kubernetes.start(folder.path),
    clusterName: "prod",
  });
  mesh.start();
  using liar = new OtlpClient(`127.0.0.1:${port}`);
  const claims = { "k8s.cluster.name": "elsewhere", "mesh_insights.origin": "tetragon" };
  for (const { signal, bytes } of [
    encodeLogs(claims, [line]),
    encodeCounters(claims, [count], 0),
  ]) {
    expect(await liar.send(signal, bytes)).toEqual({ ok: true, isRetryable: false });
  }
  const expected = ["logs otlp prod", "logs tetragon prod", "metrics otlp prod"];
  expected.push("metrics scrape prod", "traces otlp prod");
  await until(
    async () => [...stampsOf(engine)],
    (stamps) => stamps.length >= expected.length,
    20_000,
  );
  expect([...stampsOf(engine)].toSorted()).toEqual(expected);
});

const line = { timeMs: 0, attributes: {}, body: "x" };
const count = { name: "x", attributes: {}, value: 1 };
