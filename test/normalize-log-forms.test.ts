/**
 * Access logs in every form that they come in: the text of every release, and whatever carries a line
 * here. Golden files show what each yields; what yields nothing is counted here with its reason.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { Observation, ProxyLeg } from "../src/model/observations.ts";
import { mayBeAccessLogJson } from "../src/normalize/vocabulary/access-log-line.ts";
import { maxLineLength, parseAccessLogText } from "../src/normalize/vocabulary/access-log-text.ts";
import { bareLine } from "../src/normalize/vocabulary/log-carrier.ts";
import { parseZtunnelText, readZtunnelHead } from "../src/normalize/vocabulary/ztunnel-log-line.ts";
import { NormalizeRun, receivedUs, toLines } from "./support/normalize-run.ts";
import { logsRequest, type Attributes } from "./support/otlp-build.ts";
import { readRecording } from "./support/recordings.ts";

const folder = path.join(import.meta.dirname, "fixtures/vocabulary");

function linesOf(name: string): string[] {
  return readFileSync(path.join(folder, name), "utf8").trim().split("\n");
}

/** A record of a fixture: what it shows, and the record as its carrier sends it. */
interface Carried {
  readonly what: string;
  readonly resource?: Attributes;
  readonly attributes?: Attributes;
  readonly time?: string;
  readonly body?: unknown;
}

function push(run: NormalizeRun, { resource = {}, time, ...record }: Omit<Carried, "what">) {
  // Milliseconds of the text, and the digits behind them.
  const nanos = time === undefined ? 0n : BigInt(Date.parse(time)) * 1_000_000n;
  return run.push("logs", logsRequest({ resource }, [{ ...record, timeNs: nanos }])).observations;
}

/** Each fixture's observations, or why there are none. */
function told(records: readonly Carried[]): string {
  const run = new NormalizeRun();
  const seen: Record<string, number> = {};
  return records
    .map((record) => {
      const observations = push(run, record);
      const counted = Object.entries(run.counts()).filter(
        ([name, value]) => value > (seen[name] ?? 0) && /dropped|unrecognized/.test(name),
      );
      Object.assign(seen, run.counts());
      const reason = counted.map(([name]) => ({ counted: name }));
      return `${record.what}\n${toLines([...observations, ...reason])}`;
    })
    .join("");
}

async function check(name: string, records: readonly Carried[]): Promise<void> {
  const golden = path.join(import.meta.dirname, `golden/normalize/${name}.jsonl`);
  await expect(told(records)).toMatchFileSnapshot(golden);
}

test("Istio's text of every release, Envoy's own, and what callers write into it", () =>
  check(
    "access-log-text",
    linesOf("access-log-text.log").map((body) => ({ what: body.slice(0, 110), body: `${body}\n` })),
  ));

test("whatever carries a line", () =>
  check(
    "access-log-carried",
    linesOf("access-log-carried.jsonl").map((line) => JSON.parse(line) as Carried), // of this folder
  ));

const leg = (observations: readonly Observation[]): ProxyLeg | undefined =>
  observations.find((one) => one.kind === "proxy_leg");

const fields = {
  start_time: "2026-11-21T07:31:02.943Z",
  method: "GET",
  protocol: "HTTP/1.1",
  response_code: 503,
  response_flags: "UF,URX",
  response_code_details: "upstream_reset_before_response_started{connection_failure}",
  connection_termination_details: null,
  bytes_received: 3,
  bytes_sent: 95,
  duration: 24,
  upstream_service_time: null,
  x_forwarded_for: null,
  user_agent: "curl/8.7.1",
  request_id: "6a1c2a5e-0031-9c4f-8a55-3f1f0d8c7d11",
  authority: "reviews:9080",
  upstream_host: "10.244.0.21:9080",
  upstream_cluster: "inbound|9080||",
  upstream_local_address: "127.0.0.6:41409",
  downstream_local_address: "10.244.0.21:9080",
  downstream_remote_address: "10.244.0.14:48824",
  requested_server_name: "outbound_.9080_._.reviews.bookinfo.svc.cluster.local",
  route_name: "default",
  upstream_transport_failure_reason: "delayed_connect_error:_Connection_refused",
};

const text =
  '[2026-11-21T07:31:02.943Z] "GET /reviews/0 HTTP/1.1" 503 UF,URX ' +
  'upstream_reset_before_response_started{connection_failure} - "delayed_connect_error:_Connection_refused" ' +
  '3 95 24 - "-" "curl/8.7.1" "6a1c2a5e-0031-9c4f-8a55-3f1f0d8c7d11" "reviews:9080" "10.244.0.21:9080" ' +
  "inbound|9080|| 127.0.0.6:41409 10.244.0.21:9080 10.244.0.14:48824 " +
  "outbound_.9080_._.reviews.bookinfo.svc.cluster.local default";

const asStrings = Object.fromEntries(
  Object.entries(fields).map(([key, value]) => [key, String(value ?? "-")]),
);
const cri = "2026-11-21T07:31:02.967123456Z stdout F ";
const docker = (log: string) =>
  JSON.stringify({ log: `${log}\n`, stream: "stdout", time: "2026-11-21T07:31:02.967123456Z" });

const forms: Readonly<Record<string, Omit<Carried, "what">>> = {
  "text over OTLP": { body: `${text}\n` },
  "text in a file": { body: text },
  "text behind CRI's prefix": { body: cri + text },
  "text in Docker's wrapper": { body: docker(text) },
  "JSON text": { body: JSON.stringify(fields) },
  "JSON text behind CRI's prefix": { body: cri + JSON.stringify(fields) },
  "JSON text in Docker's wrapper": { body: docker(JSON.stringify(fields)) },
  "JSON parsed into the body": { body: fields },
  "JSON parsed into attributes": { attributes: fields, body: JSON.stringify(fields) },
  "labels over OTLP": { attributes: asStrings, body: "anything" },
  "a record of a log shipper": { body: { log: text, stream: "stdout" } },
};

test.each(Object.entries(forms))("one line says the same in every form: %s", (_, record) => {
  const expected = leg(push(new NormalizeRun(), { body: text }));
  expect(expected).toMatchObject({
    side: "inbound",
    isError: true,
    bytesSent: 95,
    endUs: 1_795_246_262_967_000,
  });
  expect(leg(push(new NormalizeRun(), record))).toEqual(expected);
});

test("the better of two names counts, whatever their order", () => {
  const direct = { downstream_direct_remote_address: "10.244.0.66:1" };
  for (const attributes of [
    { ...fields, ...direct },
    { ...direct, ...fields },
  ]) {
    for (const record of [
      { attributes },
      { body: attributes },
      { body: JSON.stringify(attributes) },
    ]) {
      expect(leg(push(new NormalizeRun(), record))?.downstreamRemoteIp).toBe("10.244.0.66");
    }
  }
});

test("where there is no port, an address is a header's word", () => {
  const record = { attributes: { ...fields, downstream_remote_address: "10.244.0.66:0" } };
  const found = leg(push(new NormalizeRun(), record));
  expect(found).toMatchObject({ downstreamRemoteIp: "", downstreamLocalIp: "10.244.0.21" });
});

test("a file's record has the time when it was written, a line the time when it began", () => {
  const later = { body: text, time: "2026-11-21T07:31:02.967Z" };
  expect(leg(push(new NormalizeRun(), later))?.timeUs).toBe(1_795_246_262_943_000);
});

/** A megabyte of what could make a parser go back and forth. */
const mega = 1_048_576;
const worst: Readonly<Record<string, string>> = {
  "quotes and spaces": '" '.repeat(mega / 2),
  quotes: '"'.repeat(mega),
  spaces: " ".repeat(mega),
  "requests that end": ' HTTP/1.1" 200 '.repeat(mega / 15),
  "line ends": '" a 1.1.1.1:1 1.1.1.1:1 1.1.1.1:1 '.repeat(mega / 34),
  brackets: "[".repeat(mega),
  braces: '{"log":"'.repeat(mega / 8),
  escapes: "\\".repeat(mega),
  pairs: "a=b ".repeat(mega / 4),
  tabs: "\t".repeat(mega),
  addresses: "1.1.1.1:".repeat(mega / 8),
  "key names": "downstream_direct_".repeat(mega / 18),
};
const heads = [
  "",
  '[2026-11-21T07:31:02.943Z] "GET /',
  '[2026-11-21T07:31:02.943Z] "GET / HTTP/1.1" 200 - via_upstream - "',
  '[2026-11-21T07:31:02.943Z] "GET / HTTP/1.1" 200 - x{',
  text.slice(0, text.indexOf("inbound|")),
  "2026-11-21T07:31:02.943123Z\tinfo\taccess\tconnection complete\tsrc.addr=1.1.1.1:1 ",
  '2026-11-21T07:31:02.943123Z\tinfo\taccess\tconnection complete\tsrc.addr=1.1.1.1:1 error="',
  "2026-11-21T07:31:02.943123Z stdout F ",
  '{"log":"[2026',
  '{"downstream_remote_address":"',
];

test.each(Object.entries(worst))("a megabyte of %s costs no more than its length", (_, tail) => {
  const before = process.cpuUsage();
  for (const head of heads) push(new NormalizeRun(), { body: head + tail });
  for (const head of heads) {
    parseAccessLogText((head + tail).slice(0, maxLineLength));
    const start = readZtunnelHead(head + tail);
    if (start) parseZtunnelText(head + tail, start);
    bareLine(head + tail);
    mayBeAccessLogJson(head + tail);
  }
  const { user, system } = process.cpuUsage(before);
  // Some 20 ms each on a slow machine; what is quadratic takes hours.
  expect((user + system) / 1_000 / heads.length).toBeLessThan(500);
});

const hostile: Readonly<Record<string, Omit<Carried, "what">>> = {
  "10,000 labels": {
    attributes: {
      ...Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`l${index}`, "x"])),
      ...asStrings,
    },
  },
  "10,000 fields of a body": {
    body: {
      ...fields,
      ...Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`l${index}`, "x"])),
    },
  },
  "names of prototypes": {
    body: text,
    attributes: JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as Attributes,
  },
  "a prototype in JSON": {
    body: JSON.stringify(fields).replace("{", '{"__proto__":{"upstream_host":"9.9.9.9:9"},'),
  },
  "control characters beside it": { body: text, attributes: { "\u0000": "\u001b[2J" } },
};

test.each(Object.entries(hostile))("%s change nothing of the line", (_, record) => {
  const expected = leg(push(new NormalizeRun(), { body: text }));
  expect(leg(push(new NormalizeRun(), record))).toEqual(expected);
});

test("ports, addresses and numbers that are none are unknown", () => {
  const odd = {
    upstream_local_address: "127.0.0.6:NaN",
    upstream_host: "999.1.1.1:80",
    downstream_local_address: "10.244.0.21:99999",
    response_code: "1e3",
    duration: "-5",
    bytes_sent: "9".repeat(400),
    requested_server_name: "s".repeat(9_999),
    start_time: "yesterday",
  };
  const found = leg(push(new NormalizeRun(), { attributes: { ...asStrings, ...odd } }));
  expect(found).toMatchObject({
    upstreamLocalPort: 0,
    upstreamHostIp: "",
    downstreamLocalPort: 0,
    responseCode: 0,
    bytesSent: 0,
    timeUs: receivedUs,
    endUs: receivedUs,
  });
  expect(found?.serverName).toHaveLength(255);
});

test("broken lines leave the rest of their request alone", () => {
  const records = [
    { body: text },
    { body: text.slice(0, 300) },
    { body: `[${"x".repeat(100_000)}` },
    { body: `${cri.replace(" F ", " P ")}${text}` },
    { attributes: { ...asStrings, downstream_remote_address: "-" } },
    { body: `{"downstream_remote_address":"10.0.0.1:1",` },
    { body: text.replace("38824", "38825") },
  ];
  const run = new NormalizeRun();
  const { observations } = run.push("logs", logsRequest({}, records));
  expect(observations.filter(({ kind }) => kind === "proxy_leg")).toHaveLength(2);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total envoy-access-log:bad_line": 3,
    "normalize_dropped_items_total envoy-access-log:too_long": 1,
    "unrecognized_records_total _unnamed": 1,
  });
});

const ztunnelFile = "/var/log/pods/istio-system_ztunnel-5kx2p_0b1c2d3e-0000-4000-8000-000000000099";
const ztunnel =
  '2026-11-21T07:31:40.502606Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.1.66:44120 src.workload="web-1" ' +
  'src.namespace="shop" dst.addr=10.244.1.67:8080 dst.workload="cart-1" dst.namespace="shop" ' +
  'direction="inbound" bytes_sent=241 bytes_recv=690 duration="11ms"';
const ztunnelJson =
  '{"level":"info","time":"2026-11-21T07:31:40.502606Z","scope":"access","message":"connection complete",' +
  '"src.addr":"10.244.1.66:44120","src.workload":"web-1","src.namespace":"shop","dst.addr":"10.244.1.67:8080",' +
  '"dst.workload":"cart-1","dst.namespace":"shop","direction":"inbound","bytes_sent":241,"bytes_recv":690,"duration":"11ms"}';
const ztunnelForms: Readonly<Record<string, Omit<Carried, "what">>> = {
  "tabs made spaces": { body: ztunnel.replaceAll("\t", "    ") },
  "names without quotes": { body: ztunnel.replace(/workload="([^"]+)"/g, "workload=$1") },
  CRI: { body: cri + ztunnel },
  Docker: { body: docker(ztunnel) },
  JSON: { body: ztunnelJson },
  "JSON behind CRI's prefix": { body: cri + ztunnelJson },
  "JSON in Docker's wrapper": { body: docker(ztunnelJson) },
  "a parsed body": { body: JSON.parse(ztunnelJson) },
  attributes: { attributes: JSON.parse(ztunnelJson) as Attributes, body: ztunnelJson },
  "a record of a log shipper": { body: { log: ztunnel, stream: "stdout" } },
};

test.each(Object.entries(ztunnelForms))(
  "ztunnel's line says the same in every form: %s",
  (_, record) => {
    const expected = leg(push(new NormalizeRun(), { body: ztunnel }));
    expect(expected).toMatchObject({ security: "none", bytesSent: 241, upstreamHostPort: 8080 });
    expect(leg(push(new NormalizeRun(), record))).toEqual(expected);
  },
);

test("ztunnel's lines of another pod's output, of names looked up, of requests and cut ones", () => {
  const run = new NormalizeRun();
  const at = (file: string): Attributes => ({ "log.file.path": `${ztunnelFile}/${file}/0.log` });
  const found = push(run, { body: cri + ztunnel, attributes: at("istio-proxy") });
  expect(leg(found)?.source.key).toBe("lab/istio-system/ztunnel-5kx2p");
  const silent: Omit<Carried, "what">[] = [
    { body: ztunnel, attributes: at("app") },
    { body: ztunnelJson, attributes: at("app") },
    { body: '2026-11-21T07:31:40.502606Z\tdebug\tdns\tsrc.workload="web-1" query="A"' },
    { body: ztunnelJson.replace('"access"', '"dns"').replace("connection complete", "x access") },
    { body: ztunnel.replace("access", "http access") },
    { body: cri.replace(" F ", " P ") + ztunnel.slice(0, 90) },
  ];
  for (const record of silent) expect(push(run, record)).toEqual([]);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total ztunnel-log:not_a_proxy": 2,
    "normalize_dropped_items_total ztunnel-log:not_ours_yet": 3,
    "normalize_dropped_items_total ztunnel-log:too_long": 1,
  });
});

function legsOf(recording: string, keep: (leg: ProxyLeg) => boolean = () => true) {
  const run = new NormalizeRun();
  const found = readRecording(`access-log/${recording}.bin`)
    .flatMap(({ body }) => run.push("logs", body, { receivedUs: recordedUs }).observations)
    .filter((one): one is ProxyLeg => one.kind === "proxy_leg" && keep(one));
  return { found, counts: run.counts() };
}

/** Shortly after the recordings of `access-log`: 2026-11-21T19:48:00Z. */
const recordedUs = 1_795_290_480_000_000;

/** Only the JSON was told to show the trace, and times are finer over OTLP. */
function sameOf(one: ProxyLeg): object {
  const { timeUs, endUs } = one;
  const whole = { timeUs: Math.floor(timeUs / 1_000), endUs: Math.floor(endUs / 1_000), nanos: 0 };
  return { ...one, ...whole, pod: null, source: null, traceId: "", spanId: "" };
}

const byId = (legs: readonly ProxyLeg[]) => new Map(legs.map((one) => [one.lineId, one]));

const recordings = [
  "file-text",
  "file-text-container",
  "file-json",
  "file-json-attributes",
  "file-json-body",
];

test.each(recordings)("real Envoy through a real collector, %s: 23 lines", (recording) => {
  const { found, counts } = legsOf(recording);
  const expected = byId(legsOf("file-json-body").found);
  expect(expected.size).toBe(23);
  for (const one of found) {
    expect(sameOf(one)).toEqual(sameOf(expected.get(one.lineId) ?? one));
    expect(one.pod.namespace).toBe("bookinfo");
    expect(one.pod.pod).toMatch(/^(productpage-v1-87d54dd59-fzflt|reviews-v1-5d8d8b6b9-kq2lx)$/);
    expect(one.pod.podUid).toMatch(/^0b1c2d3e-0000-4000-8000-0000000000(14|21)$/);
  }
  // CRI cuts a line with a path of 17,000 characters in two; only its parser joins them.
  const dropped = Object.keys(counts).filter((name) => name.startsWith("normalize_dropped"));
  expect([recording, found.length, dropped]).toMatchSnapshot();
});

test("real Envoy through a real collector, over OTLP: the same line as labels and as a map", () => {
  const { found } = legsOf("otlp-labels-and-map");
  const labelled = found.filter(
    ({ tlsVersion, peerPrincipal, pod }) => tlsVersion + peerPrincipal + pod.pod,
  );
  expect([
    found.length,
    new Set(found.map(({ lineId }) => lineId)).size,
    labelled.length,
  ]).toMatchSnapshot();
});

test("a header's address is nobody's, be it told in text, JSON or by the operator beside it", () => {
  const { found } = legsOf("file-json-attributes", (one) => one.downstreamRemoteIp === "");
  expect(found).toHaveLength(3); // two of the request behind a proxy, one of 10.244.0.66
  const direct = legsOf("otlp-labels-and-map", (one) => one.downstreamRemoteIp === "10.244.0.66");
  expect(direct.found).toHaveLength(1);
});
