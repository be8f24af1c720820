/**
 * Everything that runs in the test with a real API server: the shop in it, kube-state-metrics, a real
 * collector with the shipped configuration, and the built engine, with a look at what passes between them.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Disposer } from "../../src/lib/disposer.ts";
import { startCollector, type Collector } from "../support/collector.ts";
import { GrpcTap } from "../support/grpc-tap.ts";
import type { SignalName } from "../support/otlp-oracle.ts";
import { Peer } from "../support/peers.ts";
import { freePort, root, TempFolder } from "../support/program.ts";
import { startShippedEngine, type ShippedEngine } from "../support/shipped-engine.ts";
import { ApiServer, type KubernetesTools } from "./api-server.ts";

interface Tools extends KubernetesTools {
  readonly collector: string;
  readonly "kube-state-metrics": string;
}

export interface Told {
  readonly signal: SignalName;
  readonly message: Buffer;
  /** When it arrived, in milliseconds since 1970. */
  readonly atMs: number;
}

export const clusterName = "demo";

export class World implements AsyncDisposable {
  readonly #parts = new Disposer();
  readonly #tools = findTools();
  readonly folder: string;
  readonly server: ApiServer;
  readonly engine: ShippedEngine;
  /** Another one, which knows the cluster by kube-state-metrics alone. */
  readonly inventory: ShippedEngine;
  /** What the engines were sent, in order of arrival. */
  readonly told: Told[] = [];
  #collector: Collector | null = null;
  #collectorPort = 0;
  #stateMetricsPort = 0;
  /** Where collectors send to: the engine, and the other one. */
  #taps: readonly string[] = [];

  private constructor(folder: string, server: ApiServer, engines: readonly ShippedEngine[]) {
    const [engine, inventory] = engines;
    if (!engine || !inventory) throw new Error("two engines are needed");
    this.folder = folder;
    this.server = server;
    this.engine = engine;
    this.inventory = inventory;
  }

  /** Nothing is collected yet. */
  static async start(): Promise<World> {
    const parts = new Disposer();
    try {
      const temp = new TempFolder();
      parts.defer(() => temp[Symbol.dispose]());
      const server = parts.use(await ApiServer.start(findTools(), temp.path));
      const insights = `127.0.0.1:${await freePort()}`;
      const rules = [`rules.paths=["${join(root, "test/kubernetes/rules.yaml")}"]`];
      const engines: ShippedEngine[] = [];
      for (const name of ["objects", "inventory"]) {
        const folder = join(temp.path, name);
        const engine = await startShippedEngine(folder, await freePort(), insights, rules);
        parts.use(engine.program);
        engines.push(engine);
      }
      const world = new World(temp.path, server, engines);
      world.#parts.use(parts);
      await world.#startRest();
      return world;
    } catch (error) {
      await parts[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #startRest(): Promise<void> {
    const taps = [this.engine, this.inventory].map(({ grpc }) =>
      this.#parts.use(
        new GrpcTap(grpc, (signal, message) =>
          this.told.push({ signal, message, atMs: Date.now() }),
        ),
      ),
    );
    this.#taps = await Promise.all(taps.map((tap) => tap.start()));
    const port = (this.#stateMetricsPort = await freePort());
    const metrics = this.#parts.use(
      new Peer("kube-state-metrics", this.#tools["kube-state-metrics"], [
        `--kubeconfig=${this.server.kubeconfig}`,
        "--host=127.0.0.1",
        `--port=${port}`,
        "--telemetry-host=127.0.0.1",
        `--telemetry-port=${port + 1}`,
        "--metric-labels-allowlist=pods=[*]",
        "--metric-annotations-allowlist=pods=[*]",
      ]),
    );
    const isReady = async (): Promise<boolean> =>
      (await fetch(`http://127.0.0.1:${port}/metrics`)).ok;
    await metrics.becomes("ready", isReady, 30_000);
    this.#collectorPort = await freePort();
  }

  /** With the objects that the shipped file names, and those of the Gateway API as it says. */
  async startCollector(): Promise<void> {
    const objects = join(this.folder, "kubernetes-objects.yaml");
    writeFileSync(objects, objectsConfiguration());
    this.#collector = await startCollector({
      tools: this.#tools,
      folder: this.folder,
      port: this.#collectorPort,
      engine: this.#taps[0] ?? "",
      kubeconfig: this.server.kubeconfig,
      clusterName,
      overlays: [objects, join(root, "test/kubernetes/collector/more.yaml")],
      env: {
        KUBECONFIG: this.server.kubeconfig,
        STATE_METRICS: `127.0.0.1:${this.#stateMetricsPort}`,
        INVENTORY_ENDPOINT: this.#taps[1] ?? "",
      },
    });
  }

  get collector(): Collector {
    if (!this.#collector) throw new Error("no collector runs");
    return this.#collector;
  }

  async stopCollector(): Promise<void> {
    await this.#collector?.peer.stop("SIGTERM");
    this.#collector = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#collector?.[Symbol.asyncDispose]();
    await this.#parts[Symbol.asyncDispose]();
  }
}

function findTools(): Tools {
  const script = join(root, "test/kubernetes/setup.sh");
  const text = execFileSync("sh", [script, "--where"], { encoding: "utf8" });
  const path = (name: string): string => {
    const found = new RegExp(`^${name}=(.+)$`, "m").exec(text)?.[1];
    if (found === undefined)
      throw new Error(`missing: ${name}; to get what is missing: sh ${script}`);
    return found;
  };
  return {
    collector: path("collector"),
    etcd: path("etcd"),
    "kube-apiserver": path("kube-apiserver"),
    "kube-state-metrics": path("kube-state-metrics"),
  };
}

const gatewayKinds = [
  "gateways",
  "httproutes",
  "grpcroutes",
  "tlsroutes",
  "tcproutes",
  "referencegrants",
];

/**
 * The shipped file: with the receiver's name before 0.152, from outside of the cluster, with a list every
 * few seconds, and with the entries that it tells to add where the Gateway API is installed.
 */
function objectsConfiguration(): string {
  const shipped = readFileSync(join(root, "deploy/collector/kubernetes-objects.yaml"), "utf8");
  const more = gatewayKinds.flatMap((name) =>
    ["pull, interval: 15m", "watch"].map(
      (mode) => `      - { name: ${name}, group: gateway.networking.k8s.io, mode: ${mode} }\n`,
    ),
  );
  return shipped
    .replace("    objects:\n", `    objects:\n${more.join("")}`)
    .replaceAll("k8s_objects", "k8sobjects")
    .replace("auth_type: serviceAccount", "auth_type: kubeConfig")
    .replaceAll("interval: 15m", "interval: 20s");
}
