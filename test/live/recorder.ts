/**
 * The node agent of the live test: the kernel's facts about processes and sockets (facts.bt), written as
 * Tetragon writes them, for the containers that it knows. Not Tetragon itself, which comes as an image and
 * needs kprobes: its words are imitated, its facts are not.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root, until } from "../support/program.ts";
import type { RunningContainer } from "./containers.ts";
import { containerId, nodeName } from "./mesh.ts";

interface KernelProcess {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
}

interface Executed {
  readonly file: string;
  readonly process: KernelProcess;
  /** CLOCK_MONOTONIC in nanoseconds. */
  readonly at: bigint;
}

export class Recorder implements AsyncDisposable {
  readonly #path: string;
  readonly #byMount = new Map<number, RunningContainer>();
  /** What a process runs, by its pid. */
  readonly #executables = new Map<number, string>();
  /** Of mount namespaces that nobody watches: what was executed last. */
  readonly #latest = new Map<number, Executed>();
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";
  #isReady = false;

  /** Writes Tetragon's export file at `path`. */
  constructor(path: string) {
    this.#path = path;
    appendFileSync(path, "");
    this.#child = spawn("bpftrace", ["-B", "line", join(root, "test/live/facts.bt")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child.once("error", (error) => (this.#output += error.message));
    this.#ended = new Promise((done) => this.#child.once("close", done));
    if (this.#child.stdout) {
      createInterface(this.#child.stdout).on("line", (line) => this.#read(line));
    }
  }

  /** Resolves when the kernel's facts come in. */
  async ready(): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      if (this.#child.exitCode !== null) throw new Error("bpftrace has ended");
      return this.#isReady;
    };
    await until(isReady, Boolean, 60_000).catch((cause: unknown) => {
      throw new Error(`bpftrace did not become ready:\n${this.#output}`, { cause });
    });
  }

  /** From now on the container's processes are told, and first the one that it was started with. */
  async watch(container: RunningContainer): Promise<void> {
    const { mountNamespace, exe } = container;
    const first = await until(
      async () => this.#latest.get(mountNamespace),
      (latest) => latest?.file === exe,
      10_000,
    );
    this.#byMount.set(mountNamespace, container);
    if (first) this.#exec(container, first.process, first.at);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #read(line: string): void {
    if (line === "ready") this.#isReady = true;
    const [kind = "", time = "", mount = "", ...fields] = line.split("\t");
    const [pid = 0, parent = 0, uid = -1, gid = -1, euid = -1, egid = -1] = fields.map(Number);
    const process = { pid, parent, uid, gid, euid, egid };
    const container = this.#byMount.get(Number(mount));
    if (kind === "exec") {
      const [at, file] = [BigInt(time), fields[6] ?? ""];
      this.#executables.set(pid, file);
      if (container) this.#exec(container, process, at);
      else this.#latest.set(Number(mount), { file, process, at });
    } else if (kind === "connect" && container) {
      this.#connect(container, process, BigInt(time), fields.slice(6));
    }
  }

  #exec(container: RunningContainer, process: KernelProcess, at: bigint): void {
    this.#write(at, { process_exec: { process: this.#process(container, process) } });
  }

  #connect(
    container: RunningContainer,
    process: KernelProcess,
    at: bigint,
    [family = "", saddr = "", sport = "", daddr = "", dport = ""]: readonly string[],
  ): void {
    const socket = {
      family: family === "4" ? "AF_INET" : "AF_INET6",
      type: "SOCK_STREAM",
      protocol: "IPPROTO_TCP",
      saddr,
      daddr,
      sport: Number(sport),
      dport: Number(dport),
      state: "TCP_SYN_SENT",
    };
    this.#write(at, {
      process_kprobe: {
        process: this.#process(container, process),
        function_name: "tcp_connect",
        args: [{ sock_arg: socket, label: "sk" }],
        action: "KPROBE_ACTION_POST",
        policy_name: "connect",
      },
    });
  }

  #process({ pod, container }: RunningContainer, process: KernelProcess): object {
    const { pid, parent, uid, gid, euid, egid } = process;
    const id = `containerd://${containerId(pod, container.name)}`;
    return {
      exec_id: Buffer.from(`${nodeName}:${pid}:${this.#executables.get(pid)}`).toString("base64"),
      pid,
      uid: euid,
      // A process that was forked and has executed nothing yet runs what its parent runs.
      binary: this.#executables.get(pid) ?? this.#executables.get(parent) ?? "",
      flags: "execve",
      process_credentials: { uid, gid, euid, egid },
      pod: {
        namespace: pod.namespace,
        name: pod.name,
        uid: pod.uid,
        container: { id, name: container.name, image: { name: container.image } },
        pod_labels: pod.labels,
        workload: pod.workload,
        workload_kind: "Deployment",
      },
    };
  }

  #write(at: bigint, event: object): void {
    const wallNanos = BigInt(Date.now()) * 1_000_000n - (monotonicNow() - at);
    const seconds = new Date(Number(wallNanos / 1_000_000_000n) * 1_000).toISOString();
    const fraction = String(wallNanos % 1_000_000_000n).padStart(9, "0");
    const time = seconds.replace(".000Z", `.${fraction}Z`);
    appendFileSync(this.#path, `${JSON.stringify({ ...event, node_name: nodeName, time })}\n`);
  }
}

/** CLOCK_MONOTONIC, as the kernel's facts have it. */
function monotonicNow(): bigint {
  return process.hrtime.bigint();
}
