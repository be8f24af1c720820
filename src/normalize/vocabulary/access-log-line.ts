/**
 * One access-log line in parts, from any of the shapes it arrives in. The default text stands in
 * `access-log-text.ts`; this file reads named fields: attributes, a key-value list, JSON text. Absent
 * parts, `-` and null read as "".
 *
 * Whoever switches the log on chooses the names. Known are those of Istio's JSON format and of Envoy's
 * command operators, in the usual spellings (`upstream_host`, `UPSTREAM_HOST`, `upstreamHost`,
 * `upstream-host`). No other name is guessed from what its values look like.
 */
import { isObject, textOf, type Json } from "../json.ts";

export interface AccessLogLine {
  readonly startTime: string;
  readonly method: string;
  readonly protocol: string;
  readonly responseCode: string;
  readonly responseFlags: string;
  readonly responseCodeDetails: string;
  readonly terminationDetails: string;
  readonly bytesReceived: string;
  readonly bytesSent: string;
  readonly durationMs: string;
  readonly requestId: string;
  readonly upstreamHost: string;
  readonly upstreamCluster: string;
  readonly upstreamLocal: string;
  readonly downstreamLocal: string;
  readonly downstreamRemote: string;
  readonly serverName: string;
  readonly traceparent: string;
  /** Whether this shape would show SNI, peer identity or TLS version if there were any. */
  readonly showsTls: boolean;
  /** A caller's words may have been taken for the proxy's. */
  readonly isForgeable: boolean;
}

/**
 * Our names of fields, each with the operators that say the same, best first. What the socket's own peer
 * was is better than what a header says of it; a retry's host is that of its last attempt in both.
 */
const operators = {
  start_time: ["start_time"],
  method: ["method"],
  protocol: ["protocol"],
  response_code: ["response_code"],
  response_flags: ["response_flags"],
  response_code_details: ["response_code_details"],
  connection_termination_details: ["connection_termination_details"],
  bytes_received: ["bytes_received"],
  bytes_sent: ["bytes_sent"],
  duration: ["duration"],
  request_id: ["request_id", "x_request_id"],
  upstream_host: ["upstream_host", "upstream_remote_address"],
  upstream_cluster: ["upstream_cluster", "upstream_cluster_raw"],
  upstream_local_address: ["upstream_local_address"],
  downstream_local_address: ["downstream_local_address", "downstream_direct_local_address"],
  downstream_remote_address: ["downstream_direct_remote_address", "downstream_remote_address"],
  requested_server_name: ["requested_server_name"],
  downstream_peer_uri_san: ["downstream_peer_uri_san"],
  downstream_tls_version: ["downstream_tls_version"],
  traceparent: ["traceparent"],
  trace_id: ["trace_id", "x_b3_traceid"],
  span_id: ["span_id", "x_b3_spanid"],
  // Who wrote the line, as Istio's samples and our guides name it.
  node_id: ["node_id"],
  pod: ["pod", "pod_name", "k8s.pod.name"],
  namespace: ["namespace", "pod_namespace", "k8s.namespace.name"],
  cluster: ["cluster", "istio_meta_cluster_id", "k8s.cluster.name"],
  workload: ["workload", "istio_meta_workload_name"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type AccessLogField = keyof typeof operators;

/** Every field with all names it may have, best first. */
export const accessLogNames: ReadonlyMap<AccessLogField, readonly string[]> = new Map(
  Object.entries(operators).map(([field, names]) => [
    field as AccessLogField, // the keys of `operators`
    names.flatMap(spellings),
  ]),
);

function spellings(name: string): string[] {
  const camel = name.replace(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
  return [...new Set([name, name.toUpperCase(), camel, name.replaceAll("_", "-")])];
}

/** A variant with one of these shows whether the downstream spoke mTLS. */
const tlsFields: readonly AccessLogField[] = [
  "requested_server_name",
  "downstream_peer_uri_san",
  "downstream_tls_version",
];

/** Named texts of one record. */
export interface NamedTexts {
  /** Whether the field is there at all, be it empty. */
  has(field: AccessLogField): boolean;
  /** "" = absent. */
  text(field: AccessLogField): string;
}

/** Whether these are an access log's names, and no other program's. */
export function isAccessLog(named: NamedTexts): boolean {
  return (
    named.has("downstream_remote_address") &&
    (named.has("upstream_cluster") ||
      named.has("upstream_host") ||
      named.has("downstream_local_address"))
  );
}

/** A line from named fields; null when it does not hold both of a connection's inner ends. */
export function accessLogFromFields(named: NamedTexts): AccessLogLine | null {
  const field = (name: AccessLogField): string => known(named.text(name));
  const downstreamRemote = field("downstream_remote_address");
  const downstreamLocal = field("downstream_local_address");
  if (downstreamRemote === "" || downstreamLocal === "") return null;
  return {
    startTime: field("start_time"),
    method: field("method"),
    protocol: field("protocol"),
    responseCode: field("response_code"),
    responseFlags: field("response_flags"),
    responseCodeDetails: field("response_code_details"),
    terminationDetails: field("connection_termination_details"),
    bytesReceived: field("bytes_received"),
    bytesSent: field("bytes_sent"),
    durationMs: field("duration"),
    requestId: field("request_id"),
    upstreamHost: field("upstream_host"),
    upstreamCluster: field("upstream_cluster"),
    upstreamLocal: field("upstream_local_address"),
    downstreamLocal,
    downstreamRemote,
    serverName: field("requested_server_name"),
    traceparent: field("traceparent"),
    showsTls: tlsFields.some((name) => named.has(name)),
    isForgeable: false,
  };
}

const slotOf: ReadonlyMap<AccessLogField, number> = new Map(
  [...accessLogNames.keys()].map((field, slot) => [field, slot]),
);

/** Where a key's value belongs, and how good the key is for it: 0 = best. */
const placeOfKey: ReadonlyMap<string, { readonly slot: number; readonly rank: number }> = new Map(
  [...accessLogNames.values()].flatMap((names, slot) =>
    names.map((name, rank) => [name, { slot, rank }] as const),
  ),
);

/** A decoded object is looked through so far. */
const maxKeys = 1_024;
const maxFieldLength = 512;

/** The named fields of a decoded body; null when it is no object. */
export function namedTextsOf(value: Json): NamedTexts | null {
  if (!isObject(value)) return null;
  const values: Json[] = [];
  const ranks = new Uint8Array(slotOf.size).fill(absent);
  let keys = 0;
  for (const key of Object.keys(value)) {
    if (++keys > maxKeys) break;
    const place = placeOfKey.get(key);
    if (!place || place.rank >= (ranks[place.slot] ?? 0)) continue;
    ranks[place.slot] = place.rank;
    values[place.slot] = value[key];
  }
  return {
    has: (field) => (ranks[slotOf.get(field) ?? -1] ?? absent) !== absent,
    text: (field) => textOf(values[slotOf.get(field) ?? -1], maxFieldLength),
  };
}

/** Worse than any rank. */
const absent = 255;

/** Whether JSON text may be an access log's object. */
export function mayBeAccessLogJson(text: string): boolean {
  if (!text.includes("ownstream") && !text.includes("DOWNSTREAM")) return false;
  return /downstream[_-]?(?:direct[_-]?)?remote[_-]?address/i.test(text);
}

export function known(text: string | undefined): string {
  return text === undefined || text === "-" ? "" : text;
}
