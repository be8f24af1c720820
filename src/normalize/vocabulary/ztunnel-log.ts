/**
 * ztunnel's access log: one line per connection of an ambient pod, written by its node's ztunnel when the
 * connection ends. Inbound lines know whether the caller spoke mutual TLS: only then they name its
 * identity. Identities of an outbound line show HBONE; without them the far end tells.
 *
 * Not read: lines of opened connections (the same ones end later), and HTTP lines of other builds.
 */
import { hash } from "node:crypto";
import { anyValueToJson } from "../../decode/any-value.ts";
import { ValueKind, type AnyValues, type LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { ipScope, parseHostPort, type HostPort } from "../../lib/ip.ts";
import type { PodName, ProxyLeg, Security, SourceRef } from "../../model/observations.ts";
import { AttributeSlots, valueText } from "../attributes.ts";
import { field, parseJsonObject, portOf, textField } from "../json.ts";
import { hostToService, maxNameLength } from "../names.ts";
import type { DropReason } from "../tally.ts";
import { halvesToNanos, halvesToUs, isUsableTime, parseRfc3339, type ExactTime } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";
import { bareLine, isDockerStart, fileNames, isProxyFile, LogFiles } from "./log-carrier.ts";
import {
  maxZtunnelLine,
  mayBeZtunnelJson,
  otherScopes,
  parseZtunnelText,
  readZtunnelHead,
  ztunnelFields,
  ztunnelFromFields,
  ztunnelFromObject,
  ztunnelHeadNames,
  type ZtunnelLine,
} from "./ztunnel-log-line.ts";

const vocabulary = "ztunnel-log";

/** What the two ends of a connection are called in a line. */
type End = "src" | "dst";

const hbonePort = 15_008;
const headLength = 160;
const maxDurationMs = 31 * 86_400_000;

export const guides: readonly SourceGuide[] = [
  {
    id: "ztunnel-log",
    title: "ztunnel's access log (ambient)",
    switchOn:
      "Nothing in Istio: ztunnel writes a line per connection at level `info` (the chart's " +
      "`logLevel`, `RUST_LOG`), as text or as JSON (`logAsJson`, `LOG_FORMAT=json`). Read " +
      "the files of the pods `ztunnel` with the collector's `file_log` receiver.",
    gives: ["proxy_logs"],
    cannotTell:
      "Requests inside a connection, and what never reached ztunnel. A connection is told " +
      "when it ends. An outbound line without identities may have been encrypted all the " +
      "same: the far end's line tells.",
    reference: "istio/ztunnel: src/proxy/metrics.rs",
  },
];

export class ZtunnelLog implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;
  readonly #files = new LogFiles();

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    const names = [...ztunnelFields, ...ztunnelHeadNames, ...fileNames];
    this.#slots = new AttributeSlots(names, interner);
  }

  read(record: RecordAt<LogsView>): boolean {
    const { records, bytes, attributes } = record.view;
    const attrEnd = records.attrEnd[record.index] ?? 0;
    this.#slots.read(bytes, attributes, records.attrStart[record.index] ?? 0, attrEnd);
    const line = this.#line(record);
    if (line === null) return false;
    const reason = typeof line === "string" ? line : this.#leftOut(record, line);
    if (reason !== null) this.#workshop.tally.dropped(vocabulary, reason);
    else if (typeof line !== "string") this.#tell(record, line);
    return true;
  }

  /** Why the line says nothing, or null. */
  #leftOut(record: RecordAt<LogsView>, line: ZtunnelLine): DropReason | null {
    const file = this.#files.of(record.resource, this.#slots);
    if (file !== null && !isProxyFile(file)) return "not_a_proxy";
    return line.message.startsWith("connection ") ? null : "not_ours_yet";
  }

  #tell(record: RecordAt<LogsView>, line: ZtunnelLine): void {
    if (line.message === "connection opened") this.#alive(record, line);
    else this.#leg(record, line);
  }

  /** The line in whatever shape the record holds it; null = nothing of ztunnel's. */
  #line(record: RecordAt<LogsView>): ZtunnelLine | DropReason | null {
    const slots = this.#slots;
    if (slots.has("src.addr") && slots.has("dst.addr")) {
      if (otherScopes.has(slots.text("scope", 32))) return "not_ours_yet";
      return ztunnelFromFields((name) => slots.text(name, 512)) ?? "bad_line";
    }
    const { bytes, bodies, records } = record.view;
    const body = records.body[record.index] ?? -1;
    if (body < 0) return null;
    if (bodies.kind[body] === ValueKind.kvlist) {
      if (!holdsScope(bytes, bodies.start[body] ?? 0, bodies.end[body] ?? 0)) return null;
      return objectLine(anyValueToJson(bytes, bodies, body));
    }
    if (bodies.kind[body] !== ValueKind.string) return null;
    const first = bytes[bodies.start[body] ?? 0] ?? 0;
    if (first !== openBrace && !isDigit(first)) return null;
    return mayBeZtunnel(bytes, bodies, body)
      ? textLine(valueText(bytes, bodies, body, maxZtunnelLine))
      : null;
  }

  #alive(record: RecordAt<LogsView>, line: ZtunnelLine): void {
    const cluster = this.#cluster(record, line.field("src.cluster"));
    const { us } = writtenAt(record, line);
    this.#workshop.batch.alive(this.#source(record, cluster), "proxy_logs", us);
  }

  #leg(record: RecordAt<LogsView>, line: ZtunnelLine): void {
    const [src, dst] = [
      parseHostPort(line.field("src.addr")),
      parseHostPort(line.field("dst.addr")),
    ];
    const direction = line.field("direction");
    const isInbound = direction === "inbound";
    if (src.ip === "" || dst.ip === "") {
      return this.#workshop.tally.dropped(vocabulary, "missing_address");
    }
    if (!isInbound && direction !== "outbound") {
      return this.#workshop.tally.dropped(vocabulary, "missing_field");
    }
    const ended = writtenAt(record, line);
    const cluster = this.#cluster(record, line.field(isInbound ? "dst.cluster" : "src.cluster"));
    const source = this.#source(record, cluster);
    const fate = fateOf(line);
    const service = hostToService(line.field("dst.service").slice(0, maxNameLength));
    const target = targetOf(line, dst);
    const tcp = isInbound ? wireEnd(line, dst) : { ip: "", port: 0 };
    const [sent, received] = [countOf(line.field("bytes_sent")), countOf(line.field("bytes_recv"))];
    const leg: ProxyLeg = {
      kind: "proxy_leg",
      timeUs: ended.us - durationUs(line.field("duration")),
      nanos: 0,
      source,
      trust: record.context.trust,
      side: isInbound ? "inbound" : "outbound",
      writer: "ztunnel",
      cluster,
      pod: podOf(line, isInbound ? "dst" : "src", cluster, isInbound ? dst.ip : src.ip),
      peerPod: podOf(line, isInbound ? "src" : "dst", cluster, isInbound ? src.ip : dst.ip),
      security: securityOf(line, isInbound, src, fate, sent + received),
      lineId: lineIdOf(line, ended.us),
      endUs: ended.us,
      protocol: "tcp",
      isConnection: true,
      downstreamRemoteIp: src.ip,
      downstreamRemotePort: src.port,
      downstreamLocalIp: tcp.ip,
      downstreamLocalPort: tcp.port,
      upstreamLocalIp: "",
      upstreamLocalPort: 0,
      upstreamHostIp: target.ip,
      upstreamHostPort: target.port,
      route: service.service === "" ? "unknown" : "declared",
      service: service.service,
      serviceNamespace: service.namespace,
      servicePort: 0,
      serverName: "",
      peerPrincipal: line.field(isInbound ? "src.identity" : "dst.identity"),
      tlsVersion: "",
      showsTls: true,
      responseCode: 0,
      responseFlags: fate === "denied" ? "DENY" : "",
      isError: fate === "failed" || fate === "refused",
      isDenied: fate === "denied",
      // A client's ztunnel counts for its pod, a server's for its own: both as the pod sees it.
      bytesSent: isInbound ? sent : received,
      bytesReceived: isInbound ? received : sent,
      requestId: "",
      traceId: "",
      spanId: "",
    };
    this.#workshop.batch.add(leg);
    this.#workshop.batch.alive(source, "proxy_logs", ended.us);
  }

  #cluster(record: RecordAt<LogsView>, named: string): string {
    const { pairs } = record.resource;
    const cluster = pairs.get("k8s.cluster.name") ?? named;
    return this.#workshop.clusters.nameOf(cluster.slice(0, maxNameLength));
  }

  /**
   * The ztunnel that wrote: by its pod where resource or file says so, else all of a node or a cluster as
   * one, since the line names the pods it served and never itself.
   */
  #source(record: RecordAt<LogsView>, cluster: string): SourceRef {
    const { sources } = this.#workshop;
    const { pairs } = record.resource;
    const pod = pairs.get("k8s.pod.name") ?? "";
    if (pod.startsWith("ztunnel")) {
      const namespace = (pairs.get("k8s.namespace.name") ?? "").slice(0, 63);
      return sources.proxy(cluster, namespace, pod.slice(0, maxNameLength));
    }
    const file = this.#files.of(record.resource, this.#slots);
    if (file?.pod.startsWith("ztunnel") === true) {
      return sources.proxy(cluster, file.namespace, file.pod);
    }
    const node = (pairs.get("k8s.node.name") ?? "").slice(0, maxNameLength);
    return sources.proxy(cluster, "", node === "" ? "ztunnel" : `ztunnel@${node}`);
  }
}

const openBrace = 0x7b;
const dash = 0x2d;

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Opening a body costs more than a look whether it has the keys: objects of Kubernetes are large. */
function holdsScope(bytes: Buffer, start: number, end: number): boolean {
  const body = bytes.subarray(start, end);
  return body.includes("access") && (body.includes("scope") || body.includes("log"));
}

/** Whether a text, in whatever a container runtime puts around it, may be ztunnel's: by its first bytes. */
function mayBeZtunnel(bytes: Buffer, bodies: AnyValues, body: number): boolean {
  const at = bodies.start[body] ?? 0;
  if (bytes[at] !== openBrace)
    return bytes[at + 4] === dash && ((bytes[at + 10] ?? 0) | 32) === 116;
  const start = valueText(bytes, bodies, body, headLength);
  if (isDockerStart(start)) return start.includes("access") || start.includes("dns");
  return mayBeZtunnelJson(start);
}

function textLine(carried: string): ZtunnelLine | DropReason | null {
  const { text, isPart } = bareLine(carried);
  if (isPart) return "too_long";
  if (text.startsWith("{")) {
    const object = parseJsonObject(text, maxZtunnelLine);
    return objectLine(object) ?? (text.includes('"src.addr"') ? "bad_line" : null);
  }
  const head = readZtunnelHead(text);
  if (head === null) return null;
  if (otherScopes.has(head.scope)) return "not_ours_yet";
  return parseZtunnelText(text, head) ?? "bad_line";
}

/** A parsed line, or a parsed wrapper of a log shipper's around one. */
function objectLine(value: unknown): ZtunnelLine | DropReason | null {
  const log = field(value, "log");
  if (typeof log === "string" && !isDockerStart(log)) {
    return textLine(log.slice(0, maxZtunnelLine));
  }
  if (otherScopes.has(textField(value, "scope", 32))) return "not_ours_yet";
  return ztunnelFromObject(value);
}

/** The pod at one end; its identity knows the namespace better than early releases did. */
function podOf(line: ZtunnelLine, end: End, cluster: string, address: string): PodName {
  const pod = line.field(`${end}.workload`).slice(0, maxNameLength);
  const told =
    pod === "" ? "" : namespaceIn(line.field(`${end}.identity`)) || line.field(`${end}.namespace`);
  const namespace = told.slice(0, 63);
  return { cluster, namespace, pod, podUid: "", workload: "", workloadKind: "", address };
}

/** Of `spiffe://cluster.local/ns/bookinfo/sa/reviews`; "" of any other text. */
function namespaceIn(identity: string): string {
  if (!identity.startsWith("spiffe://")) return "";
  const at = identity.indexOf("/", 9);
  if (at <= 9 || !identity.startsWith("/ns/", at)) return "";
  const end = identity.indexOf("/", at + 4);
  return end < 0 ? "" : identity.slice(at + 4, end);
}

/** Where the connection was to go: inside HBONE, the address that the client asked the tunnel for. */
function targetOf(line: ZtunnelLine, dst: HostPort): HostPort {
  const inner = line.field("dst.hbone_addr");
  if (inner === "") return dst;
  const target = parseHostPort(inner);
  if (target.ip !== "") return target;
  // A waypoint may be asked for a host name: its port is the service's.
  const port = /:(\d{1,5})$/.exec(inner)?.[1];
  return { ip: dst.ip, port: portOf(port) };
}

/** What the caller connected to; early releases wrote the target where they now write the tunnel's port. */
function wireEnd(line: ZtunnelLine, dst: HostPort): HostPort {
  return line.field("src.identity") === "" ? dst : { ip: dst.ip, port: hbonePort };
}

type Fate = "done" | "denied" | "failed" | "refused";

/** `refused`: before anything was known of the connection. */
function fateOf(line: ZtunnelLine): Fate {
  const error = line.field("error");
  if (/policy (?:rejection|change)/.test(error)) return "denied";
  if (line.message === "connection failed") return "refused";
  return error !== "" || line.level === "error" ? "failed" : "done";
}

/**
 * Inbound, no identity means plaintext; but only what went through counts, since ztunnel accepts a
 * connection before it asks its policies. The kubelet's probes come from a link-local address. What a
 * client's ztunnel sent without HBONE, may be anybody's: the far end tells.
 */
function securityOf(
  line: ZtunnelLine,
  isInbound: boolean,
  src: HostPort,
  fate: Fate,
  bytes: number,
): Security {
  const isTls = line.field("src.identity") !== "";
  if (!isInbound) {
    const isTunnel = isTls && line.field("dst.identity") !== "" && fate === "done";
    return isTunnel ? "mutual_tls" : "unknown";
  }
  if (isTls) return "mutual_tls";
  const scope = ipScope(src.ip);
  if (scope === "link_local" || scope === "loopback") return "unknown";
  return fate === "done" || bytes > 0 ? "none" : "unknown";
}

/** The line's own time, else the record's, else the receive time. */
function writtenAt(record: RecordAt<LogsView>, line: ZtunnelLine): ExactTime {
  const { receivedUs } = record.context;
  const told = parseRfc3339(line.time);
  if (isUsableTime(told.us, receivedUs)) return told;
  const { records } = record.view;
  const low = records.timeLow[record.index] ?? 0;
  const high = records.timeHigh[record.index] ?? 0;
  const us = halvesToUs(low, high);
  if (isUsableTime(us, receivedUs)) return { us, nanos: halvesToNanos(low, high) };
  return { us: receivedUs, nanos: 0 };
}

/** `12ms`, as ztunnel writes a duration; 0 for everything else. */
function durationUs(text: string): number {
  const found = /^(\d{1,12})ms$/.exec(text);
  return Math.min(Number(found?.[1] ?? 0), maxDurationMs) * 1_000;
}

function countOf(text: string): number {
  return /^\d{1,15}(\.0*)?$/.test(text) ? Math.floor(Number(text)) : 0;
}

/** The same in text and JSON; the two ends of a connection write two lines. */
function lineIdOf(line: ZtunnelLine, endUs: number): string {
  const ends = `${line.field("src.addr")} ${line.field("dst.addr")} ${line.field("dst.hbone_addr")}`;
  const text = `ztunnel ${endUs} ${ends} ${line.field("direction")} ${line.field("bytes_sent")}`;
  return hash("sha256", text, "hex").slice(0, 32);
}
