/**
 * Spans of Envoy's OpenTelemetry tracer: one half of a call each, client or server. No span tells whether
 * mTLS was used, plain TCP makes no span, and sampling means that a missing span proves nothing.
 * Falco's spans are alerts under a trace's clothes, and spans of applications are not read yet: both
 * are counted as known but unused.
 */
import type { TracesView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp } from "../../lib/ip.ts";
import type { PeerName, PodName, SpanHalf } from "../../model/observations.ts";
import { AttributeSlots } from "../attributes.ts";
import { noPeer, noPod } from "../names.ts";
import { halvesToNanos, halvesToUs, isUsableTime } from "../times.ts";
import type { RecordAt, SpanVocabulary, Workshop } from "../vocabulary.ts";
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

export class EnvoySpans implements SpanVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;
  /** Node ids are long and few; parsing each once saves most of a span's cost. */
  readonly #nodeIds = new Map<string, NodeId>();
  readonly #clusters = new Map<string, UpstreamCluster>();

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
    const node = this.#node(slots.internedText("node_id"));
    if ((kind !== server && kind !== client) || node.role === "") {
      this.#workshop.tally.dropped(vocabulary, "missing_field");
      return true;
    }
    const half = this.#half(record, node, kind === server ? "server" : "client");
    this.#workshop.batch.add(half);
    this.#workshop.batch.alive(half.source, "spans", half.timeUs);
    return true;
  }

  #unused(): true {
    this.#workshop.tally.dropped(vocabulary, "not_ours_yet");
    return true;
  }

  #half(record: RecordAt<TracesView>, node: NodeId, side: "client" | "server"): SpanHalf {
    const { clusters, sources } = this.#workshop;
    const { spans, bytes } = record.view;
    const { index, context } = record;
    const slots = this.#slots;
    const cluster = clusters.nameOf(slots.internedText("istio.cluster_id"));
    const upstream = this.#upstream();
    const flags = knownFlags(slots.internedText("response_flags"));
    const timeUs = halvesToUs(spans.startLow[index] ?? 0, spans.startHigh[index] ?? 0);
    const isTimed = isUsableTime(timeUs, context.receivedUs);
    return {
      kind: "span_half",
      timeUs: isTimed ? timeUs : context.receivedUs,
      nanos: isTimed ? halvesToNanos(spans.startLow[index] ?? 0, spans.startHigh[index] ?? 0) : 0,
      source: sources.proxy(cluster, node.namespace, node.pod),
      trust: context.trust,
      side,
      traceId: idText(bytes, spans.traceIdStart[index], spans.traceIdEnd[index]),
      spanId: idText(bytes, spans.spanIdStart[index], spans.spanIdEnd[index]),
      parentSpanId: idText(bytes, spans.parentSpanIdStart[index], spans.parentSpanIdEnd[index]),
      self: podOf(cluster, node),
      proxyRole: node.role,
      peer: this.#peer(side, upstream),
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
  #peer(side: "client" | "server", upstream: UpstreamCluster): PeerName {
    if (side === "server") {
      return { ...noPeer, address: canonicalIp(this.#slots.internedText("peer.address")) };
    }
    const { service, namespace } = upstream.service;
    return { ...noPeer, service, serviceNamespace: namespace };
  }

  /** Not the span's status: Envoy's client spans set it for a 404 too. */
  #isError(flags: string): boolean {
    const slots = this.#slots;
    const code = slots.internedText("http.status_code");
    if (slots.internedText("error") === "true" || /^5\d\d$/.test(code)) return true;
    if (isGrpcError(slots.internedText("grpc.status_code"))) return true;
    return (code === "0" || code === "") && isFailure(flags);
  }

  #upstream(): UpstreamCluster {
    const slots = this.#slots;
    const text = slots.has("upstream_cluster.name")
      ? slots.internedText("upstream_cluster.name")
      : slots.internedText("upstream_cluster");
    return remembered(this.#clusters, text, parseUpstreamCluster);
  }

  #node(text: string): NodeId {
    return remembered(this.#nodeIds, text, parseNodeId);
  }
}

/** Pods of a large mesh; when full, what is not in it is parsed each time. */
const maxRemembered = 20_000;

function remembered<Value>(
  known: Map<string, Value>,
  text: string,
  parse: (text: string) => Value,
): Value {
  const found = known.get(text);
  if (found !== undefined) return found;
  const value = parse(text);
  if (known.size < maxRemembered) known.set(text, value);
  return value;
}

function podOf(cluster: string, node: NodeId): PodName {
  return { ...noPod, cluster, namespace: node.namespace, pod: node.pod, address: node.address };
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
