/**
 * Spans of applications, by OpenTelemetry's semantic conventions, the stable ones and those before: one
 * half of a call each. Behind a sidecar they tell of the same calls as its spans, from inside the pod, so
 * they stand in columns of their own. An application chooses what it says of itself: its words are claimed
 * whoever hands them on, draw edges and prove nothing.
 *
 * Not read: what is no call over the network, and messages, whose two ends never meet.
 */
import type { TracesView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp, ipScope } from "../../lib/ip.ts";
import type { PeerName, PodName, SourceRef, SpanHalf } from "../../model/observations.ts";
import { AttributeSlots } from "../attributes.ts";
import { portOf } from "../json.ts";
import { maxNameLength, noPeer, noPod } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type { RecordAt, SourceGuide, SpanVocabulary, Workshop } from "../vocabulary.ts";
import { isGrpcError } from "./envoy-names.ts";
import { client, errorStatus, readSpan, Remembered, server } from "./span-record.ts";

const vocabulary = "sdk-spans";
const rememberedMax = 20_000;

/** By which a span tells that it is a message's. */
const messaging = ["messaging.system", "messaging.operation"] as const;
/** The server's name or address, best first; then URLs that hold it. */
const serverNames = ["server.address", "net.peer.name"] as const;
const serverAddresses = ["network.peer.address", "net.sock.peer.addr", "net.peer.ip"] as const;
const serverUrls = ["url.full", "http.url"] as const;
const serverPorts = ["server.port", "net.peer.port"] as const;
/** The address that the connection came from, and not the one that a header speaks of. */
const callerAddresses = ["network.peer.address", "net.sock.peer.addr", "net.peer.ip"] as const;
/** The port that a server listens on, and not the one in the URL that it was called by. */
const listeningPorts = ["network.local.port", "net.sock.host.port"] as const;
const httpCodes = ["http.response.status_code", "http.status_code"] as const;
const grpcCode = "rpc.grpc.status_code";
const systems = ["db.system.name", "db.system"] as const;

const names = [
  ...new Set([
    ...messaging,
    ...serverNames,
    ...serverAddresses,
    ...serverUrls,
    ...serverPorts,
    ...callerAddresses,
    ...listeningPorts,
    ...httpCodes,
    ...systems,
    grpcCode,
    "rpc.system",
    "http.request.method",
    "http.method",
  ]),
];

/** The workload's name as `k8sattributes` and the SDKs' detectors write it, and its kind. */
const workloadKeys = [
  ["k8s.deployment.name", "Deployment"],
  ["k8s.statefulset.name", "StatefulSet"],
  ["k8s.daemonset.name", "DaemonSet"],
  ["k8s.cronjob.name", "CronJob"],
  ["k8s.job.name", "Job"],
] as const;

/** Agents that write an owner's name where others write a host's: it has no namespace. */
const namers: ReadonlySet<string> = new Set(["beyla", "opentelemetry-ebpf-instrumentation", "obi"]);

const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Its last label is no number: that would be an address that is none. */
const hostName = /^[a-z0-9][a-z0-9_.-]{0,250}\.[a-z0-9-]*[a-z][a-z0-9-]*$/;
const urlHost =
  /^[a-z][a-z0-9+.-]{0,31}:\/\/(?:[^/?#@]{0,256}@)?(\[[^\]]{2,64}\]|[^:/?#@]{1,253})/i;
const protocolName = /^[a-z0-9_.-]{1,32}$/;

/** The application that wrote a span. */
interface Writer {
  readonly self: PodName;
  readonly source: SourceRef;
  /** Hosts that it names are hosts. */
  readonly namesHosts: boolean;
}

const nobody: Writer | null = null;

export const guides: readonly SourceGuide[] = [
  {
    id: "sdk-spans",
    title: "Spans of applications (OpenTelemetry SDKs and agents)",
    switchOn:
      "The SDK's OTLP exporter, and a `k8sattributes` processor in the collector (or the " +
      "SDK's own detectors), so that resources have `k8s.namespace.name` with " +
      "`k8s.pod.name` or `k8s.deployment.name`. `service.name` counts where " +
      "`service.namespace` stands beside it.",
    gives: [],
    cannotTell:
      "Anything about the proxies: an application chooses its own words, so they draw edges " +
      "and prove nothing. Who called, where the sidecar hands the connection on and its own " +
      "spans are missing. Messaging spans, spans within a process, and those whose resource " +
      "names no workload (a Zipkin library's with a bare `service.name`) are counted only.",
    reference: "https://opentelemetry.io/docs/specs/semconv/registry/attributes/server/",
  },
];

export class SdkSpans implements SpanVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;
  /** Null = its resource names no workload. By resource, whose ids are never used again. */
  readonly #writers = new Remembered<Writer | null>(rememberedMax);
  readonly #peers = new Remembered<PeerName>(rememberedMax);

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#slots = new AttributeSlots(names, interner);
  }

  read(record: RecordAt<TracesView>): true {
    const { tally, batch } = this.#workshop;
    const half = this.#half(record);
    if (typeof half === "string") tally.dropped(vocabulary, half);
    else batch.add(half);
    return true;
  }

  #half(record: RecordAt<TracesView>): SpanHalf | "not_a_call" | "not_ours_yet" | "missing_field" {
    const { spans, bytes, attributes } = record.view;
    const { index } = record;
    const kind = spans.kind[index];
    if (kind !== server && kind !== client) return "not_a_call";
    const slots = this.#slots;
    slots.read(bytes, attributes, spans.attrStart[index] ?? 0, spans.attrEnd[index] ?? 0);
    if (messaging.some((name) => slots.has(name))) return "not_ours_yet";
    const writer = this.#writer(record.resource);
    if (!writer) return "missing_field";
    const side = kind === server ? "server" : "client";
    const peer = side === "server" ? this.#caller() : this.#callee(writer);
    if (!peer) return "not_a_call";
    const code = this.#first(httpCodes);
    const { timeUs, nanos, traceId, spanId, parentSpanId, durationUs } = readSpan(record);
    return {
      kind: "span_half",
      timeUs,
      nanos,
      source: writer.source,
      trust: "claimed",
      side,
      traceId,
      spanId,
      parentSpanId,
      self: writer.self,
      proxyRole: "",
      peer,
      port: portOf(this.#first(side === "server" ? listeningPorts : serverPorts)),
      protocol: this.#protocol(),
      route: "unknown",
      isError: this.#isError(code, spans.statusCode[index] ?? 0),
      isDenied: code === "403" || slots.internedText(grpcCode) === "7",
      durationUs,
      responseFlags: "",
      requestId: "",
    };
  }

  #writer(resource: Resource): Writer | null {
    const key = String(resource.id);
    const known = this.#writers.get(key);
    return known === undefined ? this.#writers.set(key, this.#newWriter(resource.pairs)) : known;
  }

  #newWriter(pairs: Pairs): Writer | null {
    const { clusters, sources } = this.#workshop;
    const namespace = pairOf(pairs, "k8s.namespace.name");
    const cluster = clusters.nameOf(pairOf(pairs, "k8s.cluster.name"));
    const self = { ...noPod, cluster, ...(namespace === "" ? ofService(pairs) : ofPod(pairs)) };
    if (self.namespace === "" || (self.pod === "" && self.workload === "")) return nobody;
    const source = sources.proxy(cluster, self.namespace, self.pod || self.workload);
    const words = [pairs.get("telemetry.sdk.name"), pairs.get("telemetry.distro.name")];
    return { self, source, namesHosts: !words.some((word) => namers.has(word ?? "")) };
  }

  /** Behind a sidecar the connection comes from within the pod, which names nobody. */
  #caller(): PeerName {
    return this.#addressPeer(canonicalIp(this.#first(callerAddresses))) ?? noPeer;
  }

  /** Whom a client called; nobody where its words may mean several, null where it stayed in its pod. */
  #callee({ self, namesHosts }: Writer): PeerName | null {
    const host = this.#host();
    const ip = canonicalIp(host);
    if (ip !== "") return this.#addressPeer(ip);
    if (host === "localhost" || host.endsWith(".localhost")) return null;
    const text = namesHosts ? host : "";
    if (text !== "") return this.#peer(text, self.namespace);
    const address = canonicalIp(this.#first(serverAddresses));
    return address === "" ? noPeer : this.#addressPeer(address);
  }

  #host(): string {
    const host = this.#first(serverNames);
    if (host !== "") return bareHost(host);
    return bareHost(urlHost.exec(this.#first(serverUrls))?.[1] ?? "");
  }

  #peer(host: string, ownNamespace: string): PeerName {
    const text = `${ownNamespace} ${host}`;
    return this.#peers.get(text) ?? this.#peers.set(text, peerOfHost(host, ownNamespace));
  }

  /** Null for an address that is nobody's in particular. */
  #addressPeer(ip: string): PeerName | null {
    if (ip === "") return null;
    const known = this.#peers.get(ip);
    if (known) return known;
    const scope = ipScope(ip);
    if (scope !== "private" && scope !== "public") return null;
    return this.#peers.set(ip, { ...noPeer, address: ip });
  }

  #protocol(): string {
    const slots = this.#slots;
    if (slots.internedText("rpc.system") === "grpc") return "grpc";
    if (slots.has("http.request.method") || slots.has("http.method")) return "http";
    const system = this.#first(systems);
    return protocolName.test(system) ? system : "";
  }

  /** A client's status is an error for a 404 too: the code tells, where there is one. */
  #isError(code: string, status: number): boolean {
    if (code !== "") return /^5\d\d$/.test(code);
    const grpc = this.#slots.internedText(grpcCode);
    return grpc === "" ? status === errorStatus : isGrpcError(grpc);
  }

  #first(wanted: readonly string[]): string {
    for (const one of wanted) {
      const text = this.#slots.internedText(one);
      if (text !== "") return text;
    }
    return "";
  }
}

function pairOf(pairs: Pairs, key: string): string {
  return (pairs.get(key) ?? "").slice(0, maxNameLength);
}

function ofPod(pairs: Pairs): Partial<PodName> & Pick<PodName, "namespace"> {
  const found = workloadKeys.find(([key]) => pairs.has(key));
  return {
    namespace: pairOf(pairs, "k8s.namespace.name"),
    pod: pairOf(pairs, "k8s.pod.name"),
    podUid: pairOf(pairs, "k8s.pod.uid"),
    ...(found ? { workload: pairOf(pairs, found[0]), workloadKind: found[1] } : {}),
  };
}

/** The names that OpenTelemetry's operator gives: the namespace's and the workload's, as Kubernetes has them. */
function ofService(pairs: Pairs): Pick<PodName, "namespace" | "workload"> {
  const [namespace, workload] = [pairOf(pairs, "service.namespace"), pairOf(pairs, "service.name")];
  const isNamed = dnsLabel.test(namespace) && dnsLabel.test(workload);
  return isNamed ? { namespace, workload } : { namespace: "", workload: "" };
}

function bareHost(host: string): string {
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  return bare.slice(0, maxNameLength).toLowerCase().replace(/\.$/, "");
}

/**
 * A host as the resolver in a pod of that namespace understands it. Of two labels nobody can tell whether
 * they are a service and its namespace or a public name: such a host is nobody, until the other half of
 * the call says whose it is.
 */
function peerOfHost(host: string, ownNamespace: string): PeerName {
  const labels = host.split(".", 16);
  const svc = labels.lastIndexOf("svc");
  if (svc >= 2) return servicePeer(labels[svc - 2], labels[svc - 1]);
  if (labels.length === 1) return servicePeer(host, ownNamespace);
  if (labels.length > 2) return hostName.test(host) ? { ...noPeer, service: host } : noPeer;
  return labels[1] === ownNamespace ? servicePeer(labels[0], ownNamespace) : noPeer;
}

function servicePeer(service = "", serviceNamespace = ""): PeerName {
  const isNamed = dnsLabel.test(service) && dnsLabel.test(serviceNamespace);
  return isNamed ? { ...noPeer, service, serviceNamespace } : noPeer;
}
