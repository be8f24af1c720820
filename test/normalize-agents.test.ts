/**
 * From bytes to observations of the agents on the machines: golden files of what their fixtures yield, the
 * same from every form in which a collector hands an event on, and what a hostile one may not do.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type {
  Flow,
  Observation,
  ObservationBatch,
  ProcessSeen,
} from "../src/model/observations.ts";
import { NormalizeRun, toLines } from "./support/normalize-run.ts";
import {
  keyValues,
  logsRequest,
  metricsRequest,
  tracesRequest,
  type Attributes,
  type LogRecord,
} from "./support/otlp-build.ts";
import { readRecording } from "./support/recordings.ts";

const folder = path.join(import.meta.dirname, "fixtures/vocabulary");
const observedNs = 1_795_246_290_123_456_789n;

function fixtureLines(name: string): string[] {
  return readFileSync(path.join(folder, name), "utf8").trim().split("\n");
}

interface Told {
  readonly batch: ObservationBatch;
  readonly observations: readonly Observation[];
  readonly counts: Readonly<Record<string, number>>;
}

/** What one request of log records yields; heartbeats apart. */
function logged(records: readonly LogRecord[], scope = ""): Told {
  const run = new NormalizeRun();
  const batch = run.push("logs", logsRequest({ scope }, records));
  const observations = batch.observations.filter(({ kind }) => kind !== "heartbeat");
  return { batch, observations, counts: run.counts() };
}

async function check(name: string, { batch, counts }: Told): Promise<void> {
  const golden = path.join(import.meta.dirname, `golden/normalize/${name}.jsonl`);
  const dropped = Object.entries(counts).filter(([key]) => /dropped_items|unrecog/.test(key));
  const lines = [...batch.series, ...batch.observations, Object.fromEntries(dropped)];
  await expect(toLines(lines)).toMatchFileSnapshot(golden);
}

/** As text, as a parsed body, and as attributes. */
function formsOf(lines: readonly string[]): readonly Told[] {
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return [
    logged(lines.map((body) => ({ body, observedNs }))),
    logged(parsed.map((body) => ({ body, observedNs }))),
    logged(parsed.map((attributes) => ({ attributes, observedNs }))),
  ];
}

const hubbleLines = fixtureLines("hubble.jsonl");

test("hubble-flows", () =>
  check("hubble-flows", logged(hubbleLines.map((body) => ({ body, observedNs })))));

test("hubble-flows: the same from text, from a parsed body and from attributes", () => {
  const [asText, ...others] = formsOf(hubbleLines);
  for (const other of others) {
    expect(other.observations).toEqual(asText?.observations);
    expect(other.counts).toEqual(asText?.counts);
  }
});

interface HubbleLine {
  readonly flow: Readonly<Record<string, unknown>>;
}

/** The first packet of the fixture, with changes. */
function hubbleFlow(changes: Readonly<Record<string, unknown>>): Told {
  const line = JSON.parse(hubbleLines[0] ?? "") as HubbleLine; // of the fixture
  return logged([{ body: JSON.stringify({ ...line, flow: { ...line.flow, ...changes } }) }]);
}

test.each([
  ["a text for the addresses", { IP: "10.0.0.1" }, "missing_address"],
  ["names for addresses", { IP: { source: "web", destination: "outside" } }, "missing_address"],
  ["a list for the ports", { l4: [1] }, "unused"],
  ["no layer", { l4: null }, "unused"],
  ["a verdict of its own", { verdict: "ADMITTED" }, "unused"],
  ["a number for the verdict", { verdict: 1 }, "unused"],
  ["another point", { trace_observation_point: "__proto__" }, "unused"],
  ["flags of text", { l4: { TCP: { flags: "SYN" } } }, "unused"],
])("hubble-flows: %s tells nothing", (_what, changes, reason) => {
  const { observations, counts } = hubbleFlow(changes);
  expect(observations).toEqual([]);
  expect(counts).toMatchObject({ [`normalize_dropped_items_total hubble-flows:${reason}`]: 1 });
});

test("hubble-flows: ports and names out of bounds are none, and a wrong clock is not believed", () => {
  const l4 = { TCP: { source_port: 70_000, destination_port: -1, flags: { SYN: true } } };
  const source = {
    ID: 1,
    namespace: "n".repeat(9_999),
    pod_name: "p".repeat(9_999),
    workloads: {},
  };
  const [flow] = hubbleFlow({ l4, source, time: "2062-01-01T00:00:00Z" }).observations;
  expect(flow).toMatchObject({ srcPort: 0, dstPort: 0, clamped: true });
  expect((flow as Flow).srcPod?.pod).toHaveLength(253); // toMatchObject has shown that it is one
});

const falcoLines = fixtureLines("falco.jsonl");

test("falco", () => check("falco", logged(falcoLines.map((body) => ({ body, observedNs })))));

test("falco: the same from text, from a parsed body and from attributes", () => {
  const [asText, ...others] = formsOf(falcoLines);
  for (const other of others) {
    expect(other.observations).toEqual(asText?.observations);
    expect(other.counts).toEqual(asText?.counts);
  }
});

interface FalcoAlert {
  readonly output: string;
  readonly output_fields: Readonly<Record<string, string | number | null>>;
  readonly priority: string;
  readonly rule: string;
  readonly hostname: string;
  readonly time: string;
  readonly tags?: readonly string[];
}

const alerts = falcoLines.map((line) => JSON.parse(line) as FalcoAlert); // of the fixture

/** As Go prints a value into a span's attribute. */
function goText(value: string | number | null): string {
  return value === null ? "<nil>" : String(value);
}

test("falco: the same from falcosidekick's spans, whose fields are all text", () => {
  const spans = alerts.map(({ output_fields, rule, priority, hostname, tags = [], time }) => {
    const [seconds = "", fraction = ""] = time.replace("Z", "").split(".");
    const start = BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
    const fields = Object.entries(output_fields).map(([name, value]) => [name, goText(value)]);
    const attributes = { rule, priority, hostname, tags, ...Object.fromEntries(fields) };
    return {
      kind: 2,
      name: rule,
      attributes: keyValues(attributes),
      start_time_unix_nano: String(start),
    };
  });
  const run = new NormalizeRun();
  const { observations } = run.push("traces", tracesRequest({ scope: "falco-event" }, spans));
  const asText = logged(falcoLines.map((body) => ({ body })));
  expect(observations).toEqual(asText.batch.observations);
  expect(observations.some(({ kind }) => kind === "span_half")).toBe(false);
});

test("falco: falcosidekick's log records have lost the fields, and their text is not searched for them", () => {
  const records = alerts.map(({ output, rule, priority, hostname }) => ({
    body: output,
    attributes: { rule, priority, hostname, source: "syscall", tags: "mesh_insights" },
  }));
  const { batch, counts } = logged(records, "falco");
  expect(batch.observations).toEqual([]);
  const counter = "normalize_dropped_items_total falco:missing_field";
  expect(counts).toMatchObject({ [counter]: records.length });
});

test("falco: neither arguments nor the alert's text are kept", () => {
  const { batch } = logged(falcoLines.map((body) => ({ body })));
  expect(JSON.stringify(batch)).not.toMatch(/secret-1|Terminal shell|matched/);
});

/** The fully printed alert of the fixture, with changes. */
function falcoAlert(changes: Readonly<Record<string, unknown>>): Told {
  const alert = alerts[1];
  const output_fields = { ...alert?.output_fields, ...changes };
  return logged([{ body: JSON.stringify({ ...alert, output_fields }) }]);
}

test("falco: ids, ports and names out of bounds are unknown", () => {
  const seen = (changes: Readonly<Record<string, unknown>>) =>
    falcoAlert(changes).observations[0] as ProcessSeen; // of this kind, as the golden file shows
  const ids = [0, "1337", -1, "4294967295", 1.5, null, "<NA>", "root", {}, 2 ** 60];
  expect(ids.map((id) => seen({ "user.uid": id }).process.uid)).toEqual([
    0, 1337, -1, -1, -1, -1, -1, -1, -1, -1,
  ]);
  const names = ["istio-proxy", "reverent_mahavira", "686e94dbf7ee", "k8s_POD_web_shop_1_0", "a/b"];
  expect(names.map((name) => seen({ "container.name": name }).process.container)).toEqual([
    "istio-proxy",
    "",
    "",
    "",
    "",
  ]);
  const connect = { "evt.type": "connect", "fd.name": "10.244.1.10:99999->[::1]:x" };
  expect(falcoAlert(connect).observations).toMatchObject([{ kind: "process_seen" }]);
  const far = { ...connect, "fd.sip": "198.51.100.66", "fd.sport": 70_000, "fd.cport": "-1" };
  expect(falcoAlert(far).observations).toMatchObject([
    { kind: "socket_opened", srcPort: 0, dstIp: "198.51.100.66", dstPort: 0, transport: "other" },
  ]);
  expect(seen({ "k8s.pod.name": "p".repeat(9_999) }).process.pod.pod).toHaveLength(253);
});

test("process attributes: the collector's host metrics are known, and tell nothing of anybody", () => {
  const run = new NormalizeRun();
  const told = readRecording("collector/hostmetrics.bin").flatMap(
    ({ signal, body }) => run.push(signal, body).observations,
  );
  expect(told.filter(({ kind }) => kind !== "heartbeat")).toEqual([]);
  const counts = run.counts();
  expect(Object.keys(counts).filter((key) => key.startsWith("unrecognized"))).toEqual([]);
  const unused = "normalize_dropped_items_total process-attributes:unused";
  expect(counts[unused]).toBeGreaterThan(0);
});

const inPod = {
  "k8s.cluster.name": "lab",
  "k8s.node.name": "node-1",
  "k8s.namespace.name": "shop",
  "k8s.pod.name": "web-6d4b75cb9d-x7k2p",
  "k8s.container.name": "app",
  "container.id": "686e94dbf7ee",
};
const shell = { "process.pid": 7, "process.executable.path": "/bin/sh", "process.owner": "1337" };

test("process attributes: numbers beside the pod's own name are a process seen", () => {
  const ids = { "process.user.id": 1337, "process.real_user.id": 1_000 };
  const { observations } = logged([{ attributes: { ...inPod, ...shell, ...ids } }]);
  expect(observations).toMatchObject([
    {
      kind: "process_seen",
      event: "seen",
      selective: true,
      host: "node-1",
      process: {
        uid: 1_000,
        gid: -1,
        euid: 1337,
        egid: -1,
        user: "",
        exe: "/bin/sh",
        container: "app",
        containerId: "686e94dbf7ee",
      },
    },
  ]);
});

test.each([
  ["a user's name alone", { ...inPod, ...shell }, ""],
  ["no pod", { ...shell, "process.user.id": 1337 }, "missing_field"],
  ["a name for an id", { ...inPod, ...shell, "process.user.id": "root" }, "missing_field"],
  ["the kernel's no id", { ...inPod, "process.user.id": 4_294_967_295 }, "missing_field"],
  ["an id below zero", { ...inPod, "process.group_id": -1 }, "missing_field"],
])("process attributes: %s tells nothing", (_what, attributes, reason) => {
  const { observations, counts } = logged([{ attributes }]);
  expect(observations).toEqual([]);
  const counter = `normalize_dropped_items_total process-attributes:${reason}`;
  expect(counts).toMatchObject(
    reason === "" ? { "unrecognized_records_total _unnamed": 1 } : { [counter]: 1 },
  );
});

test("process attributes: on a resource a pod's name alone is the agent's own, and an SDK's its own word", () => {
  const seenOf = (resource: Attributes) => {
    const point = { time_unix_nano: String(observedNs), as_int: "4096" };
    const sum = { aggregation_temporality: 2, is_monotonic: false, data_points: [point] };
    const metric = { name: "process.memory.usage", sum };
    const run = new NormalizeRun();
    const { observations } = run.push("metrics", metricsRequest({ resource }, [metric]));
    return observations.filter(({ kind }) => kind === "process_seen");
  };
  const whole = { ...inPod, ...shell, "process.user.id": 1337 };
  const { "container.id": _id, ...byConnection } = whole;
  expect(seenOf(whole)).toMatchObject([{ process: { uid: 1337, container: "app" } }]);
  expect(seenOf(byConnection)).toEqual([]);
  expect(seenOf({ ...whole, "telemetry.sdk.name": "opentelemetry" })).toEqual([]);
});

test("tetragon: files that are opened, and not what the policy made fail", () => {
  const process = { pid: 7, uid: 0, binary: "/bin/cat", pod: { namespace: "shop", name: "web" } };
  const told = (event: string, body: object) => {
    const line = JSON.stringify({ [event]: { process, ...body }, node_name: "node-1" });
    return logged([{ body: line }]).observations.map((item) =>
      item.kind === "file_access" ? `${item.access} ${item.path}` : item.kind,
    );
  };
  const token = "/var/run/secrets/tokens/istio-token";
  const file = { file_arg: { path: token, permission: "-rw-r--r--" } };
  const kprobe = (function_name: string, ...args: object[]) =>
    told("process_kprobe", { function_name, args });
  expect(kprobe("security_file_permission", file, { int_arg: 4 })).toEqual([
    "process_seen",
    `read ${token}`,
  ]);
  expect(kprobe("security_file_permission", file, { int_arg: 2 })).toContain(`write ${token}`);
  expect(kprobe("security_mmap_file", file, { uint_arg: 3 })).toContain(`write ${token}`);
  expect(kprobe("fd_install", { int_arg: 3 }, file)).toContain(`read ${token}`);
  expect(kprobe("security_path_truncate", { path_arg: { path: token } })).toContain(
    `write ${token}`,
  );
  expect(kprobe("security_ptrace_access_check", {})).toContain("memory ");
  expect(kprobe("commit_creds", file)).toEqual(["process_seen"]);
  expect(kprobe("fd_install", { file_arg: "x" })).toEqual(["process_seen"]);
  const lsm = { function_name: "file_open", args: [file] };
  expect(told("process_lsm", lsm)).toContain(`read ${token}`);
  const action = "KPROBE_ACTION_OVERRIDE";
  expect(told("process_lsm", { ...lsm, action })).toEqual(["process_seen"]);
  const connect = { function_name: "tcp_connect", args: [{ sock_arg: { daddr: "10.0.0.1" } }] };
  expect(told("process_kprobe", connect)).toEqual(["socket_opened"]);
  expect(told("process_kprobe", { ...connect, action })).toEqual(["process_seen"]);
});

test("tetragon: a socket that is about to connect leads where its call says", () => {
  const args = [
    { sock_arg: { daddr: "0.0.0.0", protocol: "IPPROTO_TCP" } },
    { sockaddr_arg: { family: "AF_INET", addr: "198.51.100.66", port: 443 } },
  ];
  const process = { pid: 7, uid: 0, binary: "/bin/cat" };
  const event = { process, function_name: "security_socket_connect", args };
  const { observations } = logged([{ body: JSON.stringify({ process_kprobe: event }) }]);
  expect(observations).toMatchObject([{ dstIp: "198.51.100.66", dstPort: 443, srcPort: 0 }]);
});

test("netflow: what stands for many packets counts as many", () => {
  const flowOf = (rate: number) =>
    logged([
      {
        attributes: {
          "flow.type": "sflow_5",
          "source.address": "10.0.0.1",
          "destination.address": "10.0.0.2",
          "flow.io.bytes": 100,
          "flow.io.packets": 1,
          "flow.sampling_rate": rate,
        },
      },
    ]).observations[0];
  expect(flowOf(0)).toMatchObject({ bytes: 100, packets: 1 });
  expect(flowOf(1)).toMatchObject({ bytes: 100, packets: 1 });
  expect(flowOf(512)).toMatchObject({ bytes: 51_200, packets: 512 });
  expect(flowOf(1e300)).toMatchObject({ bytes: 100, packets: 1 });
});
