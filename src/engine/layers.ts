/**
 * Defence in depth, derived: from what is declared and heard of each namespace that is in the mesh, and from
 * the insights that are open there. Nobody else concludes it; `/metrics`, the API and the command line show it.
 */
import type { ToldNamespace } from "../graph/declared/declared.ts";
import { shownState } from "../insights/flags.ts";
import type { Insight } from "../insights/insight.ts";
import { agentMask, capabilitiesOf, proxyMask } from "../model/coverage.ts";
import type { Entity } from "../model/entities.ts";
import {
  layerInsightsMax,
  layerNames,
  type ApiLayer,
  type ApiLayerInsight,
  type ApiNamespaceLayers,
  type LayerName,
} from "../model/layers.ts";
import type { CounterSample } from "../model/stages.ts";

type Namespace = Entity<"namespace">;

/** What the facts alone say of a layer. */
type Finding = Pick<ApiLayer, "status" | "why" | "facts">;

/** In the order of cluster and namespace. */
export function layersOf(
  namespaces: Iterable<ToldNamespace>,
  insights: Iterable<Readonly<Insight>>,
): ApiNamespaceLayers[] {
  const open = openByPlace(insights);
  return [...namespaces]
    .filter(({ entity }) => isInMesh(entity))
    .map((told) => {
      const { cluster, name } = told.entity;
      const layers = layerNames.map((layer) =>
        weighed(layer, findings[layer](told), open.get(placeOf(cluster, name, layer)) ?? []),
      );
      return { cluster, namespace: name, layers };
    })
    .sort((a, b) => (placeOf(a.cluster, a.namespace) < placeOf(b.cluster, b.namespace) ? -1 : 1));
}

/** Clusters that have a namespace of one name are counted together. */
export function layerCounters(
  into: CounterSample[],
  namespaces: readonly ApiNamespaceLayers[],
): void {
  const counts = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const { namespace, layers } of namespaces) {
    for (const { layer, status } of layers) {
      const key = `${namespace}/${layer}/${status}`;
      const count = counts.get(key) ?? { labels: { namespace, layer, status }, value: 0 };
      count.value++;
      counts.set(key, count);
    }
  }
  for (const { labels, value } of counts.values()) into.push({ name: "posture", labels, value });
}

/** By proxies that are declared or have shown themselves, or by the namespace's own labels. */
function isInMesh({ meshed_workloads, injection, dataplane_mode }: Namespace): boolean {
  const isDeclared = !["", "disabled"].includes(injection) || dataplane_mode === "ambient";
  return meshed_workloads > 0 || isDeclared;
}

const placeOf = (...parts: readonly string[]): string => parts.join("/");

function openByPlace(insights: Iterable<Readonly<Insight>>): Map<string, ApiLayerInsight[]> {
  const open = new Map<string, ApiLayerInsight[]>();
  for (const { id, rule, subject, state } of openOf(insights)) {
    const key = placeOf(subject.cluster, subject.namespace, rule.layer);
    const insight = {
      id,
      rule: rule.id,
      severity: rule.severity,
      state,
      workload: subject.workload,
    };
    const known = open.get(key);
    if (known) known.push(insight);
    else open.set(key, [insight]);
  }
  return open;
}

function* openOf(insights: Iterable<Readonly<Insight>>) {
  for (const insight of insights) {
    const { state: life } = insight;
    if (insight.rule.layer === "" || insight.subject.namespace === "") continue;
    if (life !== "firing" && life !== "unknown") continue;
    const state = life === "unknown" ? life : shownState(insight);
    yield { id: insight.id, rule: insight.rule, subject: insight.subject, state };
  }
}

const severities = ["info", "low", "medium", "high", "critical"];

/** Insights make nothing better: what is `ok` by the facts is weak, or unknown where they are. */
function weighed(layer: LayerName, finding: Finding, open: ApiLayerInsight[]): ApiLayer {
  const rank = ({ severity }: ApiLayerInsight): number => -severities.indexOf(severity);
  const sorted = open.toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  const firm = open.filter(({ state }) => state !== "unknown").length;
  const isWorse = finding.status === "ok" && open.length > 0;
  const status = isWorse ? (firm > 0 ? "weak" : "unknown") : finding.status;
  const said =
    firm > 0 ? `; ${firm} open insight${firm === 1 ? "" : "s"}` : "; insights nobody can judge now";
  return {
    layer,
    status,
    why: open.length > 0 ? `${finding.why}${said}` : finding.why,
    facts: finding.facts,
    insights: sorted.slice(0, layerInsightsMax),
    insights_total: open.length,
  };
}

const findings: Readonly<Record<LayerName, (told: ToldNamespace) => Finding>> = {
  network,
  pod_security: podSecurity,
  authentication_authorisation: authentication,
  monitoring,
};

/** Its object feed is heard: what it declares is what there is. */
function isHeard({ entity, judged }: ToldNamespace): boolean {
  return judged && entity.coverage["objects"] !== "silent";
}

const notHeard = "nobody tells of the cluster's objects now";

/** Kinds of which nobody says that all objects are told; without them nothing can be called missing. */
function untold({ told_kinds }: Namespace, ...kinds: readonly string[]): string {
  const missing = kinds.filter((kind) => !told_kinds.includes(kind));
  return missing.length === 0 ? "" : `nobody says that all ${missing.join(", ")} are told of`;
}

function network(told: ToldNamespace): Finding {
  const { network_policies, default_deny_ingress, default_deny_egress } = told.entity;
  const policies = network_policies.length;
  const facts = {
    network_policies: [...network_policies],
    default_deny_ingress,
    default_deny_egress,
  };
  const gap = isHeard(told) ? untold(told.entity, "networkpolicies") : notHeard;
  if (gap !== "") return { status: "unknown", why: gap, facts };
  if (policies === 0) return { status: "missing", why: "there is no NetworkPolicy", facts };
  const open = [
    ...(default_deny_ingress ? [] : ["ingress"]),
    ...(default_deny_egress ? [] : ["egress"]),
  ];
  if (open.length === 0)
    return { status: "ok", why: "both directions are denied by default", facts };
  return { status: "weak", why: `no NetworkPolicy denies ${open.join(" or ")} by default`, facts };
}

function podSecurity(told: ToldNamespace): Finding {
  const { pod_security_enforce: enforced, declared } = told.entity;
  const facts = { pod_security_enforce: enforced };
  if (!isHeard(told)) return { status: "unknown", why: notHeard, facts };
  if (!declared) return { status: "unknown", why: "its Namespace object is not told of", facts };
  const holds = ["baseline", "restricted"].includes(enforced);
  const why = enforced === "" ? "no standard is enforced" : `the standard ${enforced} is enforced`;
  return { status: holds ? "ok" : "missing", why, facts };
}

function authentication(told: ToldNamespace): Finding {
  const { declared_mode, authorization_policies, meshed_workloads } = told.entity;
  const { workloads_without_policy } = told.entity;
  const facts = {
    declared_mode,
    authorization_policies: [...authorization_policies],
    meshed_workloads,
    workloads_without_policy: [...workloads_without_policy],
  };
  const kinds = ["peerauthentications", "authorizationpolicies", "meshconfig"];
  const gap = isHeard(told) ? untold(told.entity, ...kinds) : notHeard;
  if (gap !== "") return { status: "unknown", why: gap, facts };
  if (declared_mode === "unknown") {
    return { status: "unknown", why: "which mutual TLS is in force is not known", facts };
  }
  const isStrict = declared_mode === "strict";
  const unguarded = workloads_without_policy.length;
  const isGuarded = unguarded === 0 && authorization_policies.length > 0;
  const isOpen = authorization_policies.length === 0 || unguarded >= Math.max(1, meshed_workloads);
  const mode = isStrict ? "mutual TLS is strict" : "plaintext is taken as well";
  const guard = isGuarded
    ? "policies select every workload"
    : `no policy selects ${unguarded} of ${meshed_workloads} workloads in the mesh`;
  const why = `${mode}, ${guard}`;
  if (isStrict && isGuarded) return { status: "ok", why, facts };
  return { status: !isStrict && isOpen ? "missing" : "weak", why, facts };
}

function monitoring(told: ToldNamespace): Finding {
  const { coverage, meshed_workloads } = told.entity;
  const facts = { ...coverage };
  const heard = (mask: number): boolean =>
    capabilitiesOf(mask).some((one) => coverage[one] === "live");
  const wasHeard = capabilitiesOf(proxyMask | agentMask).some((one) => coverage[one] === "silent");
  const [proxies, agents] = [heard(proxyMask), heard(agentMask)];
  if (proxies && agents) {
    if (isHeard(told)) {
      return { status: "ok", why: "proxies, node agents and objects are heard", facts };
    }
    return { status: "weak", why: `proxies and node agents are heard; ${notHeard}`, facts };
  }
  if (proxies) return { status: "weak", why: "only proxies are heard, and no node agent", facts };
  if (agents) return { status: "weak", why: "only node agents are heard, and no proxy", facts };
  if (wasHeard || !isHeard(told) || meshed_workloads === 0) {
    const why = wasHeard ? "everything that was heard is silent" : "nobody tells of it";
    return { status: "unknown", why, facts };
  }
  return { status: "missing", why: "neither its proxies nor node agents were ever heard", facts };
}
