/**
 * Observations per CPU-second through normalize and graph, by kind: `npm run -s build && node
 * test/bench/observations.mjs [rounds] [--json]`. Each kind comes as its most frequent source words it
 * (`src/cli/demo/sources.ts`), 2,000 items to a request and a request a second, from 200 workloads whose
 * pods are known. Decoding is beside normalizing; the graph's figure holds telling time and commits.
 */
import { encodeCounters, encodeLogs, encodeSpans } from "../../dist/cli/demo/otlp.js";
import * as words from "../../dist/cli/demo/sources.js";
import { LogsDecoder } from "../../dist/decode/logs.js";
import { MetricsDecoder } from "../../dist/decode/metrics.js";
import { TracesDecoder } from "../../dist/decode/traces.js";
import { Graph } from "../../dist/graph/graph.js";
import { graphDefaults } from "../../dist/graph/options.js";
import { makeWriteSet } from "../../dist/model/rows.js";
import { Normalizer } from "../../dist/normalize/normalizer.js";

const rounds = Number(process.argv.slice(2).find((word) => /^\d+$/.test(word)) ?? 3);
const isJson = process.argv.includes("--json");
const startMs = 1_795_246_320_000;
const workloads = 200;
const perRequest = 2_000;
const requests = 12;
const warm = 4;
const cluster = { "k8s.cluster.name": "demo" };

const pods = Array.from({ length: workloads }, (_, index) => ({
  namespace: `shop-${index % 10}`,
  workload: `service-${index}`,
  name: `service-${index}-6d4b75cb9d-x${String(index).padStart(4, "0")}`,
  uid: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
  ip: `10.244.${index >> 6}.${10 + (index & 63)}`,
  host: `node-${index % 10}`,
  container: "app",
  exe: "/app/server",
  userId: 1000,
  port: 8080,
  hasSidecar: true,
  isGateway: false,
}));
const services = pods.map((pod, index) => ({
  name: pod.workload,
  namespace: pod.namespace,
  ip: `10.96.${index >> 6}.${10 + (index & 63)}`,
  port: 80,
  pods: [pod],
}));

/** The call of that number: its ends, ports and times follow from it. */
function callOf(number, atMs) {
  const client = pods[number % workloads];
  const to = (number * 7 + (number >> 8)) % workloads;
  const hex = number.toString(16).padStart(12, "0");
  return {
    atMs: atMs + (number % 900),
    durationMs: 8,
    client,
    clientIp: client.ip,
    appPort: 32_768 + (number % 28_000),
    wirePort: 32_768 + ((number + 13_999) % 28_000),
    server: pods[to],
    service: services[to],
    code: 200,
    isMutualTls: true,
    requestId: `0f1e2d3c-0000-4000-8000-${hex}`,
  };
}

const external = { ip: "203.0.113.10", port: 443, host: "api.payments.example" };

function flowsOf(call) {
  const { client, server, wirePort, atMs } = call;
  const ends = { fromIp: client.ip, fromPort: wirePort, toIp: server.ip, toPort: server.port };
  return words.flowRecords({
    ...ends,
    transport: "tcp",
    bytes: 4_000,
    startMs: atMs,
    endMs: atMs + 9,
  });
}

function spansOf(call, number) {
  const id = (base) => (base + number).toString(16).padStart(16, "1");
  const traceId = id(1).padStart(32, "a");
  const client = { traceId, spanId: id(2e9), parentSpanId: "" };
  const server = { traceId, spanId: id(4e9), parentSpanId: client.spanId };
  return [words.proxySpan(call, "client", client), words.proxySpan(call, "server", server)];
}

/** A pod that was replaced: another name, identity and address. */
function replaced(number) {
  const pod = pods[number % workloads];
  const hex = number.toString(16).padStart(5, "0");
  const ip = `10.${100 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
  return { ...pod, ip, name: `${pod.workload}-6d4b75cb9d-${hex}`, uid: `${hex}-${pod.uid}` };
}

const logs = (resource, recordsOf, perNumber) => ({
  signal: "logs",
  perNumber,
  encode: (numbers, atMs) =>
    encodeLogs(
      resource,
      numbers.flatMap((number) => recordsOf(callOf(number, atMs), number)),
    ).bytes,
});

const kinds = {
  "edge samples (a scrape)": {
    signal: "metrics",
    perNumber: 1,
    // The same series again, with other values: that is what a scrape is.
    encode: (numbers, atMs) =>
      encodeCounters(
        { "service.name": "pods", ...cluster },
        numbers.map((number) => {
          const call = callOf(number % perRequest, atMs);
          return words.requestCounter(
            number % 2 === 0 ? "source" : "destination",
            call,
            number + 1,
          );
        }),
        atMs,
      ).bytes,
  },
  "heartbeats (idle proxies scraped)": {
    signal: "metrics",
    perNumber: 1,
    encode: (numbers, atMs) =>
      encodeCounters(
        { "service.name": "pods", ...cluster },
        numbers.map((number) => {
          const { name, namespace } = replaced(number % perRequest);
          const attributes = { component: "proxy", tag: "1.28.0", pod: name, namespace };
          return { name: "istio_build", attributes, value: 1 };
        }),
        atMs,
      ).bytes,
  },
  "span halves": {
    signal: "traces",
    perNumber: 2,
    encode: (numbers, atMs) =>
      encodeSpans(
        { "service.name": "envoy", ...cluster },
        numbers.flatMap((number) => spansOf(callOf(number, atMs), number)),
      ).bytes,
  },
  "proxy legs (HTTP, both proxies)": logs(
    cluster,
    (call) => [words.clientLine(call), words.serverLine(call)],
    2,
  ),
  "proxy legs (TCP, passthrough)": logs(
    cluster,
    (call) => [
      words.passthroughLine(call.client, call.atMs, external, call.appPort, call.wirePort),
    ],
    1,
  ),
  "flows (NetFlow, both directions)": logs({}, flowsOf, 2),
  "sockets of applications": logs(
    cluster,
    (call) => [
      words.connectEvent(words.appProcess(call.client), call.atMs, call.appPort, call.service),
    ],
    1,
  ),
  "sockets of proxies": logs(
    cluster,
    (call) => [
      words.connectEvent(words.proxyProcess(call.client), call.atMs, call.wirePort, call.server),
    ],
    1,
  ),
  "processes (exec)": logs(
    cluster,
    (call, number) => {
      const process = words.appProcess(call.client);
      return [words.execEvent({ ...process, pid: 4_000 + number }, call.atMs)];
    },
    1,
  ),
  "pod objects (listed, unchanged)": logs(
    cluster,
    // A list has one time, and the pods are the same in each.
    (call, number) => [words.podObject(replaced(number % perRequest), call.atMs - (number % 900))],
    1,
  ),
  "pod objects (replaced)": logs(
    cluster,
    (call, number) => {
      const { attributes, timeMs, body } = words.podObject(replaced(number), call.atMs);
      return [{ attributes, timeMs, body: { type: "ADDED", object: body } }];
    },
    1,
  ),
};

function bodiesOf({ encode, perNumber }) {
  const numbers = perRequest / perNumber;
  return Array.from({ length: requests }, (_, request) => {
    const all = Array.from({ length: numbers }, (_unused, index) => request * numbers + index);
    return Buffer.from(encode(all, startMs + request * 1_000));
  });
}

const known = Buffer.from(
  encodeLogs(
    cluster,
    pods.map((pod) => words.podObject(pod, startMs - 60_000)),
  ).bytes,
);

const decoders = { logs: LogsDecoder, metrics: MetricsDecoder, traces: TracesDecoder };

function cpuUs(work) {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return [user + system, result];
}

/** CPU-microseconds of each stage, and how many observations there were after the warm-up. */
function run({ signal }, bodies) {
  const normalizer = new Normalizer({
    cluster: "demo",
    clusterAliases: { Kubernetes: "demo" },
    trust: [],
  });
  const decoder = new decoders[signal]();
  const graph = new Graph(graphDefaults, { push() {} });
  const read = (reader, name, body, receivedUs) => {
    const decoded = reader.decode(body);
    if (!decoded.ok) throw new Error(decoded.message);
    return normalizer[name](decoded.view, { receivedUs, sender: { listener: "grpc", client: "" } });
  };
  graph.push(read(new LogsDecoder(), "logs", known, (startMs - 60_000) * 1_000));
  const spent = { normalize: 0, graph: 0, observations: 0 };
  for (const [index, body] of bodies.entries()) {
    const receivedUs = (startMs + index * 1_000 + 1_500) * 1_000;
    const [normalizeUs, batch] = cpuUs(() => read(decoder, signal, body, receivedUs));
    const [graphUs] = cpuUs(() => {
      graph.advance(receivedUs);
      graph.push(batch);
      graph.flushChanges();
      graph.collect(makeWriteSet(index + 1, receivedUs));
    });
    if (index < warm) continue;
    spent.normalize += normalizeUs;
    spent.graph += graphUs;
    spent.observations += perRequest;
  }
  return spent;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const results = Object.entries(kinds).map(([kind, of]) => {
  const bodies = bodiesOf(of);
  const runs = Array.from({ length: rounds + 1 }, () => run(of, bodies)).slice(1);
  const perSecond = (usOf) =>
    Math.round(median(runs.map((one) => (one.observations / usOf(one)) * 1_000_000)));
  return {
    kind,
    normalize: perSecond((one) => one.normalize),
    graph: perSecond((one) => one.graph),
    both: perSecond((one) => one.normalize + one.graph),
  };
});

if (isJson)
  process.stdout.write(`${JSON.stringify({ rounds, unit: "observations/CPU-s", results })}\n`);
else {
  const row = (cells) =>
    `${cells[0].padEnd(36)}${cells
      .slice(1)
      .map((cell) => String(cell).padStart(12))
      .join("")}\n`;
  process.stdout.write(row(["observations per CPU-second", "normalize", "graph", "both"]));
  for (const { kind, normalize, graph, both } of results) {
    process.stdout.write(row([kind, normalize, graph, both]));
  }
}
