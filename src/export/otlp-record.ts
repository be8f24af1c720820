/**
 * How an insight's record looks as an OTLP log record, which is an event: one name for all transitions,
 * the body a sentence for people, flat attributes for machines. Everything in a record is what the
 * outbox holds, so that a retry, also by a later process, says the same.
 */
import { ProtobufLogsSerializer } from "@opentelemetry/otlp-transformer";
import type { Evidence } from "../model/changes.ts";
import {
  attackVersion,
  type InsightRecord,
  type RecordPlace,
  type Severity,
} from "../model/insights.ts";
import { usPerSecond, usToRfc3339, type Us } from "../model/time.ts";
import {
  candidateNames,
  developmentNames,
  evidencePrefix,
  insightEventName,
  insightScopeName,
  ownNames,
  schemaUrl,
  stableNames,
} from "./attribute-names.ts";

/** Who sends. */
export interface RecordOrigin {
  /** Of this program. */
  readonly version: string;
  /** Tells engines of one cluster apart; the same over restarts where that is possible. */
  readonly instanceId: string;
  /** "" = not configured. */
  readonly cluster: string;
}

interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

type AttributeValue = string | number | boolean | readonly string[];
type Attributes = Record<string, AttributeValue>;

/** Bytes of UTF-8 of one value. A hundred records of the largest size stay below a collector's 4 MiB. */
const textMaxBytes = 1_024;
/** Of a workload's, a namespace's or a host's name; Kubernetes and DNS end at 253. */
const nameMaxBytes = 256;
const evidenceFieldsMax = 20;
const evidenceTextsMax = 5;
const tagsMax = 32;
const tagMaxBytes = 128;
const traceIdPattern = /^(?!0{32})[0-9a-f]{32}$/;
const spanIdPattern = /^(?!0{16})[0-9a-f]{16}$/;
const fieldNamePattern = /^[a-z0-9_.]{1,64}$/i;

const severityNumbers: Readonly<Record<Severity, number>> = {
  info: 9,
  low: 10,
  medium: 13,
  high: 17,
  critical: 18,
};

const nameOfKind: ReadonlyMap<string, string> = new Map([
  ["Deployment", stableNames.deploymentName],
  ["StatefulSet", stableNames.statefulSetName],
  ["DaemonSet", stableNames.daemonSetName],
  ["ReplicaSet", stableNames.replicaSetName],
  ["Job", developmentNames.jobName],
  ["CronJob", developmentNames.cronJobName],
  ["Pod", stableNames.podName],
]);

type LogRecords = Parameters<typeof ProtobufLogsSerializer.serializeRequest>[0];

/** Encodes export requests; throws when a record is not what its type says. */
export function makeRequestEncoder(
  origin: RecordOrigin,
): (records: readonly InsightRecord[]) => Uint8Array {
  // One object each: the serializer groups by identity.
  const resource = { attributes: resourceAttributes(origin), schemaUrl };
  const instrumentationScope = { name: insightScopeName, version: origin.version, schemaUrl };
  return (records) => {
    const logs = records.map((record) => ({
      resource,
      instrumentationScope,
      eventName: insightEventName,
      hrTime: usToHrTime(record.eventUs),
      hrTimeObserved: usToHrTime(record.atUs),
      severityNumber: severityNumberOf(record),
      severityText: record.rule.severity,
      body: cutText(record.message),
      attributes: recordAttributes(record, origin),
      ...spanContextOf(record.evidence),
      droppedAttributesCount: 0,
    }));
    // The serializer reads these members only; the SDK's record class has methods it never calls.
    const bytes = ProtobufLogsSerializer.serializeRequest(logs as unknown as LogRecords);
    if (bytes === undefined)
      throw new Error("cannot encode a request: the serializer gave nothing");
    return bytes;
  };
}

/** The example request in the evidence, where there is one. */
function spanContextOf(evidence: readonly Evidence[]): { spanContext?: SpanContext } {
  for (const { fields } of evidence) {
    const { trace_id: traceId, span_id: spanId } = fields;
    if (typeof traceId !== "string" || typeof spanId !== "string") continue;
    if (!traceIdPattern.test(traceId) || !spanIdPattern.test(spanId)) continue;
    return { spanContext: { traceId, spanId, traceFlags: 0 } };
  }
  return {};
}

/** What is over, accepted or cannot be judged any more is news, not an alarm. */
function severityNumberOf({ state, rule, waiver = "" }: Partial<InsightRecord>): number {
  const isAlarm = state === "firing" && waiver === "" && rule !== undefined;
  return isAlarm ? severityNumbers[rule.severity] : severityNumbers.info;
}

function resourceAttributes(origin: RecordOrigin): Attributes {
  const attributes: Attributes = {
    [stableNames.serviceName]: "mesh-insights",
    [stableNames.serviceVersion]: origin.version,
    [stableNames.serviceInstanceId]: origin.instanceId,
  };
  setText(attributes, stableNames.clusterName, origin.cluster);
  return attributes;
}

function recordAttributes(record: InsightRecord, origin: RecordOrigin): Attributes {
  const attributes: Attributes = { [developmentNames.recordUid]: record.uid };
  addRule(attributes, record);
  addLife(attributes, record);
  addSubject(attributes, record.subject, origin);
  addPeer(attributes, record);
  addProcess(attributes, record.evidence);
  addEvidence(attributes, record.evidence);
  return attributes;
}

function addRule(into: Attributes, { rule }: InsightRecord): void {
  into[developmentNames.ruleUuid] = rule.id;
  into[ownNames.ruleStatus] = rule.status;
  setText(into, developmentNames.ruleName, rule.title);
  setText(into, developmentNames.ruleCategory, rule.category);
  setText(into, developmentNames.ruleDescription, rule.description);
  setText(into, developmentNames.rulesetName, rule.ruleset);
  setText(into, developmentNames.ruleVersion, rule.version);
  setText(into, developmentNames.ruleReference, rule.reference);
}

function addLife(into: Attributes, record: InsightRecord): void {
  into[ownNames.insightId] = record.insightId;
  into[ownNames.insightKind] = record.kind;
  into[ownNames.insightState] = record.state;
  into[ownNames.insightPreviousState] = record.previousState;
  setText(into, ownNames.insightReason, record.reason);
  into[ownNames.insightSeverity] = record.rule.severity;
  into[ownNames.insightConfidence] = record.confidence;
  into[ownNames.insightFirstSeen] = usToRfc3339(record.firstSeenUs);
  into[ownNames.insightLastSeen] = usToRfc3339(record.lastSeenUs);
  into[ownNames.insightOccurrences] = record.occurrences;
  into[ownNames.insightReopenCount] = record.reopenCount;
  into[ownNames.insightFlapping] = record.flapping;
  // What waited in the outbox while this version was installed says nothing about it.
  const { acknowledgedBy = "", waiver = "" } = record as Partial<InsightRecord>;
  into[ownNames.insightAcknowledged] = acknowledgedBy !== "";
  setName(into, ownNames.insightAcknowledgedBy, acknowledgedBy);
  setName(into, ownNames.insightWaiverId, waiver);
  const tags = record.rule.tags.slice(0, tagsMax).map((tag) => cutText(tag, tagMaxBytes));
  if (tags.length > 0) into[ownNames.insightTags] = tags;
  const techniques = tags.flatMap((tag) => {
    const [, id] = /^attack\.(t\d{4}(?:\.\d{3})?)$/i.exec(tag) ?? [];
    return id === undefined ? [] : [id.toUpperCase()];
  });
  if (techniques.length === 0) return;
  into[ownNames.insightTechniqueIds] = techniques;
  into[ownNames.insightAttackVersion] = attackVersion;
}

/** The affected workload. Its cluster is the sender's unless the record says otherwise. */
function addSubject(into: Attributes, subject: RecordPlace, origin: RecordOrigin): void {
  if (subject.cluster !== origin.cluster) {
    setName(into, stableNames.clusterName, subject.cluster);
  }
  setName(into, stableNames.namespaceName, subject.namespace);
  setName(into, stableNames.serviceName, subject.workload);
  const name = nameOfKind.get(subject.kind);
  if (name !== undefined) setName(into, name, subject.workload);
}

/** Only a peer that was called has a port (`RuleMatch.peerPort`): one without is the caller. */
function addPeer(into: Attributes, { peer, peerPort }: InsightRecord): void {
  setName(into, developmentNames.peerName, peer.workload);
  setName(into, developmentNames.peerNamespace, peer.namespace);
  if (peerPort > 0) {
    setName(into, developmentNames.destinationAddress, peer.address);
    into[developmentNames.destinationPort] = peerPort;
  } else {
    setName(into, developmentNames.sourceAddress, peer.address);
  }
}

/**
 * Of the first process in the evidence, all from that one. The pod of a proxy's line can be the peer's;
 * that of a process is the affected one.
 */
function addProcess(into: Attributes, evidence: readonly Evidence[]): void {
  const fields = evidence.find((item) => "pid" in item.fields)?.fields;
  if (fields === undefined) return;
  const { exe, pid, uid, euid, pod, container } = fields;
  if (typeof pid === "number" && pid > 0) into[candidateNames.processPid] = pid;
  if (typeof exe === "string") setText(into, candidateNames.processExecutablePath, exe);
  const effective = [euid, uid].find((id) => typeof id === "number" && id >= 0);
  if (effective !== undefined) into[candidateNames.processUserId] = effective;
  if (typeof pod === "string") setName(into, stableNames.podName, pod);
  if (typeof container === "string") setName(into, stableNames.containerName, container);
}

/** The first value of each field that says something, in the order of the evidence. */
function addEvidence(into: Attributes, evidence: readonly Evidence[]): void {
  const texts = evidence.slice(0, evidenceTextsMax).map((item) => cutText(item.text));
  if (texts.length > 0) into[ownNames.evidenceTexts] = texts;
  const values = new Map<string, string | number | boolean>();
  for (const { fields } of evidence) {
    for (const [name, value] of Object.entries(fields)) {
      if (values.size >= evidenceFieldsMax) break;
      if (value === "" || values.has(name) || !fieldNamePattern.test(name)) continue;
      values.set(name, value);
    }
  }
  for (const [field, value] of values) {
    const name = `${evidencePrefix}${field}`;
    if (name === ownNames.evidenceTexts) continue; // a field of that name would hide the texts
    into[name] = typeof value === "string" ? cutText(value) : value;
  }
}

/** An absent attribute says more clearly than an empty one that nothing is known. */
function setText(into: Attributes, name: string, text: string, maxBytes = textMaxBytes): void {
  if (text !== "") into[name] = cutText(text, maxBytes);
}

function setName(into: Attributes, name: string, text: string): void {
  setText(into, name, text, nameMaxBytes);
}

/**
 * At most so many bytes of well-formed UTF-8: half a surrogate pair makes a strict sink refuse the whole
 * request.
 */
function cutText(text: string, maxBytes = textMaxBytes): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return bytes.toString();
  let end = maxBytes - Buffer.byteLength("…");
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not inside a character
  return `${bytes.toString("utf8", 0, end)}…`;
}

function usToHrTime(us: Us): [number, number] {
  const seconds = Math.floor(us / usPerSecond);
  return [seconds, (us - seconds * usPerSecond) * 1_000];
}
