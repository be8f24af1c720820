/**
 * A large mesh under load: 20,000 facets with two reporters each, all of which change every second, told
 * to the shipped rules every 250 ms and committed whole as often as the commit rule says. Prints CPU seconds per second of
 * that load, by stage, as one JSON object. Needs `npm run build`; the folder for the database may be
 * given, since the disk decides.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readRuleFiles } from "../../dist/cli/rules-folder.js";
import { Graph } from "../../dist/graph/graph.js";
import { graphDefaults } from "../../dist/graph/options.js";
import { wholePauseUs } from "../../dist/engine/commits.js";
import { insightDefaults, Insights } from "../../dist/insights/insights.js";
import { makeWriteSet } from "../../dist/model/rows.js";
import { Evaluator } from "../../dist/rules/evaluator.js";
import { loadRules } from "../../dist/rules/load.js";
import { StoreWriter } from "../../dist/store/writer.js";
import { packWriteSet } from "../../dist/store/packed-rows.js";
import { packedTables } from "../../dist/store/tables.js";

const sources = 200;
const destinations = 100;
const facets = sources * destinations;
const quarters = 4;
const seconds = 100;
const baseUs = 1_795_246_200_000_000;
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "mesh-insights-bench-"));
const rulesFolder = fileURLToPath(new URL("../../rules", import.meta.url));

function makeEnd(name) {
  const namespace = "shop";
  const principal = `spiffe://cluster.local/ns/shop/sa/${name}`;
  const none = { pod: "", service: "", serviceNamespace: "", address: "" };
  return { cluster: "c1", namespace, workload: name, principal, ...none };
}

function makeSeries(id) {
  const facet = id >> 1;
  const reporter = id % 2 === 0 ? "source" : "destination";
  const [from, to] = [`from-${facet % sources}`, `to-${Math.floor(facet / sources)}`];
  const self = reporter === "source" ? from : to;
  return {
    id,
    hash: id.toString(16).padStart(32, "0"),
    measure: "requests",
    reporter,
    channel: "metrics",
    src: makeEnd(from),
    dst: { ...makeEnd(to), service: to, serviceNamespace: "shop" },
    transport: "tcp",
    protocol: "http",
    port: 0,
    security: reporter === "source" ? "unknown" : "mutual_tls",
    isError: false,
    isDenied: false,
    responseFlags: "",
    route: "declared",
    trust: "attested",
    source: { kind: "proxy", key: `c1/shop/${self}`, cluster: "c1", namespace: "shop" },
  };
}

/** Every fourth facet's two series, moved. */
function samplesOf(quarter, atUs, value) {
  const ids = [];
  for (let facet = quarter; facet < facets; facet += quarters) ids.push(2 * facet, 2 * facet + 1);
  const filled = (number) => new Float64Array(ids.length).fill(number);
  return {
    count: ids.length,
    series: Int32Array.from(ids),
    timeUs: filled(atUs),
    startUs: filled(0),
    value: filled(value),
    valueCount: filled(-1),
    temporality: new Uint8Array(ids.length).fill(2),
    stale: new Uint8Array(ids.length),
  };
}

const insights = new Insights(insightDefaults, { push() {} });
const { rules } = loadRules(readRuleFiles(rulesFolder));
insights.setRules(rules.map((rule) => rule.meta));
const evaluator = new Evaluator(rules, insights);
const graph = new Graph(graphDefaults, evaluator);
const path = join(folder, "insights.db");
const writer = new StoreWriter({ path, programVersion: "bench", nowUs: baseUs });

const cpuUs = {};
const longestMs = {};
let isMeasured = false;
function timed(stage, run) {
  const before = process.cpuUsage();
  const startMs = performance.now();
  const result = run();
  if (isMeasured) {
    const { user, system } = process.cpuUsage(before);
    cpuUs[stage] = (cpuUs[stage] ?? 0) + user + system;
    longestMs[stage] = Math.max(longestMs[stage] ?? 0, performance.now() - startMs);
  }
  return result;
}

const series = Array.from({ length: 2 * facets }, (_, id) => makeSeries(id));
let rows = 0;
let wholeUs = baseUs;
for (let second = 0; second < seconds; second++) {
  isMeasured = second >= 10;
  for (let quarter = 0; quarter < quarters; quarter++) {
    const atUs = baseUs + second * 1_000_000 + quarter * 250_000;
    const samples = samplesOf(quarter, atUs, second * 3);
    const isFirst = second === 0 && quarter === 0;
    const batch = { receivedUs: atUs, series: isFirst ? series : [], samples, observations: [] };
    timed("apply", () => graph.push(batch));
    timed("tell", () => graph.advance(atUs));
    insights.advance(atUs);
  }
  const atUs = baseUs + (second + 1) * 1_000_000 - 1;
  if (isMeasured && second % 10 === 5) timed("counters", () => graph.counters([]));
  if (atUs - wholeUs < wholePauseUs(graph.dirtyEdges, 0)) continue;
  wholeUs = atUs;
  const set = makeWriteSet(second + 1, atUs);
  timed("collect", () => {
    graph.collect(set);
    insights.collect(set);
  });
  const packed = timed("transfer", () => structuredClone(packWriteSet(set, packedTables)));
  const result = timed("store", () => writer.commitPacked(packed));
  if (isMeasured) rows += result.rows;
}
const measured = seconds - 10;
const perSecond = Object.fromEntries(
  Object.entries(cpuUs).map(([stage, us]) => [stage, round(us / measured / 1e6)]),
);
const total = round(Object.values(cpuUs).reduce((sum, us) => sum + us, 0) / measured / 1e6);
const longest = Object.fromEntries(
  Object.entries(longestMs).map(([stage, ms]) => [stage, Math.round(ms)]),
);
const figures = { facets, rowsPerSecond: Math.round(rows / measured), total, perSecond, longest };
process.stdout.write(`${JSON.stringify({ bench: "rows", ...figures }, null, 2)}\n`);
writer.close();
rmSync(folder, { recursive: true });

function round(value) {
  return Math.round(value * 1_000) / 1_000;
}
