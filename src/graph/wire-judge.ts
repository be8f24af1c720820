/**
 * Says what connections without a socket come to (rungs B5 and B5s), and says it again when something
 * that it rests on has changed: it knows which ends wait for their grace, and which wait for a sign that
 * a pod's proxy has logged past them. The verdict itself is `wire-verdict.ts`.
 */
import { mergeEvidence, type Evidence, type GraphChange } from "../model/changes.ts";
import type { FlowEntity } from "../model/entities.ts";
import type { Flow, ProxyLeg } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { Awaited } from "./awaited.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { habitKeys, isPlainByProxy, TlsHabits } from "./caller-tls.ts";
import type { Scene, Verdict } from "./connection-verdict.ts";
import { contentHash } from "./content-hash.ts";
import type { Identity, PodFacts } from "./contracts.ts";
import { wireToFlow } from "./flow-entity.ts";
import { Gaps } from "./gaps.ts";
import { LegLiveness } from "./leg-liveness.ts";
import { lineKeys, lineKeysOf, lineOwner } from "./line-keys.ts";
import type { Leg } from "./legs.ts";
import { Legless } from "./legless.ts";
import { LostLines } from "./lost-lines.ts";
import { endKey, type Orientation } from "./orientation.ts";
import type { ProxyScrapes } from "./proxy-scrapes.ts";
import type { Sayings, WireSaid } from "./sayings.ts";
import { placeOf } from "./proxy-container.ts";
import { SeenTimes } from "./seen-times.ts";
import type { SocketRecord, SourceEnd, SourceEnds } from "./source-ends.ts";
import { judgeUdp } from "./udp-verdict.ts";
import type { Waiting } from "./waiting.ts";
import { bearsUpon, judgeUnlogged } from "./unlogged-socket.ts";
import { merge, weakest } from "./wire-merge.ts";
import { judgeToward, type Toward, type WireScene, type WireVerdict } from "./wire-verdict.ts";

/** A leg takes at least so long to come. */
const leastGraceUs = 30 * usPerSecond;
const stronger = ["b4"] as const;
/** Beyond the disorder that must change nothing. */
const graceOverUs = 15 * usPerSecond;

const tunnelSendersMax = 5_000;
/** Of one pod's log. */
const destinationsMax = 2_000;

/** Why a missing leg proves nothing. */
const reasons = [
  "ambiguous_owner",
  "refused",
  "open",
  "gap",
  "capacity",
  "pod_ended",
  "proxy_silent",
  "counters_moved",
];

/** Why a connection that the proxy's log lacks accuses nobody. */
const doubts = [
  "lines_lost",
  "reached_by_proxy",
  "unknown_to_server",
  "tls_unseen",
  "tls_unknown",
  "plain_allowed",
];

export interface WireWorld {
  readonly identity: Identity;
  readonly options: BypassOptions;
  readonly ends: SourceEnds;
  readonly sayings: Sayings;
  readonly scene: Scene;
  readonly waiting: Waiting<SourceEnd>;
  orient(flow: Flow, end: SourceEnd): Orientation;
  readonly scrapes: ProxyScrapes;
  isControl(toward: Toward, atUs: Us): boolean;
  /** Judges the end's sockets again, and then its connections without one. */
  judgeEnd(end: SourceEnd, out: GraphChange[]): void;
}

export class WireJudge {
  readonly #world: WireWorld;
  readonly #liveness: LegLiveness;
  readonly #gaps = new Gaps();
  readonly #habits: TlsHabits;
  readonly #lost = new LostLines();
  /** What the log of an address's proxy has lines of (`lineKeys`). */
  readonly #logged: SeenTimes;
  /** Sockets that no line tells of, or whose match a line would put in doubt, by what could change that. */
  readonly #unlogged = new Awaited<SocketRecord>();
  /** Those of them that wait for a pod's proxy to show that it lives. */
  readonly #lifeless = new Awaited<SocketRecord>();
  /** Those that wait for the agent to show any socket of their pod's proxy. */
  readonly #unshown = new Awaited<SocketRecord>();
  readonly legless = new Legless();
  readonly #scene: WireScene;
  /** Ends that wait for a pod's proxy to show that it lives, by the pod. */
  readonly #pending = new Awaited<SourceEnd>();
  /** Senders that show tunnels, by the first of them. */
  readonly #tunnels = new Map<string, Us>();
  /** Pods that have shown it since. */
  readonly #awake = new Set<string>();
  /** Ends that wait for a sign that callers would have spoken, or do speak, mutual TLS. */
  readonly #untoldTls = new Awaited<SourceEnd>();
  /** Ends of which something is said that a line about the same destination would put in doubt. */
  readonly #unreached = new Awaited<SourceEnd>();
  /** Ends of which nothing is said, for the doubts that their company raises. */
  readonly #hushed = new Set<SourceEnd>();
  /** Ends whose company tells otherwise than when they were judged. */
  readonly #again = new Set<SourceEnd>();
  /** Addresses from which connections tell otherwise of each other than before. */
  readonly #renowned = new Set<string>();
  /** Ends that something was said of, or would be but for a stronger rung. */
  readonly #told = new Set<SourceEnd>();
  /** Ends that were let off as control traffic while no mesh configuration had told, by cluster. */
  readonly #untold = new Map<string, Set<SourceEnd>>();
  readonly #undecided = new Map([...reasons, ...doubts].map((reason) => [reason, 0]));
  /** What began before was perhaps judged by an earlier process. */
  #restoredUs: Us = 0;

  constructor(world: WireWorld) {
    this.#world = world;
    const { identity, options, scene } = world;
    const mostUs = options.latenessUs + graceOverUs;
    this.#liveness = new LegLiveness(identity, { leastUs: leastGraceUs, mostUs });
    const liveness = this.#liveness;
    this.#habits = new TlsHabits(options.retentionUs);
    const habits = this.#habits;
    this.#logged = new SeenTimes(options.retentionUs, destinationsMax);
    const logged = this.#logged;
    this.#scene = {
      identity,
      options,
      get nowUs() {
        return scene.nowUs;
      },
      skewUs: (source) => scene.skewUs(source),
      isClockProved: (source) => scene.isClockProved(source),
      endOf: (cluster, ip, port) => scene.endOf(cluster, ip, port),
      isBlind: (pod, end, fromUs) => scene.isBlind(pod, end, fromUs),
      lifePast: (pod, atUs) => liveness.past(pod, atUs),
      hasLogged: (pod, atUs) => liveness.hasLogged(pod, atUs),
      countedAcross: (pod, fromUs, toUs) =>
        world.scrapes.across(podKey(pod), fromUs, toUs, scene.nowUs),
      tellsPorts: (pod) => liveness.tellsPorts(pod),
      graceUs: (pod) => liveness.graceUs(pod),
      gapUntilUs: (fromUs, toUs) => this.#gaps.untilUs(fromUs, toUs),
      isControl: (toward, atUs) => world.isControl(toward, atUs),
      logsCallers: (server, atUs) => habits.logsCallers(server, atUs),
      isMeshExpected: (cluster, ip, server, atUs) =>
        habits.isMeshExpected(cluster, ip, server, atUs),
      losesLines: (pod, fromUs, toUs) => this.#lost.has(podKey(pod), { fromUs, toUs }),
      orient: (flow, end) => world.orient(flow, end),
      hasLine: (key, atUs) => logged.isNear(key, atUs),
      isLineForgotten: (pod, atUs) => this.isLineForgotten(pod, atUs),
      endsOfSockets: (pod) => world.ends.ofSockets(pod),
      endsToward: (key) => world.ends.toward(key),
      endAt: (ip, key) => world.ends.findAt(ip, key),
      endsOf: (pod) => world.ends.ofPod(pod),
      endsOfIp: (ip) => world.ends.ofIp(ip),
      tunnelsSinceUs: (source) => this.#tunnels.get(source) ?? Infinity,
    };
  }

  /** A line of a proxy, new or known: it shows that the proxy's log has got so far. */
  line(line: ProxyLeg, isLearning: boolean): void {
    const { nowUs } = this.#world.scene;
    this.#liveness.note(line, nowUs, isLearning);
    for (const key of this.#habits.line(line)) {
      for (const end of this.#untoldTls.of(key)) this.#again.add(end);
    }
    const owner = lineOwner(line.cluster, line.downstreamRemoteIp);
    for (const key of lineKeys(line)) {
      this.#logged.note(key, line.timeUs, owner, nowUs);
      this.#judgeAgain(this.#unlogged.of(key));
      if (this.#unreached.has(key)) {
        for (const end of this.#unreached.of(key)) this.#again.add(end);
      }
    }
    if (
      this.#pending.size + this.#lifeless.size === 0 ||
      line.side !== "outbound" ||
      line.trust === "claimed"
    )
      return;
    const pod = this.#world.identity.podOf(podOfLine(line), line.timeUs);
    if (!pod) return;
    if (this.#pending.has(podKey(pod))) this.#awake.add(podKey(pod));
    this.#judgeAgain(this.#lifeless.of(podKey(pod)));
  }

  /** A socket of which nothing else says anything; call it at each judgement of the socket. */
  unlogged(record: SocketRecord, base: Verdict): Verdict {
    const verdict = judgeUnlogged(record, base, this.#scene);
    const { pod } = verdict;
    const { kind, reason } = verdict;
    const isOpen = pod !== null && (kind === "found" || reason !== "");
    this.#unlogged.set(record, isOpen ? this.#awaitedBy(record, pod) : []);
    this.#lifeless.set(record, pod && reason === "proxy_silent" ? [podKey(pod)] : []);
    this.#unshown.set(record, pod && reason === "proxy_unseen" ? [podKey(pod)] : []);
    // Lines that turn out to be missing, or not, bear upon these.
    if (kind === "found" || reason === "lines_lost") this.#told.add(record.end);
    return verdict;
  }

  /** A process of the pod has opened a socket: what is said of its others may be another thing. */
  socketSeen(record: SocketRecord, pod: PodFacts): void {
    if (this.#unlogged.size === 0) return;
    const { identity, options } = this.#world;
    const mayBeProxy = placeOf(record.socket.process, pod, options).isProxy !== "no";
    if (mayBeProxy) this.#judgeAgain(this.#unshown.of(podKey(pod)));
    const others = this.#unlogged.of(socketsKey(pod));
    this.#judgeAgain(others.filter((one) => bearsUpon(record, one, mayBeProxy, identity)));
  }

  /** The socket has a verdict of its own; lines that would put it in doubt are waited for. */
  socketJudged(record: SocketRecord, { kind, pod, wire, isLoose }: Verdict): void {
    this.forgetSocket(record);
    if (kind !== "found" || !isLoose || !pod) return;
    const { cluster, socket } = record;
    const ends = [socket, ...wire];
    this.#unlogged.set(
      record,
      ends.flatMap(({ dstIp, dstPort }) => lineKeysOf(pod, cluster, dstIp, dstPort)),
    );
  }

  /** Whether the log of the address's proxy has a line of that key (`lineKeys`) from around then. */
  hasLine(key: string, atUs: Us): boolean {
    return this.#logged.isNear(key, atUs);
  }

  /** Whether the pod's log told of too many destinations around then to know of all. */
  isLineForgotten(pod: PodFacts, atUs: Us): boolean {
    return pod.ips.some((ip) => this.#logged.isForgotten(lineOwner(pod.cluster, ip), atUs));
  }

  forgetSocket(record: SocketRecord): void {
    this.#unlogged.set(record, []);
    this.#lifeless.set(record, []);
    this.#unshown.set(record, []);
  }

  #awaitedBy({ cluster, socket }: SocketRecord, pod: PodFacts): readonly string[] {
    const { dstIp, dstPort } = socket;
    return [...lineKeysOf(pod, cluster, dstIp, dstPort), socketsKey(pod)];
  }

  #judgeAgain(records: readonly SocketRecord[]): void {
    for (const { end } of records) this.#again.add(end);
  }

  /** A flow to where ambient pods' tunnels end: its sender shows tunnels, and this pair has one. */
  tunnel({ source, srcIp, startUs }: Flow, out: GraphChange[]): void {
    const sinceUs = this.#tunnels.get(source.key) ?? Infinity;
    if (startUs < sinceUs && (sinceUs < Infinity || this.#tunnels.size < tunnelSendersMax)) {
      this.#tunnels.set(source.key, startUs);
    }
    for (const end of this.#world.ends.ofIp(srcIp)) {
      if (end.wireSaid.size > 0) this.judge(end, out);
    }
  }

  /** A flow or a caller's leg is new at the end: it is judged when its legs have had time to come. */
  schedule(end: SourceEnd, endUs: Us): void {
    this.#world.waiting.add(end, Math.max(endUs + leastGraceUs, this.#world.scene.nowUs));
  }

  /** A leg has come that may take back what was said. */
  legSeen(leg: Leg, end: SourceEnd, out: GraphChange[]): void {
    if (leg.tells === "port") {
      this.#notePlain(leg, end);
      const isOld = leg.fromUs < this.#restoredUs && end.flows.size > 0 && end.sockets.size === 0;
      if (this.#isBorne(end) || isOld) this.judge(end, out, isOld);
      return;
    }
    if (leg.tells === "dialled") {
      for (const one of this.#world.ends.ofIp(leg.ip)) {
        if (this.#isBorne(one)) this.judge(one, out);
      }
      return;
    }
    for (const one of this.#world.ends.toward(endKey(leg.cluster, leg.toIp, leg.toPort))) {
      if (one.ip === leg.ip && this.#isBorne(one)) this.judge(one, out);
    }
  }

  /** A leg would change what is said of the end, or what it says of others. */
  #isBorne(end: SourceEnd): boolean {
    return end.wireSaid.size > 0 || this.#hushed.has(end);
  }

  judge(end: SourceEnd, out: GraphChange[], isAfterRestart = false): void {
    const towards = towardsOf(end);
    if (towards.size === 0) return;
    const silent: string[] = [];
    const untold: string[] = [];
    const unreached: string[] = [];
    let isHushed = false;
    for (const [key, toward] of towards) {
      const isUdp = end.transport === "udp";
      const verdicts = isUdp ? judgeUdp(toward, this.#scene) : judgeToward(toward, this.#scene);
      for (const verdict of verdicts) {
        const { kind, reason, pod } = verdict;
        if (kind === "wait") this.#world.waiting.add(end, verdict.dueUs);
        if (kind === "unknown") this.#countUndecided(reason);
        if (reason === "control") this.#letOff(end, toward.cluster);
        if (reason === "proxy_silent" && pod) silent.push(podKey(pod));
        if (reason === "tls_unknown") untold.push(...habitKeys(toward.cluster, end.ip, key));
        if (doubts.includes(reason)) isHushed = true;
        if (kind === "found" && verdict.rung === "b5" && pod) {
          untold.push(key);
          unreached.push(...lineKeysOf(pod, toward.cluster, toward.ip, toward.port));
        }
      }
      this.#learnCompany(key, toward, verdicts);
      this.#conclude(key, toward, verdicts, isAfterRestart, out);
    }
    this.#pending.set(end, silent);
    this.#untoldTls.set(end, untold);
    this.#unreached.set(end, unreached);
    if (isHushed) this.#hushed.add(end);
    else this.#hushed.delete(end);
  }

  advance(out: GraphChange[]): void {
    if (this.#world.sayings.takeChanged(stronger)) {
      for (const end of Array.from(this.#told)) this.judge(end, out);
    }
    this.#hearConfig(out);
    const isFurther = this.#liveness.advance(this.#world.scene.nowUs);
    for (const pod of this.#world.scrapes.takeFurther()) {
      if (this.#pending.has(pod)) this.#awake.add(pod);
    }
    if (this.#pending.size > 0) {
      const pods = isFurther ? this.#pending.keys() : [...this.#awake];
      for (const pod of pods) for (const end of this.#pending.of(pod)) this.judge(end, out);
    }
    // A pipeline has got further: it may be that of any pod.
    if (isFurther)
      for (const key of this.#lifeless.keys()) this.#judgeAgain(this.#lifeless.of(key));
    this.#awake.clear();
    this.#hearCompany(out);
  }

  /** We were not there in between. */
  gap(fromUs: Us, toUs: Us): void {
    this.#gaps.add(fromUs, toUs);
  }

  /** We refused log requests in between. */
  refusedLogs(fromUs: Us, toUs: Us): void {
    this.#gaps.refused(fromUs, toUs);
  }

  restored(nowUs: Us): void {
    this.#restoredUs = nowUs;
  }

  /** The last sign of a connection from the end to there has left. */
  leadsNoMore(end: SourceEnd, destination: string): void {
    this.#world.sayings.forget(end.wireSaid.get(destination));
    this.#lost.set(lossName(end, destination), "", []);
    this.legless.set(lossName(end, destination), "", []);
    this.#world.ends.leadsNoMore(end, destination);
  }

  /** Nothing is left at the end. */
  forget(end: SourceEnd): void {
    this.#told.delete(end);
    for (const ends of this.#untold.values()) ends.delete(end);
    this.#pending.set(end, []);
    this.#untoldTls.set(end, []);
    this.#unreached.set(end, []);
    this.#hushed.delete(end);
    this.#again.delete(end);
  }

  counters(into: CounterSample[]): void {
    for (const [reason, value] of this.#undecided) {
      into.push({ name: "flows_undecided_total", labels: { reason }, value });
    }
    const labels = { table: "proxy_logs" };
    const value = this.#liveness.dropped + this.#habits.dropped + this.#logged.dropped;
    into.push({ name: "join_overflow_total", labels, value });
  }

  #notePlain({ toIp, toPort }: Leg, end: SourceEnd): void {
    if (this.#told.size + this.#hushed.size === 0) return;
    const { closenessUs } = this.#scene.options;
    if (isPlainByProxy(end, toIp, toPort, closenessUs)) this.#renowned.add(end.ip);
  }

  /** What the connections from the end to there say of others of their pod. */
  #learnCompany(key: string, { end }: Toward, verdicts: readonly WireVerdict[]): void {
    const name = lossName(end, key);
    this.#noteLegless(name, verdicts);
    if (verdicts.some(({ kind }) => kind === "final")) return;
    const orphans = verdicts.filter(
      ({ reason, callerLegs }) => reason === "lines_lost" && callerLegs.length > 0,
    );
    const pod = (orphans[0] ?? verdicts[0])?.pod ?? null;
    const stretches = orphans.map(({ fromUs, callerLegs }) => ({
      fromUs,
      toUs: Math.max(...callerLegs.map(({ toUs }) => toUs)),
    }));
    if (this.#lost.set(name, pod ? podKey(pod) : "", stretches)) {
      for (const address of pod?.ips ?? []) this.#renowned.add(address);
    }
  }

  #noteLegless(name: string, verdicts: readonly WireVerdict[]): void {
    const legless = verdicts.filter(isLegless);
    const pod = legless[0]?.pod;
    const times = legless.map(({ fromUs }) => fromUs);
    this.legless.set(name, pod ? podKey(pod) : "", times);
  }

  /** Judges again whom others' connections bear upon; those may bear upon others in turn, next time. */
  #hearCompany(out: GraphChange[]): void {
    if (this.#renowned.size > 0) {
      for (const end of [...this.#told, ...this.#hushed]) {
        if (this.#renowned.has(end.ip)) this.#again.add(end);
      }
      this.#renowned.clear();
    }
    if (this.#again.size === 0) return;
    const ends = [...this.#again];
    this.#again.clear();
    for (const end of ends) this.#world.judgeEnd(end, out);
  }

  #conclude(
    key: string,
    toward: Toward,
    verdicts: readonly WireVerdict[],
    isAfterRestart: boolean,
    out: GraphChange[],
  ): void {
    const said = toward.end.wireSaid.get(key);
    const found = verdicts.filter(({ kind }) => kind === "found");
    // What is over, or waits for more records, says nothing new: what was said of it stands.
    if (found.length === 0 && verdicts.some(({ kind }) => kind === "final" || kind === "wait")) {
      return;
    }
    const verdict = found.length > 0 ? merge(found) : weakest(verdicts);
    if (!verdict) return;
    if (verdict.kind !== "found") {
      const isDoubt = doubts.includes(verdict.reason);
      const mayHaveBeenSaid =
        (isAfterRestart && verdict.kind === "cleared") ||
        (isDoubt && verdict.fromUs < this.#restoredUs);
      if (said?.outcome !== "found" && !mayHaveBeenSaid) return;
      // What was found while everything was there is no less true when the table is full.
      if (verdict.reason === "capacity") return;
    }
    this.#say(key, toward, verdict, said, out);
  }

  #say(
    key: string,
    toward: Toward,
    verdict: WireVerdict,
    said: WireSaid | undefined,
    out: GraphChange[],
  ): void {
    const { end } = toward;
    // An agent that sees no ports names the talker: its rung is stronger, and nothing tells whether it is the
    // same connection.
    const isFound = verdict.kind === "found";
    const judged =
      isFound || !said ? wireToFlow(verdict, toward, this.#world.identity) : said.judged;
    if (!judged) return;
    const isYielded =
      isFound && end.transport === "tcp" && this.#world.sayings.isFoundBy(stronger, judged.entity);
    if (isYielded) {
      this.#told.add(end);
      if (said?.outcome !== "found") return;
    }
    const reason = isYielded ? "stronger_rung" : verdict.reason;
    const isStanding = isFound && !isYielded;
    const entity = isStanding ? judged.entity : takenBack(judged.entity, reason);
    const id = contentHash(["wire", end.key, key]);
    const callerLegs = isFound ? verdict.callerLegs : [];
    const sources = [
      ...verdict.flows,
      ...callerLegs.map((leg) => leg.first),
      ...verdict.sockets.map(({ socket }) => socket),
    ];
    const earlier = isStanding ? this.#outlived(said) : [];
    const evidence = mergeEvidence(earlier, verdict.evidence);
    const fromUs = Math.min(verdict.fromUs, earlier[0]?.atUs ?? Infinity);
    const atUs = said && !isFound ? said.atUs : fromUs;
    const { transport } = end;
    const saying = { ...judged, entity, id, transport, atUs, evidence, sources };
    this.#told.add(end);
    this.#awaitConfig(toward.cluster);
    const news = this.#world.sayings.tell(saying, said, out);
    if (!news) return;
    this.#world.ends.dependsOn(end, toward.ip);
    end.wireSaid.set(key, { ...news, judged, evidence });
  }

  /** What records have shown that are too old to be judged again, of a finding that goes on. */
  #outlived(said: WireSaid | undefined): readonly Evidence[] {
    if (said?.outcome !== "found") return [];
    const { scene, options } = this.#world;
    const goneUs = scene.nowUs - options.retentionUs + options.latenessUs;
    return said.evidence.filter(({ atUs }) => atUs <= goneUs);
  }

  #awaitConfig(cluster: string): void {
    if (this.#untold.has(cluster) || this.#world.identity.knowsMeshConfig(cluster)) return;
    this.#untold.set(cluster, new Set());
  }

  #letOff(end: SourceEnd, cluster: string): void {
    this.#awaitConfig(cluster);
    this.#untold.get(cluster)?.add(end);
  }

  /** The mesh's configuration has come: it alone says what control traffic is, from here on. */
  #hearConfig(out: GraphChange[]): void {
    for (const [cluster, ends] of this.#untold) {
      if (!this.#world.identity.knowsMeshConfig(cluster)) continue;
      this.#untold.delete(cluster);
      for (const end of [...ends, ...this.#told]) this.judge(end, out);
    }
  }

  #countUndecided(reason: string): void {
    this.#undecided.set(reason, (this.#undecided.get(reason) ?? 0) + 1);
  }
}

function socketsKey(pod: PodFacts): string {
  return `sockets ${podKey(pod)}`;
}

/** The proxy's machine was heard past it, and no line of the proxy's own came; a declared hole needs none. */
function isLegless({ kind, rung, reason, excludedBy }: WireVerdict): boolean {
  const isDoubt = reason === "lines_lost" || reason === "reached_by_proxy";
  return isDoubt || (kind === "found" && rung !== "none" && excludedBy === "none");
}

/** The connections from an end to a destination. */
function lossName(end: SourceEnd, destination: string): string {
  return `${end.key} ${destination}`;
}

function podKey(pod: PodFacts): string {
  return `${pod.cluster}/${pod.namespace}/${pod.name}`;
}

function podOfLine(line: ProxyLeg): ProxyLeg["pod"] {
  const { pod } = line;
  return pod.address === "" ? { ...pod, address: line.downstreamRemoteIp } : pod;
}

/** The destinations that something shows a connection to. */
function towardsOf(end: SourceEnd): ReadonlyMap<string, Toward> {
  const towards = new Map<string, Toward>();
  for (const { flow } of end.flows.values()) {
    const { cluster, dstIp: ip, dstPort: port } = flow;
    const key = endKey(cluster, ip, port, end.transport);
    if (flow.srcPort > 0 && port > 0) towards.set(key, { end, cluster, ip, port });
  }
  if (end.transport === "udp") {
    // A datagram needs no answer, nor a proxy's word: a socket alone may be all there is.
    for (const { cluster, socket } of end.sockets.values()) {
      const { dstIp: ip, dstPort: port } = socket;
      towards.set(endKey(cluster, ip, port, "udp"), { end, cluster, ip, port });
    }
  }
  for (const { role, cluster, toIp: ip, toPort: port } of end.legs.values()) {
    if (role !== "inbound" || ip === "") continue;
    const key = endKey(cluster, ip, port);
    towards.set(key, { end, cluster, ip, port });
  }
  return towards;
}

function takenBack(entity: FlowEntity, reason: string): FlowEntity {
  return { ...entity, outcome: "cleared", rung: "none", confidence: "unknown", reason };
}
