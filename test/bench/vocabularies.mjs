/**
 * What each source costs: items and observations per CPU second, from the bytes of its fixtures and
 * recordings: `npm run -s build && node test/bench/vocabularies.mjs [rounds]`. Rounds of all sources are
 * interleaved. The items of a file are told by as many pods as `copies`, so that not all of it is known
 * text, and one request holds some hundred items, as a collector's batch does.
 *
 * `normalize` is what is left when decoding is taken off. The ratio is per item, to Istio's scraped metrics
 * as they come again and again; what is above five says why.
 */
import { createViteServer } from "vitest/node";
import { LogsDecoder } from "../../dist/decode/logs.js";
import { MetricsDecoder } from "../../dist/decode/metrics.js";
import { TracesDecoder } from "../../dist/decode/traces.js";
import { Normalizer } from "../../dist/normalize/normalizer.js";

const rounds = Number(process.argv[2] ?? 5);
const copies = 40;
const itemsPerRequest = 400;
const context = { receivedUs: 1_795_246_320_000_000, sender: { listener: "grpc", client: "" } };
const baseline = "istio-metrics";
const mostRatio = 5;

/** File of the corpus to what it is the shape of; others are called by their file. */
const names = new Map([
  ["collector/prometheus-istio.bin", baseline],
  ["envoy/metrics-stat-sink.u32le", "istio-metrics-sink"],
  ["envoy/traces.u32le", "envoy-spans"],
  ["envoy/logs-istio-default.u32le", "envoy-access-log-otlp (text)"],
  ["envoy/logs-labelled.u32le", "envoy-access-log-otlp (labels)"],
  ["collector/filelog-istio.bin", "envoy-access-log-file"],
  ["collector/netflow.bin", "netflow"],
  ["envoy/zipkin.u32le", "envoy-spans-zipkin"],
  ["sdk/js-stable.bin", "sdk-spans (stable conventions)"],
  ["sdk/js-before.bin", "sdk-spans (conventions before)"],
  ["kubernetes/k8sobjects.bin.gz", "k8sobjects, recorded"],
  ["kubernetes/k8sobjects-0.111.bin.gz", "k8sobjects of an old receiver, recorded"],
  ["kubernetes/kube-state-metrics.bin.gz", "kube-state-metrics, recorded"],
  ["kubernetes/k8s-cluster.bin.gz", "k8s-cluster, recorded"],
]);
/** Mixed recordings, and what only its collector tells of itself. */
const left = new Set(["collector/gateway.bin"]);

/** Why an item of it may cost more than five of Istio's metrics. */
const reasons = [
  [/^k8s|^tetragon|^hubble|^falco/, "one item is a whole JSON document"],
  [
    /^envoy-access-log|^ztunnel|^waypoint|^access-log/,
    "one item is a line of some 25 fields, each new",
  ],
  [
    /^netflow|^coroot|^obi|^otel-network|^retina|^caretta/,
    "each item is an observation of its own, and no sample of a known series",
  ],
  [
    /^envoy-spans|^sdk-spans|^spans/,
    "each item is an observation of its own, with 15 to 20 attributes",
  ],
];

const server = await createViteServer({
  configFile: false,
  logLevel: "error",
  server: { middlewareMode: true },
});
const { vocabularyCorpus, batchOf } = await server.ssrLoadModule(
  "/test/support/vocabulary-corpus.ts",
);

const decoders = {
  metrics: new MetricsDecoder(),
  traces: new TracesDecoder(),
  logs: new LogsDecoder(),
};

/** The same text of another pod: its third octet, and the digits that tell pods' names apart. */
const ofCopy = (value, copy) => {
  if (typeof value === "string") {
    return value.replace(/\b10\.(\d+)\.\d+\.(\d+)/g, `10.$1.${copy}.$2`);
  }
  if (Array.isArray(value)) return value.map((one) => ofCopy(one, copy));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, ofCopy(one, copy)]));
};

const groups = groupBy(
  vocabularyCorpus(200),
  ({ from, signal }) => `${names.get(from) ?? from} ${signal}`,
);

function groupBy(items, keyOf) {
  const found = new Map();
  for (const item of items) found.set(keyOf(item), [...(found.get(keyOf(item)) ?? []), item]);
  return found;
}

function requestsOf(items) {
  const all = Array.from({ length: copies }, (_, copy) =>
    items.map((one) => ofCopy(one, copy)),
  ).flat();
  const requests = [];
  for (let at = 0; at < all.length; at += itemsPerRequest) {
    requests.push(batchOf(all.slice(at, at + itemsPerRequest)));
  }
  return requests;
}

const countOf = ({ points, spans, records }) => (points ?? spans ?? records).count;

/** So long at least, in microseconds: a file of few items is told again and again. */
const leastUs = 80_000;

function run({ signal, requests }, normalizer) {
  const told = { items: 0, observations: 0, us: 0 };
  const before = process.cpuUsage();
  while (told.us < leastUs) {
    for (const request of requests) tellOne(signal, request, normalizer, told);
    const { user, system } = process.cpuUsage(before);
    told.us = user + system;
  }
  return told;
}

function tellOne(signal, request, normalizer, told) {
  const decoded = decoders[signal].decode(request);
  if (!decoded.ok) throw new Error(decoded.message);
  told.items += countOf(decoded.view);
  if (!normalizer) return;
  const batch = normalizer[signal](decoded.view, context);
  told.observations += batch.samples.count + batch.observations.length;
}

const sources = [...groups]
  .filter(([, [{ from }]]) => !left.has(from))
  .map(([key, known]) => {
    const [{ signal }] = known;
    const requests = requestsOf(known);
    const bytes = requests.reduce((sum, { length }) => sum + length, 0);
    const items = requests.reduce(
      (sum, request) => sum + countOf(decoders[signal].decode(request).view),
      0,
    );
    const normalizer = new Normalizer({ cluster: "lab", clusterAliases: {}, trust: [] });
    return {
      name: key.replace(/ (metrics|logs|traces)$/, ""),
      signal,
      requests,
      bytes: bytes / items,
      normalizer,
      decoded: [],
      whole: [],
    };
  });

for (let round = 0; round < rounds + 2; round++) {
  for (const source of sources) {
    const decoded = run(source, null);
    const whole = run(source, source.normalizer);
    if (round < 2) continue; // warms the compiler
    source.decoded.push(decoded.us / decoded.items);
    source.whole.push(whole.us / whole.items);
    source.told = whole;
  }
}
await server.close();

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const rows = sources.map(({ name, bytes, decoded, whole, told }) => {
  const [decodeUs, wholeUs] = [median(decoded), median(whole)];
  const normalizeUs = Math.max(0, wholeUs - decodeUs);
  return {
    name,
    bytes,
    wholeUs,
    normalizeUs,
    yields: told.observations / told.items,
  };
});
const base = rows.find(({ name }) => name === baseline);
const perSecond = (us) => (us === 0 ? "-" : `${Math.round(1_000 / us)} k`);
const cells = rows
  .toSorted((a, b) => a.wholeUs - b.wholeUs)
  .map(({ name, bytes, wholeUs, normalizeUs, yields }) => {
    const ratio = wholeUs / base.wholeUs;
    const reason = reasons.find(([pattern]) => pattern.test(name))?.[1] ?? "NO REASON";
    return [
      name,
      Math.round(bytes),
      perSecond(wholeUs),
      perSecond(normalizeUs),
      yields === 0 ? "-" : perSecond(wholeUs / yields),
      wholeUs.toFixed(2),
      ratio.toFixed(1),
      (wholeUs / bytes / (base.wholeUs / base.bytes)).toFixed(1),
      ratio > mostRatio ? reason : "",
    ].map(String);
  });
const header = [
  "source",
  "bytes/item",
  "items/s",
  "normalize alone",
  "observations/s",
  "us/item",
  "ratio",
  "per byte",
  "why above 5",
];
const widths = header.map((title, column) =>
  Math.max(title.length, ...cells.map((row) => row[column].length)),
);
for (const row of [header, ...cells]) {
  process.stdout.write(
    `${row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd()}\n`,
  );
}
