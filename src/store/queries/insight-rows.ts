/**
 * Committed insights as the API shows them. `detail` and `evidence` are JSON of the insights stage; what
 * is missing in an older row reads as its zero value, so that one odd row never breaks a list.
 */
import type { ApiInsight, ApiTransition } from "../../model/api.ts";
import type { Evidence } from "../../model/changes.ts";
import type { Acknowledgement } from "../../model/insights.ts";
import type { InsightEventRow, InsightRow } from "../../model/rows.ts";
import { usToRfc3339 } from "../../model/time.ts";
import type { Us } from "../../model/time.ts";

/** The columns of `InsightRow` that the API needs, named as its fields. */
export const insightColumns = `
  id, rule, title, severity, confidence, state, reason, message, cluster, namespace, workload, kind,
  peer_namespace AS peerNamespace,
  peer_workload AS peerWorkload,
  peer_address AS peerAddress,
  peer_port AS peerPort,
  first_seen_us AS firstSeenUs,
  last_seen_us AS lastSeenUs,
  fired_us AS firedUs,
  resolved_us AS resolvedUs,
  occurrences, flapping, evidence, detail,
  episode,
  reopen_count AS reopenCount`;

export type StoredInsight = Omit<InsightRow, "flapping"> & { readonly flapping: number };

export function insightToApi(row: StoredInsight): ApiInsight {
  const detail = parseDetail(row.detail);
  return {
    id: row.id,
    rule: row.rule,
    title: row.title,
    severity: row.severity,
    confidence: row.confidence,
    state: row.state,
    reason: row.reason,
    message: row.message,
    cluster: row.cluster,
    namespace: row.namespace,
    workload: row.workload,
    kind: row.kind,
    peer: {
      namespace: row.peerNamespace,
      workload: row.peerWorkload,
      address: row.peerAddress,
      port: row.peerPort,
    },
    first_seen: usToRfc3339(row.firstSeenUs),
    last_seen: usToRfc3339(row.lastSeenUs),
    fired_at: timeOrNull(row.firedUs),
    resolved_at: timeOrNull(row.resolvedUs),
    occurrences: row.occurrences,
    acknowledged: isObject(detail["acknowledgement"]),
    acknowledgement: acknowledgementToApi(detail["acknowledgement"]),
    waiver: typeof detail["waiver"] === "string" ? detail["waiver"] : "",
    flapping: row.flapping === 1,
    evidence: parseEvidence(row.evidence).map((item) => ({
      at: usToRfc3339(item.atUs, item.nanos),
      vantage: item.vantage,
      source: item.source,
      text: item.text,
      fields: { ...item.fields },
    })),
    tags: Array.isArray(detail["tags"]) ? detail["tags"].map(String) : [],
    key: Array.isArray(detail["key"]) ? detail["key"].map(String) : [],
    url: `/api/v1/insights/${encodeURIComponent(row.id)}`,
  };
}

export function transitionToApi(row: InsightEventRow): ApiTransition {
  return {
    at: usToRfc3339(row.atUs),
    from: row.fromState,
    to: row.toState,
    reason: row.reason,
    message: row.message,
  };
}

function acknowledgementToApi(value: unknown): ApiInsight["acknowledgement"] {
  if (!isObject(value)) return null;
  const { by = "", atUs = 0, untilUs = 0, note = "" } = value as Partial<Acknowledgement>; // ours
  return { by, at: usToRfc3339(atUs), until: timeOrNull(untilUs), note };
}

/** A `detail` column; an empty object if it is none. */
export function parseDetail(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  return isObject(value) ? value : {};
}

/** JSON objects have string keys. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseEvidence(text: string): readonly Evidence[] {
  const value = parseJson(text);
  return Array.isArray(value) ? (value as Evidence[]) : []; // written by the insights stage alone
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function timeOrNull(us: Us): string | null {
  return us === 0 ? null : usToRfc3339(us);
}
