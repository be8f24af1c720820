/**
 * Istio's standard metrics, of Envoy (sidecar, gateway, waypoint) and ztunnel, scraped by a Prometheus
 * receiver or sent by Envoy's own stat sink (`istiocustom.`, after the sink's own prefix if it has one).
 * Metrics are known by name, whatever OTLP type a path gave them. Every label may be missing, and a missing
 * label never accuses; of a peer, `unknown` and "" mean the same.
 *
 * Not read: buckets and counts of histograms that a path has taken apart, and what the agents beside the
 * proxies count of themselves.
 */
import type { Measure, PeerName, Reporter, Route } from "../../model/observations.ts";
import type { Security, SourceRef } from "../../model/observations.ts";
import { hostToService, noPeer, withoutPort, type ServiceName } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type { EdgePlan, MetricPlan, MetricVocabulary } from "../vocabulary.ts";
import type { SeriesFacts, SourceGuide, Workshop } from "../vocabulary.ts";
import { isDenial, isGrpcError, isFailure, knownFlags, specialRoute } from "./envoy-names.ts";
import { scrapedProxy, type ScrapedProxy } from "./scrape-target.ts";

/**
 * What each metric counts for the caller. Envoy's TCP bytes are seen from the proxy: `sent` went to the
 * downstream, so it is what the caller received. Histograms count by their sum.
 */
const measures: ReadonlyMap<string, Measure> = new Map([
  ["istio_requests", "requests"],
  ["istio_request_duration", "latency_ms"],
  ["istio_request_duration_milliseconds", "latency_ms"],
  ["istio_request", "bytes_sent"],
  ["istio_request_bytes", "bytes_sent"],
  ["istio_request_bytes_sum", "bytes_sent"],
  ["istio_response", "bytes_received"],
  ["istio_response_bytes", "bytes_received"],
  ["istio_response_bytes_sum", "bytes_received"],
  ["istio_tcp_connections_opened", "connections_opened"],
  ["istio_tcp_connections_closed", "connections_closed"],
  ["istio_tcp_sent", "bytes_received"],
  ["istio_tcp_sent_bytes", "bytes_received"],
  ["istio_tcp_received", "bytes_sent"],
  ["istio_tcp_received_bytes", "bytes_sent"],
  // A stream counts as a request when it ends, which may take days: its messages show that it is there.
  ["istio_request_messages", "messages"],
  ["istio_response_messages", "messages"],
]);

/**
 * Known and not used. ztunnel's failed connections are among its closed ones, with the reason. Without its
 * count a sum of durations is no latency, so of a histogram in parts only the bytes are read, above.
 */
const unused =
  /^istio_(?:request_duration(?:_milliseconds)?_(?:sum|count|bucket)|(?:request|response)_bytes_(?:count|bucket)|tcp_connections_failed|tcp_sockets_open|crl_policy_rejections|crl_untracked_connections|on_demand_dns|agent_[a-z_]+)$/;

/** Sent by every scrape whatever the target; a dead target sends them too, so they are no sign of life. */
const scrapeMetrics: ReadonlySet<string> = new Set([
  "up",
  "scrape_duration_seconds",
  "scrape_samples_scraped",
  "scrape_samples_post_metric_relabeling",
  "scrape_series_added",
]);

const sinkPrefix = "istiocustom.";
/** Longer names are no metric of Istio's, whatever is in them. */
const maxNameLength = 128;
const maxLabelLength = 253;
const maxPrincipalLength = 512;

const grpcPermissionDenied = "7";

/** Istio calls a cluster so unless told otherwise, which says no more than "here". */
export function defaultClusterAliases(cluster: string): Readonly<Record<string, string>> {
  return { Kubernetes: cluster };
}

export const guides: readonly SourceGuide[] = [
  {
    id: "istio-metrics",
    title: "Istio's standard metrics, scraped from Envoy",
    switchOn:
      "Nothing in Istio: sidecars, gateways and waypoints serve them on " +
      "`:15090/stats/prometheus` unless a `Telemetry` resource sets " +
      "`metrics[].overrides[].disabled` or `tagOverrides` removes labels. Scrape every " +
      "proxy with the collector's `prometheus` receiver, and keep the labels `pod` and " +
      "`namespace` of the target (`deploy/collector/gateway.yaml`).",
    gives: ["proxy_metrics"],
    cannotTell:
      "No addresses and ports, and nothing of what went around the proxy. The client's own " +
      "rows never know whether mTLS was used: plaintext shows at the destination alone. A " +
      "call by pod IP and a call to the outside both count as `PassthroughCluster`.",
    reference: "https://istio.io/latest/docs/reference/config/metrics/",
  },
  {
    id: "istio-metrics-sink",
    title: "Istio's standard metrics, sent by Envoy's OpenTelemetry stat sink",
    switchOn:
      "`stats_sinks` with `envoy.stat_sinks.open_telemetry` in the proxies' bootstrap (an " +
      "`EnvoyFilter` on `BOOTSTRAP`, or `sidecar.istio.io/bootstrapOverride`), with " +
      "`emit_tags_as_attributes` and `use_tag_extracted_name` left on. Istio has no setting " +
      "of its own for it.",
    gives: ["proxy_metrics"],
    cannotTell:
      "As when scraped; and the resource is empty unless `resource_detectors` are " +
      "configured, so that a collector has to say whose proxy sent them.",
    reference:
      "envoyproxy/envoy: " +
      "api/envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry.proto",
  },
  {
    id: "ztunnel-metrics",
    title: "ztunnel's metrics (ambient)",
    switchOn:
      "Nothing in Istio: each ztunnel serves them on `:15020/metrics`. Scrape every pod of " +
      "the DaemonSet `ztunnel` and keep the labels `pod` and `namespace` of the target.",
    gives: ["proxy_metrics"],
    cannotTell:
      "Connections and bytes only: no requests, no addresses. It writes `unknown` where " +
      "Envoy writes `none`: plaintext is what came in without the caller's identity. One " +
      "ztunnel speaks for all ambient pods of its machine.",
    reference: "istio/ztunnel: src/proxy/metrics.rs",
  },
];

export class IstioMetrics implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (scrapeMetrics.has(name)) return { kind: "ignored" };
    if (name.length > maxNameLength) return null;
    const { isSink, bare } = bareName(name);
    const measure = measures.get(bare);
    if (measure) return this.#edgePlan(measure, isSink);
    return unused.test(bare) ? { kind: "ignored" } : null;
  }

  #edgePlan(measure: Measure, isSink: boolean): EdgePlan {
    return {
      kind: "edge",
      vocabulary: "istio-metrics",
      measure,
      // The sink moves its start at each flush, or gives it in microseconds: only falling values tell.
      hasStart: !isSink,
      describe: (labels, resource) => this.#describe(measure, isSink, labels, resource),
    };
  }

  /** Who sent the row: a proxy reports both sides of its own traffic, so no label of a peer tells. */
  #source(target: ScrapedProxy): SourceRef {
    const { clusters, sources } = this.#workshop;
    return sources.proxy(clusters.nameOf(target.cluster), target.namespace, target.pod);
  }

  /**
   * Envoy's sink names nobody unless its configuration or a collector adds it: rows of a workload's pods
   * are one series then, whose value jumps to and fro between them. Such a row shows who talks, and accuses
   * nobody.
   */
  #describe(measure: Measure, isSink: boolean, labels: Pairs, resource: Resource): SeriesFacts {
    const target = scrapedProxy(labels, resource);
    const reporter = reporterOf(labels, target);
    this.#noteMissing(labels, target, reporter);
    const special = specialRoute(labels.get("destination_service_name") ?? "");
    const flags = knownFlags(label(labels, "response_flags"));
    const protocol = label(labels, "request_protocol");
    return {
      measure,
      reporter,
      channel: isSink ? "sink" : "metrics",
      src: this.#peer(labels, "source"),
      dst: this.#destination(labels, special),
      port: 0,
      protocol,
      transport: "tcp",
      security: isSink && target.pod === "" ? "unknown" : securityOf(labels, reporter),
      route: special ?? routeOf(labels),
      isError: isError(labels, flags),
      isDenied: isDenied(labels, flags),
      responseFlags: flags,
      source: this.#source(target),
    };
  }

  /**
   * A proxy always knows its own workload, and a scrape its target: where they are missing, somebody has
   * dropped the labels on the way. A waypoint is no end of its traffic.
   */
  #noteMissing(labels: Pairs, target: ScrapedProxy, reporter: Reporter): void {
    const { tally } = this.#workshop;
    const own = labels.get("reporter") === "destination" ? "destination" : "source";
    if (reporter !== "waypoint" && label(labels, `${own}_workload`) === "") {
      tally.incompleteSeries("workload");
    }
    if (target.pod === "" || target.namespace === "") tally.incompleteSeries("target");
  }

  /** The cluster is the local one where only the workload is named; of an unknown peer it is unknown. */
  #peer(labels: Pairs, side: "source" | "destination"): PeerName {
    const workload = label(labels, `${side}_workload`);
    const cluster = label(labels, `${side}_cluster`);
    return {
      ...noPeer,
      cluster: cluster === "" && workload === "" ? "" : this.#workshop.clusters.nameOf(cluster),
      namespace: label(labels, `${side}_workload_namespace`),
      workload,
      principal: label(labels, `${side}_principal`, maxPrincipalLength),
    };
  }

  /** A destination beyond every route has no service: what stands there is a Host header's word. */
  #destination(labels: Pairs, special: Route | null): PeerName {
    const peer = this.#peer(labels, "destination");
    if (special) return peer;
    const { service, namespace } = serviceOf(labels);
    return { ...peer, service, serviceNamespace: namespace };
  }
}

/** Without what the sink and the kind of metric add: `edge.istiocustom.istio_requests_total`. */
function bareName(name: string): { isSink: boolean; bare: string } {
  const at = name.indexOf(sinkPrefix);
  const isSink = at === 0 || (at > 0 && name[at - 1] === ".");
  const own = isSink ? name.slice(at + sinkPrefix.length) : name;
  const bare = own.endsWith("_total") ? own.slice(0, -"_total".length) : own;
  return { isSink, bare };
}

/** A label's text, "" where Istio writes that it does not know. */
function label(labels: Pairs, name: string, maxLength = maxLabelLength): string {
  const text = labels.get(name) ?? "";
  return text === "unknown" ? "" : text.slice(0, maxLength);
}

/** The service's short name, else the fully qualified one in its parts, else the Host header's host. */
function serviceOf(labels: Pairs): ServiceName {
  const name = withoutPort(label(labels, "destination_service_name"));
  const host = hostToService(withoutPort(label(labels, "destination_service")));
  const namespace = label(labels, "destination_service_namespace");
  if (name === "") return { service: host.service, namespace: namespace || host.namespace };
  const { service, namespace: ownNamespace } = hostToService(name);
  return { service, namespace: namespace || ownNamespace };
}

/** A row that names any service was routed by Istio's own configuration. */
function routeOf(labels: Pairs): Route {
  const isNamed = label(labels, "destination_service") || label(labels, "destination_service_name");
  return isNamed ? "declared" : "unknown";
}

/**
 * ztunnel writes `source` and `destination` too. Its scrape target tells it, else the values that Envoy
 * never writes: a destination that does not know the security, or a source that does. `none` is a word
 * that ztunnel never writes: a pod that is named or labelled like one hides no plaintext so.
 */
function reporterOf(labels: Pairs, target: ScrapedProxy): Reporter {
  const reporter = labels.get("reporter") ?? "source"; // a row that does not say may accuse nobody
  if (reporter === "waypoint") return "waypoint";
  const policy = labels.get("connection_security_policy");
  const isSource = reporter === "source";
  const isZtunnelValue = isSource ? policy === "mutual_tls" : policy === "unknown";
  if (policy !== "none" && (isZtunnelValue || target.isZtunnel)) {
    return isSource ? "ztunnel_source" : "ztunnel";
  }
  return isSource ? "source" : "destination";
}

/**
 * Envoy's source rows say `unknown` always; ztunnel never says `none`: no source identity is plaintext. It
 * writes `unknown` where it has none, so a row without the label is one that somebody has cut.
 */
function securityOf(labels: Pairs, reporter: Reporter): Security {
  const policy = labels.get("connection_security_policy");
  if (reporter === "source") return "unknown";
  if (policy === "mutual_tls") return "mutual_tls";
  if (reporter === "ztunnel_source") return "unknown"; // it may have gone anywhere
  if (reporter !== "ztunnel") return policy === "none" ? "none" : "unknown";
  return labels.get("source_principal") === "unknown" && policy === "unknown" ? "none" : "unknown";
}

function isError(labels: Pairs, flags: string): boolean {
  const code = labels.get("response_code") ?? "0";
  if (/^5\d\d$/.test(code)) return true;
  if (isGrpcError(labels.get("grpc_response_status") ?? "")) return true;
  return code === "0" && isFailure(flags);
}

/** A 403 here may also be the application's own: the labels cannot tell the two apart. */
function isDenied(labels: Pairs, flags: string): boolean {
  if (isDenial(flags) || labels.get("response_code") === "403") return true;
  return labels.get("grpc_response_status") === grpcPermissionDenied;
}
