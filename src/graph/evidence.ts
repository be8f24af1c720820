/** What is told and stored of the observations behind an edge's security. Makes no judgement. */
import type { Evidence } from "../model/changes.ts";
import type { EdgeSeries, ProxyLeg } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { Delta } from "./counter-points.ts";
import { contentHash } from "./content-hash.ts";
import { hostPort } from "./sockets.ts";

/** The same move has the same hash whenever it is told; points in between make it another move. */
export function evidenceHashOf(series: EdgeSeries, delta: Delta): string {
  return contentHash(["plaintext", series.hash, delta.timeUs, delta.value]);
}

/** A server's access log has lines without a sign of TLS from a caller, while such a counter moved. */
export function lineEvidence(caller: string, server: string, atUs: Us, count: number): Evidence {
  return {
    atUs,
    nanos: 0,
    vantage: "proxy",
    source: server,
    text: `the access log of the server's proxy has ${count} requests without TLS from this caller`,
    fields: { caller, server, count },
    hash: contentHash(["bare line", caller, server, atUs]),
  };
}

/** The server's ztunnel logged a connection without mutual TLS: the line says so by itself. */
export function plaintextLineEvidence(leg: ProxyLeg): Evidence {
  const from = hostPort(leg.downstreamRemoteIp, leg.downstreamRemotePort);
  const to = hostPort(leg.upstreamHostIp, leg.upstreamHostPort);
  return {
    atUs: leg.timeUs,
    nanos: leg.nanos,
    vantage: "proxy",
    source: leg.source.key,
    text: `the server's ztunnel logged a connection without mutual TLS from ${from} to ${to}`,
    fields: {
      src: from,
      dst: to,
      source_pod: leg.peerPod?.pod ?? "",
      destination_pod: leg.pod.pod,
      bytes_sent: leg.bytesSent,
      bytes_received: leg.bytesReceived,
      trust: leg.trust,
    },
    hash: contentHash(["plaintext line", leg.lineId, leg.trust]),
  };
}

/** A counter of traffic without mutual TLS moved. */
export function plaintextEvidence(series: EdgeSeries, delta: Delta): Evidence {
  const what = series.measure === "requests" ? "requests" : "connections";
  return {
    atUs: delta.timeUs,
    nanos: 0,
    vantage: "proxy",
    source: series.source.key,
    text: `the ${series.reporter} proxy counted ${delta.value} ${what} without mutual TLS`,
    fields: {
      reporter: series.reporter,
      channel: series.channel,
      security: series.security,
      measure: series.measure,
      count: delta.value,
      source_workload: `${series.src.namespace}/${series.src.workload}`,
      source_principal: series.src.principal,
      destination_workload: `${series.dst.namespace}/${series.dst.workload}`,
      destination_principal: series.dst.principal,
      destination_service: series.dst.service,
      response_flags: series.responseFlags,
      series: series.hash,
      trust: series.trust,
    },
    hash: evidenceHashOf(series, delta),
  };
}
