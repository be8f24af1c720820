/**
 * The built program with tokens and TLS on every port: a real collector and the commands get in with a
 * token and not without, and no secret that it was given shows up anywhere.
 */
import { hash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import { Signal } from "../../src/model/stages.ts";
import { Peer, toolsOrSkip } from "../support/peers.ts";
import { freePort, Program, root, TempFolder, until } from "../support/program.ts";

const fixtures = join(root, "test/fixtures/tls");
const ca = readFileSync(join(fixtures, "cert.pem"), "utf8");

/** What must never be shown. */
const secrets = {
  gateway: "s3cret-of-the-gateway-4711",
  reader: "s3cret-of-a-reader-4712",
  prometheus: "s3cret-of-prometheus-4713",
  admin: "s3cret-of-the-operator-4714",
  sink: "s3cret-of-the-sink-4715",
  wrong: "s3cret-that-nobody-has-4716",
} as const;
const sha256 = hash("sha256", secrets.admin);
const planted = [
  ...Object.values(secrets),
  sha256,
  readFileSync(join(fixtures, "key.pem"), "utf8").split("\n")[1] ?? "",
];

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly config: string;
}

/** Files of tokens and a configuration that names them; ports: web, gRPC, HTTP. */
async function prepare(folder: string): Promise<Place> {
  const port = await freePort();
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const token = (name: keyof typeof secrets): string => file(name, `${secrets[name]}\n`);
  const tls = `tls: { cert_file: ${fixtures}/cert.pem, key_file: ${fixtures}/key.pem }`;
  const receiver = (offset: number): string =>
    `{ endpoint: "127.0.0.1:${port + offset}", ${tls}, auth: { tokens: [{ name: gateway, token_file: ${token("gateway")} }] } }`;
  const config = file(
    "config.yaml",
    `version: 1
receivers:
  grpc: ${receiver(1)}
  http: ${receiver(2)}
web:
  endpoint: "127.0.0.1:${port}"
  ${tls}
  reload: true
  auth:
    tokens:
      - { name: reader, token_file: ${token("reader")} }
      - { name: prometheus, token_file: ${token("prometheus")}, scopes: [metrics] }
      - { name: operator, token_file: ${file("admin", `sha256:${sha256}\n`)}, scopes: [admin] }
exporters:
  otlp:
    endpoint: "127.0.0.1:9"
    tls: { insecure: true }
    headers_file: ${file("headers", `authorization: Bearer ${secrets.sink}\n`)}
store: { path: ${folder}/store/mesh.db }
telemetry: { log_level: debug }
`,
  );
  return { folder, port, config };
}

interface Asked {
  readonly status: number;
  readonly body: string;
}

function ask(port: number, path: string, token: string | null, method = "GET"): Promise<Asked> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const options = { host: "localhost", port, path, method, ca, headers, agent: false };
    const request = https.request(options, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject);
    request.end();
  });
}

async function start({ config, port }: Place): Promise<Program> {
  const program = new Program(["serve", "--config", config]);
  try {
    await until(
      () => ask(port, "/-/ready", null),
      ({ status }) => status === 200,
      20_000,
    );
  } catch (cause) {
    await program.kill("SIGKILL");
    throw new Error(`the engine did not get ready:\n${program.output}`, { cause });
  }
  return program;
}

test("commands get in with a token; what they and the engine show holds no secret", async () => {
  using folder = new TempFolder();
  const place = await prepare(folder.path);
  await using engine = await start(place);
  const { port } = place;
  const shown: string[] = [];
  const command = async (args: readonly string[], env: Record<string, string> = {}) => {
    const url = ["--url", `https://localhost:${port}`];
    const trust = { NODE_EXTRA_CA_CERTS: join(fixtures, "cert.pem") };
    const { code, out, error } = await new Program([...args, ...url], { ...trust, ...env })
      .finished;
    shown.push(out, error);
    return { code, out, error };
  };
  const withFile = ["--token-file", join(folder.path, "reader")];
  for (const name of ["insights", "graph", "coverage", "layers"]) {
    expect((await command([name, ...withFile])).code).toBe(0);
  }
  expect((await command(["health"])).code).toBe(0);
  expect((await command(["insights"], { MESH_INSIGHTS_TOKEN: secrets.reader })).code).toBe(0);
  const none = await command(["insights"]);
  expect([none.code, none.error]).toEqual([1, expect.stringMatching(/401, .*--token-file/)]);
  expect((await command(["doctor"], { MESH_INSIGHTS_TOKEN: secrets.wrong })).code).toBe(1);
  expect((await command(["graph", "--token-file", join(folder.path, "none")])).code).toBe(2);

  for (const [path, token, status] of [
    ["/", secrets.reader, 200],
    ["/api/v1/status", secrets.reader, 200],
    ["/status?verbose", secrets.reader, 200],
    ["/metrics", secrets.prometheus, 200],
    ["/metrics", secrets.reader, 403],
    ["/api/v1/status", secrets.wrong, 401],
    [`/login?once=${secrets.wrong}`, null, 401],
  ] as const) {
    const answer = await ask(port, path, token);
    expect([path, answer.status]).toEqual([path, status]);
    shown.push(answer.body);
  }
  expect((await ask(port, "/-/reload", secrets.reader, "POST")).status).toBe(403);
  expect((await ask(port, "/-/reload", secrets.admin, "POST")).status).toBe(200);

  writeFileSync(join(folder.path, "gateway"), `${secrets.wrong} ${secrets.wrong}\n`);
  await until(
    async () => engine.output,
    (text) => text.includes("cannot use changed credentials"),
    5_000,
  );
  const bad = await ask(port, "/-/reload", secrets.admin, "POST");
  shown.push(bad.body);
  expect(bad.status).toBe(500);
  for (const args of [["print-config"], ["validate"], ["serve"]]) {
    const { out, error } = await new Program([...args, "--config", place.config]).finished;
    shown.push(out, error);
  }
  const { out, error } = await engine.kill("SIGTERM");
  shown.push(out, error);
  const text = shown.join("\n");
  expect(text).toContain("line 1 of the token file");
  expect(text.length).toBeGreaterThan(20_000);
  expect(planted.filter((secret) => text.includes(secret))).toEqual([]);
});

/** Sends what it gets; the token is the exporter's. */
const collectorConfig = (otlp: string, port: number, token: string): string => `
receivers: { otlp: { protocols: { grpc: { endpoint: "${otlp}" } } } }
exporters:
  otlp_grpc:
    endpoint: localhost:${port + 1}
    tls: { ca_file: ${fixtures}/cert.pem }
    headers: { authorization: "Bearer ${token}" }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp_grpc] }
`;

async function accepted(port: number): Promise<number> {
  const { body } = await ask(port, "/metrics", secrets.prometheus);
  const series = 'mesh_insights_receiver_accepted_log_records_total{transport="grpc"} ';
  const line = body.split("\n").find((text) => text.startsWith(series)) ?? "";
  return Number(line.slice(series.length));
}

test("a real collector gets in with its header, and is told when it has none that is good", async (context) => {
  const { collector } = toolsOrSkip(context, "collector");
  using folder = new TempFolder();
  const place = await prepare(folder.path);
  await using _engine = await start(place);
  const { port } = place;
  const simulation = new Simulation(1);
  const requests = [1, 2, 3].flatMap(() => simulation.tick(Date.now()));
  const logs = requests.filter(({ signal }) => signal === Signal.logs);
  expect(logs.length).toBeGreaterThan(0);
  const config = join(folder.path, "collector.yaml");
  const sendThrough = async (token: string, done: (output: string) => Promise<boolean>) => {
    const otlp = `127.0.0.1:${await freePort()}`;
    writeFileSync(config, collectorConfig(otlp, port, token));
    await using peer = new Peer("the collector", collector, ["--config", config]);
    await peer.becomes("ready", async () => peer.output.includes("is ready"), 20_000);
    using client = new OtlpClient(otlp);
    for (const { signal, bytes } of logs) {
      expect(await client.send(signal, bytes)).toMatchObject({ ok: true });
    }
    await peer.becomes("done", () => done(peer.output), 20_000);
  };
  await sendThrough(secrets.wrong, async (output) => /Unauthenticated/.test(output));
  expect(await accepted(port)).toBe(0);
  await sendThrough(secrets.gateway, async () => (await accepted(port)) > 0);
});

test("beyond loopback, nothing starts unprotected unless it is said, and then it is warned of", async () => {
  using folder = new TempFolder();
  // 127.1 is loopback to the system, and not to us: nothing of this can be reached.
  const sets = ["receivers.grpc.endpoint=127.1:0", `store.path=${folder.path}/store/mesh.db`];
  for (const port of ["web", "receivers.http"]) sets.push(`${port}.endpoint=127.0.0.1:0`);
  const serve = (...more: string[]): Program =>
    new Program(["serve", ...[...sets, ...more].flatMap((set) => ["--set", set])]);
  const refused = await serve().finished;
  expect([refused.code, refused.out]).toEqual([2, ""]);
  expect(refused.error).toContain(
    'cannot use "receivers.grpc.endpoint": it can be reached from the network, and asks nobody who it is and speaks plain text',
  );
  await using engine = serve("receivers.grpc.insecure=true");
  await until(
    async () => engine.output,
    (text) => text.includes("as `insecure` allows") && text.includes("page and API on http://"),
    20_000,
  );
  expect(engine.output.match(/as `insecure` allows/g)).toHaveLength(1);
});
