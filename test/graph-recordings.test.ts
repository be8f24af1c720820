/**
 * The recordings of real software through decoders, normalizer and graph. The expected pairs are those
 * that the recording's README names; the picture must be the same for every order of arrival.
 */
import { expect, test } from "vitest";
import type { ObservationBatch } from "../src/model/observations.ts";
import { GraphWorld } from "./support/graph-world.ts";
import { NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import { readRecording, type RecordedRequest } from "./support/recordings.ts";

const traces = "envoy/traces.u32le";
const textLogs = "envoy/logs-istio-default.u32le";
const labelledLogs = "envoy/logs-labelled.u32le";
const sink = "envoy/metrics-stat-sink.u32le";

const expectedPairs = [
  "lab/bookinfo/productpage-v1 -> external/203.0.113.5:443 tcp passthrough unknown: 0 requests, 0 errors, 3 connections",
  "lab/bookinfo/productpage-v1 -> external/203.0.113.5:80 http passthrough unknown: 2 requests, 0 errors, 0 connections",
  "lab/bookinfo/productpage-v1 -> lab/bookinfo/reviews-v1:9080 http declared mutual_tls: 108 requests, 4 errors, 0 connections",
  "lab/bookinfo/productpage-v1 -> lab/bookinfo/reviews-v1:9999 tcp passthrough unknown: 0 requests, 2 errors, 2 connections",
  "unknown/10.1.0.1 -> lab/bookinfo/productpage-v1:9080 http declared unknown: 110 requests, 6 errors, 0 connections",
];

function batchesOf(requests: readonly RecordedRequest[]): ObservationBatch[] {
  const normalize = new NormalizeRun();
  return requests.map(({ signal, body }) => normalize.push(signal, body, { receivedUs }));
}

function worldOf(batches: readonly ObservationBatch[]): GraphWorld {
  const world = new GraphWorld();
  for (const batch of batches) world.push(batch);
  world.pass(1);
  return world;
}

/** A fixed shuffle for each seed. */
function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const all = [...items];
  let state = seed;
  for (let at = all.length - 1; at > 0; at--) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const other = state % (at + 1);
    [all[at], all[other]] = [all[other] as Item, all[at] as Item]; // both within the list
  }
  return all;
}

test.each([
  [[traces, textLogs, sink]],
  [[traces, labelledLogs, sink]],
  [[traces, textLogs, labelledLogs, sink]],
  [[labelledLogs, textLogs, traces]],
])("Envoy: %s give exactly the pairs that were made", (recordings) => {
  const world = worldOf(batchesOf(recordings.flatMap(readRecording)));
  expect(world.edgeLines()).toEqual(expectedPairs);
});

test("Envoy: every order and repetition gives the same picture", () => {
  const requests = [traces, textLogs, labelledLogs, sink].flatMap(readRecording);
  const expected = worldOf(batchesOf(requests)).picture();
  for (let seed = 1; seed <= 8; seed++) {
    const mixed = shuffled([...requests, ...shuffled(requests, seed).slice(0, 60)], seed);
    expect(worldOf(batchesOf(mixed)).picture(), `seed ${seed}`).toEqual(expected);
  }
});

test("Envoy: a restart in the middle changes nothing", () => {
  const requests = shuffled([traces, textLogs, labelledLogs].flatMap(readRecording), 4);
  const expected = worldOf(batchesOf(requests)).picture();
  const world = new GraphWorld();
  for (const [index, batch] of batchesOf(requests).entries()) {
    world.push(batch);
    if (index % 25 === 24) {
      world.commit();
      world.restart();
    }
  }
  world.pass(1);
  expect(world.picture()).toEqual(expected);
});

test("Prometheus: scrapes in any order and repeated give the same picture", () => {
  const requests = readRecording("collector/prometheus-istio.bin");
  const expected = worldOf(batchesOf(requests)).picture();
  for (let seed = 1; seed <= 8; seed++) {
    const mixed = shuffled([...requests, ...requests.slice(0, 10)], seed);
    expect(worldOf(batchesOf(mixed)).picture(), `seed ${seed}`).toEqual(expected);
  }
});

test("Prometheus: five scrapes give the edges, with what was added since the first", () => {
  const world = worldOf(batchesOf(readRecording("collector/prometheus-istio.bin")));
  expect(world.edgeLines()).toMatchSnapshot();
  expect(world.counters()["late_points_total"]).toBe(0);
});

test.each(["collector/netflow.bin", "collector/filelog-istio.bin"])(
  "%s leaves the graph without an invented peer",
  (recording) => {
    expect(worldOf(batchesOf(readRecording(recording))).edgeLines()).toMatchSnapshot();
  },
);
