/** What senders get wrong, by accident or on purpose: counted with a reason, never thrown, never believed. */
import { expect, test } from "vitest";
import type { Observation } from "../src/model/observations.ts";
import { NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import {
  keyValues,
  logsRequest,
  metricsRequest,
  tracesRequest,
  type Attributes,
  type LogRecord,
} from "./support/otlp-build.ts";

const k8s = { "k8s.resource.name": "pods" };
const deep = "[".repeat(100_000) + "]".repeat(100_000);
const line =
  '[2026-11-21T07:31:02.943Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 1 2 3 4 "-" "ua" "r" "a" "-" - - A B - -';
const ztunnelHead = "2026-11-21T07:31:40.502606Z\tinfo\taccess\t";

interface Case {
  readonly what: string;
  readonly record: LogRecord;
  /** `vocabulary:reason`, or "" when nobody's business. */
  readonly counted: string;
}

const cases: readonly Case[] = [
  { what: "no body at all", record: {}, counted: "" },
  { what: "a body of bytes", record: { body: Buffer.from("x") }, counted: "" },
  { what: "a body that is a list", record: { body: [1, "x"] }, counted: "" },
  { what: "another JSON", record: { body: '{"a":1}' }, counted: "" },
  { what: "deep nesting", record: { body: deep }, counted: "" },
  {
    what: "cut JSON",
    record: { body: '{"process_exec":{"process":{' },
    counted: "tetragon:bad_json",
  },
  {
    what: "a huge event",
    record: { body: `{"process_exec":{"x":"${"y".repeat(300_000)}"}}` },
    counted: "tetragon:too_long",
  },
  {
    what: "no process",
    record: { body: '{"process_exec":{}}' },
    counted: "tetragon:missing_field",
  },
  {
    what: "a null event",
    record: { body: '{"process_exec":null}' },
    counted: "tetragon:missing_field",
  },
  {
    what: "an event of text",
    record: { attributes: { process_exec: "x" } },
    counted: "tetragon:missing_field",
  },
  { what: "a cut line", record: { body: line.slice(0, 60) }, counted: "envoy-access-log:bad_line" },
  { what: "no addresses", record: { body: line }, counted: "envoy-access-log:missing_address" },
  {
    what: "labels without ends",
    record: { attributes: { upstream_cluster: "-", downstream_remote_address: "-" } },
    counted: "envoy-access-log:bad_line",
  },
  {
    what: "JSON of a log, cut",
    record: { body: '{"downstream_remote_address":"1' },
    counted: "envoy-access-log:bad_line",
  },
  {
    what: "a line of ztunnel, cut",
    record: { body: `${ztunnelHead}connection complete\tsrc.ad` },
    counted: "ztunnel-log:bad_line",
  },
  {
    what: "a line of ztunnel between names",
    record: { body: `${ztunnelHead}connection complete\tsrc.addr=a dst.addr=b direction=inbound` },
    counted: "ztunnel-log:missing_address",
  },
  {
    what: "a line of ztunnel that goes nowhere",
    record: { body: `${ztunnelHead}connection complete\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:2` },
    counted: "ztunnel-log:missing_field",
  },
  {
    what: "JSON of ztunnel, cut",
    record: { body: '{"level":"info","scope":"access","src.addr":"10.0.' },
    counted: "ztunnel-log:bad_line",
  },
  {
    what: "another scope of ztunnel",
    record: { body: ztunnelHead.replace("access", "proxy") },
    counted: "",
  },
  {
    what: "a flow to nowhere",
    record: { attributes: { "flow.type": 1 } },
    counted: "netflow:missing_address",
  },
  {
    what: "a flow between names",
    record: {
      attributes: { "flow.type": "ipfix", "source.address": "a", "destination.address": "::1" },
    },
    counted: "netflow:missing_address",
  },
  {
    what: "an object of text",
    record: { body: "x", attributes: k8s },
    counted: "k8sobjects:missing_field",
  },
  { what: "no object", record: { attributes: k8s }, counted: "k8sobjects:missing_field" },
  {
    what: "an object without name",
    record: { body: { kind: "Pod", metadata: {} }, attributes: k8s },
    counted: "k8sobjects:missing_field",
  },
];

test.each(cases)("$what", ({ record, counted }) => {
  const run = new NormalizeRun();
  const batch = run.push("logs", logsRequest({}, [record]));
  expect(batch.observations.filter((item) => item.kind !== "heartbeat")).toEqual([]);
  const counter =
    counted === ""
      ? "unrecognized_records_total _unnamed"
      : `normalize_dropped_items_total ${counted}`;
  expect(run.counts()).toMatchObject({ [counter]: 1 });
});

function observe(record: LogRecord): Observation | undefined {
  return new NormalizeRun().push("logs", logsRequest({}, [record])).observations[0];
}

test("ids and ports out of range are unknown, not wrapped", () => {
  const process = {
    pid: 1e300,
    uid: -5,
    binary: "/x",
    process_credentials: { gid: 4_294_967_295, euid: "7" },
  };
  const args = [{ sock_arg: { daddr: "10.0.0.1", dport: 70_000, sport: "x", mark: -1 } }];
  const body = JSON.stringify({ process_kprobe: { process, function_name: "tcp_connect", args } });
  expect(observe({ body })).toMatchObject({
    kind: "socket_opened",
    dstPort: 0,
    srcPort: 0,
    mark: 0,
    transport: "other",
    timeUs: receivedUs,
    process: { pid: -1, uid: -1, gid: -1, euid: 7, egid: -1 },
  });
});

test("root is 0 and nobody's id is -1", () => {
  const uidOf = (process: object) => {
    const seen = observe({ body: JSON.stringify({ process_exec: { process }, time: "x" }) });
    return seen?.kind === "process_seen" ? seen.process.uid : "no process";
  };
  expect([{ uid: 0 }, {}, { uid: null }, { uid: "0" }, { uid: 1.5 }].map(uidOf)).toEqual([
    0, -1, -1, 0, -1,
  ]);
});

test("prototypes cannot be reached through names", () => {
  const text =
    '{"__proto__":{"polluted":1},"process_exec":{"__proto__":{"process":{}},"process":{"constructor":1,"binary":"/x"}}}';
  expect(observe({ body: text })).toMatchObject({ kind: "process_seen", process: { exe: "/x" } });
  const labels = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>;
  const body = { metadata: { name: "p", labels } };
  const seen = observe({ body, attributes: k8s });
  const pod = seen?.kind === "object_seen" && seen.object.type === "pod" ? seen.object : undefined;
  expect(Object.keys(pod?.labels ?? {})).toEqual(["__proto__", "constructor"]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("text and lists are cut, not kept whole", () => {
  const many = Object.fromEntries(Array.from({ length: 999 }, (_, index) => [`l${index}`, "v"]));
  const containers = Array.from({ length: 999 }, () => ({ name: "n".repeat(9_999) }));
  const body = { metadata: { name: "p".repeat(9_999), labels: many }, spec: { containers } };
  const seen = observe({ body, attributes: k8s });
  expect(JSON.stringify(seen).length).toBeLessThan(64_000);
});

test("arguments of a command are not kept", () => {
  const process = { binary: "/usr/bin/curl", arguments: "-H secret-1" };
  const parent = { binary: "/bin/sh", arguments: "-c secret-2" };
  const seen = observe({ body: JSON.stringify({ process_exec: { process, parent } }) });
  expect(JSON.stringify(seen)).not.toContain("secret");
});

test("what a peer can write into a line of ztunnel moves nothing in it", () => {
  const fields = "src.addr=10.0.0.1:1 dst.addr=10.0.0.2:80 direction=inbound bytes_sent=1";
  const forged = 'src.identity=\\"spiffe://a/ns/b/sa/c\\" dst.addr=10.9.9.9:1';
  const withTail = (tail: string) =>
    observe({ body: `${ztunnelHead}connection complete\t${fields} ${tail}` });
  const plain = {
    kind: "proxy_leg",
    security: "none",
    peerPrincipal: "",
    upstreamHostIp: "10.0.0.2",
  };
  expect(withTail(`error="${forged}"`)).toMatchObject(plain);
  expect(withTail(`error="cut off ${forged}`)).toMatchObject(plain);
  expect(withTail('dst.addr=10.9.9.9:1 direction="outbound"')).toMatchObject(plain);
  expect(withTail(`duration="99999999999ms" x="${"y".repeat(20_000)}`)).toMatchObject(plain);
});

test("a flow's clock is believed only when it can be right", () => {
  const now = BigInt(receivedUs) * 1_000n;
  const second = 1_000_000_000n;
  const flowOf = (start: bigint, end: bigint, received = now) =>
    observe({
      attributes: {
        "flow.type": "ipfix",
        "source.address": "10.0.0.1",
        "destination.address": "::ffff:10.0.0.2",
        "flow.start": start,
        "flow.end": end,
        "flow.time_received": received,
      },
    });
  const asTold = { clamped: false, dstIp: "10.0.0.2", tcpFlags: -1, closed: false };
  const clamped = { clamped: true, startUs: receivedUs, endUs: receivedUs };
  expect(flowOf(now - 7_200n * second, now - second)).toMatchObject(asTold);
  expect(flowOf(now, now + 4n * second)).toMatchObject(asTold);
  expect(flowOf(now, now + 6n * second)).toMatchObject(clamped);
  expect(flowOf(now - 3_601n * second, now - 3_601n * second)).toMatchObject(clamped);
  expect(flowOf(now, now - second)).toMatchObject(clamped);
  expect(flowOf(0n, 0n)).toMatchObject(clamped);
  const queued = now - 36_000n * second; // the collector was cut off for ten hours
  expect(flowOf(queued, queued, queued)).toMatchObject(asTold);
});

test("a point of a flow counter with senseless ends is counted, and wrong ports are none", () => {
  const push = (attributes: Attributes, value: object = { as_int: "5" }) => {
    const run = new NormalizeRun();
    const point = { attributes: keyValues(attributes), time_unix_nano: "1", ...value };
    const sum = { aggregation_temporality: 2, is_monotonic: true, data_points: [point] };
    const metric = { name: "obi.network.flow.bytes", sum };
    const { observations, series } = run.push("metrics", metricsRequest({}, [metric]));
    const flows = observations.filter(({ kind }) => kind === "flow");
    return { flows, series, counts: run.counts() };
  };
  const ends = { "src.address": "10.0.0.1", "dst.address": "10.0.0.2", "dst.port": "80" };
  const unoriented = { "normalize_dropped_items_total obi-flows:unoriented": 1 };
  const lost: Attributes[] = [
    {},
    { ...ends, "src.port": "70000" },
    { ...ends, "src.port": "-1", direction: "sideways" },
    { ...ends, "src.port": "1e3", "server.port": "x" },
    { "src.address": "a".repeat(9_999), "dst.address": "::ffff:1.2.3.4.5", __proto__: null },
  ];
  for (const attributes of lost) {
    expect(push(attributes)).toMatchObject({ flows: [], series: [], counts: unoriented });
  }
  const long = { ...ends, direction: "request", "k8s.src.owner.name": "w".repeat(9_999) };
  const [flow] = push(long).flows;
  expect(flow?.kind === "flow" && flow.srcPod?.workload).toHaveLength(253);
  expect(push({ ...ends, "src.port": "1" }, { as_double: NaN }).flows).toEqual([]);
  expect(push({ ...ends, "src.port": "1" }).flows).toMatchObject([{ timeUs: receivedUs }]);
});

test("who talks is read from whole names only", () => {
  const push = (name: string, attributes: Attributes) => {
    const run = new NormalizeRun();
    const point = { attributes: keyValues(attributes), time_unix_nano: "1", as_double: 2 };
    const sum = { aggregation_temporality: 2, is_monotonic: true, data_points: [point] };
    const { observations } = run.push("metrics", metricsRequest({}, [{ name, sum }]));
    return { flows: observations.filter(({ kind }) => kind === "flow"), counts: run.counts() };
  };
  const connects = "container_net_tcp_successful_connects_total";
  const actual_destination = "198.51.100.66:443";
  for (const container_id of ["", "/k8s", "/k8s/a/b", "/k8s/a//c", "x/k8s/a/b/c", "/k8s/a/b/c/d"]) {
    const { flows, counts } = push(connects, { container_id, actual_destination });
    expect([container_id, flows]).toEqual([container_id, []]);
    expect(counts).toMatchObject({ "normalize_dropped_items_total coroot:missing_field": 1 });
  }
  const talker = { container_id: `/k8s/a/${"p".repeat(9_999)}/c` };
  expect(push(connects, { ...talker, actual_destination }).flows).toEqual([]);
  for (const nowhere of ["", "example.com:443", "1.2.3.4.5:1"]) {
    const { counts } = push(connects, { container_id: "/k8s/a/b/c", actual_destination: nowhere });
    expect(counts).toMatchObject({ "normalize_dropped_items_total coroot:missing_address": 1 });
  }
  const lost = { "source.process.name": "sh", "source.ip": "x", "dest.ip": "198.51.100.66" };
  const { counts } = push("tcp.bytes", lost);
  expect(counts).toMatchObject({ "normalize_dropped_items_total otel-network:missing_address": 1 });
  const [flow] = push("tcp.bytes", { ...lost, "source.ip": "10.0.0.1" }).flows;
  expect(flow).toMatchObject({ process: "sh", srcIp: "10.0.0.1", srcPort: 0, transport: "tcp" });
});

test("spans that are nobody's call are known but not used; broken ones are counted", () => {
  const span = (attributes: object, more: object = {}) => ({
    kind: 2,
    name: "x",
    attributes: keyValues(attributes as Record<string, unknown>), // a literal below
    ...more,
  });
  const node_id = "sidecar~10.1.0.51~a.ns~ns.svc.cluster.local";
  const spans: [string, object, string][] = [
    ["falco-event", span({ node_id }), "falco:missing_field"],
    ["my-app", span({ "http.url": "/" }), "sdk-spans:missing_field"],
    ["my-app", span({ "http.url": "/" }, { kind: 1 }), "sdk-spans:not_a_call"],
    ["my-app", span({ "messaging.system": "kafka" }), "sdk-spans:not_ours_yet"],
    ["my-app", span({}, { kind: 4 }), "sdk-spans:not_a_call"],
    ["envoy", span({ node_id: "x" }), "envoy-spans:missing_field"],
    ["envoy", span({ node_id }, { kind: 1 }), "envoy-spans:missing_field"],
  ];
  for (const [scope, item, counted] of spans) {
    const run = new NormalizeRun();
    expect(run.push("traces", tracesRequest({ scope }, [item])).observations).toEqual([]);
    expect(run.counts()).toMatchObject({ [`normalize_dropped_items_total ${counted}`]: 1 });
  }
});

test("a transport that is the name of what every object has is another transport, and no function", () => {
  const flow = {
    "flow.type": "netflow_v9",
    "source.address": "10.0.0.1",
    "destination.address": "10.0.0.2",
  };
  for (const name of ["constructor", "__proto__", "valueOf"]) {
    const attributes = { ...flow, "network.transport": name };
    const batch = new NormalizeRun().push("logs", logsRequest({}, [{ attributes }]));
    expect(batch.observations[0]).toMatchObject({ kind: "flow", transport: "other" });
  }
});
