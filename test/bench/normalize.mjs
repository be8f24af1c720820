/**
 * Decoding and normalising, in CPU-seconds per million items: `npm run -s build && node
 * test/bench/normalize.mjs [rounds]`. The metrics of the recordings are multiplied into `copies` clusters
 * of the same name length, so that the series do not all stay in the processor's caches.
 *
 * warm: every series known; plain: known, without the memo of attribute bytes; cold: every series new.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { LogsDecoder } from "../../dist/decode/logs.js";
import { MetricsDecoder } from "../../dist/decode/metrics.js";
import { TracesDecoder } from "../../dist/decode/traces.js";
import { Normalizer } from "../../dist/normalize/normalizer.js";

const rounds = Number(process.argv[2] ?? 5);
const copies = 80;
const recordings = path.join(import.meta.dirname, "../fixtures/recordings");
const context = { receivedUs: 1_795_246_320_000_000, sender: { listener: "grpc", client: "" } };

function bodiesOf(recording, signal) {
  const folder = path.join(recordings, path.dirname(recording));
  const { requests } = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8")).files[
    path.basename(recording)
  ];
  const bytes = readFileSync(path.join(recordings, recording));
  const bodies = [];
  for (let pos = 0; pos < bytes.length;) {
    const start = pos + 4;
    pos = start + bytes.readUInt32LE(pos);
    bodies.push(Buffer.from(bytes.subarray(start, pos)));
  }
  return bodies.filter((_, at) => !Array.isArray(requests) || requests[at].signal === signal);
}

/** One request of all bodies: OTLP export requests one after another are one bigger request. */
function multiplied(bodies, from, times) {
  const copiesOf = Array.from({ length: times }, (_, copy) => {
    const to = `c${String(copy).padStart(from.length - 1, "0")}`;
    return bodies.map((body) =>
      Buffer.from(body.toString("latin1").replaceAll(from, to), "latin1"),
    );
  });
  return copiesOf.map((copy) => Buffer.concat(copy));
}

const makeNormalizer = (memoMaxBytes = 256 << 20) =>
  new Normalizer({ cluster: "lab", clusterAliases: {}, trust: [], limits: { memoMaxBytes } });

function cpuSeconds(work) {
  const before = process.cpuUsage();
  const items = work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / items; // microseconds per item are seconds per million
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function decodeAll(decoder, requests, each) {
  let items = 0;
  for (const request of requests) {
    const decoded = decoder.decode(request);
    if (!decoded.ok) throw new Error(decoded.message);
    const { points, spans, records } = decoded.view;
    items += (points ?? spans ?? records).count;
    each?.(decoded.view);
  }
  return items;
}

function compare(label, signal, decoder, requests) {
  const warm = makeNormalizer();
  const plain = makeNormalizer(0);
  const variants = {
    decode: () => decodeAll(decoder, requests),
    warm: () => decodeAll(decoder, requests, (view) => warm[signal](view, context)),
    plain: () => decodeAll(decoder, requests, (view) => plain[signal](view, context)),
    cold: () => {
      const cold = makeNormalizer();
      return decodeAll(decoder, requests, (view) => cold[signal](view, context));
    },
  };
  const names = signal === "metrics" ? Object.keys(variants) : ["decode", "warm"];
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds + 2; round++) {
    for (const name of names) {
      const seconds = cpuSeconds(variants[name]);
      if (round >= 2) results[name].push(seconds);
    }
  }
  const told = names.map((name) => `${name} ${median(results[name]).toFixed(2)}`).join("  ");
  process.stdout.write(`${label.padEnd(34)} ${told}\n`);
}

process.stdout.write("CPU-seconds per million items\n");
const metrics = new MetricsDecoder();
const gateway = bodiesOf("collector/gateway.bin", "metrics");
compare("gateway metrics", "metrics", metrics, multiplied(gateway, "prod-eu-west-1", copies));
const scraped = bodiesOf("collector/prometheus-istio.bin", "metrics");
compare("prometheus-istio", "metrics", metrics, multiplied(scraped, "Kubernetes", copies));
const spans = bodiesOf("envoy/traces.u32le", "traces");
compare("Envoy's spans", "traces", new TracesDecoder(), multiplied(spans, "Kubernetes", copies));
for (const variant of ["logs-istio-default", "logs-labelled"]) {
  const logs = bodiesOf(`envoy/${variant}.u32le`, "logs");
  compare(variant, "logs", new LogsDecoder(), multiplied(logs, "no-such-text", copies));
}
