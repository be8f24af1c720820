/** Series identity and samples: what is one series, what is no sample, and that the memo changes nothing. */
import { expect, test } from "vitest";
import type { EdgeSamples, ObservationBatch } from "../src/model/observations.ts";
import type { NormalizeOptions } from "../src/normalize/normalizer.ts";
import { NormalizeRun, receivedUs } from "./support/normalize-run.ts";
import { keyValues, metricsRequest, type Attributes } from "./support/otlp-build.ts";
import { readRecording } from "./support/recordings.ts";

const timeNs = "1795246300000000000";
const labels = {
  reporter: "source",
  source_workload: "a",
  destination_workload: "b",
  response_code: "200",
};

function sumOf(points: readonly object[], more: object = {}): object {
  const sum = { aggregation_temporality: 2, is_monotonic: true, ...more, data_points: points };
  return { name: "istio_requests_total", sum };
}

function point(attributes: Attributes, more: object = {}): object {
  return { attributes: keyValues(attributes), time_unix_nano: timeNs, as_double: 1, ...more };
}

function push(run: NormalizeRun, metric: object, resource: Attributes = {}): ObservationBatch {
  return run.push("metrics", metricsRequest({ resource }, [metric]));
}

test("order, repetition and emptiness of labels make no new series", () => {
  const run = new NormalizeRun();
  const reversed = Object.fromEntries(Object.entries(labels).reverse());
  const same = [labels, reversed, { ...labels, grpc_response_status: "" }];
  const batch = push(run, sumOf(same.map((item) => point(item))));
  expect(batch.series).toHaveLength(1);
  expect([...batch.samples.series]).toEqual([0, 0, 0]);
  const twice = [...keyValues({ response_code: "500" }), ...keyValues(labels)];
  expect(push(run, sumOf([{ ...point({}), attributes: twice }])).series).toEqual([]);
});

test("resource, name, scope, labels and trust tell series apart", () => {
  const entry = { listener: "", client: "", origin: "", level: "attested" } as const;
  const run = new NormalizeRun({ trust: [{ ...entry, listener: "grpc" }] });
  const metric = sumOf([point(labels)]);
  const body = metricsRequest({}, [metric]);
  const batches = [
    push(run, metric),
    push(run, metric, { "service.name": "other" }),
    push(run, { ...metric, name: "istio_requests" }),
    push(run, sumOf([point({ ...labels, response_code: "500" })])),
    run.push("metrics", metricsRequest({ scope: "other" }, [metric])),
    run.push("metrics", body, { sender: { listener: "http", client: "" } }),
  ];
  expect(batches.map((batch) => batch.series.length)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(batches.map((batch) => batch.samples.series[0])).toEqual([0, 1, 2, 3, 4, 5]);
  expect(run.push("metrics", body).samples.series[0]).toBe(0);
});

test("a series has the same hash in another process", () => {
  const hashes = [1, 2].map((hashSeed) => {
    const run = new NormalizeRun({ hashSeed });
    if (hashSeed === 2) push(run, sumOf([point({ ...labels, source_workload: "first" })]));
    return push(run, sumOf([point(labels)])).series.map((series) => series.hash);
  });
  expect(hashes[0]).toEqual(hashes[1]);
  expect(hashes[0]?.[0]).toMatch(/^[0-9a-f]{32}$/);
});

/** Every recording of metrics, three times over; what comes out, without and with memory of bytes. */
function told(options: Partial<NormalizeOptions>): unknown[] {
  const run = new NormalizeRun(options);
  const paths = ["collector/prometheus-istio.bin", "collector/gateway.bin"];
  const requests = paths.flatMap((path) => readRecording(path));
  return [...requests, ...requests, ...requests]
    .filter(({ signal }) => signal === "metrics")
    .map(({ body }) => run.push("metrics", body));
}

test("the memo of attribute bytes agrees with the way without it", () => {
  const plain = told({ limits: { memoMaxBytes: 0 } });
  expect(told({})).toEqual(plain);
  expect(told({ limits: { memoMaxBytes: 1 << 20 } })).toEqual(plain);
  // Too little for any whole block: digests alone.
  expect(told({ limits: { memoMaxBytes: 1 } })).toEqual(plain);
});

/** A label set of 1,400 bytes; those of different numbers differ in their last bytes alone. */
const wide = (index: number, padding = "x") => ({
  ...labels,
  padding: padding.repeat(1_000),
  source_app: `app-${index}`,
});

test("beyond the room for whole blocks series are known by their digests", () => {
  const run = new NormalizeRun({ limits: { memoMaxBytes: 1 << 20 } });
  const points = Array.from({ length: 3_000 }, (_, index) => point(wide(index)));
  const first = push(run, sumOf(points));
  const turned = points.toReversed();
  expect([...push(run, sumOf(turned)).samples.series]).toEqual(
    [...first.samples.series].toReversed(),
  );
  expect(first.series).toHaveLength(3_000);
  expect(push(run, sumOf([point(wide(1, "y"))])).series).toHaveLength(1);
  expect(run.counts()["series_memo_resets_total"]).toBe(0);
});

test("a memo that is always full starts anew and stays right", () => {
  const run = new NormalizeRun({ limits: { memoMaxBytes: 1, maxSeries: 3_000 } });
  const spelled = (index: number, spelling: number) => {
    const pairs = keyValues({ ...labels, source_app: `app-${index}`, blank: "" });
    const turned = [...pairs.slice(spelling), ...pairs.slice(0, spelling)];
    return { ...point({}), attributes: turned };
  };
  const series = [0, 1, 2, 3].map((spelling) => {
    const points = Array.from({ length: 3_000 }, (_, index) => spelled(index, spelling));
    return [...push(run, sumOf(points)).samples.series];
  });
  expect(new Set(series.map(String)).size).toBe(1);
  expect(series[0]).toHaveLength(3_000);
  expect(run.counts()["series_memo_resets_total"]).toBeGreaterThan(0);
});

test("beyond the cap samples of new series are dropped and counted, known ones stay", () => {
  const run = new NormalizeRun({ limits: { maxSeries: 2 } });
  const points = ["a", "b", "c", "d", "a"].map((name) =>
    point({ ...labels, source_workload: name }),
  );
  const batch = push(run, sumOf(points));
  expect([...batch.samples.series]).toEqual([0, 1, 0]);
  expect(run.counts()).toMatchObject({ series: 2, series_dropped_total: 2 });
});

function firstOf({ samples }: ObservationBatch): Record<string, number | undefined> {
  const columns: (keyof EdgeSamples)[] = ["value", "valueCount", "startUs", "temporality", "stale"];
  const entries = columns.map((name) => [name, (samples[name] as ArrayLike<number>)[0]]);
  return Object.fromEntries(entries) as Record<string, number | undefined>; // count is not among them
}

const histogram = {
  name: "istio_request_duration_milliseconds",
  histogram: {
    aggregation_temporality: 2,
    data_points: [{ attributes: keyValues(labels), time_unix_nano: timeNs, count: "7", sum: 12.5 }],
  },
};
const startNs = "1795246200000000000";

test("values, kinds and starts", () => {
  const sum = (more: object, around: object = {}) => sumOf([point(labels, more)], around);
  const gauge = { name: "istio_requests_total", gauge: { data_points: [point(labels)] } };
  const cases: [object, object][] = [
    [sum({}), { value: 1, valueCount: 0, startUs: 0, temporality: 0, stale: 0 }],
    [sum({ as_double: undefined, as_int: "42" }), { value: 42 }],
    [sum({ start_time_unix_nano: startNs }), { startUs: 1_795_246_200_000_000 }],
    [sum({ start_time_unix_nano: "1795246259549729" }), { startUs: 0 }],
    [sum({}, { aggregation_temporality: 1 }), { temporality: 1 }],
    [gauge, { temporality: 2 }],
    [histogram, { value: 12.5, valueCount: 7 }],
    [sum({ flags: 1, as_double: undefined }), { stale: 1, value: 0 }],
    [sum({ flags: 1, as_double: Number.NaN }), { stale: 1, value: 0 }],
    [
      { ...sum({ start_time_unix_nano: startNs }), name: "istiocustom.istio_requests_total" },
      { startUs: 0 },
    ],
  ];
  for (const [metric, expected] of cases) {
    expect(firstOf(push(new NormalizeRun(), metric))).toMatchObject(expected);
  }
});

test("what is no number to count with is dropped with its reason", () => {
  const cases: [object, string][] = [
    [{ as_double: Number.NaN }, "not_a_number"],
    [{ as_double: Number.POSITIVE_INFINITY }, "not_a_number"],
    [{ as_double: -1 }, "not_a_number"],
    [{ as_double: undefined }, "no_value"],
  ];
  for (const [more, reason] of cases) {
    const run = new NormalizeRun();
    expect(push(run, sumOf([point(labels, more)])).samples.count).toBe(0);
    expect(run.counts()[`normalize_dropped_items_total istio-metrics:${reason}`]).toBe(1);
  }
});

test("a time that cannot be becomes the receive time", () => {
  for (const time of ["0", "1795246300", "9795246300000000000"]) {
    const batch = push(new NormalizeRun(), sumOf([point(labels, { time_unix_nano: time })]));
    expect(batch.samples.timeUs[0]).toBe(receivedUs);
  }
});

test("unknown names are counted one by one up to a bound", () => {
  const run = new NormalizeRun({ limits: { maxNames: 2 } });
  for (const name of ["a", "b", "a", "c", "d", "__proto__"])
    push(run, { ...sumOf([point({})]), name });
  expect(run.counts()).toMatchObject({
    "unrecognized_metrics_total a": 2,
    "unrecognized_metrics_total b": 1,
    "unrecognized_metrics_total _other": 3,
  });
});

test("life is shown by a proxy's own metrics, not by a scrape that failed", () => {
  const run = new NormalizeRun();
  const gauge = (name: string, attributes: Attributes) => ({
    name,
    gauge: { data_points: [point({ pod: "a-1", namespace: "ns", ...attributes })] },
  });
  const beats = (metric: object) =>
    push(run, metric)
      .observations.filter(({ kind }) => kind === "heartbeat")
      .map((item) => item.source.key);
  expect(beats(gauge("istio_build", { component: "proxy" }))).toEqual(["lab/ns/a-1"]);
  expect(beats(gauge("istio_build", { component: "pilot" }))).toEqual([]);
  expect(beats(gauge("up", {}))).toEqual([]);
  expect(beats(sumOf([point(labels, { flags: 1, as_double: undefined })]))).toEqual([]);
});
