/**
 * Items of every source, spoiled: nothing is thrown, each is counted once, memory has its bound, and what
 * stands beside in the request is read as if it were alone. `VOCABULARY_INPUTS=1000000` asks for so many;
 * without it a twentieth. A failure names the seed and the number of the input, from which it comes again.
 */
import v8 from "node:v8";
import vm from "node:vm";
import { expect, test } from "vitest";
import { LogsDecoder } from "../../src/decode/logs.ts";
import { MetricsDecoder } from "../../src/decode/metrics.ts";
import { TracesDecoder } from "../../src/decode/traces.ts";
import { TextInterner } from "../../src/lib/interner.ts";
import type { ObservationBatch } from "../../src/model/observations.ts";
import type { CounterSample } from "../../src/model/stages.ts";
import { BatchBuilder } from "../../src/normalize/batch.ts";
import { ClusterNames } from "../../src/normalize/names.ts";
import { Normalizer } from "../../src/normalize/normalizer.ts";
import { Sources } from "../../src/normalize/sources.ts";
import { Tally } from "../../src/normalize/tally.ts";
import { makeVocabularies } from "../../src/normalize/vocabularies.ts";
import { crossed, spoil } from "../support/hostile.ts";
import { receivedUs } from "../support/normalize-run.ts";
import { keyValues } from "../support/otlp-build.ts";
import type { SignalName } from "../support/otlp-oracle.ts";
import {
  requestOf,
  vocabularyCorpus,
  type CorpusItem,
  type Plain,
} from "../support/vocabulary-corpus.ts";
import { makeRandom } from "../support/wire.ts";

const inputs = Number(process.env["VOCABULARY_INPUTS"] ?? 50_000);
const seed = Number(process.env["VOCABULARY_SEED"] ?? 1);
const arrival = { receivedUs, sender: { listener: "grpc", client: "" } } as const;
const corpus = vocabularyCorpus(60);

/** What is counted of items that yielded nothing. */
const counters: ReadonlySet<string> = new Set([
  "normalize_dropped_items_total",
  "unrecognized_metrics_total",
  "unrecognized_records_total",
  "series_dropped_total",
]);

class Fuzzed {
  readonly #metrics = new MetricsDecoder();
  readonly #traces = new TracesDecoder();
  readonly #logs = new LogsDecoder();
  readonly #normalizer = new Normalizer({
    cluster: "lab",
    clusterAliases: {},
    trust: [],
    limits: { maxSeries: 5_000, memoMaxBytes: 1 << 20, maxNames: 500, maxSources: 1_000 },
  });
  #counted = 0;

  /** Null: the decoder refused the request as a whole. */
  push(signal: SignalName, body: Buffer): ObservationBatch | null {
    switch (signal) {
      case "metrics": {
        const decoded = this.#metrics.decode(body);
        return decoded.ok ? this.#normalizer.metrics(decoded.view, arrival) : null;
      }
      case "traces": {
        const decoded = this.#traces.decode(body);
        return decoded.ok ? this.#normalizer.traces(decoded.view, arrival) : null;
      }
      case "logs": {
        const decoded = this.#logs.decode(body);
        return decoded.ok ? this.#normalizer.logs(decoded.view, arrival) : null;
      }
    }
  }

  /** Items counted as of no use since the last call. */
  counted(): number {
    const samples: CounterSample[] = [];
    this.#normalizer.counters(samples);
    const total = samples.reduce(
      (sum, { name, value }) => (counters.has(name) ? sum + value : sum),
      0,
    );
    const more = total - this.#counted;
    this.#counted = total;
    return more;
  }
}

const point = (labels: Record<string, string>): Plain => ({
  attributes: [...keyValues(labels)],
  time_unix_nano: String(receivedUs * 1_000),
  as_double: 5,
});
const attributesOf = (values: Record<string, string>): Plain => ({
  attributes: [...keyValues(values)],
});

/** A good item of each signal, and what is looked for of it in a batch. */
const good = {
  metrics: {
    resource: attributesOf({ "service.name": "kubernetes-pods" }),
    item: {
      name: "istio_requests_total",
      sum: {
        aggregation_temporality: 2,
        is_monotonic: true,
        data_points: [
          point({
            reporter: "destination",
            source_workload: "a",
            destination_workload: "b",
            pod: "b-1",
            namespace: "n",
          }),
        ],
      },
    },
  },
  traces: {
    resource: {},
    item: {
      span_id: "AQIDBAUGBwg=",
      kind: 3,
      start_time_unix_nano: String(receivedUs * 1_000),
      end_time_unix_nano: String(receivedUs * 1_000),
      ...attributesOf({
        node_id: "sidecar~10.9.9.9~good-1.shop~shop.svc.cluster.local",
        upstream_cluster: "outbound|80||a.shop.svc.cluster.local",
      }),
    },
  },
  logs: {
    resource: {},
    item: {
      body: {
        string_value:
          '{"process_exec":{"process":{"binary":"/good/one","uid":1,"pod":{"name":"p","namespace":"n"}}},"node_name":"good"}',
      },
    },
  },
} satisfies Record<SignalName, Pick<CorpusItem, "resource" | "item">>;

/** How often the good item was read. */
function goodOnes(signal: SignalName, batch: ObservationBatch, series: number): number {
  if (signal === "metrics") {
    return batch.samples.series.slice(0, batch.samples.count).filter((id) => id === series).length;
  }
  return batch.observations.filter((one) =>
    one.kind === "process_seen"
      ? one.process.exe === "/good/one"
      : one.kind === "span_half" && one.spanId === "0102030405060708",
  ).length;
}

/** The sources of the good items, which live in each request. */
const isGood = (key: string): boolean => /^lab\/(?:n\/b-1|shop\/good-1|good)$/.test(key);

/** Samples and observations; signs of life are no items. */
function yielded(batch: ObservationBatch): number {
  // An access is told beside the process that it is of.
  const beside: ReadonlySet<string> = new Set(["heartbeat", "file_access"]);
  return batch.samples.count + batch.observations.filter(({ kind }) => !beside.has(kind)).length;
}

/** What the vocabularies say of a name, asked apart from the run. */
const plans = makeVocabularies(
  {
    clusters: new ClusterNames("lab", {}),
    sources: new Sources(10),
    tally: new Tally(10),
    batch: new BatchBuilder(),
  },
  new TextInterner(100, 10_000),
).metrics;

/** Of one metric's points, these want those with certain labels: the others are as good as ignored metrics. */
const selective: ReadonlySet<string> = new Set(["istio-components", "envoy-stats", "k8s-cluster"]);

/** Of the k8s_cluster receiver: known by this attribute, and nothing is made of it. */
const isEntityEvent = ({ attributes }: Plain): boolean =>
  Array.isArray(attributes) &&
  attributes.some((one: Plain) => one["key"] === "otel.entity.event.type");

/** Known and of no use, a sign of life, or stale: nothing has to be counted of it. */
function mayBeSilent({ signal, item }: CorpusItem, batch: ObservationBatch): boolean {
  const signs = batch.observations.filter(
    ({ kind, source }) => kind === "heartbeat" && !isGood(source.key),
  );
  if (signs.length > 0) return true;
  if (signal === "logs") return isEntityEvent(item);
  if (signal === "traces") return false;
  const name = typeof item["name"] === "string" ? item["name"].slice(0, 255) : "";
  const plan = plans.map((one) => one.plan(name)).find((one) => one !== null);
  if (!plan || plan.kind === "ignored") return plan !== undefined;
  return selective.has(plan.vocabulary) || pointsOf(item) === 0 || isStale(item);
}

function dataPoints(item: Plain): Plain[] {
  const data = ["gauge", "sum", "histogram", "exponential_histogram", "summary"]
    .map((kind) => item[kind])
    .find((one) => one !== undefined);
  return ((data as Plain | undefined)?.["data_points"] ?? []) as Plain[]; // as OTLP has them
}
const pointsOf = (item: Plain): number => dataPoints(item).length;
const isStale = (item: Plain): boolean =>
  dataPoints(item).some(({ flags }) => Number(flags) % 2 === 1);

/** No NaN, no infinity, no undefined in what the graph and the store will hold; null is an object's own. */
function isStorable(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "object") return value === null || Object.values(value).every(isStorable);
  return typeof value === "string" || typeof value === "boolean";
}

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void; // what the flag brings
function heapMiB(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / (1 << 20);
}

/** "" = as it should be. */
function faultOf(
  spoiled: CorpusItem,
  batch: ObservationBatch,
  read: number,
  unused: number,
): string {
  const items = spoiled.signal === "metrics" ? pointsOf(spoiled.item) : 1;
  if (!isStorable(batch.observations)) return "not to be stored";
  // Of an object that is read, parts too large for it are counted each.
  const isObject = batch.observations.some(({ kind }) => kind === "object_seen");
  if (read > items || (!isObject && read + unused > items))
    return `${read} read and ${unused} counted of ${items}`;
  return read + unused < items && !mayBeSilent(spoiled, batch) ? "not counted" : "";
}

const pickOne = (random: () => number): CorpusItem => corpus[Math.floor(random() * corpus.length)]!; // it has some
const faultsShown = 5;

/** At least a tenth of the spoiled items still say something, or the spoiling is not worth much. */
const leastUsefulShare = 0.1;
const heapGrowthMiB = 48;

test(
  `${inputs} spoiled items of all vocabularies`,
  () => {
    const random = makeRandom(seed);
    const run = new Fuzzed();
    const scope: Plain = {};
    const first = { from: "", signal: "metrics", scope, ...good.metrics } as const;
    const goodSeries = run.push("metrics", requestOf(first, []))?.series[0]?.id ?? -1;
    run.counted();
    let [useful, refused, warmMiB] = [0, 0, 0];
    const faults: string[] = [];
    for (let at = 0; at < inputs && faults.length < faultsShown; at++) {
      const one = pickOne(random);
      const spoiled = spoil(random() < 0.1 ? crossed(one, pickOne(random)) : one, random);
      const { signal } = spoiled;
      const beside = { from: "", signal, scope, ...good[signal] };
      const batch = run.push(signal, requestOf(spoiled, [beside]));
      if (batch === null) {
        refused++;
        continue;
      }
      const goodRead = goodOnes(signal, batch, goodSeries);
      const read = yielded(batch) - goodRead;
      const fault =
        goodRead === 1 ? faultOf(spoiled, batch, read, run.counted()) : "the good one is lost";
      if (fault !== "") faults.push(`${fault}: input ${at} of seed ${seed}, from ${spoiled.from}`);
      if (read > 0) useful++;
      if (at === Math.floor(inputs / 5)) warmMiB = heapMiB();
    }
    expect(faults).toEqual([]);
    expect(refused).toBeLessThan(inputs / 100);
    expect(useful).toBeGreaterThan(inputs * leastUsefulShare);
    expect(heapMiB() - warmMiB).toBeLessThan(heapGrowthMiB);
  },
  Math.max(120_000, inputs * 10),
);

test("the corpus has items of every vocabulary", () => {
  const run = new Fuzzed();
  const kinds = new Set<string>();
  for (const item of corpus) {
    for (const { kind } of run.push(item.signal, requestOf(item, []))?.observations ?? [])
      kinds.add(kind);
  }
  for (const kind of [
    "flow",
    "socket_opened",
    "process_seen",
    "proxy_leg",
    "span_half",
    "object_seen",
  ]) {
    expect(kinds).toContain(kind);
  }
});
