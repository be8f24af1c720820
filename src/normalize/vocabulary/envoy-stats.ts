/**
 * Envoy's own counters, scraped or from its stat sink: of the connections that a sidecar's HTTP listeners
 * took for its own pod, how many there were and how many of them had TLS. The rest was plaintext, without
 * any metric of Istio's. Istio leaves these counters out unless `proxyStatsMatcher` names them; all others
 * of Envoy's are known and not used.
 */
import type { ComponentSample } from "../../model/observations.ts";
import { portOf } from "../json.ts";
import type { Pairs } from "../resources.ts";
import type {
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { scrapedProxy } from "./scrape-target.ts";

const vocabulary = "envoy-stats";

const counters: ReadonlyMap<string, ComponentSample["metric"]> = new Map([
  ["http_downstream_cx", "http_connections"],
  ["http_downstream_cx_ssl", "http_tls_connections"],
]);

/** Istio's name of the tag, and Envoy's own, which cuts the value at its first dot. */
const prefixLabels = [
  "http_conn_manager_prefix",
  "envoy_http_conn_manager_prefix",
  "envoy.http_conn_manager_prefix",
] as const;

/** `inbound_0.0.0.0_9080`, `inbound_[__]_9080`, perhaps with Istio's semicolon. */
const inboundPrefix = /^inbound_[0-9a-fA-F._:[\]]{1,64}_(\d{1,5});?$/;

/** Ports of the proxy itself, where probes and scrapes are plaintext by design. */
const ownPorts: ReadonlySet<number> = new Set([
  15_000, 15_001, 15_006, 15_008, 15_020, 15_021, 15_090,
]);

/** Envoy's counters by how their names begin, with the dots of the sink as underscores. */
const unused =
  /^(?:envoy_|cluster_(?:upstream|ssl|external|internal|membership|lb|circuit_breakers|default|update|warming_state|http[12])|listener_(?:http|ssl|downstream|admin|worker|connections|no_filter|[0-9[])|(?:listener|cluster)_manager_|http_(?:downstream|tracing|no_route|no_cluster|rq_|rs_too|rbac|admin)|tcp_(?:downstream|upstream|idle|early|on_demand)|runtime_(?:admin|load|num|override)|filesystem_(?:flushed|reopen|write)|workers_watchdog|tls_inspector_)/;

/** And those of the program as a whole, whose names others could have as well. */
const unusedOfServer =
  /^server_(?:live|state|uptime|version|concurrency|(?:total|parent)_connections|hot_restart_[a-z]+|initialization_time_ms|memory_[a-z_]+|[a-z_]*watchdog_[a-z_]+|days_until_first_cert_expiring|seconds_until_[a-z_]+|[a-z_]*_failures|[a-z]+_unknown_fields|wip_protos|stats_recent_lookups|dropped_stat_flushes|compilation_[a-z_]+)$/;

export const guides: readonly SourceGuide[] = [
  {
    id: "envoy-stats",
    title: "Envoy's own connection counters",
    switchOn:
      "`proxyStatsMatcher.inclusionRegexps` in `meshConfig.defaultConfig`, or the annotation " +
      "`sidecar.istio.io/statsInclusionRegexps`, with " +
      "`http\\.inbound_.*\\.downstream_cx_(ssl_)?total`; then as Istio's metrics, with the " +
      "labels `pod` and `namespace` of the target.",
    gives: [],
    cannotTell:
      "Who connected, and anything about plain TCP. They count where Istio's own metrics " +
      "of the same proxy are missing, and only where both counters have been seen.",
    reference: "https://istio.io/latest/docs/ops/configuration/telemetry/envoy-stats/",
  },
];

export class EnvoyStats implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    const own = name.replaceAll(".", "_");
    const bare = own.startsWith("envoy_http_") ? own.slice("envoy_".length) : own;
    const metric = counters.get(bare.endsWith("_total") ? bare.slice(0, -"_total".length) : bare);
    if (metric) {
      const isSink = name.includes(".");
      return {
        kind: "points",
        vocabulary,
        observe: (point) => this.#observe(point, metric, isSink),
      };
    }
    return unused.test(own) || unusedOfServer.test(own) ? { kind: "ignored" } : null;
  }

  #observe(point: PointAt, metric: string, isSink: boolean): void {
    const { labels, resource, context, timeUs, value, isDelta } = point;
    const port = inboundPort(labels);
    if (port === 0 || ownPorts.has(port)) return;
    const { batch, clusters, sources, tally } = this.#workshop;
    const target = scrapedProxy(labels, resource);
    // Envoy's sink names nobody by itself: counters of a workload's pods would be one.
    const isNamed = target.pod !== "" && (!isSink || resource.pairs.has("k8s.pod.name"));
    if (!isNamed || target.namespace === "") {
      tally.dropped(vocabulary, "missing_field");
      return;
    }
    const cluster = clusters.nameOf(target.cluster);
    batch.add({
      kind: "component_sample",
      timeUs,
      nanos: 0,
      source: sources.proxy(cluster, target.namespace, target.pod),
      trust: context.trust,
      cluster,
      namespace: target.namespace,
      component: "proxy",
      instance: target.pod,
      version: "",
      metric,
      series: String(port),
      value,
      counts: isDelta ? "delta" : "total",
    });
  }
}

/** 0 for a listener that takes nothing for its own pod. */
function inboundPort(labels: Pairs): number {
  for (const name of prefixLabels) {
    const port = portOf(inboundPrefix.exec(labels.get(name) ?? "")?.[1]);
    if (port > 0) return port;
  }
  return 0;
}
