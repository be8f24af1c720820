/**
 * An innocent day: a seeded mesh that lives as meshes do, told as OTLP requests by the sources that would
 * tell it. Deployments roll out, pods are evicted, containers restart, jobs come and go, addresses and source
 * ports are used again within seconds; clocks are off by up to half a minute between any two senders; one
 * request in a hundred is lost, some come twice, some half a minute late.
 *
 * The truth: nobody goes around a proxy, nobody but proxies and the control plane runs under the proxy's
 * ids, every pair of meshed workloads speaks mutual TLS, and workloads without a proxy call only others
 * without one (or a port that proxies serve in plaintext by design).
 */
import { Random } from "../../src/cli/demo/random.ts";
import { Ambient } from "./innocent-ambient.ts";
import { Calls, longSeconds, serviceOf } from "./innocent-calls.ts";
import { Agenda, DayCluster, type PlanName } from "./innocent-cluster.ts";
import type { DayDeed } from "./innocent-counts.ts";
import { Scrapes } from "./innocent-scrapes.ts";
import { Travel, type Arrival, type TravelCounts } from "./innocent-senders.ts";
import { Wire } from "./innocent-wire.ts";
import {
  connectRecord,
  hasProxy,
  isCaptured,
  type DayPod,
  type ProcessAt,
} from "./innocent-words.ts";

export const dayStartMs = 1_795_300_020_000;
/** Requests a mesh of this size makes in a second. */
const requestsPerSecond = 7;

/** Who calls whom over HTTP, all through sidecars. */
const routes: readonly (readonly [PlanName, PlanName])[] = [
  ["web", "catalog"],
  ["web", "cart"],
  ["web", "orders"],
  ["catalog", "pricing"],
  ["cart", "pricing"],
  ["orders", "payments"],
  ["orders", "pricing"],
  ["payments", "ledger"],
  ["orders", "archive"],
];
/** Who keeps TCP connections open. */
const stores: readonly (readonly [PlanName, PlanName])[] = [
  ["orders", "postgres"],
  ["ledger", "postgres"],
  ["cart", "redis"],
  ["catalog", "redis"],
];
/** Left alone, so that something lasts. */
const steady: readonly string[] = ["warehouse", "analytics"];
const paymentApi = { ip: "203.0.113.10", port: 443 };
const artifacts = { ip: "203.0.113.77", port: 443 };
const loot = { ip: "203.0.113.200", port: 4_443 };
const resolver = { ip: "192.0.2.53", port: 53 };
const apiServer = { ip: "10.0.1.1", port: 6_443 };
const clusterDns = { ip: "10.96.0.10", port: 53 };

export interface DayOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Each sender's clock is off by up to this, so that two differ by up to twice as much. */
  readonly skewMs?: number;
  /** Of requests. */
  readonly loss?: number;
  /** Attacks, each tried three times within a minute; none by default. */
  readonly guilty?: readonly { readonly by: Deed; readonly atSecond: number }[];
}

/** Under the proxy's ids; or after the redirect rules were flushed, under the application's own. */
type Deed = "ids" | "flushed";
const guiltyOf = { ids: "web", flushed: "ledger" } as const;

export class InnocentDay {
  readonly #options: DayOptions;
  readonly #random: Random;
  readonly #agenda = new Agenda(dayStartMs);
  readonly #travel: Travel;
  readonly #cluster: DayCluster;
  readonly #wire: Wire;
  readonly #scrapes: Scrapes;
  readonly #calls: Calls;
  readonly #ambient: Ambient;

  constructor(options: DayOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#travel = new Travel(this.#random, options.loss ?? 0.01);
    this.#cluster = new DayCluster(
      this.#random,
      this.#agenda,
      this.#travel,
      options.skewMs ?? 15_000,
    );
    this.#wire = new Wire(this.#cluster, this.#travel);
    this.#scrapes = new Scrapes(this.#travel, this.#cluster.counts);
    this.#calls = new Calls(this.#cluster, this.#wire, this.#scrapes, this.#travel);
    this.#ambient = new Ambient(this.#cluster, this.#wire, this.#travel, (pod, to) =>
      this.#calls.port(pod, to),
    );
    this.#agenda.at(dayStartMs, () => this.#begin());
    for (const { by, atSecond } of options.guilty ?? []) {
      // Telemetry is lost: who is found by a single connection may be lucky.
      for (const laterMs of [0, 20_000, 45_000]) {
        const atMs = dayStartMs + atSecond * 1_000 + laterMs;
        this.#agenda.at(atMs, () => this.#guiltyDeed(by, atMs));
      }
    }
    // Before istio-init there are no redirect rules yet.
    this.#cluster.onInit.push((process, atMs) => {
      this.#cluster.counts.add("initEgress");
      this.#socketOf(process, artifacts, null, atMs);
    });
  }

  /** Towards an address that nobody else calls. */
  #guiltyDeed(by: Deed, atMs: number): void {
    const pod = this.#any(guiltyOf[by]);
    const process = pod && this.#cluster.process(pod, false);
    if (!process) return;
    const uid = by === "ids" ? 1337 : process.container.uid;
    const container = { ...process.container, uid };
    this.#socketOf({ ...process, container, exe: "/usr/bin/curl" }, loot, null, atMs);
  }

  get travelled(): TravelCounts {
    return this.#travel.counts;
  }

  /** What has happened so far. */
  get deeds(): Readonly<Record<DayDeed, number>> {
    return this.#cluster.counts.all;
  }

  /** How far the clocks of two senders are apart at most, in ms. */
  get skewMs(): number {
    const skews = this.#cluster.readyPods.flatMap(({ proxySkewMs, node }) => [
      proxySkewMs,
      node.agentSkewMs,
      node.flowSkewMs,
    ]);
    return Math.max(...skews) - Math.min(...skews);
  }

  /** Each second's arrivals, in order; then what is still on its way. */
  *seconds(): Generator<{ readonly nowMs: number; readonly arrivals: readonly Arrival[] }> {
    const endMs = dayStartMs + this.#options.seconds * 1_000;
    let nowMs = dayStartMs;
    for (; nowMs < endMs; nowMs += 1_000) {
      this.#live(nowMs);
      this.#tick(nowMs, nowMs + 1_000 >= endMs);
      yield { nowMs, arrivals: this.#travel.take(nowMs) };
    }
    for (; !this.#travel.isEmpty; nowMs += 1_000) {
      yield { nowMs, arrivals: this.#travel.take(nowMs) };
    }
  }

  #tick(nowMs: number, isLast: boolean): void {
    this.#scrapes.tick(nowMs, this.#cluster.readyPods);
    this.#cluster.tick(isLast);
    this.#calls.tick(nowMs, isLast);
    this.#ambient.tick(nowMs, isLast);
    this.#wire.tick(nowMs, isLast);
  }

  #live(nowMs: number): void {
    this.#agenda.run(nowMs);
    const random = this.#random;
    const chance = (perSecond: number): boolean => random.next() < perSecond;
    for (let left = requestsPerSecond; left > 0; left--) {
      if (!chance(Math.min(1, left))) continue;
      const route = routes[random.below(routes.length)];
      if (route) this.#request(route, nowMs + random.below(990));
    }
    if (chance(0.4)) this.#visit(nowMs + random.below(990));
    if (chance(0.05)) this.#store(nowMs + random.below(990));
    if (chance(0.1)) this.#payOutside(nowMs + random.below(990));
    if (chance(0.35)) this.#lookUp(nowMs + random.below(990));
    if (chance(0.35)) this.#plainLife(nowMs + random.below(990));
    if (chance(0.5)) this.#ambientCall(nowMs + random.below(990));
    if (chance(0.05)) this.#hostNetwork(nowMs + random.below(990));
    if (chance(0.45)) this.#watchers(nowMs + random.below(990));
    this.#change(chance);
  }

  /** Rarely: what people and controllers do. */
  #change(chance: (perSecond: number) => boolean): void {
    const changing: readonly PlanName[] = [
      ...(["web", "catalog", "cart", "orders", "pricing", "payments", "ledger"] as const),
      ...([
        "kiosk",
        "stock",
        "gateway",
        "batch",
        "archive",
        "postgres",
        "redis",
        "coredns",
        "istiod",
      ] as const),
    ];
    const any = (): PlanName => changing[this.#random.below(changing.length)] ?? "web";
    if (chance(1 / 180)) this.#cluster.rollOut(any());
    if (chance(1 / 90)) this.#cluster.evict(any());
    if (chance(1 / 60)) this.#restartAny();
    if (chance(1 / 110)) this.#job("report", 25 + this.#random.below(60));
    if (chance(1 / 200)) this.#job("cleanup", 10 + this.#random.below(30));
  }

  #any(plan: PlanName): DayPod | undefined {
    const pods = this.#cluster.ready(plan);
    return pods[this.#random.below(pods.length)];
  }

  #begin(): void {
    for (const [from, to] of stores) {
      for (const client of this.#cluster.ready(from)) {
        this.#calls.connect(client, to, dayStartMs, 600 + this.#random.below(21_000));
      }
    }
    for (const client of this.#cluster.ready("analytics")) this.#keepOpen(client, dayStartMs);
    for (const pod of this.#cluster.readyPods)
      if (hasProxy(pod)) this.#agentConnects(pod, dayStartMs);
  }

  /** A connection of hours, and the next when it has ended. */
  #keepOpen(client: DayPod, atMs: number): void {
    const seconds = longSeconds + this.#random.below(3_600);
    this.#calls.connect(client, "warehouse", atMs, seconds);
    const againMs = atMs + (seconds + 5) * 1_000;
    this.#agenda.at(againMs, () => this.#keepOpen(client, againMs));
  }

  #request([from, to]: readonly [PlanName, PlanName], atMs: number): void {
    const client = this.#any(from);
    if (client) this.#calls.request(client, to, atMs);
  }

  #visit(atMs: number): void {
    const gateway = this.#any("gateway");
    if (gateway) this.#calls.fromOutside(gateway, "web", atMs);
  }

  #store(atMs: number): void {
    const [from, to] = stores[this.#random.below(stores.length)] ?? (["cart", "redis"] as const);
    const client = this.#any(from);
    // Mostly minutes, now and then hours.
    const isLong = this.#random.next() < 0.05;
    const seconds = isLong ? longSeconds : 5 + this.#random.below(900);
    if (client) this.#calls.connect(client, to, atMs, seconds);
  }

  #payOutside(atMs: number): void {
    const client = this.#any(this.#random.next() < 0.7 ? "payments" : "catalog");
    if (client) this.#calls.passThrough(client, paymentApi, atMs);
  }

  /** UDP is not redirected: the application itself asks the name server. */
  #lookUp(atMs: number): void {
    const pods = this.#cluster.readyPods.filter(
      (pod) => isCaptured(pod) || pod.namespace === "legacy",
    );
    const pod = pods[this.#random.below(pods.length)];
    const server = this.#any("coredns");
    if (!pod || !server) return;
    this.#cluster.counts.add("lookUps");
    this.#plainConnect(pod, clusterDns, server, atMs, "udp");
    if (this.#random.next() < 0.3) this.#plainConnect(server, resolver, null, atMs + 2, "udp");
  }

  #plainLife(atMs: number): void {
    const client = this.#any(this.#random.next() < 0.8 ? "batch" : "archive");
    if (!client) return;
    const archive = this.#any("archive");
    if (this.#random.next() < 0.3) this.#plainConnect(client, artifacts, null, atMs);
    else if (archive) this.#plainConnect(client, serviceOf("archive"), archive, atMs);
  }

  #ambientCall(atMs: number): void {
    const [client, server] = [this.#any("kiosk"), this.#any("stock")];
    if (client && server) this.#ambient.call(client, server, "stock", serviceOf("stock"), atMs);
  }

  /** An agent in the machine's own network: it reports outwards, and Prometheus scrapes it. */
  #hostNetwork(atMs: number): void {
    const [agent, prometheus] = [this.#any("exporter"), this.#any("prometheus")];
    if (!agent || !prometheus) return;
    this.#cluster.counts.add("hostNetworkConnections");
    if (this.#random.next() < 0.5) this.#plainConnect(agent, artifacts, null, atMs);
    else this.#plainConnect(prometheus, { ip: agent.ip, port: agent.port }, agent, atMs);
  }

  /** Prometheus, kubelets, agents of proxies and the control plane. */
  #watchers(atMs: number): void {
    const pods = this.#cluster.readyPods.filter((pod) => !pod.hostNetwork);
    const pod = pods[this.#random.below(pods.length)];
    if (!pod) return;
    const port = hasProxy(pod) || pod.role === "ztunnel" ? 15_020 : pod.port;
    const what = this.#random.below(4);
    const prometheus = this.#any("prometheus");
    // A scrape of an ambient pod would be plaintext from outside the mesh, and is told as that.
    if (what === 0 || pod.role === "ambient") this.#probe(pod, hasProxy(pod) ? 15_021 : port, atMs);
    else if (what === 1 && prometheus)
      this.#plainConnect(prometheus, { ip: pod.ip, port }, pod, atMs);
    else if (what === 2 && hasProxy(pod)) this.#agentConnects(pod, atMs);
    else if (what === 3) {
      const istiod = this.#any("istiod");
      if (istiod) this.#plainConnect(istiod, apiServer, null, atMs);
    }
  }

  #probe(pod: DayPod, toPort: number, openMs: number): void {
    this.#cluster.counts.add("probes");
    const { ip: fromIp } = pod.node;
    const fromPort = 32_768 + this.#random.below(28_232);
    this.#wire.short({ fromIp, fromPort, toIp: pod.ip, toPort, nodes: [pod.node], openMs }, 3);
  }

  /** A process without a proxy around it: the same socket on the wire, behind a virtual address or not. */
  #plainConnect(
    client: DayPod,
    to: { readonly ip: string; readonly port: number },
    server: DayPod | null,
    atMs: number,
    transport: "tcp" | "udp" = "tcp",
  ): void {
    const process = this.#cluster.process(client, client.role === "gateway");
    if (process) this.#socketOf(process, to, server, atMs, transport);
  }

  /** A socket that nothing redirects. */
  #socketOf(
    process: ProcessAt,
    to: { readonly ip: string; readonly port: number },
    server: DayPod | null,
    atMs: number,
    transport: "tcp" | "udp" = "tcp",
  ): void {
    const client = process.pod;
    const port = this.#calls.port(client, to);
    const stampedMs = atMs + client.node.agentSkewMs;
    this.#cluster.agentTells(client.node, connectRecord(process, stampedMs, port, to, transport));
    const end = server && to.ip.startsWith("10.96.") ? { ip: server.ip, port: server.port } : to;
    const ends = { fromIp: client.ip, fromPort: port, toIp: end.ip, toPort: end.port, transport };
    const nodes = [client.node, server?.node];
    this.#wire.short({ ...ends, nodes, openMs: atMs }, 20 + this.#random.below(2_000));
  }

  /** pilot-agent to istiod, under the proxy's own ids and not redirected. */
  #agentConnects(pod: DayPod, atMs: number): void {
    const istiod = this.#any("istiod");
    const process = this.#cluster.process(pod, true);
    if (!istiod || !process) return;
    const service = serviceOf("istiod");
    const port = this.#calls.port(pod, service);
    const agent = { ...process, exe: "/usr/local/bin/pilot-agent" };
    const stampedMs = atMs + pod.node.agentSkewMs;
    this.#cluster.agentTells(pod.node, connectRecord(agent, stampedMs, port, service));
    const ends = { fromIp: pod.ip, fromPort: port, toIp: istiod.ip, toPort: istiod.port };
    const nodes = [pod.node, istiod.node];
    this.#wire.short({ ...ends, nodes, openMs: atMs }, 1_000 + this.#random.below(60_000));
  }

  #restartAny(): void {
    const pods = this.#cluster.readyPods.filter(({ workload }) => !steady.includes(workload));
    const pod = pods[this.#random.below(pods.length)];
    if (pod) this.#cluster.restart(pod);
  }

  /** A job's pod calls from its sidecar's readiness on, until it ends. */
  #job(plan: "report" | "cleanup", seconds: number): void {
    const { nowMs } = this.#agenda;
    this.#cluster.runJob(plan, seconds);
    for (let second = 7; second < seconds - 1; second += 3) {
      const atMs = nowMs + second * 1_000;
      this.#agenda.at(atMs, () => {
        const pod = this.#cluster.ready(plan).at(-1);
        const archive = this.#any("archive");
        if (!pod) return;
        if (plan === "report") {
          this.#calls.request(pod, "catalog", atMs);
          if (second % 4 === 0) this.#calls.connect(pod, "postgres", atMs, 2);
          if (second % 5 === 0) this.#calls.passThrough(pod, artifacts, atMs);
        } else if (archive) this.#plainConnect(pod, serviceOf("archive"), archive, atMs);
      });
    }
  }
}
