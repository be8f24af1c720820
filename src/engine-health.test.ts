import { expect, onTestFinished, test } from "vitest";
import { EngineHealthWatch } from "./engine-health.ts";
import { PrometheusRegistry } from "./export/prometheus.ts";
import type { Entity } from "./model/entities.ts";
import type { EngineStatus } from "./serve/status.ts";

/** A watch over a real registry, with a clock that the test sets and a status that it may change. */
function makeWorld() {
  const metrics = new PrometheusRegistry({ version: "0", namespacesMax: 50, seriesMax: 10_000 });
  const sink = { name: "exporter otlp", ok: true, text: "", isOptional: true };
  const status: Pick<EngineStatus, "components" | "store"> = {
    components: [{ name: "store", ok: true, text: "" }, sink],
    store: { path: "/nowhere", freeBytes: null },
  };
  const time = { second: 0 };
  const told: Entity<"engine">[] = [];
  const watch = new EngineHealthWatch({
    read: (name) => metrics.read(name),
    status: () => status,
    tell: (health) => told.push(health),
    clock: { nowUs: () => time.second * 1e6 },
  });
  onTestFinished(() => watch[Symbol.dispose]());
  const lookAt = async (second: number): Promise<Entity<"engine"> | undefined> => {
    time.second = second;
    await watch.look();
    return told.at(-1);
  };
  const counter = (outcome: string) =>
    metrics.counter("receiver_requests_total", { transport: "grpc", signal: "logs", outcome });
  return { metrics, sink, status, lookAt, counter };
}

test("an engine that does well says so", async () => {
  const { lookAt, counter } = makeWorld();
  counter("accepted").inc(7);
  expect(await lookAt(5)).toEqual({
    shed: 0,
    overflowed: 0,
    overflowed_in: "",
    storage: "ok",
    storage_trouble: "",
    clock: "unknown",
    sinks_failing: 0,
    rules_failing: 0,
    failing_rules: "",
    open_trust: false, // the engine thread adds what its configuration says
  });
});

test("what was turned away is told for a minute", async () => {
  const { lookAt, counter } = makeWorld();
  await lookAt(5);
  counter("refused").inc(2);
  counter("failed").inc();
  counter("invalid").inc(9); // bad in itself: nobody's telemetry is lost by our fault
  expect((await lookAt(10))?.shed).toBe(3);
  expect((await lookAt(60))?.shed).toBe(3);
  for (let second = 65; second < 80; second += 5) await lookAt(second);
  expect((await lookAt(80))?.shed).toBe(0);
});

test("full tables are told by their names", async () => {
  const { lookAt, metrics } = makeWorld();
  metrics.applySamples([
    { name: "join_overflow_total", labels: { table: "flows" }, value: 4 },
    { name: "join_overflow_total", labels: { table: "legs" }, value: 0 },
    { name: "series_dropped_total", labels: {}, value: 1 },
  ]);
  const health = await lookAt(5);
  expect(health?.overflowed).toBe(5);
  expect(health?.overflowed_in).toBe("join flows, series");
});

test("a store near its size, a failing rule and a sink that is down", async () => {
  const { lookAt, metrics, sink } = makeWorld();
  metrics.gauge("store_limit_bytes", {}).set(1_000);
  metrics.gauge("store_size_bytes", {}).set(801);
  metrics.applySamples([
    { name: "rule_evaluation_errors_total", labels: { rule: "mine", reason: "x" }, value: 2 },
  ]);
  sink.ok = false;
  const health = await lookAt(5);
  expect(health?.storage).toBe("degraded");
  expect(health?.storage_trouble).toBe("nearly_full");
  expect(health?.failing_rules).toBe("mine");
  expect([health?.rules_failing, health?.sinks_failing]).toEqual([1, 1]);
});
