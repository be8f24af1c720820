/** A real Prometheus and a real Alertmanager with the shipped files as they stand, and who they page. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { Peer, type Tools } from "./peers.ts";
import { getJson, root } from "./program.ts";

export const deployFolder = join(root, "deploy");
export const alertmanagerConfig = join(deployFolder, "alertmanager/example.yaml");

/** One alert of a webhook's message, as Alertmanager words it. */
export interface PagedAlert {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The receivers of the shipped Alertmanager example. */
export class Webhooks implements AsyncDisposable {
  /** In the order of their arrival; `receiver` is the path. */
  readonly calls: {
    readonly receiver: string;
    readonly atMs: number;
    readonly alerts: PagedAlert[];
  }[] = [];
  readonly #server = createServer((request, response) => {
    const atMs = Date.now();
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { alerts } = JSON.parse(Buffer.concat(chunks).toString()) as { alerts: PagedAlert[] };
      this.calls.push({ receiver: request.url ?? "", atMs, alerts });
      response.end();
    });
  });

  /** The example names this port; somebody else on it is an error that says so. */
  async start(): Promise<void> {
    await new Promise<void>((done, fail) => {
      this.#server.once("error", fail);
      this.#server.listen(4319, "127.0.0.1", done);
    });
  }

  /** When a receiver was first told of an alert with these labels, and the alert. */
  find(
    receiver: string,
    labels: Readonly<Record<string, string>>,
  ): { atMs: number; alert: PagedAlert } | null {
    for (const call of this.calls) {
      const alert = call.alerts.find((one) =>
        Object.entries(labels).every(([name, value]) => one.labels[name] === value),
      );
      if (call.receiver === receiver && alert) return { atMs: call.atMs, alert };
    }
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }
}

export interface Served extends AsyncDisposable {
  readonly peer: Peer;
  readonly url: string;
}

async function ready(peer: Peer, url: string): Promise<Served> {
  try {
    await peer.becomes("ready", async () => (await fetch(`${url}/-/ready`)).ok, 20_000);
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    throw error;
  }
  return { peer, url, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}

export async function startAlertmanager(
  tools: Tools,
  folder: string,
  port: number,
): Promise<Served> {
  const address = `127.0.0.1:${port}`;
  const peer = new Peer("Alertmanager", tools.alertmanager, [
    `--config.file=${alertmanagerConfig}`,
    `--storage.path=${join(folder, "alertmanager")}`,
    `--web.listen-address=${address}`,
    "--cluster.listen-address=",
  ]);
  return ready(peer, `http://${address}`);
}

export interface PrometheusParts {
  readonly tools: Tools;
  readonly folder: string;
  readonly port: number;
  /** `host:port` of the engine's page. */
  readonly target: string;
  /** `host:port` */
  readonly alertmanager: string;
}

/** Scrapes each second, which is the target's to say; all else is as shipped. */
export async function startPrometheus(parts: PrometheusParts): Promise<Served> {
  const folder = join(parts.folder, "prometheus");
  mkdirSync(folder);
  for (const name of ["scrape.yaml", "rules.yaml"]) {
    copyFileSync(join(deployFolder, "prometheus", name), join(folder, name));
  }
  const labels = { __scrape_interval__: "1s", __scrape_timeout__: "1s" };
  const write = (name: string, groups: object): void =>
    writeFileSync(join(folder, name), JSON.stringify(groups)); // JSON is YAML
  write("targets.yaml", [{ targets: [parts.target], labels }]);
  write("alertmanagers.yaml", [{ targets: [parts.alertmanager] }]);
  const address = `127.0.0.1:${parts.port}`;
  const peer = new Peer("Prometheus", parts.tools.prometheus, [
    `--config.file=${join(folder, "scrape.yaml")}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=${address}`,
  ]);
  return ready(peer, `http://${address}`);
}

/** The value of the first series that an expression gives; NaN = none. */
export async function queryPrometheus(url: string, expression: string): Promise<number> {
  interface Answer {
    data: { result: { value: [number, string] }[] };
  }
  const query = new URLSearchParams({ query: expression });
  const { data } = await getJson<Answer>(`${url}/api/v1/query?${query.toString()}`);
  return Number(data.result[0]?.value[1] ?? Number.NaN);
}
