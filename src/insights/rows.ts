/**
 * An insight as its row, and back. Indexed columns are for readers; `detail` holds what the lifecycle
 * needs to go on after a restart, and what the API shows beyond the columns (`key`, `tags`). Reading a
 * row that this version did not write is refused with the insight's id.
 */
import { evidenceMax, type Evidence } from "../model/changes.ts";
import type { EntityType } from "../model/entities.ts";
import type {
  Acknowledgement,
  CloseReason,
  Confidence,
  RuleMeta,
  RuleStatus,
  Severity,
} from "../model/insights.ts";
import type { InsightRow } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import type { Insight, LifeState, Place } from "./insight.ts";
import { Occurrences, type StoredOccurrences } from "./occurrences.ts";

interface Detail {
  readonly key: readonly string[];
  readonly bornAs: string;
  readonly tags: readonly string[];
  readonly ruleset: string;
  readonly category: string;
  readonly status: RuleStatus;
  readonly on: EntityType;
  readonly lifecycle: RuleMeta["lifecycle"];
  readonly subject: Place;
  readonly peer: Place;
  readonly closedUs: Us;
  readonly unknownSinceUs: Us;
  readonly blindUs: Us;
  readonly isFrozen: boolean;
  readonly wasJudgedFalse: boolean;
  readonly recentUs: readonly Us[];
  readonly isTold: boolean;
  readonly toldUs: Us;
  readonly reminders: number;
  /** These four are missing in rows of versions before 0.2. */
  readonly acknowledgement?: Acknowledgement | null;
  readonly updates?: number;
  readonly waiver?: string;
  readonly waiversVersion?: string;
  readonly observers: readonly string[];
  /** Those of the observers that were silent when this was written. */
  readonly silent: readonly string[];
  /** The insight that this one became part of, "" = none. */
  readonly mergedInto: string;
  /** The pool beyond the evidence column is `pool` here. */
  readonly occurrences: StoredOccurrences;
}

export function insightToRow(
  insight: Insight,
  silent: ReadonlySet<string>,
  mergedInto = "",
): InsightRow {
  const { rule, subject, peer } = insight;
  const occurrences = insight.occurrences.store();
  const observers = [...insight.observers];
  const detail: Detail = {
    key: insight.key,
    bornAs: insight.bornAs,
    tags: rule.tags,
    ruleset: rule.ruleset,
    category: rule.category,
    status: rule.status,
    on: rule.on,
    lifecycle: rule.lifecycle,
    subject,
    peer,
    closedUs: insight.closedUs,
    unknownSinceUs: insight.unknownSinceUs,
    blindUs: insight.blindUs,
    isFrozen: insight.isFrozen,
    wasJudgedFalse: insight.wasJudgedFalse,
    recentUs: insight.recentUs,
    isTold: insight.isTold,
    toldUs: insight.toldUs,
    reminders: insight.reminders,
    acknowledgement: insight.acknowledgement,
    updates: insight.updates,
    waiver: insight.waiver,
    waiversVersion: insight.waiversVersion,
    observers,
    silent: observers.filter((key) => silent.has(key)),
    mergedInto,
    occurrences: { ...occurrences, pool: occurrences.pool.slice(evidenceMax) },
  };
  return {
    id: insight.id,
    fingerprint: insight.fingerprint,
    episode: insight.episode,
    rule: rule.id,
    ruleVersion: rule.version,
    title: rule.title,
    severity: rule.severity,
    confidence: insight.confidence,
    state: insight.state,
    reason: insight.reason,
    message: insight.message,
    cluster: subject.cluster,
    namespace: subject.namespace,
    workload: subject.workload,
    kind: subject.kind,
    peerNamespace: peer.namespace,
    peerWorkload: peer.workload,
    peerAddress: peer.address,
    peerPort: insight.peerPort,
    firstSeenUs: insight.firstSeenUs,
    lastSeenUs: insight.lastSeenUs,
    activeUs: insight.activeUs,
    firedUs: insight.firedUs,
    resolvedUs: insight.state === "resolved" ? insight.closedUs : 0,
    keepSinceUs: insight.keepSinceUs,
    occurrences: insight.occurrences.total,
    reopenCount: insight.reopenCount,
    transitions: insight.transitions,
    flapping: insight.isFlapping,
    evidence: JSON.stringify(insight.occurrences.evidence),
    detail: JSON.stringify(detail),
  };
}

export interface RestoredInsight {
  readonly insight: Insight;
  readonly silent: readonly string[];
  readonly mergedInto: string;
}

/** `loaded` is the rule as it is now; without it the insight waits to be closed as `rule_removed`. */
export function rowToInsight(row: InsightRow, loaded: RuleMeta | undefined): RestoredInsight {
  try {
    return parseRow(row, loaded);
  } catch (cause) {
    const why = "its columns are not what this version writes";
    throw new Error(`cannot restore insight "${row.id}": ${why}`, { cause });
  }
}

function parseRow(row: InsightRow, loaded: RuleMeta | undefined): RestoredInsight {
  const detail = JSON.parse(row.detail) as Detail; // our own text, from our own database
  const evidence = JSON.parse(row.evidence) as Evidence[]; // likewise
  const pool = [...evidence, ...detail.occurrences.pool];
  const insight: Insight = {
    id: row.id,
    fingerprint: row.fingerprint,
    bornAs: detail.bornAs,
    episode: row.episode,
    rule: loaded ?? retiredRule(row, detail),
    key: detail.key,
    state: row.state as LifeState, // written from one
    reason: row.reason as CloseReason | "", // written from one
    message: row.message,
    confidence: row.confidence as Confidence, // written from one
    subject: detail.subject,
    peer: detail.peer,
    peerPort: row.peerPort,
    firstSeenUs: row.firstSeenUs,
    lastSeenUs: row.lastSeenUs,
    activeUs: row.activeUs,
    firedUs: row.firedUs,
    closedUs: detail.closedUs,
    keepSinceUs: row.keepSinceUs,
    unknownSinceUs: detail.unknownSinceUs,
    blindUs: detail.blindUs,
    isFrozen: detail.isFrozen,
    wasJudgedFalse: detail.wasJudgedFalse,
    observers: new Set(detail.observers),
    occurrences: Occurrences.restore({ ...detail.occurrences, pool }),
    reopenCount: row.reopenCount,
    transitions: row.transitions,
    recentUs: detail.recentUs,
    isFlapping: row.flapping,
    isTold: detail.isTold,
    toldUs: detail.toldUs,
    reminders: detail.reminders,
    acknowledgement: detail.acknowledgement ?? null,
    updates: detail.updates ?? 0,
    waiver: detail.waiver ?? "",
    waivedUntilUs: 0,
    waiversVersion: detail.waiversVersion ?? "",
  };
  return { insight, silent: detail.silent, mergedInto: detail.mergedInto };
}

/** What is still known of a rule that is not loaded any more. */
function retiredRule(row: InsightRow, detail: Detail): RuleMeta {
  return {
    id: row.rule,
    ruleset: detail.ruleset,
    category: detail.category,
    title: row.title,
    severity: row.severity as Severity, // written from one
    status: detail.status,
    version: row.ruleVersion,
    on: detail.on,
    lifecycle: detail.lifecycle,
    forUs: 0,
    keepFiringForUs: 0,
    description: "",
    confirm: "",
    layer: "",
    remediation: "",
    falsePositives: [],
    references: [],
    tags: detail.tags,
    needs: [],
    partly: [],
  };
}
