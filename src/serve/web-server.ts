/**
 * The HTTP side on 4316: status page, /metrics, health, and the read-only JSON API. It asks the store's
 * readers, never the engine, so a slow question cannot hold up telemetry. It changes no state but for
 * acknowledgements and reloads: every other method than GET and HEAD is refused, its body unread.
 */
import type { AddressInfo } from "node:net";
import { createServer, type ServerOptions } from "node:https";
import { serve, type ServerType } from "@hono/node-server";
import { Hono, type Context, type MiddlewareHandler } from "hono";
import { replaceServerTls, serverTlsOptions, type ServerTls } from "../access/server-tls.ts";
import { systemClock } from "../lib/clock.ts";
import { isLoopback } from "../lib/loopback.ts";
import type { ApiQueries } from "../model/api.ts";
import type { CommandHandler } from "../model/commands.ts";
import type { RuleMeta } from "../model/insights.ts";
import type { ApiNamespaceLayers } from "../model/layers.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import { parseDuration } from "../model/durations.ts";
import { usPerMs } from "../model/time.ts";
import type { InstrumentName, Reading } from "../self/instruments.ts";
import { accessControl, isReadable, namespacesOf, sameOrigin, type WebAccess } from "./access.ts";
import { addAcknowledge, isAcknowledgement } from "./acknowledge.ts";
import { coverageOf } from "./coverage.ts";
import { layersPage } from "./layers.ts";
import { limitedTo } from "./limited.ts";
import { loginPath, logoutPath } from "./login-page.ts";
import { addLogin } from "./login.ts";
import {
  parseCoverageFilter,
  parseGraphFilter,
  parseInsightFilter,
  parseLayersFilter,
  parseSourceFilter,
  parseStatusQuestion,
} from "./parameters.ts";
import { problemResponse } from "./problem.ts";
import { Reporter } from "./report.ts";
import { renderStatusPage, statusPageStyle, withoutNames } from "./status-page.ts";
import type { StatusSource } from "./status.ts";

export interface WebOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Null = plain text. */
  readonly tls: ServerTls | null;
}

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
  /** The same numbers, of one instrument. */
  read(name: InstrumentName): Promise<readonly Reading[]>;
}

export interface WebParts {
  readonly queries: ApiQueries;
  readonly metrics: MetricsText;
  readonly status: StatusSource;
  /** The rules that are loaded now. */
  readonly rules: () => readonly RuleMeta[];
  /** Every source that is understood. */
  readonly guides: readonly SourceGuide[];
  /** Defence in depth as the engine told it last, by cluster and namespace. */
  readonly layers: () => readonly ApiNamespaceLayers[];
  /** The cluster of telemetry that names none. */
  readonly ownCluster: () => string;
  /** Whom it asks for a token, a login or a certificate; null = nobody. */
  readonly access: WebAccess | null;
  /** Reads configuration and rules again, false when they cannot be used; null = not over HTTP. */
  readonly reload: (() => Promise<boolean>) | null;
  /** Does what people ask for; null = not over HTTP. */
  readonly command: CommandHandler | null;
  /** Told of faults of ours, with what was asked for. */
  readonly onError: (path: string, error: Error) => void;
}

/** No script at all, styles from here only, never in a frame. */
const contentSecurityPolicy =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export class WebServer implements AsyncDisposable {
  readonly #options: WebOptions;
  readonly #parts: WebParts;
  readonly #reporter: Reporter;
  #server: ServerType | null = null;

  constructor(options: WebOptions, parts: WebParts) {
    this.#options = options;
    this.#parts = parts;
    const { queries, status, metrics, rules, guides } = parts;
    const read = (name: InstrumentName): Promise<readonly Reading[]> => metrics.read(name);
    this.#reporter = new Reporter({ queries, status, rules, guides, read, clock: systemClock });
  }

  /** For new connections; throws when it cannot be used, and then changes nothing. */
  setTls(tls: ServerTls): void {
    const server = this.#server;
    if (server && "setSecureContext" in server) replaceServerTls(server, tls);
  }

  /** Resolves with the bound address; rejects with what to do when the port is taken. */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port, tls } = this.#options;
    const app = makeRoutes(this.#options, this.#parts, this.#reporter);
    return new Promise((resolve, reject) => {
      const address = { fetch: app.fetch, hostname: host, port };
      const listening = (info: AddressInfo): void => resolve({ host, port: info.port });
      const server =
        tls === null
          ? serve({ ...address, serverOptions: patience }, listening)
          : serve({ ...address, createServer, serverOptions: tlsOptions(tls) }, listening);
      server.maxConnections = connectionsMax;
      server.once("error", (cause: NodeJS.ErrnoException) => {
        reject(listenError(host, port, cause));
      });
      this.#server = server;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#reporter[Symbol.dispose]();
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      if ("closeAllConnections" in server) server.closeAllConnections();
    });
  }
}

/** How long, and how much, before anybody knows who asks. */
const patience = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
};
const connectionsMax = 512;

/** Who shows no certificate is told so by an answer: probes of health show none. */
function tlsOptions(tls: ServerTls): ServerOptions {
  return { ...patience, ...serverTlsOptions(tls), rejectUnauthorized: false };
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): Error {
  const why =
    cause.code === "EADDRINUSE"
      ? "address already in use; stop the other program or set web.endpoint"
      : cause.message;
  return new Error(`cannot listen on ${host}:${port} for the web page: ${why}`, { cause });
}

function makeRoutes(options: WebOptions, parts: WebParts, reporter: Reporter): Hono {
  const app = new Hono();
  const { access } = parts;
  app.use(secureHeaders, sameHost(options), sameOrigin(access, options.tls !== null));
  app.use(accessControl(access), onlyReading(parts));
  app.onError((error, context) => {
    if (isBadQuery(error)) return badParameters(context, error.message);
    parts.onError(context.req.path, error);
    return problemResponse(context, {
      status: 503,
      title: "cannot answer now",
      detail: "the engine could not answer; its log has the reason",
    });
  });
  app.notFound((context) =>
    problemResponse(context, {
      status: 404,
      title: "no such page",
      detail: `nothing is served at ${context.req.path.slice(0, 200)}`,
    }),
  );
  if (access !== null) addLogin(app, access);
  addHealth(app, parts);
  addReload(app, parts);
  addAcknowledge(app, { command: parts.command, clock: systemClock });
  addApi(app, parts.queries);
  addStatus(app, parts.queries, reporter);
  addCoverage(app, parts);
  addLayers(app, parts);
  app.get("/metrics", async (context) => {
    reporter.scraped(context.req.header("user-agent") ?? "");
    return context.body(await parts.metrics.text(), 200, {
      "content-type": parts.metrics.contentType,
    });
  });
  app.get("/status.css", (context) =>
    context.body(statusPageStyle, 200, { "content-type": "text/css; charset=utf-8" }),
  );
  app.get("/", async (context) => {
    const namespaces = namespacesOf(context);
    const queries = limitedTo(parts.queries, namespaces);
    const firing = await queries.insights({ state: "firing", limit: 200 });
    const blind = await queries.blind();
    const whole = await reporter.report();
    const report = namespaces.length === 0 ? whole : withoutNames(whole);
    const lists = { firing: firing.items, blind, isLoggedIn: context.get("isLoggedIn") };
    return context.html(renderStatusPage(report, lists));
  });
  return app;
}

function addHealth(app: Hono, parts: WebParts): void {
  for (const path of ["/-/healthy", "/healthz"]) app.get(path, (context) => context.text("ok\n"));
  for (const path of ["/-/ready", "/readyz"]) {
    app.get(path, (context) => {
      const { ready, components } = parts.status.status();
      const failing = components.filter((part) => !part.ok).map((part) => part.name);
      return context.text(
        ready ? "ready\n" : `not ready: ${failing.join(", ")}\n`,
        ready ? 200 : 503,
      );
    });
  }
  app.get("/status", async (context) => {
    const { version, startedAt, ready, components } = parts.status.status();
    if (context.req.query("verbose") !== undefined) {
      const blind = await parts.queries.blind();
      return context.json({ version, startedAt, ready, components, blind });
    }
    return context.json({ version, ready });
  });
}

function addApi(app: Hono, queries: ApiQueries): void {
  const limited = (context: Context): ApiQueries => limitedTo(queries, namespacesOf(context));
  app.get("/api/v1/insights", async (context) => {
    const filter = parseInsightFilter(context.req.query());
    if (!filter.ok) return badParameters(context, filter.detail);
    return context.json(await limited(context).insights(filter.value));
  });
  app.get("/api/v1/insights/:id", async (context) => {
    const insight = await limited(context).insight(context.req.param("id"));
    return insight === null ? noSuch(context, "insight") : context.json(insight);
  });
  app.get("/api/v1/waivers", async (context) =>
    context.json(await limited(context).waivers(systemClock.nowUs())),
  );
  app.get("/api/v1/graph", async (context) => {
    const filter = parseGraphFilter(context.req.query());
    if (!filter.ok) return badParameters(context, filter.detail);
    return context.json(await limited(context).graph(filter.value));
  });
  app.get("/api/v1/workloads/:cluster/:namespace/:name", async (context) => {
    const { cluster, namespace, name } = context.req.param();
    const workload = await limited(context).workload(cluster, namespace, name);
    return workload === null ? noSuch(context, "workload") : context.json(workload);
  });
}

function addStatus(app: Hono, queries: ApiQueries, reporter: Reporter): void {
  app.get("/api/v1/sources", async (context) => {
    const filter = parseSourceFilter(context.req.query());
    if (!filter.ok) return badParameters(context, filter.detail);
    return context.json(await limitedTo(queries, namespacesOf(context)).sources(filter.value));
  });
  app.get("/api/v1/status", async (context) => {
    const question = parseStatusQuestion(context.req.query());
    if (!question.ok) return badParameters(context, question.detail);
    const withinUs = parseDuration(question.value.scrape_within ?? "");
    return context.json(
      await (withinUs === null ? reporter.report() : reporter.report(withinUs / usPerMs)),
    );
  });
}

function addCoverage(app: Hono, { queries, rules, guides, ownCluster }: WebParts): void {
  app.get("/api/v1/coverage", async (context) => {
    const filter = parseCoverageFilter(context.req.query());
    if (!filter.ok) return badParameters(context, filter.detail);
    const known = rules();
    const { rule } = filter.value;
    if (rule !== undefined && !known.some(({ id }) => id === rule)) return noSuch(context, "rule");
    const stored = await limitedTo(queries, namespacesOf(context)).coverage(filter.value);
    return context.json(
      coverageOf(stored, known, filter.value, { ownCluster: ownCluster(), guides }),
    );
  });
}

function addLayers(app: Hono, { layers }: WebParts): void {
  app.get("/api/v1/layers", (context) => {
    const filter = parseLayersFilter(context.req.query());
    if (!filter.ok) return badParameters(context, filter.detail);
    const readable = layers().filter(({ namespace }) => isReadable(context, namespace));
    const page = layersPage(readable, filter.value);
    return page === null ? badParameters(context, "unknown cursor") : context.json(page);
  });
}

/** The store's word for a question that can have no answer, such as a cursor it never gave. */
function isBadQuery(error: Error): boolean {
  return "code" in error && error.code === "bad_query";
}

function badParameters(context: Context, detail: string): Response {
  return problemResponse(context, { status: 400, title: "cannot use the parameters", detail });
}

function noSuch(context: Context, what: string): Response {
  return problemResponse(context, {
    status: 404,
    title: `no such ${what}`,
    detail: `no ${what} is known by that name; lists are at /api/v1/insights and /api/v1/graph`,
  });
}

const secureHeaders: MiddlewareHandler = async (context, next) => {
  await next();
  context.header("content-security-policy", contentSecurityPolicy);
  context.header("x-content-type-options", "nosniff");
  context.header("referrer-policy", "no-referrer");
  context.header("cross-origin-resource-policy", "same-origin");
  context.header("cache-control", "no-store");
};

const reloadPath = "/-/reload";

function onlyReading({ reload, command }: WebParts): MiddlewareHandler {
  return async (context, next) => {
    const { method, path } = context.req;
    if (method === "GET" || method === "HEAD") return next();
    if (method === "POST" && path === reloadPath && reload !== null) return next();
    if (method === "POST" && (path === loginPath || path === logoutPath)) return next();
    const isAcknowledging = isAcknowledgement(method, path);
    if (isAcknowledging && command !== null) return next();
    let detail = "this version changes nothing else over HTTP";
    if (path === reloadPath) detail = "reloading over HTTP is off: set web.reload, or send SIGHUP";
    if (isAcknowledging) detail = `acknowledging over the network is off: set web.acknowledge`;
    return problemResponse(context, { status: 405, title: "only GET and HEAD", detail });
  };
}

/** Reads no body and takes no parameter: what is loaded is what the process was started with. */
function addReload(app: Hono, { reload }: WebParts): void {
  app.post(reloadPath, async (context) => {
    if (reload !== null && (await reload())) return context.text("reloaded\n");
    return problemResponse(context, {
      status: 500,
      title: "cannot reload",
      detail: "the old configuration stays in use; the engine's log has every fault",
    });
  });
}

/**
 * A page of another site could reach a loopback port through a name of its own (DNS rebinding). While we
 * listen on loopback only, the Host header must therefore be a loopback name.
 */
function sameHost(options: WebOptions): MiddlewareHandler {
  const isOnLoopback = isLoopback(options.host);
  return async (context, next) => {
    const host = (context.req.header("host") ?? "").replace(/:\d+$/, "");
    if (!isOnLoopback || ["127.0.0.1", "[::1]", "localhost"].includes(host)) return next();
    return problemResponse(context, {
      status: 403,
      title: "unexpected host",
      detail:
        "this engine listens on loopback; ask for 127.0.0.1 or localhost, or set web.endpoint",
    });
  };
}
