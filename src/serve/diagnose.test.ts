/** Each problem from the facts that show it, and from facts that just do not. */
import { expect, test } from "vitest";
import type { ApiSource } from "../model/api.ts";
import type { InstrumentName } from "../self/instruments.ts";
import { diagnose } from "./diagnose.ts";
import { sumOf, type Facts, type Watched } from "./facts.ts";
import type { Readings } from "../self/recent.ts";

const minute = 60_000;
const startedMs = Date.parse("2026-11-21T10:00:00Z");

type Numbers = Partial<Record<Watched, readonly (readonly [Record<string, string>, number])[]>>;

function readings(numbers: Numbers): Readings {
  return new Map(
    Object.entries(numbers).map(([name, series]) => [
      name as InstrumentName, // the keys of the type
      series.map(([labels, value]) => ({ labels, value })),
    ]),
  );
}

const grpc = { transport: "grpc" };
const healthyNumbers: Numbers = {
  receiver_accepted_spans_total: [[grpc, 10]],
  receiver_accepted_metric_points_total: [[grpc, 10]],
  receiver_requests_total: [[{ ...grpc, signal: "logs", outcome: "accepted" }, 5]],
  observations_total: [[{ kind: "edge_sample" }, 10]],
  series: [[{}, 100]],
  store_size_bytes: [[{}, 79]],
  store_limit_bytes: [[{}, 100]],
  config_last_reload_successful: [[{}, 1]],
  rules_last_reload_successful: [[{}, 1]],
};

const heard = (source_kind: string) => ({ source_kind, capability: "c", sources: 1, last: "" });
const seen = (namespace: string, proxies: number, node_agents: number) => ({
  namespace,
  workloads: 5,
  proxies,
  node_agents,
});

/** Ten minutes after the start, all well; scraped a minute ago. */
const healthy: Facts = {
  nowMs: startedMs + 10 * minute,
  startedMs,
  listening: { grpc: "127.0.0.1:4317", http: "127.0.0.1:4318" },
  components: [{ name: "store", ok: true, text: "" }],
  totals: readings(healthyNumbers),
  recent: readings(healthyNumbers),
  sources: [],
  overview: {
    heard: ["proxy", "node_agent", "objects"].map(heard),
    namespaces: [seen("shop", 5, 5), seen("kube-system", 0, 0)],
  },
  bypass: { meshed_workloads: 5, unknown_workloads: 0, judged_workloads: 5, missing: [] },
  next: [],
  guides: [],
  scrape: { lastMs: startedMs + 9 * minute, withinMs: 5 * minute },
  ruleFaults: [],
  ruleErrors: [],
  store: { path: "data/mesh.db", freeBytes: 2 ** 40 },
};

/** Healthy with these numbers, both in all and of the last minutes. */
const numbers = (over: Numbers): Facts => {
  const all = readings({ ...healthyNumbers, ...over });
  return { ...healthy, totals: all, recent: all };
};

const closed = (transport: string, reason: string): Numbers => ({
  receiver_connections_closed_total: [[{ transport, reason }, 3]],
});

const source = (over: Partial<ApiSource>): ApiSource => ({
  kind: "proxy",
  key: "c/shop/web-1",
  cluster: "c",
  namespace: "shop",
  state: "live",
  expected: false,
  first_seen: "2026-11-21T10:00:00Z",
  last_seen: "2026-11-21T10:00:00Z",
  interval_seconds: 15,
  lateness_seconds: 0,
  clock_offset_seconds: 1,
  capabilities: [],
  ...over,
});
const sources = (...over: Partial<ApiSource>[]): Facts => ({
  ...healthy,
  sources: over.map(source),
});

/** So many of five meshed workloads. */
const judgedFor = (judged_workloads: number): Facts => ({
  ...healthy,
  bypass: {
    meshed_workloads: 5,
    unknown_workloads: 0,
    judged_workloads,
    missing: [{ capabilities: ["flows"], workloads: 5 - judged_workloads }],
  },
});

const nothing = readings({});
const young = (facts: Facts): Facts => ({ ...facts, nowMs: startedMs + minute });
const unknownName: Numbers = { unrecognized_metrics_total: [[{ name: "x_requests_total" }, 7]] };
const unknownScope: Numbers = { unrecognized_records_total: [[{ scope: "my-app" }, 7]] };
const lacks = (what: string, count: number): Numbers => ({
  incomplete_series_total: [[{ lacks: what }, count]],
});
const outcome = (what: string): Numbers => ({
  receiver_requests_total: [[{ ...grpc, signal: "logs", outcome: what }, 2]],
});
const store = (over: Numbers, freeBytes: number | null = 2 ** 40): Facts => ({
  ...numbers(over),
  store: { path: "data/mesh.db", freeBytes },
});
const scraped = (lastMs: number, withinMs = 5 * minute): Facts => ({
  ...healthy,
  scrape: { lastMs, withinMs },
});
const component = (over: { ok: boolean; isOptional?: boolean }): Facts => ({
  ...healthy,
  components: [{ name: "exporter otlp", text: "c:4317 fails", ...over }],
});
const namespaces = (...all: ReturnType<typeof seen>[]): Facts => ({
  ...healthy,
  overview: { ...healthy.overview, namespaces: all },
});
const kindsHeard = (...kinds: string[]): Facts => ({
  ...healthy,
  overview: { ...healthy.overview, heard: kinds.map(heard) },
});
const noEdges: Numbers = { observations_total: [[{ kind: "flow" }, 1]] };
const error = { rule: "plaintext", reason: "missing" };

const situations: readonly (readonly [what: string, facts: Facts, ...codes: string[]])[] = [
  ["all well", healthy],
  ["nothing yet", { ...healthy, totals: nothing, recent: nothing }, "no-telemetry"],
  [
    "not listening yet",
    { ...healthy, totals: nothing, recent: nothing, listening: { grpc: "", http: "" } },
  ],
  ["nothing any more", { ...healthy, recent: nothing }, "telemetry-stopped"],
  ["nothing in the first minutes after something", young({ ...healthy, recent: nothing })],
  ["HTTP to gRPC", numbers(closed("grpc", "http1_on_grpc")), "http-on-grpc-port"],
  ["gRPC to HTTP", numbers(closed("http", "grpc_on_http")), "grpc-on-http-port"],
  ["TLS to plaintext", numbers(closed("grpc", "tls_on_plaintext")), "tls-on-plaintext-port"],
  ["plaintext to TLS", numbers(closed("http", "plaintext_on_tls")), "plaintext-on-tls-port"],
  [
    "a wrong port long ago",
    { ...numbers(closed("grpc", "http1_on_grpc")), recent: healthy.recent },
  ],
  ["connections that end as they should", numbers(closed("grpc", "idle"))],
  [
    "a wrong port explains that nothing arrives",
    {
      ...healthy,
      totals: readings(closed("grpc", "http1_on_grpc")),
      recent: readings(closed("grpc", "http1_on_grpc")),
    },
    "http-on-grpc-port",
  ],
  ["unknown metrics only", numbers({ ...unknownName, ...noEdges }), "unknown-metrics"],
  ["unknown metrics beside known ones", numbers(unknownName)],
  [
    "unknown records only",
    numbers({ ...unknownScope, observations_total: [[{ kind: "flow" }, 0]] }),
    "unknown-records",
  ],
  ["unknown records beside known ones", numbers(unknownScope)],
  ["no workload labels", numbers(lacks("workload", 10)), "missing-workload-labels"],
  ["no target labels", numbers(lacks("target", 10)), "missing-target-labels"],
  ["a few incomplete series", numbers(lacks("target", 9))],
  ["a clock ahead", sources({ clock_offset_seconds: -61 }), "clock-ahead"],
  ["a clock behind", sources({ clock_offset_seconds: 61 }), "clock-behind"],
  ["clocks off by less", sources({ clock_offset_seconds: -60 }, { clock_offset_seconds: 60 })],
  ["a clock of somebody gone", sources({ clock_offset_seconds: 900, state: "gone" })],
  ["a clock that is not known", sources({ clock_offset_seconds: null })],
  ["no agents there", namespaces(seen("a", 1, 1), seen("b", 1, 0)), "namespace-without-agents"],
  ["no agents anywhere", namespaces(seen("a", 1, 0), seen("b", 1, 0))],
  ["no agent heard", kindsHeard("proxy", "objects"), "no-node-agent"],
  ["only agents heard", kindsHeard("node_agent"), "no-proxy", "no-objects"],
  ["no agent heard in the first minute", young(kindsHeard("proxy"))],
  ["some are not judged", judgedFor(3), "workloads-not-judged"],
  [
    "some are not judged, since no agent is heard",
    { ...kindsHeard("proxy", "objects"), bypass: judgedFor(0).bypass },
    "no-node-agent",
  ],
  ["some are not judged in the first minute", young(judgedFor(3))],
  ["nobody says whom to judge", { ...healthy, bypass: null }],
  ["a silent agent", sources({ kind: "node_agent", state: "silent" }), "silent-sources"],
  ["a silent proxy", sources({ state: "silent" })],
  [
    "a silent proxy that was expected",
    sources({ state: "silent", expected: true }),
    "silent-sources",
  ],
  [
    "an expected source that never came",
    sources({ state: "unknown", expected: true, last_seen: null }),
    "silent-sources",
  ],
  ["a graph that is full", numbers({ series_dropped_total: [[{}, 1]] }), "graph-full"],
  ["never scraped", scraped(0), "not-scraped"],
  ["not scraped any more", scraped(startedMs + 5 * minute), "not-scraped"],
  ["scraped seldom, as is expected", scraped(startedMs + 2 * minute, 9 * minute)],
  ["not scraped yet", young(scraped(0))],
  ["the sink is down", component({ ok: false, isOptional: true }), "sink-down"],
  ["a part is down", component({ ok: false }), "component-failing"],
  ["a rule fails", numbers({ rule_evaluation_errors_total: [[error, 2]] }), "rules-failing"],
  ["the store at 80 %", store({ store_size_bytes: [[{}, 80]] })],
  ["the store above 80 %", store({ store_size_bytes: [[{}, 81]] }), "store-nearly-full"],
  ["the disk is nearly full", store({}, 500 * 2 ** 20), "disk-nearly-full"],
  ["free space is not known", store({}, null)],
  ["commits fail", store({ commits_failed_total: [[{}, 1]] }), "commits-failing"],
  ["a reload failed", numbers({ config_last_reload_successful: [[{}, 0]] }), "reload-failed"],
  ["requests are refused", numbers(outcome("refused")), "requests-refused"],
  ["requests are too large", numbers(outcome("too_large")), "requests-too-large"],
  ["senders show no token", numbers(outcome("unauthenticated")), "requests-unauthenticated"],
  ["a token may not send", numbers(outcome("permission_denied")), "requests-permission-denied"],
  ["senders give up by themselves", numbers(outcome("cancelled"))],
];

const cases = situations.map(([what, facts, ...codes]) => ({ what, facts, codes }));

test.each(cases)("$what", ({ facts, codes }) => {
  const problems = diagnose(facts);
  expect(problems.map(({ code }) => code)).toEqual(codes);
  for (const { code, text, evidence, remedy } of problems) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(text).not.toMatch(/undefined|NaN|\s$/);
    expect(remedy.length).toBeGreaterThan(20);
    expect(Object.values(evidence).every((value) => value === value && value !== "")).toBe(true);
  }
});

test("a failing rule is told with what went wrong first, and errors come before warnings", () => {
  const facts = {
    ...numbers({ rule_evaluation_errors_total: [[error, 2]] }),
    ruleFaults: [{ rule: "plaintext", text: "no field 'team'" }],
    scrape: { lastMs: 0, withinMs: minute },
  };
  const found = diagnose({
    ...facts,
    overview: namespaces(seen("a", 1, 1), seen("b", 1, 0)).overview,
  });
  expect(found.map(({ severity }) => severity)).toEqual(["error", "warning", "warning"]);
  expect(found[0]?.text).toBe("The rule plaintext cannot be evaluated: no field 'team'");
  expect(found[0]?.evidence).toMatchObject({ errors: 2 });
});

test("a rule is told with its own reasons, where nothing is known of its first fault", () => {
  const errors = [
    [{ rule: "a", reason: "missing" }, 2],
    [{ rule: "b", reason: "cost" }, 1],
    [{ rule: "b", reason: "type" }, 4],
  ] as const;
  const found = diagnose(numbers({ rule_evaluation_errors_total: errors }));
  expect(found.map(({ evidence }) => evidence)).toEqual([
    { rule: "a", errors: 2, says: "missing" },
    { rule: "b", errors: 5, says: "cost, type" },
  ]);
});

test("unknown metrics are an error where nothing else is understood", () => {
  const severityOf = (observations: number): string | undefined => {
    const understood = { observations_total: [[{ kind: "flow" }, observations]] } as const;
    return diagnose(numbers({ ...unknownName, ...understood }))[0]?.severity;
  };
  expect([severityOf(0), severityOf(1)]).toEqual(["error", "warning"]);
});

test("sums are those of the wanted labels", () => {
  const all = readings({
    receiver_requests_total: [
      [{ transport: "grpc", outcome: "accepted" }, 1],
      [{ transport: "http", outcome: "accepted" }, 2],
      [{ transport: "http", outcome: "refused" }, 4],
    ],
  });
  expect(sumOf(all, "receiver_requests_total")).toBe(7);
  expect(sumOf(all, "receiver_requests_total", { outcome: "accepted" })).toBe(3);
  expect(sumOf(all, "series")).toBe(0);
});
