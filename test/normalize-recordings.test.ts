/** What the READMEs of the recordings say was made must come out: counts, pairs, flags and times. */
import { expect, test } from "vitest";
import type { EdgeSeries, Flow, ObservationBatch } from "../src/model/observations.ts";
import type { Observation, ProxyLeg, SpanHalf } from "../src/model/observations.ts";
import { NormalizeRun } from "./support/normalize-run.ts";
import { requestTypes } from "./support/otlp-oracle.ts";
import { readRecording } from "./support/recordings.ts";

function batchesOf(recording: string, run = new NormalizeRun()): ObservationBatch[] {
  return readRecording(recording).map(({ signal, body }) => run.push(signal, body));
}

function ofKind<Kind extends Observation["kind"]>(
  batches: readonly ObservationBatch[],
  kind: Kind,
): Extract<Observation, { kind: Kind }>[] {
  return batches
    .flatMap((batch) => batch.observations)
    .filter((item): item is Extract<Observation, { kind: Kind }> => item.kind === kind);
}

function tally<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}

test("Envoy's spans are the halves of the calls that were made", () => {
  const halves = ofKind(batchesOf("envoy/traces.u32le"), "span_half");
  const pairOf = (half: SpanHalf) =>
    `${half.side} ${half.self.pod.slice(0, 7)} ${half.route} ${half.peer.service || half.peer.address}:${half.port}`;
  expect(tally(halves, pairOf)).toEqual({
    "server product declared 10.1.0.1:9080": 110,
    "server reviews declared 10.1.0.51:9080": 108,
    "client product declared reviews:9080": 108,
    "client product passthrough :0": 2,
  });
  expect(halves.filter((half) => half.isError)).toHaveLength(14);
  expect(tally(halves, (half) => half.proxyRole)).toEqual({ sidecar: 328 });
  expect(tally(halves, (half) => half.source.key)).toEqual({
    "lab/bookinfo/productpage-v1-75b8c6d9f4-w2n6k": 220,
    "lab/bookinfo/reviews-v1-6d8f5c9b7c-l4q8z": 108,
  });
  expect(new Set(halves.map((half) => half.spanId)).size).toBe(328);
  expect(halves.every((half) => half.durationUs > 0 && half.requestId.length === 36)).toBe(true);
});

test("Envoy's Zipkin spans are halves too; a library's says nothing of who it is", () => {
  const run = new NormalizeRun();
  const halves = ofKind(batchesOf("envoy/zipkin.u32le", run), "span_half");
  const pairOf = ({ side, self, peer, port, isError }: SpanHalf) =>
    `${side} ${self.pod.slice(0, 7)} ${peer.service || peer.address}:${port} ${isError}`;
  expect(tally(halves, pairOf)).toEqual({
    "client product reviews:9080 false": 3,
    "client product reviews:9080 true": 1,
    "server reviews 10.244.0.14:9080 false": 3,
    "server reviews 10.244.0.14:9080 true": 1,
  });
  const spans = new Map(halves.map(({ spanId, traceId }) => [spanId, traceId]));
  const servers = halves.filter(({ side }) => side === "server");
  expect(servers.every((one) => spans.get(one.parentSpanId) === one.traceId)).toBe(true);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total sdk-spans:missing_field": 1,
  });
});

test.each([
  ["sdk/js-stable.bin", 3],
  ["sdk/js-before.bin", 2],
])("%s: an SDK's calls, by conventions of today and before", (recording, httpCalls) => {
  const run = new NormalizeRun();
  const halves = ofKind(batchesOf(recording, run), "span_half");
  const pairOf = ({ side, self, peer, port, protocol, isError }: SpanHalf) =>
    `${side} ${self.workload} ${peer.service || peer.address}:${port} ${protocol}${isError ? " failed" : ""}`;
  expect(tally(halves, pairOf)).toMatchSnapshot();
  expect(halves.filter(({ side }) => side === "client")).toHaveLength(httpCalls + 2);
  expect(new Set(halves.map(({ trust }) => trust))).toEqual(new Set(["claimed"]));
  const unread = Object.entries(run.counts()).filter(
    ([name, count]) => count > 0 && /unrecognized|dropped/.test(name),
  );
  expect(unread).toEqual([]);
});

function legsOf(recording: string): ProxyLeg[] {
  return ofKind(batchesOf(recording), "proxy_leg");
}

test("both variants of Envoy's access log are the same 335 legs", () => {
  const plain = legsOf("envoy/logs-istio-default.u32le");
  const labelled = legsOf("envoy/logs-labelled.u32le");
  const ids = (legs: readonly ProxyLeg[]) => legs.map((leg) => leg.lineId).sort();
  expect(plain).toHaveLength(335);
  expect(new Set(ids(plain)).size).toBe(335);
  expect(ids(labelled)).toEqual(ids(plain));
  const facts = ({
    pod: _pod,
    source: _source,
    peerPrincipal: _p,
    tlsVersion: _t,
    ...leg
  }: ProxyLeg) => leg;
  const byId = new Map(plain.map((leg) => [leg.lineId, facts(leg)]));
  for (const leg of labelled) expect(facts(leg)).toEqual(byId.get(leg.lineId));
});

/** The labelled variant as a mesh sends it that has emptied the text. */
function withoutBodies(request: Buffer): Buffer {
  const type = requestTypes.logs;
  const plain = type.toObject(type.decode(request)) as LogsRequest; // what the type says
  for (const { scope_logs } of plain.resource_logs) {
    for (const { log_records } of scope_logs) {
      for (const record of log_records) delete record.body;
    }
  }
  return Buffer.from(type.encode(type.fromObject(plain)).finish());
}

interface LogsRequest {
  readonly resource_logs: { scope_logs: { log_records: { body?: unknown }[] }[] }[];
}

test("labels alone tell what labels and text tell", () => {
  const run = new NormalizeRun();
  const path = "envoy/logs-labelled.u32le";
  const batches = readRecording(path).map(({ body }) => run.push("logs", withoutBodies(body)));
  expect(ofKind(batches, "proxy_leg")).toEqual(legsOf(path));
});

test("the legs tell sides, services, TLS and outcomes", () => {
  const legs = legsOf("envoy/logs-labelled.u32le");
  const labelOf = (leg: ProxyLeg) =>
    `${leg.side} ${leg.pod.workload} ${leg.route} ${leg.service}:${leg.servicePort} ${leg.isConnection ? "tcp" : "http"}${leg.peerPrincipal === "" ? "" : " mtls"}`;
  expect(tally(legs, labelOf)).toEqual({
    "inbound productpage-v1 declared :9080 http": 110,
    "inbound reviews-v1 declared :9080 http mtls": 108,
    "outbound productpage-v1 declared reviews:9080 http": 108,
    "outbound productpage-v1 passthrough :0 http": 2,
    "outbound productpage-v1 passthrough :0 tcp": 5,
    "inbound reviews-v1 inbound_passthrough :0 tcp": 2,
  });
  const inbound = legs.filter((leg) => leg.peerPrincipal !== "");
  expect(inbound.every((leg) => leg.serverName.startsWith("outbound_.9080_._."))).toBe(true);
  expect(inbound.every((leg) => leg.tlsVersion === "TLSv1.3")).toBe(true);
  expect(tally(legs, (leg) => leg.responseFlags)).toMatchObject({ UR: 2, "UF,URX": 2 });
  expect(legs.filter((leg) => leg.responseCode === 404)).toHaveLength(18);
  expect(legs.every((leg) => leg.endUs >= leg.timeUs)).toBe(true);
});

test("without labels a leg's proxy is known by its own address", () => {
  const legs = legsOf("envoy/logs-istio-default.u32le");
  expect(tally(legs, (leg) => `${leg.side} ${leg.pod.pod}${leg.pod.address}`)).toEqual({
    "inbound 10.1.0.51": 110,
    "inbound 10.1.0.52": 110,
    "outbound 10.1.0.51": 115,
  });
});

test("the two ends of a connection between sidecars join by address and port", () => {
  const legs = legsOf("envoy/logs-istio-default.u32le");
  const upstream = new Set(
    legs
      .filter((leg) => leg.side === "outbound")
      .map((leg) => `${leg.upstreamLocalIp}:${leg.upstreamLocalPort}`),
  );
  const inbound = legs.filter(
    (leg) => leg.side === "inbound" && leg.downstreamRemoteIp === "10.1.0.51",
  );
  expect(inbound).toHaveLength(110);
  for (const leg of inbound) {
    expect(upstream).toContain(`${leg.downstreamRemoteIp}:${leg.downstreamRemotePort}`);
  }
});

test("lines read from files have the time in their text", () => {
  const run = new NormalizeRun();
  const all = ofKind(batchesOf("collector/filelog-istio.bin", run), "proxy_leg");
  const legs = all.filter((leg) => leg.writer === undefined);
  expect(legs).toHaveLength(13);
  expect(new Set(legs.map((leg) => leg.lineId)).size).toBe(10); // three JSON lines came in two shapes
  expect(new Date((legs[0]?.timeUs ?? 0) / 1_000).toISOString()).toBe("2026-11-20T10:15:01.204Z");
  expect(tally(legs, (leg) => leg.route)).toEqual({
    declared: 8,
    passthrough: 4,
    blackhole: 1,
  });
  expect(legs.filter((leg) => leg.isDenied).map((leg) => leg.responseCode)).toEqual([
    403, 403, 403,
  ]);
  const ambient = all.filter((leg) => leg.writer === "ztunnel");
  expect(ambient.map(({ side, security }) => [side, security])).toEqual([
    ["inbound", "none"],
    ["outbound", "mutual_tls"],
    ["inbound", "mutual_tls"],
  ]);
  expect(run.counts()).not.toHaveProperty("unrecognized_records_total _unnamed");
});

test("NetFlow records are one direction each, with times that can be", () => {
  const flows = ofKind(batchesOf("collector/netflow.bin"), "flow");
  expect(flows).toHaveLength(41);
  const closed = flows.filter((flow) => flow.closed);
  expect(closed.every((flow) => flow.transport === "tcp" && flow.tcpFlags === 27)).toBe(true);
  expect(tally(flows, (flow) => flow.host)).toEqual({ "127.0.0.1": 41 });
  expect(tally(flows, (flow) => (flow.clamped ? "clamped" : "as told"))).toEqual(clampedCounts);
  expect(flows.every((flow: Flow) => flow.endUs > 1_795_245_200_000_000)).toBe(true);
  expect(tally(flows, (flow) => flow.transport)).toEqual(transportCounts);
});

/** v5 and v9 have worthless clocks; the two IPFIX packets say the second of the export. */
const clampedCounts = { clamped: 22, "as told": 19 };
const transportCounts = { tcp: 26, udp: 7, icmp: 8 };

function seriesOf(batches: readonly ObservationBatch[]): EdgeSeries[] {
  return batches.flatMap((batch) => [...batch.series]);
}

test("scraped Istio metrics become series once and samples always", () => {
  const run = new NormalizeRun();
  const batches = batchesOf("collector/prometheus-istio.bin", run);
  const series = seriesOf(batches);
  expect(series.map((item) => item.id)).toEqual(series.map((_, index) => index));
  expect(new Set(series.map((item) => item.hash)).size).toBe(series.length);
  const samples = batches.reduce((sum, batch) => sum + batch.samples.count, 0);
  const stale = batches.flatMap(({ samples: { stale: flags } }) => [...flags]).filter(Boolean);
  expect([series.length, samples, stale.length > 0]).toEqual([50, 248, true]);
  expect(tally(series, (item) => item.reporter)).toEqual(reporters);
  for (const item of series) {
    expect(item.source.key.includes("ztunnel")).toBe(item.reporter.startsWith("ztunnel"));
  }
  for (const batch of batches) {
    expect([...batch.samples.value].every(Number.isFinite)).toBe(true);
    expect([...batch.samples.startUs].every((startUs) => startUs === 0)).toBe(true);
  }
});

const reporters = { source: 26, destination: 8, ztunnel: 12, ztunnel_source: 4 };

test("only rows that can know say whether traffic was plain", () => {
  const series = seriesOf(batchesOf("collector/prometheus-istio.bin"));
  expect(
    series.filter((item) => item.reporter === "source").map((item) => item.security),
  ).toSatisfy((all: string[]) => all.every((security) => security === "unknown"));
  const plain = series.filter((item) => item.security === "none");
  expect(plain.length).toBeGreaterThan(0);
  expect(plain.every((item) => item.src.workload === "" && item.src.principal === "")).toBe(true);
});

test("a scrape of known series pushes no definition again", () => {
  const run = new NormalizeRun();
  batchesOf("collector/prometheus-istio.bin", run);
  expect(seriesOf(batchesOf("collector/prometheus-istio.bin", run))).toEqual([]);
});

test("Envoy's own statistics are known; where nobody is named, its connections are left out", () => {
  const run = new NormalizeRun();
  const batches = batchesOf("envoy/metrics-stat-sink.u32le", run);
  expect(batches.every((batch) => batch.samples.count === 0)).toBe(true);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total envoy-stats:missing_field": 24,
  });
});

test("what passed through a collector's queue is read like the rest", () => {
  const run = new NormalizeRun();
  const batches = batchesOf("collector/gateway.bin", run);
  expect(ofKind(batches, "span_half")).toHaveLength(384);
  expect(ofKind(batches, "proxy_leg")).toHaveLength(16);
  expect(batches.reduce((sum, batch) => sum + batch.samples.count, 0)).toBe(480);
});

test("each source is alive at most once per capability and batch", () => {
  for (const recording of ["envoy/traces.u32le", "collector/prometheus-istio.bin"]) {
    for (const batch of batchesOf(recording)) {
      const keys = ofKind([batch], "heartbeat").map(
        (beat) => `${beat.capability} ${beat.source.key}`,
      );
      expect(new Set(keys).size).toBe(keys.length);
    }
  }
});
