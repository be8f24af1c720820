/**
 * The life of an innocent day's pods: deployed, rolled out, restarted, run by cron jobs and ended; and what
 * the object feed and the agents tell of it.
 */
import type { Random } from "../../src/cli/demo/random.ts";
import { DayCounts } from "./innocent-counts.ts";
import { PodMaker, makeNodes, plans, type Plan } from "./innocent-pods.ts";
import { logSender, type LogSender, type Travel } from "./innocent-senders.ts";
import {
  dayCluster,
  execRecord,
  hasProxy,
  podRecord,
  type DayContainer,
  type DayNode,
  type DayPod,
  type ProcessAt,
} from "./innocent-words.ts";

/** What happens later, by second; within one in the order of its time. */
export class Agenda {
  readonly #due = new Map<number, { readonly atMs: number; readonly act: () => void }[]>();
  #nowMs: number;
  /** The first second that has not happened yet, or is happening. */
  #second: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
    this.#second = Math.floor(startMs / 1_000);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** What would lie in a second that is over happens in the next. */
  at(atMs: number, act: () => void): void {
    const second = Math.max(Math.floor(atMs / 1_000), this.#second);
    const due = this.#due.get(second);
    if (due) due.push({ atMs, act });
    else this.#due.set(second, [{ atMs, act }]);
  }

  /** The second that begins at `nowMs`; what is added to it meanwhile happens too. */
  run(nowMs: number): void {
    this.#nowMs = nowMs;
    const second = Math.floor(nowMs / 1_000);
    this.#second = second;
    for (let due = this.#due.get(second); due; due = this.#due.get(second)) {
      this.#due.delete(second);
      for (const { act } of due.sort((a, b) => a.atMs - b.atMs)) act();
    }
    this.#second = second + 1;
  }
}

const cluster = { "k8s.cluster.name": dayCluster };
const listEveryMs = 300_000;
/** Objects that one request of a list holds: a list of many comes in several. */
const listPart = 40;

export type PlanName = keyof typeof plans;
/** Plans without replicas are jobs. */
const deployments = (Object.keys(plans) as PlanName[]).filter((name) => plans[name].replicas > 0); // its own keys

export class DayCluster {
  readonly nodes: readonly DayNode[];
  readonly agenda: Agenda;
  readonly random: Random;
  readonly #maker: PodMaker;
  readonly #feed: LogSender;
  readonly #lists: LogSender;
  readonly #agents = new Map<DayNode, LogSender>();
  readonly #ready = new Map<PlanName, DayPod[]>();
  readonly #known = new Set<DayPod>();
  /** Each is replaced by one other: who is on his way out is not replaced again. */
  readonly #leaving = new Set<DayPod>();
  readonly #ended: { readonly plan: PlanName; readonly ip: string; readonly atMs: number }[] = [];
  /** Told of each pod that ends, and of each proxy that starts again. */
  readonly onClose: ((pod: DayPod, atMs: number) => void)[] = [];
  readonly counts = new DayCounts();
  /** Told of each process of an application's init container that runs. */
  readonly onInit: ((process: ProcessAt, atMs: number) => void)[] = [];
  #listDueMs: number;

  constructor(random: Random, agenda: Agenda, travel: Travel, skewMs: number) {
    this.random = random;
    this.agenda = agenda;
    this.nodes = makeNodes(random, 4, skewMs);
    this.#maker = new PodMaker(random, skewMs);
    const startMs = agenda.nowMs;
    this.#feed = logSender(travel, 1_000, startMs);
    this.#lists = logSender(travel, 1_000, startMs);
    for (const node of this.nodes) this.#agents.set(node, logSender(travel, 2_000, startMs));
    this.#listDueMs = startMs;
    for (const name of deployments) this.#deployBefore(name, startMs - 3_600_000);
  }

  /** Pods that take calls. */
  ready(plan: PlanName): readonly DayPod[] {
    return this.#ready.get(plan) ?? [];
  }

  get readyPods(): readonly DayPod[] {
    return [...this.#ready.values()].flat();
  }

  /** Addresses that stood for an endpoint until within `ms`. */
  endedWithin(plan: PlanName, ms: number): readonly string[] {
    const sinceMs = this.agenda.nowMs - ms;
    return this.#ended
      .filter((one) => one.plan === plan && one.atMs >= sinceMs)
      .map(({ ip }) => ip);
  }

  agentTells(node: DayNode, record: LogSenderItem): void {
    this.#agents.get(node)?.push({ ...cluster, "k8s.node.name": node.name }, record);
  }

  tick(isLast: boolean): void {
    const { nowMs } = this.agenda;
    while (this.#ended[0] && this.#ended[0].atMs < nowMs - 60_000) this.#ended.shift();
    if (nowMs >= this.#listDueMs) this.#list(nowMs);
    this.#feed.tick(nowMs, isLast);
    for (const agent of this.#agents.values()) agent.tick(nowMs, isLast);
  }

  /** All replicas one after the other, as a rolling update does. */
  rollOut(name: PlanName): void {
    this.counts.add("deploys");
    const of: Plan = plans[name];
    const isSet = of.ownerKind === "StatefulSet";
    const owner = isSet ? of.workload : `${of.workload}-${this.#maker.suffix(9)}`;
    const old = this.#staying(name);
    old.forEach((pod, index) => {
      this.#leaving.add(pod);
      const atMs = this.agenda.nowMs + index * 14_000;
      if (isSet) {
        // The same name comes back, with another identity and often the same address.
        this.agenda.at(atMs, () => this.#delete(name, pod));
        this.agenda.at(atMs + 11_500, () => this.#create(name, owner, pod.name, pod.node));
      } else {
        const podName = `${owner}-${this.#maker.suffix(5)}`;
        this.agenda.at(atMs, () => this.#create(name, owner, podName, this.#anyNode()));
        this.agenda.at(atMs + 9_000, () => this.#delete(name, pod));
      }
    });
  }

  /** One pod is evicted and made again elsewhere. */
  evict(name: PlanName): void {
    const pods = this.#staying(name);
    const pod = pods[this.random.below(pods.length)];
    if (!pod || plans[name].replicas < 2) return;
    this.#leaving.add(pod);
    this.counts.add("evictions");
    const podName = `${pod.ownerName}-${this.#maker.suffix(5)}`;
    this.#delete(name, pod);
    this.#create(name, pod.ownerName, podName, this.#anyNode());
  }

  runJob(name: PlanName, seconds: number): void {
    this.counts.add("jobs");
    const number = Math.floor(this.agenda.nowMs / 60_000);
    const owner = `${plans[name].workload}-${number}`;
    const pod = this.#create(name, owner, `${owner}-${this.#maker.suffix(5)}`, this.#anyNode());
    const endMs = this.agenda.nowMs + seconds * 1_000;
    this.agenda.at(endMs, () => {
      this.#leave(name, pod);
      pod.endedMs = endMs;
      pod.phase = "Succeeded";
      this.#free(name, pod, endMs);
      this.agenda.at(endMs + 800, () => this.#watch(pod, "MODIFIED"));
      this.agenda.at(endMs + 240_000, () => this.#gone(pod));
    });
  }

  /** A container ends and is started again: same pod, same address, another container id. */
  restart(pod: DayPod): void {
    const container = pod.containers[this.random.below(pod.containers.length)];
    if (!container || container.kind === "init" || pod.phase !== "Running") return;
    const { nowMs } = this.agenda;
    const isProxy = container.name === "istio-proxy";
    this.counts.add(isProxy ? "proxyRestarts" : "restarts");
    if (isProxy) this.#closed(pod, nowMs);
    container.restarts++;
    this.#starts(pod, container, nowMs + 700);
    this.agenda.at(nowMs + 1_500, () => this.#watch(pod, "MODIFIED"));
  }

  process(pod: DayPod, isOfProxy: boolean): ProcessAt | null {
    const container = pod.containers.find(
      ({ name, kind }) => (name === "istio-proxy") === isOfProxy && kind !== "init",
    );
    return container ? { pod, container, exe: container.exe, isAnonymous: false } : null;
  }

  #staying(name: PlanName): DayPod[] {
    return this.ready(name).filter((pod) => !this.#leaving.has(pod));
  }

  #anyNode(): DayNode {
    const node = this.nodes[this.random.below(this.nodes.length)];
    if (!node) throw new Error("a cluster has nodes");
    return node;
  }

  #deployBefore(name: PlanName, atMs: number): void {
    const of: Plan = plans[name];
    const isSet = of.ownerKind === "StatefulSet";
    const owner =
      isSet || of.ownerKind === "DaemonSet"
        ? of.workload
        : `${of.workload}-${this.#maker.suffix(9)}`;
    const pods = Array.from({ length: of.replicas }, (_, index) => {
      const ending = isSet ? String(index) : this.#maker.suffix(5);
      const node = this.nodes[index % this.nodes.length] ?? this.#anyNode();
      const pod = this.#maker.make(of, node, atMs, owner, `${owner}-${ending}`);
      this.#takeAddress(pod);
      pod.phase = "Running";
      this.#known.add(pod);
      return pod;
    });
    this.#ready.set(name, pods);
  }

  #create(name: PlanName, owner: string, podName: string, node: DayNode): DayPod {
    const { nowMs } = this.agenda;
    const pod = this.#maker.make(plans[name], node, nowMs, owner, podName);
    this.#known.add(pod);
    this.#watch(pod, "ADDED");
    this.agenda.at(nowMs + 600, () => {
      this.#takeAddress(pod);
      this.agenda.at(nowMs + 1_400, () => this.#watch(pod, "MODIFIED"));
    });
    const proxyFirst = [...pod.containers].sort((a, b) => rank(a) - rank(b));
    proxyFirst.forEach((container, index) => {
      this.#starts(pod, container, nowMs + 1_200 + index * 900);
    });
    this.agenda.at(nowMs + 5_500, () => {
      pod.phase = "Running";
      this.#ready.set(name, [...this.ready(name), pod]);
      this.#watch(pod, "MODIFIED");
    });
    return pod;
  }

  #takeAddress(pod: DayPod): void {
    if (pod.hostNetwork) return;
    const ip = pod.node.freeIps.pop();
    if (ip === undefined) throw new Error(`no address is left on ${pod.node.name}`);
    pod.ip = ip;
    const isReused = this.#ended.some((one) => one.ip === ip && pod.createdMs - one.atMs < 5_000);
    if (isReused) this.counts.add("addressesReusedWithin5s");
  }

  #delete(name: PlanName, pod: DayPod): void {
    if (pod.deletionMs > 0) return;
    const { nowMs } = this.agenda;
    const endMs = nowMs + 2_000 + this.random.below(8_000);
    pod.deletionMs = nowMs;
    this.#watch(pod, "MODIFIED");
    this.agenda.at(nowMs + 1_000, () => this.#leave(name, pod));
    this.agenda.at(endMs, () => {
      pod.endedMs = endMs;
      this.#free(name, pod, endMs);
      this.agenda.at(endMs + 300, () => this.#gone(pod));
    });
  }

  #leave(name: PlanName, pod: DayPod): void {
    this.#ready.set(
      name,
      this.ready(name).filter((one) => one !== pod),
    );
  }

  #free(name: PlanName, pod: DayPod, atMs: number): void {
    this.#closed(pod, atMs);
    if (!pod.hostNetwork) pod.node.freeIps.push(pod.ip);
    this.#ended.push({ plan: name, ip: pod.ip, atMs });
  }

  #closed(pod: DayPod, atMs: number): void {
    for (const told of this.onClose) told(pod, atMs);
  }

  #gone(pod: DayPod): void {
    if (pod.deletionMs === 0) pod.deletionMs = this.agenda.nowMs;
    this.#known.delete(pod);
    this.#leaving.delete(pod);
    this.#watch(pod, "DELETED");
  }

  #watch(pod: DayPod, event: "ADDED" | "MODIFIED" | "DELETED"): void {
    this.#feed.push(cluster, podRecord(pod, this.agenda.nowMs, event));
  }

  #list(nowMs: number): void {
    this.#listDueMs = nowMs + listEveryMs;
    const pods = [...this.#known];
    for (let from = 0; from < pods.length; from += listPart) {
      const part = pods.slice(from, from + listPart);
      for (const pod of part) this.#lists.push(cluster, podRecord(pod, nowMs, ""));
      this.#lists.tick(nowMs, true);
    }
  }

  #starts(pod: DayPod, container: DayContainer, atMs: number): void {
    const isProxy = container.name === "istio-proxy" && hasProxy(pod);
    const exes = isProxy
      ? ["/usr/local/bin/pilot-agent", "/usr/local/bin/envoy"]
      : container.name === "istio-init"
        ? ["/usr/local/bin/pilot-agent", "/usr/sbin/iptables-restore"]
        : [container.exe];
    if (container.kind === "init" && container.name !== "istio-init") {
      const process = { pod, container, exe: container.exe, isAnonymous: false };
      this.agenda.at(atMs + 200, () => {
        for (const told of this.onInit) told(process, atMs + 200);
      });
    }
    exes.forEach((exe, index) => {
      this.agenda.at(atMs + index * 150, () => {
        if (pod.endedMs > 0) return;
        const isAnonymous = this.random.next() < 0.05;
        if (isAnonymous) this.counts.add("startsKnownById");
        const stampedMs = atMs + index * 150 + pod.node.agentSkewMs;
        this.agentTells(pod.node, execRecord({ pod, container, exe, isAnonymous }, stampedMs));
      });
    });
  }
}

type LogSenderItem = Parameters<LogSender["push"]>[1];

/** What Kubernetes starts first. */
function rank({ kind, name }: DayContainer): number {
  if (kind === "init") return name === "istio-init" ? 1 : 0;
  return kind === "native" ? 2 : 3;
}
