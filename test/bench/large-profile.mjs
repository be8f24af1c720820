/**
 * The large profile over time: `npm run -s build && node test/bench/large-profile.mjs [seconds] [--json]
 * [--workloads=20000]`, 600 seconds where nothing is said. 20,000 workloads with a pod each, 200,000
 * facets counted by both proxies, every proxy scraped once a minute, and each second a pod is replaced
 * under the same address. A process of its own words the telemetry and its memory does not count; a thread
 * with the engine thread's limits does the engine's work, from request bytes to packed rows, on a virtual
 * clock, as fast as it can. The first minute, in which everything is seen for the first time, is reported
 * and not measured.
 *
 * A tick is everything that the engine does without a pause: a request, `advance` (ten times a second), a
 * whole commit's rows, the counters (once a second). Exits with 1 when a target is missed: tick p99 at
 * most 250 ms; memory at most 1 GB, of the whole process at its highest (of a smaller `--workloads` too);
 * and every facet that was told of is there.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { PerformanceObserver, constants } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread, Worker } from "node:worker_threads";
import { encodeCounters, encodeLogs } from "../../dist/cli/demo/otlp.js";
import { podObject, requestCounter } from "../../dist/cli/demo/sources.js";
import { readRuleFiles } from "../../dist/cli/rules-folder.js";
import { loadConfig } from "../../dist/config/config.js";
import { wholePauseUs } from "../../dist/engine/commits.js";
import { pipelineOptions } from "../../dist/engine/options.js";
import { Pipeline } from "../../dist/engine/pipeline.js";
import { loadRules } from "../../dist/rules/load.js";
import { packWriteSet } from "../../dist/store/packed-rows.js";
import { packedTables } from "../../dist/store/tables.js";
import { engineLimits, limitHeapGrowth } from "../../dist/threads/engine-memory.js";

const words = process.argv.slice(2);
const seconds = Number(words.find((word) => /^\d+$/.test(word)) ?? 600);
const optionOf = (name) => words.find((word) => word.startsWith(`--${name}=`))?.split("=")[1];
const workloads = Number(optionOf("workloads") ?? 20_000);
const sender = { listener: "grpc", client: "" };
const targets = { tickP99Ms: 250, rssMb: 1_000 };
const callees = 10;
const scrapeSeconds = 60;
const perScrapeRequest = 100;
const objectsPerRequest = 500;
const startMs = 1_795_246_320_000;
const cluster = { "k8s.cluster.name": "demo" };

/* The sender: frames of signal, time and length, then the request. */

/** The pod of a workload after so many replacements. */
function podOf(index, generation) {
  const ending = (index * 64 + generation).toString(36).padStart(5, "0");
  return {
    namespace: `ns-${index % 200}`,
    workload: `service-${index}`,
    name: `service-${index}-6d4b75cb9d-${ending}`,
    uid: `00000000-${String(generation).padStart(4, "0")}-4000-8000-${String(index).padStart(12, "0")}`,
    ip: `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
    host: `node-${index % 400}`,
    container: "app",
    exe: "/app/server",
    userId: 1000,
    port: 8080,
    hasSidecar: true,
    isGateway: false,
  };
}

async function write(frame) {
  if (!process.stdout.write(frame)) {
    await new Promise((done) => {
      process.stdout.once("drain", done);
    });
  }
}

async function send({ signal, bytes }, atMs) {
  const head = Buffer.alloc(13);
  head.writeUInt8(signal, 0);
  head.writeDoubleLE(atMs, 1);
  head.writeUInt32LE(bytes.length, 9);
  await write(Buffer.concat([head, bytes]));
}

/** What one pod's proxy counts: its own calls as their source, others' as their destination. */
function countersOf(index, generations, value) {
  const self = podOf(index, generations[index]);
  const rows = [];
  for (let way = 1; way <= callees; way++) {
    for (const reporter of ["source", "destination"]) {
      const step = way * 37;
      const far =
        (index + (reporter === "source" ? step : workloads - (step % workloads))) % workloads;
      const other = podOf(far, 0);
      const [client, server] = reporter === "source" ? [self, other] : [other, self];
      const service = {
        name: server.workload,
        namespace: server.namespace,
        ip: "",
        port: 80,
        pods: [],
      };
      const call = { client, server, service, code: 200, isMutualTls: true };
      rows.push(requestCounter(reporter, call, value));
    }
  }
  return rows;
}

async function sendScrapes(second, generations) {
  const scraper = { "service.name": "kubernetes-pods", ...cluster };
  const atMs = startMs + second * 1_000;
  const due = [];
  for (let index = second % scrapeSeconds; index < workloads; index += scrapeSeconds)
    due.push(index);
  for (let from = 0; from < due.length; from += perScrapeRequest) {
    const part = due.slice(from, from + perScrapeRequest);
    const rows = part.flatMap((index) => countersOf(index, generations, 3 + second));
    await send(encodeCounters(scraper, rows, atMs), atMs + 200 + from);
  }
}

async function replace(second, generations) {
  const index = (second * 7) % workloads;
  const atMs = startMs + second * 1_000;
  const watched = (type) => {
    const { body, ...record } = podObject(podOf(index, generations[index]), atMs);
    const object = structuredClone(body);
    // It began now, and under the address that the one before has just left.
    object.status.startTime = new Date(atMs).toISOString();
    if (type === "DELETED") object.metadata.deletionTimestamp = new Date(atMs).toISOString();
    return { ...record, body: { type, object } };
  };
  const deleted = watched("DELETED");
  generations[index]++;
  await send(encodeLogs(cluster, [deleted, watched("ADDED")]), atMs + 700);
}

async function sendAll() {
  const generations = Array.from({ length: workloads }, () => 0);
  for (let from = 0; from < workloads; from += objectsPerRequest) {
    const count = Math.min(objectsPerRequest, workloads - from);
    const pods = Array.from({ length: count }, (_, at) => podObject(podOf(from + at, 0), startMs));
    await send(encodeLogs(cluster, pods), startMs);
  }
  for (let second = 1; second <= scrapeSeconds + seconds; second++) {
    if (second > scrapeSeconds) await replace(second, generations);
    await sendScrapes(second, generations);
  }
}

/* The engine. */

async function* framesOf(stream) {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 13 && rest.length >= 13 + rest.readUInt32LE(9)) {
      const end = 13 + rest.readUInt32LE(9);
      // Copied, as what a receiver hands over is a buffer of its own.
      yield {
        signal: rest.readUInt8(0),
        receivedMs: rest.readDoubleLE(1),
        body: Buffer.from(rest.subarray(13, end)),
      };
      rest = rest.subarray(end);
    }
  }
}

class Engine {
  durations = { request: [], advance: [], commit: [], counters: [] };
  packMs = [];
  /** The dozen longest ticks. */
  longest = [];
  rows = 0;
  #pipeline;
  #nowMs = startMs;
  #seq = 0;
  #wholeMs = startMs;
  #dirtyBefore = 0;
  #countedMs = startMs;
  #isMeasured = false;

  constructor() {
    const { rules } = loadRules(
      readRuleFiles(fileURLToPath(new URL("../../rules", import.meta.url))),
    );
    const loaded = loadConfig([], ["cluster.name=demo", "store.profile=large"], {});
    if (!loaded.ok) throw new Error("the bench's settings are valid");
    this.#pipeline = new Pipeline(pipelineOptions(loaded.config, rules), { push() {} });
  }

  measure() {
    this.#isMeasured = true;
  }

  take({ signal, receivedMs, body }) {
    this.pass(receivedMs);
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 32);
    const receivedUs = receivedMs * 1_000;
    const handled = this.#timed("request", () =>
      this.#pipeline.handle({ signal, hash, body, receivedUs, sender }),
    );
    if (handled.kind !== "applied") throw new Error(`not applied: ${JSON.stringify(handled)}`);
  }

  /** Ten times a second, as the engine's thread does. */
  pass(toMs) {
    while (this.#nowMs + 100 <= toMs) {
      this.#nowMs += 100;
      this.#timed("advance", () => this.#pipeline.advance(this.#nowMs * 1_000));
      const { dirtyEdges } = this.#pipeline;
      const pauseMs = wholePauseUs(dirtyEdges, dirtyEdges - this.#dirtyBefore) / 1_000;
      this.#dirtyBefore = dirtyEdges;
      if (this.#nowMs - this.#wholeMs >= pauseMs) this.#timed("commit", () => this.#commit());
      if (this.#nowMs - this.#countedMs < 1_000) continue;
      this.#countedMs = this.#nowMs;
      this.#timed("counters", () => this.counters());
    }
  }

  counters() {
    return this.#pipeline.counters();
  }

  #commit() {
    this.#wholeMs = this.#nowMs;
    const set = this.#pipeline.collect(++this.#seq, this.#nowMs * 1_000);
    const began = performance.now();
    packWriteSet(set, packedTables);
    if (!this.#isMeasured) return;
    this.packMs.push(performance.now() - began);
    for (const rows of Object.values(set)) if (Array.isArray(rows)) this.rows += rows.length;
  }

  #note(what, ms) {
    this.durations[what].push(ms);
    if (ms < targets.tickP99Ms / 2) return;
    this.longest.push({ stage: what, ms: round(ms), second: (this.#nowMs - startMs) / 1_000 });
    this.longest.sort((a, b) => b.ms - a.ms);
    this.longest.length = Math.min(this.longest.length, 12);
  }

  #timed(what, run) {
    const began = performance.now();
    const result = run();
    if (this.#isMeasured) this.#note(what, performance.now() - began);
    return result;
  }
}

const round = (value) => Math.round(value * 10) / 10;
const megabytes = (bytes) => Math.round(bytes / 1e6);
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

function summary(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  const [p50, p99, max] = [at(0.5), at(0.99), at(1)];
  return { count: values.length, p50, p99, max, seconds: round(sumOf(values) / 1_000) };
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

function memory() {
  collectGarbage();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rss: megabytes(rss), heapUsed: megabytes(heapUsed), buffers: megabytes(arrayBuffers) };
}

/** Pauses of the collector since, but for those that this bench itself asks for. */
class Pauses {
  ms = 0;

  constructor() {
    const forced = constants.NODE_PERFORMANCE_GC_FLAGS_FORCED;
    new PerformanceObserver((list) => {
      for (const { duration, detail } of list.getEntries()) {
        if ((detail.flags & forced) === 0) this.ms += duration;
      }
    }).observe({ entryTypes: ["gc"] });
  }
}

const valueOf = (counters, wanted) =>
  sumOf(counters.filter(({ name }) => wanted.test(name)).map(({ value }) => value));

async function runEngine() {
  const file = fileURLToPath(import.meta.url);
  const teller = spawn(process.execPath, [file, "--sender", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const engine = new Engine();
  const empty = memory();
  const pauses = new Pauses();
  const measuredFromMs = startMs + scrapeSeconds * 1_000 + 999;
  const began = performance.now();
  let [built, peakRss, tillMs] = [null, 0, 0];
  for await (const frame of framesOf(teller.stdout)) {
    if (built === null && frame.receivedMs > measuredFromMs) {
      const wallSeconds = round((performance.now() - began) / 1_000);
      const observed = valueOf(engine.counters(), /^observations_total$/);
      built = { memory: memory(), wallSeconds, observed, gcMs: pauses.ms, cpu: process.cpuUsage() };
      engine.measure();
    }
    engine.take(frame);
    const { rss, heapUsed } = process.memoryUsage();
    peakRss = Math.max(peakRss, rss);
    if (frame.receivedMs - tillMs < 10_000) continue;
    tillMs = frame.receivedMs;
    const at = Math.round((frame.receivedMs - startMs) / 1_000);
    const last = Object.values(engine.durations).flatMap((values) => values.slice(-200));
    process.stderr.write(
      `${at} s: rss ${megabytes(rss)} MB, heap ${megabytes(heapUsed)} MB, longest of the last ticks ${round(Math.max(0, ...last))} ms\n`,
    );
  }
  if (built === null) throw new Error("the sender ended before the first minute was over");
  report(engine, { empty, built, peakRss, gcMs: pauses.ms });
}

function report(engine, { empty, built, peakRss, gcMs }) {
  const { durations, packMs } = engine;
  const ticks = Object.values(durations).flat();
  const busySeconds = sumOf(ticks) / 1_000;
  const counters = engine.counters();
  const { user, system } = process.cpuUsage(built.cpu);
  const observed = valueOf(counters, /^observations_total$/) - built.observed;
  const now = memory();
  const facets = valueOf(counters, /^edges$/);
  const lost = counters
    .filter(({ name, value }) => /dropped|evicted|overflow|refused/.test(name) && value > 0)
    .map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]);
  const tickMs = summary(ticks);
  const missed = [
    ...(tickMs.p99 > targets.tickP99Ms ? [`tick p99 ${tickMs.p99} ms`] : []),
    ...(megabytes(peakRss) > targets.rssMb ? [`memory ${megabytes(peakRss)} MB`] : []),
    ...(facets < workloads * callees ? [`${facets} facets`] : []),
  ];
  const figures = {
    bench: "large-profile",
    workloads,
    facets,
    series: valueOf(counters, /^series$/),
    seconds,
    firstMinute: { wallSeconds: built.wallSeconds, memory: built.memory },
    memory: { ...now, peakRss: megabytes(peakRss), rssBefore: empty.rss },
    heapBytesPerFacet: Math.round(((now.heapUsed - empty.heapUsed) * 1e6) / facets),
    tickMs,
    byStage: Object.fromEntries(
      Object.entries(durations).map(([stage, values]) => [stage, summary(values)]),
    ),
    packOfCommit: summary(packMs),
    longest: engine.longest,
    rowsPerSecond: Math.round(engine.rows / seconds),
    busy: round((busySeconds / seconds) * 100) / 100,
    gcShare: round(((gcMs - built.gcMs) / 1_000 / busySeconds) * 100) / 100,
    observations: observed,
    observationsPerBusySecond: Math.round(observed / busySeconds),
    // Of all threads of the process: decoding to rows, the collector's helpers, reading the pipe.
    observationsPerCpuSecond: Math.round((observed / (user + system)) * 1e6),
    lost: Object.fromEntries(lost),
    missed,
  };
  process.stdout.write(`${JSON.stringify(figures, null, words.includes("--json") ? 0 : 2)}\n`);
  if (missed.length > 0) process.exitCode = 1;
}

/** As the engine's own thread is started (`threads/engine-client.ts`). */
function startThread() {
  limitHeapGrowth();
  const resourceLimits = engineLimits;
  const worker = new Worker(new URL(import.meta.url), { argv: words, resourceLimits });
  worker.on("error", (error) => {
    throw error;
  });
  worker.on("exit", (code) => {
    process.exitCode = code;
  });
}

if (words.includes("--sender")) await sendAll();
else if (isMainThread) startThread();
else await runEngine();
