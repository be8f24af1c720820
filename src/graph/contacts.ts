/**
 * Whom workloads reach, by the connections that say so outright: sockets that processes opened, and calls
 * that an application's proxy logged. No verdict on how they went, which is the bypass join's: rules ask
 * where to, and who. Loopback counts where the pod has a proxy, whose own ports are there.
 *
 * Wire flows are left out: a reply looks like a call there, and a busy server like somebody who tries ports.
 */
import { ipFamily, ipScope, parseHostPort, type HostPort } from "../lib/ip.ts";
import type { Evidence, GraphChange } from "../model/changes.ts";
import { makeEntity, type FlowEntity, type NodeEntity } from "../model/entities.ts";
import { nodeKey } from "../model/keys.ts";
import type {
  Observation,
  PodName,
  ProcessRef,
  ProxyLeg,
  SocketOpened,
} from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import type { Identity, Overflowed, PodFacts } from "./contracts.ts";
import { FirstSeen, podKey, type SeenEntry, type SeenEvent } from "./first-seen.ts";
import { isClusterDns } from "./innocents.ts";
import { eventPod, nodeAs } from "./processes.ts";
import { contradictsContainers, hasProxyExecutable, placeOf } from "./proxy-container.ts";
import { hostPort, socketCluster, socketEvidence, socketId } from "./sockets.ts";
import { VirtualWatch } from "./virtual-watch.ts";

const contactsMax = 50_000;

interface Contact extends SeenEvent {
  readonly cluster: string;
  /** As it was dialled, and the host behind it where the proxy says so; "" = it does not. */
  readonly dialled: HostPort;
  readonly host: HostPort;
  readonly transport: FlowEntity["transport"];
  readonly process: ProcessRef | null;
  readonly srcIp: string;
  readonly srcPort: number;
  readonly agent: string;
  readonly by: SocketOpened | ProxyLeg;
  readonly evidence: () => Evidence;
}

type Entry = SeenEntry<Contact>;

export class Contacts {
  readonly #identity: Identity;
  readonly #options: BypassOptions;
  readonly #seen: FirstSeen<Contact>;
  readonly #virtual = new VirtualWatch<Entry>();
  #isRestoring = false;

  constructor(identity: Identity, options: BypassOptions, overflowed: Overflowed) {
    this.#identity = identity;
    this.#options = options;
    this.#seen = new FirstSeen(
      "contacts",
      contactsMax,
      identity,
      options,
      (entry, nowUs, out) => this.#judge(entry, nowUs, out),
      overflowed,
      (entry) => this.#unwatch(entry),
    );
  }

  /** True when the journal must hold it. */
  see(observation: Observation, nowUs: Us, out: GraphChange[]): boolean {
    if (observation.kind === "socket_opened") return this.#socket(observation, nowUs, out);
    if (observation.kind !== "proxy_leg") return false;
    for (const entry of this.#virtual.learn(observation)) this.#seen.judgeLater(entry);
    return this.#line(observation, nowUs, out);
  }

  /** The journal's, at the start: judged when all is back. */
  replay(observation: Observation, nowUs: Us): void {
    this.#isRestoring = true;
    this.see(observation, nowUs, []);
    this.#isRestoring = false;
  }

  podsChanged(pods: readonly PodFacts[]): void {
    this.#seen.podsChanged(pods);
  }

  /** Behind these virtual ends (as `endKey`) may be others than before. */
  virtualChanged(ends: readonly string[]): void {
    for (const end of ends) {
      for (const entry of this.#virtual.watchersOf(end)) this.#seen.judgeLater(entry);
    }
  }

  advance(nowUs: Us, out: GraphChange[]): void {
    this.#seen.advance(nowUs, out);
  }

  counters(into: CounterSample[]): void {
    this.#seen.counters(into);
  }

  #socket(socket: SocketOpened, nowUs: Us, out: GraphChange[]): boolean {
    const { process, dstIp, dstPort, transport, timeUs: atUs, nanos } = socket;
    const pod = eventPod(socket);
    if (dstIp === "" || transport === "icmp" || podKey(pod) === "") return false;
    const cluster = socketCluster(socket);
    const container = process.container || process.containerId;
    const who = contentText(cluster, podKey(pod), container, process.exe || process.name);
    const what = contentText(
      "socket",
      who,
      process.uid,
      process.gid,
      dstIp,
      dstPort,
      transport,
      socket.trust,
    );
    const id = socketId(socket);
    const entry = this.#seen.see(what, atUs, id, nowUs, () => {
      const dialled = { ip: dstIp, port: dstPort };
      const { srcIp, srcPort, agent } = socket;
      const evidence = (): Evidence => socketEvidence(socket, id);
      const event: Contact = {
        atUs,
        nanos,
        hash: id,
        pod,
        cluster,
        dialled,
        host: nowhere,
        transport,
        process,
        srcIp,
        srcPort: Math.max(srcPort, 0),
        agent,
        by: socket,
        evidence,
      };
      return { event, names: [dstIp] };
    });
    return this.#arrived(entry, nowUs, out);
  }

  /** What an application called through its own proxy. */
  #line(leg: ProxyLeg, nowUs: Us, out: GraphChange[]): boolean {
    if (leg.side !== "outbound" || leg.writer === "waypoint") return false;
    const { downstreamLocalIp: ip, downstreamLocalPort: port, cluster, timeUs: atUs, nanos } = leg;
    const pod = podOfLine(leg);
    if (ip === "" || podKey(pod) === "") return false;
    const what = contentText("line", cluster, podKey(pod), ip, port, leg.trust);
    const entry = this.#seen.see(what, atUs, leg.lineId, nowUs, () => {
      const dialled = { ip, port };
      const host = { ip: leg.upstreamHostIp, port: leg.upstreamHostPort };
      const evidence = (): Evidence => lineEvidence(leg);
      const event: Contact = {
        atUs,
        nanos,
        hash: leg.lineId,
        pod,
        cluster,
        dialled,
        host,
        transport: "tcp",
        process: null,
        srcIp: pod.address,
        srcPort: 0,
        agent: "",
        by: leg,
        evidence,
      };
      return { event, names: [ip, host.ip].filter(Boolean) };
    });
    return this.#arrived(entry, nowUs, out);
  }

  #arrived(entry: Entry | null, nowUs: Us, out: GraphChange[]): boolean {
    if (!entry) return false;
    const { cluster, dialled, host } = entry.first;
    if (host.ip === "") this.#virtual.watch(cluster, dialled.ip, dialled.port, entry);
    if (this.#isRestoring) this.#seen.judgeLater(entry);
    else this.#judge(entry, nowUs, out);
    return true;
  }

  #unwatch(entry: Entry): void {
    const { cluster, dialled } = entry.first;
    this.#virtual.forget(cluster, dialled.ip, dialled.port, entry);
  }

  /** What was told once is taken back when it turns out to be the proxy's own, or nobody's. */
  #judge(entry: Entry, nowUs: Us, out: GraphChange[]): void {
    const { first } = entry;
    const pod = this.#identity.podOf(first.pod, first.atUs);
    if (!pod) return;
    const confidence = this.#confidenceOf(entry, pod, nowUs);
    if (confidence === "wait") return this.#seen.wait(entry);
    if (confidence === null && entry.told === "") return;
    const entity = this.#entityOf(first, pod);
    if (confidence === null) entity.outcome = "cleared";
    else entity.confidence = confidence;
    const { src, dst } = entity;
    this.#seen.dependsOn(entry, entity.dst_ip);
    const evidence = first.evidence();
    const told = contentText(
      evidence.hash,
      nodeKey(src),
      src.mode,
      src.mesh,
      nodeKey(dst),
      dst.resolved,
      entity.dst_ip,
      entity.dst_port,
      entity.outcome,
      entity.confidence,
      entity.in_proxy_container ? 1 : 0,
    );
    if (entry.told === told) return;
    entry.told = told;
    const { kind, key } = first.by.source;
    const about = { kind: "entity", type: "flow", id: entry.id, entity, judged: true } as const;
    out.push({ ...about, atUs: first.atUs, evidence: [evidence], observers: [{ kind, key }] });
  }

  /** Null: it is nobody's contact, for it is the proxy's own, the machine's, or leads nowhere. */
  #confidenceOf(entry: Entry, pod: PodFacts, nowUs: Us): "medium" | "high" | "wait" | null {
    const { process, dialled, cluster, atUs } = entry.first;
    const { ip, port } = dialled;
    const hasProxy = pod.mode === "sidecar";
    if (pod.hostNetwork || pod.ips.includes(ip)) return null;
    if (ipScope(ip) === "loopback" && (!hasProxy || !process)) return null;
    if (isClusterDns(cluster, ip, port, atUs, this.#identity, this.#options)) return null;
    // What a gateway calls, it calls for others.
    if (!process) return pod.mode === "gateway" || pod.mode === "waypoint" ? null : "high";
    // Nobody has said yet whether the pod has a proxy, which may be who it was.
    if (pod.mode === "unknown") return null;
    const place = placeOf(process, pod, this.#options);
    if (place.isProxy === "yes" || place.beforeProxy) return null;
    if (!hasProxy) return pod.mode === "gateway" || pod.mode === "waypoint" ? null : "high";
    if (place.container !== "unknown") return "high";
    if (nowUs < entry.dueUs) return "wait";
    const mayBeProxy = hasProxyExecutable(process, this.#options);
    return mayBeProxy || contradictsContainers(process, pod) ? null : "medium";
  }

  #entityOf(first: Contact, pod: PodFacts): FlowEntity {
    const { process, cluster, atUs } = first;
    const real = this.#realEnd(first);
    const entity = makeEntity("flow");
    entity.src = nodeAs(this.#identity.node(pod.nodeId), pod.mode);
    const isLocal = ipScope(real.ip) === "loopback";
    entity.dst = isLocal ? entity.src : this.#nodeAt(cluster, real.ip, atUs);
    entity.external = entity.dst.external;
    entity.src_ip = first.srcIp;
    entity.src_port = first.srcPort;
    entity.dst_ip = real.ip;
    entity.dst_port = real.port;
    entity.transport = first.transport;
    entity.family = ipFamily(real.ip);
    entity.direction = isLocal ? "local" : "egress";
    entity.oriented = "observed";
    entity.vantage = process ? "socket" : "proxy";
    entity.agent = first.agent;
    entity.reason = "contact";
    entity.trust = first.by.trust;
    if (!process) return entity;
    if (pod.hasOwnUserIds !== true) {
      entity.uid = process.uid;
      entity.gid = process.gid;
    }
    entity.process = process.exe || process.name;
    entity.container = process.container;
    entity.in_proxy_container = placeOf(process, pod, this.#options).container === "proxy";
    return entity;
  }

  #nodeAt(cluster: string, ip: string, atUs: Us): NodeEntity {
    return this.#identity.node(this.#identity.nodeOfAddress(cluster, ip, atUs));
  }

  #realEnd({ cluster, dialled, host, atUs }: Contact): HostPort {
    if (host.ip !== "") return host;
    const endpoints = this.#identity.endpointsOf(cluster, dialled.ip, dialled.port, atUs);
    const first = endpoints.toSorted()[0];
    const endpoint = first === undefined ? null : parseHostPort(first);
    return endpoint && endpoint.ip !== "" ? endpoint : dialled;
  }
}

const nowhere: HostPort = { ip: "", port: 0 };

/** By name, else by the first of its addresses that is not loopback. */
function podOfLine(leg: ProxyLeg): PodName {
  const { upstreamLocalIp, downstreamRemoteIp } = leg;
  const pod = { ...leg.pod, cluster: leg.pod.cluster || leg.cluster };
  if (pod.pod !== "" || pod.podUid !== "" || pod.address !== "") return pod;
  const addresses = [upstreamLocalIp, downstreamRemoteIp];
  const address = addresses.find((ip) => ip !== "" && ipScope(ip) !== "loopback") ?? "";
  return { ...pod, address };
}

/** By what every variant of the line says. */
function lineEvidence(leg: ProxyLeg): Evidence {
  const to = hostPort(leg.downstreamLocalIp, leg.downstreamLocalPort);
  return {
    atUs: leg.timeUs,
    nanos: leg.nanos,
    vantage: "proxy",
    source: leg.source.key,
    text: `the proxy logged that its application called ${to}`,
    fields: { dst: to, trust: leg.trust },
    hash: contentHash(["contact line", leg.lineId, leg.trust]),
  };
}
