/** A real collector with the shipped gateway configuration; all that differs comes by its environment. */
import { join } from "node:path";
import { Peer, type Tools } from "./peers.ts";
import { root } from "./program.ts";

export const gatewayPath = join(root, "deploy/collector/gateway.yaml");

export interface CollectorParts {
  readonly tools: Pick<Tools, "collector">;
  /** Everything it writes is in here: queue, offsets, insights. */
  readonly folder: string;
  /** The first of three: OTLP, insights on their way back, its own metrics. */
  readonly port: number;
  /** Where OTLP is taken; loopback if not said. */
  readonly listen?: string;
  /** The engine's OTLP/gRPC, `host:port`. */
  readonly engine: string;
  readonly kubeconfig: string;
  readonly clusterName: string;
  /** Configurations merged over the shipped one, and what of the environment they read. */
  readonly overlays?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Collector extends AsyncDisposable {
  readonly peer: Peer;
  /** OTLP/gRPC for the mesh's telemetry, `host:port`. */
  readonly otlp: string;
  readonly insightsFile: string;
  /** Sum over the series of a name that have a label, as `receiver="otlp"`; 0 = none has. */
  metric(name: string, label?: string): Promise<number>;
}

/** Where each thing of a collector is, whether it runs or not. */
export function collectorEnv(parts: CollectorParts): Record<string, string> {
  const { folder, port } = parts;
  return {
    CLUSTER_NAME: parts.clusterName,
    OTLP_ENDPOINT: `${parts.listen ?? "127.0.0.1"}:${port}`,
    INSIGHTS_ENDPOINT: `127.0.0.1:${port + 1}`,
    COLLECTOR_METRICS_PORT: String(port + 2),
    MESH_INSIGHTS_ENDPOINT: parts.engine,
    COLLECTOR_DATA: join(folder, "collector"),
    INSIGHTS_FILE: join(folder, "insights/insights.json"),
    TETRAGON_LOG: join(folder, "tetragon.log"),
    KUBECONFIG_FILE: parts.kubeconfig,
    SCRAPE_INTERVAL: "1s",
    ...parts.env,
  };
}

/** Resolves when it takes telemetry. */
export async function startCollector(parts: CollectorParts): Promise<Collector> {
  const env = collectorEnv(parts);
  const files = [gatewayPath, ...(parts.overlays ?? [])];
  const args = files.flatMap((file) => ["--config", file]);
  const peer = new Peer("the collector", parts.tools.collector, args, env);
  try {
    await peer.becomes("ready", async () => peer.output.includes("Everything is ready"), 20_000);
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    throw error;
  }
  return {
    peer,
    otlp: `127.0.0.1:${parts.port}`,
    insightsFile: join(parts.folder, "insights/insights.json"),
    metric: async (name, label = "") => {
      const text = await (await fetch(`http://127.0.0.1:${parts.port + 2}/metrics`)).text();
      const series = new RegExp(`^${name}\\{.*${label}.*\\} (\\S+)$`, "gm");
      return [...text.matchAll(series)].reduce((sum, match) => sum + Number(match[1]), 0);
    },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}
