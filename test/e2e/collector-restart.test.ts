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
import { toolsOrSkip } from "../support/peers.ts";
import { freePort, root, TempFolder, until } from "../support/program.ts";
import { askStore, startShippedEngine, type ShippedEngine } from "../support/shipped-engine.ts";

const beatMs = 100;
const callsPerBeat = 20;
/** Longer than any restart here: the senders do not give up. */
const attempts = 60;

/** Envoys that send as long as they run; each call is told as a log line, two spans and a count. */
class Load {
  readonly #client: OtlpClient;
  readonly #waiting = new Set<Promise<void>>();
  #calls = 0;
  #isRunning = true;
  #done: Promise<void>;
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

/** Calls in the store by who told of them, and how. */
function storedCalls(engine: ShippedEngine): Record<string, number> {
  const rows = askStore<{ told: string; requests: number }>(
    engine.storePath,
    `SELECT reporter || ' ' || channel AS told, sum(requests) AS requests FROM facet_column
     GROUP BY told`,
  );
  return Object.fromEntries(rows.map(({ told, requests }) => [told, requests]));
}

/** Resolves when everybody told of so many calls. */
async function storedAtLeast(engine: ShippedEngine, calls: number): Promise<void> {
  await until(
    async () => Object.values(storedCalls(engine)),
    (counts) => counts.length === 4 && counts.every((count) => count >= calls),
    40_000,
  );
}

/** Requests that the collector still has for the engine. */
async function waiting(collector: Collector): Promise<number> {
  const names = ["otelcol_exporter_queue_size", "otelcol_exporter_in_flight_requests"];
  const counts = await Promise.all(names.map((name) => collector.metric(name)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Resolves when so many more calls have been made. */
async function underLoad(load: Load, calls: number): Promise<void> {
  const before = load.calls;
  await until(
    async () => load.calls - before,
    (sent) => sent >= calls,
    30_000,
  );
}

test("engine and collector restart under load: sent equals stored, nothing dropped", async (context) => {
  const tools = toolsOrSkip(context, "collector");
  using folder = new TempFolder();
  const [port, enginePort] = [await freePort(), await freePort()];
  const start = async (): Promise<ShippedEngine> =>
    startShippedEngine(folder.path, enginePort, `127.0.0.1:${port + 1}`);
  await using kubernetes = new KubernetesApi([]);
  const parts: CollectorParts = {
    tools,
    folder: folder.path,
    port,
    engine: `127.0.0.1:${enginePort + 1}`,
    kubeconfig: await kubernetes.start(folder.path),
    clusterName: "demo",
    overlays: [join(root, "test/e2e/collector/default-retry.yaml")],
  };
  let engine = await start();
  let collector: Collector = await startCollector(parts);
  const load = new Load(collector.otlp);
  try {
    await underLoad(load, 300);
    await engine.program.kill("SIGTERM");
    await underLoad(load, 100);
    engine = await start();
    await underLoad(load, 300);
    await engine.program.kill("SIGKILL");
    await underLoad(load, 100);
    engine = await start();
    // A collector that stops while it waits to try again writes that it drops what it keeps on disk.
    await until(
      async () => collector.metric("otelcol_exporter_in_flight_requests"),
      (count) => count === 0,
      40_000,
    );
    const first = collector.peer;
    await first.stop("SIGTERM");
    await underLoad(load, 100);
    collector = await startCollector(parts);
    await underLoad(load, 300);
    await load.stop();
    expect(load.failures).toEqual([]);
    const { calls } = load;
    await storedAtLeast(engine, calls);
    await until(
      async () => waiting(collector),
      (count) => count === 0,
      10_000,
    );
    console.info(`calls sent while engine and collector were restarted: ${calls}`);
    expect(storedCalls(engine)).toEqual({
      "source logs": calls,
      "source metrics": calls,
      "client_span spans": calls,
      "server_span spans": calls,
    });
    const output = first.output + collector.peer.output;
    expect(output).toContain("Exporting failed. Will retry");
    expect(output.split("\n").filter((line) => /dropping data/i.test(line))).toEqual([]);
  } finally {
    await load.stop();
    await collector[Symbol.asyncDispose]();
    await engine.program[Symbol.asyncDispose]();
  }
});
