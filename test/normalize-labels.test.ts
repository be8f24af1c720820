/** Series whose labels do not tell whose they are, which is what relabelling on the way does to them. */
import { expect, test } from "vitest";
import { NormalizeRun } from "./support/normalize-run.ts";
import { keyValues, metricsRequest, type Attributes } from "./support/otlp-build.ts";
import { readRecording, recordingPaths } from "./support/recordings.ts";

const whole: Attributes = {
  reporter: "destination",
  source_workload: "web",
  destination_workload: "cart",
  pod: "cart-1",
  namespace: "shop",
};

/** [series without a workload of their own, series without a target] of one point with these labels. */
function lackOf(labels: Attributes): (number | undefined)[] {
  const point = {
    attributes: keyValues(labels),
    time_unix_nano: "1795246310000000000",
    as_double: 1,
  };
  const sum = { data_points: [point, point], aggregation_temporality: 2, is_monotonic: true };
  const run = new NormalizeRun();
  run.push("metrics", metricsRequest({}, [{ name: "istio_requests_total", sum }]));
  const counts = run.counts();
  return [counts["incomplete_series_total workload"], counts["incomplete_series_total target"]];
}

test.each([
  ["all labels", whole, [0, 0]],
  ["an unknown peer is ordinary", { ...whole, source_workload: "unknown" }, [0, 0]],
  ["an unknown own workload", { ...whole, destination_workload: "unknown" }, [1, 0]],
  ["no own workload", { reporter: "source", pod: "a", namespace: "b" }, [1, 0]],
  ["a waypoint has no side of its own", { reporter: "waypoint", pod: "a", namespace: "b" }, [0, 0]],
  ["no target", { reporter: "source", source_workload: "web" }, [0, 1]],
  ["a pod without its namespace", { ...whole, namespace: "" }, [0, 1]],
])("%s", (_what, labels, expected) => {
  expect(lackOf(labels)).toEqual(expected);
});

test("of the recordings of real software, one lacks what its scrape was not told", () => {
  const found = recordingPaths().flatMap((path) => {
    const run = new NormalizeRun();
    for (const { signal, body } of readRecording(path)) run.push(signal, body);
    const counts = run.counts();
    const [workload, target] = ["workload", "target"].map(
      (what) => counts[`incomplete_series_total ${what}`],
    );
    return workload === 0 && target === 0
      ? []
      : [{ path, workload, target, series: counts["series"] }];
  });
  // Some of its jobs keep no target labels, and two rows do not name their own workload.
  expect(found).toEqual([
    { path: "collector/prometheus-istio.bin", workload: 2, target: 28, series: 50 },
  ]);
});
