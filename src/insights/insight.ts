/**
 * One insight in memory, and its identity. The fingerprint is a hash of rule id and key values and is
 * the same for ever; an episode is one life of it, from the first time the rule matched until it has been
 * closed for longer than `reopenWithinUs`. Two clocks, never mixed: event times (`first`, `last`) come
 * from telemetry, all other times are the engine's and say how long it has known.
 */
import { createHash } from "node:crypto";
import type { Observer } from "../model/changes.ts";
import { nodeKey } from "../model/keys.ts";
import type { NodeEntity } from "../model/entities.ts";
import type {
  Acknowledgement,
  CloseReason,
  Confidence,
  InsightState,
  RuleMatch,
  RuleMeta,
} from "../model/insights.ts";
import type { Us } from "../model/time.ts";
import { Occurrences, type Occurrence } from "./occurrences.ts";

/** `inactive`: it never fired, was withdrawn before it did, was archived, or became part of another. */
export type LifeState = InsightState | "inactive";

/** The workload to fix, or the other end, as the columns of a row name it. */
export interface Place {
  /** `nodeKey`, "" = none. */
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  readonly kind: string;
  readonly address: string;
}

export interface Insight {
  readonly id: string;
  fingerprint: string;
  /** The fingerprint that made the id; differs after a node was renamed. */
  readonly bornAs: string;
  readonly episode: number;
  rule: RuleMeta;
  key: readonly string[];
  state: LifeState;
  reason: CloseReason | "";
  message: string;
  confidence: Confidence;
  subject: Place;
  peer: Place;
  peerPort: number;
  /** Event times. */
  firstSeenUs: Us;
  lastSeenUs: Us;
  /** Since when it is true without a break, as far as `for` asks; 0 = not now. */
  activeUs: Us;
  /** When it fired last; 0 = never in this episode. */
  firedUs: Us;
  /** When it left the active states; 0 = it has not. */
  closedUs: Us;
  /** Start of the keep window: last news of an event; when a state entity turned false, 0 = it is true. */
  keepSinceUs: Us;
  /** When the telemetry was lost that could tell; 0 = it was not. */
  unknownSinceUs: Us;
  /** The last time one of the observers was known to be silent. */
  blindUs: Us;
  /** Every observer of a state entity is silent, so that what holds is only what last held. */
  isFrozen: boolean;
  /** One of its state entities has been judged false in this life, so that it ends `fixed`. */
  wasJudgedFalse: boolean;
  /** Keys of the sources whose silence matters; bounded. */
  readonly observers: Set<string>;
  occurrences: Occurrences;
  reopenCount: number;
  transitions: number;
  /** Engine times of the last few that count for flapping, oldest first. */
  recentUs: readonly Us[];
  isFlapping: boolean;
  /** The sink has a record of the state it is in. */
  isTold: boolean;
  /** Engine time of its last record, 0 = there was none; moved on by outages of ours. */
  toldUs: Us;
  /** How many there were since its last transition. */
  reminders: number;
  /** Null = nobody takes care of it. A new episode begins without. */
  acknowledgement: Acknowledgement | null;
  /** How often its flags have been told since its last transition. */
  updates: number;
  /** The waiver that accepts all that it stands on, "" = none; of several the one that ends first. */
  waiver: string;
  /** When that ends; 0 = no waiver. */
  waivedUntilUs: Us;
  /** Which waivers its occurrences were asked of (`WaiverJudge.versionFor`). */
  waiversVersion: string;
}

const noPlace: Place = {
  key: "",
  cluster: "",
  namespace: "",
  workload: "",
  kind: "",
  address: "",
};

/** Key values cannot run into each other: they are hashed as JSON. */
export function fingerprintOf(ruleId: string, key: readonly string[]): string {
  return sha256(keyText(ruleId, key));
}

/** What a map of insights is keyed by: the fingerprint's preimage, which costs no hash. */
export function keyText(ruleId: string, key: readonly string[]): string {
  return JSON.stringify([ruleId, ...key]);
}

export function isSameKey(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

/** How an insight names the source that it hangs on. */
export function observerKey({ kind, key }: Observer): string {
  return `${kind} ${key}`;
}

/** 32 hex digits. */
export function insightId(fingerprint: string, episode: number): string {
  return sha256(`${fingerprint}#${episode}`).slice(0, 32);
}

export function makeInsight(match: RuleMatch, fingerprint: string, episode: number): Insight {
  return {
    id: insightId(fingerprint, episode),
    fingerprint,
    bornAs: fingerprint,
    episode,
    rule: match.rule,
    key: [...match.key],
    state: "inactive",
    reason: "",
    message: match.message,
    confidence: match.confidence,
    subject: nodeToPlace(match.subject),
    peer: nodeToPlace(match.peer),
    peerPort: match.peerPort,
    firstSeenUs: match.atUs,
    lastSeenUs: match.atUs,
    activeUs: 0,
    firedUs: 0,
    closedUs: 0,
    keepSinceUs: 0,
    unknownSinceUs: 0,
    blindUs: 0,
    isFrozen: false,
    wasJudgedFalse: false,
    observers: new Set(),
    occurrences: new Occurrences(),
    reopenCount: 0,
    transitions: 0,
    recentUs: [],
    isFlapping: false,
    isTold: false,
    toldUs: 0,
    reminders: 0,
    acknowledgement: null,
    updates: 0,
    waiver: "",
    waivedUntilUs: 0,
    waiversVersion: "",
  };
}

export function isActive(state: LifeState): boolean {
  return state === "pending" || state === "firing" || state === "unknown";
}

export function nodeToPlace(node: NodeEntity | null): Place {
  if (node === null) return noPlace;
  return {
    key: nodeKey(node),
    cluster: node.cluster,
    namespace: node.namespace,
    workload: node.name,
    kind: node.kind,
    address: node.address,
  };
}

/** The place under its new node key; what the key does not say stays. */
export function renamePlace(place: Place, to: string): Place {
  const parts = to.split("/");
  const [cluster = "", namespace = "", workload = ""] = parts;
  if (parts.length !== 3) return { ...place, key: to };
  return { ...place, key: to, cluster, namespace, workload };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Nothing in it is new, so that nothing need be written. */
export function isToldAgain(insight: Insight, known: Occurrence, match: RuleMatch): boolean {
  return (
    match.atUs <= known.atUs &&
    match.judged === known.judged &&
    match.confidence === known.confidence &&
    match.waiver === known.waiver &&
    insight.occurrences.hasEvidence(known, match.evidence) &&
    match.observers.every((observer) => insight.observers.has(observerKey(observer)))
  );
}
