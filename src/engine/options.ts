/** What the configuration means for the stages: the one place that turns its words into theirs. */
import type { Config } from "../config/config.ts";
import { graphDefaults } from "../graph/options.ts";
import { insightDefaults } from "../insights/insights.ts";
import type { CompiledRule, LoadOptions, Waiver } from "../rules/load.ts";
import type { PipelineOptions } from "./pipeline.ts";

/** Of a large mesh as a whole; small ones have room for more. */
const podsPerWorkload = 5;

/**
 * Bytes for attribute blocks by which series are recognised fastest, 700 for each. Where there may be so
 * many series that most are known by a digest anyway, which takes 1.2 µs more, they get no more than that.
 */
const memoBytes = 32 << 20;
const memoBytesOfMany = 2 << 20;
const memoSeriesMax = 200_000;

export function pipelineOptions(
  config: Config,
  rules: readonly CompiledRule[],
  waivers: readonly Waiver[] = [],
): PipelineOptions {
  const { cluster, identity, limits, insights } = config;
  const podsMax = Math.max(graphDefaults.limits.podsMax, limits.workloadsMax * podsPerWorkload);
  const { clusterAliases } = identity;
  const memoMaxBytes = limits.seriesMax > memoSeriesMax ? memoBytesOfMany : memoBytes;
  return {
    rules,
    waivers,
    normalize: {
      cluster,
      clusterAliases,
      trust: config.trust,
      limits: { maxSeries: limits.seriesMax, maxSources: podsMax * 2.5, memoMaxBytes },
    },
    graph: {
      ...graphDefaults,
      identity: {
        ...graphDefaults.identity,
        cluster,
        clusterAliases,
        clusterCidrs: identity.clusterCidrs,
        trustDomains: identity.trustDomains,
        proxyDestinations: identity.proxyDestinations,
      },
      bypass: {
        ...graphDefaults.bypass,
        proxyExecutables: identity.proxyExecutables,
        proxyImages: identity.proxyImages,
        dnsAddresses: [...graphDefaults.bypass.dnsAddresses, ...identity.dns],
      },
      expectedSources: config.expectedSources,
      limits: {
        ...graphDefaults.limits,
        nodesMax: limits.workloadsMax * 5,
        podsMax,
        // Each with an address or two, and those of pods that ended.
        addressesMax: Math.max(graphDefaults.limits.addressesMax, podsMax * 2.5),
        // A proxy in each.
        sourcesMax: Math.max(graphDefaults.limits.sourcesMax, podsMax),
        objectsMax: limits.workloadsMax * 10,
        objectsPerNamespaceMax: limits.workloadsMax * 2,
        facetsMax: limits.facetsMax,
        seriesMax: limits.seriesMax,
      },
    },
    insights: {
      ...insightDefaults,
      outbox: {
        ...insightDefaults.outbox,
        isOn: config.exporters.otlp !== null,
        reminderUs: config.exporters.otlp?.reminderUs ?? 0,
      },
      activeMax: insights.activeMax,
      timings: {
        ...insightDefaults.timings,
        unknownTtlUs: insights.unknownTtlUs,
        reopenWithinUs: insights.reopenWithinUs,
        outageGraceUs: insights.outageGraceUs,
      },
    },
  };
}

/** What the configuration says to the loader of rules. */
export function ruleOptions({ rules: { enabled, disabled, waiverMaxUs } }: Config): LoadOptions {
  return { enabled, disabled, waiverMaxUs };
}
