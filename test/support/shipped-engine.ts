/** The built program with the shipped configuration; ports and folders come by its environment and --set. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { Program, root, until, type Engine } from "./program.ts";

export interface ShippedEngine extends Engine {
  readonly storePath: string;
}

/**
 * Ready to take requests on three ports from `port` on; its store is in `folder`, and what was in it
 * stays. Insights go to `insights`, `host:port`; `more` are further `key=value`.
 */
export async function startShippedEngine(
  folder: string,
  port: number,
  insights: string,
  more: readonly string[] = [],
): Promise<ShippedEngine> {
  const configPath = join(root, "deploy/mesh-insights.yaml");
  const [web, grpc, http] = [port, port + 1, port + 2].map((one) => `127.0.0.1:${one}`);
  const sets = [`web.endpoint=${web}`, `receivers.grpc.endpoint=${grpc}`];
  const args = [...sets, `receivers.http.endpoint=${http}`, ...more].flatMap((set) => [
    "--set",
    set,
  ]);
  const program = new Program(["serve", "--config", configPath, ...args], {
    CLUSTER_NAME: "demo",
    INSIGHTS_ENDPOINT: insights,
    MESH_INSIGHTS_DATA: join(folder, "engine"),
  });
  const ready = async (): Promise<boolean> => (await fetch(`http://${web}/-/ready`)).ok;
  try {
    await until(ready, (ok) => ok, 20_000);
  } catch (cause) {
    await program.kill("SIGKILL");
    throw new Error(`the engine did not get ready:\n${program.output}`, { cause });
  }
  const storePath = join(folder, "engine", "mesh-insights.db");
  return {
    program,
    web: `http://${web}`,
    grpc: grpc ?? "",
    http: http ?? "",
    configPath,
    storePath,
  };
}

/** What a question to the engine's database answers; committed data only. */
export function askStore<Row>(storePath: string, sql: string): Row[] {
  const database = new Database(storePath, { readonly: true });
  try {
    return database.prepare(sql).all() as Row[]; // the caller knows its columns
  } finally {
    database.close();
  }
}
