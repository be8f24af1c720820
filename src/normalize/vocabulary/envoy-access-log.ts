/**
 * Envoy's access log: lines of Istio's default text or of labels with Istio's JSON names, straight from
 * Envoy or through a file. Each line is a connection through a proxy, and one request on it.
 * The same line told twice (two loggers, a file beside OTLP) has the same `lineId`.
 */
import { createHash } from "node:crypto";
import { anyValueToJson } from "../../decode/any-value.ts";
import { ValueKind, type LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp, parseHostPort } from "../../lib/ip.ts";
import type { PodName, ProxyLeg, SourceRef } from "../../model/observations.ts";
import { AttributeSlots, valueText } from "../attributes.ts";
import { isObject, parseJsonObject, textField, type Json } from "../json.ts";
import { noPod } from "../names.ts";
import { halvesToNanos, halvesToUs, isUsableTime, parseRfc3339, type ExactTime } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";
import { isDenial, isFailure, knownFlags, noNodeId, parseNodeId } from "./envoy-names.ts";
import {
  parseUpstreamCluster,
  withoutInternalAddress,
  type UpstreamCluster,
} from "./envoy-names.ts";
import {
  accessLogFieldNames,
  accessLogFromFields,
  accessLogFromObject,
} from "./access-log-line.ts";
import { looksLikeAccessLog, maxLineLength, parseAccessLogText } from "./access-log-line.ts";
import type { AccessLogLine } from "./access-log-line.ts";

const vocabulary = "envoy-access-log";

/** Labels beside Istio's own fields, as its samples and our guides name them. */
const labelNames = [
  "pod",
  "namespace",
  "cluster",
  "workload",
  "downstream_peer_uri_san",
  "downstream_tls_version",
];

/** A variant with one of these shows whether the downstream spoke mTLS. */
const tlsNames = ["requested_server_name", "downstream_peer_uri_san", "downstream_tls_version"];

/** The resource label in which Envoy's logger puts the node id, unless Istio switched it off. */
const nodeName = "node_name";

const virtualInbound = "inbound-vip|";
/** What Envoy writes before the host that it reaches through HBONE. */
const tunnel = "envoy://connect_originate/";

const maxNameLength = 253;
const maxDurationMs = 31 * 86_400_000;
const maxServerName = 255;

type Extra = (name: string) => string;

interface ReadLine {
  readonly line: AccessLogLine;
  readonly extra: Extra;
  /** Whether this shape would show SNI, peer identity or TLS version if there were any. */
  readonly showsTls: boolean;
}

export const guides: readonly SourceGuide[] = [
  {
    id: "envoy-access-log-otlp",
    title: "Envoy's access log over OTLP",
    switchOn:
      "An `extensionProviders` entry with `envoyOtelAls` (`service` and `port` of the " +
      "collector) in `meshConfig`, and a `Telemetry` resource with " +
      "`accessLogging[].providers` that names it. Istio sends an empty resource: add " +
      '`logFormat.labels` with `pod: "%ENVIRONMENT(POD_NAME)%"` and `namespace: ' +
      '"%ENVIRONMENT(POD_NAMESPACE)%"`, and `downstream_peer_uri_san: ' +
      '"%DOWNSTREAM_PEER_URI_SAN%"` for who called with mTLS.',
    gives: ["proxy_logs"],
    cannotTell:
      "What went around the proxy, and which process opened the connection. A line is " +
      "written when the request or connection ends, so a long one is told late. Without " +
      "`downstream_peer_uri_san` or `downstream_tls_version` only a server name in the line " +
      "shows mTLS.",
    reference: "https://istio.io/latest/docs/tasks/observability/logs/otel-provider/",
  },
  {
    id: "envoy-access-log-file",
    title: "Envoy's access log from the containers' output (text or JSON)",
    switchOn:
      "`meshConfig.accessLogFile: /dev/stdout`, with `meshConfig.accessLogEncoding` `TEXT` " +
      "or `JSON` and the default `accessLogFormat`; or a `Telemetry` resource with " +
      "`accessLogging` and the provider `envoy`. Read the files of the containers " +
      "`istio-proxy` with the collector's `file_log` receiver and its `container` operator, " +
      "which names the pod.",
    gives: ["proxy_logs"],
    cannotTell:
      "As over OTLP. The default format names no identity of the caller, so of mTLS only " +
      "the server name tells, which Istio's own clients send.",
    reference: "https://istio.io/latest/docs/tasks/observability/logs/access-log/",
  },
];

export class EnvoyAccessLog implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#slots = new AttributeSlots([...accessLogFieldNames, ...labelNames], interner);
  }

  read(record: RecordAt<LogsView>): boolean {
    const { records, bytes, attributes } = record.view;
    const attrEnd = records.attrEnd[record.index] ?? 0;
    this.#slots.read(bytes, attributes, records.attrStart[record.index] ?? 0, attrEnd);
    const found = this.#line(record);
    if (found === null) return false;
    if (found === "bad_line") {
      this.#workshop.tally.dropped(vocabulary, "bad_line");
      return true;
    }
    this.#leg(record, found);
    return true;
  }

  /**
   * The line in whatever shape the record holds it; null = no access log at all. The default text comes
   * first: it is complete, while labels are those that somebody chose. Labels beside it add to it.
   */
  #line(record: RecordAt<LogsView>): ReadLine | "bad_line" | null {
    const slots = this.#slots;
    const extra: Extra = (name) => (slots.text(name) === "-" ? "" : slots.text(name));
    const { bytes, bodies, records } = record.view;
    const body = records.body[record.index] ?? -1;
    const kind = body < 0 ? ValueKind.empty : bodies.kind[body];
    const text = kind === ValueKind.string ? valueText(bytes, bodies, body, maxLineLength) : "";
    const line = looksLikeAccessLog(text) ? parseAccessLogText(text) : null;
    if (line) return { line, extra, showsTls: true };
    if (slots.has("upstream_cluster") && slots.has("downstream_remote_address")) {
      const labelled = accessLogFromFields((name) => slots.text(name));
      const showsTls = tlsNames.some((name) => slots.has(name));
      return labelled ? { line: labelled, extra, showsTls } : "bad_line";
    }
    if (kind === ValueKind.kvlist) return readFields(anyValueToJson(bytes, bodies, body));
    if (text.startsWith("{") && text.includes('"downstream_remote_address"')) {
      return readFields(parseJsonObject(text, maxLineLength)) ?? "bad_line";
    }
    return looksLikeAccessLog(text) ? "bad_line" : null;
  }

  #leg(record: RecordAt<LogsView>, { line, extra, showsTls }: ReadLine): void {
    const downstreamRemote = parseHostPort(line.downstreamRemote);
    const downstreamLocal = parseHostPort(line.downstreamLocal);
    if (downstreamRemote.ip === "" && downstreamLocal.ip === "") {
      return this.#workshop.tally.dropped(vocabulary, "missing_address");
    }
    const upstreamLocal = parseHostPort(line.upstreamLocal);
    const upstreamHost = parseHostPort(withoutInternalAddress(line.upstreamHost));
    const upstream = parseUpstreamCluster(line.upstreamCluster);
    const side = sideOf(line, upstream);
    const start = parseRfc3339(line.startTime);
    const time = timeOf(record, start);
    const own = ownAddress(line, side, downstreamLocal.ip, upstreamLocal.ip);
    const pod = this.#pod(record, extra, own);
    const source = this.#source(pod);
    const flags = knownFlags(line.responseFlags);
    const code = countOf(line.responseCode);
    const { view, index } = record;
    const leg: ProxyLeg = {
      kind: "proxy_leg",
      timeUs: time.us,
      nanos: time.nanos,
      source,
      trust: record.context.trust,
      side,
      ...(isWaypoint(record, line) ? { writer: "waypoint" } : {}),
      ...(line.upstreamHost.startsWith(tunnel) ? { tunnelled: true } : {}),
      cluster: pod.cluster,
      pod,
      lineId: lineIdOf(line, start.us || time.us),
      endUs: time.us + Math.min(countOf(line.durationMs), maxDurationMs) * 1_000,
      protocol: line.method === "" ? "tcp" : line.protocol === "" ? "http" : protocolOf(line),
      isConnection: line.method === "",
      downstreamRemoteIp: downstreamRemote.ip,
      downstreamRemotePort: downstreamRemote.port,
      downstreamLocalIp: downstreamLocal.ip,
      downstreamLocalPort: downstreamLocal.port,
      upstreamLocalIp: upstreamLocal.ip,
      upstreamLocalPort: upstreamLocal.port,
      upstreamHostIp: upstreamHost.ip,
      upstreamHostPort: upstreamHost.port,
      route: upstream.route,
      service: upstream.service.service,
      serviceNamespace: upstream.service.namespace,
      servicePort: upstream.port,
      serverName: line.serverName.slice(0, maxServerName),
      peerPrincipal: extra("downstream_peer_uri_san").slice(0, 512),
      tlsVersion: extra("downstream_tls_version").slice(0, 32),
      showsTls,
      responseCode: code,
      responseFlags: flags,
      isError: code >= 500 || (code === 0 && isFailure(flags)),
      isDenied: isDenied(line, flags),
      bytesSent: countOf(line.bytesSent),
      bytesReceived: countOf(line.bytesReceived),
      requestId: line.requestId.slice(0, 128),
      traceId: hexText(
        view.bytes,
        view.records.traceIdStart[index],
        view.records.traceIdEnd[index],
      ),
      spanId: hexText(view.bytes, view.records.spanIdStart[index], view.records.spanIdEnd[index]),
    };
    this.#workshop.batch.add(leg);
    if (source !== this.#nobody()) this.#workshop.batch.alive(source, "proxy_logs", time.us);
  }

  /**
   * Who wrote the line: its node id, else labels of line or resource, else the proxy's own address. A
   * resource with another address than the line's is the pod of an agent that carried it, not the proxy's.
   */
  #pod(record: RecordAt<LogsView>, extra: Extra, own: string): PodName {
    const { clusters } = this.#workshop;
    const { pairs } = record.resource;
    const node = parseNodeIdOnce(pairs.get(nodeName));
    const ip = canonicalIp(pairs.get("k8s.pod.ip") ?? "");
    const isCarrier = ip !== "" && own !== "" && ip !== own;
    const carried = (name: string) => (isCarrier ? "" : (pairs.get(name) ?? ""));
    const cluster = extra("cluster") || pairs.get("k8s.cluster.name") || "";
    const pod = node.pod || extra("pod") || carried("k8s.pod.name");
    const namespace = node.namespace || extra("namespace") || carried("k8s.namespace.name");
    return {
      ...noPod,
      cluster: clusters.nameOf(cluster.slice(0, maxNameLength)),
      namespace: namespace.slice(0, 63),
      pod: pod.slice(0, maxNameLength),
      podUid: carried("k8s.pod.uid").slice(0, 64),
      workload: extra("workload").slice(0, maxNameLength),
      address: node.address || own || ip,
    };
  }

  #source(pod: PodName): SourceRef {
    const { sources } = this.#workshop;
    if (pod.pod !== "") return sources.proxy(pod.cluster, pod.namespace, pod.pod);
    return pod.address === "" ? this.#nobody() : sources.proxy(pod.cluster, "", pod.address);
  }

  /** Lines of which not even the proxy's address is known prove nobody's liveness. */
  #nobody(): SourceRef {
    const { clusters, sources } = this.#workshop;
    return sources.proxy(clusters.local, "", "");
  }
}

/** A JSON or key-value body; null when it is not an access log's. */
function readFields(value: Json): ReadLine | null {
  if (!isObject(value) || !Object.hasOwn(value, "downstream_remote_address")) return null;
  const line = accessLogFromObject(value);
  const extra: Extra = (name) => {
    const text = textField(value, name, 512);
    return text === "-" ? "" : text;
  };
  const showsTls = tlsNames.some((name) => Object.hasOwn(value, name));
  return line ? { line, extra, showsTls } : null;
}

/** The record's own time is finer than the text's; a line read from a file has only the text's. */
function timeOf(record: RecordAt<LogsView>, start: ExactTime): ExactTime {
  const { records } = record.view;
  const low = records.timeLow[record.index] ?? 0;
  const high = records.timeHigh[record.index] ?? 0;
  const { receivedUs } = record.context;
  const us = halvesToUs(low, high);
  if (isUsableTime(us, receivedUs)) return { us, nanos: halvesToNanos(low, high) };
  return isUsableTime(start.us, receivedUs) ? start : { us: receivedUs, nanos: 0 };
}

/**
 * The upstream cluster tells the side. Where there is none (denied or unroutable before a cluster was
 * chosen) an SNI of Istio's own making, or the inbound listener's loopback source, tells an inbound line.
 */
function sideOf(line: AccessLogLine, upstream: UpstreamCluster): ProxyLeg["side"] {
  if (upstream.direction !== "unknown") return upstream.direction;
  const isInbound =
    line.serverName.startsWith("outbound_.") || line.upstreamLocal.startsWith("127.0.0.6:");
  return isInbound ? "inbound" : "unknown";
}

/** By its node id, or by the clusters that only a waypoint has: a service's address inside a tunnel. */
function isWaypoint(record: RecordAt<LogsView>, line: AccessLogLine): boolean {
  if (line.upstreamCluster.startsWith(virtualInbound)) return true;
  return parseNodeIdOnce(record.resource.pairs.get(nodeName)).role === "waypoint";
}

/**
 * The proxy's own address, where a line shows it for certain: what an inbound caller connected to, or what
 * an outbound connection was made from. A waypoint's callers connect to a service's virtual address.
 */
function ownAddress(
  line: AccessLogLine,
  side: ProxyLeg["side"],
  downstreamLocalIp: string,
  upstreamLocalIp: string,
): string {
  if (side === "outbound") return upstreamLocalIp;
  const isVirtual = line.upstreamCluster.startsWith(virtualInbound);
  return side === "inbound" && !isVirtual ? downstreamLocalIp : "";
}

/** What names the filter that said no; the application's own 403 is not a denial. */
const denials = /^(rbac_access_denied|ext_authz_denied|ext_authz_error|jwt_authn_access_denied)/;

/** HTTP filters write into the code's details, TCP filters into the connection's. */
function isDenied(line: AccessLogLine, flags: string): boolean {
  const { responseCodeDetails, terminationDetails } = line;
  return isDenial(flags) || denials.test(responseCodeDetails) || denials.test(terminationDetails);
}

function protocolOf(line: AccessLogLine): string {
  return line.protocol.startsWith("HTTP/") ? "http" : line.protocol.toLowerCase().slice(0, 16);
}

/** Every variant of a line carries its start (milliseconds in text), its addresses and the request id. */
function lineIdOf(line: AccessLogLine, startUs: number): string {
  const parts = [
    Math.floor(startUs / 1_000),
    line.downstreamRemote,
    line.downstreamLocal,
    line.upstreamLocal,
    line.upstreamHost,
    line.requestId,
  ];
  return createHash("sha256").update(parts.join(" ")).digest("hex").slice(0, 32);
}

/** A count in decimal digits; 0 for everything else. Doubles come from JSON through a file. */
function countOf(text: string): number {
  const value = /^\d{1,15}(\.0*)?$/.test(text) ? Number(text) : 0;
  return Math.floor(value);
}

function parseNodeIdOnce(text: string | undefined): ReturnType<typeof parseNodeId> {
  return text === undefined ? noNodeId : parseNodeId(text);
}

function hexText(bytes: Buffer, start = 0, end = 0): string {
  return bytes.toString("hex", start, Math.min(end, start + 16));
}
