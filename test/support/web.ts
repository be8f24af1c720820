/** The page and API on a free port, over a store of two tenants, asked byte for byte. */
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { FailureLimit } from "../../src/access/failure-limit.ts";
import { TokenGate } from "../../src/access/gate.ts";
import type { ServerTls } from "../../src/access/server-tls.ts";
import { digestOf, TokenTable } from "../../src/access/tokens.ts";
import { PrometheusRegistry } from "../../src/export/prometheus.ts";
import { FakeClock, systemClock } from "../../src/lib/clock.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { Principal, Scope } from "../../src/model/access.ts";
import type { ApiQueries } from "../../src/model/api.ts";
import type { EngineCommand } from "../../src/model/commands.ts";
import { makeWriteSet } from "../../src/model/rows.ts";
import { usPerHour } from "../../src/model/time.ts";
import { AccessEvents } from "../../src/self/access-events.ts";
import { makeLog } from "../../src/self/log.ts";
import type { WebAccess } from "../../src/serve/access.ts";
import { Sessions } from "../../src/serve/sessions.ts";
import { WebServer } from "../../src/serve/web-server.ts";
import { StoreReader } from "../../src/store/reader.ts";
import { StoreWriter } from "../../src/store/writer.ts";
import { baseUs, makeEdgeRow, makeFacetRow, makeInsightRow, makeNodeRow } from "./write-sets.ts";

export const webTokens = {
  read: "a-token-that-reads-everything",
  shop: "a-token-that-reads-the-shop-only",
  metrics: "a-token-of-the-prometheus",
  admin: "a-token-that-changes-things",
  all: "a-token-that-reads-and-changes",
} as const;

export interface TestWeb extends AsyncDisposable {
  readonly port: number;
  readonly commands: EngineCommand[];
  readonly log: string[];
  /** Of sessions. */
  readonly clock: FakeClock;
  /** As from now only these are known. */
  keep(...names: (keyof typeof webTokens)[]): void;
  offer(token: string): string;
  ask(request: WebRequest): Promise<WebAnswer>;
}

export interface WebRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
  /** What is said of the body's length; the body's own if not given. */
  readonly length?: number;
  /** A client certificate. */
  readonly shown?: { readonly cert: string; readonly key: string };
}

export interface WebAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

export interface WebWorld {
  /** False: nobody is asked. */
  readonly asks?: boolean;
  readonly anonymous?: readonly Scope[];
  readonly tls?: ServerTls;
  readonly clients?: readonly Principal[];
  readonly otherClients?: Principal | null;
}

export const principal = (
  name: string,
  scopes: readonly Scope[],
  namespaces: readonly string[] = [],
): Principal => ({ name, scopes: new Set(scopes), namespaces });

const principals = {
  read: principal("reader", ["read"]),
  shop: principal("shop", ["read"], ["shop"]),
  metrics: principal("prometheus", ["metrics"]),
  admin: principal("operator", ["admin"]),
  all: principal("owner", ["read", "admin"]),
} satisfies Record<keyof typeof webTokens, Principal>;

const tableOf = (names: readonly (keyof typeof webTokens)[]): TokenTable =>
  new TokenTable(
    names.map((name) => ({ principal: principals[name], digests: [digestOf(webTokens[name])] })),
  );

export async function startWeb(world: WebWorld = {}): Promise<TestWeb> {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-web-"));
  const path = join(folder, "insights.db");
  const writer = new StoreWriter({ path, programVersion: "1", nowUs: baseUs });
  writer.commit(makeTenants());
  const reader = new StoreReader(path);
  const registry = new PrometheusRegistry();
  const lines: string[] = [];
  const log = makeLog({ level: "debug", format: "text", write: (line) => lines.push(line) });
  const clock = new FakeClock(usPerHour);
  const events = new AccessEvents("web", registry, log, systemClock);
  const every = ["read", "shop", "metrics", "admin", "all"] as const;
  const gate = new TokenGate(tableOf(every), new FailureLimit(systemClock), events);
  const { tls: serverTls = null, clients = [], anonymous = [], otherClients = null } = world;
  const access: WebAccess = {
    gate,
    clients: new Map(clients.map((client) => [client.name, client])),
    otherClients,
    anonymous: principal("", anonymous),
    sessions: new Sessions(clock, usPerHour),
    isTls: serverTls !== null,
  };
  const commands: EngineCommand[] = [];
  const components = [{ name: "store", ok: true, text: path }];
  const server = new WebServer(
    { host: "127.0.0.1", port: 0, tls: serverTls },
    {
      access: world.asks === false ? null : access,
      queries: promising(reader),
      metrics: {
        contentType: registry.contentType,
        text: () => registry.text(),
        read: (name) => registry.read(name),
      },
      status: {
        status: () => ({
          version: "1",
          startedAt: "2026-01-01T00:00:00Z",
          ready: true,
          components,
          listening: { grpc: "", http: "" },
          ruleFaults: [],
          ruleErrors: [],
          store: { path, freeBytes: null },
        }),
      },
      rules: () => [],
      guides: [],
      layers: () => ["bank", "shop"].map((namespace) => ({ cluster: "c1", namespace, layers: [] })),
      ownCluster: () => "c1",
      reload: async () => true,
      command: async (command) => {
        commands.push(command);
        return { kind: "accepted", items: 0, rejectedItems: 0, message: "" };
      },
      onError: (at, error) => log.error("cannot answer", { at, error: error.message }),
    },
  );
  const { port } = await server.listen();
  return {
    port,
    commands,
    log: lines,
    clock,
    keep: (...names) => gate.replace(tableOf(names)),
    offer: (token) => {
      const known = gate.find(new Secret(token));
      return known ? access.sessions.offer(known.digest).reveal() : "";
    },
    ask: (request) => ask(port, serverTls !== null, request),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      reader.close();
      writer.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** shop: web → cart, cart → pay of the bank; bank: pay → vault. Each has a finding and a source. */
function makeTenants() {
  const set = makeWriteSet(1, baseUs);
  const bank = (name: string) => ({ name, namespace: "bank", key: `c1/bank/${name}` });
  set.nodes.push(makeNodeRow(1, { name: "web" }), makeNodeRow(2, { name: "cart" }));
  set.nodes.push(makeNodeRow(3, bank("pay")), makeNodeRow(4, bank("vault")));
  for (const [id, src, dst] of [
    [1, 1, 2],
    [2, 2, 3],
    [3, 3, 4],
  ] as const) {
    set.edges.push(makeEdgeRow(id, src, dst));
    set.facets.push(makeFacetRow(id));
  }
  set.insights.push(
    makeInsightRow("of-shop", { workload: "cart" }),
    makeInsightRow("of-bank", { namespace: "bank", workload: "pay", message: "bank/pay" }),
  );
  for (const [nodeId, namespace, name] of [
    [2, "shop", "cart"],
    [3, "bank", "pay"],
  ] as const) {
    const place = { cluster: "c1", namespace };
    const state = { mesh: 1, pods: 1, live: 0, heard: 0, reporters: "[]" };
    set.coverage.push({ nodeId, ...place, name, ...state });
    const seen = { state: "live", firstSeenUs: baseUs, lastSeenUs: baseUs, detail: "{}" };
    set.sources.push({ kind: "proxy", key: `${namespace}/${name}`, ...place, ...seen });
  }
  return set;
}

/** The same questions, with the promises of a reader thread. */
function promising(reader: StoreReader): ApiQueries {
  return {
    insights: async (filter) => reader.insights(filter),
    insight: async (id) => reader.insight(id),
    graph: async (filter) => reader.graph(filter),
    workload: async (cluster, namespace, name) => reader.workload(cluster, namespace, name),
    waivers: async (nowUs) => reader.waivers(nowUs),
    blind: async () => reader.blind(),
    sources: async (filter) => reader.sources(filter),
    overview: async () => reader.overview(),
    coverage: async (filter) => reader.coverage(filter),
  };
}

function ask(port: number, isTls: boolean, request: WebRequest): Promise<WebAnswer> {
  const { method = "GET", path, headers = [], body = "", length, shown = {} } = request;
  const named = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  if (!named.has("host")) lines.push(`Host: 127.0.0.1:${port}\r\n`);
  if (method !== "GET") lines.push(`Content-Length: ${length ?? Buffer.byteLength(body)}\r\n`);
  const text = `${method} ${path} HTTP/1.1\r\n${lines.join("")}Connection: close\r\n\r\n${body}`;
  const place = { port, host: "127.0.0.1" };
  const socket = isTls
    ? tls.connect({ ...place, ...shown, rejectUnauthorized: false })
    : net.connect(place);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const answer = Buffer.concat(chunks).toString();
      const [head = "", ...rest] = answer.split("\r\n\r\n");
      resolve({ status: Number(head.split(" ")[1]), head, body: rest.join("\r\n\r\n") });
    });
    socket.write(text);
  });
}
