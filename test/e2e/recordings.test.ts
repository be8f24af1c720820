/**
 * The recordings of real software, replayed by the built program into a running engine: through the
 * gRPC receiver, the store and the API. In order, twice, shuffled and repeated, the graph and the
 * insights are the same.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { RecordedRequest } from "../../src/cli/recording.ts";
import type { ApiGraph, ApiInsight, ApiPage } from "../../src/model/api.ts";
import {
  freePort,
  getJson,
  run,
  startEngine,
  TempFolder,
  until,
  type Engine,
  type Finished,
} from "../support/program.ts";
import {
  convertedRequests,
  endingAt,
  simulatedRequests,
  writeRecording,
} from "../support/recording-files.ts";
import { recordingPaths } from "../support/recordings.ts";

const traces = "envoy/traces.u32le";
const textLogs = "envoy/logs-istio-default.u32le";
const labelledLogs = "envoy/logs-labelled.u32le";
const sink = "envoy/metrics-stat-sink.u32le";

/** What test/fixtures/recordings/envoy/README.md says was done, and nothing else. */
const envoyPairs = [
  "lab/bookinfo/productpage-v1 -> external/203.0.113.5 http:80 passthrough unknown 2/0",
  "lab/bookinfo/productpage-v1 -> external/203.0.113.5 tcp:443 passthrough unknown 0/0",
  "lab/bookinfo/productpage-v1 -> lab/bookinfo/reviews-v1 http:9080 declared mutual_tls 108/4",
  "lab/bookinfo/productpage-v1 -> lab/bookinfo/reviews-v1 tcp:9999 passthrough unknown 0/2",
  "unknown/10.1.0.1 -> lab/bookinfo/productpage-v1 http:9080 declared unknown 110/6",
];

async function graphLines(engine: Engine): Promise<string[]> {
  const graph = await getJson<ApiGraph>(`${engine.web}/api/v1/graph?limit=10000`);
  expect(graph.truncated).toBe(false);
  return graph.edges
    .map((edge) => {
      const ends = `${edge.source} -> ${edge.target}`;
      const what = `${edge.protocol}:${edge.port} ${edge.route} ${edge.security}`;
      return `${ends} ${what} ${edge.requests}/${edge.errors}`;
    })
    .toSorted();
}

/**
 * Subject, state and evidence. How often a counter rose, and by how much at once, hangs on which of its
 * points had come when it was told: that evidence, and the count of times, is left out. So is what the
 * engine says of itself.
 */
async function insightLines(engine: Engine): Promise<string[]> {
  const page = await getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?limit=1000`);
  return page.items
    .filter(({ rule }) => rule !== "open-trust")
    .flatMap((item) => {
      const { namespace, workload, address, port } = item.peer;
      const peer = `${namespace}/${workload}${address}:${port}`;
      const who = `${item.rule} ${item.namespace}/${item.workload} ${peer}`;
      const evidence = item.evidence.map(
        (one) => `${who}: ${one.at} ${one.source} ${one.text} ${JSON.stringify(one.fields)}`,
      );
      return [`${who} is ${item.state}`, ...evidence];
    })
    .toSorted();
}

async function replay(engine: Engine, file: string, ...options: string[]): Promise<Finished> {
  const finished = await run(["replay", file, "--to", engine.grpc, ...options]);
  expect(finished).toMatchObject({ code: 0, out: "" });
  expect(finished.error).toContain(`accepted by ${engine.grpc}, 0 refused`);
  return finished;
}

const startLab = async (folder: string): Promise<Engine> =>
  startEngine(folder, await freePort(), ["cluster.name=lab"]);

/** A fixed shuffle for each seed; arrivals stay where they were. */
function shuffled(requests: readonly RecordedRequest[], seed: number): RecordedRequest[] {
  const all = [...requests];
  let state = seed;
  for (let at = all.length - 1; at > 0; at--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const other = state % (at + 1);
    [all[at], all[other]] = [all[other]!, all[at]!]; // both within the list
  }
  return all;
}

test("every recording is accepted whole", async () => {
  using folder = new TempFolder();
  const engine = await startLab(folder.path);
  await using program = engine.program;
  for (const path of recordingPaths()) {
    const requests = convertedRequests(path);
    const file = join(folder.path, `${path.replace("/", "-")}.rec`);
    const { error } = await replay(engine, await writeRecording(file, requests));
    expect(error).toBe(`${requests.length} requests accepted by ${engine.grpc}, 0 refused\n`);
  }
  const metrics = await (await fetch(`${engine.web}/metrics`)).text();
  const refused = metrics
    .split("\n")
    .filter((line) => /receiver_(refused|failed|rejected)_\w+_total\{.* [1-9]/.test(line));
  expect(refused).toEqual([]);
  await program.kill("SIGTERM");
});

/** Waits for it; if it does not come, says what came instead. */
async function expectLines(ask: () => Promise<string[]>, expected: string[]): Promise<void> {
  const wanted = JSON.stringify(expected);
  await until(ask, (lines) => JSON.stringify(lines) === wanted, 30_000).catch(() => {});
  expect(await ask()).toEqual(expected);
}

test.each([
  [[traces, textLogs, sink]],
  [[traces, labelledLogs, sink]],
  [[traces, textLogs, labelledLogs, sink]],
])("Envoy: %s give exactly the pairs, also when replayed twice", async (paths) => {
  using folder = new TempFolder();
  const engine = await startLab(folder.path);
  await using program = engine.program;
  const requests = endingAt(paths.flatMap(convertedRequests), Date.now());
  const file = await writeRecording(join(folder.path, "envoy.rec"), requests);
  await replay(engine, file, "--original-time");
  await expectLines(async () => graphLines(engine), envoyPairs);
  await replay(engine, file, "--original-time");
  await sleep(2_000); // what changes now would change for the worse
  expect(await graphLines(engine)).toEqual(envoyPairs);
  await program.kill("SIGTERM");
});

test("Envoy: times shifted to now give the same pairs", async () => {
  using folder = new TempFolder();
  const engine = await startLab(folder.path);
  await using program = engine.program;
  const recorded = [traces, textLogs, labelledLogs, sink].flatMap(convertedRequests);
  const requests = endingAt(recorded, Date.parse("2026-01-01T00:00:00Z"));
  await replay(engine, await writeRecording(join(folder.path, "envoy.rec"), requests));
  await expectLines(async () => graphLines(engine), envoyPairs);
  await program.kill("SIGTERM");
});

test("shuffled and repeated, the graph and the insights are the same", async () => {
  using folder = new TempFolder();
  const nowMs = Date.now();
  const envoy = [traces, textLogs, labelledLogs, sink].flatMap(convertedRequests);
  const requests = [...simulatedRequests(7, 20, nowMs), ...endingAt(envoy, nowMs)];
  const seeds = [0, 1, 2];
  const worlds = await Promise.all(
    seeds.map(async (seed) => {
      const mixed =
        seed === 0 ? requests : shuffled([...requests, ...requests.slice(50, 250)], seed);
      const own = join(folder.path, String(seed));
      mkdirSync(own);
      const engine = await startLab(own);
      await replay(engine, await writeRecording(join(own, "x.rec"), mixed), "--original-time");
      return engine;
    }),
  );
  const [first, ...others] = worlds;
  try {
    await until(
      async () => insightLines(first!), // there are three
      (lines) =>
        ["proxy-uid-in-app", "egress-around", "plaintext-tr"].every((rule) =>
          lines.some((line) => line.startsWith(rule) && line.includes(" is firing")),
        ),
      30_000,
    );
    await sleep(3_000);
    for (const other of others) {
      await expectLines(async () => graphLines(other), await graphLines(first!));
      await expectLines(async () => insightLines(other), await insightLines(first!));
    }
  } finally {
    await Promise.all(worlds.map(async ({ program }) => program.kill("SIGTERM")));
  }
});

test("replay --eval twice prints the same", async () => {
  using folder = new TempFolder();
  const requests = simulatedRequests(4, 15, Date.parse("2026-03-01T10:00:00Z"));
  const file = await writeRecording(join(folder.path, "x.rec"), requests);
  const [once, again] = [
    await run(["replay", file, "--eval"]),
    await run(["replay", file, "--eval"]),
  ];
  expect(once).toMatchObject({
    code: 0,
    error: expect.stringContaining(`${requests.length} requests`),
  });
  expect(again).toEqual(once);
  const rules = once.out
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as ApiInsight).rule);
  expect(new Set(rules)).toEqual(
    new Set([
      "egress-around-proxy",
      "plaintext-from-unidentified-source",
      "plaintext-traffic",
      "proxy-gid-in-application",
      // Of the notebook's sidecar nothing is ever heard.
      "proxy-not-reporting",
      "proxy-uid-in-application",
      "sensitive-port-reached",
    ]),
  );
});
