/**
 * The whole pipeline in this process, from request bytes to rows and insights, on a virtual clock: the
 * simulated mesh and the recordings of real software, in order, twice, shuffled and repeated.
 */
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { Simulation } from "../src/cli/demo/simulation.ts";
import { Evaluator } from "../src/cli/evaluate.ts";
import type { RecordedRequest } from "../src/cli/recording.ts";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline } from "../src/engine/pipeline.ts";
import { PrometheusRegistry } from "../src/export/prometheus.ts";
import { systemClock } from "../src/lib/clock.ts";
import type { FacetRow, NodeRow, WriteSet } from "../src/model/rows.ts";
import { Signal } from "../src/model/stages.ts";
import { usPerMs, usPerSecond } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";
import { readRecording, recordingPaths } from "./support/recordings.ts";

const rules = loadRules(readRuleFiles(fileURLToPath(new URL("../rules", import.meta.url)))).rules;
const startMs = 1_795_300_000_000;

function makeConfig(...sets: string[]) {
  const loaded = loadConfig([], sets, {});
  if (!loaded.ok) throw new Error("the test's settings are valid");
  return loaded.config;
}
const config = makeConfig("cluster.name=demo");

/** What is the same for every order of arrival: the graph and the insights with their evidence. */
class Result {
  readonly #nodes = new Map<number, NodeRow>();
  readonly #facets = new Map<number, FacetRow>();
  readonly #edges = new Map<number, { srcId: number; dstId: number; transport: string }>();

  add(rows: WriteSet): void {
    for (const row of rows.nodes) this.#nodes.set(row.id, row);
    for (const row of rows.edges) this.#edges.set(row.id, row);
    for (const row of rows.facets) this.#facets.set(row.id, row);
  }

  /** One line per facet of nodes that still stand for themselves. */
  lines(): string[] {
    return [...this.#facets.values()]
      .flatMap((facet) => {
        const edge = this.#edges.get(facet.edgeId);
        const [src, dst] = [this.#nodes.get(edge?.srcId ?? 0), this.#nodes.get(edge?.dstId ?? 0)];
        if (!edge || !src || !dst || src.mergedInto !== 0 || dst.mergedInto !== 0) return [];
        if (facet.shadowed) return [];
        const numbers = [facet.requests, facet.errors, facet.connections, facet.aroundProxy];
        const what = `${edge.transport} ${facet.protocol}:${facet.port} ${facet.security} ${facet.route}`;
        return [`${src.key} -> ${dst.key} ${what} ${numbers.join("/")}`];
      })
      .sort();
  }
}

function evaluate(requests: readonly RecordedRequest[], settings = config) {
  const graph = new Result();
  const evaluator = new Evaluator(settings, rules, (rows) => graph.add(rows));
  for (const request of requests) evaluator.take(request);
  const { accepted, repeated, refused, insights } = evaluator.finish();
  const found = insights
    .filter((row) => row.state !== "inactive")
    .map(
      (row) =>
        `${row.rule} ${row.namespace}/${row.workload} ${row.peerNamespace}/${row.peerWorkload}${row.peerAddress}:${row.peerPort} ${row.state} ${row.occurrences}`,
    );
  const evidence = insights
    .filter((row) => row.state !== "inactive")
    .map((row) => `${row.fingerprint} ${row.evidence}`);
  return {
    accepted,
    repeated,
    refused,
    graph: graph.lines(),
    found: found.sort(),
    evidence: evidence.sort(),
  };
}

function simulate(seconds: number): RecordedRequest[] {
  const simulation = new Simulation(5);
  return Array.from({ length: seconds }, (_, second) => startMs + second * 1_000).flatMap((atMs) =>
    simulation.tick(atMs).map(({ signal, bytes }) => ({
      receivedUs: atMs * usPerMs,
      signal,
      body: new Uint8Array(bytes),
    })),
  );
}

/** Requests as they arrive when each is late by something else, up to 45 s: below `lateness`. */
function delayed(requests: readonly RecordedRequest[], seed: number): RecordedRequest[] {
  let state = seed;
  const late = requests.map((request) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return { ...request, receivedUs: request.receivedUs + (state % 45_000) * usPerMs };
  });
  return late.sort((a, b) => a.receivedUs - b.receivedUs);
}

const signals = { traces: Signal.traces, metrics: Signal.metrics, logs: Signal.logs };

function recorded(path: string, atUs: number): RecordedRequest[] {
  return readRecording(path).map(({ signal, body }, index) => ({
    receivedUs: atUs + index * usPerSecond,
    signal: signals[signal],
    body: new Uint8Array(body),
  }));
}

let story: RecordedRequest[];
let expected: ReturnType<typeof evaluate>;
beforeAll(() => {
  story = simulate(20);
  expected = evaluate(story);
});

test("the simulated mesh: the attack is found, and nobody else is accused", () => {
  expect(expected.refused).toEqual([]);
  const accused = new Set(expected.found.map((line) => line.split(" ").slice(0, 2).join(" ")));
  expect([...accused].sort()).toEqual([
    "egress-around-proxy tenant-a/notebook",
    "plaintext-traffic bookinfo/details-v1",
    "plaintext-traffic bookinfo/ratings-v1",
    "proxy-gid-in-application tenant-a/notebook",
    "proxy-not-reporting tenant-a/notebook",
    "proxy-uid-in-application tenant-a/notebook",
    "sensitive-port-reached tenant-a/notebook",
    "undeclared-egress bookinfo/ratings-v1",
  ]);
});

test("the same requests give the same result, also when each comes twice", () => {
  expect(evaluate(story)).toEqual(expected);
  const twice = evaluate(story.flatMap((request) => [request, request]));
  expect(twice.repeated).toBe(story.length);
  expect({ ...twice, repeated: 0 }).toEqual(expected);
});

test("any order of arrival gives the same graph and the same insights with the same evidence", () => {
  for (const seed of [1, 2, 3, 4]) {
    const { graph, found, evidence } = evaluate(delayed([...story, ...story.slice(0, 40)], seed));
    expect(graph, `seed ${seed}`).toEqual(expected.graph);
    expect(found, `seed ${seed}`).toEqual(expected.found);
    expect(evidence, `seed ${seed}`).toEqual(expected.evidence);
  }
});

test.each(recordingPaths())("%s is accepted whole", (path) => {
  const requests = recorded(path, systemClock.nowUs());
  const { accepted, repeated, refused } = evaluate(requests);
  expect(refused).toEqual([]);
  expect(accepted + repeated).toBe(requests.length);
});

test("every number that the stages report is declared for /metrics", () => {
  const pipeline = new Pipeline(pipelineOptions(config, rules), { push() {} });
  const registry = new PrometheusRegistry();
  for (const [index, { signal, body, receivedUs }] of story.entries()) {
    const hash = String(index).padStart(32, "0");
    pipeline.handle({
      signal,
      hash,
      body: Buffer.from(body),
      receivedUs,
      sender: { listener: "grpc", client: "" },
    });
  }
  expect(registry.applySamples(pipeline.counters())).toEqual([]);
});
