/**
 * The store at the standard profile: loading 20,000 facets and 200,000 series after a restart, and one
 * commit of what 8,200 changed series and 2,000 changed facet columns write. Prints one JSON object.
 * Needs `npm run build`; the folder for the database may be given, since the disk decides.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeWriteSet, seriesPerPage } from "../../dist/model/rows.js";
import { StoreReader } from "../../dist/store/reader.js";
import { StoreWriter } from "../../dist/store/writer.js";

const baseUs = 1_790_000_000_123_457;
const nodes = 2_000;
const facets = 20_000;
const series = 200_000;
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "mesh-insights-bench-"));
const path = join(folder, "insights.db");
const times = { firstSeenUs: baseUs, lastSeenUs: baseUs };
const detail = '{"service":"reviews","principal":"spiffe://cluster.local/ns/shop/sa/reviews"}';

function makeNode(id) {
  const [namespace, name] = [`ns-${id % 40}`, `workload-${id}`];
  const key = `c1/${namespace}/${name}`;
  const mesh = { mesh: "yes", mode: "sidecar", external: false, address: "", resolved: "object" };
  const cluster = "c1";
  const kind = "Deployment";
  return { id, key, cluster, namespace, name, kind, ...mesh, ...times, mergedInto: 0, detail };
}

function counts(n) {
  const bytes = { bytesSent: n, bytesReceived: n };
  return { requests: n, errors: n % 7, denied: 0, connections: n, ...bytes };
}

function makeFacet(id, n) {
  const is = { protocol: "http", port: 9080, route: "declared", shadowed: false };
  const security = { security: "mutual_tls", plaintextShare: 0, aroundProxy: 0 };
  return { id, edgeId: id, ...is, ...security, ...counts(n), ...times, detail };
}

function makeColumn(facetId, reporter, n) {
  const is = { facetId, reporter, channel: "metrics", security: "mutual_tls", detail: "{}" };
  return { ...is, ...counts(n), latencySumMs: n / 3, latencyCount: n, ...times };
}

const page = (number, n) => ({
  page: number,
  values: new Uint8Array(new Float64Array(seriesPerPage * 3).fill(n).buffer),
});

function fill() {
  const set = makeWriteSet(1, baseUs);
  for (let id = 1; id <= nodes; id++) set.nodes.push(makeNode(id));
  for (let id = 1; id <= facets; id++) {
    const [srcId, dstId] = [1 + (id % nodes), 1 + ((id * 7) % nodes)];
    set.edges.push({ id, srcId, dstId, transport: "tcp", ...times });
    set.facets.push(makeFacet(id, id));
    set.facetColumns.push(makeColumn(id, "source", id), makeColumn(id, "destination", id));
  }
  for (let id = 0; id < series; id++) {
    const hash = id.toString(16).padStart(32, "a");
    set.series.push({ id, hash, facetId: 1 + (id % facets), detail: '{"measure":"requests"}' });
  }
  for (let number = 0; number < series / seriesPerPage; number++)
    set.seriesPages.push(page(number, 1));
  return set;
}

/** Facets and columns that lie far apart, which costs most: each is on another page of its table. */
function change(seq, pages) {
  const set = makeWriteSet(seq, baseUs + seq);
  for (let i = 0; i < pages; i++) set.seriesPages.push(page(i, seq));
  for (let i = 0; i < 1_000; i++) {
    const id = 1 + ((i * 19 + seq) % facets);
    set.facets.push(makeFacet(id, seq));
    set.facetColumns.push(makeColumn(id, "source", seq), makeColumn(id, "destination", seq));
  }
  return set;
}

function change2000Columns(seq) {
  const set = change(seq, 0);
  set.facets.length = 0;
  return set;
}

function timed(run) {
  const startMs = performance.now();
  run();
  return performance.now() - startMs;
}

function medianCommit(writer, make) {
  const all = [];
  for (let round = 0; round < 21; round++) {
    const set = make(round + 2);
    const { rows, durationUs } = writer.commit(set);
    all.push({ rows, durationUs });
  }
  all.sort((a, b) => a.durationUs - b.durationUs);
  const { rows, durationUs } = all[10];
  return {
    rows,
    ms: round(durationUs / 1_000),
    usPerRow: round(durationUs / rows),
    maxMs: round(all[20].durationUs / 1_000),
  };
}

const round = (value) => Math.round(value * 100) / 100;
const options = { path, programVersion: "bench", nowUs: baseUs };
let writer = new StoreWriter(options);
const fillMs = timed(() => writer.commit(fill()));
const results = {
  fillMs: round(fillMs),
  columns2000: medianCommit(writer, change2000Columns),
  // 8,200 series of 41 proxies with 200 consecutive series each lie on 33 pages; spread, on all.
  series8200InPages: medianCommit(writer, (seq) => {
    const set = makeWriteSet(seq, baseUs);
    for (let i = 0; i < 33; i++) set.seriesPages.push(page(i * 20, seq));
    return set;
  }),
  everyPage: medianCommit(writer, (seq) => {
    const set = makeWriteSet(seq, baseUs);
    for (let i = 0; i < series / seriesPerPage; i++) set.seriesPages.push(page(i, seq));
    return set;
  }),
  together: medianCommit(writer, (seq) => change(seq, 33)),
  oneRow: medianCommit(writer, (seq) => {
    const set = makeWriteSet(seq, baseUs);
    set.receipts.push({ hash: seq.toString(16).padStart(32, "0"), signal: 1, receivedUs: baseUs });
    return set;
  }),
};
const reader = new StoreReader(path);
for (let i = 0; i < 3; i++) reader.graph({});
results.graph2000Ms = round(timed(() => reader.graph({})));
results.graph10000Ms = round(timed(() => reader.graph({ limit: 10_000 })));
results.focusMs = round(timed(() => reader.graph({ focus: "c1/ns-5/workload-5", hops: 2 })));
results.workloadMs = round(timed(() => reader.workload("c1", "ns-5", "workload-5")));
reader.close();
writer.close();
results.databaseMb = round(statSync(path).size / 1e6);
results.openMs = round(timed(() => (writer = new StoreWriter(options))));
results.loadMs = round(timed(() => writer.load()));
results.loadAndCloneMs = round(timed(() => structuredClone(writer.load())));
writer.close();
process.stdout.write(`${JSON.stringify({ bench: "store", ...results }, null, 2)}\n`);
rmSync(folder, { recursive: true });
