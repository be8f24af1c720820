/**
 * The large profile over time: `npm run -s build && node --expose-gc test/bench/large-profile.mjs
 * [seconds] [--json] [--small]`. 20,000 workloads with a pod each, 200,000 facets counted by both proxies, every
 * proxy scraped once a minute, and each second a pod is replaced under the same address. One process of its own words
 * the telemetry; this one is the engine thread's work from request bytes to packed rows, on a virtual
 * clock, as fast as it can.
 *
 * A tick is everything that the engine does without a pause: a request, `advance` (ten times a second), a
 * whole commit's rows. Memory after a forced collection, and as the process holds it. Targets: tick p99 at most
 * 250 ms, memory at most 1 GB. `--small`: a fiftieth of it, to try the file.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
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

const words = process.argv.slice(2);
const seconds = Number(words.find((word) => /^\d+$/.test(word)) ?? 600);
const isSmall = words.includes("--small");
const workloads = isSmall ? 400 : 20_000;
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
  durations = { request: [], advance: [], collect: [], pack: [] };
  rows = 0;
  #pipeline;
  #nowMs = startMs;
  #seq = 0;
  #wholeMs = startMs;
  #isMeasured = false;

  constructor() {
    const { rules } = loadRules(
      readRuleFiles(fileURLToPath(new URL("../../rules", import.meta.url))),
    );
    const loaded = loadConfig([], ["cluster.name=demo", "store.profile=large"], {});
    if (!loaded.ok) throw new Error("the bench's settings are valid");
    this.#pipeline = new Pipeline(pipelineOptions(loaded.config, rules), { push() {} });
  }

  get nowMs() {
    return this.#nowMs;
  }

  measure() {
    this.#isMeasured = true;
  }

  take({ signal, receivedMs, body }) {
    this.pass(receivedMs);
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 32);
    const receivedUs = receivedMs * 1_000;
    const handled = this.#timed("request", () =>
      this.#pipeline.handle({ signal, hash, body, receivedUs, trust: "attested" }),
    );
    if (handled.kind !== "applied") throw new Error(`not applied: ${JSON.stringify(handled)}`);
  }

  /** Ten times a second, as the engine's thread does. */
  pass(toMs) {
    while (this.#nowMs + 100 <= toMs) {
      this.#nowMs += 100;
      this.#timed("advance", () => this.#pipeline.advance(this.#nowMs * 1_000));
      const pauseMs = wholePauseUs(this.#pipeline.dirtyEdges) / 1_000;
      if (this.#nowMs - this.#wholeMs >= pauseMs) this.#commit();
    }
  }

  counters() {
    return this.#pipeline.counters();
  }

  #commit() {
    this.#wholeMs = this.#nowMs;
    const set = this.#timed("collect", () =>
      this.#pipeline.collect(++this.#seq, this.#nowMs * 1_000),
    );
    this.#timed("pack", () => packWriteSet(set, packedTables));
    if (!this.#isMeasured) return;
    for (const rows of Object.values(set)) if (Array.isArray(rows)) this.rows += rows.length;
  }

  #timed(what, run) {
    const began = performance.now();
    const result = run();
    if (this.#isMeasured) this.durations[what].push(performance.now() - began);
    return result;
  }
}

const round = (value) => Math.round(value * 10) / 10;

function summary(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  const sum = round(values.reduce((all, value) => all + value, 0) / 1_000);
  return { count: values.length, p50: at(0.5), p99: at(0.99), max: at(1), seconds: sum };
}

function memory() {
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers, external } = process.memoryUsage();
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  return {
    rss: megabytes(rss),
    heapUsed: megabytes(heapUsed),
    arrayBuffers: megabytes(arrayBuffers),
    external: megabytes(external),
  };
}

async function runEngine() {
  const sender = spawn(process.execPath, [fileURLToPath(import.meta.url), "--sender", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const engine = new Engine();
  const measuredFromMs = startMs + scrapeSeconds * 1_000 + 999;
  const built = { memory: null, seconds: 0 };
  const began = performance.now();
  let [peakRss, tillMs] = [0, 0];
  for await (const frame of framesOf(sender.stdout)) {
    if (built.memory === null && frame.receivedMs > measuredFromMs) {
      built.memory = memory();
      built.seconds = round((performance.now() - began) / 1_000);
      engine.measure();
    }
    engine.take(frame);
    if (frame.receivedMs - tillMs < 10_000) continue;
    tillMs = frame.receivedMs;
    peakRss = Math.max(peakRss, process.memoryUsage().rss);
    const { rss, heapUsed } = process.memoryUsage();
    const at = Math.round((frame.receivedMs - startMs) / 1_000);
    process.stderr.write(
      `${at} s: rss ${Math.round(rss / 1e6)} MB, heap ${Math.round(heapUsed / 1e6)} MB\n`,
    );
  }
  report(engine, built, peakRss);
}

function report(engine, built, peakRss) {
  const { durations } = engine;
  const everything = Object.values(durations).flat();
  const counters = engine.counters();
  const told = Object.fromEntries(
    counters
      .filter(({ name, value }) => /dropped|evicted|overflow|refused/.test(name) && value > 0)
      .map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
  );
  const sizes = Object.fromEntries(
    counters
      .filter(({ name }) =>
        ["facets", "nodes", "edges", "pods", "series", "sources"].includes(name),
      )
      .map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
  );
  const figures = {
    bench: "large-profile",
    workloads,
    facets: workloads * callees,
    seconds,
    built,
    memory: { ...memory(), peakRss: Math.round(peakRss / 1e6) },
    tickMs: summary(everything),
    byStage: Object.fromEntries(
      Object.entries(durations).map(([stage, values]) => [stage, summary(values)]),
    ),
    rowsPerSecond: Math.round(engine.rows / seconds),
    busy: round(everything.reduce((sum, ms) => sum + ms, 0) / 1_000 / seconds),
    sizes,
    lost: told,
  };
  process.stdout.write(`${JSON.stringify(figures, null, words.includes("--json") ? 0 : 2)}\n`);
}

if (words.includes("--sender")) await sendAll();
else await runEngine();
