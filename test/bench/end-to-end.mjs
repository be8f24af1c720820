/**
 * CPU of the whole engine process per million points and spans, from gzip on the wire to the committed
 * transaction, beside a collector that merely receives (otlp receiver to nop exporter), in one run,
 * interleaved. The same frames, ten in flight, one connection.
 *
 *   npm run build && OTELCOL=path/to/otelcol node test/bench/end-to-end.mjs [rounds]
 *
 * Without OTELCOL only the engine is measured. Prints one JSON line per figure.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipFrame, sendAll } from "./load.mjs";
import { counterMessages, pointsPerMessage, spanMessages, spansPerMessage } from "./payload.mjs";

const rounds = Number(process.argv[2] ?? 3);
const root = resolve(import.meta.dirname, "../..");
const ticksPerSecond = 100;

const corpora = [
  {
    name: "counters",
    signal: "metrics",
    itemsPerMessage: pointsPerMessage,
    warm: 4,
    make: () => counterMessages(4, 11, Date.now()),
  },
  {
    name: "spans",
    signal: "traces",
    itemsPerMessage: spansPerMessage,
    warm: 2,
    make: () => spanMessages(22, Date.now()),
  },
];

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

async function reachable(port) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const ok = await new Promise((done) => {
      const socket = connect(port, "127.0.0.1", () => done(true) || socket.destroy());
      socket.on("error", () => done(false));
    });
    if (ok) return;
    await sleep(100);
  }
  throw new Error(`nothing listens on ${port}`);
}

function startEngine(folder, port) {
  const config = join(folder, "config.yaml");
  writeFileSync(
    config,
    [
      "version: 1",
      `receivers: { grpc: { endpoint: "127.0.0.1:${port}" } }`,
      `web: { endpoint: "127.0.0.1:${port + 1}" }`,
      `store: { path: "${join(folder, "store", "mesh.db")}" }`,
      "",
    ].join("\n"),
  );
  return spawn(process.execPath, [join(root, "dist/main.js"), "serve", "--config", config], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function startCollector(folder, port) {
  const config = join(folder, "nop.yaml");
  writeFileSync(
    config,
    `receivers: { otlp: { protocols: { grpc: { endpoint: "127.0.0.1:${port}", max_recv_msg_size_mib: 64 } } } }
exporters: { nop: {} }
service:
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines:
    metrics: { receivers: [otlp], exporters: [nop] }
    traces: { receivers: [otlp], exporters: [nop] }
`,
  );
  return spawn(process.env.OTELCOL, ["--config", config], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, GOMAXPROCS: "1" },
  });
}

async function measure(start, corpus, frames, port) {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-bench-"));
  const child = start(folder, port);
  try {
    await reachable(port);
    await sendAll(`127.0.0.1:${port}`, corpus.signal, frames.slice(0, corpus.warm));
    await sleep(300);
    const [cpu, wall] = [cpuSeconds(child.pid), performance.now()];
    await sendAll(`127.0.0.1:${port}`, corpus.signal, frames.slice(corpus.warm));
    const items = (frames.length - corpus.warm) * corpus.itemsPerMessage;
    return {
      cpuPerMillion: ((cpuSeconds(child.pid) - cpu) / items) * 1e6,
      itemsPerSecond: items / ((performance.now() - wall) / 1_000),
    };
  } finally {
    child.kill("SIGTERM");
    await new Promise((done) => child.once("exit", done));
    rmSync(folder, { recursive: true, force: true });
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => Math.round(value * 100) / 100;

for (const corpus of corpora) {
  const frames = corpus.make().map(gzipFrame);
  const engine = [];
  const collector = [];
  for (let index = 0; index < rounds; index++) {
    engine.push(await measure(startEngine, corpus, frames, 24_317 + index * 10));
    if (process.env.OTELCOL) {
      collector.push(await measure(startCollector, corpus, frames, 24_517 + index * 10));
    }
  }
  const ratios = engine.map(
    (run, index) => run.cpuPerMillion / (collector[index]?.cpuPerMillion ?? NaN),
  );
  console.log(
    JSON.stringify({
      corpus: corpus.name,
      rounds,
      engineCpuSecondsPerMillion: round(median(engine.map((run) => run.cpuPerMillion))),
      engineItemsPerSecond: Math.round(median(engine.map((run) => run.itemsPerSecond))),
      ...(collector.length > 0 && {
        collectorCpuSecondsPerMillion: round(median(collector.map((run) => run.cpuPerMillion))),
        ratio: round(median(ratios)),
        ratios: ratios.map(round),
      }),
    }),
  );
}
