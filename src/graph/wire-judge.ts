/**
 * Says what connections without a socket come to (rungs B5 and B5s), and says it again when something
 * that it rests on has changed: it knows which ends wait for their grace, and which wait for a sign that
 * a pod's proxy has logged past them. The verdict itself is `wire-verdict.ts`.
 */
import { mergeEvidence, type GraphChange } from "../model/changes.ts";
import type { FlowEntity } from "../model/entities.ts";
import type { Flow, ProxyLeg } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import type { Scene } from "./connection-verdict.ts";
import { contentHash } from "./content-hash.ts";
import type { Identity, PodFacts } from "./contracts.ts";
import { wireToFlow } from "./flow-entity.ts";
import { Gaps } from "./gaps.ts";
import { LegLiveness } from "./leg-liveness.ts";
import type { Leg } from "./legs.ts";
import { endKey, type Orientation } from "./orientation.ts";
import type { Sayings, WireSaid } from "./sayings.ts";
import type { SourceEnd, SourceEnds } from "./source-ends.ts";
import type { Waiting } from "./waiting.ts";
import { judgeToward, type Toward, type WireScene, type WireVerdict } from "./wire-verdict.ts";

/** A leg takes at least so long to come. */
const leastGraceUs = 30 * usPerSecond;
const stronger = ["b4"] as const;
/** Beyond the disorder that must change nothing. */
const graceOverUs = 15 * usPerSecond;

/** Why a missing leg proves nothing. */
const reasons = ["ambiguous_owner", "open", "gap", "capacity", "pod_ended", "proxy_silent"];

export interface WireWorld {
  readonly identity: Identity;
  readonly options: BypassOptions;
  readonly ends: SourceEnds;
  readonly sayings: Sayings;
  readonly scene: Scene;
  readonly waiting: Waiting<SourceEnd>;
  orient(flow: Flow, end: SourceEnd): Orientation;
  isControl(toward: Toward, atUs: Us): boolean;
}

export class WireJudge {
  readonly #world: WireWorld;
  readonly #liveness: LegLiveness;
  readonly #gaps = new Gaps();
  readonly #scene: WireScene;
  /** Ends that wait for a pod's proxy to show that it lives, by the pod. */
  readonly #pending = new Map<string, Set<SourceEnd>>();
  readonly #pendingAt = new Map<SourceEnd, string>();
  /** Pods that have shown it since. */
  readonly #awake = new Set<string>();
  /** Ends that something was said of, or would be but for a stronger rung. */
  readonly #told = new Set<SourceEnd>();
  /** Ends that were let off as control traffic while no mesh configuration had told, by cluster. */
  readonly #untold = new Map<string, Set<SourceEnd>>();
  readonly #undecided = new Map<string, number>(reasons.map((reason) => [reason, 0]));
  /** What began before was perhaps judged by an earlier process. */
  #restoredUs: Us = 0;

  constructor(world: WireWorld) {
    this.#world = world;
    const { identity, options, scene } = world;
    const mostUs = options.latenessUs + graceOverUs;
    this.#liveness = new LegLiveness(identity, { leastUs: leastGraceUs, mostUs });
    const liveness = this.#liveness;
    this.#scene = {
      identity,
      options,
      get nowUs() {
        return scene.nowUs;
      },
      skewUs: (source) => scene.skewUs(source),
      endOf: (cluster, ip, port) => scene.endOf(cluster, ip, port),
      isBlind: (pod, end, fromUs) => scene.isBlind(pod, end, fromUs),
      lifePast: (pod, atUs) => liveness.past(pod, atUs),
      tellsPorts: (pod) => liveness.tellsPorts(pod),
      graceUs: (pod) => liveness.graceUs(pod),
      gapUntilUs: (fromUs, toUs) => this.#gaps.untilUs(fromUs, toUs),
      isControl: (toward, atUs) => world.isControl(toward, atUs),
      orient: (flow, end) => world.orient(flow, end),
      endAt: (ip, key) => world.ends.findAt(ip, key),
    };
  }

  /** A line of a proxy, new or known: it shows that the proxy's log has got so far. */
  line(line: ProxyLeg, isLearning: boolean): void {
    const { nowUs } = this.#world.scene;
    this.#liveness.note(line, nowUs, isLearning);
    if (this.#pending.size === 0 || line.side !== "outbound" || line.trust === "claimed") return;
    const pod = this.#world.identity.podOf(podOfLine(line), line.timeUs);
    if (pod && this.#pending.has(podKey(pod))) this.#awake.add(podKey(pod));
  }

  /** A flow or a caller's leg is new at the end: it is judged when its legs have had time to come. */
  schedule(end: SourceEnd, endUs: Us): void {
    this.#world.waiting.add(end, Math.max(endUs + leastGraceUs, this.#world.scene.nowUs));
  }

  /** A leg has come that may take back what was said. */
  legSeen(leg: Leg, end: SourceEnd, out: GraphChange[]): void {
    if (leg.tells === "port") {
      const isOld = leg.fromUs < this.#restoredUs && end.flows.size > 0 && end.sockets.size === 0;
      if (end.wireSaid.size > 0 || isOld) this.judge(end, out, isOld);
      return;
    }
    if (leg.tells === "dialled") {
      for (const one of this.#world.ends.ofIp(leg.ip)) {
        if (one.wireSaid.size > 0) this.judge(one, out);
      }
      return;
    }
    for (const one of this.#world.ends.toward(endKey(leg.cluster, leg.toIp, leg.toPort))) {
      if (one.ip === leg.ip && one.wireSaid.size > 0) this.judge(one, out);
    }
  }

  judge(end: SourceEnd, out: GraphChange[], isAfterRestart = false): void {
    const towards = towardsOf(end);
    if (towards.size === 0) return;
    let pending = "";
    for (const [key, toward] of towards) {
      const verdicts = judgeToward(toward, this.#scene);
      for (const verdict of verdicts) {
        if (verdict.kind === "wait") this.#world.waiting.add(end, verdict.dueUs);
        if (verdict.kind === "unknown") this.#countUndecided(verdict.reason);
        if (verdict.reason === "control") this.#letOff(end, toward.cluster);
        if (verdict.reason === "proxy_silent" && verdict.pod) pending = podKey(verdict.pod);
      }
      this.#conclude(key, toward, verdicts, isAfterRestart, out);
    }
    this.#moveTo(end, pending);
  }

  advance(out: GraphChange[]): void {
    if (this.#world.sayings.takeChanged(stronger)) {
      for (const end of Array.from(this.#told)) this.judge(end, out);
    }
    this.#hearConfig(out);
    const isFurther = this.#liveness.advance(this.#world.scene.nowUs);
    if (this.#pending.size === 0) return;
    const pods = isFurther ? [...this.#pending.keys()] : [...this.#awake];
    this.#awake.clear();
    for (const pod of pods) {
      // A copy: what is judged may leave the set, or come into it.
      const ends = Array.from(this.#pending.get(pod) ?? []);
      for (const end of ends) this.judge(end, out);
    }
  }

  /** We were not there in between. */
  gap(fromUs: Us, toUs: Us): void {
    this.#gaps.add(fromUs, toUs);
  }

  restored(nowUs: Us): void {
    this.#restoredUs = nowUs;
  }

  /** The last sign of a connection from the end to there has left. */
  leadsNoMore(end: SourceEnd, destination: string): void {
    this.#world.sayings.forget(end.wireSaid.get(destination));
    this.#world.ends.leadsNoMore(end, destination);
  }

  /** Nothing is left at the end. */
  forget(end: SourceEnd): void {
    this.#told.delete(end);
    for (const ends of this.#untold.values()) ends.delete(end);
    this.#moveTo(end, "");
  }

  counters(into: CounterSample[]): void {
    for (const [reason, value] of this.#undecided) {
      into.push({ name: "flows_undecided_total", labels: { reason }, value });
    }
    const labels = { table: "proxy_logs" };
    into.push({ name: "join_overflow_total", labels, value: this.#liveness.dropped });
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
      const mayHaveBeenSaid = isAfterRestart && verdict.kind === "cleared";
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
    const isYielded = isFound && this.#world.sayings.isFoundBy(stronger, judged.entity);
    if (isYielded) {
      this.#told.add(end);
      if (said?.outcome !== "found") return;
    }
    const reason = isYielded ? "stronger_rung" : verdict.reason;
    const isStanding = isFound && !isYielded;
    const entity = isStanding ? judged.entity : takenBack(judged.entity, reason);
    const id = contentHash(["wire", end.key, key]);
    const sources = [...verdict.flows, ...verdict.callerLegs.map((leg) => leg.first)];
    const { evidence, fromUs } = verdict;
    const atUs = said && !isFound ? said.atUs : fromUs;
    const saying = { ...judged, entity, id, transport: "tcp" as const, atUs, evidence, sources };
    this.#told.add(end);
    this.#awaitConfig(toward.cluster);
    const news = this.#world.sayings.tell(saying, said, out);
    if (!news) return;
    this.#world.ends.dependsOn(end, toward.ip);
    end.wireSaid.set(key, { ...news, judged });
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

  /** Bounded by the ends. */
  #moveTo(end: SourceEnd, pod: string): void {
    const before = this.#pendingAt.get(end) ?? "";
    if (before === pod) return;
    if (before !== "") {
      const ends = this.#pending.get(before);
      ends?.delete(end);
      if (ends?.size === 0) this.#pending.delete(before);
      this.#pendingAt.delete(end);
    }
    if (pod === "") return;
    const ends = this.#pending.get(pod);
    if (ends) ends.add(end);
    else this.#pending.set(pod, new Set([end]));
    this.#pendingAt.set(end, pod);
  }
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
    const key = endKey(cluster, ip, port);
    if (flow.srcPort > 0 && port > 0) towards.set(key, { end, cluster, ip, port });
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

const sureness = { unknown: 0, low: 1, medium: 2, high: 3 } as const;

/** Several connections of one pair of addresses and ports are told as one, by the surest of them. */
function merge(found: readonly WireVerdict[]): WireVerdict | undefined {
  const [first] = found.toSorted(
    (a, b) =>
      sureness[b.confidence] - sureness[a.confidence] ||
      (a.rung === b.rung ? 0 : a.rung === "b5s" ? -1 : 1) ||
      a.fromUs - b.fromUs,
  );
  if (!first) return undefined;
  return {
    ...first,
    fromUs: Math.min(...found.map(({ fromUs }) => fromUs)),
    flows: found.flatMap(({ flows }) => flows),
    callerLegs: found.flatMap(({ callerLegs }) => callerLegs),
    evidence: mergeEvidence(
      [],
      found.flatMap(({ evidence }) => evidence),
    ),
  };
}

/** Why nothing stands: what speaks for the proxy first, then what is not known. */
function weakest(verdicts: readonly WireVerdict[]): WireVerdict | undefined {
  return (
    verdicts.find(({ kind }) => kind === "cleared") ??
    verdicts.find(({ kind }) => kind === "unknown") ??
    verdicts[0]
  );
}
