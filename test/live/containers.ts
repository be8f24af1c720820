/**
 * Containers of the live mesh: a process in its pod's network namespace and a mount namespace of its own,
 * under its own UID and GID. Others may join it, as `kubectl exec` does, under whatever ids they took.
 */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { readlinkSync } from "node:fs";
import { until } from "../support/program.ts";
import type { LiveContainer, LivePod } from "./mesh.ts";

export interface RunningContainer extends AsyncDisposable {
  readonly pod: LivePod;
  readonly container: LiveContainer;
  readonly pid: number;
  /** Its executable's path as the container sees it. */
  readonly exe: string;
  /** Number of its mount namespace: by it the kernel's facts are told apart. */
  readonly mountNamespace: number;
  /** What it has printed. */
  readonly output: () => string;
}

export interface ContainerParts {
  readonly pod: LivePod;
  readonly container: LiveContainer;
  /** The process that holds the pod's network namespace. */
  readonly holder: number;
  /** As in RunningContainer. */
  readonly exe: string;
  readonly args: readonly string[];
  /** A folder that the container sees as /usr/local/bin. */
  readonly bin?: string;
  readonly stdin?: number;
}

/** In the new mount namespace, still as root: its own /usr/local/bin, then its own ids. */
const entry = `
bin=$1 id=$2
shift 2
if [ "$bin" != - ]; then mount --bind "$bin" /usr/local/bin; fi
exec setpriv --reuid="$id" --regid="$id" --clear-groups "$@"
`;

export async function startContainer(parts: ContainerParts): Promise<RunningContainer> {
  const { pod, container, holder, exe } = parts;
  const ids = [parts.bin ?? "-", String(container.userId)];
  const script = ["unshare", "--mount", "sh", "-euc", entry, "sh", ...ids, exe, ...parts.args];
  const running = spawnIn(holder, script, [parts.stdin ?? "ignore", "pipe", "pipe"]);
  const { child } = running;
  const pid = child.pid ?? 0;
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await running.ended;
  };
  try {
    const link = async (): Promise<string> => {
      if (child.exitCode !== null) throw new Error("it has ended");
      return readlinkSync(`/proc/${pid}/exe`);
    };
    await until(link, (path) => path === exe, 10_000);
  } catch (cause) {
    await stop();
    const name = `${pod.workload}/${container.name}`;
    throw new Error(`${name} did not start:\n${running.output()}`, { cause });
  }
  const mountNamespace = Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/mnt`))?.[0]);
  const { output } = running;
  return { pod, container, pid, exe, mountNamespace, output, [Symbol.asyncDispose]: stop };
}

interface Spawned {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

/** A process in the network namespace that another holds. */
export function spawnIn(holder: number, command: readonly string[], stdio: StdioOptions): Spawned {
  const child = spawn("nsenter", [`--net=/proc/${holder}/ns/net`, ...command], { stdio });
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<number | null>((done) => {
    child.once("error", (error) => (text += error.message));
    child.once("close", done);
  });
  return { child, output: () => text, ended };
}

/** Runs a command inside a container under ids of its own; rejects unless it ends well. */
export async function execIn(
  { pid }: RunningContainer,
  ids: { readonly uid: number; readonly gid: number },
  command: readonly string[],
): Promise<void> {
  const { uid, gid } = ids;
  const enter = [`--mount=/proc/${pid}/ns/mnt`, "setpriv", `--reuid=${uid}`, `--regid=${gid}`];
  const running = spawnIn(
    pid,
    [...enter, "--clear-groups", ...command],
    ["ignore", "pipe", "pipe"],
  );
  const code = await running.ended;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${running.output()}`);
}
