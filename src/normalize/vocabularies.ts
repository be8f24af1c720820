/** The table of all vocabularies. The first that claims a name or a record reads it. */
import type { TextInterner } from "../lib/interner.ts";
import type { LogVocabulary, MetricVocabulary, SpanVocabulary, Workshop } from "./vocabulary.ts";
import { Caretta } from "./vocabulary/caretta.ts";
import { Coroot } from "./vocabulary/coroot.ts";
import { EnvoyAccessLog } from "./vocabulary/envoy-access-log.ts";
import { EnvoySpans } from "./vocabulary/envoy-spans.ts";
import { EnvoyStats } from "./vocabulary/envoy-stats.ts";
import { IstioComponents } from "./vocabulary/istio-components.ts";
import { FalcoLogs, FalcoMetrics, FalcoSpans } from "./vocabulary/falco.ts";
import { HubbleFlows } from "./vocabulary/hubble-flows.ts";
import { HubbleMetrics } from "./vocabulary/hubble-metrics.ts";
import { IstioMetrics } from "./vocabulary/istio-metrics.ts";
import { EntityEvents, K8sClusterMetrics } from "./vocabulary/k8s-cluster.ts";
import { K8sObjects } from "./vocabulary/k8sobjects.ts";
import { KubeStateMetrics } from "./vocabulary/kube-state-metrics.ts";
import { KubeletStats } from "./vocabulary/kubelet-stats.ts";
import { Netflow } from "./vocabulary/netflow.ts";
import { ObiFlows } from "./vocabulary/obi-flows.ts";
import { OtelNetwork } from "./vocabulary/otel-network.ts";
import { SdkSpans } from "./vocabulary/sdk-spans.ts";
import { ProcessLogs, ProcessMetrics } from "./vocabulary/process-attributes.ts";
import { Retina } from "./vocabulary/retina.ts";
import { Tetragon } from "./vocabulary/tetragon.ts";
import { ZtunnelLog } from "./vocabulary/ztunnel-log.ts";

export interface Vocabularies {
  readonly metrics: readonly MetricVocabulary[];
  readonly spans: readonly SpanVocabulary[];
  readonly logs: readonly LogVocabulary[];
}

export function makeVocabularies(workshop: Workshop, interner: TextInterner): Vocabularies {
  return {
    metrics: [
      new IstioMetrics(workshop),
      new IstioComponents(workshop),
      new EnvoyStats(workshop),
      new ObiFlows(workshop),
      new OtelNetwork(workshop),
      new Coroot(workshop),
      new HubbleMetrics(workshop),
      new FalcoMetrics(),
      new ProcessMetrics(workshop),
      new Retina(workshop),
      new Caretta(workshop),
      new KubeStateMetrics(workshop),
      new KubeletStats(workshop),
      new K8sClusterMetrics(workshop),
    ],
    // What no other vocabulary knows is an application's.
    spans: [
      new EnvoySpans(workshop, interner),
      new FalcoSpans(workshop, interner),
      new SdkSpans(workshop, interner),
    ],
    logs: [
      new EnvoyAccessLog(workshop, interner),
      new Netflow(workshop, interner),
      new Tetragon(workshop, interner),
      new K8sObjects(workshop, interner),
      new ZtunnelLog(workshop, interner),
      new HubbleFlows(workshop, interner),
      new FalcoLogs(workshop, interner),
      new ProcessLogs(workshop, interner),
      new EntityEvents(interner),
    ],
  };
}

export { defaultClusterAliases } from "./vocabulary/istio-metrics.ts";
