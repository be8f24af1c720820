/**
 * Telemetry is full of secrets: tokens in paths, cookies and credentials in headers, passwords in
 * arguments, environments and annotations. They are planted wherever a sender could put them, beside
 * an attack that is found with evidence; then everything that the engine keeps or says is searched.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiInsight, ApiPage } from "../../src/model/api.ts";
import { Signal } from "../../src/model/stages.ts";
import { keyValues } from "../support/otlp-build.ts";
import { requestTypes } from "../support/otlp-oracle.ts";
import { OtlpSink } from "../support/otlp-sink.ts";
import {
  freePort,
  getJson,
  startEngine,
  TempFolder,
  until,
  type Engine,
} from "../support/program.ts";

/** What is searched for; each place has a word of its own behind it. */
const mark = "S3cr3t";
const secret = (place: string): string => `${mark}-${place}`;

interface AnyValue {
  string_value?: string;
  kvlist_value?: { values: KeyValue[] };
  array_value?: { values: AnyValue[] };
}
interface KeyValue {
  key: string;
  value: AnyValue;
}
interface Span {
  attributes: unknown[];
  events: unknown[];
  name: string;
}
interface LogRecord {
  attributes: unknown[];
  body?: AnyValue;
}
interface Traces {
  resource_spans: { scope_spans: { spans: Span[] }[] }[];
}
interface Logs {
  resource_logs: { scope_logs: { log_records: LogRecord[] }[] }[];
}

const headers = keyValues({
  "http.request.header.authorization": secret("span-header"),
  "http.request.header.cookie": [secret("span-cookie")],
  authorization: `Bearer ${secret("bearer")}`,
  cookie: `session=${secret("cookie")}`,
  "url.query": `token=${secret("query")}`,
  "db.query.text": `SELECT '${secret("sql")}'`,
});

function plantInTraces(request: Traces): void {
  for (const span of request.resource_spans
    .flatMap((one) => one.scope_spans)
    .flatMap((one) => one.spans)) {
    span.attributes = [
      ...span.attributes,
      ...headers,
      ...keyValues({ "http.url": `http://x/y?key=${secret("url")}`, "url.full": secret("full") }),
    ];
    span.events = [
      { name: "exception", attributes: keyValues({ "exception.message": secret("event") }) },
    ];
  }
}

/** Replaces what a sender words freely; the shapes stay. */
const planted: readonly (readonly [string, string])[] = [
  ["GET /api/v1 HTTP", `GET /api/v1?token=${secret("path")} HTTP`],
  ['"-" "demo/1" "', `"${secret("forwarded")}" "${secret("agent")}" "`],
  ['"arguments":""', `"arguments":"--password=${secret("argument")}"`],
];

function plantInText(text: string): string {
  return planted.reduce((done, [from, to]) => done.replaceAll(from, to), text);
}

/** Environment, command and annotations of an object. */
function plantInObject({ values }: { values: KeyValue[] }): void {
  const get = (of: KeyValue[], key: string): AnyValue | undefined =>
    of.find((one) => one.key === key)?.value;
  const annotations = get(get(values, "metadata")?.kvlist_value?.values ?? [], "annotations");
  annotations?.kvlist_value?.values.push(
    ...(keyValues({
      "kubectl.kubernetes.io/last-applied-configuration": secret("last-applied"),
      "example.com/token": secret("annotation"),
    }) as KeyValue[]),
  );
  const containers = get(get(values, "spec")?.kvlist_value?.values ?? [], "containers");
  for (const { kvlist_value: container } of containers?.array_value?.values ?? []) {
    container?.values.push(
      ...(keyValues({
        env: [{ name: "PASSWORD", value: secret("environment") }],
        command: ["/bin/app", secret("command")],
        args: [secret("args")],
      }) as KeyValue[]),
    );
  }
}

function plantInLogs(request: Logs): void {
  for (const record of request.resource_logs
    .flatMap((one) => one.scope_logs)
    .flatMap((one) => one.log_records)) {
    record.attributes = [...record.attributes, ...headers];
    const { body } = record;
    if (body?.string_value !== undefined) body.string_value = plantInText(body.string_value);
    if (body?.kvlist_value) plantInObject(body.kvlist_value);
  }
}

/** Also which of the places were really found in the telemetry. */
function plant(signal: Signal, bytes: Uint8Array): Uint8Array {
  const type = signal === Signal.traces ? requestTypes.traces : requestTypes.logs;
  if (signal === Signal.metrics) return bytes;
  const request = type.toObject(type.decode(bytes), { arrays: true });
  if (signal === Signal.traces) plantInTraces(request as Traces);
  else plantInLogs(request as Logs);
  return type.encode(type.fromObject(request)).finish();
}

function filesWith(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((path) => found(path, readFileSync(path, "latin1")));
}

/** Every place whose secret stands in the text. */
function found(where: string, text: string): string[] {
  const places = new Set(
    [...text.matchAll(new RegExp(`${mark}-[a-z-]+`, "g"))].map(([all]) => all),
  );
  return [...places].map((place) => `${place} in ${where}`);
}

async function pagesWith(engine: Engine, insights: readonly ApiInsight[]): Promise<string[]> {
  const paths = [
    "/",
    "/metrics",
    "/status?verbose",
    ...["insights", "graph?limit=10000", "coverage", "sources", "rules", "status"].map(
      (one) => `/api/v1/${one}`,
    ),
    ...insights.map(({ id }) => `/api/v1/insights/${id}`),
  ];
  const pages = await Promise.all(
    paths.map(async (path) => found(path, await (await fetch(engine.web + path)).text())),
  );
  return pages.flat();
}

test("what senders word freely is nowhere: not in the store, the log, the page, the records", async () => {
  using folder = new TempFolder();
  await using sink = new OtlpSink();
  await sink.start();
  const sets = [
    `exporters.otlp.endpoint=127.0.0.1:${sink.port}`,
    "exporters.otlp.tls.insecure=true",
  ];
  const engine = await startEngine(folder.path, await freePort(), sets);
  await using program = engine.program;
  using client = new OtlpClient(engine.grpc);
  const simulation = new Simulation(1);
  const seen = new Set<string>();
  for (let second = 0; second < 40; second++) {
    for (const { signal, bytes } of simulation.tick(Date.now() - (40 - second) * 1_000)) {
      const body = plant(signal, bytes);
      for (const one of found("", Buffer.from(body).toString("latin1"))) seen.add(one);
      expect(await client.send(signal, body)).toMatchObject({ ok: true });
    }
  }
  expect(seen.size).toBe(18);
  const page = await until(
    () => getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?limit=100`),
    ({ items }) => items.some(({ evidence }) => evidence.length > 1),
    30_000,
  );
  await until(
    async () => sink.taken.length,
    (count) => count > 0,
    30_000,
  );
  const said = sink.requests.flatMap(({ bytes }) => found("records", bytes.toString("latin1")));
  expect([
    ...(await pagesWith(engine, page.items)),
    ...said,
    ...found("log", program.output),
  ]).toEqual([]);
  expect(filesWith(folder.path)).toEqual([]);
  await program.kill("SIGTERM");
  expect(filesWith(folder.path)).toEqual([]);
});
