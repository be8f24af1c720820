/**
 * The graph alone, in CPU-microseconds per span half and per sample of a counter: `npm run -s build &&
 * node test/bench/graph.mjs [rounds]`. Observations are made beforehand by decoder and normalizer from
 * the messages of `payload.mjs`; changes go nowhere. As under load, time is told every 120 ms and every
 * eighth message is followed by a whole commit.
 */
import { MetricsDecoder } from "../../dist/decode/metrics.js";
import { TracesDecoder } from "../../dist/decode/traces.js";
import { Graph } from "../../dist/graph/graph.js";
import { graphDefaults } from "../../dist/graph/options.js";
import { makeWriteSet } from "../../dist/model/rows.js";
import { Normalizer } from "../../dist/normalize/normalizer.js";
import { counterMessages, pointsPerMessage, spanMessages, spansPerMessage } from "./payload.mjs";

const rounds = Number(process.argv[2] ?? 3);
const startMs = 1_795_246_320_000;
const messageMs = 120;
const commitEvery = 8;
const warm = 8;

const corpora = [
  {
    name: "spans",
    items: spansPerMessage,
    decoder: new TracesDecoder(),
    signal: "traces",
    messages: spanMessages(32, startMs),
  },
  {
    name: "counters",
    items: pointsPerMessage,
    decoder: new MetricsDecoder(),
    signal: "metrics",
    messages: counterMessages(4, 8, startMs),
  },
];

function batchesOf({ decoder, signal, messages }) {
  const normalizer = new Normalizer({ cluster: "lab", clusterAliases: {}, trust: [] });
  return messages.map((message, index) => {
    const decoded = decoder.decode(message);
    if (!decoded.ok) throw new Error(decoded.message);
    const receivedUs = (startMs + index * messageMs) * 1_000;
    return normalizer[signal](decoded.view, {
      receivedUs,
      sender: { listener: "grpc", client: "" },
    });
  });
}

function run(batches, items) {
  const graph = new Graph(graphDefaults, { push() {} });
  const spent = { push: 0, collect: 0 };
  let journalBytes = 0;
  for (const [index, batch] of batches.entries()) {
    const started = process.cpuUsage();
    graph.advance(batch.receivedUs);
    graph.push(batch);
    const pushed = process.cpuUsage(started);
    const writeSet = makeWriteSet(index + 1, batch.receivedUs);
    if (index % commitEvery === commitEvery - 1) graph.collect(writeSet);
    const collected = process.cpuUsage(started);
    if (index < warm) continue;
    spent.push += pushed.user + pushed.system;
    spent.collect += collected.user + collected.system - pushed.user - pushed.system;
    for (const { blob } of writeSet.journal) journalBytes += blob.length;
  }
  const measured = (batches.length - warm) * items;
  return {
    push: spent.push / measured,
    collect: spent.collect / measured,
    journalBytes: journalBytes / measured,
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value) => Math.round(value * 100) / 100;

for (const corpus of corpora) {
  const batches = batchesOf(corpus);
  const runs = Array.from({ length: rounds + 1 }, () => run(batches, corpus.items)).slice(1);
  const of = (name) => round(median(runs.map((one) => one[name])));
  const figures = { push: of("push"), collect: of("collect"), journalBytes: of("journalBytes") };
  console.log(JSON.stringify({ corpus: corpus.name, rounds, ...figures }));
}
