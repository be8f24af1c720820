/**
 * Decoding alone, against W and protobufjs: `npm run -s build && node test/bench/decode.mjs [rounds]`.
 * W is a walk in JavaScript over the same bytes that reads every tag and length and does nothing else.
 * The variants take turns within a round, since machines change speed; only ratios of one run count.
 *
 * The inputs are the recordings, scaled up: export requests one after another are one bigger request.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { measure } from "mitata";
import protobuf from "protobufjs";
import { LogsDecoder } from "../../dist/decode/logs.js";
import { MetricsDecoder } from "../../dist/decode/metrics.js";
import { TracesDecoder } from "../../dist/decode/traces.js";

const rounds = Number(process.argv[2] ?? 5);
const targetBytes = 4 << 20;
const here = import.meta.dirname;
const recordings = path.join(here, "../fixtures/recordings");

/** [recording, signal, order of the fields on the wire] */
const inputs = [
  ["collector/gateway.bin", "metrics", "collector"],
  ["collector/prometheus-istio.bin", "metrics", "collector"],
  ["envoy/metrics-stat-sink.u32le", "metrics", "ascending"],
  ["collector/gateway.bin", "traces", "collector"],
  ["envoy/traces.u32le", "traces", "ascending"],
  ["collector/netflow.bin", "logs", "collector"],
  ["envoy/logs-labelled.u32le", "logs", "ascending"],
];

const decoders = {
  metrics: new MetricsDecoder(),
  traces: new TracesDecoder(),
  logs: new LogsDecoder(),
};
const itemsOf = {
  metrics: (view) => view.points.count,
  traces: (view) => view.spans.count,
  logs: (view) => view.records.count,
};

function readBodies(recording, signal) {
  const bytes = readFileSync(path.join(recordings, recording));
  const manifest = JSON.parse(
    readFileSync(path.join(recordings, path.dirname(recording), "manifest.json"), "utf8"),
  ).files[path.basename(recording)];
  const bodies = [];
  for (let pos = 0, n = 0; pos < bytes.length; n++) {
    const start = pos + 4;
    pos = start + bytes.readUInt32LE(pos);
    const ofRequest = manifest.requests[n]?.signal ?? manifest.signal;
    if (ofRequest === signal) bodies.push(bytes.subarray(start, pos));
  }
  return bodies;
}

function scaleUp(bodies) {
  const once = Buffer.concat(bodies);
  const times = Math.max(1, Math.round(targetBytes / once.length));
  return Buffer.concat(Array.from({ length: times }, () => once));
}

/** W: one function per message type, as an engine's compiler sees them in a decoder. */
const walkSource = (name, subs) => `
  function ${name}(b, end) {
    while (p < end) {
      let tag = b[p++];
      if (tag > 127) tag = rest(b, tag);
      tags++;
      switch (tag & 7) {
        case 0: while (b[p++] > 127); break;
        case 1: p += 8; break;
        case 5: p += 4; break;
        default: {
          let length = b[p++];
          if (length > 127) length = rest(b, length);
          ${Object.entries(subs)
            .map(([field, sub]) => `if (tag === ${field * 8 + 2}) ${sub}(b, p + length); else`)
            .join(" ")} p += length;
        }
      }
    }
  }`;

const walked = {
  leaf: {},
  keyValue: { 2: "leaf" },
  resource: { 1: "keyValue" },
  numberPoint: { 7: "keyValue" },
  histogramPoint: { 9: "keyValue" },
  numbers: { 1: "numberPoint" },
  histograms: { 1: "histogramPoint" },
  metric: { 5: "numbers", 7: "numbers", 9: "histograms", 11: "numbers", 12: "keyValue" },
  event: { 3: "keyValue" },
  link: { 4: "keyValue" },
  span: { 9: "keyValue", 11: "event", 13: "link", 15: "leaf" },
  record: { 5: "leaf", 6: "keyValue" },
  ...Object.fromEntries(
    [
      ["metrics", "metric"],
      ["traces", "span"],
      ["logs", "record"],
    ].flatMap(([signal, item]) => [
      [`${signal}Scope`, { 1: "leaf", 2: item }],
      [`${signal}Resource`, { 1: "resource", 2: `${signal}Scope` }],
      [signal, { 1: `${signal}Resource` }],
    ]),
  ),
};

// oxlint-disable-next-line typescript/no-implied-eval -- one function per type of the table above
const walks = new Function(`
  let p = 0, tags = 0;
  function rest(b, first) {
    let value = first & 127;
    for (let shift = 7; ; shift += 7) {
      const byte = b[p++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  }
  ${Object.entries(walked)
    .map(([name, subs]) => walkSource(name, subs))
    .join("\n")}
  const start = (walk) => (b) => { p = 0; tags = 0; walk(b, b.length); return tags; };
  return { metrics: start(metrics), traces: start(traces), logs: start(logs) };
`)();

function loadOracle() {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) =>
    path.isAbsolute(target) ? target : path.join(here, "../../proto", target);
  const type = (signal, name) => {
    root.loadSync(`opentelemetry/proto/collector/${signal}/v1/${signal}_service.proto`);
    return root.lookupType(`opentelemetry.proto.collector.${signal}.v1.${name}`);
  };
  return {
    metrics: type("metrics", "ExportMetricsServiceRequest"),
    traces: type("trace", "ExportTraceServiceRequest"),
    logs: type("logs", "ExportLogsServiceRequest"),
  };
}

const oracle = loadOracle();

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Nanoseconds per call. */
async function timeOf(call) {
  const { p50 } = await measure(call, { min_cpu_time: 150e6, min_samples: 5, warmup_samples: 2 });
  return p50;
}

const results = [];
for (const [recording, signal, order] of inputs) {
  const bytes = scaleUp(readBodies(recording, signal));
  const plainBytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoded = decoders[signal].decode(bytes);
  if (!decoded.ok) throw new Error(decoded.message);
  const items = itemsOf[signal](decoded.view);
  const times = { decode: [], walk: [], protobufjs: [] };
  for (let round = 0; round < rounds; round++) {
    times.walk.push(await timeOf(() => walks[signal](plainBytes)));
    times.decode.push(await timeOf(() => decoders[signal].decode(bytes)));
    times.protobufjs.push(await timeOf(() => oracle[signal].decode(bytes)));
  }
  const ratios = (over) => times[over].map((time, round) => time / times.decode[round]);
  results.push({
    input: recording,
    signal,
    order,
    bytesPerItem: Math.round(bytes.length / items),
    cpuSecondsPerMillion: Number((median(times.decode) / items / 1e3).toFixed(3)),
    walkCpuSecondsPerMillion: Number((median(times.walk) / items / 1e3).toFixed(3)),
    timesW: Number(median(ratios("walk")).toFixed(2)),
    timesProtobufjs: Number(median(ratios("protobufjs")).toFixed(1)),
  });
}
console.table(results);
console.log(JSON.stringify(results));
