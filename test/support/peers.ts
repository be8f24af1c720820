/**
 * The real programs around the engine: where they are, and one of them as a process. A test that needs
 * one which is missing is skipped with the command that gets it; under CI=true it fails.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { root, until } from "./program.ts";

const toolNames = [
  "collector",
  "prometheus",
  "promtool",
  "alertmanager",
  "amtool",
  "strace",
] as const;
export type ToolName = (typeof toolNames)[number];
/** Paths of executables. */
export type Tools = Readonly<Record<ToolName, string>>;

/** As `test/e2e/setup.sh` finds them; "" is missing. */
function findTools(): Tools {
  const text = execFileSync("sh", [join(root, "test/e2e/setup.sh"), "--where"]).toString();
  const path = (name: ToolName): string => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
  return {
    collector: path("collector"),
    prometheus: path("prometheus"),
    promtool: path("promtool"),
    alertmanager: path("alertmanager"),
    amtool: path("amtool"),
    strace: path("strace"),
  };
}

let found: Tools | null = null;

/** Ends the test as skipped when a tool is missing, with what to do about it. */
export function toolsOrSkip(context: TestContext, ...names: readonly ToolName[]): Tools {
  found ??= findTools();
  const tools = found;
  const missing = names.filter((name) => tools[name] === "");
  if (missing.length === 0) return tools;
  const why = `missing: ${missing.join(", ")}; to get what is missing: npm run test:setup`;
  if (process.env["CI"] === "true") throw new Error(why);
  console.warn(`skipped, ${why}`); // the reporter shows a skip without its reason
  return context.skip(why);
}

export interface Ended {
  readonly code: number;
  /** What it wrote, to both. */
  readonly output: string;
}

/** Runs a command to its end, with text for its input. */
export async function runToEnd(
  path: string,
  args: readonly string[],
  { cwd, input = "" }: { readonly cwd: string; readonly input?: string },
): Promise<Ended> {
  return new Promise((done) => {
    const child = execFile(path, args, { cwd }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code ?? 1), output: out + err }),
    );
    child.stdin?.end(input);
  });
}

/** A foreign program, ended with the test; what it prints is kept for failures. */
export class Peer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<void>;
  #output = "";

  constructor(
    name: string,
    path: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#name = name;
    this.#child = spawn(path, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child.once("error", (error) => (this.#output += error.message));
    this.#ended = new Promise((done) => this.#child.once("close", () => done()));
  }

  get output(): string {
    return this.#output;
  }

  /** Waits for a condition; a program that has ended meanwhile tells why at once. */
  async becomes(what: string, good: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const ask = async (): Promise<boolean | "ended"> => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return "ended";
      return good();
    };
    const answer = await until(ask, (is) => is !== false, timeoutMs).catch(() => false);
    if (answer === true) return;
    throw new Error(`${this.#name} did not become ${what}:\n${this.#output.slice(-4_000)}`);
  }

  /** Resolves when the process has ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await this.stop("SIGKILL");
  }
}
