/**
 * The composition root: the only place that chooses implementations, starts threads and servers, and
 * wires them. Everything is started downstream first (store, engine, page, receiver), so that stopping
 * in reverse takes no request that could not be finished.
 */
import { readFileSync, statSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Config } from "./config/config.ts";
import { PrometheusRegistry } from "./export/prometheus.ts";
import { systemClock } from "./lib/clock.ts";
import { Disposer } from "./lib/disposer.ts";
import type { RuleMeta } from "./model/insights.ts";
import type { RequestHandler } from "./model/requests.ts";
import { usPerSecond, usToRfc3339 } from "./model/time.ts";
import { grpcReceiverDefaults } from "./receive/grpc-options.ts";
import { OtlpGrpcReceiver } from "./receive/grpc-receiver.ts";
import { ReceiverEvents } from "./self/events.ts";
import type { Log } from "./self/log.ts";
import { EngineThreadEvents, StoreThreadEvents } from "./self/thread-events.ts";
import type { EngineStatus } from "./serve/status.ts";
import { WebServer } from "./serve/web-server.ts";
import { EngineClient } from "./threads/engine-client.ts";
import type { RuleFile } from "./threads/engine-messages.ts";
import { ReaderThread } from "./threads/reader-client.ts";
import { StoreClient } from "./threads/store-client.ts";

const measureEveryMs = 5_000;

/** Parts of the configuration that sockets, the store and the registry are opened with. */
const needsRestart = ["grpc", "http", "store", "web", "metrics"] as const;

/** What a start or a reload works with, checked whole. */
export interface LoadedWork {
  readonly config: Config;
  readonly ruleFiles: readonly RuleFile[];
  /** What the enabled rules among the files are. */
  readonly rules: readonly RuleMeta[];
}

export interface AppParts {
  readonly work: LoadedWork;
  /** Reads and checks everything again; throws with every fault, for a person. */
  readonly load: () => LoadedWork;
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
  #engine: EngineClient | null = null;
  #grpcAddress = "";
  #webAddress = "";
  #isDraining = false;

  private constructor(parts: AppParts) {
    this.#parts = parts;
    this.#work = parts.work;
    const { version, log } = parts;
    const { config } = parts.work;
    this.#metrics = new PrometheusRegistry({ version, ...config.metrics });
    this.#loaded();
    const { maxBytes } = config.store;
    this.#storeEvents = new StoreThreadEvents(this.#metrics, log, systemClock, maxBytes);
  }

  /** Resolves when telemetry can be sent; rejects, with nothing left running, when something is amiss. */
  static async start(parts: AppParts): Promise<App> {
    const app = new App(parts);
    try {
      await app.#startStore();
      await app.#startEngine();
      await app.#startWeb();
      await app.#startReceiver();
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

  get webAddress(): string {
    return this.#webAddress;
  }

  status(): EngineStatus {
    const { version } = this.#parts;
    const { config, rules } = this.#work;
    const isReceiving = this.#grpcAddress !== "" && !this.#isDraining;
    const isEngineReady = this.#engine?.isReady === true;
    const components = [
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
        text: this.#isDraining ? "draining" : `OTLP/gRPC on ${this.#grpcAddress}`,
      },
    ];
    const ready = components.every((part) => part.ok);
    return { version, startedAt: this.#startedAt, ready, components };
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
      this.#apply(work);
      return true;
    } catch (error) {
      this.#metrics.rulesNotLoaded();
      this.#metrics.configNotLoaded();
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
    const waiting = needsRestart.filter(
      (key) => !isDeepStrictEqual(work.config[key], this.#parts.work.config[key]),
    );
    this.#work = work;
    this.#loaded();
    log.setLevel(work.config.telemetry.logLevel);
    log.info("reloaded", { rules: work.rules.length });
    if (waiting.length === 0) return;
    log.warn("some changes take effect at the next start only", { keys: waiting.join(", ") });
  }

  #loaded(): void {
    const atSeconds = systemClock.nowUs() / usPerSecond;
    this.#metrics.rulesLoaded(this.#work.rules, atSeconds);
    this.#metrics.configLoaded(atSeconds);
  }

  async #startStore(): Promise<void> {
    const { version } = this.#parts;
    const { config } = this.#work;
    const { path, maxBytes } = config.store;
    const events = this.#storeEvents;
    const workerData = { path, programVersion: version, maxBytes, failpoint: null };
    this.#store = this.#disposer.use(
      await StoreClient.start(workerData, {
        pruned: (rows) => events.pruned(rows),
        trouble: (what, error) => events.trouble(what, error),
        lost: (why) => this.#storeLost(why),
      }),
    );
    const measure = (): void => events.measured(sizeOf(path) + sizeOf(`${path}-wal`));
    measure();
    const timer = setInterval(measure, measureEveryMs);
    this.#disposer.defer(() => clearInterval(timer));
  }

  async #startEngine(): Promise<void> {
    const { log } = this.#parts;
    const store = this.#store;
    if (store === null) throw new Error("the store is started first");
    const events = new EngineThreadEvents(this.#metrics, log, systemClock);
    const untold = (fault: string): void => events.trouble("a number cannot be published", fault);
    const { path } = this.#work.config.store;
    const mend = `restore a backup, or move "${path}" and "${path}-wal" away to begin with an empty store`;
    this.#engine = this.#disposer.use(
      await EngineClient.start(this.#work, store, {
        counters: (samples) => this.#metrics.applySamples(samples).forEach(untold),
        trouble: (what, error) => events.trouble(what, error),
        restarted: (why) => events.restarted(why),
        committed: (seconds) => this.#storeEvents.committed(seconds),
        storeLost: (why) => this.#storeLost(`${why}; ${mend}`),
      }),
    );
  }

  async #startWeb(): Promise<void> {
    const { log } = this.#parts;
    const { config } = this.#work;
    const reader = new ReaderThread(config.store.path, (why) =>
      log.warn("a reader is started again", { why }),
    );
    this.#disposer.use(reader);
    const metrics = this.#metrics;
    const web = new WebServer(config.web.endpoint, {
      queries: reader,
      metrics: { contentType: metrics.contentType, text: () => metrics.text() },
      status: this,
      reload: config.web.reload ? () => this.reload() : null,
      onError: (path, error) => log.error("cannot answer", { path, error: error.message }),
    });
    this.#disposer.use(web);
    this.#webAddress = addressOf(await web.listen());
  }

  #storeLost(why: string): void {
    this.#storeEvents.lost(why);
    this.#parts.onFatal(`the store is lost: ${why}`);
  }

  async #startReceiver(): Promise<void> {
    const { config } = this.#work;
    const { grpc } = config;
    const engine = this.#engine;
    if (engine === null) throw new Error("the engine is started before what feeds it");
    const receiver = makeGrpcReceiver(config, engine, this.#metrics, this.#parts.log);
    this.#disposer.use(receiver);
    this.#grpcAddress = addressOf(await receiver.listen());
    if (grpc.tls === null && !isLoopback(grpc.endpoint.host)) {
      this.#parts.log.warn("the receiver is open to the network without TLS or authentication", {
        endpoint: this.#grpcAddress,
      });
    }
  }
}

/** The OTLP/gRPC receiver that a configuration describes; also `record` listens with it. */
export function makeGrpcReceiver(
  config: Config,
  handler: RequestHandler,
  metrics: PrometheusRegistry,
  log: Log,
): OtlpGrpcReceiver {
  const { endpoint, tls, ...limits } = config.grpc;
  const options = {
    ...grpcReceiverDefaults,
    ...limits,
    ...endpoint,
    // Nobody is told apart from anybody yet: open trust, as SECURITY.md says.
    trust: "attested" as const,
    tls: tls && {
      cert: readFileSync(tls.certFile, "utf8"),
      key: readFileSync(tls.keyFile, "utf8"),
    },
  };
  const events = new ReceiverEvents("grpc", metrics, log, systemClock);
  return new OtlpGrpcReceiver(options, handler, systemClock, events);
}

/** 0 for a file that is not there, as a write-ahead log after a clean stop. */
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const addressOf = ({ host, port }: { host: string; port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host.startsWith("127.");
