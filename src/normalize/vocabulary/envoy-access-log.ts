/**
 * Envoy's access log: Istio's default text, Istio's JSON, or labels that an operator chose, straight from
 * Envoy or through a file. Each line is a connection through a proxy, and one request on it.
 * The same line told twice (two loggers, a file beside OTLP) has the same `lineId`.
 */
import { hash } from "node:crypto";
import { anyValueToJson } from "../../decode/any-value.ts";
import { ValueKind, type LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { parseHostPort, type HostPort } from "../../lib/ip.ts";
import type { ProxyLeg } from "../../model/observations.ts";
import { AttributeSlots, valueText } from "../attributes.ts";
import { field, parseJsonObject } from "../json.ts";
import type { DropReason } from "../tally.ts";
import { halvesToNanos, halvesToUs, isUsableTime, parseRfc3339, type ExactTime } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";
import {
  accessLogFromFields,
  accessLogNames,
  isAccessLog,
  known,
  mayBeAccessLogJson,
  namedTextsOf,
  type AccessLogLine,
  type NamedTexts,
} from "./access-log-line.ts";
import { looksLikeAccessLog, maxLineLength, parseAccessLogText } from "./access-log-text.ts";
import { LineWriters } from "./access-log-writer.ts";
import {
  isDenial,
  isFailure,
  knownFlags,
  parseUpstreamCluster,
  withoutInternalAddress,
  type UpstreamCluster,
} from "./envoy-names.ts";
import { bareLine, fileNames, isProxyFile, LogFiles } from "./log-carrier.ts";

const vocabulary = "envoy-access-log";

const virtualInbound = "inbound-vip|";
/** What Envoy writes before the host that it reaches through HBONE; `inner_` within another one. */
const tunnels = ["envoy://connect_originate/", "envoy://inner_connect_originate/"] as const;

const maxDurationMs = 31 * 86_400_000;
const maxServerName = 255;
/** Names of upstream clusters that are kept read; a mesh has some thousands. */
const maxClusters = 8_192;

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
      '"%DOWNSTREAM_PEER_URI_SAN%"` for who called with mTLS. Keep the default ' +
      "`logFormat.text`; or choose labels for its operators as well, named as they are " +
      "(`downstream_remote_address`, `UPSTREAM_HOST`, `upstreamLocalAddress`): at least the two " +
      "downstream addresses and the upstream's cluster, host and local address.",
    gives: ["proxy_logs"],
    cannotTell:
      "What went around the proxy, and which process opened the connection. A line is " +
      "written when the request or connection ends, so a long one is told late. Without " +
      "`downstream_peer_uri_san` or `downstream_tls_version` only a server name in the line " +
      "shows mTLS. Behind an ingress the downstream remote address is what `X-Forwarded-For` " +
      "says, and no caller's: `%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%` shows the socket's. Labels " +
      "under other names are not guessed.",
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
      "As over OTLP. Lines of other containers are not believed, since any application can " +
      "print one. The default format names no identity of the caller, so of mTLS only " +
      "the server name tells, which Istio's own clients send.",
    reference: "https://istio.io/latest/docs/tasks/observability/logs/access-log/",
  },
];

interface ReadLine {
  readonly line: AccessLogLine;
  /** Labels beside the line, or the line's own fields. */
  readonly named: NamedTexts;
}

export class EnvoyAccessLog implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;
  readonly #writers: LineWriters;
  readonly #files = new LogFiles();
  /** The attributes of the record at hand. */
  readonly #labels: NamedTexts;
  readonly #clusters = new Map<string, UpstreamCluster>();

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    const slots = new AttributeSlots(
      [...accessLogNames.keys(), ...fileNames],
      interner,
      accessLogNames,
    );
    this.#slots = slots;
    this.#writers = new LineWriters(workshop);
    this.#labels = { has: (name) => slots.has(name), text: (name) => slots.text(name, 512) };
  }

  read(record: RecordAt<LogsView>): boolean {
    const { records, bytes, attributes } = record.view;
    const attrEnd = records.attrEnd[record.index] ?? 0;
    this.#slots.read(bytes, attributes, records.attrStart[record.index] ?? 0, attrEnd);
    const found = this.#line(record);
    if (found === null) return false;
    if (typeof found === "string") this.#workshop.tally.dropped(vocabulary, found);
    else this.#leg(record, found);
    return true;
  }

  /**
   * The line in whatever shape the record holds it; null = no access log at all. The default text comes
   * first: it is complete, while labels are those that somebody chose. Labels beside it add to it.
   */
  #line(record: RecordAt<LogsView>): ReadLine | DropReason | null {
    const { bytes, bodies, records } = record.view;
    const body = records.body[record.index] ?? -1;
    const kind = body < 0 ? ValueKind.empty : bodies.kind[body];
    const first = kind === ValueKind.string ? (bytes[bodies.start[body] ?? 0] ?? 0) : 0;
    if (first === openBracket) {
      const found = this.#text(valueText(bytes, bodies, body, maxLineLength), false);
      if (found !== null && found !== "bad_line") return found;
      return this.#labelled() ?? found;
    }
    const labelled = this.#labelled();
    if (labelled !== null) return labelled;
    if (kind === ValueKind.kvlist) {
      const found = holdsLine(bytes, bodies.start[body] ?? 0, bodies.end[body] ?? 0);
      return found ? this.#object(anyValueToJson(bytes, bodies, body)) : null;
    }
    if (first !== openBrace && !isDigit(first)) return null;
    const { text, isPart } = bareLine(valueText(bytes, bodies, body, maxLineLength));
    return text.startsWith("{") ? this.#json(text, isPart) : this.#text(text, isPart);
  }

  #text(text: string, isPart: boolean): ReadLine | DropReason | null {
    if (!looksLikeAccessLog(text)) return null;
    if (isPart) return "too_long";
    const line = parseAccessLogText(text);
    return line === null ? "bad_line" : { line, named: this.#labels };
  }

  #labelled(): ReadLine | DropReason | null {
    return isAccessLog(this.#labels) ? fromFields(this.#labels) : null;
  }

  #json(text: string, isPart: boolean): ReadLine | DropReason | null {
    if (!mayBeAccessLogJson(text)) return null;
    if (isPart) return "too_long";
    return this.#object(parseJsonObject(text, maxLineLength)) ?? "bad_line";
  }

  /** A parsed line, or a parsed wrapper of Docker's or a log shipper's around a line. */
  #object(value: unknown): ReadLine | DropReason | null {
    const named = namedTextsOf(value);
    if (named === null) return null;
    if (isAccessLog(named)) return fromFields(named);
    const log = field(value, "log");
    if (typeof log !== "string") return null;
    const text = log.slice(0, maxLineLength);
    if (!text.startsWith("{")) return this.#text(text, false);
    if (!mayBeAccessLogJson(text)) return null;
    const inner = namedTextsOf(parseJsonObject(text, maxLineLength));
    return inner !== null && isAccessLog(inner) ? fromFields(inner) : "bad_line";
  }

  #leg(record: RecordAt<LogsView>, { line, named }: ReadLine): void {
    const { batch, tally } = this.#workshop;
    const downstreamRemote = peerOf(line.downstreamRemote);
    const downstreamLocal = parseHostPort(line.downstreamLocal);
    if (downstreamRemote.ip === "" && downstreamLocal.ip === "") {
      return tally.dropped(vocabulary, "missing_address");
    }
    const file = this.#files.of(record.resource, this.#slots);
    if (file !== null && !isProxyFile(file)) return tally.dropped(vocabulary, "not_a_proxy");
    const upstreamLocal = parseHostPort(line.upstreamLocal);
    const upstreamHost = parseHostPort(withoutInternalAddress(line.upstreamHost));
    const upstream = this.#upstream(line.upstreamCluster);
    const isVirtual = line.upstreamCluster.startsWith(virtualInbound);
    const home = this.#writers.home(record.resource, named);
    const side = sideOf(line, upstream, home.address, downstreamRemote.ip, downstreamLocal.ip);
    // An inbound caller connected to it, or an outbound connection was made from it. A waypoint's
    // callers connect to a service's virtual address.
    const inboundIp = side === "inbound" && !isVirtual ? downstreamLocal.ip : "";
    const own = side === "outbound" ? upstreamLocal.ip : inboundIp;
    const { pod, source, isNobody } = this.#writers.of(home, named, file, own);
    const start = parseRfc3339(line.startTime);
    const time = timeOf(record, start);
    const flags = knownFlags(line.responseFlags);
    const code = countOf(line.responseCode);
    const span = this.#spanOf(record, line, named);
    const leg: ProxyLeg = {
      kind: "proxy_leg",
      timeUs: time.us,
      nanos: time.nanos,
      source,
      trust: line.isForgeable ? "claimed" : record.context.trust,
      side,
      cluster: pod.cluster,
      pod,
      lineId: lineIdOf(line, start.us || time.us),
      endUs: time.us + Math.min(countOf(line.durationMs), maxDurationMs) * 1_000,
      protocol: line.method === "" ? "tcp" : protocolOf(line),
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
      peerPrincipal: known(named.text("downstream_peer_uri_san")),
      tlsVersion: known(named.text("downstream_tls_version")).slice(0, 32),
      showsTls: line.showsTls,
      responseCode: code,
      responseFlags: flags,
      isError: code >= 500 || (code === 0 && isFailure(flags)),
      isDenied: isDenied(line, flags),
      bytesSent: countOf(line.bytesSent),
      bytesReceived: countOf(line.bytesReceived),
      requestId: line.requestId.slice(0, 128),
      traceId: span.traceId,
      spanId: span.spanId,
    };
    batch.add(withRarities(leg, isVirtual || home.role === "waypoint", line.upstreamHost));
    if (!isNobody && !line.isForgeable) batch.alive(source, "proxy_logs", time.us);
  }

  /** The record's own ids, else those that an operator had written into the line. */
  #spanOf(record: RecordAt<LogsView>, line: AccessLogLine, named: NamedTexts): SpanIds {
    const { bytes, records } = record.view;
    const { index } = record;
    const traceId = hexText(bytes, records.traceIdStart[index], records.traceIdEnd[index]);
    if (traceId !== "") {
      const spanId = hexText(bytes, records.spanIdStart[index], records.spanIdEnd[index]);
      return { traceId, spanId };
    }
    if (line.traceparent !== "") return fromTraceparent(line.traceparent);
    if (!named.has("trace_id")) return noSpan;
    const told = known(named.text("trace_id")).toLowerCase();
    const spanId = hexOf(known(named.text("span_id")).toLowerCase(), 16);
    // B3 allows ids of 64 bits.
    return { traceId: hexOf(told.length === 16 ? told.padStart(32, "0") : told, 32), spanId };
  }

  /** Read once per name. */
  #upstream(name: string): UpstreamCluster {
    const kept = this.#clusters.get(name);
    if (kept) return kept;
    const upstream = parseUpstreamCluster(name);
    if (this.#clusters.size >= maxClusters) this.#clusters.clear();
    if (name.length <= 512) this.#clusters.set(flatCopy(name), upstream);
    return upstream;
  }
}

const openBracket = 0x5b;
const openBrace = 0x7b;

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Opening a body costs more than a look whether it has the keys: objects of Kubernetes are large. */
function holdsLine(bytes: Buffer, start: number, end: number): boolean {
  const body = bytes.subarray(start, end);
  return body.includes("emote") || body.includes("REMOTE") || body.includes("\n\u0003log");
}

function fromFields(named: NamedTexts): ReadLine | DropReason {
  const line = accessLogFromFields(named);
  return line === null ? "bad_line" : { line, named };
}

/** A text that does not hold on to the line it was cut from. */
function flatCopy(text: string): string {
  return Buffer.from(text).toString();
}

/** Where there is no port, the address is what a header or PROXY line says, and no socket's. */
function peerOf(text: string): HostPort {
  const peer = parseHostPort(text);
  return peer.port === 0 ? nobody : peer;
}

const nobody: HostPort = { ip: "", port: 0 };

/**
 * When the request began. The record's own time is finer than the text's where both tell of the same
 * millisecond; else it is when the line was written, or read from a file.
 */
function timeOf(record: RecordAt<LogsView>, start: ExactTime): ExactTime {
  const { records } = record.view;
  const low = records.timeLow[record.index] ?? 0;
  const high = records.timeHigh[record.index] ?? 0;
  const { receivedUs } = record.context;
  const us = halvesToUs(low, high);
  const isStart = isUsableTime(start.us, receivedUs);
  if (isUsableTime(us, receivedUs) && (!isStart || Math.abs(us - start.us) < 1_000)) {
    return { us, nanos: halvesToNanos(low, high) };
  }
  return isStart ? start : { us: receivedUs, nanos: 0 };
}

/**
 * The upstream cluster tells the side. Where there is none (denied or unroutable before a cluster was
 * chosen) an SNI of Istio's own making, the inbound listener's loopback source, or which end is the
 * proxy's own tells it.
 */
function sideOf(
  line: AccessLogLine,
  upstream: UpstreamCluster,
  ownIp: string,
  remoteIp: string,
  localIp: string,
): ProxyLeg["side"] {
  if (upstream.direction !== "unknown") return upstream.direction;
  if (line.serverName.startsWith("outbound_.") || line.upstreamLocal.startsWith("127.0.0.6:")) {
    return "inbound";
  }
  if (line.upstreamCluster !== "" || ownIp === "" || remoteIp === localIp) return "unknown";
  if (ownIp === localIp) return "inbound";
  return ownIp === remoteIp ? "outbound" : "unknown";
}

/** What few lines say; a literal that may lack parts would cost every line a quarter of its time. */
function withRarities(leg: ProxyLeg, isWaypoint: boolean, upstreamHost: string): ProxyLeg {
  const isTunnelled =
    upstreamHost.startsWith("envoy://") && tunnels.some((head) => upstreamHost.startsWith(head));
  if (!isWaypoint && !isTunnelled) return leg;
  return {
    ...leg,
    ...(isWaypoint ? { writer: "waypoint" } : {}),
    ...(isTunnelled ? { tunnelled: true } : {}),
  };
}

/** What names the filter that said no; the application's own 403 is not a denial. */
const denials = [
  "rbac_access_denied",
  "ext_authz_denied",
  "ext_authz_error",
  "jwt_authn_access_denied",
] as const;

/** HTTP filters write into the code's details, TCP filters into the connection's. */
function isDenied(line: AccessLogLine, flags: string): boolean {
  const { responseCodeDetails, terminationDetails } = line;
  return (
    isDenial(flags) ||
    denials.some(
      (head) => responseCodeDetails.startsWith(head) || terminationDetails.startsWith(head),
    )
  );
}

function protocolOf({ protocol }: AccessLogLine): string {
  if (protocol === "" || protocol.startsWith("HTTP/")) return "http";
  return protocol.toLowerCase().slice(0, 16);
}

/** Every variant of a line carries its start (milliseconds in text), its addresses and the request id. */
function lineIdOf(line: AccessLogLine, startUs: number): string {
  const { downstreamRemote, downstreamLocal, upstreamLocal, upstreamHost, requestId } = line;
  const ends = `${downstreamRemote} ${downstreamLocal} ${upstreamLocal} ${upstreamHost}`;
  const text = `${Math.floor(startUs / 1_000)} ${ends} ${requestId}`;
  return hash("sha256", text, "hex").slice(0, 32);
}

/** A count in decimal digits, with or without a fraction of zeros; 0 for everything else. */
function countOf(text: string): number {
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit === -2 && at > 0) return isAllZeros(text, at + 1) ? value : 0;
    if (digit < 0 || digit > 9 || at >= 15) return 0;
    value = value * 10 + digit;
  }
  return value;
}

function isAllZeros(text: string, start: number): boolean {
  for (let at = start; at < text.length; at++) if (text[at] !== "0") return false;
  return true;
}

interface SpanIds {
  readonly traceId: string;
  readonly spanId: string;
}

const noSpan: SpanIds = { traceId: "", spanId: "" };

/** `00-<32 hex>-<16 hex>-01` of W3C Trace Context. */
function fromTraceparent(text: string): SpanIds {
  const [version, traceId = "", spanId = ""] = text.slice(0, 64).split("-");
  if (version !== "00" || hexOf(traceId, 32) === "" || hexOf(spanId, 16) === "") return noSpan;
  return { traceId, spanId };
}

/** Hexadecimal digits of that number, not all 0; else "". */
function hexOf(text: string, length: number): string {
  return text.length === length && /^[\da-f]+$/.test(text) && !/^0+$/.test(text) ? text : "";
}

function hexText(bytes: Buffer, start = 0, end = 0): string {
  return end <= start ? "" : bytes.toString("hex", start, Math.min(end, start + 16));
}
