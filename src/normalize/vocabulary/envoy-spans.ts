/**
 * Spans of Envoy's tracers: one half of a call each, client or server. OpenTelemetry's and Zipkin's have the
 * same attributes, and what a collector's Zipkin receiver makes of the latter is read alike (numbers may be
 * numbers there, and `error` has become the status). A waypoint stands between the two ends of a call and
 * names both since Istio 1.29. No span tells whether mTLS was used, plain TCP makes no span, and sampling
 * means that a missing span proves nothing. A span without a node id is nobody's proxy's: not read here.
 */
import type { TracesView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp } from "../../lib/ip.ts";
import type { PeerName, PodName, SourceRef, SpanHalf } from "../../model/observations.ts";
import { AttributeSlots } from "../attributes.ts";
import { maxNameLength, noPeer, noPod } from "../names.ts";
import type { RecordAt, SourceGuide, SpanVocabulary, Workshop } from "../vocabulary.ts";
import {
  isDenial,
  isGrpcError,
  isFailure,
  knownFlags,
  parseNodeId,
  parseUpstreamCluster,
} from "./envoy-names.ts";
import type { NodeId, UpstreamCluster } from "./envoy-names.ts";
import { client, falcoScope, readSpan, Remembered, server } from "./span-record.ts";

const vocabulary = "envoy-spans";
/** Pods of a large mesh. */
const rememberedMax = 20_000;

const names = [
  "node_id",
  "component",
  "peer.address",
  "upstream_cluster",
  "upstream_cluster.name",
  "http.status_code",
  "http.protocol",
  "grpc.status_code",
  "response_flags",
  "error",
  "guid:x-request-id",
  "istio.cluster_id",
  "istio.source_workload",
  "istio.source_namespace",
  "istio.source_cluster_id",
  "istio.destination_workload",
  "istio.destination_namespace",
  "istio.destination_cluster_id",
];

/** The proxy that a node id names. */
interface Proxy {
  readonly cluster: string;
  readonly node: NodeId;
  readonly self: PodName;
  readonly source: SourceRef;
}

interface Upstream extends UpstreamCluster {
  /** Its service as the other end of a client's span. */
  readonly peer: PeerName;
}

export const guides: readonly SourceGuide[] = [
  {
    id: "envoy-spans",
    title: "Envoy's spans (OpenTelemetry or Zipkin tracing of Istio)",
    switchOn:
      "An `extensionProviders` entry with `opentelemetry` (`service` and `port` of the " +
      "collector) in `meshConfig`, and a `Telemetry` resource with `tracing[].providers` " +
      "that names it. `randomSamplingPercentage` (1 by default) bounds what is seen. Of a " +
      "`zipkin` provider, what a collector's `zipkin` receiver hands on is read as well.",
    gives: ["spans"],
    cannotTell:
      "Whether mTLS was used; plain TCP, which makes no span; and what is missing, since " +
      "spans are sampled: a span that did not come proves nothing.",
    reference:
      "https://istio.io/latest/docs/tasks/observability/distributed-tracing/opentelemetry/",
  },
];

/**
 * What a span says of its ends is long, and the same from span to span: each text is read once, and equal
 * texts give the same objects, by which the graph knows equal halves.
 */
export class EnvoySpans implements SpanVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;
  readonly #proxies = new Remembered<Proxy>(rememberedMax);
  readonly #upstreams = new Remembered<Upstream>(rememberedMax);
  readonly #addresses = new Remembered<PeerName>(rememberedMax);
  readonly #workloads = new Remembered<PeerName>(rememberedMax);

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#slots = new AttributeSlots(names, interner);
  }

  read(record: RecordAt<TracesView>): boolean {
    if (record.scope === falcoScope) return false;
    const { spans, bytes, attributes } = record.view;
    const index = record.index;
    const slots = this.#slots;
    slots.read(bytes, attributes, spans.attrStart[index] ?? 0, spans.attrEnd[index] ?? 0);
    if (!slots.has("node_id")) return false;
    const kind = spans.kind[index];
    const proxy = this.#proxy();
    if ((kind !== server && kind !== client) || proxy.node.role === "") {
      this.#workshop.tally.dropped(vocabulary, "missing_field");
      return true;
    }
    const half = this.#half(record, proxy, kind === server ? "server" : "client");
    this.#workshop.batch.add(half);
    this.#workshop.batch.alive(half.source, "spans", half.timeUs);
    return true;
  }

  #half(record: RecordAt<TracesView>, proxy: Proxy, side: SpanHalf["side"]): SpanHalf {
    const slots = this.#slots;
    const upstream = this.#upstream();
    const flags = knownFlags(slots.internedText("response_flags"));
    const { timeUs, nanos, traceId, spanId, parentSpanId, durationUs } = readSpan(record);
    const half: SpanHalf = {
      kind: "span_half",
      timeUs,
      nanos,
      source: proxy.source,
      trust: record.context.trust,
      side,
      traceId,
      spanId,
      parentSpanId,
      self: proxy.self,
      proxyRole: proxy.node.role,
      peer: side === "server" ? this.#caller() : upstream.peer,
      port: upstream.port,
      protocol: slots.has("grpc.status_code") ? "grpc" : "http",
      route: upstream.route,
      isError: this.#isError(flags),
      isDenied: isDenial(flags) || slots.internedText("http.status_code") === "403",
      durationUs,
      responseFlags: flags,
      requestId: slots.text("guid:x-request-id", 128),
    };
    return proxy.node.role === "waypoint" && side === "client" ? this.#between(half, proxy) : half;
  }

  /** With both of its ends: without the caller's name a waypoint is the only caller that is known. */
  #between(half: SpanHalf, { cluster }: Proxy): SpanHalf {
    const caller = this.#workload("source", cluster);
    if (!caller) return half;
    return { ...half, caller, peer: this.#workload("destination", cluster) ?? half.peer };
  }

  #workload(side: "source" | "destination", ownCluster: string): PeerName | null {
    const workload = this.#known(`istio.${side}_workload`);
    const namespace = this.#known(`istio.${side}_namespace`);
    if (workload === "" || namespace === "") return null;
    const named = this.#known(`istio.${side}_cluster_id`);
    const cluster = named === "" ? ownCluster : this.#workshop.clusters.nameOf(named);
    const text = `${cluster}/${namespace}/${workload}`;
    const known = this.#workloads.get(text);
    return known ?? this.#workloads.set(text, { ...noPeer, cluster, namespace, workload });
  }

  /** "" where Envoy found nothing to put in. */
  #known(name: string): string {
    const text = this.#slots.internedText(name).slice(0, maxNameLength);
    return text === "-" || text === "unknown" ? "" : text;
  }

  /** The address is the downstream's on both sides: only on a server's span is it the other end. */
  #caller(): PeerName {
    const text = this.#slots.internedText("peer.address");
    const known = this.#addresses.get(text);
    if (known) return known;
    return this.#addresses.set(text, { ...noPeer, address: canonicalIp(text) });
  }

  /** Not the span's status: Envoy's client spans set it for a 404 too. */
  #isError(flags: string): boolean {
    const slots = this.#slots;
    const code = slots.internedText("http.status_code");
    if (slots.internedText("error") === "true" || /^5\d\d$/.test(code)) return true;
    if (isGrpcError(slots.internedText("grpc.status_code"))) return true;
    return (code === "0" || code === "") && isFailure(flags);
  }

  #upstream(): Upstream {
    const slots = this.#slots;
    const text = slots.has("upstream_cluster.name")
      ? slots.internedText("upstream_cluster.name")
      : slots.internedText("upstream_cluster");
    const known = this.#upstreams.get(text);
    if (known) return known;
    const cluster = parseUpstreamCluster(text);
    const { service, namespace } = cluster.service;
    const peer = { ...noPeer, service, serviceNamespace: namespace };
    return this.#upstreams.set(text, { ...cluster, peer });
  }

  #proxy(): Proxy {
    const { clusters, sources } = this.#workshop;
    const cluster = clusters.nameOf(this.#slots.internedText("istio.cluster_id"));
    const text = this.#slots.internedText("node_id");
    const known = this.#proxies.get(text);
    if (known && known.cluster === cluster) return known;
    const node = parseNodeId(text);
    const { namespace, pod, address } = node;
    const source = sources.proxy(cluster, namespace, pod);
    const self = { ...noPod, cluster, namespace, pod, address };
    return this.#proxies.set(text, { cluster, node, self, source });
  }
}
