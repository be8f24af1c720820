/**
 * The simulated mesh as its separate sources: Envoys send access logs and spans over OTLP, Tetragon writes
 * its file, every proxy serves its metrics at an address of its own, where pod discovery finds it. Flows and
 * objects come over OTLP, as from a second collector. Ordinary traffic, until the attack is let loose.
 */
import { appendFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { encodeLogs, encodeSpans, type OtlpRequest } from "../../src/cli/demo/otlp.ts";
import { Random } from "../../src/cli/demo/random.ts";
import {
  agentProcess,
  appProcess,
  execEvent,
  podObject,
  proxyProcess,
} from "../../src/cli/demo/sources.ts";
import { Story } from "../../src/cli/demo/story.ts";
import { Outbox, Ports, Traffic } from "../../src/cli/demo/traffic.ts";
import { pods, type SimulatedPod } from "../../src/cli/demo/world.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { DiscoveredPod } from "./kubernetes-api.ts";

const envoyMetricsPort = 15_090;
const ztunnelMetricsPort = 15_020;
const objectsEveryBeats = 10;

/** Loopback addresses of this process, so that pods have their real ports and two test runs do not meet. */
const network = `127.${1 + (process.pid % 250)}.${1 + (Math.trunc(process.pid / 250) % 250)}`;

interface Endpoint {
  readonly pod: DiscoveredPod;
  /** False: the gateway's rules must leave it alone. */
  readonly isProxy: boolean;
  readonly metrics: () => string;
  scrapes: number;
}

export class MeshSources implements AsyncDisposable {
  readonly endpoints: readonly Endpoint[];
  readonly #out = new Outbox();
  readonly #traffic: Traffic;
  readonly #story: Story;
  readonly #client: OtlpClient;
  readonly #tetragonLog: string;
  readonly #servers: Server[] = [];
  #beats = 0;
  #timer: NodeJS.Timeout | null = null;
  #isAttacking = false;
  #attackedMs = 0;
  #lastBeat: Promise<unknown> = Promise.resolve();

  /** `otlp`: where Envoys send to, `host:port`. `tetragonLog`: the file that Tetragon writes. */
  constructor(otlp: string, tetragonLog: string) {
    const random = new Random(11);
    const ports = new Ports();
    this.#traffic = new Traffic(random, ports, this.#out);
    this.#story = new Story(ports, this.#out);
    this.#client = new OtlpClient(otlp);
    this.#tetragonLog = tetragonLog;
    this.endpoints = this.#makeEndpoints();
  }

  /** What a cluster's API says of these pods. */
  get discovered(): DiscoveredPod[] {
    return this.endpoints.map(({ pod }) => pod);
  }

  /** When the first trace of the attack was sent; 0 = not yet. */
  get attackedMs(): number {
    return this.#attackedMs;
  }

  async serveMetrics(): Promise<void> {
    for (const endpoint of this.endpoints) {
      const server = createServer((request, response) => {
        endpoint.scrapes++;
        const isRight = request.url === "/stats/prometheus";
        response.writeHead(isRight ? 200 : 404, { "content-type": "text/plain; charset=UTF-8" });
        response.end(isRight ? endpoint.metrics() : "");
      });
      this.#servers.push(server);
      const port = endpoint.pod.containers[0]?.ports[0]?.number ?? ztunnelMetricsPort;
      await new Promise<void>((done, fail) => {
        server.once("error", fail);
        server.listen(port, endpoint.pod.ip, done);
      });
    }
  }

  /** A second of the mesh each second, until disposed. */
  start(): void {
    this.#lastBeat = this.#beat(Date.now());
    this.#timer = setInterval(() => {
      this.#lastBeat = this.#beat(Date.now());
    }, 1_000);
  }

  /** From the next second on, the demo's story happens. */
  attack(): void {
    this.#isAttacking = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#lastBeat;
    this.#client[Symbol.dispose]();
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    }
  }

  async #beat(nowMs: number): Promise<void> {
    const startMs = nowMs - 1_000;
    const out = this.#out;
    if (this.#beats === 0) this.#startProcesses(startMs);
    for (let view = 0; view < 4; view++) this.#traffic.pageView(startMs + view * 225);
    this.#traffic.payment(startMs + 500);
    this.#traffic.housekeeping(startMs + 700);
    const eventsBefore = out.processEvents.length;
    if (this.#isAttacking) this.#story.beat(startMs + 100);
    // The story's first second has no attacker yet.
    const isFirstTrace = this.#attackedMs === 0 && out.processEvents.length > eventsBefore;
    const requests = [encodeLogs({}, out.accessLogs), encodeLogs({}, out.flows)];
    if (out.spans.length > 0) requests.push(encodeSpans({ "service.name": "envoy" }, out.spans));
    if (this.#beats % objectsEveryBeats === 0) requests.push(listPods(nowMs));
    const lines = out.processEvents.map(({ body }) => `${String(body)}\n`).join("");
    [out.accessLogs, out.flows, out.spans, out.processEvents] = [[], [], [], []];
    this.#beats++;
    if (isFirstTrace) this.#attackedMs = Date.now();
    appendFileSync(this.#tetragonLog, lines);
    await Promise.all(requests.map(({ signal, bytes }) => this.#client.send(signal, bytes)));
  }

  #startProcesses(atMs: number): void {
    for (const pod of Object.values(pods)) {
      this.#out.processEvents.push(execEvent(appProcess(pod), atMs));
      if (!pod.hasSidecar) continue;
      this.#out.processEvents.push(execEvent(agentProcess(pod), atMs));
      this.#out.processEvents.push(execEvent(proxyProcess(pod), atMs));
    }
  }

  #makeEndpoints(): Endpoint[] {
    const hasProxy = (pod: SimulatedPod): boolean => pod.hasSidecar || pod.isGateway;
    const proxies = Object.values(pods)
      .filter(hasProxy)
      .map((pod) => ({ pod: proxyPod(pod), metrics: () => this.#metricsOf(pod), isProxy: true }));
    const ztunnelMetrics = (): string => 'istio_build{component="ztunnel",tag="1.28.0"} 1\n';
    const others = [
      { pod: ztunnelPod("declared", [ztunnelMetricsPort]), metrics: ztunnelMetrics, isProxy: true },
      { pod: ztunnelPod("bare", []), metrics: ztunnelMetrics, isProxy: true },
      { pod: otherPod("app", "Running", "http-metrics"), metrics: () => "", isProxy: false },
      { pod: otherPod("ended", "Succeeded", "http-envoy-prom"), metrics: () => "", isProxy: false },
    ];
    return [...proxies, ...others].map((endpoint, index) => {
      const pod = { ...endpoint.pod, ip: `${network}.${index + 1}` };
      return { ...endpoint, pod, scrapes: 0 };
    });
  }

  /** One proxy's page: its build, its own side of every call, and a series of Envoy's own. */
  #metricsOf(pod: SimulatedPod): string {
    const lines = [
      "# TYPE istio_build gauge",
      'istio_build{component="proxy",tag="1.28.0"} 1',
      "# TYPE envoy_cluster_manager_active_clusters gauge",
      "envoy_cluster_manager_active_clusters 34",
      "# TYPE istio_requests_total counter",
    ];
    for (const { name, attributes, value } of this.#out.scrape()) {
      const { pod: podName, namespace, ...labels } = attributes;
      if (podName !== pod.name || namespace !== pod.namespace) continue; // another proxy's
      const text = Object.entries(labels).map(([label, word]) => `${label}="${String(word)}"`);
      lines.push(`${name}{${text.join(",")}} ${value}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

function proxyPod(pod: SimulatedPod): DiscoveredPod {
  const ports = [{ name: "http-envoy-prom", number: envoyMetricsPort }];
  const { namespace, name, workload } = pod;
  const containers = [{ name: "istio-proxy", ports }];
  return { namespace, name, ip: "", phase: "Running", labels: { app: workload }, containers };
}

function ztunnelPod(name: string, numbers: readonly number[]): DiscoveredPod {
  const ports = numbers.map((number) => ({ name: "ztunnel-stats", number }));
  return {
    namespace: "istio-system",
    name: `ztunnel-${name}`,
    ip: "",
    phase: "Running",
    labels: { app: "ztunnel" },
    containers: [{ name: "istio-proxy", ports }],
  };
}

function otherPod(name: string, phase: DiscoveredPod["phase"], portName: string): DiscoveredPod {
  const containers = [{ name: "app", ports: [{ name: portName, number: envoyMetricsPort }] }];
  return { namespace: "bookinfo", name, ip: "", phase, labels: {}, containers };
}

function listPods(nowMs: number): OtlpRequest {
  const objects = Object.values(pods).map((pod) => podObject(pod, nowMs));
  return encodeLogs({}, objects);
}
