/**
 * Between rules and insights: what a rule found, and what becomes of it. The identity of an insight is
 * its fingerprint, a hash of rule id and key values; severity, message and counts are no part of it.
 */
import type { Evidence, Observer, SourceChanged, NodeRenamed } from "./changes.ts";
import type { EntityType, NodeEntity } from "./entities.ts";
import type { Us } from "./time.ts";

export type Severity = "info" | "low" | "medium" | "high" | "critical";
export type Confidence = "low" | "medium" | "high";
export type RuleStatus = "experimental" | "test" | "stable" | "deprecated";

/** What the lifecycle, the API and the metrics need to know of a loaded rule. */
export interface RuleMeta {
  readonly id: string;
  readonly ruleset: string;
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
  readonly remediation: string;
  readonly falsePositives: readonly string[];
  readonly references: readonly string[];
  readonly tags: readonly string[];
  /** Any of these complete capability sets lets the rule judge a workload. */
  readonly needs: readonly (readonly string[])[];
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
