/** Problems of what arrives: whose it is cannot be told, when it was is wrong, or half of it is missing. */
import type { ApiSource } from "../model/api.ts";
import type { ApiProblem } from "../model/api-status.ts";
import { bypassText, isBypassWhole } from "./coverage.ts";
import { sumOf, type Facts } from "./facts.ts";

/** A few rows without labels are ordinary, of proxies that just start. */
const incompleteShare = 0.1;
/** As late as telemetry may come to be counted in its own time. */
const clockOffMaxSeconds = 60;
/** The kinds of sources that are to be heard; younger engines may still wait for the first. */
const kindsAfterMs = 2 * 60_000;
const shownMax = 3;

export function meshProblems(facts: Facts): ApiProblem[] {
  return [
    ...missingLabels(facts),
    ...wrongClocks(facts),
    ...unwatchedNamespaces(facts),
    ...missingKinds(facts),
    ...notJudged(facts),
    ...silentSources(facts),
    ...fullTables(facts),
  ];
}

const labelRemedies = {
  workload:
    "keep Istio's labels source_workload, source_workload_namespace, destination_workload and destination_workload_namespace: look for labeldrop or labelkeep in metric_relabel_configs, attribute processors of the collector, and tagOverrides in Istio's Telemetry resources",
  target:
    "give the scraped proxies their pod and namespace: relabel_configs: [{ source_labels: [__meta_kubernetes_namespace], target_label: namespace }, { source_labels: [__meta_kubernetes_pod_name], target_label: pod }]",
};

function missingLabels(facts: Facts): ApiProblem[] {
  const series = sumOf(facts.totals, "series");
  return (["workload", "target"] as const).flatMap((lacks): ApiProblem[] => {
    const incomplete = sumOf(facts.recent, "incomplete_series_total", { lacks });
    if (incomplete === 0 || incomplete < incompleteShare * series) return [];
    const what =
      lacks === "workload"
        ? "do not name the workload that reports them, so they are nobody's traffic"
        : "do not name the pod and namespace they were scraped from, so nobody knows whose proxy is heard";
    return [
      {
        code: `missing-${lacks}-labels`,
        severity: "error",
        text: `${incomplete} new metric series ${what}`,
        evidence: { incomplete_series: incomplete, series },
        remedy: labelRemedies[lacks],
      },
    ];
  });
}

/** Sources that are heard now: the clock of one that is gone cannot be mended. */
function wrongClocks(facts: Facts): ApiProblem[] {
  const heard = facts.sources.filter(({ state }) => state === "live" || state === "late");
  const off = (source: ApiSource): number => source.clock_offset_seconds ?? 0;
  const ahead = heard.filter((source) => off(source) < -clockOffMaxSeconds);
  const behind = heard.filter((source) => off(source) > clockOffMaxSeconds);
  const problem = (
    code: string,
    which: ApiSource[],
    text: string,
    remedy: string,
  ): ApiProblem[] => {
    if (which.length === 0) return [];
    const seconds = Math.max(...which.map((source) => Math.abs(off(source))));
    const evidence = { sources: which.length, most_seconds: Math.round(seconds), ...names(which) };
    return [{ code, severity: "error", text: `${text}: ${evidence.first}`, evidence, remedy }];
  };
  return [
    ...problem(
      "clock-ahead",
      ahead,
      `The clocks of ${count(ahead.length, "source")} are up to ${minutes(ahead.map(off))} ahead of this host's`,
      "set the clock of the sources' nodes by NTP (chronyc tracking), or this host's if it is the one that is wrong",
    ),
    ...problem(
      "clock-behind",
      behind,
      `Telemetry of ${count(behind.length, "source")} is up to ${minutes(behind.map(off))} old when it arrives`,
      "if it is fresh, set the clock of the sources' nodes by NTP (chronyc tracking); if it is late, see the collector's sending_queue and retries, which should empty after an outage",
    ),
  ];
}

const minutes = (seconds: readonly number[]): string => {
  const most = Math.max(...seconds.map(Math.abs));
  return most < 120 ? `${Math.round(most)} s` : `${Math.round(most / 60)} minutes`;
};

const count = (items: number, what: string): string => `${items} ${what}${items === 1 ? "" : "s"}`;

const names = (sources: readonly ApiSource[]): { first: string } => ({
  first: sources
    .slice(0, shownMax)
    .map(({ kind, key }) => `${kind} ${key}`)
    .join(", "),
});

/** The half that the proxies cannot tell: who goes around them. */
function unwatchedNamespaces(facts: Facts): ApiProblem[] {
  const { namespaces } = facts.overview;
  const watched = namespaces.filter((one) => one.node_agents > 0);
  if (watched.length === 0) return []; // nobody has agents: `missingKinds` says so
  const blind = namespaces.filter((one) => one.proxies > 0 && one.node_agents === 0);
  if (blind.length === 0) return [];
  const shown = blind.slice(0, shownMax).map(({ namespace }) => namespace);
  const text = `Proxies report from ${blind.length === 1 ? "a namespace" : `${blind.length} namespaces`} where no node agent is heard: ${shown.join(", ")}${blind.length > shownMax ? ", …" : ""}`;
  return [
    {
      code: "namespace-without-agents",
      severity: "warning",
      text,
      evidence: {
        namespaces: blind.length,
        workloads: blind.reduce((sum, one) => sum + one.workloads, 0),
        namespaces_with_agents: watched.length,
      },
      remedy:
        "let the node agent (Tetragon, the flow exporter) run on the nodes of these pods too (tolerations, nodeSelector of its DaemonSet) and see that the collector there reads its events; until then no rule sees what goes around these proxies",
    },
  ];
}

const kinds = {
  proxy: {
    gives: ["proxy_metrics", "proxy_logs"],
    why: "scrape the proxies and send their access logs",
  },
  node_agent: {
    gives: ["sockets", "processes", "flows"],
    why: "run a node agent and send what it tells: without it, nothing is seen of what goes around the proxies",
  },
  objects: {
    gives: ["objects"],
    why: "send Kubernetes objects: without them, addresses have no names",
  },
} as const;

function missingKinds(facts: Facts): ApiProblem[] {
  const heard = new Set(facts.overview.heard.map(({ source_kind }) => source_kind));
  if (heard.size === 0 || facts.nowMs - facts.startedMs < kindsAfterMs) return [];
  return Object.entries(kinds).flatMap(([kind, { gives, why }]): ApiProblem[] => {
    if (heard.has(kind)) return [];
    const text = `No source of the kind ${kind} was ever heard`;
    const evidence = { kind, heard: [...heard].join(", ") };
    const which = facts.guides.filter((guide) => gives.some((one) => guide.gives.includes(one)));
    const titles = which.map(({ title }) => title).join("; ");
    const remedy = `${why} (any of: ${titles}); docs/sources.md says what to switch on, deploy/collector/gateway.yaml shows how`;
    return [{ code: `no-${kind.replace("_", "-")}`, severity: "warning", text, evidence, remedy }];
  });
}

/** Where neither a kind nor the agents of a namespace are missing as a whole, which say more. */
function notJudged(facts: Facts): ApiProblem[] {
  const { bypass } = facts;
  if (!bypass || isBypassWhole(bypass)) return [];
  if (facts.nowMs - facts.startedMs < kindsAfterMs) return [];
  if (unwatchedNamespaces(facts).length + missingKinds(facts).length > 0) return [];
  return [
    {
      code: "workloads-not-judged",
      severity: "warning",
      text: bypassText(bypass),
      evidence: {
        meshed_workloads: bypass.meshed_workloads,
        judged_workloads: bypass.judged_workloads,
        unknown_workloads: bypass.unknown_workloads,
      },
      remedy:
        "mesh-insights coverage --namespace <namespace> names them and what is missing: see whether their proxies are scraped and send access logs, whether node agents run on the machines of their pods, and whether the pods' objects are told of" +
        mostGained(facts),
    },
  ];
}

function mostGained({ next: [best] }: Facts): string {
  if (!best) return "";
  const which = best.sources.map(({ title }) => title).join(", or ");
  return `; most rules would be gained by ${best.capabilities.join(" and ")}: ${which} (docs/sources.md)`;
}

/** A proxy falls silent whenever a pod ends unseen; what was expected or is one of few does not. */
function silentSources(facts: Facts): ApiProblem[] {
  const silent = facts.sources.filter(
    (source) =>
      (source.state === "silent" && (source.expected || source.kind !== "proxy")) ||
      (source.expected && source.last_seen === null),
  );
  if (silent.length === 0) return [];
  const evidence = { sources: silent.length, ...names(silent) };
  return [
    {
      code: "silent-sources",
      severity: "warning",
      text: `${count(silent.length, "source")} that should be heard ${silent.length === 1 ? "is" : "are"} silent: ${evidence.first}`,
      evidence,
      remedy:
        "see whether it runs and whether the collector beside it sends; GET /api/v1/sources?state=silent lists all",
    },
  ];
}

function fullTables(facts: Facts): ApiProblem[] {
  const series = sumOf(facts.recent, "series_dropped_total");
  const rest = sumOf(facts.recent, "graph_overflow_total");
  if (series + rest === 0) return [];
  return [
    {
      code: "graph-full",
      severity: "warning",
      text: "The mesh is larger than the limits: some of it is left out",
      evidence: { series_points_dropped: series, graph_items_dropped: rest },
      remedy:
        "set store: { profile: large }, or raise limits.workloads, limits.facets, limits.series",
    },
  ];
}
