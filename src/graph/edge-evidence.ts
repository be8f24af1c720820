/**
 * What an edge's insights show: the evidence of plaintext that was kept as it was counted, the way its
 * traffic took and the identity it showed where either is out of the ordinary, and the trace of one
 * request over it. All but the first is read from the facet when it is told, so it costs nothing to keep,
 * and hangs on what is known, not on the order in which it came. An ordinary edge has no evidence.
 */
import { evidenceMax, mergeEvidence, type Evidence } from "../model/changes.ts";
import type { EdgeEntity, NodeEntity } from "../model/entities.ts";
import { firstSpan, type SpanRef } from "./columns.ts";
import { contentHash } from "./content-hash.ts";
import type { FacetView } from "./facet-view.ts";
import type { Facets } from "./facets.ts";

/** Sources named of those that told of an edge. */
const sourcesMax = 3;

const ways: Readonly<Partial<Record<EdgeEntity["route"], string>>> = {
  passthrough: "the caller's proxy knew no such destination and passed it on as it was",
  blackhole: "the caller's proxy knew no such destination and refused it",
  inbound_passthrough: "the server's proxy knew no such port and let it in",
};

/** The first by (time, hash), at most `evidenceMax`; `edge` is the entity as it is told. */
export function evidenceOfEdge(
  view: FacetView,
  edge: EdgeEntity,
  facets: Facets,
): readonly Evidence[] {
  const more: Evidence[] = [];
  const way = ways[edge.route];
  if (way) more.push(make(view, edge, way, { route: edge.route }));
  if (showsOtherIdentity(edge)) more.push(identityEvidence(view, edge));
  if (more.length + view.evidence.length === 0) return view.evidence;
  const example = exampleOf(view, facets);
  if (example) more.push(exampleEvidence(view, example));
  return mergeEvidence(view.evidence.slice(0, evidenceMax - more.length), more);
}

/** An identity that is not the calling workload's, or of a trust domain that is not ours. */
function showsOtherIdentity(edge: EdgeEntity): boolean {
  const { src, src_principal: principal } = edge;
  if (edge.foreign_trust_domains.length > 0) return true;
  if (principal === "" || src.service_account === "" || src.resolved !== "object") return false;
  return !principal.endsWith(`/ns/${src.namespace}/sa/${src.service_account}`);
}

function identityEvidence(view: FacetView, edge: EdgeEntity): Evidence {
  const { src, src_principal, dst_principal } = edge;
  const text = `the caller showed the identity ${src_principal || "(none)"}, the server ${dst_principal || "(none)"}`;
  const { service_account } = src;
  return make(view, edge, text, { src_principal, dst_principal, service_account });
}

/** First seen then: which of its reports said so first is not kept. */
function make(
  view: FacetView,
  edge: EdgeEntity,
  text: string,
  said: Readonly<Record<string, string>>,
): Evidence {
  const sources = view.words.observers.slice(0, sourcesMax).map(({ key }) => key);
  const fields = {
    ...said,
    src: nameOf(edge.src),
    dst: nameOf(edge.dst),
    port: edge.port,
    protocol: edge.protocol,
    reporters: edge.reporters.join(" "),
    channels: edge.channels.join(" "),
    response_flags: edge.response_flags.join(" "),
    sources: sources.join(" "),
  };
  const atUs = view.firstUs;
  const hash = contentHash(["edge", text, atUs, JSON.stringify(fields)]);
  return { atUs, nanos: 0, vantage: "proxy", source: sources[0] ?? "", text, fields, hash };
}

function nameOf({ namespace, name, address }: NodeEntity): string {
  return namespace === "" ? name || address : `${namespace}/${name}`;
}

function exampleOf({ parts }: FacetView, facets: Facets): SpanRef | null {
  let first: SpanRef | null = null;
  for (const { columns } of parts) {
    for (const column of columns) {
      const { channel } = column;
      if (channel === "spans" || channel === "sdk")
        first = firstSpan(first, facets.exampleOf(column));
    }
  }
  return first;
}

function exampleEvidence(view: FacetView, { timeUs, traceId, spanId }: SpanRef): Evidence {
  const source = view.words.observers[0]?.key ?? "";
  return {
    atUs: timeUs,
    nanos: 0,
    vantage: "span",
    source,
    text: `one of the requests is in trace ${traceId}`,
    fields: { trace_id: traceId, span_id: spanId },
    hash: contentHash(["example", traceId, spanId, timeUs, source]),
  };
}
