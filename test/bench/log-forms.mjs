/**
 * Lines per CPU second of every form in which a proxy's log comes, decoding included, and how many scraped
 * Istio points (known series) the engine reads in the time of one line. `node test/bench/log-forms.mjs
 * [rounds]`, after `npm run build`. The lines are those of the recording of real Envoys, put into the forms.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { encodeLogs } from "../../dist/cli/demo/otlp.js";
import { LogsDecoder } from "../../dist/decode/logs.js";
import { MetricsDecoder } from "../../dist/decode/metrics.js";
import { Normalizer } from "../../dist/normalize/normalizer.js";

const rounds = Number(process.argv[2] ?? 5);
const perRequest = 500;
const context = { receivedUs: 1_795_246_320_000_000, sender: { listener: "grpc", client: "" } };
const recordings = path.join(import.meta.dirname, "../fixtures/recordings");

function bodiesOf(recording) {
  const bytes = readFileSync(path.join(recordings, recording));
  const bodies = [];
  for (let pos = 0; pos < bytes.length;) {
    const start = pos + 4;
    pos = start + bytes.readUInt32LE(pos);
    bodies.push(Buffer.from(bytes.subarray(start, pos)));
  }
  return bodies;
}

/** Lines of Istio's default text, as they stand in the recording's bytes. */
const lines = bodiesOf("envoy/logs-istio-default.u32le").flatMap(
  (body) => body.toString("latin1").match(/\[\d{4}-[^\n]+(?=\n)/g) ?? [],
);

const names = (
  "start_time method path protocol response_code response_flags response_code_details connection_termination_details " +
  "upstream_transport_failure_reason bytes_received bytes_sent duration upstream_service_time x_forwarded_for user_agent request_id " +
  "authority upstream_host upstream_cluster upstream_local_address downstream_local_address downstream_remote_address requested_server_name route_name"
).split(" ");
const numbers = new Set(["response_code", "bytes_received", "bytes_sent", "duration"]);

function fieldsOf(line) {
  const parts = line.match(/"[^"]*"|[^" ]+/g).map((part) => part.replace(/^[["]|[\]"]$/g, ""));
  const [time, request, ...rest] = parts;
  const values = [time, ...request.split(" "), ...rest];
  return Object.fromEntries(
    names.map((name, index) => {
      const value = values[index] === "-" ? null : values[index];
      return [name, numbers.has(name) && value !== null ? Number(value) + 0 : value];
    }),
  );
}

const cri = (text) => `2026-11-21T07:31:59.123456789Z stdout F ${text}`;
const docker = (log) => JSON.stringify({ log: `${log}\n`, stream: "stdout", time: "x" });
const folder = "/var/log/pods/bookinfo_reviews-v1-5d8d8b6b9-kq2lx_0b1c2d3e";
const file = { "log.file.path": `${folder}/istio-proxy/0.log` };
const strings = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value ?? "-")]));
const shouted = (fields) =>
  Object.fromEntries(
    Object.entries(strings(fields)).map(([key, value]) => [key.toUpperCase(), value]),
  );
const known = (fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

const ztunnel = (line, index) => {
  const [src, dst] = [`10.244.1.${index % 250}:${40_000 + index}`, "10.244.1.67:8080"];
  const time = /\[([^\]]+)Z\]/.exec(line)[1];
  return {
    head: { level: "info", time: `${time}123Z`, scope: "access", message: "connection complete" },
    fields: {
      "src.addr": src,
      "src.workload": "web-6d4b75cb9d-x7k2p",
      "src.namespace": "shop",
      "src.identity": "spiffe://cluster.local/ns/shop/sa/web",
      "dst.addr": "10.244.1.67:15008",
      "dst.hbone_addr": dst,
      "dst.service": "cart.shop.svc.cluster.local",
      "dst.workload": "cart-6d4b75cb9d-x7k2p",
      "dst.namespace": "shop",
      "dst.identity": "spiffe://cluster.local/ns/shop/sa/cart",
      direction: index % 2 === 0 ? "inbound" : "outbound",
      bytes_sent: 690,
      bytes_recv: 241,
      duration: "11ms",
    },
  };
};
const isBare = /addr$|^bytes/;
const ztunnelText = ({ head, fields }) =>
  `${head.time}\t${head.level}\t${head.scope}\t${head.message}\t` +
  Object.entries(fields)
    .map(([key, value]) => `${key}=${isBare.test(key) ? value : `"${value}"`}`)
    .join(" ");

const forms = {
  "text over OTLP": (line) => ({ body: `${line}\n` }),
  "text in a file, CRI": (line) => ({ body: cri(line), attributes: file }),
  "text in a file, Docker": (line) => ({ body: docker(line) }),
  "JSON in a file, CRI": (line) => ({
    body: cri(JSON.stringify(fieldsOf(line))),
    attributes: file,
  }),
  "JSON text": (line) => ({ body: JSON.stringify(fieldsOf(line)) }),
  "JSON as a map body": (line) => ({ body: known(fieldsOf(line)) }),
  "JSON as attributes": (line) => ({ body: "{", attributes: known(fieldsOf(line)) }),
  "labels over OTLP": (line) => ({ body: "x", attributes: shouted(fieldsOf(line)) }),
  "text with labels": (line) => ({ body: `${line}\n`, attributes: { pod: "r-1", namespace: "b" } }),
  "text with a caller's quotes": (line) => ({ body: line.replace("curl", 'a "b" c') }),
  "ztunnel's text": (line, index) => ({ body: ztunnelText(ztunnel(line, index)) }),
  "ztunnel's text, CRI": (line, index) => ({ body: cri(ztunnelText(ztunnel(line, index))) }),
  "ztunnel's JSON": (line, index) => {
    const { head, fields } = ztunnel(line, index);
    return { body: JSON.stringify({ ...head, ...fields }) };
  },
  "ztunnel's JSON as attributes": (line, index) => {
    const { head, fields } = ztunnel(line, index);
    return { attributes: { ...head, ...fields } };
  },
  "another program's text": (line) => ({ body: `ts=1 caller=main.go msg="${line.length}"` }),
  "another program's JSON": (line) => ({ body: JSON.stringify({ level: "info", msg: line }) }),
};

function requestsOf(form) {
  const records = lines.map((line, index) => ({
    timeMs: 0,
    attributes: {},
    ...form(line, index),
  }));
  const many = Array.from({ length: Math.ceil(perRequest / records.length) * 4 }, () => records);
  return [Buffer.from(encodeLogs({}, many.flat()).bytes)];
}

function cpuUs(work) {
  const before = process.cpuUsage();
  const items = work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / items;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Microseconds of CPU per item. */
function measure(signal, decoder, requests) {
  const options = { cluster: "lab", clusterAliases: {}, trust: [], limits: {} };
  const normalizer = new Normalizer(options);
  const once = () => {
    let items = 0;
    for (let again = 0; again < 10; again++) {
      for (const request of requests) {
        const { view } = decoder.decode(request);
        items += (view.points ?? view.records).count;
        normalizer[signal](view, context);
      }
    }
    return items;
  };
  const times = [];
  for (let round = 0; round < rounds + 3; round++) times.push(cpuUs(once));
  return median(times.slice(3));
}

const scraped = bodiesOf("collector/prometheus-istio.bin");
const copies = Array.from({ length: 40 }, (_, copy) => {
  const to = `c${String(copy).padStart(9, "0")}`;
  return scraped.map((body) =>
    Buffer.from(body.toString("latin1").replaceAll("Kubernetes", to), "latin1"),
  );
});
const yardstick = measure(
  "metrics",
  new MetricsDecoder(),
  copies.map((copy) => Buffer.concat(copy)),
);
const row = (label, us) =>
  process.stdout.write(
    `| ${label.padEnd(30)} | ${String(Math.round(1e6 / us)).padStart(9)} | ${us.toFixed(2).padStart(6)} | ${(us / yardstick).toFixed(1).padStart(5)} |\n`,
  );
process.stdout.write("| form | per CPU second | us | times Istio's metrics |\n|---|---|---|---|\n");
row("Istio's metrics, scraped", yardstick);
for (const [label, form] of Object.entries(forms)) {
  row(label, measure("logs", new LogsDecoder(), requestsOf(form)));
}
