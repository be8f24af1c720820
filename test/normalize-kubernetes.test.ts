/**
 * What a real API server's objects, kube-state-metrics and the collector's receivers were recorded to say
 * (fixtures/recordings/kubernetes/README.md), from bytes to observations and to the graph.
 */
import path from "node:path";
import { expect, test } from "vitest";
import type { Observation, ObservationBatch } from "../src/model/observations.ts";
import { GraphWorld } from "./support/graph-world.ts";
import { NormalizeRun, toLines } from "./support/normalize-run.ts";
import { bytesToPlain } from "./support/otlp-oracle.ts";
import { readRecording } from "./support/recordings.ts";

/** A moment after the request's newest time, so that none is from the future. */
function arrivalUs(text: string): number {
  const times = [...text.matchAll(/"(?:observed_)?time_unix_nano":"(\d+)"/g)];
  return Math.max(...times.map(([, nanos]) => Math.floor(Number(nanos) / 1_000))) + 1_000;
}

function read(name: string, run = new NormalizeRun()): ObservationBatch[] {
  return readRecording(`kubernetes/${name}.bin.gz`).map(({ signal, body }) =>
    run.push(signal, body, { receivedUs: arrivalUs(JSON.stringify(bytesToPlain(signal, body))) }),
  );
}

const observed = (batches: readonly ObservationBatch[]): Observation[] =>
  batches.flatMap(({ observations }) => observations).filter(({ kind }) => kind !== "heartbeat");

/** Nothing of it is unknown, and nothing was left out. */
function expectAllRead(run: NormalizeRun): void {
  const left = Object.entries(run.counts()).filter(
    ([name, count]) => /unrecognized|dropped/.test(name) && count > 0,
  );
  expect(left).toEqual([]);
}

test.each(["k8sobjects", "k8sobjects-0.111", "kube-state-metrics"])("%s", async (name) => {
  const run = new NormalizeRun();
  const observations = observed(read(name, run));
  expectAllRead(run);
  const golden = path.join(import.meta.dirname, `golden/normalize/recorded-${name}.jsonl`);
  await expect(toLines(observations)).toMatchFileSnapshot(golden);
});

test("k8s_cluster's metrics and entities are known, and nothing is made of them", () => {
  const run = new NormalizeRun();
  expect(observed(read("k8s-cluster", run))).toEqual([]);
  expectAllRead(run);
});

test("objects come in every form that the receiver has", () => {
  const seen = observed(read("k8sobjects")).flatMap((one) =>
    one.kind === "object_seen" ? [one] : [],
  );
  const forms = new Set(seen.map(({ event }) => event));
  expect([...forms].toSorted()).toEqual(["added", "deleted", "listed", "modified"]);
  const pod = seen.findLast(({ object }) => object.type === "pod" && object.name === "db-0");
  expect(pod?.object).toMatchObject({ containers: [{ name: "db" }, { ephemeral: true }] });
});

function podsOf(name: string): string[] {
  const world = new GraphWorld();
  for (const batch of read(name).slice(0, 8)) world.push(batch);
  world.commit();
  return world
    .restored()
    .pods.map(({ namespace, name: pod, nodeId }) => `${namespace}/${pod} ${nodeId > 0}`)
    .toSorted();
}

test("kube-state-metrics and objects tell of the same pods", () => {
  const pods = podsOf("kube-state-metrics");
  expect(pods).toHaveLength(5);
  expect(podsOf("k8sobjects")).toEqual(pods);
});
