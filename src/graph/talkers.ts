/**
 * Rung B4: an agent that resolves address translation by itself names an application's container or
 * process as the one that talks to somebody beyond its pod. A captured connection would end at the proxy,
 * so this one went around it. The agent gives no source port and no times of a connection: what it says is
 * kept per pod, talker and destination, and a socket or flow of a stronger rung takes its place.
 */
import { ipFamily } from "../lib/ip.ts";
import type { Evidence, GraphChange } from "../model/changes.ts";
import { makeEntity } from "../model/entities.ts";
import type { Flow, PodName } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import type { Identity, Overflowed, PodFacts } from "./contracts.ts";
import { canLeavePod, excludedBy, isClusterDns, isProxyTelemetry } from "./innocents.ts";
import { JoinTable } from "./join-table.ts";
import { workloadOwner } from "./overflows.ts";
import { isProxyName } from "./proxy-container.ts";
import type { JudgedFlow, Said, Sayings } from "./sayings.ts";
import { hostPort } from "./sockets.ts";

/** Increments of one minute are one occurrence; a running total is one for each value it has had. */
const occurrenceUs = usPerMinute;
/** Names by which a pod can be found before its object has come. */
const podsMax = 20_000;
const stronger = ["b2", "b3"] as const;

interface Talk {
  readonly id: string;
  /** The first point by event time that says it. */
  first: Flow;
  said: (Said & { readonly judged: JudgedFlow }) | null;
}

/** Whether the agent says of a flow who talks. */
export function namesTalker(flow: Flow): boolean {
  return (flow.container ?? "") !== "" || (flow.process ?? "") !== "";
}

export class Talkers {
  readonly #identity: Identity;
  readonly #options: BypassOptions;
  readonly #sayings: Sayings;
  readonly #talks: JoinTable<Talk>;
  /** By pod name or address. */
  readonly #byPod = new Map<string, Set<Talk>>();
  /** Some came back after a restart, and are judged when all has. */
  #hasRestored = false;

  constructor(
    identity: Identity,
    options: BypassOptions,
    sayings: Sayings,
    overflowed: Overflowed,
  ) {
    this.#identity = identity;
    this.#options = options;
    this.#sayings = sayings;
    this.#talks = new JoinTable(
      options.flowsMax,
      options.workloadShare,
      ({ value }) => this.#forget(value),
      (owner) => overflowed(owner, "flows"),
    );
  }

  /** True when it says something new, so that it must outlive a restart. */
  see(flow: Flow, nowUs: Us, isRestoring: boolean, out: GraphChange[]): boolean {
    // Who answers is not who opened: the bytes' way must be told, or the other end lie beyond the mesh.
    if (flow.transport !== "tcp" || flow.direction === "response" || !canLeavePod(flow.dstIp)) {
      return false;
    }
    const id = talkId(flow);
    const known = this.#talks.get(id)?.value;
    if (known && known.first.timeUs <= flow.timeUs) return false;
    const talk = known ?? this.#add(id, flow, nowUs);
    talk.first = flow;
    if (isRestoring) this.#hasRestored = true;
    else this.#judge(talk, out);
    return true;
  }

  podChanged(pod: PodFacts, out: GraphChange[]): void {
    for (const key of [`${pod.namespace}/${pod.name}`, ...pod.ips]) {
      for (const talk of this.#byPod.get(key) ?? []) this.#judge(talk, out);
    }
  }

  /** Looks again when stronger rungs have found something, or taken it back. */
  advance(nowUs: Us, out: GraphChange[]): void {
    this.#talks.expire(nowUs);
    if (this.#talks.size === 0) return;
    if (!this.#sayings.takeChanged(stronger) && !this.#hasRestored) return;
    this.#hasRestored = false;
    for (const { value } of this.#talks.values()) this.#judge(value, out);
  }

  counters(into: CounterSample[]): void {
    const labels = { table: "talkers" };
    into.push({ name: "join_entries", labels, value: this.#talks.size });
    into.push({ name: "join_overflow_total", labels, value: this.#talks.evicted });
  }

  #add(id: string, flow: Flow, nowUs: Us): Talk {
    const talk: Talk = { id, first: flow, said: null };
    const expiresUs = nowUs + this.#options.retentionUs;
    const key = podKey(flow);
    const pod = this.#identity.podOf(podOf(flow), flow.timeUs);
    const owner = pod ? workloadOwner(pod.nodeId) : key;
    this.#talks.add({ id, owner, value: talk, atUs: flow.timeUs, expiresUs });
    const talks = this.#byPod.get(key);
    if (talks) talks.add(talk);
    else if (this.#byPod.size < podsMax) this.#byPod.set(key, new Set([talk]));
    return talk;
  }

  #forget(talk: Talk): void {
    const key = podKey(talk.first);
    const talks = this.#byPod.get(key);
    talks?.delete(talk);
    this.#sayings.forget(talk.said ?? undefined);
    if (talks?.size === 0) this.#byPod.delete(key);
  }

  #judge(talk: Talk, out: GraphChange[]): void {
    const { first: flow, said } = talk;
    const pod = this.#identity.podOf(podOf(flow), flow.timeUs);
    const judged = pod ? this.#foundOf(flow, pod) : null;
    const isStronger = judged !== null && this.#sayings.isFoundBy(stronger, judged.entity);
    if (!judged || isStronger) {
      if (said?.outcome !== "found") return;
      const reason = isStronger ? "stronger_rung" : "";
      const entity = { ...said.judged.entity, outcome: "cleared" as const, rung: "none" as const };
      this.#say(talk, { ...said.judged, entity: { ...entity, reason } }, out);
      return;
    }
    this.#say(talk, judged, out);
  }

  #say(talk: Talk, judged: JudgedFlow, out: GraphChange[]): void {
    const { first: flow, said } = talk;
    const id = contentHash(["talker", talk.id]);
    const evidence = [talkEvidence(flow, talk.id)];
    const { transport, timeUs: atUs } = flow;
    const saying = { ...judged, id, transport, atUs, evidence, sources: [flow] };
    const news = this.#sayings.tell(saying, said ?? undefined, out);
    if (news) talk.said = { ...news, judged };
  }

  /** Null where it is nobody's fault. */
  #foundOf(flow: Flow, pod: PodFacts): JudgedFlow | null {
    const { cluster, dstIp, dstPort, timeUs } = flow;
    if (pod.mode !== "sidecar" || pod.hostNetwork || isProxy(flow, pod, this.#options)) return null;
    if (pod.ips.includes(dstIp)) return null;
    const { identity, options } = { identity: this.#identity, options: this.#options };
    if (isClusterDns(cluster, dstIp, dstPort || 53, timeUs, identity, options)) return null;
    if (isProxyTelemetry(cluster, dstIp, dstPort, timeUs, identity)) return null;
    const dstId = identity.nodeOfAddress(cluster, dstIp, timeUs);
    const dst = identity.node(dstId);
    if (flow.direction !== "request" && !dst.external) return null;
    const excluded = excludedBy(pod, dstIp, dstPort);
    const entity = makeEntity("flow");
    entity.src = identity.node(pod.nodeId);
    entity.dst = dst;
    entity.external = dst.external;
    entity.src_ip = flow.srcIp;
    entity.dst_ip = dstIp;
    entity.dst_port = dstPort;
    entity.transport = flow.transport;
    entity.family = ipFamily(dstIp);
    entity.direction = "egress";
    entity.oriented = flow.direction === "request" ? "observed" : "inferred";
    entity.bytes = Math.max(0, flow.bytes);
    entity.vantage = "wire";
    entity.agent = flow.agent;
    entity.rung = "b4";
    entity.outcome = "found";
    entity.reason = excluded === "unknown" ? "exclusions_unknown" : "";
    entity.confidence = flow.trust === "claimed" ? "low" : "medium";
    entity.trust = flow.trust;
    entity.process = flow.process ?? "";
    entity.container = flow.container ?? "";
    entity.excluded_by = excluded;
    return { entity, srcId: pod.nodeId, dstId };
  }
}

/** The container decides where it is named: a name of a process or thread can be chosen. */
function isProxy(flow: Flow, pod: PodFacts, options: BypassOptions): boolean {
  const { container = "", process = "" } = flow;
  if (container === "") return isProxyName(process, options);
  if (pod.initContainersBeforeProxy?.includes(container)) return true;
  if (pod.proxy.container !== "") return container === pod.proxy.container;
  return (
    options.proxyContainers.includes(container) || options.meshInitContainers.includes(container)
  );
}

function podOf(flow: Flow): PodName {
  const { srcPod, srcIp: address, cluster } = flow;
  const none = { namespace: "", pod: "", podUid: "", workload: "", workloadKind: "" };
  if (!srcPod) return { ...none, cluster, address };
  return { ...srcPod, cluster: srcPod.cluster || cluster, address: srcPod.address || address };
}

function podKey(flow: Flow): string {
  const { namespace, pod, address } = podOf(flow);
  return pod === "" ? address : `${namespace}/${pod}`;
}

function talkId(flow: Flow): string {
  const { connections = 0 } = flow;
  const isTotal = flow.polled === "total";
  return contentText(
    flow.cluster,
    flow.agent,
    podKey(flow),
    flow.container ?? "",
    flow.process ?? "",
    flow.dstIp,
    flow.dstPort,
    flow.trust,
    isTotal ? `total ${connections || flow.bytes}` : Math.floor(flow.timeUs / occurrenceUs),
  );
}

function talkEvidence(flow: Flow, id: string): Evidence {
  const who = flow.container ? `container ${flow.container}` : `process ${flow.process ?? ""}`;
  const to = flow.dstPort > 0 ? hostPort(flow.dstIp, flow.dstPort) : flow.dstIp;
  return {
    atUs: flow.timeUs,
    nanos: flow.nanos,
    vantage: "node",
    source: flow.source.key,
    text: `${flow.agent} saw ${who} talk to ${to}, address translation resolved`,
    fields: {
      dst: to,
      pod: flow.srcPod?.pod ?? "",
      container: flow.container ?? "",
      process: flow.process ?? "",
      agent: flow.agent,
      trust: flow.trust,
    },
    hash: contentHash(["talker", id, flow.timeUs]),
  };
}
