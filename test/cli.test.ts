/** Commands in this process: what they print for what an engine answers, and what they say of trouble. */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { graphDot, graphTable } from "../src/cli/graph.ts";
import { insightsTable } from "../src/cli/insights.ts";
import { formatTable, printable } from "../src/cli/io.ts";
import { Progress } from "../src/cli/progress.ts";
import type { ApiEdge, ApiGraph, ApiInsight, ApiNode, ApiPage } from "../src/model/api.ts";
import type { ApiStatus } from "../src/model/api-status.ts";
import { Signal } from "../src/model/stages.ts";
import { makeIo, runCli } from "./support/cli.ts";
import { TempFolder } from "./support/program.ts";
import { simulatedRequests, writeRecording } from "./support/recording-files.ts";

test.each([
  [["A", "B"], [["1", "2"]], "A  B\n1  2\n"],
  [["NAME", "N"], [["x", ""]], "NAME  N\nx\n"],
  [
    ["N", "NAME"],
    [
      ["longer", "y"],
      ["z", "w  "],
    ],
    "N       NAME\nlonger  y\nz       w\n",
  ],
  [["A"], [], "A\n"],
])("table of %j", (header, rows, expected) => {
  expect(formatTable(header, rows)).toBe(expected);
});

test.each([
  ["plain text, ünïcode 🙂", "plain text, ünïcode 🙂"],
  ["\u001b[31mred\u001b[0m", "?[31mred?[0m"],
  ["two\nlines\tand\u009b2J", "two?lines?and?2J"],
  ["admin\u202Ecod.exe\u2066", "admin?cod.exe?"],
])("%j for a terminal", (text, expected) => {
  expect(printable(text)).toBe(expected);
});

const node = (id: string, namespace: string, name: string): ApiNode => ({
  id,
  cluster: "c",
  namespace,
  name,
  kind: "workload",
  mode: "sidecar",
  external: false,
  insights: 0,
});

const edge = (source: string, target: string, over: Partial<ApiEdge> = {}): ApiEdge => ({
  id: "1",
  source,
  target,
  protocol: "http",
  port: 80,
  security: "mutual_tls",
  plaintext_share: 0,
  around_proxy: 0,
  route: "declared",
  requests: 7,
  errors: 1,
  bytes_sent: 0,
  bytes_received: 0,
  reporters: ["destination"],
  first_seen: "2026-01-01T00:00:00.000000000Z",
  last_seen: "2026-01-01T00:00:00.000000000Z",
  insights: 0,
  ...over,
});

const graph: ApiGraph = {
  at: "2026-01-01T00:00:00.000000000Z",
  truncated: false,
  nodes: [node("c/a/web", "a", "web"), node('external/x"y', "", 'x"y\n')],
  edges: [
    edge("c/a/web", 'external/x"y'),
    edge("c/a/web", "c/a/gone", { around_proxy: 2, security: "none", protocol: "tcp" }),
  ],
};

test("the graph as a table", () => {
  expect(graphTable(graph)).toBe(
    [
      "SOURCE  TARGET    PORT     SECURITY    REQUESTS  ERRORS  NOTE",
      'a/web   x"y?      http:80  mutual_tls  7         1',
      "a/web   c/a/gone  tcp:80   none        7         1       2 around the proxy",
      "",
    ].join("\n"),
  );
  expect(graphTable({ ...graph, edges: [] })).toBe("no edges\n");
});

test("the graph as DOT: everything quoted, colours by what matters most", () => {
  expect(graphDot(graph)).toBe(
    [
      "digraph mesh {",
      "  rankdir=LR;",
      '  "c/a/web" [label="a/web"];',
      '  "external/x\\"y" [label="x\\"y?"];',
      '  "c/a/web" -> "external/x\\"y" [label="http:80", color=darkgreen];',
      '  "c/a/web" -> "c/a/gone" [label="tcp:80", color=red];',
      "}",
      "",
    ].join("\n"),
  );
});

const insight = {
  severity: "high",
  state: "firing",
  rule: "plaintext-traffic",
  namespace: "a",
  workload: "web",
  last_seen: "2026-01-01T10:00:00.123456789Z",
  message: "b/x talks\u0007 plaintext",
} as ApiInsight; // what the table shows of one

test("insights as a table, and how many are not in it", () => {
  const page: ApiPage<ApiInsight> = { items: [insight], next: null, total: 3 };
  expect(insightsTable(page)).toBe(
    [
      "SEVERITY  STATE   RULE               WORKLOAD  LAST SEEN            MESSAGE",
      "high      firing  plaintext-traffic  a/web     2026-01-01T10:00:00  b/x talks? plaintext",
      "(1 of 3 shown)",
      "",
    ].join("\n"),
  );
  expect(insightsTable({ ...page, items: [], total: 0 })).toBe("no insights\n");
});

/** Answers of a server that stands for an engine, one after the other; the last one stays. */
type Reply = readonly [status: number, body: string];
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serveReplies(...replies: Reply[]): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const [status, body] = replies[Math.min(asked.length, replies.length - 1)] ?? [500, ""];
    asked.push(request.url ?? "");
    response.writeHead(status, { connection: "close" }).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens
  return { url: `http://127.0.0.1:${port}`, asked };
}

const problem = JSON.stringify({ title: "bad", detail: 'parameter "state": bad\u001b[2J' });

test.each([
  ["a problem document", [400, problem], '400, parameter "state": bad?[2J\n'],
  ["an error page", [503, "<h1>busy</h1>"], "503, <h1>busy</h1>\n"],
  ["another program's page", [200, "<html>"], "what answers there is no engine; see --url\n"],
] as const)("%s is one line and exit code 1", async (_name, reply, says) => {
  const { url } = await serveReplies(reply);
  const { code, out, error } = await runCli(["insights", "--url", url]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(error).toMatch(/^error: cannot read /);
  expect(error.endsWith(says)).toBe(true);
});

test("nobody listens", async () => {
  const { url } = await serveReplies([200, ""]);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  const { code, error } = await runCli(["graph", "--url", url]);
  expect(code).toBe(1);
  expect(error).toBe(
    `error: cannot reach an engine at ${url}: nobody listens there; start one with "mesh-insights serve" or name it with --url\n`,
  );
});

test("options become the API's parameters", async () => {
  const { url, asked } = await serveReplies([200, JSON.stringify({ items: [], total: 0 })]);
  const filter = ["--state", "firing", "--severity", "high", "--namespace", "a b"];
  expect(await runCli(["insights", "--url", url, ...filter])).toMatchObject({
    code: 0,
    out: "no insights\n",
  });
  expect(asked).toEqual(["/api/v1/insights?state=firing&severity=high&namespace=a+b&limit=1000"]);
});

test("insights --watch prints when the list changes, until stopped", async () => {
  const empty = JSON.stringify({ items: [], next: null, total: 0 });
  const one = JSON.stringify({ items: [insight], next: null, total: 1 });
  const { url } = await serveReplies([200, empty], [200, empty], [200, one]);
  const stop = new AbortController();
  const io = makeIo({ signal: stop.signal });
  const out = (text: string): void => {
    io.out(text);
    if (text.includes("plaintext-traffic")) stop.abort();
  };
  expect((await runCli(["insights", "--url", url, "--watch"], { ...io, out })).code).toBe(0);
  expect(io.printed.out.match(/no insights/g)).toHaveLength(1);
  expect(io.printed.out).toContain("plaintext-traffic");
});

test("a graph that was cut says so on stderr", async () => {
  const { url } = await serveReplies([200, JSON.stringify({ ...graph, truncated: true })]);
  const { code, out, error } = await runCli(["graph", "--url", url, "--format", "json"]);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ truncated: true });
  expect(error).toContain("--namespace");
});

test.each([
  [200, 0],
  [503, 1],
])("health of an engine that answers %d exits %d", async (status, code) => {
  const { url, asked } = await serveReplies([status, "said\n"]);
  expect(await runCli(["health", "--url", url])).toEqual({ code, out: "said\n", error: "" });
  expect(asked).toEqual(["/-/ready"]);
});

const status: ApiStatus = {
  version: "1.2.3",
  at: "2026-01-01T10:00:00.000000000Z",
  started_at: "2026-01-01T09:00:00.000000000Z",
  ready: true,
  components: [],
  received: [
    { signal: "logs", transport: "grpc", items: 12, last: "2026-01-01T09:59:00.000000000Z" },
    { signal: "traces", transport: "http", items: 0, last: null },
  ],
  heard: [
    {
      source_kind: "proxy",
      capability: "spans",
      sources: 2,
      last: "2026-01-01T09:58:00.000000000Z",
    },
  ],
  scrape: { last: "2026-01-01T09:57:00.000000000Z", user_agent: "Prom\u001b[2J" },
  bypass: {
    meshed_workloads: 3,
    unknown_workloads: 0,
    judged_workloads: 2,
    missing: [{ capabilities: ["flows", "sockets"], workloads: 1 }],
  },
  next_sources: [
    {
      capabilities: ["sockets"],
      sources: [{ id: "agent", title: "An agent", switch_on: "Set `a: b`\u001b[2J." }],
      judged: 2,
      partly: 1,
      rules: [{ rule: "egress-around-proxy", workloads: 2 }],
    },
  ],
  rule_errors: [],
  problems: [],
};

test("doctor: what arrives, and nothing amiss", async () => {
  const { url, asked } = await serveReplies([200, JSON.stringify(status)]);
  const { code, out, error } = await runCli(["doctor", "--url", url, "--scrape-within", "9m"]);
  expect({ code, error, asked }).toEqual({
    code: 0,
    error: "",
    asked: ["/api/v1/status?scrape_within=9m"],
  });
  expect(out).toBe(
    [
      "mesh-insights 1.2.3, ready, running since 2026-01-01T09:00:00Z",
      "",
      "SIGNAL  TRANSPORT  ITEMS  LAST ACCEPTED",
      "logs    grpc       12     2026-01-01T09:59:00Z",
      "traces  http       0      never",
      "",
      "SOURCE KIND  TELLS OF  SOURCES  LAST HEARD",
      "proxy        spans     2        2026-01-01T09:58:00Z",
      "node_agent   -         0        never",
      "objects      -         0        never",
      "",
      "Last scrape of /metrics: 2026-01-01T09:57:00Z by Prom?[2J",
      "",
      "2 of 3 meshed workloads are judged for bypass; missing: flows and sockets (1).",
      "",
      "What one more source would add, if it told of every workload:",
      "",
      "sockets: 2 more judgements of a rule on a workload, 1 more in part",
      "  egress-around-proxy (2)",
      "  - An agent: Set `a: b`?[2J.",
      "",
      "No problem found.",
      "",
    ].join("\n"),
  );
});

test("doctor: problems with their evidence and remedy, as JSON too", async () => {
  const found = {
    code: "rules-failing",
    severity: "error" as const,
    text: "The rule x\u0007 fails",
    evidence: { rule: "x", errors: 2 },
    remedy: "mend it",
  };
  const sick = { ...status, problems: [found] };
  const { url } = await serveReplies([200, JSON.stringify(sick)]);
  const { code, out } = await runCli(["doctor", "--url", url]);
  expect(code).toBe(1);
  expect(out).toContain(
    [
      "",
      "1 problem:",
      "",
      "error: The rule x? fails [rules-failing]",
      "  evidence: rule=x, errors=2",
      "  remedy:   mend it",
      "",
    ].join("\n"),
  );
  const json = await runCli(["doctor", "--url", url, "--json"]);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out)).toEqual(sick);
});

test("progress: only on a terminal, after two seconds, once a second", () => {
  let nowMs = 1_000;
  const clock = (): number => nowMs;
  const shownBy = (isTty: boolean): string => {
    const io = makeIo({ isTty });
    nowMs = 1_000;
    const progress = new Progress(io, 100, clock);
    for (const [atMs, amount] of [
      [2_900, 10],
      [3_000, 15],
      [3_500, 5],
      [4_100, 60],
      [6_000, 90],
    ]) {
      nowMs = atMs ?? 0;
      progress.add(amount ?? 0);
    }
    progress.end();
    return io.printed.error;
  };
  expect(shownBy(true)).toBe("\r25 %\r90 %\r99 %\r     \r");
  expect(shownBy(false)).toBe("");
});

test("replay --eval counts what was repeated, and names what was refused", async () => {
  using folder = new TempFolder();
  const requests = simulatedRequests(2, 6, Date.parse("2026-03-01T10:00:00Z"));
  const [first] = requests;
  const broken = { ...first!, signal: Signal.logs, body: Buffer.from([0x0a, 0x7f, 0x01]) }; // there are some
  const file = join(folder.path, "x.rec");
  await writeRecording(file, [...requests, first!, broken]);
  const { code, out, error } = await runCli(["replay", file, "--eval"]);
  expect(code).toBe(1);
  expect(error).toMatch(
    new RegExp(`^${requests.length} requests evaluated, 1 repeated, 1 refused\n  refused: .+\n$`),
  );
  const insights = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ApiInsight);
  expect(insights.map(({ rule }) => rule)).toContain("proxy-uid-in-application");
});

test("validate says what was checked", async () => {
  const { code, out } = await runCli(["validate"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^configuration: ok\nrules: \d+ in \d+ files, ok\n$/);
  const less = await runCli(["validate", "--set", "rules.disabled=[plaintext-traffic]"]);
  expect(less.out).not.toBe(out);
});

test("what a configuration says of rules is checked as files are", async () => {
  using folder = new TempFolder();
  const file = join(folder.path, "config.yaml");
  const validate = (rules: string) => {
    writeFileSync(file, `version: 1\nrules: ${rules}\n`);
    return runCli(["validate", "--config", file]);
  };
  const waiver =
    '{ id: w, rules: [plaintext-traffic], where: "edge.port == 1", reason: r, owner: o, expires: ENDS }';
  const soon = new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10);
  const good = `{
  lists: { proxy_telemetry_ports: { add: [9091] } },
  params: { certificate-expiring: { within: 60.0 } },
  waivers: [${waiver.replace("ENDS", soon)}] }`;
  expect(await validate(good)).toMatchObject({ code: 0 });
  const { code, error } = await validate(`{
  lists: { proxy_telemetry_port: { add: [9091] } },
  params: { certificate-expiring: { within: soon } },
  waivers: [${waiver.replace("ENDS", "2099-01-01")}] }`);
  expect(code).toBe(2);
  expect(error).toContain("there is no list 'proxy_telemetry_port' (did you mean");
  expect(error).toContain("the value of 'within' is no double");
  expect(error).toContain("waiver 'w' ends more than 365 days from now");
  const short = good.replace("waivers:", "waiver_max: 10d, waivers:");
  expect((await validate(short)).error).toContain("ends more than 10 days from now");
  expect((await validate("{ enabled: [plaintext-trafic] }")).error).toContain(
    'cannot enable the rule "plaintext-trafic": there is no such rule (did you mean "plaintext-traffic"?)',
  );
});

test("print-config: what it prints, another run takes as its configuration", async () => {
  using folder = new TempFolder();
  const printed = await runCli(["print-config", "--set", "store.max_size=3GiB"]);
  expect(printed).toMatchObject({ code: 0, out: expect.stringContaining("max_size: 3GiB\n") });
  const file = join(folder.path, "printed.yaml");
  writeFileSync(file, printed.out);
  expect(await runCli(["print-config", "--config", file])).toEqual(printed);
  const bad = await runCli(["print-config", "--set", "store.max_size=3"]);
  expect(bad).toMatchObject({ code: 2, out: "" });
});

test.each([
  ["config", "../schema/config.v1.json"],
  ["rules", "../schema/rules.v1.json"],
])("schema %s is the published one", async (name, published) => {
  const text = readFileSync(new URL(published, import.meta.url), "utf8");
  expect(await runCli(["schema", name])).toEqual({ code: 0, out: text, error: "" });
});

test("schema of something else is a usage error", async () => {
  const { code, error } = await runCli(["schema", "graph"]);
  expect(code).toBe(2);
  expect(error).toContain("config, rules");
});

test("version names ours, Node's and SQLite's", async () => {
  expect((await runCli(["version"])).out).toMatch(
    /^mesh-insights \d+\.\d+\.\d+\nnode \d+\.\S+\nsqlite 3\.\S+\n$/,
  );
});
