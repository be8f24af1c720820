/**
 * The composition root: the only place that chooses implementations, starts threads and servers, and
 * wires them. Everything is started downstream first (store, engine, page, receiver), so that stopping
 * in reverse takes no request that could not be finished.
 */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { exposureOf } from "./config/access.ts";
import type { Config } from "./config/config.ts";
import { Credentials } from "./credentials.ts";
import { EngineHealthWatch } from "./engine-health.ts";
import { Exporters } from "./exporters.ts";
import { PrometheusRegistry } from "./export/prometheus.ts";
import { systemClock } from "./lib/clock.ts";
import { Disposer } from "./lib/disposer.ts";
import type { Secret } from "./lib/secret.ts";
import type { PortName } from "./model/access.ts";
import type { RuleFault, RuleMeta } from "./model/insights.ts";
import type { ApiNamespaceLayers } from "./model/layers.ts";
import { usPerSecond, usToRfc3339 } from "./model/time.ts";
import { sourceGuides } from "./normalize/guides.ts";
import { makeGrpcReceiver, makeHttpReceiver } from "./receivers.ts";
import { RulesError, type Diagnostic } from "./rules/diagnostics.ts";
import type { Log } from "./self/log.ts";
import { EngineThreadEvents, StoreThreadEvents } from "./self/thread-events.ts";
import type { ComponentStatus, EngineStatus } from "./serve/status.ts";
import type { WebAccess } from "./serve/access.ts";
import { WebServer } from "./serve/web-server.ts";
import { EngineClient } from "./threads/engine-client.ts";
import type { RuleFile } from "./threads/engine-messages.ts";
import { ReaderThread } from "./threads/reader-client.ts";
import { StoreClient } from "./threads/store-client.ts";
import { StoreOutbox } from "./threads/store-outbox.ts";

const measureEveryMs = 5_000;

/** What sockets, the store and the registry are opened with, by the names of the configuration file. */
const fixedAtStart: Readonly<Record<string, (config: Config) => unknown>> = {
  "receivers.grpc": ({ grpc }) => ({ ...grpc, auth: grpc.auth === null }),
  "receivers.http": ({ http }) => ({ ...http, auth: http.auth === null }),
  store: ({ store }) => store,
  web: ({ web }) => ({ ...web, auth: { ...web.auth, tokens: [] } }),
  metrics: ({ metrics }) => metrics,
  "exporters.otlp.queue": ({ exporters }) => exporters.otlp?.queue,
};

const authsOf = ({ grpc, http, web }: Config) => ({
  grpc: grpc.auth,
  http: http.auth,
  web: web.auth,
});

/** What a start or a reload works with, checked whole. */
export interface LoadedWork {
  readonly config: Config;
  readonly ruleFiles: readonly RuleFile[];
  /** What the enabled rules among the files are. */
  readonly rules: readonly RuleMeta[];
  /** Why these are not the files as they are now; [] = they are. */
  readonly ruleErrors: readonly Diagnostic[];
}

export interface AppParts {
  readonly work: LoadedWork;
  /** Reads and checks everything again; throws with every fault, for a person. */
  readonly load: () => LoadedWork;
  /** Told of work that runs and has no error. */
  readonly keep: (work: LoadedWork) => void;
  readonly version: string;
  readonly log: Log;
  /** Told once when the engine cannot go on: it has lost its store. */
  readonly onFatal: (why: string) => void;
}

export class App implements AsyncDisposable {
  readonly #parts: AppParts;
  readonly #disposer = new Disposer();
  readonly #metrics: PrometheusRegistry;
  readonly #storeEvents: StoreThreadEvents;
  readonly #startedAt = usToRfc3339(systemClock.nowUs());
  /** What runs now; sockets and store keep that of the start until the process starts again. */
  #work: LoadedWork;
  #store: StoreClient | null = null;
  #exporters: Exporters | null = null;
  #engine: EngineClient | null = null;
  /** Defence in depth as the engine thread told it last. */
  #layersJson = "[]";
  readonly #credentials: Credentials;
  #webAccess: WebAccess | null = null;
  readonly #ruleFaults = new Map<string, RuleFault>();
  /** Of the files as they were last read, when they could not be used. */
  #ruleErrors: readonly Diagnostic[] = [];
  #grpcAddress = "";
  #httpAddress = "";
  #webAddress = "";
  #isDraining = false;

  private constructor(parts: AppParts) {
    this.#parts = parts;
    this.#work = parts.work;
    const { version, log } = parts;
    const { config } = parts.work;
    this.#metrics = new PrometheusRegistry({ version, ...config.metrics });
    this.#credentials = new Credentials(this.#metrics, log);
    this.#disposer.defer(() => this.#credentials[Symbol.dispose]());
    this.#loaded();
    const { maxBytes } = config.store;
    this.#storeEvents = new StoreThreadEvents(this.#metrics, log, systemClock, maxBytes);
  }

  /** Resolves when telemetry can be sent; rejects, with nothing left running, when something is amiss. */
  static async start(parts: AppParts): Promise<App> {
    const app = new App(parts);
    try {
      const store = await app.#startStore();
      const reader = app.#startReader();
      const exporters = await app.#startExporters(store, reader);
      const engine = await app.#startEngine(store, exporters);
      await app.#startWeb(reader, engine);
      await app.#startReceivers(engine);
      if (parts.work.ruleErrors.length === 0) parts.keep(parts.work);
      return app;
    } catch (error) {
      await app[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where OTLP/gRPC is received, `host:port`. */
  get grpcAddress(): string {
    return this.#grpcAddress;
  }

  /** Where OTLP/HTTP is received, `host:port`. */
  get httpAddress(): string {
    return this.#httpAddress;
  }

  get webAddress(): string {
    return this.#webAddress;
  }

  /** Where the page is: `http://127.0.0.1:4316`. */
  get webUrl(): string {
    return `${this.#work.config.web.tls === null ? "http" : "https"}://${this.#webAddress}`;
  }

  /** A link to the page that logs in once, with what a token allows; null when nobody is asked for one. */
  loginLink(token: Secret): string | null {
    const known = this.#webAccess?.gate.find(token);
    if (!known) return null;
    const code = this.#webAccess?.sessions.offer(known.digest).reveal();
    return `${this.webUrl}/login?once=${code}`;
  }

  status(): EngineStatus {
    const { version } = this.#parts;
    const { config, rules } = this.#work;
    const isReceiving = this.#httpAddress !== "" && !this.#isDraining;
    const isEngineReady = this.#engine?.isReady === true;
    const components: ComponentStatus[] = [
      {
        name: "store",
        ok: this.#store?.isOpen === true,
        text: config.store.path,
      },
      {
        name: "engine",
        ok: isEngineReady,
        text: isEngineReady ? "taking requests" : "starting",
      },
      { name: "rules", ok: true, text: `${rules.length} loaded` },
      {
        name: "receiver",
        ok: isReceiving,
        text: this.#isDraining
          ? "draining"
          : `OTLP/gRPC on ${this.#grpcAddress}, OTLP/HTTP on ${this.#httpAddress}`,
      },
    ];
    components.push(...(this.#exporters?.status() ?? []));
    const ready = components.every((part) => part.ok || part.isOptional === true);
    return {
      version,
      startedAt: this.#startedAt,
      ready,
      components,
      listening: { grpc: this.#grpcAddress, http: this.#httpAddress },
      ruleFaults: [...this.#ruleFaults.values()],
      ruleErrors: this.#ruleErrors,
      store: { path: config.store.path, freeBytes: freeBytesOf(config.store.path) },
    };
  }

  /**
   * Reads configuration and rules again and goes on with them; true when it could. With any fault, all
   * stays as it is. States are kept: the engine goes on from its last commit.
   */
  async reload(): Promise<boolean> {
    const { log, load } = this.#parts;
    try {
      const work = load();
      await this.#engine?.reload(work);
      await this.#exporters?.configure(work.config);
      this.#credentials.reload(authsOf(work.config));
      await this.#credentials.check();
      this.#apply(work);
      return true;
    } catch (error) {
      this.#metrics.rulesNotLoaded();
      this.#metrics.configNotLoaded();
      const errors = ruleErrorsOf(error);
      if (errors.length > 0) this.#ruleErrors = errors;
      const why = error instanceof Error ? error.message : String(error);
      log.error("cannot reload: the old configuration stays in use", { why });
      return false;
    }
  }

  /** Takes nothing new, finishes and commits what was taken, then closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDraining = true;
    await this.#disposer[Symbol.asyncDispose]();
  }

  #apply(work: LoadedWork): void {
    const { log } = this.#parts;
    const waiting = Object.entries(fixedAtStart)
      .filter(([, of]) => !isDeepStrictEqual(of(work.config), of(this.#parts.work.config)))
      .map(([key]) => key);
    this.#work = work;
    this.#loaded();
    this.#parts.keep(work);
    log.setLevel(work.config.telemetry.logLevel);
    log.info("reloaded", { rules: work.rules.length });
    if (waiting.length === 0) return;
    log.warn("some changes take effect at the next start only", { keys: waiting.join(", ") });
  }

  /** Keyed by rule: an engine thread that starts again tells of the same ones. */
  #ruleFailed(fault: RuleFault): void {
    if (!this.#ruleFaults.has(fault.rule)) {
      this.#parts.log.warn("a rule cannot be evaluated", { rule: fault.rule, why: fault.text });
    }
    this.#ruleFaults.set(fault.rule, fault);
  }

  #loaded(): void {
    this.#ruleFaults.clear();
    this.#ruleErrors = this.#work.ruleErrors;
    const atSeconds = systemClock.nowUs() / usPerSecond;
    this.#metrics.rulesLoaded(this.#work.rules, atSeconds);
    if (this.#ruleErrors.length > 0) this.#metrics.rulesNotLoaded();
    this.#metrics.configLoaded(atSeconds);
  }

  async #startStore(): Promise<StoreClient> {
    const { version } = this.#parts;
    const { store, exporters } = this.#work.config;
    const { path, maxBytes } = store;
    const events = this.#storeEvents;
    const outbox = exporters.otlp === null ? {} : { outbox: exporters.otlp.queue };
    const workerData = { path, programVersion: version, maxBytes, failpoint: null, ...outbox };
    const client = await StoreClient.start(workerData, {
      pruned: (rows) => events.pruned(rows),
      outboxDropped: (rows) => events.outboxDropped(rows),
      trouble: (what, error) => events.trouble(what, error),
      lost: (why) => this.#storeLost(why),
    });
    this.#store = this.#disposer.use(client);
    const measure = (): void => events.measured(sizeOf(path) + sizeOf(`${path}-wal`));
    measure();
    const timer = setInterval(measure, measureEveryMs);
    this.#disposer.defer(() => clearInterval(timer));
    return client;
  }

  #startReader(): ReaderThread {
    const { log } = this.#parts;
    const told = (why: string): void => log.warn("a reader is started again", { why });
    return this.#disposer.use(new ReaderThread(this.#work.config.store.path, told));
  }

  async #startExporters(store: StoreClient, reader: ReaderThread): Promise<Exporters> {
    const { log, version } = this.#parts;
    const events = this.#storeEvents;
    const outbox = new StoreOutbox(store, reader, (uid, why) => events.recordLost(uid, why));
    const exporters = new Exporters({ outbox, metrics: this.#metrics, log, version });
    this.#exporters = this.#disposer.use(exporters);
    await exporters.configure(this.#work.config);
    return exporters;
  }

  async #startEngine(store: StoreClient, exporters: Exporters): Promise<EngineClient> {
    const events = new EngineThreadEvents(this.#metrics, this.#parts.log, systemClock);
    const untold = (fault: string): void => events.trouble("a number cannot be published", fault);
    const { path } = this.#work.config.store;
    const mend = `restore a backup, or move "${path}" and "${path}-wal" away to begin with an empty store`;
    const engine = await EngineClient.start(this.#work, store, {
      layers: (json) => {
        this.#layersJson = json;
      },
      counters: (samples) => this.#metrics.applySamples(samples).forEach(untold),
      trouble: (what, error) => events.trouble(what, error),
      ruleFault: (fault) => this.#ruleFailed(fault),
      restarted: (why) => events.restarted(why),
      committed: (seconds, delaysUs) => {
        this.#storeEvents.committed(seconds, delaysUs);
        if (delaysUs.length > 0) exporters.wake();
      },
      storeLost: (why) => this.#storeLost(`${why}; ${mend}`),
    });
    this.#engine = this.#disposer.use(engine);
    const health = new EngineHealthWatch({
      read: (name) => this.#metrics.read(name),
      status: () => this.status(),
      tell: (entity) => engine.tellHealth(entity),
      clock: systemClock,
    });
    this.#disposer.defer(() => health[Symbol.dispose]());
    return engine;
  }

  async #startWeb(reader: ReaderThread, engine: EngineClient): Promise<void> {
    const { log } = this.#parts;
    const { config } = this.#work;
    const metrics = this.#metrics;
    const credentials = this.#credentials;
    const { endpoint } = config.web;
    const access = credentials.webAccess(config.web);
    const tls = credentials.tlsOf("web", config.web.tls, (changed) => web.setTls(changed));
    this.#webAccess = access;
    const options = { ...endpoint, tls };
    const web = new WebServer(options, {
      access,
      queries: reader,
      metrics: {
        contentType: metrics.contentType,
        text: () => metrics.text(),
        read: (name) => metrics.read(name),
      },
      status: this,
      rules: () => this.#work.rules,
      guides: sourceGuides,
      layers: () => this.#layers(),
      ownCluster: () => this.#work.config.cluster,
      reload: config.web.reload ? () => this.reload() : null,
      command: config.web.acknowledge ? (command) => engine.command(command) : null,
      onError: (path, error) => log.error("cannot answer", { path, error: error.message }),
    });
    this.#disposer.use(web);
    this.#webAddress = addressOf(await web.listen());
    this.#warnIfOpen("web", this.#webAddress);
  }

  async #startReceivers(handler: EngineClient): Promise<void> {
    const { config } = this.#work;
    const { log } = this.#parts;
    const credentials = this.#credentials;
    const parts = { handler, metrics: this.#metrics, log, credentials };
    const grpc = this.#disposer.use(makeGrpcReceiver(config, parts));
    this.#grpcAddress = addressOf(await grpc.listen());
    this.#warnIfOpen("grpc", this.#grpcAddress);
    const http = this.#disposer.use(makeHttpReceiver(config, parts));
    this.#httpAddress = addressOf(await http.listen());
    this.#warnIfOpen("http", this.#httpAddress);
  }

  /** The configuration says that this is known; it should be known to who reads the log, too. */
  #warnIfOpen(port: PortName, address: string): void {
    const lacks = exposureOf(this.#work.config[port]);
    if (lacks === "") return;
    const what = "a port can be reached from the network unprotected, as `insecure` allows";
    this.#parts.log.warn(what, { port, endpoint: address, lacks });
  }

  /** Read when somebody asks: they change often, and few ask. */
  #layers(): readonly ApiNamespaceLayers[] {
    return JSON.parse(this.#layersJson) as ApiNamespaceLayers[]; // by the engine thread, as it says
  }

  #storeLost(why: string): void {
    this.#storeEvents.lost(why);
    this.#parts.onFatal(`the store is lost: ${why}`);
  }
}

/** 0 for a file that is not there, as a write-ahead log after a clean stop. */
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** What the file system of a path has left for us; null = it does not say. */
function freeBytesOf(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}

const addressOf = ({ host, port }: { host: string; port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** What is wrong in rule files, when that is why something could not be loaded. */
function ruleErrorsOf(error: unknown): readonly Diagnostic[] {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof RulesError ? cause.errors : [];
}
