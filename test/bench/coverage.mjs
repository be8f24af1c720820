/**
 * Coverage of a large mesh: `npm run -s build && node test/bench/coverage.mjs [workloads]`. Two pods per
 * workload, 100 pods per machine, an agent on each. Every second a pod is replaced and everybody is
 * heard; then one machine's agent falls silent. Times are wall-clock milliseconds of the engine's thread;
 * a tick is `advance` and a `push`, `baseline` the same while nothing changes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Graph } from "../../dist/graph/graph.js";
import { graphDefaults } from "../../dist/graph/options.js";
import { makeWriteSet } from "../../dist/model/rows.js";
import { coverageOf } from "../../dist/serve/coverage.js";
import { StoreReader } from "../../dist/store/reader.js";
import { StoreWriter } from "../../dist/store/writer.js";

const workloads = Number(process.argv[2] ?? 20_000);
const podsPerHost = 100;
const namespaces = 400;
const startUs = 1_795_246_320_000_000;
const second = 1_000_000;
const pods = 2 * workloads;
const limits = {
  podsMax: 2 * pods,
  nodesMax: 5 * workloads,
  addressesMax: 4 * pods,
  sourcesMax: 2 * pods,
};

const ipOf = (index) => `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
const objects = { kind: "objects", key: "lab", cluster: "lab", namespace: "" };
const agents = Array.from({ length: Math.ceil(pods / podsPerHost) }, (_, index) => ({
  kind: "node_agent",
  key: `lab/node-${index}`,
  cluster: "lab",
  namespace: "",
}));
const containers = ["app", "istio-proxy"].map((name) => ({
  name,
  image: "image",
  containerId: "",
  init: false,
  restartable: false,
  ephemeral: false,
  runAsUser: -1,
  runAsGroup: -1,
  runAsNonRoot: false,
  privileged: false,
  allowPrivilegeEscalation: false,
  capabilitiesAdd: [],
  capabilitiesDrop: [],
  ports: [],
}));

function podObject(index, generation, timeUs, event = "modified") {
  const workload = `w${index % workloads}`;
  const namespace = `ns${(index % workloads) % namespaces}`;
  const name = `${workload}-6d8f5c9b7c-${String(index * 100 + generation).padStart(9, "x")}`;
  const object = {
    type: "pod",
    uid: `${namespace}/${name}`,
    namespace,
    name,
    ips: [ipOf(index)],
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    hostUsers: true,
    shareProcessNamespace: false,
    node: `node-${Math.floor(index / podsPerHost)}`,
    serviceAccount: "default",
    automountToken: true,
    ownerKind: "ReplicaSet",
    ownerName: `${workload}-6d8f5c9b7c`,
    labels: { "pod-template-hash": "6d8f5c9b7c" },
    annotations: {},
    runAsUser: -1,
    runAsGroup: -1,
    fsGroup: -1,
    supplementalGroups: [],
    containers,
    startUs: timeUs,
    deletionUs: event === "deleted" ? timeUs : 0,
    finishedUs: 0,
    phase: "Running",
  };
  const seen = { kind: "object_seen", timeUs, nanos: 0, source: objects, trust: "attested" };
  return { ...seen, event, cluster: "lab", object };
}

const beat = (source, capability, timeUs) => ({
  kind: "heartbeat",
  timeUs,
  nanos: 0,
  source,
  trust: "attested",
  capability,
});

const empty = {
  count: 0,
  series: new Int32Array(0),
  timeUs: new Float64Array(0),
  startUs: new Float64Array(0),
  value: new Float64Array(0),
  valueCount: new Float64Array(0),
  temporality: new Uint8Array(0),
  stale: new Uint8Array(0),
};
const batch = (receivedUs, observations) => ({
  receivedUs,
  series: [],
  samples: empty,
  observations,
});

const proxies = Array.from({ length: pods }, (_, index) => {
  const { object } = podObject(index, 0, startUs);
  const key = `lab/${object.namespace}/${object.name}`;
  return { kind: "proxy", key, cluster: "lab", namespace: object.namespace };
});

let told = 0;
const graph = new Graph(
  { ...graphDefaults, limits: { ...graphDefaults.limits, ...limits } },
  {
    push(changes) {
      told += changes.length;
    },
  },
);
const folder = mkdtempSync(join(tmpdir(), "mesh-insights-bench-"));
const path = join(folder, "insights.db");
const writer = new StoreWriter({ path, programVersion: "bench", nowUs: startUs });
let seq = 0;
let nowUs = startUs;

const timed = (work) => {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
};
const quantile = (values, part) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];
const round = (value) => Math.round(value * 100) / 100;
const summary = (values) => ({
  p50: round(quantile(values, 0.5)),
  p99: round(quantile(values, 0.99)),
  max: round(Math.max(...values)),
});
const collect = () => {
  const writeSet = makeWriteSet(++seq, nowUs);
  const ms = timed(() => graph.collect(writeSet));
  return { ms, writeSet };
};

/** A third of the proxies and all agents speak: each is heard often enough to be live. */
function speak(from, silentAgent) {
  const observations = agents
    .filter((_, index) => index !== silentAgent)
    .map((agent) => beat(agent, "processes", nowUs));
  for (let index = from; index < pods; index += 30) {
    observations.push(beat(proxies[index], "proxy_metrics", nowUs));
  }
  return observations;
}

const everything = Array.from({ length: pods }, (_, index) => podObject(index, 0, startUs));
const build = timed(() => {
  graph.advance(nowUs);
  graph.push(
    batch(nowUs, [...everything, ...proxies.map((one) => beat(one, "proxy_metrics", nowUs))]),
  );
  graph.push(batch(nowUs, speak(0, -1)));
  graph.flushChanges();
});
const first = collect();
writer.commit(first.writeSet);

function run(seconds, replaces, silentAgent) {
  const ticks = [];
  const commits = [];
  let rows = 0;
  for (let at = 0; at < seconds; at++) {
    nowUs += second;
    const index = at * 7;
    const observations = replaces
      ? [podObject(index, 0, nowUs, "deleted"), podObject(index, 1, nowUs)]
      : [];
    graph.push(batch(nowUs, speak(at % 30, silentAgent)));
    ticks.push(
      timed(() => {
        graph.advance(nowUs);
        graph.push(batch(nowUs, observations));
      }),
    );
    const { ms, writeSet } = collect();
    commits.push(ms);
    rows += writeSet.coverage.length;
    writer.commit(writeSet);
  }
  return { tick: summary(ticks), collect: summary(commits), coverage_rows: rows };
}

const baseline = run(60, false, -1);
const replacing = run(120, true, -1);
told = 0;
// Four learned pauses, at least two minutes: then 100 pods turn in one of these ticks.
const silent = run(150, false, 3);

const rules = Array.from({ length: 60 }, (_, index) => ({
  id: `rule-${index}`,
  category: "capture",
  on: "flow",
  severity: "high",
  needs: [["flows", "proxy_logs"], ["sockets", "objects"], ["proxy_metrics"]].slice(index % 3),
  partly: [["sockets"]],
}));
const reader = new StoreReader(path);
const reads = Array.from({ length: 20 }, () =>
  timed(() => JSON.stringify(coverageOf(reader.coverage({}), rules, {}))),
);
const whole = Array.from({ length: 5 }, () =>
  timed(() => JSON.stringify(coverageOf(reader.coverage({}), rules, { limit: 1_000 }))),
);
const groups = Array.from({ length: 20 }, () => timed(() => graph.coverageGroups()));
reader.close();
writer.close();
rmSync(folder, { recursive: true });

const figures = {
  workloads,
  pods,
  machines: agents.length,
  build_ms: round(build),
  baseline,
  a_pod_replaced_each_second: replacing,
  an_agent_falls_silent: { ...silent, changes_told: told },
  api_ms: summary(reads),
  api_all_namespaces_ms: summary(whole),
  groups_ms: summary(groups),
  heap_mb: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
};
console.log(JSON.stringify(figures, null, 2));
