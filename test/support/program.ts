/** Runs the built program as a user would, for the end-to-end tests; everything on loopback. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const root = resolve(import.meta.dirname, "../..");
const main = join(root, "dist/main.js");

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

export class Program implements AsyncDisposable {
  readonly child: ChildProcess;
  #out = "";
  #error = "";
  readonly finished: Promise<Finished>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.#out += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.#error += chunk.toString()));
    this.finished = new Promise((done) => {
      this.child.once("close", (code) => done({ code, out: this.#out, error: this.#error }));
    });
  }

  get output(): string {
    return this.#out + this.#error;
  }

  async kill(signal: NodeJS.Signals): Promise<Finished> {
    this.child.kill(signal);
    return this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill("SIGKILL");
  }
}

/** Runs a command to its end. */
export async function run(args: readonly string[]): Promise<Finished> {
  return new Program(args).finished;
}

/** The same for one that reads its standard input. */
export function runWithInput(args: readonly string[], input: string) {
  return spawnSync(process.execPath, [main, ...args], { input, encoding: "utf8" });
}

/** A folder of its own, gone with the test. */
export class TempFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "mesh-insights-test-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A port nobody listens on now, with its two successors free as well. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all([port, port + 1, port + 2].map(isFree));
    if (free.every(Boolean)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}

/** Asks until `good` says so; the last answer on time-out tells why it failed. */
export async function until<T>(
  ask: () => Promise<T>,
  good: (answer: T) => boolean,
  timeoutMs: number,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => error as T); // shown if it stays so
    if (!(answer instanceof Error) && good(answer)) return answer;
    if (Date.now() > deadline) {
      const last = answer instanceof Error ? answer.message : JSON.stringify(answer, null, 1);
      throw new Error(`not so after ${timeoutMs} ms: ${good.toString()}\nlast answer: ${last}`);
    }
    await sleep(50);
  }
}

export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

export interface Engine {
  readonly program: Program;
  readonly web: string;
  readonly grpc: string;
  readonly http: string;
  readonly configPath: string;
}

/** `serve` with a store in `folder`, ready to take requests. `sets` are further `key=value`. */
export async function startEngine(
  folder: string,
  port: number,
  sets: readonly string[] = [],
): Promise<Engine> {
  const configPath = join(folder, "config.yaml");
  const lines = [
    "version: 1",
    "cluster: { name: demo }",
    "receivers:",
    `  grpc: { endpoint: "127.0.0.1:${port + 1}" }`,
    `  http: { endpoint: "127.0.0.1:${port + 2}" }`,
    `web: { endpoint: "127.0.0.1:${port}" }`,
    `store: { path: "${join(folder, "store", "mesh.db")}" }`,
    "",
  ];
  writeFileSync(configPath, lines.join("\n"));
  const program = new Program([
    "serve",
    "--config",
    configPath,
    ...sets.flatMap((set) => ["--set", set]),
  ]);
  const web = `http://127.0.0.1:${port}`;
  const ready = async (): Promise<boolean> => (await fetch(`${web}/-/ready`)).ok;
  try {
    await until(ready, (ok) => ok, 20_000);
  } catch (cause) {
    await program.kill("SIGKILL");
    throw new Error(`the engine did not get ready:\n${program.output}`, { cause });
  }
  const [grpc, http] = [`127.0.0.1:${port + 1}`, `127.0.0.1:${port + 2}`];
  return { program, web, grpc, http, configPath };
}
