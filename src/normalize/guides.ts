/** The guides of all vocabularies, in the order in which documentation lists them. */
import type { SourceGuide } from "./vocabulary.ts";
import { guides as caretta } from "./vocabulary/caretta.ts";
import { guides as coroot } from "./vocabulary/coroot.ts";
import { guides as envoyAccessLog } from "./vocabulary/envoy-access-log.ts";
import { guides as envoySpans } from "./vocabulary/envoy-spans.ts";
import { guides as envoyStats } from "./vocabulary/envoy-stats.ts";
import { guides as istioComponents } from "./vocabulary/istio-components.ts";
import { guides as falco } from "./vocabulary/falco.ts";
import { guides as hubbleFlows } from "./vocabulary/hubble-flows.ts";
import { guides as hubbleMetrics } from "./vocabulary/hubble-metrics.ts";
import { guides as istioMetrics } from "./vocabulary/istio-metrics.ts";
import { guides as k8sCluster } from "./vocabulary/k8s-cluster.ts";
import { guides as k8sobjects } from "./vocabulary/k8sobjects.ts";
import { guides as kubeStateMetrics } from "./vocabulary/kube-state-metrics.ts";
import { guides as kubeletStats } from "./vocabulary/kubelet-stats.ts";
import { guides as netflow } from "./vocabulary/netflow.ts";
import { guides as obiFlows } from "./vocabulary/obi-flows.ts";
import { guides as otelNetwork } from "./vocabulary/otel-network.ts";
import { guides as sdkSpans } from "./vocabulary/sdk-spans.ts";
import { guides as processAttributes } from "./vocabulary/process-attributes.ts";
import { guides as retina } from "./vocabulary/retina.ts";
import { guides as tetragon } from "./vocabulary/tetragon.ts";
import { guides as ztunnelLog } from "./vocabulary/ztunnel-log.ts";

/** Proxies first, then objects, then agents; a new vocabulary file adds a line. */
export const sourceGuides: readonly SourceGuide[] = [
  ...istioMetrics,
  ...envoyAccessLog,
  ...ztunnelLog,
  ...envoySpans,
  ...sdkSpans,
  ...istioComponents,
  ...envoyStats,
  ...k8sobjects,
  ...kubeStateMetrics,
  ...kubeletStats,
  ...k8sCluster,
  ...tetragon,
  ...falco,
  ...netflow,
  ...obiFlows,
  ...hubbleFlows,
  ...hubbleMetrics,
  ...retina,
  ...otelNetwork,
  ...coroot,
  ...caretta,
  ...processAttributes,
];
