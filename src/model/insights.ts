/**
 * Between rules and insights: what a rule found, and what becomes of it. The identity of an insight is
 * its fingerprint, a hash of rule id and key values; severity, message and counts are no part of it.
 */
import type { Evidence, Observer, SourceChanged, NodeRenamed } from "./changes.ts";
import type { EntityType, NodeEntity } from "./entities.ts";
import type { LayerName } from "./layers.ts";
import type { Us } from "./time.ts";

export type Severity = "info" | "low" | "medium" | "high" | "critical";
export type Confidence = "low" | "medium" | "high";
export type RuleStatus = "experimental" | "test" | "stable" | "deprecated";

/** MITRE ATT&CK's, of the technique ids in tags: sinks are told it with them, since ids change. */
export const attackVersion = "19.0";

/** What the lifecycle, the API and the metrics need to know of a loaded rule. */
export interface RuleMeta {
  readonly id: string;
  readonly ruleset: string;
  /** The folder of its file, as `capture`; "" = none. */
  readonly category: string;
  readonly title: string;
  readonly severity: Severity;
  readonly status: RuleStatus;
  /** Hash of the rule's text; a changed one is a changed rule. */
  readonly version: string;
  readonly on: EntityType;
  readonly lifecycle: "state" | "event";
  readonly forUs: Us;
  readonly keepFiringForUs: Us;
  readonly description: string;
  /** How to see for oneself that it is so. */
  readonly confirm: string;
  /** Of defence in depth, which its insights weaken; "" = none. */
  readonly layer: LayerName | "";
  readonly remediation: string;
  readonly falsePositives: readonly string[];
  readonly references: readonly string[];
  readonly tags: readonly string[];
  /** Any of these complete capability sets lets the rule judge a workload. */
  readonly needs: readonly (readonly string[])[];
  /** With any of these it judges only a part of it. */
  readonly partly: readonly (readonly string[])[];
}

/** What people agreed to live with, and until when. It hides nothing: what it accepts is told as waived. */
export interface WaiverMeta {
  readonly id: string;
  /** Ids of the rules whose insights it may accept. */
  readonly rules: readonly string[];
  /** The CEL condition as it is written. */
  readonly where: string;
  readonly reason: string;
  readonly owner: string;
  /** "" = none. */
  readonly ticket: string;
  /** The end of its last day, in UTC: from this time on it accepts nothing. */
  readonly endsUs: Us;
}

/** The rule's condition holds for this entity now. */
export interface RuleMatch {
  readonly kind: "match";
  readonly rule: RuleMeta;
  readonly entityId: string;
  /** Values of the rule's key paths, nodes as their keys. */
  readonly key: readonly string[];
  readonly atUs: Us;
  readonly message: string;
  readonly confidence: Confidence;
  /** The workload to fix; null for rules about no workload. */
  readonly subject: NodeEntity | null;
  readonly peer: NodeEntity | null;
  readonly peerPort: number;
  readonly judged: boolean;
  readonly evidence: readonly Evidence[];
  readonly observers: readonly Observer[];
  /** Entities that proved to be parts of this one (`EntityChange.replaces`). */
  readonly replaces?: readonly string[];
  /** What matched, kept small (`toSample`), "" = not kept; to be asked during the call only. */
  readonly sample: () => string;
  /** The waiver that accepts it, "" = none. */
  readonly waiver: string;
}

/** The rule's condition does not hold for this entity (any more). */
export interface RuleMiss {
  readonly kind: "miss";
  readonly rule: RuleMeta;
  readonly entityId: string;
  readonly atUs: Us;
  /** False: nobody could tell, so a firing insight becomes unknown instead of resolved. */
  readonly judged: boolean;
  /** The event was withdrawn by late evidence: only this occurrence is taken back. */
  readonly withdrawn: boolean;
}

export interface EntityLost {
  readonly kind: "lost";
  readonly type: EntityType;
  readonly entityId: string;
  readonly atUs: Us;
}

/** What the rules tell the lifecycle, in order. Belongs to the callee for the call only. */
export type RuleEvent = RuleMatch | RuleMiss | EntityLost | NodeRenamed | SourceChanged;

export type InsightState = "pending" | "firing" | "resolved" | "unknown";
export type CloseReason =
  | "fixed"
  | "quiet"
  | "entity_gone"
  | "rule_removed"
  | "late_evidence"
  | "withdrawn"
  | "no_data";

/** The reasons that end an insight which has fired; the others are no resolution to anybody. */
export const resolveReasons: Readonly<Record<RuleMeta["lifecycle"], readonly CloseReason[]>> = {
  state: ["fixed", "entity_gone", "rule_removed"],
  event: ["quiet", "late_evidence", "rule_removed"],
};

/** Why an evaluation of a rule failed; `internal` is a fault of ours. */
export const evaluationErrorReasons = [
  "missing",
  "type",
  "arithmetic",
  "conversion",
  "cost",
  "internal",
] as const;

/** Somebody has seen it and takes care: it pages nobody meanwhile. Engine times. */
export interface Acknowledgement {
  readonly by: string;
  readonly atUs: Us;
  /** When it ends by itself; 0 = with the episode. */
  readonly untilUs: Us;
  /** "" = none. */
  readonly note: string;
}

/** One change of an insight's state. Pending ones are kept but not exported. */
export interface Transition {
  readonly insightId: string;
  readonly fingerprint: string;
  readonly number: number;
  readonly rule: RuleMeta;
  readonly from: InsightState | "inactive";
  readonly to: InsightState | "inactive";
  readonly reason: CloseReason | "";
  /** Event time of the cause, and the engine's time of the transition. */
  readonly eventUs: Us;
  readonly atUs: Us;
}

/** The affected workload, or the other end of what an insight is about; "" = unknown or none. */
export interface RecordPlace {
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  /** Deployment, StatefulSet, DaemonSet, …; `external` for a peer beyond the mesh. */
  readonly kind: string;
  readonly address: string;
}

/**
 * What sinks are told of one transition, of an insight that still fires (a reminder), or of one whose
 * flags have changed and whose state has not (an update). Plain data, kept
 * as JSON in the outbox, so that a restart, a retry and a later version send the same. How it looks on
 * the wire is decided in `export/`.
 */
export interface InsightRecord {
  /** 32 hex digits; hash of insight id and transition number, and of the count for a reminder. */
  readonly uid: string;
  readonly insightId: string;
  readonly kind: "transition" | "reminder" | "update";
  /** Pending is never told. An insight archived out of unknown stays `unknown`, with reason `no_data`. */
  readonly state: "firing" | "resolved" | "unknown";
  readonly previousState: InsightState | "inactive";
  readonly reason: CloseReason | "";
  /** Event time: first evidence for firing, last true for resolved. */
  readonly eventUs: Us;
  /** Engine time. */
  readonly atUs: Us;
  readonly message: string;
  readonly rule: Pick<
    RuleMeta,
    "id" | "ruleset" | "title" | "severity" | "status" | "version" | "description" | "tags"
  > & {
    /** The rule's folder and family, as `capture`. */
    readonly category: string;
    /** The first of its references, "" = none. */
    readonly reference: string;
  };
  readonly confidence: Confidence;
  readonly subject: RecordPlace;
  readonly peer: RecordPlace;
  /** 0 = unknown. */
  readonly peerPort: number;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  readonly occurrences: number;
  readonly reopenCount: number;
  readonly flapping: boolean;
  /** Who has acknowledged it, "" = nobody. */
  readonly acknowledgedBy: string;
  /** The waiver that accepts it, "" = none. */
  readonly waiver: string;
  /** The first 20 by (event time, hash). */
  readonly evidence: readonly Evidence[];
}

/** A rule that could not be evaluated, with what went wrong first. */
export interface RuleFault {
  readonly rule: string;
  readonly text: string;
}
