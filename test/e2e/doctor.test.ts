/**
 * `doctor` beside engines in which one thing is amiss: it names that cause, and no other. Telemetry is
 * that of the simulated mesh, bent in the one way that is asked for.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { describe, expect, test } from "vitest";
import { encodeCounters, encodeLogs, type SimulatedCounter } from "../../src/cli/demo/otlp.ts";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { podObject, requestCounter, type Call } from "../../src/cli/demo/sources.ts";
import { clusterName, pods, services } from "../../src/cli/demo/world.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiInsight, ApiPage } from "../../src/model/api.ts";
import type { ApiProblem, ApiStatus } from "../../src/model/api-status.ts";
import { Signal } from "../../src/model/stages.ts";
import {
  freePort,
  getJson,
  run,
  startEngine,
  TempFolder,
  until,
  type Engine,
} from "../support/program.ts";

const settleMs = 20_000;

/** An engine for one situation, gone with it. */
class Situation implements AsyncDisposable {
  readonly engine: Engine;
  readonly #folder: TempFolder;

  private constructor(engine: Engine, folder: TempFolder) {
    this.engine = engine;
    this.#folder = folder;
  }

  static async start(
    sets: readonly string[] = [],
    prepare: (folder: string) => void = () => {},
  ): Promise<Situation> {
    const folder = new TempFolder();
    prepare(folder.path);
    const all = [`cluster.name=${clusterName}`, ...sets].map((set) =>
      set.replace("@", folder.path),
    );
    return new Situation(await startEngine(folder.path, await freePort(), all), folder);
  }

  async status(query = ""): Promise<ApiStatus> {
    return getJson<ApiStatus>(`${this.engine.web}/api/v1/status${query}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.program.kill("SIGTERM");
    this.#folder[Symbol.dispose]();
  }
}

/** Waits until exactly these problems are found, then has `doctor` tell of them. */
async function expectProblems(
  situation: Situation,
  ...codes: string[]
): Promise<{ text: string; problems: ApiProblem[] }> {
  const problems = await until(
    async () => (await situation.status()).problems,
    (found) => found.map(({ code }) => code).join() === codes.join(),
    settleMs,
  );
  const { code, out, error } = await run(["doctor", "--url", situation.engine.web]);
  expect({ code, error }).toEqual({ code: codes.length === 0 ? 0 : 1, error: "" });
  const named = [...out.matchAll(/^(?:error|warning): .*\[([a-z-]+)\]$/gm)].map((one) => one[1]);
  expect(named).toEqual(codes);
  return { text: out, problems };
}

/** What `doctor` says of the engine is an insight as well: nobody asks `doctor` at night. */
async function expectFiring({ engine }: Situation, rule: string, detail: string): Promise<void> {
  const firing = await until(
    async () => {
      const page = `${engine.web}/api/v1/insights?rule=${rule}&state=firing`;
      return (await getJson<ApiPage<ApiInsight>>(page)).items;
    },
    (items) => items.length > 0,
    settleMs,
  );
  expect(firing.map(({ message }) => message).join()).toContain(detail);
}

/** Some seconds of the simulated mesh, as it is told by clocks that are off. */
async function sendMesh({ grpc }: Engine, clockOffMs = 0): Promise<void> {
  using client = new OtlpClient(grpc, 3);
  const simulation = new Simulation(7);
  for (let second = 5; second > 0; second--) {
    const nowMs = Date.now() - second * 1_000 + clockOffMs;
    for (const { signal, bytes } of simulation.tick(nowMs)) {
      expect(await client.send(signal, bytes)).toMatchObject({ ok: true });
    }
  }
}

const call: Call = {
  atMs: Date.now(),
  durationMs: 3,
  client: pods.productpage,
  clientIp: pods.productpage.ip,
  appPort: 40_001,
  wirePort: 40_002,
  server: pods.details,
  service: services.details,
  code: 200,
  isMutualTls: true,
  requestId: "",
};

/** What the two proxies of a call count, after `bend`. */
async function sendCounters(
  { grpc }: Engine,
  bend: (counter: SimulatedCounter) => SimulatedCounter,
  of: Call = call,
): Promise<void> {
  using client = new OtlpClient(grpc, 3);
  const counters = (["source", "destination"] as const).map((reporter) =>
    bend(requestCounter(reporter, of, 5)),
  );
  const resource = { "service.name": "kubernetes-pods", "k8s.cluster.name": clusterName };
  const { signal, bytes } = encodeCounters(resource, counters, Date.now());
  expect(await client.send(signal, bytes)).toMatchObject({ ok: true });
}

function without(counter: SimulatedCounter, dropped: RegExp): SimulatedCounter {
  const kept = Object.entries(counter.attributes).filter(([name]) => !dropped.test(name));
  return { ...counter, attributes: Object.fromEntries(kept) };
}

test("a healthy engine: what arrives, and no problem", async () => {
  await using situation = await Situation.start();
  await sendMesh(situation.engine);
  const { text } = await expectProblems(situation);
  expect(text).toMatch(/^mesh-insights \S+, ready, running since \d{4}-/);
  expect(text).toMatch(/^traces +grpc +[1-9]\d* +\d{4}-\d\d-\d\dT/m);
  expect(text).toMatch(/^metrics +grpc +[1-9]\d* +\d{4}-/m);
  expect(text).toMatch(/^proxy +proxy_metrics +[1-9]\d* +\d{4}-/m);
  expect(text).toMatch(/^node_agent +processes +[1-9]\d* +\d{4}-/m);
  expect(text).toMatch(/^objects +objects +1 +\d{4}-/m);
  expect(text).toContain("No problem found.\n");
  const page = await (await fetch(situation.engine.web)).text();
  expect(page).not.toContain("What is amiss");
  const json = await run(["doctor", "--url", situation.engine.web, "--json"]);
  expect(JSON.parse(json.out)).toMatchObject({ ready: true, problems: [] });
});

test("no data: said on the page as well", async () => {
  await using situation = await Situation.start();
  const { text } = await expectProblems(situation, "no-telemetry");
  expect(text).toContain(`endpoint: "${situation.engine.grpc}"`);
  const page = await (await fetch(situation.engine.web)).text();
  expect(page).toContain("Nothing arrives yet");
});

test("no engine", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, out, error } = await run(["doctor", "--url", url]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(error).toContain(`cannot reach an engine at ${url}: nobody listens there; start one`);
});

describe("the wrong port", () => {
  test("HTTP on the gRPC port", async () => {
    await using situation = await Situation.start();
    const body = encodeLogs({}, [{ timeMs: Date.now(), attributes: {}, body: "x" }]).bytes;
    const headers = { "content-type": "application/x-protobuf" };
    await fetch(`http://${situation.engine.grpc}/v1/logs`, { method: "POST", body, headers }).catch(
      () => {},
    );
    const { text } = await expectProblems(situation, "http-on-grpc-port");
    expect(text).toContain(situation.engine.grpc);
  });

  test("gRPC on the HTTP port", async () => {
    await using situation = await Situation.start();
    using client = new OtlpClient(situation.engine.http, 1);
    const { bytes } = encodeLogs({}, [{ timeMs: Date.now(), attributes: {}, body: "x" }]);
    expect(await client.send(Signal.logs, bytes)).toMatchObject({ ok: false });
    const { text } = await expectProblems(situation, "grpc-on-http-port");
    expect(text).toContain(situation.engine.http);
  });

  test("TLS on a plaintext port", async () => {
    await using situation = await Situation.start();
    const [host = "", port] = situation.engine.grpc.split(":");
    await new Promise<void>((resolve) => {
      connectTls({ host, port: Number(port), rejectUnauthorized: false })
        .once("error", () => resolve())
        .once("close", () => resolve());
    });
    await expectProblems(situation, "tls-on-plaintext-port");
  });
});

describe("unknown metric names", () => {
  test.each(["myapp_requests_total", "mesh_istio_requests_total"])("%s", async (name) => {
    await using situation = await Situation.start();
    await sendCounters(situation.engine, (counter) => ({ ...counter, name }));
    const { text } = await expectProblems(situation, "unknown-metrics");
    expect(text).toContain(`none that this engine knows: ${name}`);
  });
});

describe("missing labels", () => {
  test.each([
    ["missing-workload-labels", /^(source|destination)_workload/],
    ["missing-target-labels", /^(pod|namespace)$/],
  ])("%s", async (code, dropped) => {
    await using situation = await Situation.start();
    await sendCounters(situation.engine, (counter) => without(counter, dropped));
    const { problems } = await expectProblems(situation, code);
    expect(problems[0]?.evidence).toEqual({ incomplete_series: 2, series: 2 });
  });
});

describe("a clock that is off by ten minutes", () => {
  test.each([
    ["clock-ahead", 600_000],
    ["clock-behind", -600_000],
  ])("%s", async (code, clockOffMs) => {
    await using situation = await Situation.start();
    await sendMesh(situation.engine, clockOffMs);
    const { text } = await expectProblems(situation, code);
    expect(text).toContain("10 minutes");
  });
});

test("a namespace without agents", async () => {
  await using situation = await Situation.start();
  await sendMesh(situation.engine);
  const name = "billing-6d4b75cb1d-abcde";
  const place = { namespace: "payments", workload: "billing", host: "node-9", ip: "10.244.9.9" };
  const pod = { ...pods.details, ...place, name, uid: "of-billing" };
  using client = new OtlpClient(situation.engine.grpc, 3);
  const objects = encodeLogs({ "k8s.cluster.name": clusterName }, [podObject(pod, Date.now())]);
  expect(await client.send(Signal.logs, objects.bytes)).toMatchObject({ ok: true });
  await sendCounters(situation.engine, (counter) => counter, { ...call, client: pod });
  const { text } = await expectProblems(situation, "namespace-without-agents");
  expect(text).toContain("no node agent is heard: payments [");
});

test("nobody scrapes us", async () => {
  await using situation = await Situation.start();
  await sendMesh(situation.engine);
  await expectProblems(situation);
  const codes = async (within: string): Promise<string[]> =>
    (await situation.status(`?scrape_within=${within}`)).problems.map(({ code }) => code);
  await until(
    async () => codes("1s"),
    (found) => found.join() === "not-scraped",
    settleMs,
  );
  const doctor = ["doctor", "--url", situation.engine.web, "--scrape-within"];
  const { code, out } = await run([...doctor, "1s"]);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^warning: Nobody scrapes \/metrics: not once since the start .*\[not-scraped]$/m,
  );
  await fetch(`${situation.engine.web}/metrics`, { headers: { "user-agent": "Prometheus/3.9" } });
  const after = await run([...doctor, "1m"]);
  expect(after.code).toBe(0);
  expect(after.out).toMatch(/^Last scrape of \/metrics: \d{4}-.* by Prometheus\/3\.9$/m);
  expect((await run([...doctor, "soon"])).error).toContain("scrape_within");
});

test("the sink is down", async () => {
  const port = await closedPort();
  const sink = `exporters.otlp={endpoint: "127.0.0.1:${port}", tls: {insecure: true}}`;
  await using situation = await Situation.start([sink]);
  await sendMesh(situation.engine);
  const { text } = await expectProblems(situation, "sink-down");
  expect(text).toContain(`127.0.0.1:${port}`);
});

/** Of this test, and listened to by nobody. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const failingRule = `
version: 1
rules:
  - id: team-of-ratings
    title: A team's traffic
    severity: info
    confidence: high
    on: edge
    when: edge.src.labels.team == 'ratings'
    message: "{{ edge.src.name }}"
`;

test("a rule that fails", async () => {
  await using situation = await Situation.start(["rules.paths=[@/rules]"], (folder) => {
    mkdirSync(join(folder, "rules"));
    writeFileSync(join(folder, "rules", "team.yaml"), failingRule);
  });
  await sendMesh(situation.engine);
  const { text } = await expectProblems(situation, "rules-failing");
  expect(text).toMatch(/The rule team-of-ratings cannot be evaluated: .*team/);
  await expectFiring(situation, "rule-failing", "team-of-ratings");
});

test("the store is nearly full", async () => {
  await using situation = await Situation.start(["store.max_size=2MiB"]);
  await sendMesh(situation.engine);
  const { text } = await expectProblems(situation, "store-nearly-full");
  expect(text).toContain("raise store.max_size");
  await expectFiring(situation, "storage-degraded", "nearly_full");
});
