/**
 * The engine and the collector in front of it, each restarted under load: what senders got an OK for is
 * in the store once it has calmed down, exactly once, and the collector has dropped nothing.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import {
  encodeCounters,
  encodeLogs,
  encodeSpans,
  type OtlpRequest,
} from "../../src/cli/demo/otlp.ts";
import {
  clientLine,
  podObject,
  proxySpan,
  requestCounter,
  type Call,
} from "../../src/cli/demo/sources.ts";
import { pods, services } from "../../src/cli/demo/world.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import { startCollector, type Collector, type CollectorParts } from "../support/collector.ts";
import { KubernetesApi } from "../support/kubernetes-api.ts";
import { toolsOrSkip, type Tools } from "../support/peers.ts";
import { freePort, root, TempFolder, until } from "../support/program.ts";
import { askStore, startShippedEngine, type ShippedEngine } from "../support/shipped-engine.ts";

const beatMs = 100;
const callsPerBeat = 20;
/** Longer than any restart here: the senders do not give up. */
const attempts = 60;

/** Envoys that send as long as they run; each call is told as a log line, two spans and a count. */
class Load implements AsyncDisposable {
  readonly #client: OtlpClient;
  readonly #waiting = new Set<Promise<void>>();
  #calls = 0;
  #isRunning = true;
  readonly #done: Promise<void>;
  readonly failures: string[] = [];

  constructor(otlp: string) {
    this.#client = new OtlpClient(otlp, attempts);
    this.#done = this.#run();
  }

  get calls(): number {
    return this.#calls;
  }

  /** Stops and waits until every request has its answer. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#done;
    await Promise.all(this.#waiting);
  }

  /** Ends what still waits for an answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isRunning = false;
    await this.#done;
    this.#client[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    this.#send(
      encodeLogs(
        {},
        Object.values(pods).map((pod) => podObject(pod, Date.now())),
      ),
    );
    this.#sendCount(makeCall(0)); // a series' first value is where counting begins
    await sleep(beatMs);
    while (this.#isRunning) {
      const calls = Array.from({ length: callsPerBeat }, () => makeCall(++this.#calls));
      this.#send(encodeLogs({}, calls.map(clientLine)));
      this.#send(encodeSpans({ "service.name": "envoy" }, calls.flatMap(spansOf)));
      this.#sendCount(makeCall(this.#calls));
      await sleep(beatMs); // the pace of the load
    }
  }

  #sendCount(call: Call): void {
    const counter = requestCounter("source", call, this.#calls);
    this.#send(encodeCounters({ "service.name": "kubernetes-pods" }, [counter], call.atMs));
  }

  #send({ signal, bytes }: OtlpRequest): void {
    const sent = this.#client.send(signal, bytes).then((result) => {
      if (!result.ok) this.failures.push(`${result.code} ${result.message}`);
      this.#waiting.delete(sent);
    });
    this.#waiting.add(sent);
  }
}

function makeCall(number: number): Call {
  return {
    atMs: Date.now(),
    durationMs: 4,
    client: pods.productpage,
    clientIp: pods.productpage.ip,
    appPort: 32_768 + (number % 20_000),
    wirePort: 32_768 + ((number + 1) % 20_000),
    server: pods.details,
    service: services.details,
    code: 200,
    isMutualTls: true,
    requestId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  };
}

function spansOf(call: Call): ReturnType<typeof proxySpan>[] {
  const hex = call.requestId.slice(-12);
  const ids = { traceId: hex.padStart(32, "a"), parentSpanId: "" };
  const [client, server] = [hex.padStart(16, "c"), hex.padStart(16, "d")];
  return [
    proxySpan(call, "client", { ...ids, spanId: client }),
    proxySpan(call, "server", { ...ids, spanId: server, parentSpanId: client }),
  ];
}

/** An engine behind a collector with a collector's default retry settings; both can be restarted. */
class Chain implements AsyncDisposable {
  readonly #collectorParts: CollectorParts;
  readonly #startEngine: () => Promise<ShippedEngine>;
  engine: ShippedEngine;
  collector: Collector;
  /** What collectors that were stopped have printed. */
  #printed = "";

  private constructor(
    parts: CollectorParts,
    startEngine: () => Promise<ShippedEngine>,
    running: { readonly engine: ShippedEngine; readonly collector: Collector },
  ) {
    this.#collectorParts = parts;
    this.#startEngine = startEngine;
    this.engine = running.engine;
    this.collector = running.collector;
  }

  static async start(tools: Tools, folder: string, kubeconfig: string): Promise<Chain> {
    const [port, enginePort] = [await freePort(), await freePort()];
    const startEngine = async (): Promise<ShippedEngine> =>
      startShippedEngine(folder, enginePort, `127.0.0.1:${port + 1}`);
    const parts: CollectorParts = {
      tools,
      folder,
      port,
      engine: `127.0.0.1:${enginePort + 1}`,
      kubeconfig,
      clusterName: "demo",
      overlays: [join(root, "test/e2e/collector/default-retry.yaml")],
    };
    const engine = await startEngine();
    try {
      return new Chain(parts, startEngine, { engine, collector: await startCollector(parts) });
    } catch (error) {
      await engine.program[Symbol.asyncDispose]();
      throw error;
    }
  }

  get printed(): string {
    return this.#printed + this.collector.peer.output;
  }

  /** The engine is away while `meanwhile` lasts. */
  async restartEngine(signal: NodeJS.Signals, meanwhile: () => Promise<void>): Promise<void> {
    await this.engine.program.kill(signal);
    await meanwhile();
    this.engine = await this.#startEngine();
  }

  async restartCollector(meanwhile: () => Promise<void>): Promise<void> {
    const { peer } = this.collector;
    await peer.stop("SIGTERM");
    this.#printed += peer.output;
    await meanwhile();
    this.collector = await startCollector(this.#collectorParts);
  }

  /** Calls in the store by who told of them, and how. */
  stored(): Record<string, number> {
    const rows = askStore<{ told: string; requests: number }>(
      this.engine.storePath,
      `SELECT reporter || ' ' || channel AS told, sum(requests) AS requests FROM facet_column
       GROUP BY told`,
    );
    return Object.fromEntries(rows.map(({ told, requests }) => [told, requests]));
  }

  /** Resolves when the collector has none of these for the engine: waiting, or to be tried again. */
  async drains(...gauges: readonly ("queue_size" | "in_flight_requests")[]): Promise<void> {
    const counts = async (): Promise<number[]> =>
      Promise.all(gauges.map((name) => this.collector.metric(`otelcol_exporter_${name}`)));
    await until(counts, (all) => all.every((count) => count === 0), 40_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.collector[Symbol.asyncDispose]();
    await this.engine.program[Symbol.asyncDispose]();
  }
}

/** Resolves when so many more calls have been made. */
async function moreCalls(load: Load, calls: number): Promise<void> {
  const before = load.calls;
  await until(
    async () => load.calls - before,
    (made) => made >= calls,
    30_000,
  );
}

test("engine and collector restart under load: sent equals stored, nothing dropped", async (context) => {
  const tools = toolsOrSkip(context, "collector");
  using folder = new TempFolder();
  await using kubernetes = new KubernetesApi([]);
  const kubeconfig = await kubernetes.start(folder.path);
  await using chain = await Chain.start(tools, folder.path, kubeconfig);
  await using load = new Load(chain.collector.otlp);
  const meanwhile = async (): Promise<void> => moreCalls(load, 100);
  await moreCalls(load, 300);
  await chain.restartEngine("SIGTERM", meanwhile);
  await moreCalls(load, 300);
  await chain.restartEngine("SIGKILL", meanwhile);
  // A collector that stops while it waits to try again writes that it drops what it keeps on disk.
  await chain.drains("in_flight_requests");
  await chain.restartCollector(meanwhile);
  await moreCalls(load, 300);
  await load.stop();
  expect(load.failures).toEqual([]);

  const { calls } = load;
  await until(
    async () => Object.values(chain.stored()),
    (counts) => counts.length === 4 && counts.every((count) => count >= calls),
    40_000,
  );
  await chain.drains("queue_size", "in_flight_requests");
  console.info(`calls sent while engine and collector were restarted: ${calls}`);
  expect(chain.stored()).toEqual({
    "source logs": calls,
    "source metrics": calls,
    "client_span spans": calls,
    "server_span spans": calls,
  });
  expect(chain.printed).toContain("Exporting failed. Will retry");
  expect(chain.printed.split("\n").filter((one) => /dropping data/i.test(one))).toEqual([]);
});
