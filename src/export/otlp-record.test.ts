/** Records as a sink reads them: encoded by OpenTelemetry's serializer, decoded by protobufjs. */
import { expect, test } from "vitest";
import { readRecords, type SinkRecord } from "../../test/support/otlp-sink.ts";
import { baseUs, makeRecord } from "../../test/support/write-sets.ts";
import type { Evidence } from "../model/changes.ts";
import type { InsightRecord, Severity } from "../model/insights.ts";
import { makeRequestEncoder, type RecordOrigin } from "./otlp-record.ts";

const origin: RecordOrigin = { version: "1.2.3", instanceId: "engine-1", cluster: "c1" };
const place = { cluster: "c1", namespace: "", workload: "", kind: "", address: "" };

function decode(records: readonly InsightRecord[], from: RecordOrigin = origin): SinkRecord[] {
  return readRecords(Buffer.from(makeRequestEncoder(from)(records)));
}

function decodeOne(over: Partial<InsightRecord>): SinkRecord {
  const [record] = decode([makeRecord("u1", over)]);
  if (record === undefined) throw new Error("nothing was encoded");
  return record;
}

function evidence(fields: Evidence["fields"], text = "it was seen"): Evidence {
  return { atUs: baseUs, nanos: 0, vantage: "node", source: "n1", text, fields, hash: text };
}

test("a transition is an event with every promised attribute, and no other", () => {
  const record = decodeOne({
    eventUs: 1_790_000_000_123_456,
    atUs: 1_790_000_001_000_001,
    reason: "",
    message: "shop/web reached 203.0.113.7:443 around its sidecar",
    rule: {
      id: "egress-around-proxy",
      ruleset: "mesh-baseline",
      title: "A connection that left the pod around its sidecar",
      severity: "critical",
      status: "stable",
      version: "abc123",
      description: "The socket reached the network.",
      tags: ["attack.t1048", "attack.t1036.010", "pci.1.3.2"],
      category: "capture",
      reference: "https://istio.io/",
    },
    subject: { ...place, namespace: "shop", workload: "web", kind: "Deployment" },
    peer: { ...place, kind: "external", address: "203.0.113.7" },
    peerPort: 443,
    firstSeenUs: 1_790_000_000_000_000,
    lastSeenUs: 1_790_000_000_000_001,
    evidence: [
      evidence({
        exe: "/usr/bin/curl",
        pid: 77,
        uid: 1337,
        euid: 0,
        pod: "web-1",
        container: "app",
      }),
    ],
  });
  expect(record).toMatchObject({
    eventName: "mesh_insights.insight",
    scope: "mesh-insights/rules 1.2.3",
    schemaUrl: "https://opentelemetry.io/schemas/1.44.0",
    severityNumber: 18,
    severityText: "critical",
    body: "shop/web reached 203.0.113.7:443 around its sidecar",
    time: "1790000000123456000",
    observed: "1790000001000001000",
    resource: {
      "service.name": "mesh-insights",
      "service.version": "1.2.3",
      "service.instance.id": "engine-1",
      "k8s.cluster.name": "c1",
    },
  });
  expect(record.attributes).toEqual({
    "log.record.uid": "u1",
    "security_rule.uuid": "egress-around-proxy",
    "security_rule.name": "A connection that left the pod around its sidecar",
    "security_rule.category": "capture",
    "security_rule.description": "The socket reached the network.",
    "security_rule.ruleset.name": "mesh-baseline",
    "security_rule.version": "abc123",
    "security_rule.reference": "https://istio.io/",
    "mesh_insights.rule.status": "stable",
    "mesh_insights.insight.id": "i1",
    "mesh_insights.insight.kind": "transition",
    "mesh_insights.insight.state": "firing",
    "mesh_insights.insight.previous_state": "pending",
    "mesh_insights.insight.severity": "critical",
    "mesh_insights.insight.confidence": "high",
    "mesh_insights.insight.first_seen": "2026-09-21T14:13:20.000000000Z",
    "mesh_insights.insight.last_seen": "2026-09-21T14:13:20.000001000Z",
    "mesh_insights.insight.occurrences": 4,
    "mesh_insights.insight.reopen_count": 0,
    "mesh_insights.insight.flapping": false,
    "mesh_insights.insight.acknowledged": false,
    "mesh_insights.insight.tags": ["attack.t1048", "attack.t1036.010", "pci.1.3.2"],
    "mesh_insights.insight.attack.technique.id": ["T1048", "T1036.010"],
    "mesh_insights.insight.attack.version": "19.0",
    "k8s.namespace.name": "shop",
    "k8s.deployment.name": "web",
    "service.name": "web",
    "destination.address": "203.0.113.7",
    "destination.port": 443,
    "process.pid": 77,
    "process.executable.path": "/usr/bin/curl",
    "process.user.id": 0,
    "k8s.pod.name": "web-1",
    "k8s.container.name": "app",
    "mesh_insights.evidence.texts": ["it was seen"],
    "mesh_insights.evidence.exe": "/usr/bin/curl",
    "mesh_insights.evidence.pid": 77,
    "mesh_insights.evidence.uid": 1337,
    "mesh_insights.evidence.euid": 0,
    "mesh_insights.evidence.pod": "web-1",
    "mesh_insights.evidence.container": "app",
  });
});

test.each<[Severity, number]>([
  ["info", 9],
  ["low", 10],
  ["medium", 13],
  ["high", 17],
  ["critical", 18],
])(
  "severity %s is number %d while it fires, and 9 when it is over or unknown",
  (severity, number) => {
    const rule = { ...makeRecord("u1").rule, severity };
    const told = (["firing", "resolved", "unknown"] as const).map((state) =>
      decodeOne({ rule, state }),
    );
    expect(told.map((record) => record.severityNumber)).toEqual([number, 9, 9]);
    expect(told.map((record) => record.severityText)).toEqual([severity, severity, severity]);
  },
);

test("what is waived or acknowledged says so, and what is waived is no alarm", () => {
  const waived = decodeOne({ waiver: "known", acknowledgedBy: "jo" });
  expect(waived).toMatchObject({ severityNumber: 9, severityText: "high" });
  expect(waived.attributes).toMatchObject({
    "mesh_insights.insight.waiver.id": "known",
    "mesh_insights.insight.acknowledged": true,
    "mesh_insights.insight.acknowledged_by": "jo",
  });
  expect(decodeOne({ acknowledgedBy: "jo" })).toMatchObject({ severityNumber: 17 });
});

test("records of one request share resource and scope, in order, and a retry is the same bytes", () => {
  const records = ["u1", "u2", "u3"].map((uid) => makeRecord(uid, { kind: "reminder" }));
  const encode = makeRequestEncoder(origin);
  const bytes = encode(records);
  expect(Buffer.from(encode(records)).equals(Buffer.from(bytes))).toBe(true);
  expect(decode(records).map(({ uid }) => uid)).toEqual(["u1", "u2", "u3"]);
  expect(decode(records)[0]?.attributes["mesh_insights.insight.kind"]).toBe("reminder");
});

test.each([
  ["Deployment", "k8s.deployment.name"],
  ["StatefulSet", "k8s.statefulset.name"],
  ["DaemonSet", "k8s.daemonset.name"],
  ["ReplicaSet", "k8s.replicaset.name"],
  ["Job", "k8s.job.name"],
  ["CronJob", "k8s.cronjob.name"],
  ["Pod", "k8s.pod.name"],
])("a workload of kind %s is named as %s", (kind, name) => {
  const { attributes } = decodeOne({ subject: { ...place, namespace: "ns", workload: "w", kind } });
  expect(attributes).toMatchObject({
    [name]: "w",
    "service.name": "w",
    "k8s.namespace.name": "ns",
  });
});

test("a kind of nobody's, another cluster and no cluster", () => {
  const other = { ...place, cluster: "c2", workload: "w", kind: "Rollout" };
  const { attributes } = decodeOne({ subject: other });
  expect(attributes).toMatchObject({ "service.name": "w", "k8s.cluster.name": "c2" });
  expect(Object.keys(attributes).filter((name) => name.startsWith("k8s."))).toEqual([
    "k8s.cluster.name",
  ]);
  const [without] = decode([makeRecord("u1")], { ...origin, cluster: "" });
  expect(without?.resource).not.toHaveProperty(["k8s.cluster.name"]);
});

test("a peer that was called is the destination; one that called is the source", () => {
  const peer = { ...place, namespace: "shop", workload: "cart", address: "10.0.0.9" };
  expect(decodeOne({ peer, peerPort: 8080 }).attributes).toMatchObject({
    "service.peer.name": "cart",
    "service.peer.namespace": "shop",
    "destination.address": "10.0.0.9",
    "destination.port": 8080,
  });
  const caller = decodeOne({ peer, peerPort: 0 }).attributes;
  expect(caller).toMatchObject({ "source.address": "10.0.0.9" });
  expect(caller).not.toHaveProperty(["destination.port"]);
});

test("the first value of an evidence field counts; unknown ids and a proxy's pod say nothing", () => {
  const { attributes } = decodeOne({
    evidence: [
      evidence({ role: "inbound", pod: "peer-1", src: "" }),
      evidence({ pid: 5, uid: -1, euid: -1, exe: "", pod: "web-1", src: "10.0.0.1:7" }),
      evidence({ src: "10.0.0.2:8" }),
    ],
  });
  expect(attributes).toMatchObject({
    "mesh_insights.evidence.pod": "peer-1",
    "mesh_insights.evidence.src": "10.0.0.1:7",
    "k8s.pod.name": "web-1",
    "process.pid": 5,
  });
  expect(attributes).not.toHaveProperty(["process.user.id"]);
  expect(attributes).not.toHaveProperty(["process.executable.path"]);
});

test("hostile and endless values are bounded and well-formed", () => {
  const long = "\u{1f600}".repeat(5_000);
  const fields = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}`, long]));
  const record = decodeOne({
    message: `half a pair \ud83d and ${long}`,
    subject: { ...place, namespace: long, workload: "a\u0000b", kind: "Deployment" },
    evidence: [
      evidence({ ...fields, "no name": "x", __proto__: "x" }),
      ...Array.from({ length: 19 }, (_, index) => evidence({ texts: "hide" }, `text ${index}`)),
    ],
  });
  expect(record.body.startsWith("half a pair \u{fffd} and \u{1f600}")).toBe(true);
  for (const value of [record.body, ...Object.values(record.attributes)]) {
    if (typeof value !== "string") continue;
    expect(Buffer.byteLength(value)).toBeLessThanOrEqual(1_024);
    expect(value.replaceAll("half a pair \u{fffd}", "")).not.toContain("\u{fffd}");
  }
  const names = Object.keys(record.attributes).filter((name) =>
    name.startsWith("mesh_insights.evidence."),
  );
  expect(names).toHaveLength(21);
  expect(record.attributes["mesh_insights.evidence.texts"]).toHaveLength(5);
});

test("a hundred of the largest records stay below a collector's limit of 4 MiB", () => {
  const long = "x".repeat(10_000);
  const fields = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`f${index}`, long]));
  const rule = {
    ...makeRecord("u1").rule,
    title: long,
    description: long,
    ruleset: long,
    version: long,
    category: long,
    reference: long,
    tags: Array.from({ length: 100 }, () => long),
  };
  const names = { cluster: long, namespace: long, workload: long, address: long };
  const subject = { ...names, kind: "Deployment" };
  const record = makeRecord("u1", {
    message: long,
    rule,
    subject,
    peer: subject,
    evidence: Array.from({ length: 20 }, () => evidence(fields, long)),
  });
  const bytes = makeRequestEncoder(origin)(Array.from({ length: 100 }, () => record));
  expect(bytes.length).toBeLessThan(4 * 2 ** 20);
});

test.each([
  ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true],
  ["0af7651916cd43dd8448eb211c80319c", "0000000000000000", false],
  ["not a trace", "b7ad6b7169203331", false],
])("the example request %s %s is the record's: %s", (trace_id, span_id, isShown) => {
  const { traceId, spanId } = decodeOne({
    evidence: [evidence({ pid: 1 }), evidence({ trace_id, span_id }, "a request")],
  });
  expect([traceId, spanId]).toEqual(isShown ? [trace_id, span_id] : ["", ""]);
});
