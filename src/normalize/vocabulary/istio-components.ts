/**
 * What Istio's own components count of themselves: istiod, the CNI agent of each machine, ztunnel. Each
 * number that the engine uses has one name here, whatever the release calls it; all others of these
 * programs are known and not used. `istio_build` says of every program which release it is, and of a proxy,
 * which may have no traffic yet, that it lives.
 */
import type { ComponentSample } from "../../model/observations.ts";
import { usPerSecond } from "../../model/time.ts";
import type { Pairs } from "../resources.ts";
import type {
  MetricPlan,
  MetricVocabulary,
  PointAt,
  PointsPlan,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { scrapedProxy, type ScrapedProxy } from "./scrape-target.ts";

const vocabulary = "istio-components";
const maxLabelLength = 100;

type Component = ComponentSample["component"];

/** How a metric of a component becomes a number of ours. */
interface Reading {
  readonly component: Component;
  readonly metric: string;
  readonly counts: "amount" | "least" | "total";
  /** The labels whose values are series of their own. */
  readonly by?: readonly string[];
  /** Which of its series count; absent = all. */
  readonly isCounted?: (labels: Pairs) => boolean;
  /** Absent = the value as it is; null = it says nothing. */
  readonly numberOf?: (point: PointAt) => number | null;
}

const istiod = (metric: string, more: Partial<Reading> = {}): Reading => ({
  component: "istiod",
  metric,
  counts: "total",
  ...more,
});
const cni = (metric: string, more: Partial<Reading> = {}): Reading => ({
  ...istiod(metric, more),
  component: "istio-cni",
});
const ztunnel = (metric: string, more: Partial<Reading> = {}): Reading => ({
  ...istiod(metric, more),
  component: "ztunnel",
});
/** Of several instances their sum, or the least of theirs. */
const amount = { counts: "amount" } as const;
const least = { counts: "least" } as const;

/** Seconds since 1970 in the year 3000: no certificate's end is later. */
const maxEpoch = 32_503_680_000;

/** Seconds since 1970, 0 while there is no certificate; the other form is what is left, negative when over. */
const atEpoch = ({ value }: PointAt): number | null =>
  value > 0 && value <= maxEpoch ? value : null;
const leftFromNow = (point: PointAt): number | null =>
  atEpoch({ ...point, value: Math.round(point.timeUs / usPerSecond + point.value) });

const isPushError = (labels: Pairs): boolean => (labels.get("type") ?? "").endsWith("err");
const isFailedInstall = (labels: Pairs): boolean =>
  (labels.get("result") ?? "SUCCESS") !== "SUCCESS";
const isFailedRepair = (labels: Pairs): boolean => labels.get("result") === "fail";
const isServerError = (labels: Pairs): boolean => /^5\d\d$/.test(labels.get("response_code") ?? "");
const isBroken = (labels: Pairs): boolean =>
  /^(?:Connection)?Error$/.test(labels.get("reason") ?? "");

/** By the metric's name without `_total`. */
const readings: ReadonlyMap<string, Reading> = new Map([
  ["pilot_xds", istiod("connected_proxies", { ...amount, by: ["version"] })],
  ["pilot_total_xds_rejects", istiod("xds_rejects", { by: ["type"] })],
  ["pilot_total_xds_internal_errors", istiod("xds_internal_errors")],
  ["pilot_xds_write_timeout", istiod("xds_write_timeouts")],
  ["pilot_xds_pushes", istiod("xds_push_errors", { by: ["type"], isCounted: isPushError })],
  ["galley_validation_failed", istiod("validation_failures", { by: ["resource", "reason"] })],
  ["sidecar_injection_failure", istiod("injection_failures")],
  ["citadel_server_csr_sign_err_count", istiod("certificate_sign_errors", { by: ["error"] })],
  ["citadel_server_authentication_failure_count", istiod("certificate_authentication_failures")],
  [
    "citadel_server_root_cert_expiry_timestamp",
    istiod("root_cert_expires_at", { ...least, numberOf: atEpoch }),
  ],
  [
    "citadel_server_root_cert_expiry_seconds",
    istiod("root_cert_expires_at", { ...least, numberOf: leftFromNow }),
  ],
  [
    "citadel_server_cert_chain_expiry_timestamp",
    istiod("cert_chain_expires_at", { ...least, numberOf: atEpoch }),
  ],
  [
    "citadel_server_cert_chain_expiry_seconds",
    istiod("cert_chain_expires_at", { ...least, numberOf: leftFromNow }),
  ],
  [
    "istio_cni_installs",
    cni("cni_install_failures", { by: ["result"], isCounted: isFailedInstall }),
  ],
  ["istio_cni_install_ready", cni("cni_ready", least)],
  [
    "istio_cni_plugin_requests",
    cni("cni_plugin_failures", { by: ["response_code"], isCounted: isServerError }),
  ],
  [
    "istio_cni_repair_pods_repaired",
    cni("cni_repair_failures", { by: ["type"], isCounted: isFailedRepair }),
  ],
  ["ztunnel_connected", cni("ztunnel_connected", least)],
  ["istio_active_proxy_count", ztunnel("active_proxies", amount)],
  ["istio_pending_proxy_count", ztunnel("pending_proxies", amount)],
  [
    "istio_xds_connection_terminations",
    ztunnel("xds_connection_errors", { by: ["reason"], isCounted: isBroken }),
  ],
  ["istio_dns_upstream_failures", ztunnel("dns_failures")],
]);

/** The rest of what these programs count. */
const unused =
  /^(?:(?:pilot|citadel|galley|istiod|sidecar_injection|webhook_patch|auto_registration|istio_cni|nodeagent)_[a-z_0-9]+|istio_(?:xds|dns)_[a-z_]+|istio_proxies_(?:started|stopped))$/;

const builds: ReadonlyMap<string, Component> = new Map([
  ["pilot", "istiod"],
  ["cni", "istio-cni"],
  ["ztunnel", "ztunnel"],
]);

export const guides: readonly SourceGuide[] = [
  {
    id: "istio-components",
    title: "What istiod, Istio's CNI agent and ztunnel count of themselves",
    switchOn:
      "Scrape istiod on `:15014/metrics`, the pods of `istio-cni-node` on `:15014/metrics` " +
      "and those of `ztunnel` on `:15020/metrics`, with the labels `pod` and `namespace` of " +
      "the target.",
    gives: [],
    cannotTell:
      "Whose configuration was rejected: istiod counts by type, and names the proxy in its " +
      "log only. A counter appears with its first event, so that none is no proof of none " +
      "before the first scrape.",
    reference: "istio/istio: pilot/pkg/xds/monitoring.go",
  },
];

export class IstioComponents implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    const bare = name.endsWith("_total") ? name.slice(0, -"_total".length) : name;
    if (bare === "istio_build") return this.#points((point) => this.#build(point));
    const reading = readings.get(bare);
    if (reading) return this.#points((point) => this.#read(reading, point));
    return unused.test(bare) ? { kind: "ignored" } : null;
  }

  #points(observe: PointsPlan["observe"]): PointsPlan {
    return { kind: "points", vocabulary, observe, mayBeNegative: true };
  }

  #build(point: PointAt): void {
    const { labels, resource, timeUs } = point;
    const name = labels.get("component") ?? "";
    const target = scrapedProxy(labels, resource);
    // An idle proxy has no edge yet; that it was scraped shows here.
    if (name === "proxy" || name === "ztunnel") {
      const { clusters, sources, batch } = this.#workshop;
      const cluster = clusters.nameOf(target.cluster);
      const source = sources.proxy(cluster, target.namespace, target.pod);
      batch.alive(source, "proxy_metrics", timeUs);
    }
    const component = builds.get(name);
    if (!component) return;
    const version = (labels.get("tag") ?? "").slice(0, maxLabelLength);
    this.#add(point, target, { component, metric: "build", counts: "least" }, { version });
  }

  #read(reading: Reading, point: PointAt): void {
    const { labels, resource } = point;
    if (reading.isCounted && !reading.isCounted(labels)) return;
    const value = reading.numberOf ? reading.numberOf(point) : point.value;
    if (value === null) return;
    const target = scrapedProxy(labels, resource);
    this.#add({ ...point, value }, target, reading, { series: seriesOf(labels, reading.by ?? []) });
  }

  #add(
    { context, timeUs, value, isDelta }: PointAt,
    target: ScrapedProxy,
    { component, metric, counts }: Reading,
    { version = "", series = "" }: { version?: string; series?: string },
  ): void {
    const { batch, clusters, sources, tally } = this.#workshop;
    if (target.pod === "" || (counts === "total" && value < 0)) {
      tally.dropped(vocabulary, target.pod === "" ? "missing_field" : "not_a_number");
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
      component,
      instance: target.pod,
      version,
      metric,
      series,
      value,
      counts: counts === "total" && isDelta ? "delta" : counts,
    });
  }
}

function seriesOf(labels: Pairs, by: readonly string[]): string {
  return by.map((name) => (labels.get(name) ?? "").slice(0, maxLabelLength)).join(" ");
}
