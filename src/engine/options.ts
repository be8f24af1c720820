/** What the configuration means for the stages: the one place that turns its words into theirs. */
import type { Config } from "../config/config.ts";
import { graphDefaults } from "../graph/options.ts";
import { insightDefaults } from "../insights/insights.ts";
import type { CompiledRule } from "../rules/load.ts";
import type { PipelineOptions } from "./pipeline.ts";

export function pipelineOptions(config: Config, rules: readonly CompiledRule[]): PipelineOptions {
  const { cluster, identity, limits, insights } = config;
  const { clusterAliases } = identity;
  return {
    rules: selectRules(config, rules),
    normalize: {
      cluster,
      clusterAliases,
      trust: config.trust,
      limits: { maxSeries: limits.seriesMax },
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

/** The rules that the configuration leaves switched on. */
export function selectRules(
  config: Config,
  rules: readonly CompiledRule[],
): readonly CompiledRule[] {
  return rules.filter((rule) => !config.rules.disabled.includes(rule.meta.id));
}
