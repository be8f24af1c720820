/**
 * The bypass join: judges connections (rungs B2, B3) and processes (B1) from sockets, wire flows, proxy
 * legs and process events. Everything known of one source address and port is kept together, and every
 * arrival has its end judged again from all that is there: so the order of arrival decides nothing, and
 * late evidence raises or withdraws under the same ids.
 *
 * A missing leg accuses nobody here, and nothing claimed withdraws. Records leave after `retentionUs`;
 * what was said then stands.
 */
import type { GraphChange } from "../model/changes.ts";
import type {
  Flow,
  Observation,
  ProcessSeen,
  ProxyLeg,
  SocketOpened,
} from "../model/observations.ts";
import type { Restored, WriteSet } from "../model/rows.ts";
import { Signal, type CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { bypassDefaults, type BypassOptions } from "./bypass-options.ts";
import { judgeConnection, type Scene, type Verdict } from "./connection-verdict.ts";
import type {
  AroundProxyMarks,
  ConnectionJudge,
  Identity,
  Overflowed,
  PodFacts,
} from "./contracts.ts";
import { ControlTraffic } from "./control-traffic.ts";
import { verdictToFlow } from "./flow-entity.ts";
import { FlowSkew } from "./flow-skew.ts";
import { flowId } from "./flows.ts";
import { canLeavePod, dnsPort, isPlainLookup } from "./innocents.ts";
import type { Legless } from "./legless.ts";
import { JoinTable } from "./join-table.ts";
import { ProxyScrapes } from "./proxy-scrapes.ts";
import { PolledFlows } from "./polled-flows.ts";
import { encodeJournal, readJournal } from "./journal.ts";
import { extendLeg, lineToLegs, tunnelPort, type Leg } from "./legs.ts";
import { endKey, FlowEnds, type Orientation } from "./orientation.ts";
import { workloadOwner } from "./overflows.ts";
import { eventPod, ProcessTable } from "./processes.ts";
import { isTakenBack, Sayings, type Said } from "./sayings.ts";
import { connectionId, socketCluster, socketId } from "./sockets.ts";
import {
  hasOpened,
  hasOpenedLeg,
  leadsTo,
  SourceEnds,
  type FlowRecord,
  type LegRecord,
  type SocketRecord,
  type SourceEnd,
} from "./source-ends.ts";
import { namesTalker, Talkers } from "./talkers.ts";
import { VirtualWatch } from "./virtual-watch.ts";
import { Waiting } from "./waiting.ts";
import { WireJudge } from "./wire-judge.ts";

/** Farther apart than this, a socket and the nearest flow of its addresses are different connections. */
const skewReachUs = 15_000_000;

export class Bypass implements ConnectionJudge {
  readonly #identity: Identity;
  readonly #sayings: Sayings;
  readonly #options: BypassOptions;
  readonly #processes: ProcessTable;
  readonly #ends = new SourceEnds();
  readonly #sockets: JoinTable<SocketRecord>;
  readonly #flows: JoinTable<FlowRecord>;
  readonly #polled: PolledFlows;
  readonly #legs: JoinTable<LegRecord>;
  readonly #flowEnds = new FlowEnds();
  readonly #skew = new FlowSkew();
  readonly #virtual = new VirtualWatch<SourceEnd>();
  readonly #waiting = new Waiting<SourceEnd>();
  readonly #control: ControlTraffic;
  readonly #wire: WireJudge;
  readonly #talkers: Talkers;
  /** Senders whose clock bound has moved: their flows are judged again at the next `advance`. */
  readonly #reskewed = new Set<string>();
  /** Ends whose destination has turned out to be virtual, or that were just restored: likewise. */
  readonly #remapped = new Set<SourceEnd>();
  /** Observations that must outlive a restart, since the last commit. */
  #fresh: Observation[] = [];
  /** One for all verdicts; `nowUs` moves with `advance`. */
  readonly #scene: Scene & { nowUs: Us };
  #isRestoring = false;
  /** Since when nobody was watching, until the first `advance` after a restart; 0 = no gap. */
  #blindSinceUs: Us = 0;
  readonly #oriented = { observed: 0, inferred: 0, reply: 0, unknown: 0 };

  constructor(
    identity: Identity,
    marks: AroundProxyMarks,
    options: BypassOptions = bypassDefaults,
    overflowed: Overflowed = () => {},
    scrapes: ProxyScrapes = new ProxyScrapes({ ...options, proxiesMax: 0 }),
  ) {
    this.#identity = identity;
    this.#sayings = new Sayings(marks);
    this.#options = options;
    this.#scene = {
      identity,
      options,
      nowUs: 0,
      skewUs: (source) => this.#skew.boundUs(source),
      isClockProved: (source) => this.#skew.isProved(source),
      endOf: (cluster, ip, port) => this.#ends.find(cluster, ip, port),
      isBlind: (pod, end, fromUs) => this.#isBlind(pod, end, fromUs),
      hasLine: (key, atUs) => this.#wire.hasLine(key, atUs),
      isLineForgotten: (pod, atUs) => this.#wire.isLineForgotten(pod, atUs),
    };
    this.#talkers = new Talkers(identity, options, this.#sayings, overflowed);
    this.#control = new ControlTraffic(identity, options);
    this.#wire = new WireJudge({
      identity,
      options,
      ends: this.#ends,
      sayings: this.#sayings,
      scene: this.#scene,
      waiting: this.#waiting,
      scrapes,
      orient: (flow, end) => this.#orient(flow, end),
      isControl: (toward, atUs) => this.#control.has(toward, atUs),
      judgeEnd: (end, out) => this.#judgeEnd(end, out),
    });
    const share = options.workloadShare;
    this.#processes = new ProcessTable(identity, options, overflowed);
    this.#sockets = new JoinTable(
      options.socketsMax,
      share,
      ({ value }) => this.#dropSocket(value),
      (owner) => overflowed(owner, "sockets"),
    );
    this.#flows = new JoinTable(
      options.flowsMax,
      share,
      ({ value }) => this.#dropFlow(value),
      (owner) => overflowed(owner, "flows"),
    );
    this.#legs = new JoinTable(
      options.legsMax,
      share,
      ({ value }) => this.#dropLeg(value),
      (owner) => overflowed(owner, "legs"),
    );
    this.#polled = new PolledFlows(
      options,
      (record) => this.#dropFlow(record),
      (owner) => overflowed(owner, "flows"),
    );
  }

  process(observation: ProcessSeen, out: GraphChange[]): void {
    if (this.#processes.see(observation, this.#scene.nowUs, out)) this.#keep(observation);
  }

  socket(observation: SocketOpened, out: GraphChange[]): void {
    const isNew = this.#processes.see(observation, this.#scene.nowUs, out);
    if (!isWatched(observation)) {
      if (isNew) this.#keep(observation);
      return;
    }
    this.#joinSocket(observation, out);
  }

  flow(flow: Flow, out: GraphChange[]): boolean {
    const { transport, srcIp, dstIp } = flow;
    const isTalk = this.#seesTalker(flow, out);
    if (isTalk) this.#keep(flow);
    if (transport !== "tcp" && transport !== "udp") return isTalk;
    if (!canLeavePod(srcIp) || !canLeavePod(dstIp) || isPlainLookup(flow)) return isTalk;
    if (flow.polled) return this.#polledFlow(flow, out) || isTalk;
    const id = flowId(flow);
    if (this.#flows.get(id)) return false;
    const servers = this.#flowEnds.seen(flow);
    const end = this.#ends.forFlow(flow);
    const orientation = this.#orient(flow, end);
    this.#oriented[countedAs(orientation)]++;
    if (!end) {
      // A busy server's end is always full of replies.
      if (orientation.side === "reply") this.#ends.noLoss();
      return false;
    }
    const record = { id, flow, end };
    end.flows.set(id, record);
    this.#ends.leads(end, endKey(flow.cluster, dstIp, flow.dstPort, transport));
    if (orientation.side !== "reply") this.#wire.schedule(end, flow.endUs);
    const owner = this.#ownerOf(flow.cluster, flow.srcIp, flow.startUs);
    this.#flows.add({ id, owner, value: record, atUs: flow.startUs, expiresUs: this.#expiry() });
    this.#keep(flow);
    this.#learnSkew(end);
    this.#judgeSockets(end, out);
    for (const server of servers) this.#judgeAround(server, out);
    if (transport === "udp") this.#judgeDatagrams(end, flow, out);
    else if (flow.dstPort === tunnelPort) this.#wire.tunnel(flow, out);
    return true;
  }

  leg(observation: ProxyLeg, out: GraphChange[]): boolean {
    let isNews = false;
    this.#wire.line(observation, !this.#isRestoring);
    for (const leg of lineToLegs(observation)) {
      const end = this.#joinLeg(leg);
      if (!end) continue;
      isNews = true;
      this.#judgeSockets(end, out);
      if (!this.#isRestoring) this.#wire.legSeen(leg, end, out);
      this.#judgeRepliesTo(leg, out);
    }
    if (isNews) this.#keep(observation);
    for (const end of this.#virtual.learn(observation)) this.#remapped.add(end);
    return isNews;
  }

  /** Behind these virtual ends (as `endKey`) may be others than before; judged at the next `advance`. */
  virtualChanged(ends: readonly string[]): void {
    for (const key of ends) {
      for (const end of this.#virtual.watchersOf(key)) {
        // A captured connection has no flows under its own port, and nothing was said of it.
        if (end.flows.size > 0 || end.said.size > 0) this.#remapped.add(end);
      }
    }
  }

  podsChanged(pods: readonly PodFacts[], out: GraphChange[]): void {
    for (const pod of pods) this.#processes.podChanged(pod, this.#scene.nowUs, out);
    // Pods that had one address after the other share its ends.
    const ends = new Set(pods.flatMap((pod) => this.#ends.ofPod(pod)));
    for (const end of ends) this.#judgeEnd(end, out);
    for (const pod of pods) this.#talkers.podChanged(pod, out);
  }

  advance(nowUs: Us, out: GraphChange[]): void {
    if (this.#blindSinceUs > 0) this.#wire.gap(this.#blindSinceUs, nowUs);
    this.#blindSinceUs = 0;
    this.#scene.nowUs = Math.max(this.#scene.nowUs, nowUs);
    this.#sockets.expire(this.#scene.nowUs);
    this.#flows.expire(this.#scene.nowUs);
    this.#polled.expire(this.#scene.nowUs);
    this.#legs.expire(this.#scene.nowUs);
    this.#processes.advance(this.#scene.nowUs, out);
    this.#judgeRemapped(out);
    if (this.#reskewed.size > 0) this.#judgeReskewed(out);
    for (const end of this.#waiting.take(this.#scene.nowUs)) this.#judgeEnd(end, out);
    this.#talkers.advance(this.#scene.nowUs, out);
    this.#wire.advance(out);
  }

  /** Requests of that signal were refused in that time: what they held may come again. */
  turnedAway(signal: Signal, fromUs: Us, toUs: Us): void {
    if (signal === Signal.logs) this.#wire.refusedLogs(fromUs, toUs);
  }

  /** Process rows, and one journal blob of what has come since the last call. */
  collect(into: WriteSet): void {
    this.#processes.collect(into);
    if (this.#fresh.length === 0) return;
    const untilUs = this.#scene.nowUs + this.#options.retentionUs;
    into.journal.push({ untilUs, blob: encodeJournal(this.#fresh) });
    this.#fresh = [];
  }

  /**
   * Takes back rows and journal through the same code; call it after the identity was restored. What it
   * says in `out` was said before the restart, under the same ids. Nothing is judged before all is back:
   * a finding that was withdrawn must not be made again on the way.
   */
  restore(rows: Restored, out: GraphChange[]): void {
    this.#isRestoring = true;
    this.#scene.nowUs = Math.max(this.#scene.nowUs, rows.lastCommitUs);
    this.#processes.restore(rows, this.#scene.nowUs, out);
    readJournal(rows.journal, "without spans", (observation) => this.#replay(observation, out));
    this.#isRestoring = false;
    this.#blindSinceUs = rows.lastCommitUs;
    this.#wire.restored(rows.lastCommitUs);
    this.#judgeRemapped(out);
  }

  /** Connections that a pod's proxy ought to have logged. */
  get legless(): Legless {
    return this.#wire.legless;
  }

  counters(into: CounterSample[]): void {
    this.#sayings.counters(into);
    this.#wire.counters(into);
    this.#talkers.counters(into);
    for (const [orientation, value] of Object.entries(this.#oriented)) {
      into.push({ name: "flows_oriented_total", labels: { orientation }, value });
    }
    const [sockets, flows, polled, legs] = [this.#sockets, this.#flows, this.#polled, this.#legs];
    const tables = { sockets, flows, polled_flows: polled, legs };
    for (const [table, { size, evicted }] of Object.entries(tables)) {
      into.push({ name: "join_entries", labels: { table }, value: size });
      into.push({ name: "join_overflow_total", labels: { table }, value: evicted });
    }
    const labels = { table: "source_ends" };
    into.push({ name: "join_overflow_total", labels, value: this.#ends.lost });
    this.#processes.counters(into);
  }

  #seesTalker(flow: Flow, out: GraphChange[]): boolean {
    if (!namesTalker(flow)) return false;
    return this.#talkers.see(flow, this.#scene.nowUs, this.#isRestoring, out);
  }

  #replay(observation: Observation, out: GraphChange[]): void {
    if (observation.kind === "process_seen") this.process(observation, out);
    else if (observation.kind === "socket_opened") this.socket(observation, out);
    else if (observation.kind === "flow") this.flow(observation, out);
    else if (observation.kind === "proxy_leg") this.leg(observation, out);
  }

  #keep(observation: Observation): void {
    if (!this.#isRestoring) this.#fresh.push(observation);
  }

  #expiry(): Us {
    return this.#scene.nowUs + this.#options.retentionUs;
  }

  /** True when the point was written down for a restart. */
  #polledFlow(flow: Flow, out: GraphChange[]): boolean {
    if (flow.srcPort === 0 || flow.dstPort === 0) return false;
    const news = this.#polled.see(
      flow,
      this.#scene.nowUs,
      (one) => this.#ends.forFlow(one),
      (one) => this.#ownerOf(one.cluster, one.srcIp, one.timeUs),
    );
    if (news.isNew) {
      const { cluster, srcIp, srcPort, dstIp, dstPort, transport } = flow;
      const end = this.#ends.find(cluster, srcIp, srcPort, transport);
      if (end) {
        this.#ends.leads(end, endKey(cluster, dstIp, dstPort, transport));
        this.#wire.schedule(end, flow.timeUs);
      }
    }
    if (news.keep) this.#keep(news.keep);
    for (const end of news.ends) {
      this.#judgeSockets(end, out);
      if (end.wireSaid.size > 0 && !this.#isRestoring) this.#wire.judge(end, out);
    }
    return news.keep === flow;
  }

  /** What is on the wire may be the socket's that is there; and the other end may have been the first. */
  #judgeDatagrams(end: SourceEnd, { cluster, dstIp, dstPort }: Flow, out: GraphChange[]): void {
    if (this.#isRestoring) return;
    if (end.sockets.size > 0 || end.wireSaid.size > 0) this.#wire.judge(end, out);
    const far = this.#ends.find(cluster, dstIp, dstPort, "udp");
    if (far && far.wireSaid.size > 0) this.#wire.judge(far, out);
  }

  #joinSocket(socket: SocketOpened, out: GraphChange[]): void {
    const id = socketId(socket);
    if (this.#sockets.get(id)) return;
    const cluster = socketCluster(socket);
    const end = this.#ends.forSocket(cluster, id, socket);
    const dueUs = Math.min(socket.timeUs, this.#scene.nowUs) + this.#options.latenessUs;
    const record: SocketRecord = { id, cluster, socket, dueUs, end };
    this.#ends.addSocket(record);
    this.#control.socket(record);
    this.#virtual.watch(cluster, socket.dstIp, socket.dstPort, end);
    if (socket.dstPort === dnsPort) this.#ends.dependsOn(end, socket.dstIp);
    const pod = this.#identity.podOf(eventPod(socket), socket.timeUs);
    if (pod) this.#wire.socketSeen(record, pod);
    const owner = pod ? workloadOwner(pod.nodeId) : addressOwner(cluster, socket.srcIp);
    const { timeUs: atUs } = socket;
    this.#sockets.add({ id, owner, value: record, atUs, expiresUs: this.#expiry() });
    this.#keep(socket);
    const { transport, dstIp, dstPort } = socket;
    const far = endKey(cluster, dstIp, dstPort, transport);
    if (socket.trust !== "claimed") this.#listens(far, out);
    this.#learnSkew(end);
    this.#judgeEnd(end, out);
    this.#judgeFrom(dstIp, far, out);
  }

  /** The leg's end if the leg is new or says more than before. */
  #joinLeg(leg: Leg): SourceEnd | null {
    const known = this.#legs.get(leg.id)?.value;
    if (known) {
      if (!extendLeg(known.leg, leg)) return null;
      if (leg.role === "inbound") this.#wire.schedule(known.end, leg.toUs);
      return known.end;
    }
    const end = this.#ends.forLeg(leg);
    if (!end) return null;
    end.legs.set(leg.id, leg);
    if (leg.role === "inbound" && leg.toIp !== "") {
      this.#ends.leads(end, endKey(leg.cluster, leg.toIp, leg.toPort));
      this.#wire.schedule(end, leg.toUs);
    }
    const owner = this.#ownerOf(leg.cluster, leg.ip, leg.fromUs);
    const value = { leg, end };
    this.#legs.add({ id: leg.id, owner, value, atUs: leg.fromUs, expiresUs: this.#expiry() });
    return end;
  }

  /** What opens a connection to an end shows that the end's flows back are replies. */
  #judgeRepliesTo(leg: Leg, out: GraphChange[]): void {
    if (leg.role === "captured" || leg.toIp === "") return;
    const far = endKey(leg.cluster, leg.toIp, leg.toPort);
    if (leg.first.trust !== "claimed") this.#listens(far, out);
    this.#judgeFrom(leg.toIp, far, out);
  }

  #judgeFrom(ip: string, key: string, out: GraphChange[]): void {
    const end = this.#ends.findAt(ip, key);
    if (!end) return;
    this.#judgeSockets(end, out);
    // An end without a verdict is a server's in most cases, with many flows back.
    if (end.wireSaid.size > 0 && !this.#isRestoring) this.#wire.judge(end, out);
  }

  #listens(key: string, out: GraphChange[]): void {
    if (this.#flowEnds.listens(key)) this.#judgeAround(key, out);
  }

  /** An end has turned out to be a server's: flows to and from it are oriented otherwise. */
  #judgeAround(server: string, out: GraphChange[]): void {
    if (this.#isRestoring) return;
    for (const end of this.#ends.toward(server)) this.#wire.judge(end, out);
  }

  #dropSocket(record: SocketRecord): void {
    const { cluster, socket, end } = record;
    this.#control.forget(record);
    this.#wire.forgetSocket(record);
    this.#sayings.forget(end.said.get(record.id));
    this.#freeze(end, socket.timeUs, socket.timeUs);
    this.#ends.removeSocket(record);
    if (!hasOpened(end, socket.dstIp, socket.dstPort)) {
      this.#virtual.forget(cluster, socket.dstIp, socket.dstPort, end);
      if (end.transport === "udp") this.#leadsLess(end, cluster, socket.dstIp, socket.dstPort);
    }
    this.#leave(end);
  }

  #dropFlow({ id, flow, end }: FlowRecord): void {
    end.flows.delete(id);
    this.#freeze(end, flow.startUs, flow.endUs);
    this.#leadsLess(end, flow.cluster, flow.dstIp, flow.dstPort);
    this.#leave(end);
  }

  #dropLeg({ leg, end }: LegRecord): void {
    end.legs.delete(leg.id);
    this.#freeze(end, leg.fromUs, leg.toUs);
    if (leg.role === "inbound") this.#leadsLess(end, leg.cluster, leg.toIp, leg.toPort);
    this.#leave(end);
  }

  #leadsLess(end: SourceEnd, cluster: string, ip: string, port: number): void {
    if (leadsTo(end, ip, port) || (end.transport === "udp" && hasOpened(end, ip, port))) return;
    this.#wire.leadsNoMore(end, endKey(cluster, ip, port, end.transport));
  }

  #leave(end: SourceEnd): void {
    if (!this.#ends.leave(end)) return;
    this.#waiting.delete(end);
    this.#wire.forget(end);
  }

  /** Verdicts that may rest on a record that leaves are final. */
  #freeze(end: SourceEnd, fromUs: Us, toUs: Us): void {
    const reachUs = this.#options.latenessUs + this.#options.clampedReachUs;
    for (const [id, said] of end.said) {
      const atUs = end.sockets.get(id)?.socket.timeUs ?? 0;
      if (atUs >= fromUs - reachUs && atUs <= toUs + reachUs) said.isFrozen = true;
    }
  }

  #judgeEnd(end: SourceEnd, out: GraphChange[]): void {
    this.#judgeSockets(end, out);
    if (!this.#isRestoring) this.#wire.judge(end, out);
  }

  #judgeSockets(end: SourceEnd, out: GraphChange[]): void {
    if (end.sockets.size === 0) return;
    if (this.#isRestoring) {
      this.#remapped.add(end);
      return;
    }
    const scene = this.#scene;
    for (const record of end.sockets.values()) {
      const said = end.said.get(record.id);
      if (said?.isFrozen) continue;
      const known = judgeConnection(record, scene);
      const isUntold = known.kind === "none" && known.reason === "";
      const verdict = isUntold ? this.#wire.unlogged(record, known) : known;
      if (!isUntold) this.#wire.socketJudged(record, known);
      if (verdict.kind === "wait") this.#waiting.add(end, verdict.dueUs);
      else this.#say(record, verdict, said, out);
    }
  }

  #say(record: SocketRecord, verdict: Verdict, said: Said | undefined, out: GraphChange[]): void {
    if (verdict.kind === "none" && (!said || said.outcome === "cleared")) return;
    // What was found while everything was there is no less true when the table is full.
    if (verdict.reason === "capacity" && said?.outcome === "found") return;
    const { pod } = verdict;
    if (!pod) return;
    const { socket, end } = record;
    const id = connectionId(record.id);
    const judged = verdictToFlow(verdict, pod, record, this.#identity);
    const { entity } = judged;
    if (verdict.kind === "none" || (verdict.kind === "unknown" && isTakenBack(said))) {
      entity.outcome = "cleared";
    }
    const { transport, timeUs: atUs } = socket;
    const { evidence } = verdict;
    const sources = [socket, ...verdict.wire];
    const saying = { ...judged, id, transport, atUs, evidence, sources };
    const news = this.#sayings.tell(saying, said, out);
    if (!news) return;
    this.#ends.dependsOn(end, entity.dst_ip);
    end.said.set(record.id, news);
  }

  #isBlind(pod: PodFacts, end: SourceEnd, fromUs: Us): boolean {
    if (end.isBlind) return true;
    const owners = [workloadOwner(pod.nodeId), addressOwner(pod.cluster, end.ip)];
    return owners.some(
      (owner) => this.#sockets.horizonUs(owner) >= fromUs || this.#legs.horizonUs(owner) >= fromUs,
    );
  }

  /** Whose quota a record counts against: the workload's where the address tells it. */
  #ownerOf(cluster: string, ip: string, atUs: Us): string {
    const owner = this.#identity.ownerAt(cluster, ip, atUs, 0);
    return owner.kind === "pod" ? workloadOwner(owner.pod.nodeId) : addressOwner(cluster, ip);
  }

  /** Flows and sockets with the same four addresses show how far their clocks are apart. */
  #learnSkew(end: SourceEnd): void {
    for (const { id, flow } of end.flows.values()) {
      if (flow.clamped || flow.startUs === flow.endUs || flow.trust === "claimed") continue;
      let nearestUs = Infinity;
      for (const { socket } of end.sockets.values()) {
        if (socket.dstIp !== flow.dstIp || socket.dstPort !== flow.dstPort) continue;
        nearestUs = Math.min(nearestUs, Math.abs(socket.timeUs - flow.startUs));
      }
      if (nearestUs > skewReachUs) continue;
      const source = flow.source.key;
      if (this.#skew.learn(source, id, nearestUs, this.#scene.nowUs)) this.#reskewed.add(source);
    }
  }

  #judgeRemapped(out: GraphChange[]): void {
    for (const end of this.#remapped) this.#judgeEnd(end, out);
    this.#remapped.clear();
  }

  #judgeReskewed(out: GraphChange[]): void {
    const ends = new Set<SourceEnd>();
    for (const { value } of this.#flows.values()) {
      if (this.#reskewed.has(value.flow.source.key)) ends.add(value.end);
    }
    this.#reskewed.clear();
    for (const end of ends) this.#judgeEnd(end, out);
  }

  #orient(flow: Flow, end: SourceEnd | null): Orientation {
    const { srcIp, srcPort, dstIp, dstPort } = flow;
    const far = this.#ends.find(flow.cluster, dstIp, dstPort, flow.transport);
    const opened = hasOpened(end, dstIp, dstPort) || hasOpenedLeg(end, dstIp, dstPort);
    const answered = hasOpened(far, srcIp, srcPort) || hasOpenedLeg(far, srcIp, srcPort);
    return this.#flowEnds.orient(flow, opened, answered);
  }
}

/** Whether the join keeps such a socket, and writes it down. */
export function isWatched({ transport, dstIp }: SocketOpened): boolean {
  return (transport === "tcp" || transport === "udp") && canLeavePod(dstIp);
}

function countedAs({ side, how }: Orientation): "observed" | "inferred" | "reply" | "unknown" {
  return side === "reply" ? "reply" : how;
}

function addressOwner(cluster: string, ip: string): string {
  return `${cluster}|${ip}`;
}
