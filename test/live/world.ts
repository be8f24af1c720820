/**
 * Everything that runs in the live test: the mesh with its real sidecars, the machine's two agents, a real
 * collector with the shipped configuration, the built engine behind it, and who takes its insights.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { Disposer } from "../../src/lib/disposer.ts";
import { startCollector } from "../support/collector.ts";
import { KubernetesApi } from "../support/kubernetes-api.ts";
import { OtlpSink, type SinkRecord } from "../support/otlp-sink.ts";
import { Peer } from "../support/peers.ts";
import { freePort, root, TempFolder, until } from "../support/program.ts";
import { startShippedEngine, type ShippedEngine } from "../support/shipped-engine.ts";
import { makeIdentities, type Identity } from "./certificates.ts";
import { spawnIn, startContainer, type RunningContainer } from "./containers.ts";
import {
  appId,
  cart,
  cartService,
  clusterName,
  coredns,
  otlpPort,
  outside,
  proxyContainer,
  readyPort,
  web,
  type LivePod,
} from "./mesh.ts";
import { ObjectFeed } from "./objects.ts";
import { Recorder } from "./recorder.ts";
import { writeSidecar } from "./sidecar.ts";
import { Tap } from "./tap.ts";
import { makeTopology, type Topology } from "./topology.ts";

/** Paths of executables, as setup.sh finds them. */
interface LiveTools {
  readonly collector: string;
  readonly envoy: string;
}

export interface World extends AsyncDisposable {
  readonly engine: ShippedEngine;
  readonly tap: Tap;
  /** When a sink was first told of an insight, `rule namespace/workload address:port`; ms since 1970. */
  readonly learned: ReadonlyMap<string, number>;
  /** The application's container, in which the attackers are. */
  readonly app: RunningContainer;
  readonly containers: readonly RunningContainer[];
  /** Takes the redirect rules of the pod with the attackers away. */
  readonly flushRules: () => void;
}

function findTools(): LiveTools {
  const script = join(root, "test/live/setup.sh");
  const text = execFileSync("sh", [script, "--where"], { encoding: "utf8" });
  const missing = [...text.matchAll(/^(.*)=$/gm)].map(([, name]) => name);
  if (missing.length > 0) {
    throw new Error(`missing: ${missing.join(", ")}; to get what is missing: sh ${script}`);
  }
  const path = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
  return { collector: path("collector"), envoy: path("envoy") };
}

export async function startWorld(): Promise<World> {
  const parts = new Disposer();
  try {
    return await startParts(parts);
  } catch (error) {
    await parts[Symbol.asyncDispose]();
    throw error;
  }
}

async function startParts(parts: Disposer): Promise<World> {
  const tools = findTools();
  const topology = parts.use(await makeTopology());
  const temp = new TempFolder();
  parts.defer(() => temp[Symbol.dispose]());
  const folder = temp.path;
  chmodSync(folder, 0o755); // the sidecars read their configuration in it
  const sink = parts.use(new OtlpSink());
  const learned = new Map<string, number>();
  sink.behave = ({ records }) => {
    for (const line of records.map(insightLine)) {
      if (!learned.has(line)) learned.set(line, Date.now());
    }
    return { kind: "take" };
  };
  await sink.start();
  const insights = `127.0.0.1:${sink.port}`;
  const engine = await startShippedEngine(folder, await freePort(), insights);
  parts.use(engine.program);
  const tap = parts.use(new Tap(engine.grpc));
  const collector = await startPipeline(parts, tools, folder, await tap.start());
  const recorder = parts.use(new Recorder(join(folder, "tetragon.log")));
  await recorder.ready();
  parts.use(new ObjectFeed(collector));
  const containers = await startMesh({ parts, topology, recorder, tools, folder });
  const app = containers.find(({ pod, container }) => pod === web && container !== proxyContainer);
  if (!app) throw new Error("no application in the mesh");
  const dispose = (): Promise<void> => parts[Symbol.asyncDispose]();
  const flushRules = (): void => topology.flushRules(web);
  return { engine, tap, learned, app, containers, flushRules, [Symbol.asyncDispose]: dispose };
}

function insightLine({ attributes }: SinkRecord): string {
  const names = ["k8s.namespace.name", "service.name", "destination.address", "destination.port"];
  const [namespace, workload, address, port] = names.map((name) => attributes[name]);
  return `${String(attributes["security_rule.uuid"])} ${String(namespace)}/${String(workload)} ${String(address)}:${String(port)}`;
}

/** The collector, and the machine's NetFlow exporter; returns where sidecars send their log to. */
async function startPipeline(
  parts: Disposer,
  tools: LiveTools,
  folder: string,
  engine: string,
): Promise<string> {
  // The gateway's scrapes find no pod: these sidecars have no Istio metrics.
  const kubernetes = parts.use(new KubernetesApi([]));
  const collector = await startCollector({
    tools,
    folder,
    port: otlpPort,
    listen: "0.0.0.0",
    engine,
    kubeconfig: await kubernetes.start(folder),
    clusterName,
    overlays: [join(root, "test/live/collector/netflow.yaml")],
  });
  parts.use(collector);
  const exporter = new Peer("pmacctd", "pmacctd", ["-f", join(root, "test/live/flows.conf")]);
  // Killed it would leave its plugin, a process of its own, behind.
  parts.defer(() => exporter.stop("SIGINT"));
  const exports = async (): Promise<boolean> => exporter.output.includes("Exporting flows to");
  await exporter.becomes("ready", exports, 20_000);
  return collector.otlp;
}

interface MeshParts {
  readonly parts: Disposer;
  readonly topology: Topology;
  readonly recorder: Recorder;
  readonly tools: LiveTools;
  readonly folder: string;
}

/** Servers before callers, and each sidecar before its application. */
async function startMesh(mesh: MeshParts): Promise<RunningContainer[]> {
  const { parts, topology, folder } = mesh;
  const identities = makeIdentities(join(folder, "identities"));
  mkdirSync(join(folder, "sidecars"));
  startOutside(parts, topology.outside);
  const lookups = await startApp(mesh, coredns, ["names"]);
  const servers = [
    await startSidecar(mesh, cart, identities),
    await startApp(mesh, cart, ["serve", String(cart.port)]),
  ];
  const callers = [
    await startSidecar(mesh, web, identities),
    await startApp(mesh, web, [
      "call",
      `${cartService.ip}:${cartService.port}`,
      outside.allowedIp,
      coredns.ip,
      cart.ip,
    ]),
  ];
  const probes = setInterval(() => {
    for (const pod of [web, cart]) void probe(pod);
    void ask(`http://${cart.ip}:${cart.port}/`);
  }, 1_000);
  parts.defer(() => clearInterval(probes));
  return [lookups, ...servers, ...callers];
}

/** As the kubelet asks a sidecar whether it is ready. */
const probe = async (pod: LivePod): Promise<boolean> =>
  ask(`http://${pod.ip}:${readyPort}/healthz/ready`);

/** One probe of the kubelet's: from the machine, in plaintext, a connection of its own. */
async function ask(url: string): Promise<boolean> {
  const answer = await fetch(url, { headers: { connection: "close" } }).catch(() => null);
  await answer?.arrayBuffer();
  return answer?.ok ?? false;
}

function startOutside(parts: Disposer, holder: number): void {
  const ids = [`--reuid=${appId}`, `--regid=${appId}`, "--clear-groups"];
  const script = openSync(scriptPath, "r");
  const command = ["setpriv", ...ids, process.execPath, ...fromInput, "echo", "9000"];
  const { child, ended } = spawnIn(holder, command, [script, "ignore", "inherit"]);
  closeSync(script);
  parts.defer(async () => {
    child.kill("SIGKILL");
    await ended;
  });
}

const scriptPath = join(root, "test/live/app.mjs");
/** The repository's folder may be closed to other users. */
const fromInput = ["--input-type=module", "-"];

async function startApp(
  { parts, topology, recorder }: MeshParts,
  pod: LivePod,
  args: readonly string[],
): Promise<RunningContainer> {
  const container = pod.containers.find((one) => one !== proxyContainer);
  if (!container) throw new Error(`${pod.workload} has no application`);
  const script = openSync(scriptPath, "r");
  const running = await startContainer({
    pod,
    container,
    holder: topology.holder(pod),
    exe: process.execPath,
    args: [...fromInput, ...args],
    stdin: script,
  });
  closeSync(script);
  await recorder.watch(parts.use(running));
  return running;
}

async function startSidecar(
  { parts, topology, recorder, tools, folder }: MeshParts,
  pod: LivePod,
  identities: ReadonlyMap<LivePod, Identity>,
): Promise<RunningContainer> {
  const identity = identities.get(pod);
  if (!identity) throw new Error(`${pod.workload} has no identity`);
  const config = join(folder, "sidecars", `${pod.workload}.json`);
  writeSidecar(config, pod, identity);
  const running = await startContainer({
    pod,
    container: proxyContainer,
    holder: topology.holder(pod),
    bin: dirname(tools.envoy),
    exe: "/usr/local/bin/envoy",
    args: ["-c", config, "--concurrency", "2", "--disable-hot-restart", "--log-level", "warning"],
  });
  await recorder.watch(parts.use(running));
  await until(() => probe(pod), Boolean, 20_000).catch((cause: unknown) => {
    throw new Error(`the sidecar of ${pod.workload} is not ready:\n${running.output()}`, { cause });
  });
  return running;
}
