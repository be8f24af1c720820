/**
 * What sinks are told of an insight, and when. Told is what a person must know: that it fires, that it is
 * resolved, that nobody can tell any more. What is pending, or was and came to nothing, is told to nobody.
 *
 * A record as JSON stays below 64 KiB whatever telemetry holds: sentences are cut to 1,024 characters,
 * names to 256, and evidence is added, first without its fields and then not at all, while it fits.
 */
import { createHash } from "node:crypto";
import { evidenceMax, type Evidence } from "../model/changes.ts";
import type { CloseReason, InsightRecord, RecordPlace } from "../model/insights.ts";
import type { OutboxRow } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import type { Insight, LifeState, Place } from "./insight.ts";
import type { Step } from "./lifecycle.ts";

const sentenceMax = 1_024;
const nameMax = 256;
const tagsMax = 32;
const tagMax = 64;
const fieldsMax = 20;
/** In UTF-8. Without evidence a record has at most 50 KiB, when every character needs six bytes in JSON. */
const recordBytesMax = 60 * 1_024;

type RecordState = InsightRecord["state"];

/** One thing to tell about an insight. */
export interface Telling {
  readonly kind: InsightRecord["kind"];
  readonly state: RecordState;
  readonly previousState: LifeState;
  readonly reason: CloseReason | "";
  readonly eventUs: Us;
  readonly atUs: Us;
}

/** What a transition is told as; null = nobody is told. */
export function toldState(from: LifeState, step: Step): RecordState | null {
  switch (step.to) {
    case "firing":
    case "unknown":
      return step.to;
    case "resolved":
      // A pending one that was to be reopened has been told as resolved before.
      return from === "pending" ? null : "resolved";
    case "inactive":
      // One that proved to be part of another ends for good; one of which nobody tells any more does not.
      if (step.reason === "withdrawn") return from === "pending" ? null : "resolved";
      return from === "unknown" ? "unknown" : null;
    case "pending":
      // Its rule asks for more time since a reload: people were told too early.
      return from === "firing" ? "resolved" : null;
  }
}

/**
 * Event time of a transition: the first evidence of one that fires for the first time, what made it true
 * of one that fires again, and the last time it was true of the others.
 */
export function toldEventUs(insight: Insight, from: LifeState, eventUs: Us): Us {
  if (insight.state !== "firing") return insight.lastSeenUs;
  const isFirst = from !== "unknown" && insight.reopenCount === 0;
  return isFirst ? insight.firstSeenUs : eventUs;
}

/**
 * The insight as it is now, told. Its uid depends on nothing but its id, the number of its last
 * transition and the count of reminders or updates since, so that a retry and a restart give the same.
 */
export function makeOutboxRow(insight: Insight, telling: Telling): OutboxRow {
  const record = makeRecord(insight, telling);
  const { uid, insightId, state, atUs } = record;
  return { uid, insightId, state, atUs, record: JSON.stringify(record) };
}

function makeRecord(insight: Insight, telling: Telling): InsightRecord {
  const { rule, subject, peer } = insight;
  const record: InsightRecord = {
    uid: uidOf(insight, telling.kind),
    insightId: insight.id,
    ...telling,
    message: cut(insight.message, sentenceMax),
    rule: {
      id: cut(rule.id, nameMax),
      ruleset: cut(rule.ruleset, nameMax),
      title: cut(rule.title, nameMax),
      severity: rule.severity,
      status: rule.status,
      version: cut(rule.version, nameMax),
      description: cut(rule.description, sentenceMax),
      tags: rule.tags.slice(0, tagsMax).map((tag) => cut(tag, tagMax)),
      category: cut(rule.category, nameMax),
      reference: cut(rule.references[0] ?? "", nameMax),
    },
    confidence: insight.confidence,
    subject: toRecordPlace(subject),
    peer: toRecordPlace(peer),
    peerPort: insight.peerPort,
    firstSeenUs: insight.firstSeenUs,
    lastSeenUs: insight.lastSeenUs,
    occurrences: insight.occurrences.total,
    reopenCount: insight.reopenCount,
    flapping: insight.isFlapping,
    waiver: cut(insight.waiver, nameMax),
    acknowledgedBy: cut(insight.acknowledgement?.by ?? "", nameMax),
    evidence: [],
  };
  const room = recordBytesMax - jsonBytes(record);
  return { ...record, evidence: fitEvidence(insight.occurrences.evidence, room) };
}

function uidOf(insight: Insight, kind: Telling["kind"]): string {
  const { id, transitions, reminders, updates } = insight;
  const counts = {
    transition: "",
    reminder: ` reminder ${reminders}`,
    update: ` update ${updates}`,
  };
  const which = `${transitions}${counts[kind]}`;
  return createHash("sha256").update(`${id} ${which}`).digest("hex").slice(0, 32);
}

function toRecordPlace({ key, cluster, namespace, workload, kind, address }: Place): RecordPlace {
  return {
    cluster: cut(cluster, nameMax),
    namespace: cut(namespace, nameMax),
    workload: cut(workload, nameMax),
    kind: key.startsWith("external/") ? "external" : cut(kind, nameMax),
    address: cut(address, nameMax),
  };
}

/** As many of the first as fit in so many bytes. */
function fitEvidence(evidence: readonly Evidence[], room: number): readonly Evidence[] {
  const fitting: Evidence[] = [];
  let rest = room;
  for (const item of evidence.slice(0, evidenceMax)) {
    const whole = cutEvidence(item);
    const kept = jsonBytes(whole) <= rest ? whole : { ...whole, fields: {} };
    rest -= jsonBytes(kept) + 1;
    if (rest < 0) break;
    fitting.push(kept);
  }
  return fitting;
}

function cutEvidence(item: Evidence): Evidence {
  const fields = Object.entries(item.fields)
    .slice(0, fieldsMax)
    .map(([name, value]) => [cut(name, nameMax), cutValue(value)] as const);
  return {
    ...item,
    source: cut(item.source, nameMax),
    text: cut(item.text, sentenceMax),
    fields: Object.fromEntries(fields),
    hash: cut(item.hash, nameMax),
  };
}

/** JSON knows no infinity and no NaN. */
function cutValue(value: string | number | boolean): string | number | boolean {
  if (typeof value === "string") return cut(value, sentenceMax);
  return typeof value !== "number" || Number.isFinite(value) ? value : String(value);
}

/** In characters; a surrogate pair is kept whole or not at all. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const kept = text.slice(0, max - 1);
  const last = kept.charCodeAt(kept.length - 1);
  return `${last >= 0xd8_00 && last <= 0xdb_ff ? kept.slice(0, -1) : kept}…`;
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
