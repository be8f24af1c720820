/** The running engine from outside: its page and API, its numbers, how it stops, and real SDK senders. */
import { request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import { join } from "node:path";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeCounters, encodeLogs } from "../../src/cli/demo/otlp.ts";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { execEvent, podObject } from "../../src/cli/demo/sources.ts";
import { clusterName, pods, proxyUserId } from "../../src/cli/demo/world.ts";
import { OtlpClient, type SendResult } from "../../src/cli/otlp-client.ts";
import type { ApiGraph, ApiInsight, ApiPage, ApiWorkload } from "../../src/model/api.ts";
import { Signal } from "../../src/model/stages.ts";
import { instruments } from "../../src/self/instruments.ts";
import type { EngineStatus } from "../../src/serve/status.ts";
import {
  freePort,
  getJson,
  startEngine,
  TempFolder,
  until,
  type Engine,
} from "../support/program.ts";

const hostile = {
  namespace: `"><img src=x onerror=alert(2)>`,
  workload: "<script>alert(1)</script>\u0007\u202e",
  exe: "/tmp/<b>\u001b[31msh</b>",
};

let folder: TempFolder;
let engine: Engine;
/** What /metrics said before any telemetry came. */
let bornMetrics: string;

beforeAll(async () => {
  folder = new TempFolder();
  const sets = [
    `cluster.name=${clusterName}`,
    // Nobody takes insights there: its numbers exist, and nothing else is the worse for it.
    "exporters.otlp.endpoint=127.0.0.1:9",
    "exporters.otlp.tls.insecure=true",
    "expected_sources=[{ kind: node_agent }]",
  ];
  engine = await startEngine(folder.path, await freePort(), sets);
  bornMetrics = await readText("/metrics");
  using client = new OtlpClient(engine.grpc, 1);
  const send = async (signal: Signal, body: Uint8Array): Promise<void> => {
    expect(await client.send(signal, body)).toMatchObject({ ok: true });
  };
  const simulation = new Simulation(7);
  for (let second = 5; second > 0; second--) {
    for (const { signal, bytes } of simulation.tick(Date.now() - second * 1_000)) {
      await send(signal, bytes);
    }
  }
  const { namespace, workload, exe } = hostile;
  const name = `${workload}-6d4b75cb1d-abcde`;
  const pod = { ...pods.notebook, namespace, workload, name, uid: "hostile", ip: "10.244.9.9" };
  const atMs = Date.now() - 500;
  const process = { pod, container: pod.container, exe, uid: proxyUserId, pid: 4_711 };
  const resource = { "k8s.cluster.name": clusterName };
  await send(Signal.logs, encodeLogs(resource, [podObject(pod, atMs)]).bytes);
  await send(Signal.logs, encodeLogs(resource, [execEvent(process, atMs)]).bytes);
});

afterAll(async () => {
  await engine.program.kill("SIGTERM");
  folder[Symbol.dispose]();
});

const readText = async (path: string): Promise<string> => (await fetch(engine.web + path)).text();

interface Heard {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
}

/** A request with headers that `fetch` would not let us choose. */
async function ask(
  path: string,
  method = "GET",
  headers: OutgoingHttpHeaders = {},
): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(engine.web + path, { method, headers }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    request.on("error", reject);
    request.end();
  });
}

const problems = [
  ["an unknown page", "GET", "/nothing?<b>", {}, 404, /nothing is served at \/nothing/],
  ["an unknown insight", "GET", "/api/v1/insights/none", {}, 404, /no insight is known/],
  ["an unknown workload", "GET", "/api/v1/workloads/a/b/c", {}, 404, /no workload is known/],
  ["a POST", "POST", "/api/v1/insights", {}, 405, /changes nothing else over HTTP/],
  [
    "a DELETE of a page that is not there",
    "DELETE",
    "/x",
    {},
    405,
    /changes nothing else over HTTP/,
  ],
  ["an unknown parameter", "GET", "/api/v1/insights?stat=firing", {}, 400, /stat/],
  ["an unknown state", "GET", "/api/v1/insights?state=on", {}, 400, /state/],
  ["a limit that is none", "GET", "/api/v1/graph?limit=0", {}, 400, /limit/],
  ["a cursor of nobody", "GET", "/api/v1/insights?cursor=abc", {}, 400, /cursor/],
  ["a foreign Host", "GET", "/", { host: "evil.example" }, 403, /listens on loopback/],
  ["a foreign Host with our port", "GET", "/metrics", { host: "evil.example:80" }, 403, /loopback/],
] as const;

test.each(problems)("%s is a problem document: %s %s", async (_what, method, path, ...rest) => {
  const [headers, status, detail] = rest;
  const heard = await ask(path, method, headers);
  expect(heard.status).toBe(status);
  expect(heard.headers["content-type"]).toBe("application/problem+json");
  expect(JSON.parse(heard.body)).toEqual({
    type: "about:blank",
    status,
    title: expect.any(String),
    detail: expect.stringMatching(detail),
  });
  expect(heard.headers["x-content-type-options"]).toBe("nosniff");
});

test("health, readiness and status", async () => {
  for (const path of ["/healthz", "/-/healthy"]) {
    expect(await ask(path)).toMatchObject({ status: 200, body: "ok\n" });
  }
  for (const path of ["/readyz", "/-/ready"]) {
    expect(await ask(path)).toMatchObject({ status: 200, body: "ready\n" });
  }
  const head = await ask("/readyz", "HEAD");
  expect(head).toMatchObject({ status: 200, body: "" });
  expect(await getJson(`${engine.web}/status`)).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    ready: true,
  });
  const status = await getJson<EngineStatus>(`${engine.web}/status?verbose`);
  expect(status.components.map(({ name, ok }) => `${name} ${ok}`)).toEqual([
    "store true",
    "engine true",
    "rules true",
    "receiver true",
    "exporter otlp false",
  ]);
});

/** prom-client's `Nan` (two scrapes within one turn of the loop) is a number to Prometheus. */
const sampleLine =
  /^([a-z_:][a-z0-9_:]*)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (-?[0-9.e+-]+|Nan|\+Inf)$/;

test("every line of /metrics parses, and every number we declare is there", async () => {
  using client = new OtlpClient(engine.grpc, 1);
  const unknown = { name: "of_nobody", attributes: {}, value: 1 };
  const scraped = encodeCounters({}, [unknown], Date.now());
  expect(await client.send(scraped.signal, scraped.bytes)).toMatchObject({ ok: true });
  const odd = [
    { timeMs: Date.now(), attributes: {}, body: "free text" },
    {
      timeMs: Date.now(),
      attributes: { "log.file.name": "tetragon.log" },
      body: '{"process_exec":{',
    },
  ];
  expect(await client.send(Signal.logs, encodeLogs({}, odd).bytes)).toMatchObject({ ok: true });

  const missing = async (): Promise<string[]> => {
    const now = await readText("/metrics");
    // Of waivers, of which this engine has none, it is said that there could be.
    return Object.keys(instruments).filter(
      (name) =>
        !now.includes(`\nmesh_insights_${name}`) &&
        !(name.startsWith("waiver_") && now.includes(`# TYPE mesh_insights_${name} `)),
    );
  };
  await until(missing, (names) => names.length === 0, 5_000);
  const text = await readText("/metrics");
  const lines = text.split("\n").filter((line) => line !== "");
  const isLine = (line: string): boolean =>
    /^# (HELP|TYPE) [a-z0-9_]+ ./.test(line) || sampleLine.test(line);
  expect(lines.filter((line) => !isLine(line))).toEqual([]);
  expect(new Set(lines).size).toBe(lines.length);
  expect(text).toMatch(/^mesh_insights_insights\{.*state="firing"\} [1-9]/m);
  expect(text).toMatch(/^mesh_insights_store_size_bytes [1-9]\d{4,}/m);
  expect(text).toMatch(/^mesh_insights_store_commit_duration_seconds_count [1-9]/m);
});

test("what alerts look at is born at 0", () => {
  for (const series of [
    'receiver_accepted_spans_total{transport="grpc"}',
    'receiver_requests_total{transport="grpc",signal="logs",outcome="invalid"}',
    'receiver_rejected_items_total{reason="undecodable"}',
    "commits_failed_total",
    "engine_restarts_total",
    'trouble_total{thread="engine"}',
    'trouble_total{thread="store"}',
    "store_pruned_rows_total",
    "late_points_total",
    'insights_raised_total{rule="egress-around-proxy",severity="critical"}',
    'insights_resolved_total{rule="plaintext-traffic",reason="fixed"}',
  ]) {
    expect(bornMetrics.split("\n")).toContain(`mesh_insights_${series} 0`);
  }
});

test("the API: insights, the graph, a workload", async () => {
  const page = await getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?limit=2`);
  expect(page.items).toHaveLength(2);
  expect(page.total).toBeGreaterThan(2);
  const next = await getJson<ApiPage<ApiInsight>>(
    `${engine.web}/api/v1/insights?limit=2&cursor=${encodeURIComponent(page.next ?? "")}`,
  );
  expect(next.items[0]?.id).not.toBe(page.items[0]?.id);
  const id = page.items[0]?.id;
  const one = await getJson<Record<string, unknown>>(`${engine.web}/api/v1/insights/${id}`);
  expect(one).toMatchObject({ id, history: expect.any(Array), episode: 1 });
  const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/;
  expect(one.first_seen).toMatch(rfc3339);

  const graph = await getJson<ApiGraph>(`${engine.web}/api/v1/graph?namespace=bookinfo`);
  const ids = new Set(graph.nodes.map((node) => node.id));
  expect(graph.edges.length).toBeGreaterThan(3);
  expect(graph.edges.filter((edge) => !ids.has(edge.source) || !ids.has(edge.target))).toEqual([]);
  expect(graph.at).toMatch(rfc3339);

  const path = `/api/v1/workloads/${clusterName}/bookinfo/reviews-v1`;
  const workload = await getJson<ApiWorkload>(engine.web + path);
  expect(workload.node).toMatchObject({ namespace: "bookinfo", name: "reviews-v1" });
  expect(workload.edges.length).toBeGreaterThan(0);
});

test("hostile names are whole in the API and harmless on the page", async () => {
  const { namespace, workload, exe } = hostile;
  const query = new URLSearchParams({ namespace, rule: "proxy-uid-in-application" });
  const insights = `${engine.web}/api/v1/insights?${query.toString()}`;
  const page = await until(
    async () => getJson<ApiPage<ApiInsight>>(insights),
    ({ items }) => items.some(({ state }) => state === "firing"),
    5_000,
  );
  expect(page.items[0]).toMatchObject({ namespace, workload });
  expect(page.items[0]?.message).toContain("<b>");
  const parts = [clusterName, namespace, workload].map(encodeURIComponent).join("/");
  const found = await getJson<ApiWorkload>(`${engine.web}/api/v1/workloads/${parts}`);
  expect(found.node).toMatchObject({ namespace, name: workload });
  expect(found.processes[0]).toMatchObject({ exe, uid: proxyUserId });

  const { headers, body } = await ask("/");
  expect(headers["content-type"]).toMatch(/^text\/html/);
  expect(headers["content-security-policy"]).toMatch(/default-src 'none'/);
  expect(body).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(body).not.toMatch(/<script|<img|<b>/);
  // oxlint-disable-next-line no-control-regex -- that there are none is what is asked
  expect(body).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e]/);
  expect((await ask("/status.css")).headers["content-type"]).toMatch(/^text\/css/);
});

test("a malformed request is refused for good, and the next good one is taken", async () => {
  using client = new OtlpClient(engine.grpc, 3);
  const malformed = await client.send(Signal.traces, Buffer.from([0x0a, 0x05, 0x01]));
  expect(malformed).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
  const good = encodeLogs({}, [{ timeMs: Date.now(), attributes: {}, body: "good" }]);
  expect(await client.send(good.signal, good.bytes)).toMatchObject({ ok: true });
});

test("the exporters of the JS SDK are taken whole", async () => {
  const sending = { url: `http://${engine.grpc}`, compression: CompressionAlgorithm.GZIP };
  const accepted = async (): Promise<number[]> => {
    const text = await readText("/metrics");
    return ["spans", "metric_points", "log_records"].map((kind) =>
      Number(
        new RegExp(`^mesh_insights_receiver_accepted_${kind}_total.* (\\d+)$`, "m").exec(text)?.[1],
      ),
    );
  };
  const before = await accepted();
  const exporter = new OTLPTraceExporter(sending);
  const tracers = new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] });
  const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(sending) });
  const meters = new MeterProvider({ readers: [reader] });
  const logging = new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(sending) });
  const loggers = new LoggerProvider({ processors: [logging] });
  for (const name of ["a", "b", "c"]) tracers.getTracer("test").startSpan(name).end();
  meters.getMeter("test").createCounter("a-counter").add(1);
  loggers.getLogger("test").emit({ severityNumber: SeverityNumber.INFO, body: "a record" });
  await Promise.all([tracers.shutdown(), meters.shutdown(), loggers.shutdown()]);
  expect((await accepted()).map((count, at) => count - (before[at] ?? 0))).toEqual([3, 1, 1]);
});

/** Sends one request after the other until one is not taken; returns how many were. */
async function sendUntilRefused(client: OtlpClient, lane: string): Promise<[number, SendResult]> {
  for (let n = 0; ; n++) {
    const body = `${lane} ${n} ${Date.now()}`;
    const { bytes } = encodeLogs({}, [{ timeMs: Date.now(), attributes: {}, body }]);
    const result = await client.send(Signal.logs, bytes);
    if (!result.ok) return [n, result];
  }
}

test("SIGTERM under load, three times: everybody is answered, and the next start is clean", async () => {
  using own = new TempFolder();
  const port = await freePort();
  let acknowledged = 0;
  for (let round = 0; round < 3; round++) {
    const startedMs = Date.now();
    const { program, grpc, web } = await startEngine(own.path, port);
    await using _killed = program;
    expect(Date.now() - startedMs).toBeLessThan(10_000);
    using client = new OtlpClient(grpc, 1);
    const lanes = ["a", "b", "c", "d"].map(async (lane) =>
      sendUntilRefused(client, `${round}${lane}`),
    );
    await until(
      async () => (await fetch(`${web}/metrics`)).text(),
      (text) => /receiver_accepted_log_records_total\{transport="grpc"\} \d{2,}/.test(text),
      10_000,
    );
    const stoppedMs = Date.now();
    const finished = await program.kill("SIGTERM");
    expect(Date.now() - stoppedMs).toBeLessThan(10_000);
    expect({ code: finished.code, error: finished.error }).toEqual({
      code: 0,
      error: expect.not.stringMatching(/error|warn.*(store|engine)/i),
    });
    for (const [taken, last] of await Promise.all(lanes)) {
      acknowledged += taken;
      expect(last).toMatchObject({ ok: false, code: "UNAVAILABLE" });
    }
    const { receipts, clean } = examine(join(own.path, "store", "mesh.db"));
    expect(clean).toBe(1);
    // Taken before the stop, with the answer lost on the way: at most one of each lane and round.
    expect(receipts - acknowledged).toBeOneOf(
      Array.from({ length: 4 * (round + 1) + 1 }, (_, n) => n),
    );
  }
});

function examine(path: string): { receipts: number; clean: number } {
  const database = new Database(path, { readonly: true });
  try {
    const one = (sql: string): number => Number(database.prepare(sql).pluck().get());
    return {
      receipts: one("SELECT count(*) FROM receipt"),
      clean: one("SELECT clean FROM meta"),
    };
  } finally {
    database.close();
  }
}
