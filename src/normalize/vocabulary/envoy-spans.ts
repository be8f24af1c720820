/**
 * Spans of Envoy's OpenTelemetry tracer: one half of a call each, client or server. No span tells whether
 * mTLS was used, plain TCP makes no span, and sampling means that a missing span proves nothing.
 * Falco's spans are alerts under a trace's clothes, and spans of applications are not read yet: both
 * are counted as known but unused.
 */
import type { TracesView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp } from "../../lib/ip.ts";
import type { PeerName, PodName, SourceRef, SpanHalf } from "../../model/observations.ts";
import { AttributeSlots } from "../attributes.ts";
import { noPeer, noPod } from "../names.ts";
import { halvesToNanos, halvesToUs, isUsableTime } from "../times.ts";
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

const vocabulary = "envoy-spans";
const falcoScope = "falco-event";
const server = 2;
const client = 3;
const maxSpanUs = 86_400_000_000;

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
    title: "Envoy's spans (OpenTelemetry tracing of Istio)",
    switchOn:
      "An `extensionProviders` entry with `opentelemetry` (`service` and `port` of the " +
      "collector) in `meshConfig`, and a `Telemetry` resource with `tracing[].providers` " +
      "that names it. `randomSamplingPercentage` (1 by default) bounds what is seen.",
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
  readonly #proxies = new Map<string, Proxy>();
  readonly #upstreams = new Map<string, Upstream>();
  readonly #addresses = new Map<string, PeerName>();

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#slots = new AttributeSlots(names, interner);
  }

  read(record: RecordAt<TracesView>): boolean {
    if (record.scope === falcoScope) return this.#unused();
    const { spans, bytes, attributes } = record.view;
    const index = record.index;
    const slots = this.#slots;
    slots.read(bytes, attributes, spans.attrStart[index] ?? 0, spans.attrEnd[index] ?? 0);
    if (!slots.has("node_id")) return this.#unused();
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

  #unused(): true {
    this.#workshop.tally.dropped(vocabulary, "not_ours_yet");
    return true;
  }

  #half(record: RecordAt<TracesView>, proxy: Proxy, side: SpanHalf["side"]): SpanHalf {
    const { spans, bytes } = record.view;
    const { index, context } = record;
    const slots = this.#slots;
    const upstream = this.#upstream();
    const flags = knownFlags(slots.internedText("response_flags"));
    const timeUs = halvesToUs(spans.startLow[index] ?? 0, spans.startHigh[index] ?? 0);
    const isTimed = isUsableTime(timeUs, context.receivedUs);
    return {
      kind: "span_half",
      timeUs: isTimed ? timeUs : context.receivedUs,
      nanos: isTimed ? halvesToNanos(spans.startLow[index] ?? 0, spans.startHigh[index] ?? 0) : 0,
      source: proxy.source,
      trust: context.trust,
      side,
      traceId: idText(bytes, spans.traceIdStart[index], spans.traceIdEnd[index]),
      spanId: idText(bytes, spans.spanIdStart[index], spans.spanIdEnd[index]),
      parentSpanId: idText(bytes, spans.parentSpanIdStart[index], spans.parentSpanIdEnd[index]),
      self: proxy.self,
      proxyRole: proxy.node.role,
      peer: side === "server" ? this.#caller() : upstream.peer,
      port: upstream.port,
      protocol: slots.has("grpc.status_code") ? "grpc" : "http",
      route: upstream.route,
      isError: this.#isError(flags),
      isDenied: isDenial(flags) || slots.internedText("http.status_code") === "403",
      durationUs: durationOf(record.view, index, timeUs),
      responseFlags: flags,
      requestId: slots.text("guid:x-request-id", 128),
    };
  }

  /** The address is the downstream's on both sides: only on a server's span is it the other end. */
  #caller(): PeerName {
    const text = this.#slots.internedText("peer.address");
    const known = this.#addresses.get(text);
    if (known) return known;
    return remember(this.#addresses, text, { ...noPeer, address: canonicalIp(text) });
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
    return remember(this.#upstreams, text, { ...cluster, peer });
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
    return remember(this.#proxies, text, { cluster, node, self, source });
  }
}

/** Pods of a large mesh; when full, it starts anew. */
const rememberedMax = 20_000;

function remember<Value>(known: Map<string, Value>, text: string, value: Value): Value {
  if (known.size >= rememberedMax) known.clear();
  known.set(text, value);
  return value;
}

/** 0 for a span that ends before it starts or lasts longer than a day: two clocks, or none. */
function durationOf(view: TracesView, index: number, startUs: number): number {
  const endUs = halvesToUs(view.spans.endLow[index] ?? 0, view.spans.endHigh[index] ?? 0);
  const duration = endUs - startUs;
  return duration >= 0 && duration <= maxSpanUs ? duration : 0;
}

/** Ids as hex text; a valid one has 16 or 8 bytes, a longer one is cut. */
function idText(bytes: Buffer, start = 0, end = 0): string {
  return bytes.toString("hex", start, Math.min(end, start + 16));
}
